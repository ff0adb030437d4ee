"""Looks at a model, one after the other: which points come, which stay, and what is read for them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from tidemill.contracts import Capture
from tidemill.monitoring.looking import Look
from tidemill.monitoring.summaries import summarize
from tidemill.monitoring_contracts import Due, HourPart, Labelled, MonitorPoint, Summary, standing
from tidemill.spec import Monitor, Windows

from .production import KNOWN, captures, drawn, outcomes

DAY = "2026-03-04"


@dataclass(frozen=True)
class Head:
    etag: str
    modified_at: str


@dataclass
class Stock:
    """What was counted, in memory, and how often each thing is read."""

    counted: dict[str, list[tuple[bool, tuple[Summary, ...]]]] = field(default_factory=dict)
    labels: dict[str, tuple[Head, tuple[Labelled, ...]]] = field(default_factory=dict)
    read: list[str] = field(default_factory=list)

    def add(self, hour: str, asked: Sequence[Capture], counted: bool = True) -> None:
        """One more part of an hour."""
        found = tuple(summarize(asked, KNOWN.profile, KNOWN.signature, KNOWN.reference, None))
        self.counted.setdefault(hour, []).append((counted, found))

    def label(self, hour: str, found: Labelled, at: str) -> None:
        """The labels of an hour in place of those before."""
        self.labels[hour] = (Head(at, at), (found,))

    def parts(self, model: str, first: str, last: str) -> dict[str, list[HourPart]]:
        assert model == "churn"
        return {
            hour: [HourPart(hour, number, counted) for number, (counted, _) in enumerate(found)]
            for hour, found in sorted(self.counted.items())
            if first <= hour <= last
        }

    def summaries(self, model: str, parts: Iterable[HourPart]) -> Iterator[tuple[HourPart, tuple[Summary, ...]]]:
        for part in parts:
            self.read.append(part.hour)
            yield part, self.counted[part.hour][part.number][1]

    def labelled_hours(self, model: str, first: str, last: str) -> dict[str, Head]:
        return {hour: head for hour, (head, _) in sorted(self.labels.items()) if first <= hour <= last}

    def labelled(self, model: str, hour: str) -> tuple[Labelled, ...]:
        return self.labels[hour][1]


@dataclass
class Kept:
    """The time series in memory."""

    held: dict[tuple[str, int, bool], MonitorPoint] = field(default_factory=dict)

    def points(
        self, model: str, version: int | None = None, limit: int = 200, since: str = "", shadow: bool | None = None
    ) -> list[MonitorPoint]:
        found = list(standing(sorted(self.held.values(), key=lambda point: point.end, reverse=True)))
        return [point for point in found if point.end >= since][:limit]

    def put_point(self, point: MonitorPoint) -> None:
        self.held[point.end, point.version, point.shadow] = point

    @property
    def ends(self) -> list[str]:
        """Ends of the windows, in their order."""
        return sorted({point.end for point in self.held.values()})


@pytest.fixture
def stock() -> Stock:
    return Stock()


@pytest.fixture
def series() -> Kept:
    return Kept()


def at(hour: int, minute: int = 10, day: str = DAY) -> str:
    return f"{day}T{hour:02d}:{minute:02d}:00Z"


def hour(number: int, day: str = DAY) -> str:
    return f"{day}T{number:02d}"


def asked(number: int, rows: int = 400, seed: int = 1, **others: Any) -> list[Capture]:
    """Calls of one hour; their ids differ from those of other hours."""
    return captures(drawn(seed, rows), at=at(number, 30), first=1000 * number, **others)


def look(
    stock: Stock,
    series: Kept,
    now: str,
    options: Monitor | None = None,
    serving: Sequence[tuple[int, bool]] = (),
    force: bool = False,
    champion: int = 1,
) -> list[MonitorPoint]:
    due, costs = Due("churn", now, force=force), iter([0.5, *[0.001] * 1000])
    options = options or Monitor(window=Windows(hours=2))
    return Look(due, options, champion, serving, lambda version: KNOWN, stock, series, 1024, lambda: next(costs)).run()


def ends(made: Sequence[MonitorPoint]) -> list[tuple[str, int]]:
    return [(point.end[11:16], point.rows) for point in made]


# --- windows of time ---------------------------------------------------------------------------


def test_a_window_is_the_sum_of_its_hours(stock: Stock, series: Kept) -> None:
    stock.add(hour(3), asked(3))
    stock.add(hour(4), asked(4, rows=300))
    stock.add(hour(4), asked(5, rows=50))
    made = look(stock, series, at(5))
    assert ends(made) == [("04:00", 400), ("05:00", 750)]
    assert (made[-1].start, made[-1].version, made[-1].sufficient) == (at(3, 0), 1, True)
    assert made[-1].service is not None
    assert made[-1].service.requests == 750
    assert series.held[at(5, 0), 1, False] == made[-1]


def test_nothing_new_is_no_new_point(stock: Stock, series: Kept) -> None:
    stock.add(hour(4), asked(4))
    assert look(stock, series, at(5))
    stock.read.clear()
    assert look(stock, series, at(5, 40)) == []
    assert stock.read == []


def test_each_hour_makes_one_new_window_and_reads_its_hours_once(stock: Stock, series: Kept) -> None:
    for number in range(3, 6):
        stock.add(hour(number), asked(number))
    look(stock, series, at(5))
    stock.add(hour(6), asked(6))
    stock.read.clear()
    assert ends(look(stock, series, at(6))) == [("06:00", 800)]
    assert stock.read == [hour(4), hour(5)]


def test_predictions_that_come_late_change_the_windows_of_their_hour_alone(stock: Stock, series: Kept) -> None:
    for number in range(2, 6):
        stock.add(hour(number), asked(number))
    look(stock, series, at(6))
    stock.add(hour(4), asked(7, rows=10))
    assert ends(look(stock, series, at(6, 20))) == [("05:00", 810), ("06:00", 810)]


def test_a_part_that_is_not_counted_yet_is_left_for_the_next_look(stock: Stock, series: Kept) -> None:
    stock.add(hour(4), asked(4))
    stock.add(hour(4), asked(5), counted=False)
    assert ends(look(stock, series, at(5))) == [("05:00", 400)]
    stock.counted[hour(4)][1] = (True, stock.counted[hour(4)][1][1])
    assert ends(look(stock, series, at(5, 20))) == [("05:00", 800)]


def test_versions_and_copies_have_points_of_their_own(stock: Stock, series: Kept) -> None:
    stock.add(hour(4), [*asked(4), *asked(5, version=2, why="split"), *asked(4, rows=350, version=2, why="shadow")])
    made = look(stock, series, at(5))
    assert [(point.version, point.shadow, point.rows) for point in made] == [
        (1, False, 400),
        (2, False, 400),
        (2, True, 350),
    ]


def test_calls_that_were_refused_before_a_version_was_known_are_the_champions(stock: Stock, series: Kept) -> None:
    refused = Capture("r", at(4), "churn", 0, {}, None, status=400, error="no such field", ms=1.0)
    stock.add(hour(4), [*asked(4), refused])
    (point,) = look(stock, series, at(5))
    assert (point.version, point.rows) == (1, 400)
    assert point.service is not None
    assert (point.service.requests, point.service.refused) == (401, 1)


def test_a_model_that_nobody_asks_has_its_newest_window_only(stock: Stock, series: Kept) -> None:
    assert ends(look(stock, series, at(5))) == [("05:00", 0)]
    assert look(stock, series, at(5, 40)) == []
    assert ends(look(stock, series, at(6))) == [("06:00", 0)]


def test_silence_is_found_by_the_windows_before(stock: Stock, series: Kept) -> None:
    options = Monitor(window=Windows(hours=2), stale_hours=5)
    stock.add(hour(1), asked(1))
    look(stock, series, at(2), options)
    made = look(stock, series, at(9), options)
    assert [finding.kind for finding in made[-1].findings] == ["staleness"]


def test_by_hand_the_running_hour_counts_and_the_next_look_takes_it_again(stock: Stock, series: Kept) -> None:
    stock.add(hour(4), asked(4))
    stock.add(hour(5), asked(5))
    assert ends(look(stock, series, at(5, 40), force=True)) == [("05:00", 400), ("05:40", 800)]
    stock.add(hour(5), asked(6))
    assert ends(look(stock, series, at(5, 50), force=True)) == [("05:50", 1200)]
    assert [point.end for point in series.points("churn")] == [at(5, 50), at(5, 0)]
    assert ends(look(stock, series, at(6))) == [("06:00", 1200)]
    assert [point.end for point in series.points("churn")] == [at(6, 0), at(5, 0)]


def test_what_was_found_before_the_hour_was_full_is_since_then(stock: Stock, series: Kept) -> None:
    def moved(number: int) -> list[Capture]:
        return captures(drawn(number, 500, moved=1.0), at=at(number), first=1000 * number)

    stock.add(hour(5), moved(5))
    look(stock, series, at(5, 40), force=True)
    (full,) = look(stock, series, at(6))
    assert {finding.since for finding in full.findings} == {at(5, 40)}
    stock.add(hour(5), moved(6))
    (again,) = look(stock, series, at(6, 20))
    assert again.end == full.end
    assert {finding.since for finding in again.findings} == {at(5, 40)}


def test_labels_renew_a_window_that_has_only_begun(stock: Stock, series: Kept) -> None:
    stock.add(hour(5), asked(5))
    look(stock, series, at(5, 40), force=True)
    stock.label(hour(5), labels(5), at(5, 41))
    renewed = look(stock, series, at(5, 45))[-1]
    assert (renewed.end, renewed.quality[0].kind) == (at(5, 40), "measured")


def test_by_hand_the_newest_window_is_looked_at_again_with_what_the_spec_says_now(stock: Stock, series: Kept) -> None:
    stock.add(hour(4), asked(4))
    look(stock, series, at(5, 0))
    strict = Monitor(window=Windows(hours=2), min_rows=500)
    assert look(stock, series, at(5, 0), strict) == []
    assert [point.sufficient for point in look(stock, series, at(5, 0), strict, force=True)] == [False]


def test_what_a_finding_is_since_goes_from_window_to_window(stock: Stock, series: Kept) -> None:
    for number in range(3, 6):
        stock.add(hour(number), captures(drawn(number, 500, moved=1.0), at=at(number), first=1000 * number))
    look(stock, series, at(4))
    look(stock, series, at(5))
    made = look(stock, series, at(6))
    assert {finding.since for finding in made[-1].findings} == {at(4, 0)}


def test_the_first_point_of_a_look_bears_what_looking_costs(stock: Stock, series: Kept) -> None:
    for number in (3, 4):
        stock.add(hour(number), asked(number))
    assert [point.usd for point in look(stock, series, at(5))] == [0.5, 0.001]


# --- labels ------------------------------------------------------------------------------------


def labels(number: int, flipped: float = 0.0, rows: int = 400) -> Labelled:
    return outcomes(drawn(1, rows), asked(number, rows), flipped)


def test_labels_that_come_later_renew_the_windows_of_their_hours(stock: Stock, series: Kept) -> None:
    for number in range(1, 8):
        stock.add(hour(number), asked(number))
        look(stock, series, at(number + 1))
    stock.read.clear()
    stock.label(hour(2), labels(2), at(8, 30))
    made = look(stock, series, at(8, 40))
    assert [point.end for point in made] == [at(3, 0), at(4, 0)]
    assert {figure.kind for figure in made[0].quality} == {"measured", "estimated"}
    assert made[0].service is not None
    assert made[0].service.label_share == 0.5
    assert stock.read == []
    assert look(stock, series, at(8, 50)) == []


def test_corrected_labels_take_the_place_of_those_before(stock: Stock, series: Kept) -> None:
    stock.add(hour(4), asked(4, rows=800))
    stock.label(hour(4), labels(4, rows=800), at(4, 50))
    (before,) = look(stock, series, at(5))
    assert before.findings == ()
    stock.label(hour(4), labels(4, flipped=0.4, rows=800), at(5, 20))
    (after,) = look(stock, series, at(5, 30))
    assert [finding.kind for finding in after.findings] == ["quality"]
    assert (after.end, after.features) == (before.end, before.features)


def test_windows_before_all_labels_stay_as_they_are(stock: Stock, series: Kept) -> None:
    options = Monitor(window=Windows(hours=2), label_days=1)
    stock.add(hour(4), asked(4))
    stock.label(hour(4), labels(4), at(4, 50))
    look(stock, series, at(5), options)
    held = dict(series.held)
    later = look(stock, series, at(12, day="2026-03-06"), options)
    assert [point.rows for point in later] == [0]
    assert held.items() <= series.held.items()


def test_a_window_that_reaches_back_before_all_labels_keeps_those_it_has(stock: Stock, series: Kept) -> None:
    options = Monitor(window=Windows(hours=2), label_days=1)
    for number in (3, 4):
        stock.add(hour(number), asked(number))
        stock.label(hour(number), labels(number), at(4, 50))
    look(stock, series, at(5), options)
    held = series.held[at(5, 0), 1, False]
    stock.label(hour(4), labels(4, flipped=0.4), at(4, 40, day="2026-03-05"))
    look(stock, series, at(4, 45, day="2026-03-05"), options)
    assert series.held[at(5, 0), 1, False] == held


# --- windows of rows ---------------------------------------------------------------------------

BY_ROWS = Monitor(window=Windows(rows=600), min_rows=300)


def test_windows_of_rows_wait_until_they_are_full(stock: Stock, series: Kept) -> None:
    stock.add(hour(4), asked(4))
    assert look(stock, series, at(4, 40), BY_ROWS) == []
    stock.add(hour(4), asked(5, rows=300))
    (point,) = look(stock, series, at(4, 45), BY_ROWS)
    assert (point.rows, point.start, point.end) == (700, at(4, 0), "2026-03-04T05:30:01Z")
    assert look(stock, series, at(4, 50), BY_ROWS) == []


def test_windows_of_rows_follow_one_another(stock: Stock, series: Kept) -> None:
    for number in range(3, 9):
        stock.add(hour(number), asked(number))
        look(stock, series, at(number, 50), BY_ROWS)
    points = sorted(series.held.values(), key=lambda point: point.end)
    assert [point.rows for point in points] == [800, 800, 800]
    assert [point.start for point in points[1:]] == [at(5, 0), at(7, 0)]
    assert len({point.end for point in points}) == 3


def test_a_window_of_rows_begins_where_the_one_before_has_ended(stock: Stock, series: Kept) -> None:
    stock.add(hour(4), captures(drawn(1, 600), at=at(4, 10)))
    stock.add(hour(4), captures(drawn(2, 600), at=at(4, 20), first=1000))
    first, second = look(stock, series, at(4, 40), BY_ROWS)
    assert (first.start, first.end) == (at(4, 0), "2026-03-04T04:10:01Z")
    assert (second.start, second.end) == (first.end, "2026-03-04T04:20:01Z")


def test_each_version_has_windows_of_its_own(stock: Stock, series: Kept) -> None:
    serving = [(1, False), (2, False)]
    for number in (4, 5, 6):
        stock.add(hour(number), [*asked(number), *asked(number + 10, rows=250, version=2, why="split")])
    made = look(stock, series, at(6, 50), BY_ROWS, serving)
    assert sorted((point.version, point.rows) for point in made) == [(1, 800), (2, 750)]


def test_by_hand_a_window_is_looked_at_before_it_is_full_and_nothing_is_used_up(stock: Stock, series: Kept) -> None:
    stock.add(hour(4), asked(4))
    (point,) = look(stock, series, at(4, 40), BY_ROWS, force=True)
    assert (point.rows, point.sufficient) == (400, True)
    stock.add(hour(4), asked(5, rows=300))
    (full,) = look(stock, series, at(4, 50), BY_ROWS)
    assert full.rows == 700
    assert full.end > point.end


def test_labels_renew_windows_of_rows_too(stock: Stock, series: Kept) -> None:
    stock.add(hour(4), asked(4, rows=700))
    (before,) = look(stock, series, at(4, 40), BY_ROWS)
    stock.label(hour(4), labels(4, flipped=0.4, rows=700), at(4, 45))
    (after,) = look(stock, series, at(4, 50), BY_ROWS)
    assert after.end == before.end
    assert [finding.kind for finding in after.findings] == ["quality"]
    assert look(stock, series, at(4, 55), BY_ROWS) == []


def test_silence_is_found_between_windows_of_rows(stock: Stock, series: Kept) -> None:
    options = dataclasses.replace(BY_ROWS, stale_hours=3)
    stock.add(hour(4), asked(4, rows=700))
    look(stock, series, at(4, 40), options)
    assert look(stock, series, at(6), options) == []
    (silent,) = look(stock, series, at(8), options)
    assert [finding.kind for finding in silent.findings] == ["staleness"]
    stock.add(hour(8), asked(8, rows=700))
    (again,) = look(stock, series, at(8, 50), options)
    assert (again.rows, again.findings) == (700, ())


def test_windows_of_rows_begin_with_what_the_newest_window_of_time_has(stock: Stock, series: Kept) -> None:
    stock.add(hour(1), asked(1))
    for number in (3, 4, 5):
        stock.add(hour(number), asked(number))
    look(stock, series, at(5, 40), force=True)
    rows = Monitor(window=Windows(rows=700))
    (full,) = look(stock, series, at(5, 50), rows)
    assert (full.rows, full.start, full.end) == (800, at(4, 0), "2026-03-04T05:40:01Z")
    assert series.points("churn")[0] == full
    stock.add(hour(5), asked(6))
    (begun,) = look(stock, series, at(5, 55), rows, force=True)
    assert (begun.rows, begun.whole) == (400, False)


def test_a_window_of_rows_is_made_of_predictions_that_one_of_time_has_told_of(stock: Stock, series: Kept) -> None:
    stock.add(hour(5), asked(5))
    look(stock, series, at(5, 40), force=True)
    (point,) = look(stock, series, at(5, 45), BY_ROWS, force=True)
    assert (point.rows, point.end) == (400, "2026-03-04T05:40:01Z")


def test_of_many_windows_of_rows_after_one_of_time_the_newest_are_made_and_none_ends_later_than_now(
    stock: Stock, series: Kept
) -> None:
    for number in range(60):
        stock.add(hour(5), captures(drawn(1, 300), at=at(5, 30), first=1000 * number))
    look(stock, series, at(5, 40), force=True)
    rows = Monitor(window=Windows(rows=300))
    made = look(stock, series, "2026-03-04T05:40:10Z", rows)
    assert [point.end for point in made] == [f"2026-03-04T05:40:{second:02d}Z" for second in range(1, 11)]
    assert made[-1].parts.endswith("2026-03-04T05=60")


def test_windows_of_time_come_anew_after_those_of_rows(stock: Stock, series: Kept) -> None:
    stock.add(hour(4), asked(4, rows=700))
    look(stock, series, at(4, 40), BY_ROWS)
    assert ends(look(stock, series, at(4, 50), force=True)) == [("04:50", 700)]
    assert series.points("churn")[0].end == at(4, 50)
    assert ends(look(stock, series, at(5))) == [("05:00", 700)]


def test_windows_of_rows_go_on_where_they_stopped_after_windows_of_time(stock: Stock, series: Kept) -> None:
    stock.add(hour(4), asked(4, rows=700))
    look(stock, series, at(4, 40), BY_ROWS)
    look(stock, series, at(4, 50), force=True)
    stock.add(hour(4), captures(drawn(2, 650), at=at(4, 55), first=9000))
    (point,) = look(stock, series, at(4, 58), BY_ROWS)
    assert point.rows == 650


@pytest.mark.parametrize(("rows", "expected"), [(300, [400]), (1000, [])])
def test_another_number_of_rows_counts_from_the_next_look_on(
    stock: Stock, series: Kept, rows: int, expected: list[int]
) -> None:
    stock.add(hour(4), asked(4, rows=700))
    stock.add(hour(4), asked(5))
    look(stock, series, at(4, 40), BY_ROWS)
    made = look(stock, series, at(4, 50), Monitor(window=Windows(rows=rows)))
    assert [point.rows for point in made] == expected


def test_a_full_window_of_rows_reaches_back_before_looks_by_hand(stock: Stock, series: Kept) -> None:
    stock.add(hour(4), asked(4))
    (begun,) = look(stock, series, at(5, 40), BY_ROWS, force=True)
    (again,) = look(stock, series, at(5, 41), BY_ROWS, force=True)
    assert (again.end, again.whole) == (begun.end, False)
    stock.add(hour(5), asked(5))
    (full,) = look(stock, series, at(5, 50), BY_ROWS)
    assert (full.start, full.whole) == (at(4, 0), True)
    assert series.points("churn") == [full]


def test_a_window_without_predictions_has_no_measured_quality(stock: Stock, series: Kept) -> None:
    options = dataclasses.replace(BY_ROWS, stale_hours=1)
    stock.add(hour(4), asked(4, rows=700))
    look(stock, series, at(4, 40), options)
    (silent,) = look(stock, series, at(6), options)
    stock.label(hour(4), labels(4, flipped=0.4, rows=700), at(6, 45))
    renewed = {point.end: point for point in look(stock, series, at(6, 50), options)}
    assert renewed["2026-03-04T04:30:01Z"].quality[0].kind == "measured"
    assert renewed[silent.end].quality == ()
    assert [finding.kind for finding in renewed[silent.end].findings] == ["staleness"]


def test_a_window_of_refused_calls_has_no_measured_quality(stock: Stock, series: Kept) -> None:
    stock.add(hour(4), [Capture("r", at(4), "churn", 0, {}, None, status=400, error="no such field", ms=1.0)])
    stock.label(hour(4), labels(4), at(4, 50))
    (point,) = look(stock, series, at(5))
    assert (point.rows, point.quality) == (0, ())


def test_a_window_of_rows_says_that_its_labels_are_those_of_its_hours(stock: Stock, series: Kept) -> None:
    stock.add(hour(4), asked(4, rows=700))
    stock.label(hour(4), labels(4, flipped=0.4, rows=700), at(4, 35))
    (point,) = look(stock, series, at(4, 40), BY_ROWS)
    assert "700 outcomes of its hours" in point.findings[0].sentence
