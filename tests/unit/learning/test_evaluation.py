"""The evaluation measures the served graph, compares it with the model in service, and lets gates decide."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tidemill.contracts import Conformal, Evaluation, Fit, InputField, Member, Parity, Signature, dumps, loads
from tidemill.errors import GateRefused, ParityError
from tidemill.learning import evaluation
from tidemill.learning.comparison import InService
from tidemill.learning.evaluation import Trained
from tidemill.learning.rows import Rows, load_prediction, save_prediction
from tidemill.rules.metrics import Outcomes, score
from tidemill.serving.scoring import Prediction
from tidemill.spec import Gates, Spec

BINARY = Signature(
    "churn", "binary", "left", (InputField("calls", "integer"), InputField("noise", "number")), ("no", "yes"), "yes"
)
VALUES = Signature("fares", "regression", "fare", (InputField("calls", "integer"), InputField("noise", "number")))


class LogisticModel:
    """P(yes) rises with `calls`; everything else is ignored."""

    def __init__(self, signature: Signature, slope: float) -> None:
        self.signature = signature
        self.slope = slope
        self.encoder = SimpleNamespace(encoded_names={field.name: (field.name,) for field in signature.inputs})

    def predict(self, columns: dict[str, np.ndarray]) -> Prediction:
        raw = self.slope * columns["calls"].astype(np.float64)
        if not self.signature.classes:
            return Prediction(values=raw)
        yes = 1 / (1 + np.exp(-raw))
        probabilities = np.column_stack([1 - yes, yes])
        classes = np.array(self.signature.classes, dtype=object)
        return Prediction(labels=classes[probabilities.argmax(axis=1)], probabilities=probabilities)


def holdout(signature: Signature, rows: int = 400) -> Rows:
    generator = np.random.default_rng(0)
    calls = generator.normal(size=rows).astype(np.float32)
    noise = generator.normal(size=rows).astype(np.float32)
    if signature.classes:
        target = (generator.random(rows) < 1 / (1 + np.exp(-2.0 * calls))).astype(np.float64)
    else:
        target = 2.0 * calls + generator.normal(size=rows)
    return Rows({"calls": calls, "noise": noise}, target)


def trained(signature: Signature, slope: float = 2.0, reference_shift: float = 0.0) -> Trained:
    model: Any = LogisticModel(signature, slope)
    baseline: Any = LogisticModel(signature, 0.0)
    said = model.predict(holdout(signature).columns)
    shifted = (
        Prediction(values=said.values + reference_shift)
        if said.values is not None
        else Prediction(labels=said.labels, probabilities=said.probabilities + reference_shift)
    )
    return Trained(Fit("linear", {}, 0, {}, "3.11"), model, baseline, shifted)


def test_the_metrics_are_of_the_graph_on_every_holdout_row() -> None:
    rows, made = holdout(BINARY), trained(BINARY)
    result = evaluation.evaluate(Spec(), rows, made, None)
    outcomes = Outcomes(rows.target, probabilities=made.model.predict(rows.columns).probabilities)
    assert (result.metric, result.rows) == ("roc_auc", 400)
    for name, interval in result.holdout.items():
        assert interval.value == score([name], outcomes)[name]
        assert interval.low <= interval.value <= interval.high
    assert result.baseline["roc_auc"] == 0.5
    assert loads(Evaluation, dumps(result)) == result
    evaluation.check(result)


def test_the_same_rows_and_seed_give_the_same_bytes() -> None:
    first, again = (dumps(evaluation.evaluate(Spec(), holdout(BINARY), trained(BINARY), None)) for _ in range(2))
    assert first == again


def test_what_the_model_uses_is_important_and_what_it_ignores_is_not() -> None:
    importance = evaluation.evaluate(Spec(), holdout(BINARY), trained(BINARY), None).importance
    assert [item.feature for item in importance] == ["calls", "noise"]
    assert importance[0].mean > 0.2
    assert importance[1].mean == 0.0


def test_a_graph_that_predicts_something_else_fails_by_name() -> None:
    result = evaluation.evaluate(Spec(), holdout(BINARY), trained(BINARY, reference_shift=2e-5), None)
    with pytest.raises(ParityError, match="linear has the same labels and differs from scikit-learn by 2e-05"):
        evaluation.check(result)


def test_one_other_label_breaks_parity_however_near_the_scores_are() -> None:
    said = Prediction(labels=np.array(["no", "yes"], dtype=object), probabilities=np.array([[0.5, 0.5], [0.1, 0.9]]))
    other = replace(said, labels=np.array(["yes", "yes"], dtype=object))
    assert evaluation.prove(said, other) == Parity(2, False, 0.0, evaluation.TOLERANCE)


def test_a_value_that_is_no_number_breaks_parity() -> None:
    said, other = Prediction(values=np.array([1.0, 2.0])), Prediction(values=np.array([1.0, np.nan]))
    assert evaluation.prove(said, other).max_difference > 1


def test_values_are_compared_relative_to_their_size() -> None:
    said = Prediction(values=np.array([1e6, -1e6, 1.0]))
    near = Prediction(values=np.array([1e6 + 5, -1e6 - 5, 1.5]))
    far = Prediction(values=np.array([1e6 + 20, -1e6, 1.0]))
    assert evaluation.prove(said, near).max_difference < evaluation.TOLERANCE
    assert evaluation.prove(said, far).max_difference > evaluation.TOLERANCE


def test_a_model_no_better_than_the_baseline_is_refused() -> None:
    result = evaluation.evaluate(Spec(), holdout(BINARY), trained(BINARY, slope=-1.0), None)
    with pytest.raises(GateRefused, match="no better than"):
        evaluation.check(result)


def test_the_champion_is_judged_on_the_same_rows() -> None:
    champion: Any = LogisticModel(BINARY, 2.0)
    result = evaluation.evaluate(Spec(), holdout(BINARY), trained(BINARY), InService(4, champion))
    assert result.champion is not None
    assert result.champion.version == 4
    assert result.champion.holdout == result.holdout
    assert result.champion.difference.value == 0.0
    evaluation.check(result)


def test_a_challenger_that_loses_to_the_champion_is_refused() -> None:
    champion: Any = LogisticModel(VALUES, 2.0)
    result = evaluation.evaluate(Spec(), holdout(VALUES), trained(VALUES, slope=1.5), InService(4, champion))
    assert result.champion is not None
    assert result.champion.difference.high < 0
    with pytest.raises(GateRefused, match="version 4 in service has"):
        evaluation.check(result)
    lenient = Spec(gates=Gates(champion_margin=5.0))
    evaluation.check(evaluation.evaluate(lenient, holdout(VALUES), trained(VALUES, slope=1.5), InService(4, champion)))


def test_a_challenger_as_good_as_the_champion_passes_when_the_rows_are_enough_to_say_so() -> None:
    def verdict(rows: int) -> str:
        champion: Any = LogisticModel(VALUES, 2.05)
        made = trained(VALUES, slope=1.96)
        held = holdout(VALUES, rows)
        made = replace(made, reference=made.model.predict(held.columns))
        result = evaluation.evaluate(Spec(), held, made, InService(4, champion))
        return {gate.name: gate.verdict for gate in result.gates}["keeps_up_with_champion"]

    assert (verdict(100), verdict(6000)) == ("refuse", "pass")


def test_the_champions_labels_follow_its_own_threshold() -> None:
    champion: Any = LogisticModel(replace(BINARY, threshold=0.9), 2.0)
    result = evaluation.evaluate(Spec(metric="accuracy"), holdout(BINARY), trained(BINARY), InService(4, champion))
    assert result.champion is not None
    assert result.champion.holdout["accuracy"].value < result.holdout["accuracy"].value
    other: Any = LogisticModel(replace(BINARY, threshold=0.1, positive_class="no"), 2.0)
    same = evaluation.evaluate(Spec(metric="accuracy"), holdout(BINARY), trained(BINARY), InService(4, other))
    assert same.champion is not None
    assert same.champion.holdout["accuracy"] == result.champion.holdout["accuracy"]


@pytest.mark.parametrize(
    ("old", "why"),
    [
        (replace(BINARY, classes=("maybe", "yes")), "its classes are maybe, yes"),
        (replace(BINARY, inputs=(InputField("age", "number"),)), "it needs the column age"),
        (replace(BINARY, inputs=(InputField("calls", "category"),)), "its column calls is of another type"),
    ],
)
def test_a_champion_of_another_signature_is_not_compared(old: Signature, why: str) -> None:
    champion: Any = LogisticModel(old, 2.0)
    result = evaluation.evaluate(Spec(), holdout(BINARY), trained(BINARY), InService(4, champion))
    assert result.champion is None
    assert why in result.gates[-1].detail
    evaluation.check(result)


def test_a_model_that_predicts_something_else_does_not_replace_the_one_in_service_by_itself() -> None:
    champion: Any = LogisticModel(replace(BINARY, target="gone"), 2.0)
    result = evaluation.evaluate(Spec(), holdout(BINARY), trained(BINARY), InService(4, champion))
    with pytest.raises(GateRefused, match=r"it predicts gone \(binary\).*gates\.may_change_target"):
        evaluation.check(result)
    meant = Spec(gates=Gates(may_change_target=True))
    evaluation.check(evaluation.evaluate(meant, holdout(BINARY), trained(BINARY), InService(4, champion)))


def test_a_holdout_of_one_class_is_refused_with_the_way_out() -> None:
    rows = holdout(BINARY)
    result = evaluation.evaluate(Spec(), replace(rows, target=np.ones(len(rows))), trained(BINARY), None)
    with pytest.raises(GateRefused, match="rows of one class only"):
        evaluation.check(result)


def test_the_curves_are_those_of_the_task() -> None:
    binary = evaluation.evaluate(Spec(), holdout(BINARY), trained(BINARY), None).curves
    assert set(binary) == {"roc", "precision_recall", "calibration", "confusion"}
    assert (binary["roc"]["fpr"][0], binary["roc"]["tpr"][0]) == (0.0, 0.0)
    assert (binary["roc"]["fpr"][-1], binary["roc"]["tpr"][-1]) == (1.0, 1.0)
    area = np.trapezoid(binary["roc"]["tpr"], binary["roc"]["fpr"])
    assert area == pytest.approx(score(["roc_auc"], _outcomes())["roc_auc"], abs=0.01)
    assert sum(binary["calibration"]["count"]) == sum(map(sum, binary["confusion"]["matrix"])) == 400
    expected = np.average(
        np.abs(np.subtract(binary["calibration"]["predicted"], binary["calibration"]["observed"])),
        weights=binary["calibration"]["count"],
    )
    assert binary["calibration"]["error"] == pytest.approx(expected)
    values = evaluation.evaluate(Spec(), holdout(VALUES), trained(VALUES), None).curves
    assert set(values) == {"residuals", "residual_histogram"}
    assert sum(values["residual_histogram"]["counts"]) == 400


def _outcomes() -> Outcomes:
    rows = holdout(BINARY)
    return Outcomes(rows.target, probabilities=trained(BINARY).model.predict(rows.columns).probabilities)


def test_the_coverage_is_what_intervals_and_sets_hold_on_the_holdout() -> None:
    rows = holdout(VALUES, 2000)
    made = trained(VALUES)
    errors = np.sort(np.abs(made.model.predict(holdout(VALUES, 3000).columns).values - holdout(VALUES, 3000).target))
    knowing = replace(VALUES, conformal=Conformal(len(errors), tuple(np.quantile(errors, np.linspace(0, 1, 1001)))))
    model: Any = LogisticModel(knowing, 2.0)
    result = evaluation.evaluate(Spec(), rows, replace(made, model=model, reference=model.predict(rows.columns)), None)
    assert set(result.coverage) == {"0.8", "0.9", "0.95"}
    for promised, found in result.coverage.items():
        assert found.covered == pytest.approx(float(promised), abs=0.02)
    assert result.coverage["0.8"].size < result.coverage["0.95"].size


def test_a_confidence_that_so_few_scores_cannot_promise_is_left_out() -> None:
    knowing = replace(BINARY, conformal=Conformal(12, tuple(np.linspace(0, 1, 13).tolist())))
    model: Any = LogisticModel(knowing, 2.0)
    result = evaluation.evaluate(Spec(), holdout(BINARY), replace(trained(BINARY), model=model), None)
    assert set(result.coverage) == {"0.8", "0.9"}
    assert result.coverage["0.9"].size >= result.coverage["0.8"].size >= 1
    assert evaluation.evaluate(Spec(), holdout(BINARY), trained(BINARY), None).coverage == {}


def test_sensitive_columns_are_compared_and_gated_though_the_model_does_not_use_them() -> None:
    rows = holdout(BINARY)
    rows = replace(rows, extra={"sex": np.where(rows.columns["calls"] > 0, "M", "F").astype(object)})
    spec = Spec(sensitive=("sex",), gates=Gates(demographic_parity=0.8))
    result = evaluation.evaluate(spec, rows, trained(BINARY), None)
    assert [(item.column, item.sensitive) for item in result.slices[:2]] == [("sex", True), ("sex", True)]
    with pytest.raises(GateRefused, match=r"0\.0% for sex F and 100\.0% for sex M"):
        evaluation.check(result)


def test_what_training_decided_is_kept() -> None:
    made = trained(BINARY)
    fit = replace(made.fit, members=(Member("a", {}, 1.0),), calibration={"slope": 1.1}, decisions=("so",))
    result = evaluation.evaluate(Spec(), holdout(BINARY), replace(made, fit=fit), None)
    assert (result.members, result.calibration, result.decisions) == (fit.members, fit.calibration, fit.decisions)


def test_a_graph_whose_intervals_are_of_another_width_breaks_parity() -> None:
    said = Prediction(values=np.array([1.0, 2.0]), scale=np.array([1.0, 1.0]))
    assert evaluation.prove(said, said).max_difference == 0.0
    assert evaluation.prove(said, replace(said, scale=np.array([1.0, 1.1]))).max_difference > 0.05
    assert evaluation.prove(said, replace(said, scale=None)).max_difference > 1


@pytest.mark.parametrize("signature", [BINARY, VALUES])
def test_rows_and_predictions_read_back(signature: Signature) -> None:
    sex = np.array(["F", "M"] * 200, dtype=object)
    rows = replace(holdout(signature), folds=np.arange(400, dtype=np.int64) % 5, extra={"sex": sex})
    read = Rows.load(rows.save())
    assert read.save() == rows.save()
    assert read.folds is not None
    assert list(read.columns) == ["calls", "noise"]
    assert read.extra["sex"].tolist() == sex.tolist()
    said = trained(signature).reference
    back = load_prediction(save_prediction(said))
    for name in ("labels", "probabilities", "values"):
        assert np.array_equal(getattr(back, name), getattr(said, name)), name


def test_the_evaluate_function_imports_without_pandas_and_scikit_learn() -> None:
    program = (
        "import sys, importlib.util\n"
        "for name in ('pandas', 'sklearn', 'scipy', 'duckdb', 'skl2onnx'): sys.modules[name] = None\n"
        "spec = importlib.util.spec_from_file_location('app', 'functions/evaluate/app.py')\n"
        "module = importlib.util.module_from_spec(spec); spec.loader.exec_module(module)\n"
        "print(module.handler.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout == "handler\n", done.stderr
