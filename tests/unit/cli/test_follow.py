"""What is shown of an execution while it runs."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from tidemill_cli import follow

INFRA = Path(__file__).parents[3] / "infra"


def drawn(console):
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def board(steps):
    """The board as a terminal shows it."""
    console = Console(file=io.StringIO(), width=100)
    made = follow._Board(follow.TRAINING)
    made.update(steps)
    console.print(made)
    return drawn(console)


def test_board_shows_stages_that_ended_run_and_come(a_step):
    steps = [
        a_step("Validate", 1.24),
        a_step("Route"),
        a_step("Prepare", state="failed", after=2),
        a_step("Train", None, "running", after=datetime.now(UTC).timestamp(), is_map=True, total=6, done=2, begun=3),
    ]
    lines = board(steps)
    assert lines[0].split()[:4] == ["✓", "Validate", "1.2", "s"]
    assert lines[1].split()[:2] == ["✗", "Prepare"]
    assert "2 of 6" in lines[2]
    assert lines[3].split() == ["·", "Refit"]
    assert not any("Route" in line for line in lines)


def test_board_leaves_out_what_this_run_does_without(a_step):
    assert not any("Approve" in line for line in board([a_step("Validate")]))
    assert any("Approve" in line for line in board([a_step("Approve", None, "running", waits=True)]))


def test_map_of_unknown_length_counts_what_has_begun(a_step):
    assert "1 of 3" in board([a_step("Train", is_map=True, begun=3, done=1)])[2]


def test_step_left_by_an_error_ends_when_the_next_begins(a_step):
    left = a_step("Train", None, "failed")
    lines = board([left, a_step("Conclude", after=7)])
    assert "7.0 s" in lines[2]


def test_lines_are_said_once_each_and_only_of_stages_that_ended(a_step):
    console = Console(file=io.StringIO(), width=100)
    with follow.shown(console, follow.TRAINING) as show:
        running = a_step("Prepare", None, "running", after=1)
        show([a_step("Validate", 1.0)])
        show([a_step("Validate", 1.0), running])
        show([a_step("Validate", 1.0), a_step("Prepare", 0.5, "failed", after=1), a_step("Conclude", after=2)])
    assert drawn(console) == [
        "validate  done · 1.0 s",
        "prepare   failed · 0.5 s",
        "conclude  done · 1.0 s",
    ]


def test_rounds_of_the_search_are_one_line_of_the_board(a_step):
    first = a_step("Train", 2.0, is_map=True, total=13, done=13, begun=13)
    narrow = a_step("Narrow", 0.1, after=2)
    second = a_step("Train", 5.0, is_map=True, total=6, done=6, begun=6, after=3)
    lines = board([first, narrow, second])
    assert "7.0 s" in lines[2]
    assert "round 2 · 6 of 6" in lines[2]
    assert not any("Narrow" in line for line in lines)
    assert any("Narrow" in line for line in board([first, a_step("Narrow", 0.1, "failed", after=2)]))


def test_each_round_of_the_search_is_a_line(a_step):
    console = Console(file=io.StringIO(), width=100)
    with follow.shown(console, follow.TRAINING) as show:
        first = a_step("Train", 2.0, is_map=True, total=13, done=13, begun=13)
        show([first, a_step("Narrow", None, "running", after=2)])
        show([first, a_step("Narrow", 0.1, after=2), a_step("Train", 5.0, is_map=True, total=6, done=6, after=3)])
    assert drawn(console) == ["train     done · 13 of 13 · 2.0 s", "train     round 2 · done · 6 of 6 · 5.0 s"]


def test_stages_are_those_of_the_state_machines():
    for file, stages in (("training.asl.json", follow.TRAINING), ("scoring.asl.json", follow.SCORING)):
        states = json.loads((INFRA / file).read_text())["States"]
        tasks = {name for name, state in states.items() if state["Type"] in ("Task", "Map")}
        assert set(stages) == tasks


def test_begin_is_waited_for_only_so_long(world):
    clock = iter([0.0, 1.0, follow.START_SECONDS + 1.0])
    slept = []
    world.executions.looks = [None]
    with pytest.raises(follow.RunDidNotStart, match="tidemill logs --stage intake"):
        follow.follow(world.executions, "arn", lambda _: None, None, slept.append, lambda: next(clock))
    assert slept == [follow.POLL_SECONDS]


def test_a_long_stage_name_keeps_its_distance(a_step):
    console = Console(file=io.StringIO(), width=100)
    with follow.shown(console, follow.FEATURES) as show:
        show([a_step("Ingest"), a_step("Materialize", after=1)])
    assert console.file.getvalue().splitlines() == ["ingest       done · 1.0 s", "materialize  done · 1.0 s"]
