"""Real tables from the file to the evaluation, in process; the bars are what a release is held to.

adult_census and california_housing take minutes: tests/bench/quality.py measures them with all the others.
"""

import dataclasses
import importlib.util
import sys
from pathlib import Path

import pytest

from tidemill.rules import metrics

BENCH = Path(__file__).parents[1] / "bench" / "quality.py"
_spec = importlib.util.spec_from_file_location("quality", BENCH)
quality = importlib.util.module_from_spec(_spec)
sys.modules["quality"] = quality
_spec.loader.exec_module(quality)

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not quality.TABLES.is_dir(), reason="the real tables are not there"),
]

#: Tables that are searched within a CI run.
BARS = {bar.table: bar for bar in quality.BARS if bar.table not in ("adult_census", "california_housing")}
OTHERS = {
    bar.table: bar
    for bar in quality.OTHERS
    if bar.table in ("penguins", "wine_red", "titanic_full", "pima_diabetes", "bike_day", "german_credit_drift1")
}
#: A model's bytes: it must load in a blink.
MOST_BYTES = 8_000_000


def file(bar):
    return quality.TABLES / f"{bar.table}.csv"


def assert_proven(trial):
    parity = trial.evaluation.parity
    assert parity.rows == trial.evaluation.rows
    assert parity.labels_equal
    assert parity.max_difference <= 1e-5
    assert [gate.name for gate in trial.evaluation.gates if gate.verdict == "refuse"] == []
    assert [result.error for result in trial.results if result.error] == []
    assert len(trial.onnx) < MOST_BYTES


def assert_no_worse(trial):
    """In the mean of the folds the chosen model is no worse than the plain linear one, on the holdout than nothing."""
    metric = trial.evaluation.metric
    found = {result.name: result.cv[metric].mean for result in trial.results}
    for name in ("baseline", "linear"):
        assert metrics.improvement(metric, trial.mean, found[name]) >= 0, name
    value = trial.evaluation.holdout[metric].value
    assert metrics.improvement(metric, value, trial.evaluation.baseline[metric]) > 0


@pytest.mark.parametrize("bar", BARS.values(), ids=BARS)
def test_the_default_search_reaches_the_bar(bar):
    trial = quality.search(file(bar), bar.spec)
    assert_proven(trial)
    assert_no_worse(trial)
    assert trial.evaluation.metric == bar.metric
    assert bar.reached(trial.evaluation.holdout[bar.metric].value, trial.mean)
    if bar.table == "bike_hour":
        assert set(trial.leaks) == {"casual", "registered"}


@pytest.mark.parametrize("bar", OTHERS.values(), ids=OTHERS)
def test_no_model_is_worse_than_a_plain_linear_one(bar):
    trial = quality.search(file(bar), bar.spec)
    assert_proven(trial)
    assert_no_worse(trial)


def test_the_same_upload_gives_the_same_model():
    bar = BARS["telco_churn"]
    quick = dataclasses.replace(bar.spec, candidates=("linear", "boosting_small", "boosting_slow"))
    first, again = (quality.search(file(bar), quick, lambda: 0.0) for _ in range(2))
    assert first.refit.files("0" * 32) == again.refit.files("0" * 32)
    assert first.results == again.results
    assert first.evaluation == again.evaluation
