"""Predictions whose outcome is known: sums that quality is measured from, and that add up."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from tidemill.contracts import Capture, Signature
from tidemill.monitoring.labelled import count, merge, merged, outcome
from tidemill.monitoring_contracts import Labelled, Reference

BINARY = Signature("churn", "binary", "churn", (), ("no", "yes"), "yes")
MANY = Signature("kind", "multiclass", "kind", (), ("a", "b", "c"))
VALUE = Signature("price", "regression", "price", ())
REFERENCE = Reference("churn", "binary", 100, "roc_auc", {}, edges=(0.0, 0.5, 1.0))


def capture(number: int, prediction: Any, **others: Any) -> Capture:
    fields: dict[str, Any] = {
        "prediction_id": f"p{number}",
        "at": "2026-03-04T05:06:07Z",
        "model": "churn",
        "version": 3,
        "inputs": {"age": 3},
        "prediction": prediction,
        "alias": "champion",
    }
    return Capture(**fields | others)


def said(signature: Signature, *probabilities: float) -> dict[str, Any]:
    label = signature.classes[int(np.argmax(probabilities))]
    return {"label": label, "probabilities": list(probabilities)}


def test_two_classes() -> None:
    scores, happened = [0.1, 0.4, 0.6, 0.9], ["no", "yes", "no", "yes"]
    rows = [capture(n, said(BINARY, 1 - p, p)) for n, p in enumerate(scores)]
    (found,) = count(rows, {f"p{n}": actual for n, actual in enumerate(happened)}, BINARY, REFERENCE)
    assert (found.rows, found.outputs, found.happened) == (4, {"yes": (2, 2)}, {"yes": (1, 1)})
    assert found.confusion == {"no": {"no": 1, "yes": 1}, "yes": {"no": 1, "yes": 1}}
    truth = [actual == "yes" for actual in happened]
    assert found.log_loss_total / 4 == pytest.approx(metrics.log_loss(truth, scores))
    assert found.brier_total / 4 == pytest.approx(metrics.brier_score_loss(truth, scores))
    assert (found.start, found.end) == ("2026-03-04T05:00:00Z", "2026-03-04T06:00:00Z")


def test_many_classes() -> None:
    scores = [(0.7, 0.2, 0.1), (0.2, 0.6, 0.2), (0.5, 0.1, 0.4)]
    reference = dataclasses.replace(REFERENCE, task="multiclass")
    rows = [capture(n, said(MANY, *each)) for n, each in enumerate(scores)]
    (found,) = count(rows, {"p0": "a", "p1": "b", "p2": "c"}, MANY, reference)
    assert found.outputs == {"a": (1, 2), "b": (2, 1), "c": (3, 0)}
    assert found.happened == {"a": (0, 1), "b": (0, 1), "c": (1, 0)}
    assert found.confusion == {"a": {"a": 1}, "b": {"b": 1}, "c": {"a": 1}}
    assert found.log_loss_total / 3 == pytest.approx(metrics.log_loss(["a", "b", "c"], scores))


def test_values() -> None:
    reference = Reference("price", "regression", 100, "rmse", {"rmse": 2.0}, edges=(0.0, 5.0, 10.0))
    rows = [capture(0, 4.0), capture(1, {"value": 7.0, "review": True}), capture(2, 1.0)]
    (found,) = count(rows, {"p0": 5.0, "p1": 4.0}, VALUE, reference)
    assert (found.rows, found.outputs, found.confusion) == (2, {"value": (1, 1)}, {})
    assert (found.absolute_total, found.squared_total) == (4.0, 10.0)
    assert (found.actual_total, found.actual_squares, sum(found.absolute_errors)) == (9.0, 41.0, 2)


def test_anomalies() -> None:
    signature = Signature("pump", "anomaly_detection", None, (), ("normal", "anomaly"), threshold=2.0)
    reference = dataclasses.replace(REFERENCE, task="anomaly_detection", edges=(0.0, 2.0, 4.0))
    rows = [capture(n, {"anomaly": score >= 2, "score": score}) for n, score in enumerate((1.0, 3.0))]
    (found,) = count(rows, {"p0": "anomaly", "p1": "anomaly"}, signature, reference)
    assert (found.outputs, found.happened) == ({"value": (1, 1)}, {"value": (1, 1)})
    assert found.confusion == {"anomaly": {"anomaly": 1, "normal": 1}}


def test_a_class_that_the_model_does_not_know_was_given_no_probability() -> None:
    (found,) = count([capture(0, said(BINARY, 0.3, 0.7))], {"p0": "maybe"}, BINARY, REFERENCE)
    assert found.confusion == {"maybe": {"yes": 1}}
    assert found.happened == {"yes": (0, 0)}
    assert found.log_loss_total == pytest.approx(-math.log(np.finfo(float).eps))


def test_versions_and_answers_that_nobody_got_are_kept_apart_and_what_failed_is_left_out() -> None:
    rows = [
        capture(0, said(BINARY, 0.3, 0.7)),
        capture(0, said(BINARY, 0.6, 0.4), version=4, why="shadow"),
        capture(1, None, status=500),
        capture(2, said(BINARY, 0.3, 0.7)),
    ]
    found = count(rows, {"p0": "yes", "p1": "yes"}, BINARY, None)
    assert [(item.version, item.shadow, item.rows, item.outputs) for item in found] == [
        (3, False, 1, {}),
        (4, True, 1, {}),
    ]


def test_a_task_without_outcomes_has_none() -> None:
    signature = Signature("groups", "clustering", None, (), ("0", "1"))
    assert count([capture(0, {"cluster": "0", "distance": 1.0})], {"p0": "0"}, signature, None) == []
    assert outcome("0", signature) is None


@pytest.mark.parametrize(("value", "expected"), [("12.5", 12.5), (3, 3.0), ("nan", None), ("yes", None)])
def test_outcomes_of_values_are_numbers(value: Any, expected: float | None) -> None:
    assert outcome(value, VALUE) == expected


@given(st.lists(st.tuples(st.floats(0, 1), st.sampled_from(["no", "yes"])), min_size=2, max_size=20), st.data())
def test_counts_of_any_parts_add_up_to_the_whole(rows: list[tuple[float, str]], data: st.DataObject) -> None:
    captures = [capture(n, said(BINARY, 1 - p, p)) for n, (p, _) in enumerate(rows)]
    actuals: dict[str, str | float] = {f"p{n}": actual for n, (_, actual) in enumerate(rows)}
    cut = data.draw(st.integers(1, len(rows) - 1))
    whole, one, other = (
        count(part, actuals, BINARY, REFERENCE)[0] for part in (captures, captures[:cut], captures[cut:])
    )
    for added in (merge(other, one), merged([one, other])):
        assert added.log_loss_total == pytest.approx(whole.log_loss_total)
        assert added.brier_total == pytest.approx(whole.brier_total)
        assert _counts(added) == _counts(whole)


def _counts(item: Labelled) -> Labelled:
    return dataclasses.replace(item, log_loss_total=0.0, brier_total=0.0)


def test_only_counts_of_one_version_are_added() -> None:
    (one,) = count([capture(0, 1.0)], {"p0": 1.0}, VALUE, None)
    with pytest.raises(ValueError, match="one model, version and kind"):
        merge(one, dataclasses.replace(one, version=9))
