"""Figures of a look as CloudWatch's embedded metric format, and what looking costs."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tidemill.monitoring import expense, measures
from tidemill.monitoring.expense import Expense
from tidemill.monitoring_contracts import Finding, MonitorPoint, QualityFigure, ServiceFigures
from tidemill.rules.prices import PRICES

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
END = "2026-03-04T05:00:00Z"
POINT = MonitorPoint(
    "churn",
    2,
    END,
    END,
    1000,
    True,
    quality=(
        QualityFigure("roc_auc", "measured", 0.8, 0.78, 0.82, 900),
        QualityFigure("accuracy", "measured", 0.7, 0.68, 0.72, 900),
        QualityFigure("roc_auc", "estimated", 0.83, 0.8, 0.85, 1000),
    ),
    service=ServiceFigures(500, 3, 7, 2.0, 9.5, 20.0, 0.01, END, 12.0),
    findings=(Finding("drift", "alert", "usage", "moved"), Finding("latency", "warn", "p95", "slow")),
    usd=0.002,
)


def lines(*points: MonitorPoint) -> list[dict[str, Any]]:
    return [json.loads(line) for line in measures.embedded(points, "churn", "tidemill", AT)]


def test_the_newest_window_is_told_of_with_model_and_stack() -> None:
    older = dataclasses.replace(POINT, rows=1)
    told, _ = lines(older, POINT)
    (declared,) = told["_aws"]["CloudWatchMetrics"]
    assert told["_aws"]["Timestamp"] == 1772600767000
    assert (declared["Namespace"], declared["Dimensions"]) == ("Tidemill", [["service", "model"]])
    assert (told["service"], told["model"]) == ("tidemill", "churn")
    assert {metric["Name"]: (metric["Unit"], told[metric["Name"]]) for metric in declared["Metrics"]} == {
        "Predictions": ("Count", 1000),
        "Errors": ("Count", 3),
        "Refused": ("Count", 7),
        "DriftedFeatures": ("Count", 0),
        "Findings": ("Count", 2),
        "Alerts": ("Count", 1),
        "LatencyP95": ("Milliseconds", 9.5),
        "Quality": ("None", 0.8),
        "EstimatedQuality": ("None", 0.83),
        "WatchingCost": ("None", 0.002),
    }


def test_alerts_of_all_windows_are_told_with_the_stack_alone() -> None:
    shadow = dataclasses.replace(POINT, shadow=True)
    _, told = lines(POINT, POINT, shadow)
    assert told["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service"]]
    assert "model" not in told
    assert told["Alerts"] == 2


def test_a_look_that_has_seen_nothing_tells_nothing() -> None:
    assert lines() == []
    assert lines(dataclasses.replace(POINT, shadow=True)) == []


def test_what_a_window_does_not_have_is_left_out() -> None:
    told, _ = lines(MonitorPoint("churn", 2, END, END, 0, False))
    assert not {"Quality", "EstimatedQuality", "LatencyP95", "WeightedDrift"} & told.keys()
    assert told["Predictions"] == 0


def test_a_look_costs_its_steps_first_and_then_what_it_uses() -> None:
    times, used = iter([0.0, 0.0, 2.0, 2.0]), {"s3_gets": 5}
    spent = Expense(lambda: next(times), lambda: used, memory_mb=1024)
    steps = expense.TRANSITIONS * PRICES.transition + expense.INVOCATIONS * PRICES.lambda_request
    assert spent() == pytest.approx(steps)
    used |= {"s3_gets": 15, "table_writes": 2}
    wanted = 2 * PRICES.lambda_gb_second["x86_64"] + 10 * PRICES.s3_get + 2 * PRICES.table_write
    assert spent() == pytest.approx(wanted)
    assert spent() == 0
