"""The bins that a model's outputs are counted in, so that production is compared with the holdout by counts alone.

Probabilities have one set of bins for all classes, finer near 0 and 1, where rare classes are told apart, and at the
holdout's quantiles, so that rankings survive the counting. Values have the holdout's quantiles. A decision threshold
is always an edge: a bin is all of one label.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

#: The output of a task without classes.
VALUE = "value"
#: Bins of equal width, of probabilities: of a binary task, and of each class of many.
_STEPS = {2: 50}
_STEPS_OF_MANY = 25
#: Near both ends.
_TAILS = (1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 1.5e-2)
#: Bins of the holdout's quantiles: of probabilities of a binary task, and of values; each has at least so many rows.
_QUANTILES, _VALUE_QUANTILES, _BIN_ROWS = 64, 40, 10
#: Bins of absolute errors for each power of ten, from a thousandth of the holdout's error to a hundredfold.
_ERROR_STEPS = np.arange(-60, 41) / 20
#: Bins that counts are told apart by where many would be noise.
COARSE_BINS = 10


def probability_edges(
    probabilities: np.ndarray, positive: int = 1, threshold: float | None = None
) -> tuple[float, ...]:
    """Edges from 0 to 1 for the probabilities of a holdout, shape (n, classes).

    Parameters
    ----------
    threshold
        of a binary task, from which on the positive class, with index `positive`, is predicted.
    """
    classes = probabilities.shape[1]
    edges = [np.linspace(0, 1, _STEPS.get(classes, _STEPS_OF_MANY) + 1), np.array(_TAILS), 1 - np.array(_TAILS)]
    if classes == 2:
        edges += [
            _quantiles(probabilities[:, positive], _QUANTILES),
            np.array([0.5 if threshold is None else threshold]),
        ]
    inside = np.unique(np.concatenate(edges))
    return tuple(inside[(inside >= 0) & (inside <= 1)].tolist())


def value_edges(values: np.ndarray, threshold: float | None = None) -> tuple[float, ...]:
    """Edges at the quantiles of a holdout's values, shape (n,); there are at least two.

    Parameters
    ----------
    threshold
        from which on a row is an anomaly.
    """
    edges = _quantiles(values, _VALUE_QUANTILES)
    if threshold is not None:
        edges = np.unique(np.append(edges, threshold))
    if len(edges) < 2:
        middle = float(edges[0]) if len(edges) else 0.0
        return (middle - 0.5, middle + 0.5)
    return tuple(edges.tolist())


def error_edges(error: float) -> np.ndarray:
    """Edges of bins of absolute errors, 101 of them and 0, for a model whose root mean squared error was `error`."""
    return np.concatenate([[0.0], (error if error > 0 else 1.0) * 10.0**_ERROR_STEPS])


def count(values: np.ndarray, edges: Sequence[float] | np.ndarray, chosen: np.ndarray | None = None) -> tuple[int, ...]:
    """How many of the values are in each bin; what lies outside counts to the first or last one, NaN to none.

    Parameters
    ----------
    values
        (n,) numbers.
    edges
        one more than bins; a bin has its lower edge and not its upper one.
    chosen
        (n,) bool: the values that count; None: all.
    """
    counted = ~np.isnan(values) if chosen is None else chosen & ~np.isnan(values)
    places = place(values[counted], edges)
    return tuple(np.bincount(places, minlength=len(edges) - 1).tolist())


def place(values: np.ndarray, edges: Sequence[float] | np.ndarray) -> np.ndarray:
    """(n,) int64: index of each value's bin, the nearest one of what lies outside."""
    found: np.ndarray = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    return found


def coarse(before: Sequence[int], *others: Sequence[int], bins: int = COARSE_BINS) -> tuple[tuple[int, ...], ...]:
    """The counts with neighbouring bins put together, so that about equally much of `before` is in each.

    Returns
    -------
    `before` and the others, over the same at most `bins` bins.
    """
    known = np.asarray(before, dtype=np.int64)
    reached = np.cumsum(known) - known
    part = np.minimum(reached * bins // max(int(known.sum()), 1), bins - 1)
    starts = np.flatnonzero(np.diff(part, prepend=-1))
    return tuple(tuple(np.add.reduceat(np.asarray(one, dtype=np.int64), starts).tolist()) for one in (before, *others))


def _quantiles(values: np.ndarray, most: int) -> np.ndarray:
    """Different quantiles of the values that are numbers; none of none."""
    known = values[np.isfinite(values)]
    if not len(known):
        return np.zeros(0)
    bins = min(most, max(2, len(known) // _BIN_ROWS))
    edges: np.ndarray = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)))
    return edges
