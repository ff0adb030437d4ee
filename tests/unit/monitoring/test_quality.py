"""What is measured from counts is what the rows themselves say, with intervals that hold the truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tidemill.monitoring.quality import LEAST_ROWS, measured
from tidemill.monitoring_contracts import Labelled

from .populations import Population, binary, labelled, multiclass, regression

MADE: dict[str, Callable[..., Population]] = {"binary": binary, "multiclass": multiclass, "regression": regression}


@pytest.mark.parametrize("task", MADE)
def test_every_metric_is_that_of_the_rows(task: str) -> None:
    known, window = MADE[task](2000, 1).reference(), MADE[task](1500, 2, shift=0.7)
    figures = measured(labelled(window, known), known)
    exact = window.metrics()
    assert figures[0].metric == known.metric
    assert {figure.metric for figure in figures} == set(exact)
    for figure in figures:
        tolerance = 0.02 if figure.metric == "median_absolute_error" else 0.003
        assert figure.value == pytest.approx(exact[figure.metric], rel=tolerance), figure.metric
        assert figure.low < figure.value < figure.high
        assert (figure.kind, figure.rows, figure.reference) == ("measured", 1500, known.metrics[figure.metric])


@pytest.mark.parametrize(
    ("task", "metric"),
    [("binary", "roc_auc"), ("binary", "log_loss"), ("multiclass", "accuracy"), ("regression", "rmse")],
)
def test_the_intervals_hold_the_truth(task: str, metric: str) -> None:
    known = MADE[task](3000, 1).reference()
    truth = MADE[task](50_000, 2).metrics()[metric]
    held = 0
    for seed in range(30):
        figures = {item.metric: item for item in measured(labelled(MADE[task](400, 10 + seed), known), known)}
        held += figures[metric].low <= truth <= figures[metric].high
    assert held >= 25


def test_labels_count_as_they_were_given_whoevers_reference_they_are_counted_by() -> None:
    known, window = binary(2000, 1).reference(), binary(1500, 2)
    assert window.said.probabilities is not None
    other = replace(
        window,
        said=replace(window.said, labels=np.where(window.said.probabilities[:, 1] >= 0.8, "yes", "no").astype(object)),
    )
    found = {figure.metric: figure for figure in measured(labelled(other, known), known)}
    right = (other.said.labels == "yes") == (window.actual == 1)
    assert found["accuracy"].value == pytest.approx(right.mean())
    assert found["accuracy"].low < right.mean() < found["accuracy"].high
    assert found["f1"].value < window.metrics()["f1"]


def test_the_same_counts_give_the_same_figures() -> None:
    known = binary(1000, 1).reference()
    counted = labelled(binary(500, 2), known)
    assert measured(counted, known) == measured(counted, known)


def test_a_better_model_is_seen_as_better() -> None:
    known = binary(2000, 1).reference()
    window = binary(2000, 2)
    worse = replace(window, actual=np.where(np.arange(2000) % 5 == 0, 1 - window.actual, window.actual))
    good, bad = (measured(labelled(rows, known), known)[0] for rows in (window, worse))
    assert bad.high < good.low


@pytest.mark.parametrize("task", MADE)
def test_few_rows_give_no_figure(task: str) -> None:
    known = MADE[task](1000, 1).reference()
    assert measured(labelled(MADE[task](LEAST_ROWS - 1, 2), known), known) == ()


def test_rows_of_one_class_have_no_ranking() -> None:
    known, window = binary(1000, 1).reference(), binary(300, 2)
    figures = measured(labelled(replace(window, actual=np.zeros(300)), known), known)
    assert not {"roc_auc", "average_precision"} & {figure.metric for figure in figures}
    assert {"accuracy", "log_loss"} <= {figure.metric for figure in figures}


def test_what_was_counted_without_a_reference_says_nothing() -> None:
    known, window = binary(1000, 1).reference(), binary(300, 2)
    bare: Labelled = replace(labelled(window, known), outputs={}, happened={})
    assert measured(bare, known) == ()


def test_a_task_without_a_target_has_no_quality() -> None:
    known = replace(binary(1000, 1).reference(), task="clustering")
    assert measured(Labelled("m", 1, "", "", rows=500), known) == ()
