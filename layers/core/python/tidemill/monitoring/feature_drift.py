"""How far features and predictions have moved from the reference, by their counts alone.

A feature has drifted when both hold: its population stability index is one that chunks of the reference of this size
do not reach (mean and 3 sigma) and that is worth a word (the spec's floor), and a test says that this is no chance,
over all features together (Benjamini and Hochberg). Effect alone alarms on small windows, a test alone on large ones.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tidemill.contracts import ColumnProfile, ColumnType, Histogram, Profile, TopValue
from tidemill.monitoring_contracts import ColumnSummary, FeatureDrift, Reference, Summary
from tidemill.rules import drift, output_bins, significance

#: Chunks of the reference that are drawn to see how far chance moves them.
DRAWS = 200
SIGMAS = 3.0
#: Sizes of chunks are calibrated in steps of this factor, each for all sizes up to the next.
_STEP = 2**0.25
#: Digits of a share that are kept.
_DIGITS = 6

Test = Literal["kolmogorov_smirnov", "chi_squared"]


@dataclass(frozen=True)
class Comparison:
    """Two counts over the same bins, and how a person calls the bins."""

    column: ColumnProfile  #: of a prediction, made like one
    before: tuple[int, ...]
    now: tuple[int, ...]
    importance: float = 0.0  #: share of all features' importance
    mean: float | None = None  #: of the numbers now
    rarer: TopValue | None = None  #: of categories, the value that most of the others are now
    coarse: tuple[tuple[int, ...], tuple[int, ...]] | None = None  #: both counts over fewer bins, when those are many

    @property
    def ordered(self) -> bool:
        """Whether the bins are numbers in their order."""
        return self.column.histogram is not None

    @property
    def usable(self) -> bool:
        """Whether there are values enough on both sides, and more than one bin."""
        used = sum(one + other > 0 for one, other in zip(self.before, self.now, strict=True))
        return min(sum(self.before), sum(self.now)) >= drift.MIN_VALUES and used > 1


def features(
    summary: Summary, profile: Profile, reference: Reference | None, *, floor: float, false_alarms: float
) -> tuple[FeatureDrift, ...]:
    """Each feature of a window against the stored profile, the most important ones first.

    Dates are compared and never drift, because time moves on. Features with fewer than 50
    values, or with nothing to compare, are left out.

    Parameters
    ----------
    reference
        for the features' importance; None: of a version that has none, where all are equally important.
    floor
        population stability index below which a feature has not drifted, whatever a test says.
    false_alarms
        how often there may be any drifted feature in a window like the reference.
    """
    known = {column.name: column for column in profile.columns if column.role == "feature"}
    compared = [item for column in summary.columns if (item := _of_column(column, known.get(column.name))) is not None]
    weights = shares_of_importance([item.column.name for item in compared], reference)
    compared = [dataclasses.replace(item, importance=weights[item.column.name]) for item in compared]
    # What has no chance of being a finding is no test: dates would only make the others' harder.
    judged = [measure(item, floor) for item in compared if item.column.type != "date"]
    dates = [measure(item, floor) for item in compared if item.column.type == "date"]
    found = [*_judge(judged, false_alarms), *dates]
    return tuple(sorted(found, key=lambda item: (-item.importance, item.name)))


def prediction(summary: Summary, reference: Reference, *, floor: float, false_alarms: float) -> FeatureDrift | None:
    """What the model says in a window against what it said on its holdout; None when that tells nothing.

    Of many outputs (the probability of each class, the share of each label) the one that has moved most: its `name` is
    the class, "value", or "label", and `before` and `now` are over `Reference.edges`, or the labels in their order.
    """
    compared = [item for item in _outputs(summary, reference) if item.usable]
    if not compared:
        return None
    # Any of the outputs may be the one: Bonferroni, because they depend on one another.
    found = []
    for item in compared:
        one = measure(item, floor)
        one = dataclasses.replace(one, adjusted=min(1.0, one.p_value * len(compared)))
        # What is empty below and above the edges is of columns only.
        found.append(dataclasses.replace(one, before=one.before[1:-1], now=one.now[1:-1]) if item.ordered else one)
    worst = max(found, key=lambda one: (one.adjusted <= false_alarms, one.psi / one.limit, -one.adjusted))
    return dataclasses.replace(worst, drifted=worst.adjusted <= false_alarms and worst.psi >= worst.limit)


def weighted(found: Iterable[FeatureDrift], profile: Profile) -> float:
    """Mean of the features' population stability index by their importance, dates left out; 0 without features."""
    dates = {column.name for column in profile.columns if column.type == "date"}
    judged = [item for item in found if item.name not in dates]
    total = math.fsum(item.importance for item in judged)
    if not total:
        return math.fsum(item.psi for item in judged) / len(judged) if judged else 0.0
    return math.fsum(item.importance * item.psi for item in judged) / total


