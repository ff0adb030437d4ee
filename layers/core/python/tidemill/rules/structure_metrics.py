"""How good a model without a target is: metrics of clusters, components and anomaly scores, in numpy.

Names and values are scikit-learn's where it has the metric. Each is measured on rows that the model was not
fitted on, in the space in which it works: every source column scaled to weigh the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from tidemill.contracts import Interval
from tidemill.rules.metrics import improvement

#: Distances between all pairs of rows are taken of at most so many rows.
SILHOUETTE_ROWS = 2_000
#: Of the bootstrap (see `rules/bootstrap.py`); these metrics cost more than those of predictions.
RESAMPLES = 200
_BOUNDS = (2.5, 97.5)


@dataclass(frozen=True)
class Clusters:
    """Rows in clusters.

    Parameters
    ----------
    space
        (n, width) float64: the rows where the clusters were made.
    labels
        (n,) int64: the cluster of each row.
    halves
        (n, 2) int64: the clusters that models of two separate halves of the training rows give; None when unknown.
    silhouettes
        (n,) what `silhouettes` gives; computed when None.
    """

    space: np.ndarray
    labels: np.ndarray
    halves: np.ndarray | None = None
    silhouettes: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def score(self, name: str) -> float:
        """`silhouette`, `davies_bouldin` or `stability`."""
        if name == "silhouette":
            widths = silhouettes(self.space, self.labels) if self.silhouettes is None else self.silhouettes
            return float(np.nanmean(widths))
        if name == "davies_bouldin":
            return davies_bouldin(self.space, self.labels)
        if name == "stability":
            return float("nan") if self.halves is None else adjusted_rand(self.halves[:, 0], self.halves[:, 1])
        raise KeyError(name)

    def rows(self, index: np.ndarray) -> Clusters:
        """Some rows; their silhouettes stay those among all rows, since a row drawn twice is no neighbour of itself."""
        whole = self.silhouettes if self.silhouettes is not None else silhouettes(self.space, self.labels)
        halves = None if self.halves is None else self.halves[index]
        return Clusters(self.space[index], self.labels[index], halves, whole[index])

    def measured(self) -> Clusters:
        """The same, with its silhouettes computed once."""
        return replace(self, silhouettes=silhouettes(self.space, self.labels))


@dataclass(frozen=True)
class Components:
    """Rows and what a few components keep of them, both (n, width) float64."""

    space: np.ndarray
    reconstruction: np.ndarray

    def __len__(self) -> int:
        return len(self.space)

    def score(self, name: str) -> float:
        """`explained_variance` or `reconstruction_rmse`."""
        if name == "explained_variance":
            return explained_variance(self.space, self.reconstruction)
        if name == "reconstruction_rmse":
            return float(np.sqrt(np.mean((self.space - self.reconstruction) ** 2)))
        raise KeyError(name)

    def rows(self, index: np.ndarray) -> Components:
        """Some rows."""
        return Components(self.space[index], self.reconstruction[index])

    def measured(self) -> Components:
        """The same."""
        return self


@dataclass(frozen=True)
class Strangeness:
    """Anomaly scores, higher for stranger rows.

    Parameters
    ----------
    scores
        (n,) of the rows.
    shuffled
        (n,) of the rows after each column was shuffled on its own.
    halves
        (n, 2) the scores that models of two separate halves of the training rows give; None when unknown.
    """

    scores: np.ndarray
    shuffled: np.ndarray
    halves: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.scores)

    def score(self, name: str) -> float:
        """`shuffled_auc` or `stability`."""
        if name == "shuffled_auc":
            return auc(self.shuffled, self.scores)
        if name == "stability":
            return float("nan") if self.halves is None else rank_correlation(self.halves[:, 0], self.halves[:, 1])
        raise KeyError(name)

    def rows(self, index: np.ndarray) -> Strangeness:
        """Some rows, and as many shuffled ones."""
        halves = None if self.halves is None else self.halves[index]
        return Strangeness(self.scores[index], self.shuffled[index], halves)

    def measured(self) -> Strangeness:
        """The same."""
        return self


#: What a model found in rows.
Found = Clusters | Components | Strangeness


def score(names: Iterable[str], found: Found) -> dict[str, float]:
    """The metrics of what a model found; NaN where one is not defined."""
    measured = found.measured()
    return {name: measured.score(name) for name in names}


def intervals(names: Iterable[str], found: Found, seed: int) -> dict[str, Interval]:
    """Each metric on all rows with its 95% bootstrap interval; NaN where it is not defined."""
    measured = found.measured()
    drawn = [measured.rows(index) for index in _resamples(len(measured), seed)]
    return {name: _interval(measured.score(name), [some.score(name) for some in drawn]) for name in names}


def difference(name: str, new: Found, old: Found, seed: int) -> Interval:
    """By how much `new` is better than `old` on the same rows, with its 95% bootstrap interval."""
    new, old = new.measured(), old.measured()
    drawn = [
        improvement(name, new.rows(index).score(name), old.rows(index).score(name))
        for index in _resamples(len(new), seed)
    ]
    return _interval(improvement(name, new.score(name), old.score(name)), drawn)


# --- the metrics -------------------------------------------------------------------------------


def silhouettes(space: np.ndarray, labels: np.ndarray, most: int = SILHOUETTE_ROWS) -> np.ndarray:
    """(n,): how much nearer each row is to its own cluster than to the next one, -1 to 1 (Rousseeuw, 1987).

    A row that is alone in its cluster, or all rows when there is one cluster only, have 0. Of more than `most` rows
    evenly spread ones are measured, and the others are NaN.
    """
    values = np.full(len(labels), np.nan)
    kept = np.unique(np.linspace(0, len(labels) - 1, min(most, len(labels))).astype(np.int64))
    table, codes = space[kept], np.unique(labels[kept], return_inverse=True)[1]
    sizes = np.bincount(codes)
    if len(sizes) < 2:
        values[kept] = 0.0
        return values
    member = np.eye(len(sizes))[codes]
    totals = _distances(table, table) @ member
    rows = np.arange(len(codes))
    own = totals[rows, codes] / np.maximum(sizes[codes] - 1, 1)
    means = totals / sizes
    means[rows, codes] = np.inf
    nearest = means.min(axis=1)
    widest = np.maximum(own, nearest)
    widths = np.divide(nearest - own, widest, out=np.zeros(len(own)), where=widest > 0)
    values[kept] = np.where(sizes[codes] == 1, 0.0, widths)
    return values


def davies_bouldin(space: np.ndarray, labels: np.ndarray) -> float:
    """How much the most similar pairs of clusters overlap (Davies and Bouldin, 1979); NaN of one cluster."""
    codes = np.unique(labels, return_inverse=True)[1]
    sizes = np.bincount(codes)
    if len(sizes) < 2:
        return float("nan")
    centres = np.stack([np.bincount(codes, column) for column in space.T], axis=1) / sizes[:, None]
    spread = np.bincount(codes, np.sqrt(((space - centres[codes]) ** 2).sum(axis=1))) / sizes
    apart = _distances(centres, centres)
    np.fill_diagonal(apart, np.inf)
    together = spread[:, None] + spread
    with np.errstate(divide="ignore"):
        overlap = np.divide(together, apart, out=np.full(apart.shape, np.inf), where=apart > 0)
    overlap[together == 0] = 0.0
    return float(np.mean(overlap.max(axis=1)))


def adjusted_rand(one: np.ndarray, other: np.ndarray) -> float:
    """How far two groupings of the same rows agree beyond chance, 1 when they are the same (Hubert, Arabie, 1985)."""
    first, second = (np.unique(labels, return_inverse=True)[1] for labels in (one, other))
    width = int(second.max()) + 1
    table = np.bincount(first * width + second, minlength=(int(first.max()) + 1) * width).reshape(-1, width)
    together, rows, columns = (_pairs(counts) for counts in (table, table.sum(axis=1), table.sum(axis=0)))
    chance = rows * columns / max(_pairs(np.array([len(one)])), 1.0)
    most = (rows + columns) / 2
    return 1.0 if most == chance else float((together - chance) / (most - chance))


def explained_variance(space: np.ndarray, reconstruction: np.ndarray) -> float:
    """The share of the rows' variance, over all columns, that a reconstruction keeps; NaN when there is none."""
    whole = float(((space - space.mean(axis=0)) ** 2).sum())
    return 1 - float(((space - reconstruction) ** 2).sum()) / whole if whole > 0 else float("nan")


