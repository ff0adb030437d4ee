"""`tidemill down`: what it says of the runs that end with the stack."""

import pytest

from tidemill.errors import StorageError
from tidemill_cli.local.lifecycle import LocalStack, Record

ONE, TWO, THREE = "1a" * 16, "2b" * 16, "3c" * 16
ENDPOINT = "http://127.0.0.1:4566"
STOPPED = "The emulator is stopped; its data is kept.\n"


@pytest.fixture
def stack_up(world, monkeypatch):
    """A world whose emulator runs; stopping it is only remembered."""
    world.stack.endpoint = ENDPOINT
    world.stopped = []
    monkeypatch.setattr(LocalStack, "record", lambda _: Record(ENDPOINT, True, True, "tidemill"))
    monkeypatch.setattr(LocalStack, "down", lambda _, wipe: world.stopped.append(wipe) or True)
    monkeypatch.setattr("tidemill_cli.local.process.answers", lambda endpoint: endpoint == ENDPOINT)
    return world


def test_runs_under_way_are_named_and_the_stack_stops(stack_up, a_document):
    stack_up.wait_for_person(ONE)
    stack_up.wait_for_person(TWO)
    stack_up.conclude(a_document(THREE))
    code, out, err = stack_up.tidemill("down")
    assert (code, out, stack_up.stopped) == (0, STOPPED, [False])
    assert err == (
        f"2 runs are under way and end with the stack: {ONE[:8]}, {TWO[:8]}; "
        "upload their tables again after `tidemill up`\n"
    )


def test_nothing_is_said_when_nothing_is_under_way(stack_up, a_document):
    stack_up.conclude(a_document(ONE))
    stack_up.wait_for_person(TWO)
    stack_up.executions.looks = [([], ("ABORTED",))]
    assert stack_up.tidemill("down") == (0, STOPPED, "")


def test_another_stack_is_not_asked(stack_up):
    stack_up.wait_for_person(ONE)
    stack_up.stack.endpoint = None
    assert stack_up.tidemill("down") == (0, STOPPED, "")


def test_stack_that_cannot_be_asked_is_stopped(stack_up):
    stack_up.wait_for_person(ONE)
    stack_up.executions.looks = [StorageError("could not read execution x")]
    assert stack_up.tidemill("down") == (0, STOPPED, "")
    assert stack_up.stopped == [False]


def test_an_endpoint_that_up_did_not_start_is_left_as_it_is(stack_up, monkeypatch):
    monkeypatch.setattr(LocalStack, "record", lambda _: Record(ENDPOINT, False, True, "tidemill"))
    monkeypatch.setattr(LocalStack, "down", lambda _, wipe: False)
    said = f"{ENDPOINT} was not started by `tidemill up`: it is left as it is.\n"
    assert stack_up.tidemill("down") == (0, said, "")
