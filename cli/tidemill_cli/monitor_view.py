"""What was seen of a model in production, as the command shows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tidemill.monitoring_contracts import Decision, FeatureDrift, MonitorPoint, QualityFigure
from tidemill_cli import display, figures

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

#: Heights of a sparkline, from nothing to the most.
LEVELS = "▁▂▃▄▅▆▇█"
#: Windows in a sparkline.
WIDTH = 48
#: Features in the table: those that moved, and then the farthest ones, up to so many.
FEATURES = 8
#: Rows of decisions: one for each thing that was found.
DECISIONS = 8
#: Characters of a sentence in them; --json and the report have it whole.
REASON = 150
#: Severity -> the verdict whose mark it has.
VERDICTS = {"alert": "refuse", "warn": "warn"}
DONE = {"warn": "noted", "alert": "alerted", "review": "reviews opened", "retrain": "training", "freeze": "frozen"}


@dataclass(frozen=True)
class Seen:
    """The history of the version in service, oldest window first, and what was decided, newest first."""

    model: str
    version: int | None
    points: tuple[MonitorPoint, ...]
    decisions: tuple[Decision, ...]
    since: str | None = None  #: when the version was put into service, when that is known
    before: tuple[MonitorPoint, ...] = ()  #: of the version that was looked at last, when this one never was

    @property
    def newest(self) -> MonitorPoint | None:
        """The newest window."""
        return self.points[-1] if self.points else None

    @property
    def judged(self) -> MonitorPoint | None:
        """The newest window with enough predictions to judge; when there is none, the newest."""
        return next((point for point in reversed(self.points) if point.sufficient), self.newest)


def sparkline(values: Sequence[float | None]) -> str:
    """Values as a line of blocks between the smallest and the largest; a blank where there is none."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    low, high = min(known), max(known)
    step = (len(LEVELS) - 1) / (high - low) if high > low else 0.0
    return "".join(" " if value is None else LEVELS[round((value - low) * step)] for value in values)


def show(console: Console, seen: Seen) -> None:
    """The newest window that can be judged in words, then its findings, the history, what moved, what was decided."""
    newest, judged = seen.newest, seen.judged
    if newest is None or judged is None:
        _show_unseen(console, seen)
        return
    console.print(_standing(judged))
    if judged is not newest:
        until = figures.moment(newest.end)
        console.print(f"the window until {until} has {newest.rows:,} predictions, too few to judge")
        for finding in _findings(newest):
            console.print(finding)
    console.print()
    if judged.findings:
        console.print(display.paragraph("findings", *_findings(judged)))
    console.print(display.paragraph("window", display.pairs(_window(judged))))
    if len(seen.points) > 1:
        console.print(display.paragraph(f"history of {len(seen.points)} windows", display.pairs(_history(seen.points))))
    if judged.features:
        console.print(display.paragraph("features", _features(judged.features)))
    if seen.decisions:
        console.print(display.paragraph("decisions", _decisions(seen.decisions)))


def _show_unseen(console: Console, seen: Seen) -> None:
    """That the version in service has not been looked at; then what was last seen of the one before."""
    look = f": tidemill monitor {seen.model} --look" if seen.version else ""
    since = f" since {figures.moment(seen.since)}" if seen.since else ""
    in_service = f"version {seen.version} is in service{since}" if seen.version else "no version is in service"
    if not seen.before:
        console.print(f"nothing has been seen of {seen.model} yet ({in_service}){look}")
        return
    unseen = f", and has not been looked at yet{look}" if seen.version else ""
    console.print(f"{seen.model}: {in_service}{unseen}")
    console.print(f"what was last seen is of version {seen.before[-1].version}:")
    console.print()
    show(console, replace(seen, version=seen.before[-1].version, points=seen.before, before=()))


def _standing(judged: MonitorPoint) -> RenderableType:
    from rich.text import Text

    severities = {finding.severity for finding in judged.findings}
    if "alert" in severities:
        state, style = "needs attention", "red"
    elif severities:
        state, style = "worth watching", "yellow"
    elif judged.sufficient:
        state, style = "steady", "green"
    else:
        state, style = "too few predictions to judge", "dim"
    return Text.assemble(f"{judged.model} version {judged.version} · ", (state, style))


def _findings(newest: MonitorPoint) -> list[RenderableType]:
    ordered = sorted(newest.findings, key=lambda one: one.severity != "alert")
    return [
        display.judged(
            VERDICTS[one.severity],
            one.sentence,
            one.kind.replace("_", " ") + (f", since {figures.moment(one.since)}" if one.since else ""),
        )
        for one in ordered
    ]


