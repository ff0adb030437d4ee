"""What a person may have to know about a window, in sentences; and since when.

In a window that is like the reference something is found at most as often as the spec's `false_alarms` says. That
chance is divided among the families of statistical findings; a finding needs both more than its family's chance and an
effect that is worth a word, so that there are fewer false ones still. Errors, latency and staleness are not drawn from
a reference: they are held to the spec's limits.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from tidemill.contracts import ColumnProfile, Profile
from tidemill.monitoring import service
from tidemill.monitoring_contracts import (
    ColumnSummary,
    FeatureDrift,
    Finding,
    FindingKind,
    MonitorPoint,
    QualityFigure,
    Reference,
    Summary,
)
from tidemill.rules import metrics, significance
from tidemill.spec import Monitor

#: How the chance of a false alarm is divided.
SHARES: dict[FindingKind, float] = {
    "drift": 0.4,
    "data_quality": 0.15,
    "quality": 0.15,
    "prediction_drift": 0.1,
    "domain_drift": 0.1,
    "estimated_quality": 0.1,
}
#: AUC of the domain classifier that is worth a word, and one that is an alert: 0.36 and 0.95 standard deviations of a
#: single normal feature give them.
DOMAIN_AUC, ALERT_DOMAIN_AUC = 0.6, 0.75
#: A feature with less than this part of a feature's average importance is one that the model hardly uses.
HARDLY_USED = 0.1
#: So many times the limit is an alert where the limit itself is a warning.
ALERT_FACTOR = 5.0
#: Times the spec's limit of refused calls, of the latency and of the model's age that are an alert.
REFUSED_FACTOR, LATENCY_FACTOR, AGE_FACTOR = 4.0, 2.0, 2.0
#: Fewer failed calls are chance, fewer calls have no percentiles.
MIN_FAILED, MIN_CALLS = 3, 50
#: How often the service is wrongly said to be beyond a limit that it is at.
SERVICE_CHANCE = 0.01
#: Width of a 95% interval in standard errors.
_WIDTH = 2 * 1.959964


def chance(options: Monitor, kind: FindingKind) -> float:
    """How often a family may have a finding in a window like the reference."""
    return options.false_alarms * SHARES[kind]


@dataclass(frozen=True)
class Evidence:
    """What findings are made of. A part that is None, or empty, was not looked at."""

    point: MonitorPoint  #: without findings
    profile: Profile
    reference: Reference | None
    summary: Summary | None  #: None of a window without any call


def found(evidence: Evidence, options: Monitor, earlier: Sequence[MonitorPoint]) -> tuple[Finding, ...]:
    """The findings of a point, alerts first.

    Parameters
    ----------
    earlier
        points of the same version and kind of answers that end before, in any order; and what was made of this window
        the time before.
    """
    everything = [*of_service(evidence, options)]
    if evidence.point.sufficient:
        everything += [
            *of_features(evidence, options),
            *of_prediction(evidence, options),
            *of_domain(evidence),
            *of_data_quality(evidence, options),
        ]
    everything += of_quality(evidence, options)
    return with_since(everything, evidence.point, earlier)


def with_since(
    everything: Sequence[Finding], point: MonitorPoint, earlier: Sequence[MonitorPoint]
) -> tuple[Finding, ...]:
    """The findings of a point, alerts first, each with the window since which it is there."""
    ordered = sorted(everything, key=lambda finding: finding.severity != "alert")
    return tuple(dataclasses.replace(item, since=_since(item, point, earlier)) for item in ordered)


def _severity(severe: bool) -> Literal["warn", "alert"]:
    return "alert" if severe else "warn"


def _since(finding: Finding, point: MonitorPoint, earlier: Sequence[MonitorPoint]) -> str:
    """End of the first window of the unbroken series; windows that could not be judged do not break it."""
    judged = [each for each in earlier if each.end < point.end and (each.sufficient or each.findings)]
    before = max(judged, key=lambda each: each.end, default=None)
    if before and (known := _known(finding, before)):
        return known
    # It may have been seen between the two, when somebody looked before the window had ended.
    former = next((each for each in earlier if each.end == point.end), None)
    known = _known(finding, former) if former else None
    return known if known and known < point.end and (not before or known > before.end) else point.end


def _known(finding: Finding, point: MonitorPoint) -> str | None:
    same = (one for one in point.findings if (one.kind, one.subject) == (finding.kind, finding.subject))
    return next((one.since or point.end for one in same), None)


# --- drift -------------------------------------------------------------------------------------


def of_features(evidence: Evidence, options: Monitor) -> list[Finding]:
    """Features that have moved, the most important ones first; and all of them by their importance."""
    features = evidence.point.features
    found = [_of_feature(item, len(features), options) for item in features if item.drifted]
    weighted = evidence.point.weighted_drift
    if found and weighted >= options.alert_drift:
        sentence = (
            "What the model relies on has moved: the population stability index of the features, weighted by their "
            f"importance, is {weighted:.2f} on average"
        )
        found.append(Finding("drift", "alert", "", sentence, weighted, options.alert_drift))
    return found


def _of_feature(item: FeatureDrift, features: int, options: Monitor) -> Finding:
    told = f"{item.name!r} is spread otherwise than in training: {item.words} ({_index(item)})"
    used = item.importance * features >= HARDLY_USED
    severe = item.psi >= options.alert_drift
    if severe and not used:
        told += "; the model hardly uses it"
    return Finding("drift", _severity(severe and used), item.name, told, item.psi, item.limit)


def of_prediction(evidence: Evidence, options: Monitor) -> list[Finding]:
    """What the model says, when it says otherwise than on its holdout."""
    item = evidence.point.prediction
    if item is None or not item.drifted:
        return []
    subject = "" if item.name in ("value", "label") else f" of {item.name!r}"
    what = "labels" if item.name == "label" else "probability" if subject else "predictions"
    told = f"The model's {what}{subject} moved away from the holdout's: {item.words} ({_index(item)})"
    severity = _severity(item.psi >= options.alert_drift)
    return [Finding("prediction_drift", severity, "prediction", told, item.psi, item.limit)]


def of_domain(evidence: Evidence) -> list[Finding]:
    """All features together, when a classifier tells them from the reference's."""
    area, low = evidence.point.domain_auc, evidence.point.domain_low
    if area is None or low is None or area < DOMAIN_AUC or low <= 0.5:
        return []
    told = (
        f"A classifier tells production's rows from the reference's: its AUC is {area:.2f}, where 0.5 is not at all "
        "and 1 is always"
    )
    return [Finding("domain_drift", _severity(area >= ALERT_DOMAIN_AUC), "", told, area, DOMAIN_AUC)]


