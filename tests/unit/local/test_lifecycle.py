from __future__ import annotations

import json

import pytest

from tidemill_cli.local.lifecycle import LocalStack, Record
from tidemill_cli.stack import StackError

HERE = "http://127.0.0.1:4566"


class Emulator:
    """Stands for an emulator: whether it runs is declared, starting is noted."""

    name = "ministack"
    keeps_data = True

    def __init__(self, state, pid=None):
        self.data = state / "data"
        self.running = pid
        self.started: list[tuple[int, bool]] = []

    def pid(self):
        return self.running

    def start(self, port, enforce_iam=True):
        self.started.append((port, enforce_iam))
        return f"http://127.0.0.1:{port}"


def local(tmp_path, record=None, pid=None):
    if record is not None:
        (tmp_path / "stack.json").write_text(json.dumps(record))
    stack = LocalStack(tmp_path)
    stack.emulator = Emulator(tmp_path, pid)
    return stack


def recorded(**changes):
    return {"endpoint": HERE, "own": True, "enforce_iam": True, "stack_name": "tidemill", **changes}


def start(stack, port=None, enforce_iam=True):
    return stack.start(stack.record(), port, enforce_iam, lambda line: None)


@pytest.fixture
def ports(monkeypatch):
    """Which ports are taken, and 40000 as the free one."""
    taken: set[int] = set()
    monkeypatch.setattr("tidemill_cli.local.lifecycle.is_free", lambda port: port not in taken)
    monkeypatch.setattr("tidemill_cli.local.lifecycle.free_port", lambda: 40000)
    monkeypatch.setattr("tidemill_cli.local.lifecycle.answers", lambda endpoint: True)
    return taken


def test_the_first_start_takes_the_usual_port_or_a_free_one(tmp_path, ports):
    assert start(local(tmp_path)) == (HERE, True)
    ports.add(4566)
    assert start(local(tmp_path)) == ("http://127.0.0.1:40000", True)


def test_a_later_start_takes_the_port_it_had(tmp_path, ports):
    assert start(local(tmp_path, recorded(endpoint="http://127.0.0.1:5001"))) == ("http://127.0.0.1:5001", True)
    external = recorded(endpoint="http://127.0.0.1:5001", own=False)
    assert start(local(tmp_path, external)) == (HERE, True)


def test_the_port_asked_for_is_taken(tmp_path, ports):
    stack = local(tmp_path, recorded())
    start(stack, port=7000, enforce_iam=False)
    assert stack.emulator.started == [(7000, False)]


def test_what_runs_is_left_running(tmp_path, ports):
    stack = local(tmp_path, recorded(), pid=11)
    assert start(stack) == (HERE, False)
    assert start(stack, port=4566) == (HERE, False)
    assert stack.emulator.started == []


@pytest.mark.parametrize("options", [{"port": 4567}, {"enforce_iam": False}])
def test_what_runs_otherwise_than_asked_is_an_error(tmp_path, ports, options):
    with pytest.raises(StackError, match="with other options: `tidemill down` first"):
        start(local(tmp_path, recorded(), pid=11), **options)


def test_the_emulator_is_the_one_it_was_until_another_is_chosen(tmp_path):
    assert local(tmp_path).emulator.name == "ministack"
    (tmp_path / "stack.json").write_text(json.dumps(recorded(emulator="localstack")))
    stack = LocalStack(tmp_path)
    assert stack.emulator.name == "localstack"
    stack.choose(None)
    assert stack.emulator.name == "localstack"
    stack.choose("ministack")
    assert stack.emulator.name == "ministack"


def test_another_emulator_than_the_one_that_runs_is_an_error(tmp_path):
    stack = local(tmp_path, recorded(), pid=11)
    stack.choose("ministack")
    with pytest.raises(StackError, match="ministack runs already: `tidemill down` first"):
        stack.choose("localstack")


def test_an_emulator_that_hangs_or_is_unknown_is_an_error(tmp_path, ports, monkeypatch):
    with pytest.raises(StackError, match=r"process 11.* `tidemill down` ends it"):
        start(local(tmp_path, pid=11))
    monkeypatch.setattr("tidemill_cli.local.lifecycle.answers", lambda endpoint: False)
    with pytest.raises(StackError, match=r"process 11\) does not answer at"):
        start(local(tmp_path, recorded(), pid=11))


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"endpoint": "x"}', '{"endpoint": "x", "unknown": 1}', json.dumps(recorded(emulator="none"))],
)
def test_a_record_of_another_form_counts_as_none(tmp_path, text):
    (tmp_path / "stack.json").write_text(text)
    assert LocalStack(tmp_path).record() is None


def test_a_record_is_read_as_it_was_written(tmp_path):
    assert local(tmp_path, recorded(fingerprint="f")).record() == Record(HERE, True, True, "tidemill", "f", None)


def test_a_stack_that_was_never_up_is_down_already(tmp_path):
    assert not LocalStack(tmp_path / "nowhere").down(wipe=True)