def shares_of_importance(names: Sequence[str], reference: Reference | None) -> dict[str, float]:
    """Each feature's share of the importance of all of them; equal ones when none is known."""
    known = {name: max(reference.importance.get(name, 0.0), 0.0) if reference else 0.0 for name in names}
    total = math.fsum(known.values())
    if not total:
        return {name: 1 / len(names) for name in names}
    return {name: value / total for name, value in known.items()}


# --- one comparison ----------------------------------------------------------------------------


def measure(compared: Comparison, floor: float) -> FeatureDrift:
    """Effect and test of one comparison that is `usable`, not judged yet."""
    before, now = compared.coarse or (compared.before, compared.now)
    one, other = np.array(before, dtype=float), np.array(now, dtype=float)
    used = one + other > 0
    psi = drift.psi(one[used], other[used])
    test, statistic, p_value = _test(compared, before, now)
    shift = drift.Shift(psi, 0.0, 0.0, _shares(compared.before), _shares(compared.now))
    return FeatureDrift(
        name=compared.column.name,
        rows=sum(now),
        psi=round(psi, _DIGITS),
        distance=round(drift.jensen_shannon(one, other), _DIGITS),
        wasserstein=_wasserstein(compared) if compared.ordered else None,
        test=test,
        statistic=round(statistic, _DIGITS),
        p_value=p_value,
        adjusted=p_value,
        limit=round(max(floor, chunk_limit(before, sum(now))), _DIGITS),
        drifted=False,
        importance=round(compared.importance, _DIGITS),
        words=drift.describe(compared.column, shift, compared.rarer),
        before=shift.before,
        now=shift.now,
    )


def _test(compared: Comparison, before: tuple[int, ...], now: tuple[int, ...]) -> tuple[Test, float, float]:
    """The test of a comparison, its statistic and p-value.

    Numbers have two, the surer one counts, at twice its p-value: Kolmogorov and Smirnov's sees that everything moved a
    little, Pearson's that single bins have changed places.
    """
    statistic, p_value = significance.chi_squared(before, now)
    if not compared.ordered:
        return "chi_squared", statistic, p_value
    distance, p_of_distance = significance.kolmogorov_smirnov(compared.before, compared.now)
    if p_of_distance <= p_value:
        return "kolmogorov_smirnov", distance, min(1.0, 2 * p_of_distance)
    return "chi_squared", statistic, min(1.0, 2 * p_value)


def chunk_limit(before: tuple[int, ...], rows: int) -> float:
    """The population stability index that chunks of the reference of so many rows stay below: mean and 3 sigma.

    Drawn from the counts, the reference's own rows too, because it is a sample itself. Deterministic; kept for counts
    and sizes that come again.
    """
    return _chunk_limit(before, int(_STEP ** math.floor(math.log(max(rows, 1), _STEP) + 1e-9)))


@functools.lru_cache(maxsize=4096)
def _chunk_limit(before: tuple[int, ...], rows: int) -> float:
    counts = np.array(before, dtype=float)
    known = int(counts.sum())
    shares = counts[counts > 0] / known
    rng = np.random.default_rng(rows)
    chunks = rng.multinomial(rows, shares, size=DRAWS) + 0.5
    again = rng.multinomial(known, shares, size=DRAWS) + 0.5
    q, p = (drawn / drawn.sum(axis=1, keepdims=True) for drawn in (chunks, again))
    indices = ((q - p) * np.log(q / p)).sum(axis=1)
    return float(indices.mean() + SIGMAS * indices.std())


