"""What follows from what was found: the project's rules, applied to a window of production.

Pure functions of points, rules, past decisions and the time. Whether something is done is a decision; one that is not
done is a decision, too, and says why. Standard library only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from tidemill.contracts import Capture, dumps, instant
from tidemill.monitoring_contracts import BEGUN, ActionName, Decision, Finding, FindingKind, MonitorPoint
from tidemill.spec import Rule

#: A window is decided about for so long after its end, so that a look that comes late still tells what it found; what
#: labels say later of an older one is decided about while no newer window has labels.
RECENT = timedelta(hours=24)
#: Kinds that cannot be found in a window of too few rows: such a window neither goes on with a series nor ends it.
STATISTICAL: frozenset[FindingKind] = frozenset(
    {"drift", "prediction_drift", "domain_drift", "data_quality", "estimated_quality", "quality"}
)
#: A decision that has been under way for so long is taken again.
ABANDONED = timedelta(minutes=10)
#: Decisions that are read back, at most: some hundred days of several rules an hour.
MOST = 10_000
#: Sentences of findings in a reason.
QUOTED = 3


def name(rule: Rule) -> str:
    """A rule in a few words, the same as long as the rule is the same."""
    subject = "" if rule.subject == "*" else f" about {rule.subject}"
    windows = "" if rule.windows == 1 else f" in {rule.windows} windows"
    return f"{', '.join(rule.when)}{subject} ({rule.severity}){windows}: {', '.join(rule.do)}"


def due(points: Iterable[MonitorPoint], now: str) -> tuple[MonitorPoint, ...]:
    """The points of one version that are to be decided about, oldest first.

    Those of the last hours, and the newest one with measured quality, however late its labels came.
    """
    ordered = sorted((point for point in points if not point.shadow), key=lambda point: point.end)
    since = instant(datetime.fromisoformat(now) - RECENT)
    measured = _measured(ordered)
    return tuple(point for point in ordered if point.end >= since or point is measured)


def decide(
    point: MonitorPoint, points: Sequence[MonitorPoint], rules: Sequence[Rule], past: Sequence[Decision], now: str
) -> tuple[Decision, ...]:
    """What the rules say about a window, in their order; `acted` is what should be done.

    A decision that was acted on stands, and one about an older window stands either way. One about the newest window,
    or the newest with measured quality, that was not acted on is taken again: what stood in the way may have passed.

    Parameters
    ----------
    points
        of the same version, in any order: the series that `windows` of a rule counts in.
    past
        of the model, in any order; all that are not older than the longest cooldown.
    now
        UTC, ISO 8601; cooldowns are counted from it.
    """
    series = sorted((one for one in points if one.version == point.version and not one.shadow), key=lambda one: one.end)
    standing = {decision.id: decision for decision in past}
    may_change = point.end >= max((one.end for one in series), default="") or point == _measured(series)
    decisions = []
    for rule in rules:
        matching = tuple(finding for finding in point.findings if _matches(rule, finding))
        for action in dict.fromkeys(rule.do) if matching else ():
            decision = _decision(rule, action, matching, point, series, past, now)
            before = standing.get(decision.id)
            if before is None or (may_change and _is_open(before, now) and before.reason != decision.reason):
                decisions.append(decision)
    return tuple(decisions)


def since(rules: Iterable[Rule], label_days: float, now: str) -> str:
    """Decisions about windows that ended before this matter no more: cooldowns are over, no label comes any more."""
    rest = max((rule.cooldown_hours for rule in rules), default=0.0)
    return instant(datetime.fromisoformat(now) - RECENT - timedelta(days=label_days, hours=rest))


def known(past: Iterable[Decision], decision: Decision) -> Decision | None:
    """The decision as it was taken before, or None."""
    return next((one for one in past if one.id == decision.id), None)


def with_newer(past: Iterable[Decision], decision: Decision) -> list[Decision]:
    """The past with a decision that was made or made again."""
    return [decision, *(one for one in past if one.id != decision.id)]


def sureness(capture: Capture) -> float | None:
    """How sure the model was of a recorded prediction, comparable among those of one version; None when it cannot say.

    The label's probability; of a value, the model's own error scale with a minus.
    """
    prediction = capture.prediction
    if isinstance(prediction, dict) and prediction.get("probabilities"):
        return float(max(prediction["probabilities"]))
    return None if capture.scale is None else -capture.scale


def _decision(
    rule: Rule,
    action: ActionName,
    matching: tuple[Finding, ...],
    point: MonitorPoint,
    series: Sequence[MonitorPoint],
    past: Sequence[Decision],
    now: str,
) -> Decision:
    rule_name = name(rule)
    lasting = [finding for finding in matching if _lasts(finding, point, series, rule)]
    fresh = tuple(finding for finding in lasting if not _rests(finding, rule, rule_name, action, past, now))
    if fresh:
        reason = _sentences(fresh)
    elif lasting:
        reason = f"the rule has acted on it within {rule.cooldown_hours:g} hours: {_sentences(lasting)}"
    else:
        reason = f"not yet in {rule.windows} windows in a row: {_sentences(matching)}"
    return Decision(
        id=_id(point, rule_name, action, matching),
        model=point.model,
        version=point.version,
        at=now,
        rule=rule_name,
        action=action,
        acted=bool(fresh),
        reason=reason,
        point=point.end,
        findings=fresh or matching,
    )


def _is_open(before: Decision, now: str) -> bool:
    """Whether a decision was not acted on, and nobody is about to."""
    alone = before.reason != BEGUN or before.at < instant(datetime.fromisoformat(now) - ABANDONED)
    return not before.acted and alone


def _matches(rule: Rule, finding: Finding) -> bool:
    severe = rule.severity == "warn" or finding.severity == "alert"
    return severe and finding.kind in rule.when and fnmatchcase(finding.subject, rule.subject)


def _lasts(finding: Finding, point: MonitorPoint, series: Sequence[MonitorPoint], rule: Rule) -> bool:
    """Whether the finding is in as many windows in a row as the rule asks for, this one the last."""
    counted = 1
    for earlier in reversed([one for one in series if one.end < point.end]):
        if counted >= rule.windows:
            break
        if finding.kind in STATISTICAL and not earlier.sufficient:
            continue
        if finding.kind == "quality" and point.by_rows and earlier.labels == point.labels:
            continue  # windows by rows of the same hours have the same labels, which say it once
        if not any(_alike(finding, one) and _matches(rule, one) for one in earlier.findings):
            return False
        counted += 1
    return counted >= rule.windows


def _rests(
    finding: Finding, rule: Rule, rule_name: str, action: ActionName, past: Sequence[Decision], now: str
) -> bool:
    """Whether the rule has done the same about the same subject a short time ago, or in a future that is none."""
    since = instant(datetime.fromisoformat(now) - timedelta(hours=rule.cooldown_hours))
    return any(
        one.acted
        and one.at > since
        and (one.rule, one.action) == (rule_name, action)
        and any(_alike(finding, other) for other in one.findings)
        for one in past
    )


def _alike(one: Finding, other: Finding) -> bool:
    return (one.kind, one.subject) == (other.kind, other.subject)


def _measured(ordered: Sequence[MonitorPoint]) -> MonitorPoint | None:
    """The newest point with measured quality."""
    labelled = (one for one in reversed(ordered) if any(figure.kind == "measured" for figure in one.quality))
    return next(labelled, None)


def _sentences(findings: Sequence[Finding]) -> str:
    told = "; ".join(finding.sentence.rstrip(".") for finding in findings[:QUOTED])
    more = len(findings) - QUOTED
    return f"{told}; and {more} more" if more > 0 else told


def _id(point: MonitorPoint, rule_name: str, action: ActionName, findings: Iterable[Finding]) -> str:
    about = sorted((finding.kind, finding.subject, finding.severity) for finding in findings)
    text = dumps([point.model, point.version, point.end, rule_name, action, about])
    return hashlib.sha256(text).hexdigest()[:32]
