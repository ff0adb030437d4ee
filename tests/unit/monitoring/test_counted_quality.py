"""From captures to figures: what is counted of production is what quality is measured and estimated from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tidemill.contracts import Capture, Profile, Reading
from tidemill.monitoring import labelled, summaries
from tidemill.monitoring.estimation import estimated
from tidemill.monitoring.quality import measured
from tidemill.serving import outputs

from .populations import Population, binary, multiclass, regression

MADE: dict[str, Callable[..., Population]] = {"binary": binary, "multiclass": multiclass, "regression": regression}
PROFILE = Profile(0, 0, (), Reading("csv", None, "utf-8", ",", '"', True, 1), "y", None)


def captures(window: Population) -> list[Capture]:
    """The window's predictions as they are recorded."""
    scale: Any = [None] * len(window.x) if window.said.scale is None else window.said.scale.tolist()
    return [
        Capture(
            prediction_id=f"{row:032x}",
            at="2026-03-04T05:06:07Z",
            model="m",
            version=1,
            inputs={"x": window.x[row]},
            prediction=prediction,
            alias="champion",
            scale=scale[row],
        )
        for row, prediction in enumerate(outputs.by_row(window.said, window.signature))
    ]


@pytest.mark.parametrize("task", MADE)
def test_captures_with_outcomes_give_the_metrics_of_their_rows(task: str) -> None:
    known, window = MADE[task](2000, 1).reference(), MADE[task](1000, 2, shift=0.5)
    classes = window.signature.classes
    happened = [classes[int(code)] if classes else code for code in window.actual.tolist()]
    recorded = captures(window)
    actuals = {capture.prediction_id: actual for capture, actual in zip(recorded, happened, strict=True)}
    (counted,) = labelled.count(recorded, actuals, window.signature, known)
    exact = window.metrics()
    figures = measured(counted, known)
    assert {figure.metric for figure in figures} == set(exact)
    for figure in figures:
        assert figure.value == pytest.approx(exact[figure.metric], rel=0.02), figure.metric


@pytest.mark.parametrize("window", [binary(1000, 2), multiclass(1000, 2), regression(1000, 2, scale="known")])
def test_captures_without_outcomes_give_the_estimates_of_their_counts(window: Population) -> None:
    known = window.reference()
    (counted,) = summaries.summarize(captures(window), PROFILE, window.signature, known, None)
    found, expected = estimated(counted, known), estimated(window.summary(known), known)
    assert [figure.metric for figure in found] == [figure.metric for figure in expected] != []
    for one, other in zip(found, expected, strict=True):
        assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high)), one.metric
