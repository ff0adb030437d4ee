"""Volume, latency, errors, price and age of a window."""

from __future__ import annotations

import dataclasses

import pytest

from tidemill.monitoring import service
from tidemill.monitoring_contracts import LATENCY_EDGES, Reference, ServiceFigures, Summary
from tidemill.rules.prices import PRICES

END = "2026-03-05T00:00:00Z"
LATENCY = (*({5.0: 90, 10.0: 8, 100.0: 2}.get(edge, 0) for edge in LATENCY_EDGES), 0)
SUMMARY = Summary(
    "churn",
    1,
    "2026-03-04T00:00:00Z",
    END,
    rows=400,
    requests=110,
    statuses={"200": 100, "400": 6, "503": 3, "500": 1},
    latency=LATENCY,
    latency_total=1000.0,
    last_at="2026-03-04T22:00:00Z",
)
REFERENCE = Reference("churn", "binary", 100, "roc_auc", {}, trained_at="2026-02-03T12:00:00Z")


def seen(summary: Summary | None, reference: Reference | None = REFERENCE, last: str | None = None) -> ServiceFigures:
    return service.figures(summary, reference, end=END, last_prediction_at=last, label_share=0.5, memory_mb=1024)


def test_the_figures_of_a_window() -> None:
    figures = seen(SUMMARY)
    assert (figures.requests, figures.errors, figures.refused, figures.label_share) == (110, 4, 6, 0.5)
    assert figures.model_age_days == 29.5
    assert figures.last_prediction_at == "2026-03-04T22:00:00Z"


def test_percentiles_are_within_their_bins() -> None:
    figures = seen(SUMMARY)
    assert figures.p50_ms == pytest.approx(2 + 3 * 50 / 90, abs=0.01)
    assert figures.p95_ms == pytest.approx(5 + 5 * 5 / 8, abs=0.01)
    assert figures.p99_ms == pytest.approx(75)


def test_in_the_bin_without_end_its_beginning_is_the_percentile() -> None:
    assert service.percentile((0,) * 13 + (5,), 0.5) == 10_000
    assert service.percentile((0,) * 14, 0.5) is None
    assert service.percentile((), 0.5) is None


def test_calls_slower_than_a_limit() -> None:
    assert service.slower_than(LATENCY, 10) == 2
    assert service.slower_than(LATENCY, 75) == 1
    assert service.slower_than((0,) * 13 + (5,), 10_000) == 5


def test_the_price_of_a_thousand_predictions_is_time_calls_and_messages() -> None:
    gb_seconds = 1.0 * PRICES.lambda_gb_second["x86_64"]
    calls = 110 * (PRICES.lambda_request + PRICES.queue_request + PRICES.api_request)
    assert seen(SUMMARY).usd_per_thousand == pytest.approx((gb_seconds + calls) / 0.4, rel=1e-6)
    copies = dataclasses.replace(SUMMARY, shadow=True)
    assert service.usd_per_thousand(copies, 1024) < service.usd_per_thousand(SUMMARY, 1024)  # type: ignore[operator]


def test_a_silent_window_remembers_the_last_prediction() -> None:
    figures = seen(None, None, "2026-03-01T00:00:00Z")
    assert figures.requests == 0
    assert figures.last_prediction_at == "2026-03-01T00:00:00Z"
    assert (figures.p50_ms, figures.usd_per_thousand, figures.model_age_days) == (None, None, None)
    refused = dataclasses.replace(SUMMARY, rows=0)
    assert seen(refused, last="2026-03-01T00:00:00Z").last_prediction_at == "2026-03-01T00:00:00Z"
    assert seen(refused).usd_per_thousand is None
