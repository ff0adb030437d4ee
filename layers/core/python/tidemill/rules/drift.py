"""Whether a column's values are spread as they were: two counts over the same bins, compared.

The bins come from a stored profile: a histogram's, with one more below and one above it,
or the most frequent values and all others together. So new rows need only be counted,
and nothing of the old ones but their profile.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import NormalDist

import numpy as np

from tidemill.contracts import ColumnProfile, TopValue

#: How often chance alone may give a finding: once in so many columns.
CHANCE = 1e-4
#: Fewer values tell nothing about a distribution.
MIN_VALUES = 50


@dataclass(frozen=True)
class Shift:
    """How far a column's values have moved."""

    psi: float  #: population stability index
    distance: float  #: Jensen-Shannon distance, 0 (the same) to 1 (nothing in common)
    noise: float  #: the index that two samples of these sizes reach by chance
    before: tuple[float, ...]  #: share of each bin
    now: tuple[float, ...]

    def is_drift(self, threshold: float) -> bool:
        """Whether the index is a finding: above the threshold, and more than chance."""
        return self.psi >= max(threshold, self.noise)


def shift(before: Sequence[int], now: Sequence[int]) -> Shift | None:
    """Compare two counts over the same bins; None when there are too few values, or bins, to tell."""
    one, other = np.asarray(before, dtype=float), np.asarray(now, dtype=float)
    used = one + other > 0
    if min(one.sum(), other.sum()) < MIN_VALUES or used.sum() < 2:
        return None
    noise = chance_psi(int(one.sum()), int(other.sum()), int(used.sum()))
    shares = tuple((one / one.sum()).tolist()), tuple((other / other.sum()).tolist())
    return Shift(psi(one[used], other[used]), jensen_shannon(one, other), noise, *shares)


def psi(before: np.ndarray, now: np.ndarray) -> float:
    """Population stability index of two counts, shape (bins,): sum of (q - p) ln(q / p) over the shares p and q.

    Each bin gets half a row more, so that an empty one gives no infinity. Siddiqi, Credit Risk Scorecards (2006),
    reads below 0.1 as stable and above 0.25 as changed.
    """
    p, q = ((counts + 0.5) / (counts + 0.5).sum() for counts in (before, now))
    return float(np.sum((q - p) * np.log(q / p)))


def chance_psi(before: int, now: int, bins: int) -> float:
    """The index that two samples of one distribution exceed once in 1 / CHANCE times.

    Without drift the index of n and m rows in B bins is distributed like (1/n + 1/m) times chi-squared with B - 1
    degrees of freedom (Yurdakul, Statistical Properties of Population Stability Index, 2018); its quantile is Wilson
    and Hilferty's (The distribution of chi-square, 1931).
    """
    freedom = bins - 1
    normal = NormalDist().inv_cdf(1 - CHANCE)
    quantile = freedom * (1 - 2 / (9 * freedom) + normal * math.sqrt(2 / (9 * freedom))) ** 3
    return (1 / before + 1 / now) * quantile


def jensen_shannon(before: np.ndarray, now: np.ndarray) -> float:
    """Jensen-Shannon distance of two counts, shape (bins,), with the logarithm to base 2: 0 to 1.

    The root of the mean divergence from the mixture of both (Lin, Divergence measures based on the Shannon entropy,
    1991), which is a metric (Endres and Schindelin, A new metric for probability distributions, 2003).
    """
    p, q = before / before.sum(), now / now.sum()
    mixture = (p + q) / 2
    divergence = sum(float(np.sum(s[s > 0] * np.log2(s[s > 0] / mixture[s > 0]))) for s in (p, q)) / 2
    return math.sqrt(max(divergence, 0.0))


# --- profiles ----------------------------------------------------------------------------------


def known_counts(column: ColumnProfile) -> tuple[int, ...] | None:
    """The counts of a profile that new ones are compared with: a histogram's bins between an empty one below and one
    above, or the top values and all others; None when the profile has neither."""
    if column.histogram is not None:
        return (0, *column.histogram.counts, 0)
    if column.top:
        known = [value.count for value in column.top]
        return (*known, column.rows - column.missing - sum(known))
    return None


def describe(column: ColumnProfile, found: Shift, rarer: TopValue | None = None) -> str:
    """What moved most, in words: "the share of 'DSL' fell from 34.0% to 20.0%". Personal data is not quoted.

    Of numbers it is the share below the edge where the cumulated shares differ most, as in Kolmogorov and Smirnov's
    statistic: single bins hide that everything moved a little. `rarer` is a value that makes up most of the rarer ones
    now, when there is one.
    """
    before, now = np.asarray(found.before), np.asarray(found.now)
    if column.histogram is not None:
        before, now = np.cumsum(before)[:-1], np.cumsum(now)[:-1]
    place = int(np.abs(now - before).argmax())
    moved = "rose" if now[place] > before[place] else "fell"
    told = f"the share of {_words(column, place)} {moved} from {before[place]:.1%} to {now[place]:.1%}"
    if rarer is not None and column.histogram is None and place == len(column.top) and moved == "rose":
        told += f", most of it {rarer.value[:40]!r} ({rarer.count:,} rows)"
    return told


def _words(column: ColumnProfile, place: int) -> str:
    if column.histogram is not None:
        edge = column.histogram.edges[place]
        if column.type == "date":  # seconds since 1970
            return f"days before {datetime.fromtimestamp(edge, UTC):%Y-%m-%d}"
        return f"values below {_number(edge if column.type != 'integer' else math.ceil(edge))}"
    if place == len(column.top):
        return "all rarer values together"
    return "one value" if column.personal_data else repr(column.top[place].value[:40])


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.4g}"
