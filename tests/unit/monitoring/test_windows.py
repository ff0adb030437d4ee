"""Which windows are looked at, and what they are made of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.monitoring import windows
from tidemill.monitoring.windows import Used, Window
from tidemill.spec import Windows

AT, HORIZON = "2026-03-04T05:20:00Z", "2026-02-02T05:00:00Z"
DAY = Windows()


def ends(options: Windows, newest: str | None, at: str = AT, force: bool = False) -> list[str]:
    return [window.end for window in windows.by_time(options, at, newest, HORIZON, force)]


def test_a_window_ends_at_the_last_full_hour_and_holds_its_hours() -> None:
    newest = windows.by_time(DAY, AT, "2026-03-04T04:00:00Z", HORIZON)[-1]
    assert newest == Window("2026-03-03T05:00:00Z", "2026-03-04T05:00:00Z")
    assert newest.hours[0] == "2026-03-03T05"
    assert newest.hours[-1] == "2026-03-04T04"
    assert len(newest.hours) == 24


def test_windows_that_late_predictions_may_belong_to_are_looked_at_again() -> None:
    assert ends(DAY, "2026-03-04T05:00:00Z") == [f"2026-03-04T0{hour}:00:00Z" for hour in (2, 3, 4, 5)]


def test_after_a_pause_windows_come_one_after_the_other_until_the_last_hours() -> None:
    found = ends(DAY, "2026-03-01T12:00:00Z")
    assert found == ["2026-03-02T05:00:00Z", "2026-03-03T05:00:00Z", *ends(DAY, "2026-03-04T05:00:00Z")]


def test_the_first_look_goes_back_as_far_as_labels_may_come() -> None:
    found = ends(DAY, None)
    assert found[0] == "2026-02-03T05:00:00Z"
    assert len(found) == 29 + 4


def test_slides_are_the_same_whenever_one_looks() -> None:
    slow = Windows(hours=12, slide_hours=6)
    assert ends(slow, "2026-03-04T00:00:00Z") == ["2026-03-04T00:00:00Z"]
    assert ends(slow, "2026-03-04T00:00:00Z", at="2026-03-04T06:00:00Z") == ["2026-03-04T06:00:00Z"]


def test_less_than_an_hour_is_an_hour() -> None:
    (*_, newest) = windows.by_time(Windows(hours=0.25, slide_hours=0.1), AT, None, HORIZON)
    assert newest == Window("2026-03-04T04:00:00Z", "2026-03-04T05:00:00Z")


def test_by_hand_the_running_hour_is_looked_at_too() -> None:
    *_, full, begun = windows.by_time(DAY, AT, "2026-03-04T05:00:00Z", HORIZON, force=True)
    assert (full.end, full.whole) == ("2026-03-04T05:00:00Z", True)
    assert begun == Window("2026-03-03T06:00:00Z", AT, whole=False)
    assert begun.hours[-1] == "2026-03-04T05"
    assert ends(DAY, "2026-03-04T05:00:00Z", at="2026-03-04T05:00:00Z", force=True)[-1] == "2026-03-04T05:00:00Z"


def test_hours_of_a_time_that_begins_or_ends_within_one() -> None:
    assert windows.hours_of("2026-03-04T05:59:59Z", "2026-03-04T07:00:01Z") == (
        "2026-03-04T05",
        "2026-03-04T06",
        "2026-03-04T07",
    )
    assert windows.hours_of("2026-03-04T05:00:00Z", "2026-03-04T05:00:00Z") == ()


def test_a_mark_changes_with_what_is_known_of_its_hours_alone() -> None:
    hours, known = ("2026-03-04T04", "2026-03-04T05"), {"2026-03-04T05": 1}
    assert windows.mark(hours, known) == windows.mark(hours, known | {"2026-03-04T06": 9})
    assert windows.mark(hours, known) != windows.mark(hours, {"2026-03-04T05": 2})
    assert windows.mark(hours, known) != windows.mark(hours, known | {"2026-03-04T04": 1})
    assert windows.mark(hours, {}) == ""


# --- windows of rows ---------------------------------------------------------------------------

NOTHING = Used({"2026-03-04T00": 0})


def made(rows: int, counted: dict[str, list[int]], used: Used = NOTHING) -> list[tuple[list[str], bool]]:
    """Windows as the names of the counts in them; a count is named by its hour and place."""
    named = {
        hour: [(f"{hour[-2:]}/{place}", size) for place, size in enumerate(sizes)] for hour, sizes in counted.items()
    }
    return [(list(window.counts), window.full) for window in windows.by_rows(rows, named, used)]


def test_windows_follow_one_another_and_the_last_one_waits() -> None:
    counted = {"2026-03-04T05": [300, 100], "2026-03-04T06": [250, 20]}
    assert made(300, counted) == [(["05/0"], True), (["05/1", "06/0"], True), (["06/1"], False)]


def test_what_earlier_windows_have_used_is_not_used_again() -> None:
    counted = {"2026-03-04T05": [300, 100], "2026-03-04T06": [250]}
    first, *_ = windows.by_rows(300, {h: [(s, s) for s in sizes] for h, sizes in counted.items()}, NOTHING)
    again = Used.of(str(first.used))
    assert made(300, counted, again) == [(["05/1", "06/0"], True)]


def test_counts_that_come_late_to_an_hour_go_into_the_next_window() -> None:
    used = Used({"2026-03-04T05": 1, "2026-03-04T07": 2})
    counted = {"2026-03-04T05": [300, 40], "2026-03-04T06": [50], "2026-03-04T07": [300, 300, 300]}
    assert made(300, counted, used) == [(["05/1", "06/0", "07/2"], True)]


def test_everything_before_an_hour_can_be_left_out() -> None:
    counted = {"2026-03-04T04": [300], "2026-03-04T05": [300, 300]}
    assert made(300, counted, Used().beginning("2026-03-04T05")) == [(["05/0"], True), (["05/1"], True)]
    used = Used({"2026-03-04T05": 1})
    assert made(300, counted, used.beginning("2026-03-04T05")) == [(["05/1"], True)]
    assert used.beginning("2026-03-04T04") == used
    assert made(300, counted, Used({"2026-03-04T03": 1}).beginning("2026-03-04T05")) == made(300, counted, NOTHING)[1:]


hours = st.integers(0, 30).map(lambda number: f"2026-03-{4 + number // 24:02d}T{number % 24:02d}")


@given(st.lists(st.tuples(hours, st.integers(0, 700)), max_size=40), st.integers(50, 900), st.integers(1, 5))
def test_every_count_is_in_one_window_however_often_one_looks(
    arriving: list[tuple[str, int]], rows: int, looks: int
) -> None:
    arriving.sort(key=lambda item: item[0])  # hours fill one after the other
    counted: dict[str, list[tuple[tuple[str, int], int]]] = {}
    used, seen = Used({"2026-03-04T00": 0}), []
    step = -(-len(arriving) // looks) or 1
    for start in range(0, len(arriving), step):
        for hour, size in arriving[start : start + step]:
            places = counted.setdefault(hour, [])
            places.append(((hour, len(places)), size))
        for window in windows.by_rows(rows, counted, used):
            if window.full:
                used = Used.of(str(window.used))
                seen += window.counts
                assert sum(dict(counted[hour])[hour, place] for hour, place in window.counts) >= rows
    assert len(seen) == len(set(seen))
    waiting = [window for window in windows.by_rows(rows, counted, used) if not window.full]
    rest = [count for window in waiting for count in window.counts]
    assert sorted(seen + rest) == sorted(count for found in counted.values() for count, _ in found)


@pytest.mark.parametrize("text", ["2026-03-04T05=3", "2026-03-04T05=3 2026-03-04T06=1"])
def test_what_was_used_is_written_as_it_is_read(text: str) -> None:
    assert str(Used.of(text)) == text
