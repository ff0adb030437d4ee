"""One look at a model: which windows have something new, and the points that come of it.

Storage is passed in: `Files` and `Series` are what is needed of `aws.monitoring_files` and `aws.monitoring_records`.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from tidemill.contracts import instant
from tidemill.monitoring import labelled as labels_of
from tidemill.monitoring import points, service, summaries, windows
from tidemill.monitoring.points import Counted, Known
from tidemill.monitoring.recorded import Group
from tidemill.monitoring.windows import Used, Window
from tidemill.monitoring_contracts import Due, HourPart, Labelled, MonitorPoint, Summary
from tidemill.spec import Monitor

#: Points that are read to know since when something is found, and what was looked at before.
REMEMBERED = 200
#: Points of former windows that are read when labels have come for them.
FORMER = 10_000
#: How far back counts are read for a version that has no window of rows yet, when others have or it had some of time.
_NEW_VERSION = timedelta(hours=48)
#: Windows by rows that are made of what windows by time have told, when the spec has changed: the newest ones.
AFTER_TIME = 24


class Stored(Protocol):
    """What a listing knows of an object."""

    @property
    def etag(self) -> str:
        """Changes with the content."""

    @property
    def modified_at(self) -> str:
        """UTC, ISO 8601."""


class Files(Protocol):
    """What was counted; all raise StorageError."""

    def parts(self, model: str, first: str, last: str) -> Mapping[str, Sequence[HourPart]]:
        """Parts by hour."""

    def summaries(self, model: str, parts: Iterable[HourPart]) -> Iterator[tuple[HourPart, tuple[Summary, ...]]]:
        """The summaries of parts."""

    def labelled_hours(self, model: str, first: str, last: str) -> Mapping[str, Stored]:
        """Hours that have labels."""

    def labelled(self, model: str, hour: str) -> tuple[Labelled, ...]:
        """An hour's labels, counted."""


class Series(Protocol):
    """The time series; all raise StorageError."""

    def points(
        self, model: str, version: int | None = None, limit: int = ..., since: str = "", shadow: bool | None = None
    ) -> list[MonitorPoint]:
        """The newest points, newest first."""

    def put_point(self, point: MonitorPoint) -> None:
        """Keep a point."""


