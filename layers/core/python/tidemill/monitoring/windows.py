"""Which windows of production are looked at now, and what they are sums of.

By time, windows are as long as the spec says, slide, and end at full hours, since the 1st of January 1970 on. By rows,
a version's windows follow one another, each of at least so many predictions. Both are sums of what was counted hour by
hour; a window is looked at again only when its predictions or its labels have changed.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

from tidemill.contracts import instant
from tidemill.spec import Windows

S = TypeVar("S")

#: How long after their hour predictions may still be recorded.
LATE_HOURS = 3
#: So many hours' counts are remembered as used by windows of rows; of earlier hours everything has been.
_REMEMBERED = 2 * LATE_HOURS
_HOUR = timedelta(hours=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Window:
    """Hours of production."""

    start: str  #: UTC, ISO 8601
    end: str  #: exclusive
    whole: bool = True  #: false: its last hour has only begun

    @property
    def hours(self) -> tuple[str, ...]:
        """Its hours, as counts are named by: `2026-03-04T05`."""
        return hours_of(self.start, self.end)


def hour_of(moment: datetime) -> str:
    """The name of a moment's hour."""
    return instant(moment)[:13]


def hours_of(start: str, end: str) -> tuple[str, ...]:
    """The names of the hours from a time on and before another."""
    first = (datetime.fromisoformat(start) - _EPOCH) // _HOUR
    last = -((_EPOCH - datetime.fromisoformat(end)) // _HOUR)
    return tuple(hour_of(_EPOCH + number * _HOUR) for number in range(first, last))


def window_hours(options: Windows) -> int:
    """Length of a window by time: whole hours, at least one."""
    return max(1, math.ceil(options.hours))


def ending_at(end: datetime, options: Windows) -> Window:
    """The window by time that ends then."""
    return Window(instant(end - window_hours(options) * _HOUR), instant(end))


def by_time(options: Windows, at: str, newest: str | None, horizon: str, force: bool = False) -> list[Window]:
    """Windows that may have something new, oldest first.

    Parameters
    ----------
    at
        the time of the look.
    newest
        end of the newest window that was looked at; None before the first look.
    horizon
        no window ends before; UTC, ISO 8601.
    force
        take the window up to now, too; it begins where the one does that ends with the running hour.

    Returns
    -------
    Windows that end in the last hour or in those that predictions may come late to. Before that, when nobody has looked
    for so long, windows one after the other: what slides in between would tell the same again.
    """
    now = datetime.fromisoformat(at)
    slide = max(1, math.ceil(options.slide_hours))
    length = window_hours(options)
    last = _EPOCH + (now - _EPOCH) // (slide * _HOUR) * slide * _HOUR
    # Later windows hold the hour that predictions come late to.
    recent = last - (1 + LATE_HOURS) * _HOUR
    begin = min(recent, datetime.fromisoformat(newest)) if newest else datetime.fromisoformat(horizon)
    begin = max(begin, datetime.fromisoformat(horizon))
    every = -(-length // slide)
    ends = []
    steps, end = 0, last
    while end > begin:
        if end > recent or steps % every == 0:
            ends.append(end)
        steps, end = steps + 1, end - slide * _HOUR
    found = [ending_at(end, options) for end in reversed(ends)]
    if force and now > last:
        running = ending_at(_EPOCH + -(-(now - _EPOCH) // _HOUR) * _HOUR, options)
        found.append(Window(running.start, instant(now), whole=False))
    return found


def mark(hours: Iterable[str], known: Mapping[str, object]) -> str:
    """A mark of what is known of some hours: another one when any of it changes; empty when nothing is known."""
    held = [(hour, known[hour]) for hour in hours if hour in known]
    return hashlib.sha256(repr(held).encode()).hexdigest()[:16] if held else ""


# --- windows of rows ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Used:
    """How much of each hour's counts a version's windows have used up."""

    counts: dict[str, int] = field(default_factory=dict)  #: of the newest hours; of earlier ones everything has been

    @property
    def first(self) -> str:
        """The first hour that may have something left; empty: any."""
        return min(self.counts, default="")

    @classmethod
    def of(cls, parts: str) -> Used:
        """From `MonitorPoint.parts` of a window by rows."""
        pairs = (item.split("=") for item in parts.split())
        return cls({hour: int(count) for hour, count in pairs})

    def __str__(self) -> str:
        return " ".join(f"{hour}={count}" for hour, count in sorted(self.counts.items()))

    def beginning(self, hour: str) -> Used:
        """The same with everything before an hour used, too."""
        if hour <= self.first:
            return self
        later = {each: count for each, count in self.counts.items() if each > hour}
        return Used(later | {hour: self.counts.get(hour, 0)})

    def has(self, hour: str, place: int) -> bool:
        """Whether the count at this place of the hour's has been used."""
        return hour < self.first or place < self.counts.get(hour, 0)

    def with_one_more(self, hour: str, place: int) -> Used:
        """After the count at this place of the hour's."""
        counts = self.counts | {hour: place + 1}
        return Used({each: counts[each] for each in sorted(counts)[-_REMEMBERED:]})


@dataclass(frozen=True)
class RowWindow(Generic[S]):
    """Counts that make up a window, and what has been used up with them."""

    counts: tuple[S, ...]
    hours: tuple[str, ...]
    used: Used
    full: bool


def by_rows(rows: int, counted: Mapping[str, Sequence[tuple[S, int]]], used: Used) -> list[RowWindow[S]]:
    """The windows of one version whose predictions have not been used yet, oldest first; the last one may not be full.

    Parameters
    ----------
    rows
        of a window, at least.
    counted
        hour -> the version's counts, each with its number of predictions, in the order in which they were made: an
        hour's list only ever grows.
    used
        by earlier windows.
    """
    windows: list[RowWindow[S]] = []
    counts: list[S] = []
    hours: list[str] = []
    total = 0
    for hour in sorted(counted):
        for place, (count, size) in enumerate(counted[hour]):
            if used.has(hour, place):
                continue
            used = used.with_one_more(hour, place)
            counts.append(count)
            hours.append(hour)
            total += size
            if total >= rows:
                windows.append(RowWindow(tuple(counts), tuple(dict.fromkeys(hours)), used, full=True))
                counts, hours, total = [], [], 0
    if counts:
        windows.append(RowWindow(tuple(counts), tuple(dict.fromkeys(hours)), used, full=False))
    return windows
