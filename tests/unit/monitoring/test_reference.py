"""What is kept of the holdout says what the model was like on it."""

from __future__ import annotations

import numpy as np
import pytest

from tidemill.contracts import Evaluation, Interval, Parity, Signature, dumps, loads
from tidemill.monitoring import reference
from tidemill.monitoring.reference import SAMPLE_ROWS, ReferenceRows
from tidemill.monitoring_contracts import Reference
from tidemill.serving.prediction import Prediction

from .populations import binary, multiclass, regression


def test_a_binary_models_bins_hold_every_row_and_outcome() -> None:
    rows = binary(1000, 1)
    known = rows.reference()
    assert loads(Reference, dumps(known)) == known
    assert (known.task, known.rows, known.metric, known.threshold) == ("binary", 1000, "roc_auc", 0.35)
    assert list(known.outputs) == ["yes"]
    assert sum(known.outputs["yes"]) == 1000
    assert sum(known.happened["yes"]) == rows.actual.sum()
    assert rows.said.labels is not None
    assert known.labels == {name: rows.said.labels.tolist().count(name) for name in ("no", "yes")}
    cut = known.edges.index(0.35)
    assert sum(known.outputs["yes"][cut:]) == known.labels["yes"]
    assert known.metrics == pytest.approx(rows.metrics())
    assert known.importance == {"x": 0.2, "noise": 0.0}
    assert known.trained_at == "2026-03-04T05:06:07Z"


def test_the_scores_are_about_the_positive_class_wherever_it_stands() -> None:
    said = np.column_stack([np.linspace(0.6, 0.9, 50), np.linspace(0.4, 0.1, 50)])
    signature = Signature("m", "binary", "y", (), ("bad", "good"), "bad")
    outputs = reference.outputs_of(Prediction(probabilities=said), signature)
    assert list(outputs) == ["bad"]
    assert outputs["bad"].min() == 0.6


def test_many_classes_have_bins_of_each_and_of_the_labels_sureness() -> None:
    rows = multiclass(1000, 1)
    known = rows.reference()
    assert list(known.outputs) == list(known.happened) == list(known.chosen) == ["a", "b", "c"]
    assert sum(map(sum, known.happened.values())) == 1000
    assert {name: sum(counts) for name, counts in known.chosen.items()} == known.labels
    assert sum(map(sum, known.right.values())) / 1000 == pytest.approx(known.metrics["accuracy"])


def test_a_regressions_errors_are_kept_by_value() -> None:
    rows = regression(1000, 1, scale="known")
    known = rows.reference()
    assert sum(known.outputs["value"]) == 1000
    assert sum(known.absolute_errors) / 1000 == pytest.approx(known.metrics["mae"])
    assert (sum(known.squared_errors) / 1000) ** 0.5 == pytest.approx(known.metrics["rmse"])
    assert rows.said.scale is not None
    assert known.scale_factor == pytest.approx(known.metrics["mae"] / rows.said.scale.mean())
    assert regression(1000, 1).reference().scale_factor is None


@pytest.mark.parametrize("task", ["clustering", "anomaly_detection", "dimensionality_reduction"])
def test_a_task_without_a_target_has_values_and_labels_only(task: str) -> None:
    values = np.linspace(0, 1, 200)
    classes = {"clustering": ("1", "2"), "anomaly_detection": ("normal", "anomaly")}.get(task, ())
    labels = np.array([classes[int(value > 0.9)] for value in values], dtype=object) if classes else None
    said = Prediction(labels=labels, values=values) if classes else Prediction(components=np.column_stack([values] * 2))
    signature = Signature("m", task, None, (), classes, threshold=0.9 if task == "anomaly_detection" else None)  # type: ignore[arg-type]
    evaluation = Evaluation(
        task=signature.task,
        target=None,
        metric="stability",
        candidate="kmeans",
        rows=200,
        holdout={"stability": Interval(0.9, 0.8, 1.0)},
        baseline={},
        gates=(),
        importance=(),
        parity=Parity(200, True, 0.0, 1e-5),
    )
    known, rows = reference.build(evaluation, signature, {"x": values}, np.zeros(200), said, trained_at="", seed=0)
    assert list(known.outputs) == ["value"]
    assert (known.happened, known.absolute_errors, known.right, rows.actual) == ({}, (), {}, None)
    assert list(known.labels) == list(classes)
    assert sum(known.labels.values()) == (200 if classes else 0)


def test_a_sample_of_the_rows_is_kept_with_what_was_said_and_happened() -> None:
    holdout = binary(SAMPLE_ROWS + 500, 1)
    _, rows = holdout.kept()
    again = ReferenceRows.load(rows.save())
    assert len(again) == SAMPLE_ROWS
    assert again.actual is not None
    where = {value: row for row, value in enumerate(holdout.x.tolist())}
    picked = [where[value] for value in again.columns["x"].tolist()]
    assert holdout.said.probabilities is not None
    np.testing.assert_array_equal(again.outputs["yes"], holdout.said.probabilities[picked, 1])
    np.testing.assert_array_equal(again.actual, holdout.actual[picked])
    assert again.save() == rows.save() == holdout.kept()[1].save()
    assert holdout.kept(seed=1)[1].save() != rows.save()


def test_a_regressions_sample_has_its_error_scale() -> None:
    _, rows = regression(100, 1, scale="known").kept()
    again = ReferenceRows.load(rows.save())
    np.testing.assert_array_equal(again.scale, regression(100, 1, scale="known").said.scale)
