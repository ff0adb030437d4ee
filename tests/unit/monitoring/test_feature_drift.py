"""Features and predictions against the reference: what has moved, what only chance has moved."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tidemill.contracts import ColumnProfile, Histogram, TopValue
from tidemill.monitoring import feature_drift
from tidemill.monitoring_contracts import ColumnSummary, FeatureDrift, Reference, Summary
from tidemill.rules import drift

from .production import KNOWN, captures, drawn, summary

FLOOR, ALARMS = 0.1, 0.02


def compared(of: Summary, reference: Reference | None = KNOWN.reference) -> dict[str, FeatureDrift]:
    found = feature_drift.features(of, KNOWN.profile, reference, floor=FLOOR, false_alarms=ALARMS)
    return {item.name: item for item in found}


def moved(**changes: object) -> dict[str, FeatureDrift]:
    return compared(summary(captures(drawn(7, 1000, **changes))))  # type: ignore[arg-type]


def test_rows_like_the_references_have_not_drifted() -> None:
    for seed in range(20):
        found = compared(summary(captures(drawn(100 + seed, 400))))
        assert not [name for name, item in found.items() if item.drifted]


def test_a_number_that_has_moved_half_a_standard_deviation() -> None:
    item = moved(moved=0.5)["usage"]
    assert item.drifted
    assert item.psi > item.limit >= FLOOR
    assert item.test == "kolmogorov_smirnov"
    assert item.adjusted < 1e-6
    assert item.wasserstein == pytest.approx(0.5, abs=0.08)
    assert item.words.startswith("the share of values below")
    assert sum(item.now) == pytest.approx(1, abs=1e-4)
    assert len(item.now) == len(item.before) == 22


def test_a_category_whose_levels_come_more_or_less_often() -> None:
    item = moved(shares=(0.2, 0.3, 0.5))["plan"]
    assert item.drifted
    assert item.test == "chi_squared"
    assert item.wasserstein is None
    assert "'team' rose" in item.words or "'basic' fell" in item.words


def test_codes_that_change_places_are_seen_though_nothing_has_become_greater() -> None:
    columns = drawn(7, 1000)
    even = columns["code"] % 2 == 0
    columns["code"] = np.where(even & (columns["code"] % 4 == 0), columns["code"] - 1, columns["code"])
    item = compared(summary(captures(columns)))["code"]
    assert item.drifted
    assert item.test == "chi_squared"


def test_dates_go_on_and_never_drift() -> None:
    found = moved(days=1000)
    assert found["since"].psi > 1
    assert not found["since"].drifted
    assert feature_drift.weighted(found.values(), KNOWN.profile) < 0.1


def test_a_difference_that_is_sure_and_small_is_no_drift() -> None:
    item = compared(summary(captures(drawn(7, 20_000, moved=0.1))))["usage"]
    assert item.adjusted < ALARMS
    assert not item.drifted


def test_a_difference_that_is_large_and_unsure_is_no_drift() -> None:
    found = [compared(summary(captures(drawn(seed, 60))))["usage"] for seed in range(10)]
    assert max(item.psi for item in found) > FLOOR
    assert min(item.limit for item in found) > FLOOR
    assert not any(item.drifted for item in found)


def test_of_many_features_some_reach_their_limit_by_chance_and_have_not_drifted() -> None:
    rng, shares = np.random.default_rng(6), (0.4, 0.3, 0.2, 0.1)
    names = [f"f{number}" for number in range(300)]
    top = tuple(TopValue(level, int(share * 5000)) for level, share in zip("abcd", shares, strict=True))
    known = [ColumnProfile(name, "category", "feature", 5000, 0, 4, top=top) for name in names]
    counted = [ColumnSummary(name, 400, counts=(*rng.multinomial(400, shares).tolist(), 0)) for name in names]
    of = Summary("churn", 1, "", "", rows=400, columns=tuple(counted))
    profile = dataclasses.replace(KNOWN.profile, columns=tuple(known))
    found = feature_drift.features(of, profile, None, floor=1e-6, false_alarms=ALARMS)
    assert any(item.psi >= item.limit for item in found)
    assert not any(item.drifted for item in found)


def test_features_come_by_their_importance_and_share_it() -> None:
    found = moved()
    assert list(found)[:2] == ["usage", "plan"]
    assert sum(item.importance for item in found.values()) == pytest.approx(1, abs=1e-5)
    assert found["usage"].importance == pytest.approx(0.3 / 0.32, abs=1e-5)


def test_without_a_reference_all_features_are_equally_important() -> None:
    found = compared(summary(captures(drawn(7, 500))), None)
    assert {item.importance for item in found.values()} == {0.25}


def test_the_mean_is_weighted_by_importance() -> None:
    found = moved(shares=(0.2, 0.3, 0.5))
    of_usage = moved(moved=0.7)
    assert feature_drift.weighted(found.values(), KNOWN.profile) < 0.1
    assert feature_drift.weighted(of_usage.values(), KNOWN.profile) > 0.25
    assert feature_drift.weighted((), KNOWN.profile) == 0


def test_what_cannot_be_compared_is_left_out() -> None:
    of = summary(captures(drawn(7, 500)))
    columns = tuple(
        dataclasses.replace(column, counts=column.counts[1:]) if column.name == "usage" else column
        for column in of.columns
        if column.name != "plan"
    )
    assert set(compared(dataclasses.replace(of, columns=columns))) == {"code", "since"}
    assert not compared(summary(captures(drawn(7, 20))))


def test_values_beyond_all_bins_are_as_far_away_as_their_mean() -> None:
    assert moved(moved=20)["usage"].wasserstein == pytest.approx(20, abs=0.5)


@pytest.mark.parametrize("shape", [(10, 30, 40, 15, 5), (50, 0, 50), (1,) * 40])
def test_chunks_of_the_reference_stay_below_their_limit(shape: tuple[int, ...]) -> None:
    before = tuple(100 * count for count in shape)
    rng = np.random.default_rng(1)
    shares = np.array(before) / sum(before)
    used = shares > 0
    limit = feature_drift.chunk_limit(before, 500)
    chunks = [
        drift.psi(np.array(before, float)[used], rng.multinomial(500, shares)[used].astype(float)) for _ in range(500)
    ]
    assert np.mean(np.array(chunks) > limit) < 0.03
    assert limit > feature_drift.chunk_limit(before, 5000)
    assert limit == feature_drift.chunk_limit(before, 500)


# --- predictions -------------------------------------------------------------------------------


def said(of: Summary, reference: Reference | None = KNOWN.reference) -> FeatureDrift | None:
    assert reference is not None
    return feature_drift.prediction(of, reference, floor=FLOOR, false_alarms=0.005)


def test_predictions_like_the_holdouts_have_not_drifted() -> None:
    for seed in range(20):
        item = said(summary(captures(drawn(200 + seed, 400))))
        assert item is not None
        assert not item.drifted


def test_predictions_that_have_moved() -> None:
    item = said(summary(captures(drawn(7, 1000, moved=0.7))))
    assert item is not None
    assert item.drifted
    assert item.name == "yes"
    assert len(item.before) == len(item.now) == 40
    assert sum(item.now) == pytest.approx(1, abs=1e-3)


def test_of_many_classes_the_one_that_moved_most_is_told() -> None:
    edges = (0.0, 0.25, 0.5, 0.75, 1.0)
    outputs = {"a": (400, 300, 200, 100), "b": (250, 250, 250, 250), "c": (700, 100, 100, 100)}
    known = Reference(
        "m", "multiclass", 1000, "log_loss", {}, edges=edges, outputs=outputs, labels={"a": 300, "b": 300, "c": 400}
    )
    now = Summary("m", 1, "", "", rows=1000, outputs=outputs | {"b": (100, 200, 300, 400)}, labels=known.labels)
    item = said(now, known)
    assert item is not None
    assert (item.name, item.drifted) == ("b", True)
    assert item.adjusted == pytest.approx(4 * item.p_value, abs=0)
    labels = dataclasses.replace(now, outputs=outputs, labels={"a": 600, "b": 100, "c": 300})
    item = said(labels, known)
    assert item is not None
    assert (item.name, item.drifted, item.test) == ("label", True, "chi_squared")
    assert item.words == "the share of 'a' rose from 30.0% to 60.0%"


def test_too_few_predictions_tell_nothing() -> None:
    assert said(summary(captures(drawn(7, 20)))) is None
    assert said(dataclasses.replace(summary(captures(drawn(7, 500))), outputs={})) is None


def test_a_column_of_the_profile_without_spread_has_no_distance() -> None:
    column = dataclasses.replace(KNOWN.profile.columns[0], std=0.0, histogram=Histogram((0.0, 1.0, 2.0), (500, 500)))
    item = feature_drift.measure(feature_drift.Comparison(column, (0, 500, 500, 0), (0, 400, 600, 0)), FLOOR)
    assert item.wasserstein is None
