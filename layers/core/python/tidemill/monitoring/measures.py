"""The figures of a look for CloudWatch's dashboards and alarms."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from tidemill.monitoring_contracts import MonitorPoint

#: Where CloudWatch keeps the metrics.
NAMESPACE = "Tidemill"


class Measure(NamedTuple):
    """One number, as CloudWatch takes it."""

    name: str
    unit: Literal["Count", "Milliseconds", "None"]
    value: float


def of_point(point: MonitorPoint) -> list[Measure]:
    """What a point says; figures that it does not have are left out."""
    seen = point.service
    measured, estimated = (
        next((figure.value for figure in point.quality if figure.kind == kind), None)
        for kind in ("measured", "estimated")
    )
    counts = {
        "Predictions": point.rows,
        "Errors": seen.errors if seen else 0,
        "Refused": seen.refused if seen else 0,
        "DriftedFeatures": sum(feature.drifted for feature in point.features),
        "Findings": len(point.findings),
        "Alerts": alerts([point]),
    }
    values = {
        "WeightedDrift": point.weighted_drift if point.features else None,
        "Quality": measured,
        "EstimatedQuality": estimated,
        "WatchingCost": point.usd,
    }
    found = [Measure(name, "Count", float(value)) for name, value in counts.items()]
    if seen is not None and seen.p95_ms is not None:
        found.append(Measure("LatencyP95", "Milliseconds", seen.p95_ms))
    return found + [Measure(name, "None", value) for name, value in values.items() if value is not None]


def alerts(points: Sequence[MonitorPoint]) -> int:
    """Findings that are alerts."""
    return sum(finding.severity == "alert" for point in points for finding in point.findings)


def embedded(points: Sequence[MonitorPoint], model: str, service: str, at: datetime) -> list[str]:
    """Lines for the function's log of which CloudWatch makes metrics: its embedded metric format.

    Of the newest window of answers that somebody got, with the dimensions `service` and `model`; and the alerts of all
    windows of the look with `service` alone, so that one alarm is enough for all models. Nothing of a look that has
    seen nothing new.

    Parameters
    ----------
    points
        that the look has made, oldest first.
    service
        the stack's table: two stacks of an account are told apart by it.
    """
    served = [point for point in points if not point.shadow]
    if not served:
        return []
    return [
        _line(of_point(served[-1]), {"service": service, "model": model}, at),
        _line([Measure("Alerts", "Count", float(alerts(served)))], {"service": service}, at),
    ]


def _line(measures: Sequence[Measure], dimensions: dict[str, str], at: datetime) -> str:
    declared = {
        "Namespace": NAMESPACE,
        "Dimensions": [list(dimensions)],
        "Metrics": [{"Name": measure.name, "Unit": measure.unit} for measure in measures],
    }
    told = {"Timestamp": int(at.timestamp() * 1000), "CloudWatchMetrics": [declared]}
    return json.dumps({"_aws": told} | dimensions | {measure.name: measure.value for measure in measures})
