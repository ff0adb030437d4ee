"""Real tables from the file to the evaluation, in process; the bars are what a release is held to."""

import dataclasses
import importlib.util
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench" / "quality.py"
_spec = importlib.util.spec_from_file_location("quality", BENCH)
quality = importlib.util.module_from_spec(_spec)
sys.modules["quality"] = quality
_spec.loader.exec_module(quality)

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not quality.TABLES.is_dir(), reason="the real tables are not there"),
]


def file(bar):
    return quality.TABLES / f"{bar.table}.csv"


def assert_proven(trial):
    parity = trial.evaluation.parity
    assert parity.rows == trial.evaluation.rows
    assert parity.labels_equal
    assert parity.max_difference <= 1e-5
    assert [gate.name for gate in trial.evaluation.gates if gate.verdict == "refuse"] == []
    assert [result.error for result in trial.results if result.error] == []


@pytest.mark.parametrize("bar", quality.BARS, ids=lambda bar: bar.table)
def test_the_default_search_reaches_the_bar(bar):
    trial = quality.search(file(bar), bar.spec)
    assert_proven(trial)
    assert bar.reached(trial.evaluation.holdout[bar.metric].value)
    if bar.table == "bike_hour":
        assert trial.leaks == ("casual", "registered")


@pytest.mark.parametrize("bar", quality.OTHERS, ids=lambda bar: bar.table)
def test_other_tables_run_through(bar):
    assert_proven(quality.search(file(bar), bar.spec))


def test_the_same_upload_gives_the_same_model():
    bar = quality.BARS[0]
    quick = dataclasses.replace(bar.spec, candidates=("linear", "boosting_small"))
    first, again = (quality.search(file(bar), quick) for _ in range(2))
    assert first.onnx == again.onnx
    assert first.evaluation == again.evaluation