def _index(item: FeatureDrift) -> str:
    return f"population stability index {item.psi:.2f}, Jensen-Shannon distance {item.distance:.2f}"


# --- data quality ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Fault:
    column: ColumnSummary
    words: str
    share: float  #: of the window's rows
    before: float  #: of the training table's
    p_value: float

    @property
    def excess(self) -> float:
        return self.share - self.before


def of_data_quality(evidence: Evidence, options: Monitor) -> list[Finding]:
    """Columns with values that are missing or wrong more often than in training, one finding for each."""
    known = {column.name: column for column in evidence.profile.columns}
    columns = evidence.summary.columns if evidence.summary else ()
    faults = [fault for column in columns if column.rows for fault in _faults(column, known.get(column.name))]
    adjusted = significance.adjusted([fault.p_value for fault in faults])
    allowed = chance(options, "data_quality")
    worst: dict[str, _Fault] = {}
    for fault, p_value in zip(faults, adjusted, strict=True):
        kept = worst.get(fault.column.name)
        if p_value <= allowed and fault.excess >= options.data_quality and not (kept and kept.excess >= fault.excess):
            worst[fault.column.name] = fault
    return [_of_fault(fault, known.get(name), options) for name, fault in worst.items()]


def _faults(column: ColumnSummary, profile: ColumnProfile | None) -> list[_Fault]:
    missing = "is missing" if 2 * column.absent <= column.missing else "is missing: calls come without the field"
    counts = {
        missing: column.missing,
        "cannot be read as what the column held": column.unreadable,
        "is a value that training has never seen": column.unseen,
        "is beyond the range of the training table": column.out_of_range,
        "breaks the data contract": column.breaches,
    }
    found = []
    for words, count in counts.items():
        before = profile.missing if profile and words == missing else 0
        rows = profile.rows if profile else 0
        p_value = significance.greater_share(before, rows, count, column.rows)
        found.append(_Fault(column, words, count / column.rows, before / rows if rows else 0.0, p_value))
    return found


def _of_fault(fault: _Fault, profile: ColumnProfile | None, options: Monitor) -> Finding:
    name = fault.column.name
    told = f"{fault.share:.1%} of {name!r} {fault.words}"
    if fault.before:
        told += f"; in training it was {fault.before:.1%}"
    if examples := ", ".join(repr(example.value) for example in fault.column.examples[:3]):
        told += f" (for example {examples})"
    # Dates leave the training table's range as time goes on.
    expected = profile is not None and profile.type == "date" and "beyond the range" in fault.words
    severe = fault.excess >= ALERT_FACTOR * options.data_quality and not expected
    if expected:
        told += ", as time goes on: no alert, but the model has never seen such dates"
    return Finding("data_quality", _severity(severe), name, told, round(fault.excess, 6), options.data_quality)


# --- quality -----------------------------------------------------------------------------------


def of_quality(evidence: Evidence, options: Monitor) -> list[Finding]:
    """The deciding metric, measured and estimated, when it is worse than on the holdout.

    An estimate that the labels of most of the window contradict is a warning at most.
    """
    figures: dict[str, QualityFigure] = {}
    for figure in evidence.point.quality:
        figures.setdefault(figure.kind, figure)
    found = []
    measured, estimated = figures.get("measured"), figures.get("estimated")
    known = _worse(measured, "quality", evidence, options)
    found += known
    if evidence.point.sufficient:
        contradicted = measured is not None and 2 * measured.rows >= evidence.point.rows and not known
        guessed = _worse(estimated, "estimated_quality", evidence, options)
        found += [dataclasses.replace(item, severity="warn") for item in guessed] if contradicted else guessed
    return found