def _wasserstein(compared: Comparison) -> float | None:
    """Wasserstein's distance in standard deviations of the reference; None when that has none.

    The area between the cumulated shares, as if values were spread evenly inside their bins (Vallender, Calculation of
    the Wasserstein distance between probability distributions on the line, 1973). Values beyond the bins count there
    as if they were at the edge, so the means say more: their difference is never larger than the distance.
    """
    column = compared.column
    if column.histogram is None or not column.std:
        return None
    # Below the first edge and above the last one there is no width; in between the difference is linear.
    inside = [np.cumsum(counts)[:-1] / sum(counts) for counts in (compared.before, compared.now)]
    low, high = (inside[1] - inside[0])[:-1], (inside[1] - inside[0])[1:]
    total = np.abs(low) + np.abs(high)
    crossing = np.divide(low**2 + high**2, total, out=np.zeros_like(total), where=total > 0)
    height = np.where(low * high < 0, crossing, total) / 2
    area = float((height * np.diff(column.histogram.edges)).sum())
    moved = abs(compared.mean - column.mean) if compared.mean is not None and column.mean is not None else 0.0
    return round(max(area, moved) / column.std, _DIGITS)


def _judge(found: Sequence[FeatureDrift], false_alarms: float) -> list[FeatureDrift]:
    """Say of each whether it has drifted, by all of their p-values together."""
    adjusted = significance.adjusted([item.p_value for item in found])
    return [
        dataclasses.replace(item, adjusted=value, drifted=value <= false_alarms and item.psi >= item.limit)
        for item, value in zip(found, adjusted, strict=True)
    ]


def _shares(counts: Sequence[int]) -> tuple[float, ...]:
    total = sum(counts)
    return tuple(round(count / total, _DIGITS) for count in counts)


# --- what is compared --------------------------------------------------------------------------


def _of_column(column: ColumnSummary, profile: ColumnProfile | None) -> Comparison | None:
    """A column with its profile, or None when there is nothing to compare."""
    before = drift.known_counts(profile) if profile else None
    if profile is None or before is None or len(before) != len(column.counts):
        return None
    present = sum(column.counts)
    mean = column.total / present if profile.histogram is not None and present else None
    compared = Comparison(profile, before, column.counts, mean=mean, rarer=_most_of_the_others(column))
    return compared if compared.usable else None


def _most_of_the_others(column: ColumnSummary) -> TopValue | None:
    """The value that training has never seen and that makes up more than half of those without a bin of their own."""
    if not column.unseen or not column.examples:
        return None
    most = column.examples[0]
    return most if 2 * most.count > column.unseen else None


def _outputs(summary: Summary, reference: Reference) -> list[Comparison]:
    """The outputs of a model, and its labels when there are more than two."""
    found = []
    for name, before in reference.outputs.items():
        now = summary.outputs.get(name)
        if now is None or len(now) != len(before):
            continue
        middles = (np.array(reference.edges[:-1]) + np.array(reference.edges[1:])) / 2
        mean = float(middles @ before / max(sum(before), 1))
        std = math.sqrt(max(float((middles - mean) ** 2 @ before) / max(sum(before), 1), 0.0))
        profile = _like_a_column(name, histogram=Histogram(reference.edges, before), mean=mean, std=std)
        one, other = output_bins.coarse(before, now)
        # Values beyond the edges are in the outer bins: there are none below and above.
        found.append(Comparison(profile, (0, *before, 0), (0, *now, 0), coarse=(one, other)))
    if len(reference.labels) > 2:
        found.append(_labels(summary.labels, reference.labels))
    return found


def _labels(now: Mapping[str, int], before: Mapping[str, int]) -> Comparison:
    others = sum(count for label, count in now.items() if label not in before)
    profile = _like_a_column("label", top=tuple(TopValue(label, count) for label, count in before.items()))
    return Comparison(profile, (*before.values(), 0), (*(now.get(label, 0) for label in before), others))


def _like_a_column(name: str, **known: Any) -> ColumnProfile:
    kind: ColumnType = "number" if "histogram" in known else "category"
    return ColumnProfile(name=name, type=kind, role="target", rows=0, missing=0, distinct=0, **known)
