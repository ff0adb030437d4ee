"""Whether a difference is more than chance: tests of two samples that are known by their counts, and of many at once.

Without scipy, which is not where production is watched; a test holds the p-values equal to scipy's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

#: Fewer expected rows than this in a bin, and the chi-squared distribution is no good approximation (Cochran, Some
#: methods for strengthening the common chi-squared tests, 1954).
MIN_EXPECTED = 5.0
#: Relative error at which series and fractions end, and how many terms they have at most.
_PRECISION, _TERMS = 1e-12, 10_000


def kolmogorov_smirnov(before: Sequence[int], now: Sequence[int]) -> tuple[float, float]:
    """Largest difference of the cumulated shares of two counts over the same ordered bins, and its p-value.

    Inside a bin the difference may be larger, never smaller: the binned test is conservative, as it is for values that
    repeat. The distribution is Kolmogorov's, with Stephens' correction for small samples (Use of the
    Kolmogorov-Smirnov, Cramer-von Mises and related statistics without extensive tables, 1970).
    """
    one, other = np.asarray(before, dtype=float), np.asarray(now, dtype=float)
    rows, more = float(one.sum()), float(other.sum())
    if not rows or not more:
        return 0.0, 1.0
    distance = float(np.abs(np.cumsum(one) / rows - np.cumsum(other) / more).max())
    effective = math.sqrt(rows * more / (rows + more))
    return distance, kolmogorov((effective + 0.12 + 0.11 / effective) * distance)


def kolmogorov(value: float) -> float:
    """Probability that Kolmogorov's distribution exceeds a value; of 1.36, 5%."""
    if value < 0.2:  # the series does not end there, and its sum is 1 in every digit
        return 1.0
    terms = (2 * (-1) ** (j - 1) * math.exp(-2 * (j * value) ** 2) for j in range(1, 101))
    return min(1.0, max(0.0, math.fsum(terms)))


def chi_squared(before: Sequence[int], now: Sequence[int]) -> tuple[float, float]:
    """Pearson's statistic of whether two counts over the same bins are of one distribution, and its p-value.

    Bins in which either sample expects fewer than MIN_EXPECTED rows are put together.
    """
    table = np.array([before, now], dtype=float)
    if not table.sum(axis=1).all():
        return 0.0, 1.0
    table = _pooled(table)
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    freedom = table.shape[1] - 1
    if freedom < 1:
        return 0.0, 1.0
    statistic = float(((table - expected) ** 2 / expected).sum())
    return statistic, upper_gamma(freedom / 2, statistic / 2)


def _pooled(table: np.ndarray) -> np.ndarray:
    """A table of shape (2, bins) without bins that expect too little: the smallest ones are added up until they do."""
    share = table.sum(axis=1).min() / table.sum()
    totals = table.sum(axis=0)
    order = np.argsort(totals, kind="stable")
    ordered, reached = table[:, order], np.cumsum(totals[order]) * share
    rare = int((totals * share < MIN_EXPECTED).sum())
    if not rare:
        return ordered
    # All rare bins are one; when they are too few together, so is the next one with them.
    end = max(rare, int(np.searchsorted(reached, MIN_EXPECTED)) + 1)
    pooled: np.ndarray = np.column_stack([ordered[:, :end].sum(axis=1), ordered[:, end:]])
    return pooled[:, pooled.sum(axis=0) > 0]


def upper_gamma(shape: float, value: float) -> float:
    """The regularised upper incomplete gamma function Q(a, x), for a > 0: chi-squared above 2x with 2a degrees.

    By its series below a + 1 and its continued fraction above (Press et al., Numerical Recipes, 6.2).
    """
    if value <= 0:
        return 1.0
    front = math.exp(-value + shape * math.log(value) - math.lgamma(shape))
    if value < shape + 1:
        term = total = 1 / shape
        for step in range(1, _TERMS):
            term *= value / (shape + step)
            total += term
            if term < total * _PRECISION:
                break
        return min(1.0, max(0.0, 1 - total * front))
    tiny = 1e-300
    b = value + 1 - shape
    c, d = 1 / tiny, 1 / b
    fraction = d
    for step in range(1, _TERMS):
        a = -step * (step - shape)
        b += 2
        d = 1 / _away(a * d + b, tiny)
        c = _away(b + a / c, tiny)
        fraction *= d * c
        if abs(d * c - 1) < _PRECISION:
            break
    return min(1.0, max(0.0, front * fraction))


def _away(value: float, tiny: float) -> float:
    return value if abs(value) > tiny else tiny


def greater_share(before: int, rows: int, now: int, more: int) -> float:
    """p-value of whether `now` of `more` rows is a greater share than `before` of `rows`, by the pooled z-test with
    Yates' correction."""
    if not rows or not more:
        return 1.0
    pooled = (before + now) / (rows + more)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / rows + 1 / more))
    if not spread:
        return 1.0
    # Yates takes half a row from each difference, so that few rows do not say more than they can.
    difference = now / more - before / rows - (1 / rows + 1 / more) / 2
    return above(difference / spread)


def above(value: float) -> float:
    """Probability that a standard normal number is greater."""
    return 0.5 * math.erfc(value / math.sqrt(2))


def quantile(chance: float) -> float:
    """The standard normal number that is exceeded with this probability."""
    return -NormalDist().inv_cdf(chance)


def share_bound(count: int, rows: int, chance: float) -> float:
    """Lower bound of a share that `count` of `rows` tell of, wrong with probability `chance` (Wilson, 1927)."""
    if not rows:
        return 0.0
    z = quantile(chance)
    share = count / rows
    middle = share + z * z / (2 * rows)
    spread = z * math.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    return max(0.0, (middle - spread) / (1 + z * z / rows))


def adjusted(p_values: Sequence[float]) -> tuple[float, ...]:
    """p-values such that those at most q are findings of which a share of q is false, in the order given.

    The step-up procedure of Benjamini and Hochberg (Controlling the false discovery rate, 1995). When nothing has
    changed, there is any finding at all with probability q at most.
    """
    if not p_values:
        return ()
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    scaled = p[order] * len(p) / np.arange(1, len(p) + 1)
    steps = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    result = np.empty(len(p))
    result[order] = steps
    return tuple(result.tolist())