def _window(newest: MonitorPoint) -> list[tuple[str, str]]:
    rows = [
        ("until", f"{figures.moment(newest.end)}, from {figures.moment(newest.start)}"),
        ("predictions", f"{newest.rows:,}"),
    ]
    rows += [(one.metric, _figure(one, newest)) for one in newest.quality if one.metric == newest.quality[0].metric]
    if newest.domain_auc is not None:
        rows.append(("as a whole", f"a classifier tells it from training rows with ROC AUC {newest.domain_auc:.2f}"))
    if newest.service:
        found = newest.service
        rows.append(("calls", f"{found.requests:,}, {found.errors:,} failed, {found.refused:,} refused"))
        if found.p50_ms is not None:
            latency = f"median {figures.number(found.p50_ms, 3)} ms, 95% {figures.number(found.p95_ms, 3)} ms"
            rows.append(("latency", latency))
        if found.usd_per_thousand is not None:
            rows.append(("price", f"{figures.usd(found.usd_per_thousand)} for 1,000 predictions"))
    return rows


def _figure(one: QualityFigure, point: MonitorPoint) -> str:
    before = f"; {figures.metric(one.reference)} at release" if one.reference is not None else ""
    of = " outcomes of its hours" if point.by_rows else ""
    how = f"{one.kind} on {one.rows:,}{of}" if one.kind == "measured" else one.kind
    return f"{figures.metric(one.value)} ({figures.metric(one.low)} to {figures.metric(one.high)}) {how}{before}"


def _history(points: Sequence[MonitorPoint]) -> list[tuple[str, str]]:
    last = points[-WIDTH:]
    rows = [
        _line("predictions", [float(point.rows) for point in last]),
        _line("drift", [point.weighted_drift if point.features else None for point in last]),
    ]
    for kind in ("measured", "estimated"):
        metric = next((one.metric for point in reversed(last) for one in point.quality if one.kind == kind), None)
        if metric is not None:
            values = [
                next((one.value for one in point.quality if (one.metric, one.kind) == (metric, kind)), None)
                for point in last
            ]
            rows.append(_line(f"{metric}, {kind}", values))
    return rows


def _line(name: str, values: Sequence[float | None]) -> tuple[str, str]:
    known = [value for value in values if value is not None]
    ends = f"  {figures.number(known[0], 3)} to {figures.number(known[-1], 3)}" if known else "-"
    return name, sparkline(values) + ends


def _features(features: Sequence[FeatureDrift]) -> RenderableType:
    ordered = sorted(features, key=lambda one: (not one.drifted, -one.psi))
    moved = sum(one.drifted for one in features)
    shown = ordered[: max(FEATURES, moved)]
    rows = [
        (
            one.name,
            figures.number(one.psi, 2),
            figures.number(one.limit, 2),
            figures.number(one.adjusted, 2),
            "moved" if one.drifted else "",
            one.words,
        )
        for one in shown
    ]
    return display.table(("feature", "psi", "limit", "p", "", "what moved"), rows, right=("psi", "limit", "p"))


def _decisions(decisions: Sequence[Decision]) -> RenderableType:
    rows = [
        (figures.moment(group[0].at), str(group[0].version), _cut(_found(group)), "\n".join(_done(group)))
        for group in _by_finding(decisions)[:DECISIONS]
    ]
    return display.table(("at", "version", "what was found", "what was done"), rows)


def _by_finding(decisions: Sequence[Decision]) -> list[list[Decision]]:
    """Decisions about the same, newest first as they are: those that share a finding of one unbroken series."""
    groups: list[tuple[set[tuple[object, ...]], list[int]]] = []
    for place, one in enumerate(decisions):
        about: set[tuple[object, ...]] = {(one.version, each.kind, each.subject, each.since) for each in one.findings}
        about = about or {(one.version, one.reason)}
        same = [group for group in groups if group[0] & about]
        groups = [group for group in groups if not group[0] & about]
        places = [place, *(known for _, held in same for known in held)]
        groups.append((about.union(*(known for known, _ in same)), sorted(places)))
    return [[decisions[place] for place in places] for places in sorted(places for _, places in groups)]


def _found(group: Sequence[Decision]) -> str:
    """Each finding once, as the newest decision has it."""
    told: dict[tuple[str, str], str] = {}
    for each in (finding for one in group for finding in one.findings):
        told.setdefault((each.kind, each.subject), each.sentence.rstrip("."))
    return "; ".join(told.values()) or group[0].reason


def _done(group: Sequence[Decision]) -> Iterator[str]:
    """A line for each action: when it was last done, and what was not repeated since; or why it was not done."""
    for action in dict.fromkeys(one.action for one in group):
        about = [one for one in group if one.action == action]
        done, left = [one for one in about if one.acted], [one for one in about if not one.acted]
        if done:
            often = f", {len(done)} times" if len(done) > 1 else ""
            training = f", retraining {done[0].retraining[:8]}" if done[0].retraining else ""
            yield f"{DONE[action]} at {figures.moment(done[0].at)}{often}{training}"
            yield from (_cut(one.problem) for one in done[:1] if one.problem)
        if left:
            often = f" ({len(left)} times)" if len(left) > 1 else ""
            yield f"no {action}{' again' if done else ''}: {_cut(left[0].why_not)}{often}"


def _cut(text: str) -> str:
    return text if len(text) <= REASON else text[: REASON - 1].rstrip() + "…"
