"""What ONNX predicts from a refitted candidate's graph is what scikit-learn predicts."""

import dataclasses
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest

from tidemill.learning import evaluation
from tidemill.learning.rows import Rows
from tidemill.serving.features import encode
from tidemill.serving.scoring import Model
from tidemill.spec import CANDIDATES, Spec

TASKS = ("binary", "multiclass", "regression")


def parity(ready, refit):
    return evaluation.prove(refit.reference, Model.load(refit.onnx, refit.signature).predict(ready.holdout.columns))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", CANDIDATES)
def test_every_candidate_predicts_the_same(tables, task, name):
    ready = tables.prepared(task, Spec(candidates=(name,)))
    refit = tables.refitted(ready, name)
    found = parity(ready, refit)
    assert refit.fit.candidate == name
    assert found.labels_equal
    assert found.max_difference < found.tolerance
    assert found.rows == 60


@pytest.mark.parametrize("name", ["linear", "boosting", "forest"])
@pytest.mark.parametrize("task", ["binary", "regression"])
def test_neighbouring_float32_numbers_do_not_part(tables, name, task):
    """Numbers so large that each is the float32 next to another: a threshold between two has no float32 of its own."""
    columns = tables.raw()
    columns["tenure"] = 1.7e9 + 128.0 * columns["tenure"]
    columns["charge s/month"] = 1.0 + np.round(columns["charge s/month"]) * 2.0**-23
    ready = tables.prepared(task, Spec(candidates=(name,)), columns=columns)
    found = parity(ready, tables.refitted(ready, name))
    assert found.labels_equal
    assert found.max_difference < found.tolerance


def test_unknown_and_missing_values_predict_the_same(tables):
    ready = tables.prepared("regression", Spec(candidates=("boosting", "linear")))
    strange = {
        "tenure": [3, 500],
        "charge s/month": [None, 1e30],
        "contract": ["never seen", None],
        "paperless": [True, False],
        "since": ["1999-01-01", "2099-01-01T10:00:00Z"],
    }
    held = dataclasses.replace(
        ready, holdout=Rows(encode(ready.plan.inputs, strange), np.zeros(2), extra=ready.holdout.extra)
    )
    for name in ("boosting", "linear"):
        refit = tables.refitted(held, name)
        served = Model.load(refit.onnx, refit.signature).predict(held.holdout.columns)
        np.testing.assert_allclose(served.values, refit.reference.values, rtol=1e-5)


class TestGraph:
    @pytest.fixture
    def refit(self, tables):
        return tables.refitted(tables.prepared("binary"), "linear")

    def test_takes_the_columns_by_name(self, tables, refit):
        inputs = {node.name: node.type.tensor_type for node in onnx.load_from_string(refit.onnx).graph.input}
        expected = tables.prepared("binary").train.columns
        assert set(inputs) <= set(expected)  # what is the same in every row is not asked for
        assert inputs["charge s/month"].elem_type == onnx.TensorProto.FLOAT
        assert inputs["contract"].elem_type == onnx.TensorProto.STRING
        assert len(inputs["contract"].shape.dim) == 2

    def test_gives_labels_and_probabilities(self, tables, refit):
        session = onnxruntime.InferenceSession(refit.onnx)
        ready = tables.prepared("binary")
        feeds = {node.name: ready.holdout.columns[node.name].reshape(-1, 1) for node in session.get_inputs()}
        labels, probabilities = session.run(["label", "probabilities"], feeds)
        assert labels.tolist() == refit.reference.labels.tolist()
        assert probabilities.shape == (60, 2)

    def test_of_the_baseline_gives_the_shares(self, tables, refit):
        ready = tables.prepared("binary")
        baseline = Model.load(refit.baseline_onnx, refit.signature).predict(ready.holdout.columns)
        share = ready.train.target.mean()
        np.testing.assert_allclose(baseline.probabilities, [[1 - share, share]] * 60, rtol=1e-6)

    def test_of_a_regressions_baseline_gives_the_mean(self, tables):
        ready = tables.prepared("regression")
        refit = tables.refitted(ready, "linear")
        baseline = Model.load(refit.baseline_onnx, refit.signature).predict(ready.holdout.columns)
        np.testing.assert_allclose(baseline.values, np.full(60, ready.train.target.mean()), rtol=1e-5)


@pytest.mark.parametrize("name", CANDIDATES)
def test_the_same_rows_give_the_same_graph(tables, name):
    first, again = (tables.refitted(tables.prepared("binary", Spec(candidates=(name,))), name) for _ in range(2))
    assert first.onnx == again.onnx
    assert first.baseline_onnx == again.baseline_onnx


def test_a_fit_says_with_what_it_was_made(tables):
    fit = tables.refitted(tables.prepared("binary", Spec(seed=7, candidates=("linear",))), "linear").fit
    assert fit.candidate == "linear"
    assert fit.seed == 7
    assert fit.params["C"] == 1.0
    assert {"numpy", "onnx", "scikit-learn", "scipy", "skl2onnx"} == set(fit.packages)
    assert fit.python.startswith("3.")


@pytest.mark.parametrize(
    ("module", "blocked"),
    [
        ("preparation", ("sklearn", "skl2onnx", "onnx", "onnxruntime", "pandas", "scipy")),
        ("refitting", ("onnxruntime", "pandas", "duckdb")),
        ("evaluation", ("sklearn", "skl2onnx", "onnx", "pandas", "scipy", "duckdb")),
    ],
)
def test_a_stage_imports_only_what_its_layers_hold(module, blocked):
    code = f"import sys; sys.modules.update(dict.fromkeys({blocked!r})); import tidemill.learning.{module}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