def auc(positive: np.ndarray, negative: np.ndarray) -> float:
    """The chance that a positive score is above a negative one, ties counting half (Mann and Whitney, 1947)."""
    ranks = _ranks(np.concatenate([positive, negative]))
    pairs = len(positive) * len(negative)
    above = ranks[: len(positive)].sum() - len(positive) * (len(positive) + 1) / 2
    return float(above / pairs)


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's correlation; NaN when either does not vary."""
    first, second = _ranks(one), _ranks(other)
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])


# --- arithmetic --------------------------------------------------------------------------------


def _distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Euclidean distances between rows, (n, m)."""
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2 * one @ other.T
    if one is other:
        np.fill_diagonal(squares, 0.0)
    distances: np.ndarray = np.sqrt(np.maximum(squares, 0.0))
    return distances


def _pairs(counts: np.ndarray) -> float:
    return float((counts * (counts - 1.0) / 2).sum())


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1; equal values share the mean of theirs."""
    _, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: np.ndarray = (last - (counts - 1) / 2)[codes]
    return ranks


def _resamples(rows: int, seed: int) -> Iterator[np.ndarray]:
    generator = np.random.default_rng(seed)
    for _ in range(RESAMPLES):
        yield generator.integers(rows, size=rows)


def _interval(value: float, drawn: list[float]) -> Interval:
    defined = [one for one in drawn if not np.isnan(one)]
    if np.isnan(value) or not defined:
        return Interval(float("nan"), float("nan"), float("nan"))
    low, high = np.percentile(defined, _BOUNDS)
    # Rows that are drawn twice agree with themselves, which shifts the metrics of pairs a little.
    return Interval(value, min(float(low), value), max(float(high), value))
