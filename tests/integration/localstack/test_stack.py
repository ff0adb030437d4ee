"""`tidemill up --emulator localstack`, and what it says; the stack itself is tested by `--target localstack`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tidemill_cli.local.lifecycle import LocalStack
from tidemill_cli.local.process import free_port

from ..emulators import localstack_emulator

Command = Callable[..., subprocess.CompletedProcess[str]]
pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def tidemill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """The command, on a stack of its own that is up."""
    state = tmp_path_factory.mktemp("stack")
    localstack_emulator(state)

    def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [Path(sys.executable).with_name("tidemill"), *words],
            env={**os.environ, "TIDEMILL_STATE": str(state)},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    try:
        up = run("up", "--emulator", "localstack", "--port", str(free_port()))
        assert up.returncode == 0, up.stderr
        assert "localstack enforces no IAM" in up.stderr
        assert "it keeps nothing over `tidemill down`" in up.stderr
        assert "is missing" not in up.stderr
        yield run
    finally:
        LocalStack(state).down()


def test_what_is_up_is_left_alone_and_another_emulator_refused(tidemill):
    again = tidemill("up")
    assert again.returncode == 0, again.stderr
    assert "it ran already, and nothing has changed" in again.stderr
    other = tidemill("up", "--emulator", "ministack")
    assert other.returncode == 1
    assert "localstack runs already, and ministack is asked for: `tidemill down` first" in other.stderr
