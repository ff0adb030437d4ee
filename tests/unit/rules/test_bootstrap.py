"""Intervals hold the truth as often as they promise, repeat exactly, and compare models on the same rows."""

from __future__ import annotations

import numpy as np
import pytest

from tidemill.rules import bootstrap
from tidemill.rules.metrics import Outcomes, score


def normal(seed: int, rows: int = 200) -> Outcomes:
    generator = np.random.default_rng(seed)
    actual = generator.normal(size=rows)
    return Outcomes(actual, values=actual + generator.normal(size=rows))


def test_the_interval_holds_the_true_value_about_95_times_of_100() -> None:
    held = 0
    for seed in range(200):
        interval = bootstrap.intervals(["mae"], normal(seed, 150), seed)["mae"]
        held += interval.low <= np.sqrt(2 / np.pi) <= interval.high
    assert 180 <= held <= 199


def test_the_value_is_the_metric_on_all_rows_and_lies_in_its_interval() -> None:
    outcomes = normal(1)
    for name, interval in bootstrap.intervals(["rmse", "r2"], outcomes, 0).items():
        assert interval.value == score([name], outcomes)[name]
        assert interval.low < interval.value < interval.high


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    first, again, other = (bootstrap.intervals(["mae"], normal(1), seed) for seed in (7, 7, 8))
    assert first == again != other


def test_more_rows_are_surer() -> None:
    few, many = (bootstrap.intervals(["mae"], normal(1, rows), 0)["mae"] for rows in (100, 10_000))
    assert many.high - many.low < (few.high - few.low) / 5


def test_two_models_are_compared_on_the_same_rows() -> None:
    worse = normal(3)
    assert worse.values is not None
    better = Outcomes(worse.actual, values=worse.values - 0.1 * (worse.values - worse.actual))
    difference = bootstrap.difference("mae", better, worse, 0)
    alone = bootstrap.intervals(["mae"], worse, 0)["mae"]
    assert 0 < difference.low < difference.value < difference.high
    assert difference.high - difference.low < (alone.high - alone.low) / 2
    assert bootstrap.difference("mae", worse, better, 0).value == pytest.approx(-difference.value)


def test_a_metric_that_is_not_defined_has_no_interval() -> None:
    outcomes = Outcomes(np.ones(30), probabilities=np.full((30, 2), 0.5))
    assert np.isnan(bootstrap.intervals(["roc_auc"], outcomes, 0)["roc_auc"].value)


def test_a_large_holdout_takes_fewer_resamples_but_still_an_interval() -> None:
    interval = bootstrap.intervals(["mae"], normal(1, 60_000), 0)["mae"]
    assert interval.low < interval.value < interval.high
