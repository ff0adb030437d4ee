"""How the endpoint did over a window: volume, latency, errors, price, age."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from tidemill.contracts import Architecture
from tidemill.monitoring_contracts import LATENCY_EDGES, Reference, ServiceFigures, Summary
from tidemill.rules.prices import PRICES, Prices


def figures(
    summary: Summary | None,
    reference: Reference | None,
    *,
    end: str,
    last_prediction_at: str | None,
    label_share: float,
    memory_mb: int,
) -> ServiceFigures:
    """What a window's summary says of the service.

    Parameters
    ----------
    summary
        None of a window without any call.
    reference
        tells when the training table was uploaded; None of a version that has none.
    end
        of the window.
    last_prediction_at
        of the newest prediction before the window, if any is known.
    label_share
        of the window's predictions, those whose outcome is known.
    memory_mb
        of the function that predicts.
    """
    statuses: Mapping[str, int] = summary.statuses if summary else {}
    latency: Sequence[int] = summary.latency if summary else ()
    newest = summary.last_at if summary and summary.rows and summary.last_at else None
    trained_at = reference.trained_at if reference else ""
    return ServiceFigures(
        requests=summary.requests if summary else 0,
        errors=_answered(statuses, "5"),
        refused=_answered(statuses, "4"),
        p50_ms=percentile(latency, 0.50),
        p95_ms=percentile(latency, 0.95),
        p99_ms=percentile(latency, 0.99),
        usd_per_thousand=usd_per_thousand(summary, memory_mb) if summary else None,
        last_prediction_at=max(filter(None, (newest, last_prediction_at)), default=None),
        model_age_days=round(since(trained_at, end) / timedelta(days=1), 3) if trained_at else None,
        label_share=round(label_share, 6),
    )


def percentile(latency: Sequence[int], level: float) -> float | None:
    """A percentile of the latency, milliseconds, from counts over LATENCY_EDGES; None without any.

    As if latencies were spread evenly inside their bin; in the last bin, which has no end, its beginning.
    """
    total = sum(latency)
    if not total:
        return None
    wanted, reached, low = level * total, 0.0, 0.0
    for high, count in zip(LATENCY_EDGES, latency, strict=False):
        if count and reached + count >= wanted:
            return round(low + (high - low) * (wanted - reached) / count, 3)
        reached, low = reached + count, high
    return LATENCY_EDGES[-1]


def slower_than(latency: Sequence[int], limit: float) -> int:
    """How many calls took longer than so many milliseconds; of the limit's own bin, its share beyond."""
    low, slower = 0.0, float(latency[-1]) if latency else 0.0
    for high, count in zip(LATENCY_EDGES, latency, strict=False):
        slower += count * min(1.0, max(0.0, (high - limit) / (high - low)))
        low = high
    return int(slower)


def usd_per_thousand(
    summary: Summary, memory_mb: int, architecture: Architecture = "x86_64", prices: Prices = PRICES
) -> float | None:
    """What a thousand of a window's predictions have cost; None without any.

    The function's time and calls, the API's calls, and the message that records each prediction; the time between
    calls is free. A copy for a challenger goes through queues alone.
    """
    if not summary.rows:
        return None
    seconds = summary.latency_total / 1000
    usd = seconds * memory_mb / 1024 * prices.lambda_gb_second[architecture]
    per_call = prices.lambda_request + prices.queue_request + (0.0 if summary.shadow else prices.api_request)
    return round((usd + summary.requests * per_call) / summary.rows * 1000, 9)


def since(earlier: str, later: str) -> timedelta:
    """The time between two instants."""
    return datetime.fromisoformat(later) - datetime.fromisoformat(earlier)


def _answered(statuses: Mapping[str, int], kind: str) -> int:
    return sum(calls for status, calls in statuses.items() if status.startswith(kind))
