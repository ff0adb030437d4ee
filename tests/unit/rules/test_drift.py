"""Whether two counts of the same bins differ by more than chance, and what moved."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.spatial import distance

from tidemill.contracts import ColumnProfile, Histogram, PersonalData, TopValue
from tidemill.rules import drift


def test_the_index_is_the_sum_over_the_bins() -> None:
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.3, 0.3, 0.4])
    expected = float(np.sum((q - p) * np.log(q / p)))
    assert drift.psi(p * 1e6, q * 1e6) == pytest.approx(expected, rel=1e-4)
    assert drift.psi(p * 1000, p * 5000) == pytest.approx(0, abs=1e-4)


def test_an_empty_bin_gives_a_finite_index() -> None:
    assert 1 < drift.psi(np.array([100.0, 0.0]), np.array([50.0, 50.0])) < 10


def test_the_distance_is_scipys() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        p, q = random.integers(0, 50, (2, 8)).astype(float)
        assert drift.jensen_shannon(p, q) == pytest.approx(distance.jensenshannon(p, q, base=2), abs=1e-9)
    assert drift.jensen_shannon(np.array([5.0, 0.0]), np.array([0.0, 9.0])) == 1


@pytest.mark.parametrize(("rows", "more", "bins"), [(60, 60, 20), (200, 2000, 20), (5000, 300, 8), (1000, 1000, 3)])
def test_samples_of_one_distribution_stay_below_the_noise(rows: int, more: int, bins: int) -> None:
    random = np.random.default_rng(1)
    shares = random.dirichlet(np.ones(bins))
    found = [drift.shift(random.multinomial(rows, shares), random.multinomial(more, shares)) for _ in range(500)]
    above = [one for one in found if one is not None and one.psi > one.noise]
    assert len(above) <= 2


def test_a_shift_is_drift_above_threshold_and_noise() -> None:
    moved = drift.shift([500, 500], [200, 800])
    assert moved is not None
    assert moved.is_drift(0.25)
    assert not moved.is_drift(0.5)
    few = drift.shift([30, 30], [18, 42])
    assert few is not None
    assert not few.is_drift(0.01)


def test_too_few_values_or_bins_tell_nothing() -> None:
    assert drift.shift([20, 20], [0, 4000]) is None
    assert drift.shift([4000, 0], [49, 0]) is None
    assert drift.shift([4000], [4000]) is None


def category(**changes: object) -> ColumnProfile:
    top = (TopValue("DSL", 340), TopValue("Fiber", 600))
    return ColumnProfile("internet", "category", "feature", 1010, 10, 9, top=top, **changes)  # type: ignore[arg-type]


def number(kind: str = "number") -> ColumnProfile:
    histogram = Histogram((-0.5, 0.5, 1.5, 2.5), (50, 30, 20))
    return ColumnProfile("n", kind, "feature", 100, 0, 3, 0.0, 2.0, histogram=histogram)  # type: ignore[arg-type]


def test_bins_are_a_histograms_or_the_top_values_and_all_others() -> None:
    assert drift.known_counts(category()) == (340, 600, 60)
    assert drift.known_counts(number()) == (0, 50, 30, 20, 0)
    assert drift.known_counts(ColumnProfile("x", "text", "feature", 9, 0, 9)) is None


def test_what_moved_most_is_said_in_words() -> None:
    column = category()
    moved = drift.shift((340, 600, 60), (200, 700, 100))
    assert moved is not None
    assert drift.describe(column, moved) == "the share of 'DSL' fell from 34.0% to 20.0%"
    others = drift.shift((340, 600, 60), (300, 500, 200))
    assert others is not None
    assert drift.describe(column, others) == "the share of all rarer values together rose from 6.0% to 20.0%"
    named = drift.describe(column, others, TopValue("Ausland", 106))
    assert named.endswith("together rose from 6.0% to 20.0%, most of it 'Ausland' (106 rows)")
    assert drift.describe(column, moved, TopValue("Ausland", 106)) == drift.describe(column, moved)
    hidden = category(personal_data=PersonalData("phone", 1.0, "mask"))
    assert drift.describe(hidden, moved) == "the share of one value fell from 34.0% to 20.0%"


def test_of_numbers_the_cumulated_share_is_told() -> None:
    moved = drift.shift((0, 50, 30, 20, 0), (0, 10, 60, 20, 10))
    assert moved is not None
    assert drift.describe(number("integer"), moved) == "the share of values below 1 fell from 50.0% to 10.0%"
    lower = drift.shift((0, 50, 30, 20, 0), (80, 10, 10, 0, 0))
    assert lower is not None
    assert drift.describe(number(), lower) == "the share of values below -0.5 rose from 0.0% to 80.0%"


def test_of_dates_the_day_is_told() -> None:
    moved = drift.shift((0, 50, 50, 0), (0, 10, 60, 30))
    assert moved is not None
    column = dataclasses.replace(
        number(), type="date", histogram=Histogram((1735689600, 1736000000, 1738368000), (50, 50))
    )
    assert drift.describe(column, moved) == "the share of days before 2025-01-04 fell from 50.0% to 10.0%"
