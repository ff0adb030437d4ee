"""What was seen of a model in production, in a few plain sentences."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from tidemill.contracts import Profile
from tidemill.monitoring_contracts import (
    ActionName,
    Decision,
    Finding,
    FindingKind,
    MonitorPoint,
    QualityFigure,
    Reference,
)
from tidemill.release_contracts import Rollout
from tidemill.reports import formats

#: How it stands with a model: nothing to say, something to watch, something to act on, or too little to tell.
State = Literal["steady", "noticed", "alarming", "unjudged"]
STATE_WORDS: dict[State, str] = {
    "steady": "Steady",
    "noticed": "Worth watching",
    "alarming": "Needs attention",
    "unjudged": "Too little to judge",
}
#: What each kind of finding says of the model, the gravest first.
CLAUSES: dict[FindingKind, str] = {
    "errors": "fails calls",
    "quality": "predicts worse than at its release",
    "data_quality": "is sent values that do not fit",
    "estimated_quality": "probably predicts worse than at its release",
    "drift": "sees other data than it learned from",
    "domain_drift": "sees other data than it learned from",
    "prediction_drift": "answers otherwise than at its release",
    "latency": "answers slowly",
    "staleness": "has grown stale",
}
KIND_WORDS: dict[FindingKind, str] = {
    "errors": "Calls",
    "quality": "Quality",
    "data_quality": "Data quality",
    "estimated_quality": "Estimate",
    "drift": "Drift",
    "domain_drift": "As a whole",
    "prediction_drift": "Predictions",
    "latency": "Latency",
    "staleness": "Staleness",
}
#: Findings that need no minimum of predictions.
_OF_SERVICE = frozenset({"errors", "latency", "staleness"})
#: What has been done, where it was.
DONE: dict[ActionName, str] = {
    "warn": "noted in the log",
    "alert": "people alerted",
    "review": "least sure predictions put up for review",
    "retrain": "training of a new version started",
    "freeze": "promotions frozen",
}
#: The same in a word, for a list; and what was not done.
DID: dict[ActionName, str] = {
    "warn": "Noted",
    "alert": "Alerted",
    "review": "Reviews",
    "retrain": "Training",
    "freeze": "Frozen",
}
NOT_DONE: dict[ActionName, str] = {
    "warn": "note",
    "alert": "alert",
    "review": "reviews",
    "retrain": "training",
    "freeze": "freeze",
}
#: What was to be done, where it was not, in a sentence.
ACTIONS: dict[ActionName, str] = {
    "warn": "note in the log",
    "alert": "alert people",
    "review": "open reviews",
    "retrain": "train a new version",
    "freeze": "freeze promotions",
}
#: What a person can do about a kind of finding; `{model}` is the model's name.
ADVICE: dict[FindingKind, str] = {
    "errors": "`tidemill logs --stage predict` shows the calls that failed",
    "quality": "`tidemill retrain {model}` trains on the newest labelled predictions",
    "data_quality": "Ask whoever sends the data what has changed there; the findings below name the values",
    "estimated_quality": "Upload what really happened, `tidemill actuals FILE --model {model}`, and the estimate "
    "becomes a measurement",
    "drift": "If the change is real and will stay, train on newer data: `tidemill retrain {model}`",
    "domain_drift": "If the change is real and will stay, train on newer data: `tidemill retrain {model}`",
    "prediction_drift": "Look at the moved features first: predictions move when they do, or when what comes before "
    "the model is broken",
    "latency": "The function’s memory decides how fast it is: see `PredictMemory` in the template",
    "staleness": "`tidemill train FILE --project {model}` takes a newer table",
}
#: What is added to the advice about such findings, of a model that had another version before.
BACK = {
    "errors": "; `tidemill rollback {model}` puts the version before back in service within seconds",
    "quality": "; `tidemill rollback {model}` puts the version before back in service",
}
STARTING = "As soon as calls come in, this page shows what the model is asked and what it says"
LABELS = (
    "Quality is only estimated so far; what really happened, uploaded with `tidemill actuals FILE --model {model}`, "
    "measures it"
)


@dataclass(frozen=True)
class Watched:
    """Everything a monitor report is made from."""

    model: str
    points: tuple[MonitorPoint, ...]  #: of the version in service, oldest first
    others: tuple[MonitorPoint, ...]  #: newest point of each other version and of each challenger in the shadow
    decisions: tuple[Decision, ...]  #: newest first
    reference: Reference | None
    profile: Profile | None
    now: str
    rollout: Rollout | None

    @property
    def newest(self) -> MonitorPoint | None:
        """The newest window."""
        return self.points[-1] if self.points else None

    @property
    def name(self) -> str:
        """The model and the version that is watched: `churn version 2`."""
        return f"{self.model} version {self.points[-1].version}" if self.points else self.model

    @property
    def judged(self) -> MonitorPoint | None:
        """The newest window with enough predictions to judge; when there is none, the newest."""
        return next((point for point in reversed(self.points) if point.sufficient), self.newest)

    @property
    def measured(self) -> MonitorPoint | None:
        """The newest window whose outcomes are known."""
        return next((point for point in reversed(self.points) if _is_measured(point)), None)

    @property
    def findings(self) -> list[Finding]:
        """What was found in the newest window, the gravest first.

        Of data it is the newest window with enough predictions that counts, of quality the newest one whose outcomes
        are known: a model that had become worse is not better because nothing is known yet.
        """
        newest, judged, measured = self.newest, self.judged, self.measured
        if newest is None or judged is None:
            return []
        found = list(newest.findings)
        if judged is not newest:
            found += [one for one in judged.findings if one.kind not in _OF_SERVICE]
        if measured is not None and measured not in (newest, judged):
            known = f"that was until {day(measured.end, self.now)}, since when no outcome is known"
            found += [
                replace(one, sentence=f"{one.sentence.rstrip('.')}; {known}")
                for one in measured.findings
                if one.kind == "quality"
            ]
        found = list({(one.kind, one.subject): one for one in reversed(found)}.values())
        return ranked(found)

    @property
    def state(self) -> State:
        """How it stands with the model."""
        judged = self.judged
        if judged is None:
            return "unjudged"
        severities = {finding.severity for finding in self.findings}
        if severities:
            return "alarming" if "alert" in severities else "noticed"
        return "steady" if judged.sufficient else "unjudged"


def followed(seen: Watched) -> tuple[dict[ActionName, Decision], dict[ActionName, Decision]]:
    """What was done about what is found, since it is; and what was not done about the windows that tell of it.

    Both the newest decision of each action. A finding that lasts is the same one in every window.
    """
    version = seen.newest.version if seen.newest else None
    ends = {point.end for point in (seen.newest, seen.judged, seen.measured) if point}
    begun = {(one.kind, one.subject): one.since for one in seen.findings if one.since}
    done: dict[ActionName, Decision] = {}
    left: dict[ActionName, Decision] = {}
    for one in seen.decisions:
        if one.version != version:
            continue
        since = [begun.get((finding.kind, finding.subject)) for finding in one.findings]
        if one.acted and (one.point in ends or any(each and each <= one.point for each in since)):
            done.setdefault(one.action, one)
        elif not one.acted and one.point in ends:
            left.setdefault(one.action, one)
    return done, left


def _is_measured(point: MonitorPoint) -> bool:
    return any(figure.kind == "measured" for figure in point.quality)


def watched(
    model: str,
    points: Sequence[MonitorPoint],
    decisions: Sequence[Decision],
    reference: Reference | None,
    profile: Profile | None,
    now: str,
    rollout: Rollout | None,
    champion: int | None = None,
) -> Watched:
    """Sort what is known: the version in service with its history, and the others beside it."""
    ordered = sorted(points, key=lambda point: (point.end, point.start))
    looked_at = any(point.version == champion and not point.shadow for point in ordered)
    version = champion if looked_at else _in_service(ordered, rollout)
    newest: Mapping[tuple[int, bool], MonitorPoint] = {(point.version, point.shadow): point for point in ordered}
    return Watched(
        model,
        tuple(point for point in ordered if point.version == version and not point.shadow),
        tuple(point for key, point in sorted(newest.items(), reverse=True) if key != (version, False)),
        tuple(sorted(decisions, key=lambda decision: (decision.at, decision.point, decision.id), reverse=True)),
        reference,
        profile,
        now,
        rollout,
    )


def _in_service(points: Sequence[MonitorPoint], rollout: Rollout | None) -> int | None:
    """The version whose answers count: during a rollout the one before, else the one that most was asked of last."""
    public = [point for point in points if not point.shadow]
    if not public:
        return None
    versions = {point.version for point in public}
    if rollout and not rollout.ended_at and rollout.champion in versions:
        return rollout.champion
    last = public[-1].end
    return max((point for point in public if point.end == last), key=lambda point: (point.rows, point.version)).version


# --- words -------------------------------------------------------------------------------------


def ranked(findings: Iterable[Finding]) -> list[Finding]:
    """Alerts first, then by kind, the gravest first, then by how far the value is beyond its limit."""
    kinds = list(CLAUSES)
    return sorted(
        findings,
        key=lambda one: (one.severity != "alert", kinds.index(one.kind), -abs(one.value or 0.0), one.subject),
    )


def headline(seen: Watched) -> str:
    """How it stands with the model in one sentence, and since when."""
    judged = seen.judged
    if judged is None:
        return f"Nothing has been seen of {seen.model} yet."
    findings = seen.findings
    if not findings:
        if judged.sufficient:
            return f"{seen.name} sees and says what it did at its release."
        return f"{seen.name} was asked too little to judge it: {formats.count(judged.rows, 'prediction')}."
    alerts = [one for one in findings if one.severity == "alert"]
    clauses = list(dict.fromkeys(CLAUSES[one.kind] for one in alerts or findings))[: 2 if alerts else 1]
    since = min((one.since for one in alerts or findings if one.since and CLAUSES[one.kind] in clauses), default=None)
    when = f", since {day(since, seen.now)}" if since else ""
    if alerts:
        return f"{seen.name} {' and '.join(clauses)}{when}."
    return f"{seen.name} holds up, but {clauses[0]}{when}."


def too_few(seen: Watched) -> str | None:
    """That the newest window cannot be judged, and which one is, when that is so."""
    newest, judged = seen.newest, seen.judged
    if newest is None or judged is None or judged is newest:
        return None
    return (
        f"The newest window has {formats.count(newest.rows, 'prediction')}, too few to judge: what is said of its data "
        f"is of the window until {day(judged.end, seen.now)}."
    )


def calm(seen: Watched) -> str | None:
    """For how long nothing has been found, when that is so."""
    if seen.state != "steady":
        return None
    quiet = list(itertools.takewhile(lambda point: not point.findings, reversed(seen.points)))
    if len(quiet) == 1:
        return "Nothing was found in this window."
    whole = " of this page" if len(quiet) == len(seen.points) else ""
    return f"Nothing was found in the newest {len(quiet):,} windows{whole}, since {day(quiet[-1].start, seen.now)}."


def day(iso: str, now: str) -> str:
    """A time as near as it needs to be named beside another: `09:40 UTC`, `3 March`, `3 March 2025`."""
    at, today = datetime.fromisoformat(iso), datetime.fromisoformat(now)
    if at.date() == today.date():
        return f"{at:%H:%M} UTC"
    return f"{at.day} {at:%B}" if at.year == today.year else f"{at.day} {at:%B %Y}"


def span(point: MonitorPoint) -> str:
    """From when to when a window goes: `3 March, 05:00 to 4 March, 05:00 UTC`; one day is named once."""
    start, end = datetime.fromisoformat(point.start), datetime.fromisoformat(point.end)
    first = f"{start.day} {start:%B}, {start:%H:%M}"
    if start.date() == end.date():
        return f"{first} to {end:%H:%M} UTC"
    return f"{first} to {end.day} {end:%B}, {end:%H:%M} UTC"


def labels(points: Sequence[MonitorPoint]) -> list[str]:
    """A short and different name for each window, by its end: a day, or a time, as exact as it takes."""
    ends = [datetime.fromisoformat(point.end) for point in points]
    one_day = len({end.date() for end in ends}) == 1
    patterns = ("%H:%M", "%H:%M:%S") if one_day else ("%-d %b", "%-d %b %H:%M", "%-d %b %H:%M:%S")
    for pattern in patterns:
        names = [end.strftime(pattern) for end in ends]
        if len(set(names)) == len(names):
            return names
    return [f"{name} ({place})" for place, name in enumerate(names, 1)]


def figures_of(point: MonitorPoint, metric: str | None) -> list[QualityFigure]:
    """A window's figures of a metric, or of the first one that it has; measured before estimated."""
    names = [figure.metric for figure in point.quality]
    if not names:
        return []
    wanted = metric if metric in names else names[0]
    return sorted((one for one in point.quality if one.metric == wanted), key=lambda one: one.kind != "measured")


def gravest(findings: Iterable[Finding], most: int) -> list[Finding]:
    """The first finding of each clause, at most so many; of findings that are ranked."""
    first: dict[str, Finding] = {}
    for finding in findings:
        first.setdefault(CLAUSES[finding.kind], finding)
    return list(first.values())[:most]


def next_steps(seen: Watched) -> list[str]:
    """What a person can do now; `backticks` mark code."""
    newest = seen.newest
    if newest is None:
        return [STARTING]
    kinds = dict.fromkeys(finding.kind for finding in seen.findings)
    back = BACK if newest.version > 1 else {}  # a first version has nothing before it
    steps = list(dict.fromkeys(ADVICE[kind] + back.get(kind, "") for kind in kinds))[:4]
    if newest.quality and not _is_measured(newest):
        steps.append(LABELS)
    return list(dict.fromkeys(step.format(model=seen.model) for step in steps))