def _worse(figure: QualityFigure | None, kind: FindingKind, evidence: Evidence, options: Monitor) -> list[Finding]:
    if figure is None or figure.reference is None:
        return []
    loss = -metrics.improvement(figure.metric, figure.value, figure.reference)
    drop = loss / abs(figure.reference) if figure.reference else loss
    interval = evidence.reference.intervals.get(figure.metric) if evidence.reference else None
    errors = [(figure.high - figure.low) / _WIDTH]
    if interval and len(interval) == 2:
        errors.append((interval[1] - interval[0]) / _WIDTH)
    spread = math.hypot(*errors)
    if drop < options.quality_drop / 2 or loss <= significance.quantile(chance(options, kind)) * spread:
        return []
    name = figure.metric.replace("_", " ")
    how = "is" if figure.kind == "measured" else "is estimated, without labels, to be"
    counted = "outcomes of its hours" if evidence.point.by_rows and figure.kind == "measured" else "rows"
    told = (
        f"The model has become worse: {name} {how} {figure.value:.4g} ({figure.low:.4g} to {figure.high:.4g}, "
        f"{figure.rows:,} {counted}); on the holdout it was {figure.reference:.4g}"
    )
    severity = _severity(drop >= options.quality_drop)
    return [Finding(kind, severity, figure.metric, told, figure.value, figure.reference)]


# --- service -----------------------------------------------------------------------------------


def of_service(evidence: Evidence, options: Monitor) -> list[Finding]:
    """Calls that fail, are refused or are slow; a model that nobody asks, or that is old."""
    return [
        *_errors(evidence, options),
        *_refused(evidence, options),
        *_latency(evidence, options),
        *_staleness(evidence, options),
    ]


def _errors(evidence: Evidence, options: Monitor) -> list[Finding]:
    seen = evidence.point.service
    if seen is None or not _beyond(seen.errors, seen.requests, options.error_rate):
        return []
    rate = seen.errors / seen.requests
    told = f"{rate:.1%} of the calls fail: {seen.errors:,} of {seen.requests:,}{_fault(evidence.summary, '5')}"
    return [Finding("errors", "alert", "errors", told, round(rate, 6), options.error_rate)]


def _refused(evidence: Evidence, options: Monitor) -> list[Finding]:
    seen = evidence.point.service
    if seen is None or not _beyond(seen.refused, seen.requests, options.refused_rate):
        return []
    rate = seen.refused / seen.requests
    told = f"{rate:.1%} of the calls are refused: {seen.refused:,} of {seen.requests:,}{_fault(evidence.summary, '4')}"
    severity = _severity(rate >= REFUSED_FACTOR * options.refused_rate)
    return [Finding("errors", severity, "refused", told, round(rate, 6), options.refused_rate)]


def _beyond(count: int, calls: int, limit: float) -> bool:
    return count >= MIN_FAILED and significance.share_bound(count, calls, SERVICE_CHANCE) > limit


def _fault(summary: Summary | None, kind: str) -> str:
    """The most frequent message, when all the calls that went wrong did so in one way."""
    if summary is None or not summary.faults:
        return ""
    kinds = {status[0] for status, calls in summary.statuses.items() if calls and status[0] in "45"}
    return f", mostly with {summary.faults[0].value!r}" if kinds == {kind} else ""


def _latency(evidence: Evidence, options: Monitor) -> list[Finding]:
    seen, summary = evidence.point.service, evidence.summary
    if seen is None or summary is None or seen.p95_ms is None or seen.p95_ms <= options.p95_ms:
        return []
    calls = sum(summary.latency)
    slow = service.slower_than(summary.latency, options.p95_ms)
    if calls < MIN_CALLS or significance.share_bound(slow, calls, SERVICE_CHANCE) <= 0.05:
        return []
    told = f"Predictions are slow: one in twenty of {calls:,} calls takes longer than {seen.p95_ms:,.0f} ms"
    severity = _severity(seen.p95_ms > LATENCY_FACTOR * options.p95_ms)
    return [Finding("latency", severity, "p95", told, seen.p95_ms, options.p95_ms)]


def _staleness(evidence: Evidence, options: Monitor) -> list[Finding]:
    seen, found = evidence.point.service, []
    if seen is None:
        return []
    if options.stale_hours is not None and seen.last_prediction_at:
        hours = service.since(seen.last_prediction_at, evidence.point.end) / timedelta(hours=1)
        if hours > options.stale_hours:
            told = f"There has been no prediction for {hours:,.0f} hours"
            found.append(Finding("staleness", "alert", "predictions", told, round(hours, 3), options.stale_hours))
    if options.stale_days is not None and seen.model_age_days is not None and seen.model_age_days > options.stale_days:
        severity = _severity(seen.model_age_days >= AGE_FACTOR * options.stale_days)
        told = f"The model's training table is {seen.model_age_days:,.0f} days old"
        found.append(Finding("staleness", severity, "model", told, seen.model_age_days, options.stale_days))
    return found