@dataclass
class Look:
    """One look at one model.

    Parameters
    ----------
    options
        how the model is watched.
    champion
        the version in service.
    serving
        (version, whether it gets copies of calls) of those that get any; of others nothing new is to be expected.
    known
        what is stored of a version; asked as often as it is needed.
    memory_mb
        of the function that predicts.
    spent
        US dollars that this look has cost since it was asked last.
    """

    due: Due
    options: Monitor
    champion: int
    serving: Collection[tuple[int, bool]]
    known: Callable[[int], Known]
    files: Files
    series: Series
    memory_mb: int
    spent: Callable[[], float]
    _summaries: dict[str, list[tuple[HourPart, tuple[Summary, ...]]]] = field(default_factory=dict)
    _marks: dict[str, str] = field(default_factory=dict)  #: of the hours that have labels
    _labelled: dict[str, tuple[Labelled, ...]] = field(default_factory=dict)
    _points: list[MonitorPoint] = field(default_factory=list)

    def run(self) -> list[MonitorPoint]:
        """Look, keep the points that are new or have changed, and return them, oldest first.

        Raises StorageError, NotFound, ContractError.
        """
        self._points = self.series.points(self.due.model, limit=REMEMBERED)
        made = self._by_rows() if self.options.window.rows else self._by_time()
        return sorted(made, key=lambda point: (point.end, point.version, point.shadow))

    # --- windows of time -----------------------------------------------------------------------

    def _by_time(self) -> list[MonitorPoint]:
        newest = self._points[0] if self._points else None
        candidates = windows.by_time(
            self.options.window, self.due.at, newest.end if newest else None, f"{self._horizon}:00:00Z", self.due.force
        )
        if not candidates:
            return []
        first, last = candidates[0].hours[0], candidates[-1].hours[-1]
        changed = self._changed_labels(min(first, self._horizon), self.due.at[:13])
        parts = self.files.parts(self.due.model, first, last)
        counted = {hour: _in_order(found) for hour, found in parts.items()}
        numbers = {hour: len(found) for hour, found in counted.items() if found}
        made = self._relabelled([hour for hour in changed if f"{hour}:00:00Z" < candidates[0].end], candidates[0].end)
        for window in candidates:
            mark = windows.mark(window.hours, numbers)
            held = [point for point in self._points if point.end == window.end]
            is_last = window is candidates[-1]
            if held and all(point.parts == mark for point in held) and not (is_last and self.due.force):
                made += self._with_labels(held)
            elif mark or is_last:
                made += [self._keep(self._point(item)) for item in self._counted(window, counted, mark, idle=is_last)]
        begun = [point for point in self._points if not point.whole and point.end > candidates[-1].end]
        return made + self._with_labels(begun)

    def _counted(self, window: Window, parts: Mapping[str, Sequence[HourPart]], mark: str, idle: bool) -> list[Counted]:
        """What was counted of a window, by version; of an idle one, nothing of the champion."""
        groups: dict[Group, list[Summary]] = {}
        self._read([part for hour in window.hours for part in parts.get(hour, ()) if hour not in self._summaries])
        for hour in window.hours:
            for _, found in self._summaries.get(hour, ()):
                for summary in found:
                    summary = self._to_champion(summary)
                    groups.setdefault(Group(summary.version, summary.shadow), []).append(summary)
        if idle:
            groups.setdefault(Group(self.champion, False), [])
        return [
            Counted(
                model=self.due.model,
                version=group.version,
                start=window.start,
                end=window.end,
                shadow=group.shadow,
                summary=summaries.merged(found) if found else None,
                labelled=self._labels(group, window.hours),
                parts=mark,
                labels=windows.mark(window.hours, self._marks),
                whole=window.whole,
            )
            for group, found in sorted(groups.items())
        ]

    def _relabelled(self, changed: Sequence[str], before: str) -> list[MonitorPoint]:
        """Points of former windows with labels in hours where some have come since the newest look."""
        if not changed or not self._points:
            return []
        former = self.series.points(self.due.model, limit=FORMER, since=f"{min(changed)}:00:01Z")
        known = {_place(point): point for point in [*former, *self._points]}
        self._points = sorted(known.values(), key=lambda point: point.end, reverse=True)
        return self._with_labels([point for point in former if point.end < before])

    # --- windows of rows -----------------------------------------------------------------------

    def _by_rows(self) -> list[MonitorPoint]:
        rows = self.options.window.rows or 0
        newest = self._newest_of_groups()
        used = self._used(newest)
        first, last = min(one.first for one in used.values()), self.due.at[:13]
        changed = self._changed_labels(self._horizon, last)
        for found in self.files.parts(self.due.model, first, last).values():
            self._read(_in_order(found))
        made = self._relabelled(changed, before=instant(datetime.max.replace(tzinfo=UTC)))
        for group in sorted(used):
            counted = {hour: self._of_group(group, hour) for hour in self._summaries}
            waiting = windows.by_rows(rows, counted, used[group])
            ready = [window for window in waiting if window.full or self.due.force]
            for window in ready[-self._room(newest.get(group), len(ready)) :]:
                made.append(self._keep(self._point(self._of_rows(group, window, used[group]))))
        if self._is_silent():
            made.append(self._keep(self._point(self._of_silence(used[Group(self.champion, False)]))))
        return made

    def _newest_of_groups(self) -> dict[Group, MonitorPoint]:
        found: dict[Group, MonitorPoint] = {}
        for point in self._points:  # the newest first
            found.setdefault(Group(point.version, point.shadow), point)
        return found

    def _used(self, newest: Mapping[Group, MonitorPoint]) -> dict[Group, Used]:
        """What the windows by rows of each version have used up.

        After windows by time, they begin with what the newest of these has and no window by rows had before. A version
        without a window has used nothing lately.
        """
        watched = {Group(*pair) for pair in self.serving} | {Group(self.champion, False)}
        found: dict[Group, Used] = {}
        lately = windows.hour_of(datetime.fromisoformat(self.due.at) - _NEW_VERSION)
        for group, point in newest.items():
            if group not in watched:
                continue
            by_rows = next((each for each in self._of(group) if each.by_rows), None)
            used = Used.of(by_rows.parts) if by_rows else Used()
            found[group] = used if by_rows is point else used.beginning(max(point.start[:13], lately))
        new = self._horizon
        if known := max((used.first for used in found.values()), default=""):
            new = max(new, instant(datetime.fromisoformat(f"{known}:00:00+00:00") - _NEW_VERSION)[:13])
        return {group: found.get(group, Used({new: 0})) for group in watched}

    def _room(self, newest: MonitorPoint | None, found: int) -> int:
        """How many windows by rows are taken: all; after windows by time as many as fit in between, a second each."""
        if newest is None or newest.by_rows:
            return max(found, 1)
        seconds = service.since(newest.end, self.due.at) // timedelta(seconds=1)
        return max(1, min(AFTER_TIME, seconds))

    def _of_group(self, group: Group, hour: str) -> list[tuple[Summary, int]]:
        found = (self._to_champion(summary) for _, part in self._summaries[hour] for summary in part)
        return [(summary, summary.rows) for summary in found if (summary.version, summary.shadow) == group]

    def _of_rows(self, group: Group, window: windows.RowWindow[Summary], used: Used) -> Counted:
        summary = summaries.merged(window.counts)
        others = [point for point in self._of(group) if point.whole or not point.by_rows]
        newest = max(summary.last_at, summary.start, *(point.end for point in others))
        end = instant(datetime.fromisoformat(newest) + timedelta(seconds=1))
        before = max((point.end for point in others if point.by_rows), default="")
        start = max(summary.start, before) if before < summary.end else summary.start
        return Counted(
            model=self.due.model,
            version=group.version,
            start=start,
            end=end,
            shadow=group.shadow,
            summary=summary,
            labelled=self._labels(group, windows.hours_of(start, end)),
            # What is looked at before it is full has used nothing up.
            parts=str(window.used if window.full else used),
            labels=windows.mark(windows.hours_of(start, end), self._marks),
            whole=window.full,
        )

    def _is_silent(self) -> bool:
        """Whether the champion has had no prediction for as long as is a finding."""
        times = [point.service.last_prediction_at for point in self._of(Group(self.champion, False)) if point.service]
        newest = max(filter(None, times), default=None)
        if self.options.stale_hours is None or newest is None:
            return False
        return service.since(newest, self.due.at) > timedelta(hours=self.options.stale_hours)

    def _of_silence(self, used: Used) -> Counted:
        before = max(point.end for point in self._of(Group(self.champion, False)))
        end = max(self.due.at, before)
        return Counted(self.due.model, self.champion, before, end, False, None, None, parts=str(used), labels="")

    # --- points --------------------------------------------------------------------------------

    def _point(self, counted: Counted) -> MonitorPoint:
        return points.of_window(
            counted,
            self.known(counted.version),
            self.options,
            self._earlier(Group(counted.version, counted.shadow), counted.end),
            looked_at=self.due.at,
            memory_mb=self.memory_mb,
        )

    def _with_labels(self, found: Sequence[MonitorPoint]) -> list[MonitorPoint]:
        """Points whose labels have changed, with the new ones. What is beyond the horizon stays as it is."""
        made = []
        for point in sorted(found, key=lambda point: point.end):
            hours = windows.hours_of(point.start, point.end)
            mark = windows.mark(hours, self._marks)
            if point.labels == mark or not hours or hours[0] < self._horizon:
                continue
            group = Group(point.version, point.shadow)
            known, labelled = self.known(point.version), self._labels(group, hours)
            earlier = self._earlier(group, point.end)
            made.append(self._keep(points.with_labels(point, labelled, mark, known, self.options, earlier)))
        return made

    def _keep(self, point: MonitorPoint) -> MonitorPoint:
        point = dataclasses.replace(point, usd=round(point.usd + self.spent(), 9))
        self.series.put_point(point)
        others = [each for each in self._points if _place(each) != _place(point)]
        self._points = sorted([*others, point], key=lambda each: each.end, reverse=True)
        return point

    def _of(self, group: Group) -> list[MonitorPoint]:
        return [point for point in self._points if (point.version, point.shadow) == group]

    def _earlier(self, group: Group, end: str) -> list[MonitorPoint]:
        """The points that end before, and what was made of the window that ends then the time before."""
        return [point for point in self._of(group) if point.end <= end]

    # --- what is read --------------------------------------------------------------------------

    @property
    def _horizon(self) -> str:
        """The first hour that labels may still come for; the windows before it stay as they are."""
        return windows.hour_of(datetime.fromisoformat(self.due.at) - timedelta(days=self.options.label_days))

    def _changed_labels(self, first: str, last: str) -> list[str]:
        """See which hours have labels; returns those where some have come since the newest look."""
        looked_at = max((point.looked_at for point in self._points), default="")
        heads = self.files.labelled_hours(self.due.model, first, last)
        self._marks = {hour: head.etag for hour, head in heads.items()}
        return [hour for hour, head in heads.items() if head.modified_at >= looked_at]

    def _read(self, parts: Sequence[HourPart]) -> None:
        for part, found in self.files.summaries(self.due.model, parts):
            self._summaries.setdefault(part.hour, []).append((part, found))

    def _labels(self, group: Group, hours: Sequence[str]) -> Labelled | None:
        labelled = [hour for hour in hours if hour in self._marks]
        for hour in labelled:
            if hour not in self._labelled:
                self._labelled[hour] = self.files.labelled(self.due.model, hour)
        found = [one for hour in labelled for one in self._labelled[hour] if (one.version, one.shadow) == group]
        return labels_of.merged(found) if found else None

    def _to_champion(self, summary: Summary) -> Summary:
        """Calls that were refused before a version was chosen count to the champion; nothing but that is known."""
        if summary.version:
            return summary
        return dataclasses.replace(
            summary, version=self.champion, columns=(), outputs={}, labels={}, chosen={}, sample=()
        )


def _in_order(parts: Sequence[HourPart]) -> list[HourPart]:
    """The parts before the first one that is not counted yet: what comes later is looked at after it."""
    return list(itertools.takewhile(lambda part: part.counted, parts))


def _place(point: MonitorPoint) -> tuple[str, int, bool]:
    return point.end, point.version, point.shadow
