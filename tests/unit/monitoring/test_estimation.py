"""Without labels: the estimate follows what the rows turn out to be, and says how sure it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tidemill.monitoring.estimation import estimated
from tidemill.monitoring_contracts import QualityFigure, Reference

from .populations import Population, binary, multiclass, regression

MADE: dict[str, Callable[..., Population]] = {"binary": binary, "multiclass": multiclass, "regression": regression}


def of(window: Population, known: Reference) -> dict[str, QualityFigure]:
    return {figure.metric: figure for figure in estimated(window.summary(known), known)}


@pytest.mark.parametrize("shift", [-1.0, 0.0, 1.0])
@pytest.mark.parametrize(("task", "metric"), [("binary", "roc_auc"), ("multiclass", "log_loss"), ("regression", "mae")])
def test_the_estimate_follows_a_shift(task: str, metric: str, shift: float) -> None:
    known, window = MADE[task](4000, 1).reference(), MADE[task](4000, 2, shift=shift)
    figure, real = of(window, known)[metric], window.metrics()[metric]
    # Where the window is unlike the holdout, the holdout's own value is far off.
    assert abs(figure.value - real) < (0.02 if shift == 0 else 0.6 * abs(known.metrics[metric] - real) + 0.02)
    assert figure.low < figure.value < figure.high
    assert (figure.kind, figure.rows, figure.reference) == ("estimated", 4000, known.metrics[metric])


@pytest.mark.parametrize("task", MADE)
def test_every_metric_is_estimated_the_deciding_one_first(task: str) -> None:
    known, window = MADE[task](4000, 1).reference(), MADE[task](3000, 2, shift=0.3)
    figures = estimated(window.summary(known), known)
    exact = window.metrics()
    assert figures[0].metric == known.metric
    assert {figure.metric for figure in figures} == set(exact)
    for figure in figures:
        assert figure.value == pytest.approx(exact[figure.metric], rel=0.1), figure.metric


@pytest.mark.parametrize(
    ("task", "metric"), [("binary", "roc_auc"), ("multiclass", "accuracy"), ("regression", "rmse")]
)
def test_the_intervals_hold_what_comes_out(task: str, metric: str) -> None:
    held = 0
    for seed in range(30):
        known, window = MADE[task](800, 1000 + seed).reference(), MADE[task](500, seed)
        figure = of(window, known)[metric]
        held += figure.low <= window.metrics()[metric] <= figure.high
    assert held >= 25


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_what_a_model_says_is_corrected_by_what_the_holdout_showed(factor: float) -> None:
    known, window = (binary(5000, seed, overconfident=factor) for seed in (1, 2))
    figure = of(window, known.reference())["roc_auc"]
    assert figure.value == pytest.approx(window.metrics()["roc_auc"], abs=0.015)


def test_a_small_holdouts_luck_is_not_taken_for_a_bias() -> None:
    window = binary(20_000, 2)
    real = window.metrics()["roc_auc"]
    off = [abs(of(window, binary(300, seed).reference())["roc_auc"].value - real) for seed in range(8)]
    assert np.mean(off) < 0.013


def test_a_models_own_error_scale_is_believed_where_values_say_nothing() -> None:
    def noisy(rows: int, seed: int, spread: float) -> Population:
        made = regression(rows, seed, scale="known")
        generator = np.random.default_rng(seed + 100)
        actual = made.said.values + spread * generator.normal(size=rows)  # type: ignore[operator]
        return replace(made, said=replace(made.said, scale=np.full(rows, spread)), actual=actual)

    known, window = noisy(3000, 1, 1.0).reference(), noisy(3000, 2, 3.0)
    found = of(window, known)
    assert found["mae"].value == pytest.approx(window.metrics()["mae"], rel=0.05)
    assert found["r2"].value == pytest.approx(window.metrics()["r2"], abs=0.02)
    # The values alone would have said that nothing changed, and the interval says how far apart the two are.
    assert found["mae"].low < known.metrics["mae"]


@pytest.mark.parametrize(("task", "metric"), [("binary", "roc_auc"), ("regression", "rmse")])
def test_fewer_rows_are_less_sure(task: str, metric: str) -> None:
    known = MADE[task](4000, 1).reference()
    few, many = (of(MADE[task](rows, 2), known)[metric] for rows in (300, 6000))
    assert few.high - few.low > 2 * (many.high - many.low)


def test_an_older_summary_without_the_labels_sureness_still_has_a_log_loss() -> None:
    known, window = multiclass(3000, 1).reference(), multiclass(1000, 2)
    found = estimated(replace(window.summary(known), chosen={}), known)
    assert [figure.metric for figure in found] == ["log_loss", "roc_auc_ovr"]


def test_a_rare_classs_ranking_is_not_made_up() -> None:
    known, window = multiclass(3000, 1, shift=-3.0).reference(), multiclass(1000, 2)
    assert "roc_auc_ovr" not in of(window, known)


@pytest.mark.parametrize("task", MADE)
def test_few_rows_give_no_figure(task: str) -> None:
    known = MADE[task](1000, 1).reference()
    assert estimated(MADE[task](20, 2).summary(known), known) == ()


def test_a_task_without_a_target_has_no_quality() -> None:
    known = replace(binary(1000, 1).reference(), task="anomaly_detection")
    assert estimated(binary(500, 2).summary(known), known) == ()


def test_the_same_counts_give_the_same_figures() -> None:
    known, window = multiclass(1000, 1).reference(), multiclass(500, 2)
    assert estimated(window.summary(known), known) == estimated(window.summary(known), known)
