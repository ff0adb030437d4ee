"""What a model without a target is measured against: rows without structure. numpy only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from tidemill.rules import structure_metrics
from tidemill.rules.structure_metrics import Clusters

#: Clouds that are drawn, and their rows.
_CLOUDS = 5
_LEAST_ROWS, _MOST_ROWS = 200, 1000
#: Starts and steps of k-means on a cloud.
_STARTS = 5
_STEPS = 100


def shuffled(columns: Mapping[str, np.ndarray], names: Iterable[tuple[str, ...]], seed: int) -> dict[str, np.ndarray]:
    """The rows with each raw column shuffled on its own, so that no two of them go together any more.

    Parameters
    ----------
    columns
        encoded columns, each of shape (n,).
    names
        the encoded columns of each raw one.
    """
    generator = np.random.default_rng(seed)
    mixed = dict(columns)
    for parts in names:
        order = generator.permutation(len(columns[parts[0]]))
        mixed |= {name: columns[name][order] for name in parts}
    return mixed


def one_cloud(names: Iterable[str], space: np.ndarray, clusters: int, seed: int) -> dict[str, float]:
    """The metrics that k-means reaches where there are no clusters: in rows drawn from one cloud of normal
    distribution with the mean and covariance of these (Liu, Hayes, Nobel and Marron, 2008). Means over several clouds.

    Parameters
    ----------
    space
        (n, width) the rows whose spread the clouds have.
    clusters
        how many are looked for.
    """
    names = tuple(names)
    generator = np.random.default_rng(seed)
    rows = int(np.clip(len(space), _LEAST_ROWS, _MOST_ROWS))
    spread = np.atleast_2d(np.cov(space, rowvar=False))
    values, vectors = np.linalg.eigh(spread)
    across = vectors * np.sqrt(np.maximum(values, 0.0))
    drawn = []
    for _ in range(_CLOUDS):
        learned, other, tested = (generator.normal(size=(rows, len(values))) @ across.T for _ in range(3))
        labels = [nearest(tested, centres(half, clusters, generator)) for half in (learned, other)]
        drawn.append(structure_metrics.score(names, Clusters(tested, labels[0], np.column_stack(labels))))
    return {name: float(np.mean([one[name] for one in drawn])) for name in names}


def centres(table: np.ndarray, clusters: int, generator: np.random.Generator) -> np.ndarray:
    """(clusters, width): centres by k-means, the best of a few starts (Arthur and Vassilvitskii, 2007, and Lloyd)."""
    best, least = table[:clusters], np.inf
    for _ in range(_STARTS):
        chosen = table[[generator.integers(len(table))]]
        while len(chosen) < clusters:
            apart = _squares(table, chosen).min(axis=1)
            odds = apart / apart.sum() if apart.sum() > 0 else None
            chosen = np.vstack([chosen, table[[generator.choice(len(table), p=odds)]]])
        for _ in range(_STEPS):
            labels = nearest(table, chosen)
            counts = np.bincount(labels, minlength=clusters)
            sums = np.stack([np.bincount(labels, column, clusters) for column in table.T], axis=1)
            moved = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], chosen)
            if np.allclose(moved, chosen):
                break
            chosen = moved
        cost = float(_squares(table, chosen).min(axis=1).sum())
        if cost < least:
            best, least = chosen, cost
    return best


def nearest(table: np.ndarray, middles: np.ndarray) -> np.ndarray:
    """(n,) int64: the nearest centre of each row."""
    labels: np.ndarray = _squares(table, middles).argmin(axis=1)
    return labels


def _squares(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2 * one @ other.T
    distances: np.ndarray = np.maximum(squares, 0.0)
    return distances
