"""What each version has answered in all: sums that only grow, as counters need them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from itertools import zip_longest

from tidemill.monitoring_contracts import Summary, Totals


def counted(totals: Mapping[str, Totals], summaries: Iterable[Summary]) -> dict[str, Totals]:
    """The totals by version with new summaries added; those of copies for a challenger are left out.

    Parameters
    ----------
    summaries
        of captures that have not been added before.
    """
    result = dict(totals)
    for summary in summaries:
        if not summary.shadow:
            version = str(summary.version)
            result[version] = _added(result.get(version, Totals()), summary)
    return result


def _added(total: Totals, summary: Summary) -> Totals:
    return dataclasses.replace(
        total,
        predictions=total.predictions + summary.rows,
        requests=total.requests + summary.requests,
        errors=total.errors + _answered(summary, "5"),
        refused=total.refused + _answered(summary, "4"),
        latency=tuple(a + b for a, b in zip_longest(total.latency, summary.latency, fillvalue=0)),
        latency_total=total.latency_total + summary.latency_total,
    )


def _answered(summary: Summary, kind: str) -> int:
    return sum(requests for status, requests in summary.statuses.items() if status.startswith(kind))
