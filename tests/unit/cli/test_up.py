"""`tidemill up`: which emulator its options mean."""

import json

import pytest

from tidemill_cli.verbs import up


@pytest.fixture
def started(world, monkeypatch, tmp_path):
    """The emulators that would have been started; the state folder is empty."""
    monkeypatch.setenv("TIDEMILL_STATE", str(tmp_path))
    emulators = []
    monkeypatch.setattr(up, "start", lambda session, port, enforce_iam, emulator: emulators.append(emulator))
    return emulators


def record(tmp_path, emulator):
    known = {"endpoint": "http://127.0.0.1:4566", "own": True, "enforce_iam": False, "stack_name": "tidemill"}
    (tmp_path / "stack.json").write_text(json.dumps({**known, "emulator": emulator}))


@pytest.mark.parametrize(
    ("before", "options", "meant"),
    [
        (None, [], None),
        (None, ["--emulator", "localstack"], "localstack"),
        (None, ["--emulator", "localstack", "--docker"], "localstack-docker"),
        ("localstack", ["--docker"], "localstack-docker"),
        ("localstack-docker", ["--docker"], "localstack-docker"),
        ("localstack-docker", [], None),
        ("localstack-docker", ["--emulator", "localstack"], "localstack"),
    ],
)
def test_docker_is_asked_for_by_name(world, started, tmp_path, before, options, meant):
    if before:
        record(tmp_path, before)
    assert world.tidemill("up", *options)[0] == 0
    assert started == [meant]


@pytest.mark.parametrize(
    ("before", "options"),
    [
        (None, ["--docker"]),
        ("ministack", ["--docker"]),
        ("localstack", ["--emulator", "ministack", "--docker"]),
    ],
)
def test_docker_is_for_localstack_alone(world, started, tmp_path, before, options):
    if before:
        record(tmp_path, before)
    code, _, err = world.tidemill("up", *options)
    assert (code, started) == (1, [])
    assert "--docker is for LocalStack: tidemill up --emulator localstack --docker" in err


@pytest.mark.parametrize("options", [["--emulator", "localstack"], ["--docker"]])
def test_what_runs_already_is_not_started(world, started, options):
    code, _, err = world.tidemill("up", *options, "--endpoint", "http://127.0.0.1:1")
    assert (code, started) == (1, [])
    assert f"{options[0]} starts one and --endpoint names one that runs already" in err
