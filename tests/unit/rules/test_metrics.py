"""Every metric is scikit-learn's of the same name, also on weighted rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as sk

from tidemill.contracts import SUPERVISED
from tidemill.rules.metrics import Outcomes, all_of, best, improvement, score, score_resamples
from tidemill.spec import METRICS

SCIKIT_LEARN: dict[str, Any] = {
    "roc_auc": lambda y, p, w: sk.roc_auc_score(y == 1, p[:, 1], sample_weight=w),
    "average_precision": lambda y, p, w: sk.average_precision_score(y == 1, p[:, 1], sample_weight=w),
    "log_loss": lambda y, p, w: sk.log_loss(y, p, sample_weight=w, labels=range(p.shape[1])),
    "accuracy": lambda y, p, w: sk.accuracy_score(y, p.argmax(1), sample_weight=w),
    "balanced_accuracy": lambda y, p, w: sk.balanced_accuracy_score(y, p.argmax(1), sample_weight=w),
    "f1": lambda y, p, w: sk.f1_score(y, p.argmax(1), sample_weight=w, zero_division=0.0),
    "brier_score": lambda y, p, w: sk.brier_score_loss(y == 1, p[:, 1], sample_weight=w),
    "f1_macro": lambda y, p, w: sk.f1_score(y, p.argmax(1), average="macro", sample_weight=w),
    "roc_auc_ovr": lambda y, p, w: sk.roc_auc_score(y, p, multi_class="ovr", sample_weight=w),
    "rmse": lambda y, v, w: sk.root_mean_squared_error(y, v, sample_weight=w),
    "mae": lambda y, v, w: sk.mean_absolute_error(y, v, sample_weight=w),
    "r2": lambda y, v, w: sk.r2_score(y, v, sample_weight=w),
}


@st.composite
def classified(draw: st.DrawFn, classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Classes, probabilities with ties, and how often each row is drawn; every class happens."""
    rows = draw(st.integers(2 * classes, 40))
    codes = np.concatenate(
        [np.arange(classes), draw(hnp.arrays(np.int64, rows - classes, elements=st.integers(0, classes - 1)))]
    )
    raw = draw(hnp.arrays(np.float64, (rows, classes), elements=st.sampled_from([0.125, 0.25, 0.5, 1.0, 3.0])))
    weights = draw(hnp.arrays(np.int64, rows, elements=st.integers(1, 4)))
    return codes, raw / raw.sum(axis=1, keepdims=True), weights


@pytest.mark.parametrize("task", ["binary", "multiclass"])
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_metrics_of_classes_are_scikit_learns(task: str, data: st.DataObject) -> None:
    codes, probabilities, weights = data.draw(classified(2 if task == "binary" else 3))
    outcomes = Outcomes(codes.astype(np.float64), probabilities=probabilities)
    assert outcomes.task == task
    for name in METRICS[task]:
        expected = SCIKIT_LEARN[name](codes, probabilities, None)
        assert score([name], outcomes)[name] == pytest.approx(expected, abs=1e-9), name
        resampled = score_resamples(name, outcomes, np.stack([np.ones(len(codes)), weights]).astype(np.float64))
        assert resampled[0] == pytest.approx(expected, abs=1e-9), name
        assert resampled[1] == pytest.approx(SCIKIT_LEARN[name](codes, probabilities, weights), abs=1e-9), name


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_metrics_of_values_are_scikit_learns(data: st.DataObject) -> None:
    rows = data.draw(st.integers(3, 40))
    numbers = hnp.arrays(np.float64, rows, elements=st.integers(-50, 50).map(float), unique=True)
    actual, predicted = data.draw(numbers), data.draw(numbers)
    weights = data.draw(hnp.arrays(np.int64, rows, elements=st.integers(1, 4)))
    outcomes = Outcomes(actual, values=predicted)
    for name in METRICS["regression"]:
        if name == "median_absolute_error":
            repeated = np.repeat(np.arange(rows), weights)
            expected = sk.median_absolute_error(actual, predicted)
            expected_weighted = sk.median_absolute_error(actual[repeated], predicted[repeated])
        else:
            expected = SCIKIT_LEARN[name](actual, predicted, None)
            expected_weighted = SCIKIT_LEARN[name](actual, predicted, weights)
        resampled = score_resamples(name, outcomes, np.stack([np.ones(rows), weights]).astype(np.float64))
        assert resampled == pytest.approx([expected, expected_weighted], rel=1e-9, abs=1e-9), name


def test_the_positive_class_may_be_the_first() -> None:
    codes = np.array([0.0, 0.0, 1.0, 1.0])
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.6, 0.4], [0.1, 0.9]])
    outcomes = Outcomes(codes, probabilities=probabilities, positive=0)
    assert score(["f1"], outcomes)["f1"] == sk.f1_score(codes, probabilities.argmax(1), pos_label=0)
    assert score(["roc_auc"], outcomes)["roc_auc"] == sk.roc_auc_score(codes == 0, probabilities[:, 0])


def test_a_metric_that_is_not_defined_is_nan() -> None:
    outcomes = Outcomes(np.ones(3), probabilities=np.full((3, 2), 0.5))
    assert np.isnan(score(["roc_auc"], outcomes)["roc_auc"])


def test_better_is_more_of_a_score_and_less_of_a_loss() -> None:
    assert improvement("roc_auc", 0.9, 0.8) > 0 > improvement("rmse", 0.9, 0.8)
    assert best("roc_auc", [0.7, 0.9, 0.9]) == 1
    assert best("rmse", [float("nan"), 0.9, 0.7]) == 2


@pytest.mark.parametrize("task", SUPERVISED)
def test_every_metric_of_a_task_with_a_target_can_be_computed(task: str) -> None:
    actual = np.array([0.0, 1.0, 0.0, 1.0])
    if task == "regression":
        outcomes = Outcomes(actual, values=actual[::-1] + 0.5)
    else:
        outcomes = Outcomes(actual, probabilities=np.full((4, 2 if task == "binary" else 3), 0.2))
    assert set(score(all_of(task), outcomes)) == set(METRICS[task])  # type: ignore[arg-type]
