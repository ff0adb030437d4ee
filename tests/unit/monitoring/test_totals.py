"""Totals for counters: everything once, by version, copies left out."""

from __future__ import annotations

from tidemill.monitoring.totals import counted
from tidemill.monitoring_contracts import Summary, Totals

NOON, ONE = "2026-03-04T12:00:00Z", "2026-03-04T13:00:00Z"


def summary(version: int = 1, shadow: bool = False) -> Summary:
    statuses = {"200": 7, "400": 2, "413": 1, "500": 3, "503": 4}
    return Summary("churn", version, NOON, ONE, shadow, 9, 17, statuses, latency=(0, 10, 7), latency_total=42.5)


def test_new_summaries_add_to_what_was_counted_before() -> None:
    first = counted({}, [summary()])
    assert first == {"1": Totals(9, 17, 7, 3, (0, 10, 7), 42.5)}
    assert counted(first, [summary(), summary(2)]) == {
        "1": Totals(18, 34, 14, 6, (0, 20, 14), 85.0),
        "2": first["1"],
    }


def test_answers_that_nobody_got_do_not_count() -> None:
    assert counted({}, [summary(shadow=True)]) == {}
