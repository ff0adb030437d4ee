"""Two of each emulator: as it comes, and as `tidemill up` starts it, with our replacements."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from tidemill_cli.local.process import HOST, Emulator, answers, free_port

from ..emulators import Here

START_SECONDS = 60.0
#: Where a reproduction runs; the names of fixtures of the test's module, and what pytest shows.
AS_IT_COMES = "as_it_comes"
AS_WE_START_IT = "as_tidemill_up_starts_it"


class Unknown(Exception):
    """An emulator did neither what AWS does nor what is known of it: the reproduction is wrong, or the bug another."""


def expect(found: Any, on_aws: Any, emulated: Any) -> None:
    """Assert AWS's behaviour, where the emulator's own is known.

    There is an AssertionError, which is what the marks expect, only when the emulator does exactly what is said of it.
    All else, such as a set-up that fails, is another exception, and so a failure of the test.
    """
    if found not in (on_aws, emulated):
        raise Unknown(f"{found!r} is neither {on_aws!r}, as on AWS, nor {emulated!r}, as this emulator has it")
    assert found == on_aws


def fails(reason: str) -> pytest.MarkDecorator:
    """Marks a reproduction that fails as long as the bug is there, and the suite when it no longer is."""
    return pytest.mark.xfail(strict=True, raises=AssertionError, reason=reason)


def bug(reason: str, mended: bool = False) -> pytest.MarkDecorator:
    """Marks a reproduction on the emulator `here`: as it comes it is to fail.

    Where a replacement of ours mends the bug, the same is to pass on the emulator as `tidemill up` starts it, which
    shows that it tests what it says.
    """
    places = [pytest.param(AS_IT_COMES, marks=fails(reason)), *([pytest.param(AS_WE_START_IT)] if mended else [])]
    return pytest.mark.parametrize("here", places, indirect=True)


@pytest.fixture
def here(request: pytest.FixtureRequest) -> Here:
    """The emulator that the mark names; it is started when it is needed first."""
    running: Here = request.getfixturevalue(request.param)
    return running


@contextmanager
def unchanged(
    emulator: Emulator, command: Sequence[str], without: Sequence[str] = (), stop: signal.Signals = signal.SIGKILL
) -> Iterator[Here]:
    """An emulator as it comes: its own program, with the settings that `tidemill up` gives it and nothing of ours."""
    port, folder = free_port(), emulator.state / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    settings = emulator.environment(port, enforce_iam=True)
    with emulator.log.open("wb") as log:
        process = subprocess.Popen(
            [emulator.interpreter, *command],
            cwd=folder,
            env={name: value for name, value in settings.items() if name not in ("PYTHONPATH", *without)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        endpoint, deadline = f"http://{HOST}:{port}", time.monotonic() + START_SECONDS
        while not answers(endpoint):
            if process.poll() is not None or time.monotonic() > deadline:
                raise TimeoutError(f"it does not answer:\n{emulator.log.read_text(errors='replace')[-4000:]}")
            time.sleep(0.05)
        yield Here(endpoint)
    finally:
        os.killpg(process.pid, stop)
        process.wait()
