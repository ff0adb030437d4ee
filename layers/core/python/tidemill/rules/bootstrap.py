"""How sure a metric is: percentile bootstrap intervals.

Rows are drawn with replacement, the metric is computed on each resample, and the middle
95% of its values are the interval (Efron and Tibshirani, An Introduction to the Bootstrap,
1993, chapter 13). Two models are compared on the same resamples, so that what is common
to both cancels out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from tidemill.contracts import Interval
from tidemill.rules.metrics import Outcomes, improvement, score, score_resamples

#: Resamples of a small table; of a large one there are fewer, down to the smallest number.
MOST_RESAMPLES = 1000
FEWEST_RESAMPLES = 100
#: Rows drawn for one set of intervals, whatever the table's size.
_DRAWN_ROWS = 5_000_000
#: Weights held in memory at once.
_WEIGHTS = 2_000_000
_BOUNDS = (2.5, 97.5)


def intervals(
    names: Iterable[str], outcomes: Outcomes, seed: int, resamples: int = MOST_RESAMPLES
) -> dict[str, Interval]:
    """Each metric's value on all rows with its 95% interval, from at most so many resamples.

    A metric that is not defined on all rows (one class only) has a NaN value and bounds.
    """
    names = tuple(names)
    drawn: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for weights in _resamples(len(outcomes.actual), seed, resamples):
        for name in names:
            drawn[name].append(score_resamples(name, outcomes, weights))
    values = score(names, outcomes)
    return {name: _interval(values[name], np.concatenate(drawn[name])) for name in names}


def difference(name: str, new: Outcomes, old: Outcomes, seed: int) -> Interval:
    """By how much `new` is better than `old` on the same rows, with its 95% interval."""
    drawn = [
        score_resamples(name, new, weights) - score_resamples(name, old, weights)
        for weights in _resamples(len(new.actual), seed)
    ]
    sign = improvement(name, 1.0, 0.0)
    value = sign * (score([name], new)[name] - score([name], old)[name])
    return _interval(value, sign * np.concatenate(drawn))


def _resamples(rows: int, seed: int, most: int = MOST_RESAMPLES) -> Iterator[np.ndarray]:
    """How often each row was drawn, (resamples, rows) at a time."""
    generator = np.random.default_rng(seed)
    left = int(np.clip(_DRAWN_ROWS // rows, FEWEST_RESAMPLES, most))
    while left:
        some = min(left, max(1, _WEIGHTS // rows))
        picked = generator.integers(rows, size=(some, rows)) + np.arange(some)[:, None] * rows
        yield np.bincount(picked.ravel(), minlength=some * rows).reshape(some, rows).astype(np.float64)
        left -= some


def _interval(value: float, drawn: np.ndarray) -> Interval:
    defined = drawn[~np.isnan(drawn)]
    if np.isnan(value) or not len(defined):
        return Interval(float("nan"), float("nan"), float("nan"))
    low, high = np.percentile(defined, _BOUNDS)
    return Interval(float(value), float(low), float(high))
