"""One deployed stack for the whole test session, started by the first test that asks for it.

With pytest-xdist the workers share it: whichever comes first brings it up under a lock, the
controller stops it at the end. It listens on a free loopback port, keeps its state in a folder of
the session, and is stopped by its own handle, also when the session is interrupted.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tidemill_cli.stack import Stack

ROOT = Path(__file__).resolve().parents[1]
REALDATA = ROOT.parent / "shared" / "data"
#: The folder that every process of the session has its local stacks in.
SESSION = "TIDEMILL_TEST_SESSION"
#: Set to `required` where the real tables must be there, as in CI: a skipped realdata test is a failure then.
REALDATA_SWITCH = "TIDEMILL_REALDATA"

# How fast a machine draws examples says nothing about the code.
settings.register_profile("tidemill", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tidemill")


def pytest_configure(config: pytest.Config) -> None:
    """In the process that outlives all workers, make the session's folder."""
    if not hasattr(config, "workerinput"):
        os.environ[SESSION] = tempfile.mkdtemp(prefix="tidemill-tests-")
        signal.signal(signal.SIGTERM, _interrupt)


def pytest_unconfigure(config: pytest.Config) -> None:
    """In the same process, stop what was started and remove the folder."""
    if hasattr(config, "workerinput"):
        return
    session = Path(os.environ[SESSION])
    for state in session.glob("*/emulator.lock"):
        from tidemill_cli.local.lifecycle import LocalStack

        LocalStack(state.parent).down()
    shutil.rmtree(session, ignore_errors=True)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]
    """Where the real tables are required, a realdata test that was skipped has failed."""
    outcome = yield
    report = outcome.get_result()
    required = os.environ.get(REALDATA_SWITCH) == "required" and item.get_closest_marker("realdata")
    if required and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and {REALDATA_SWITCH}=required: {report.longrepr}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests that need the real tables where there are none."""
    if not REALDATA.is_dir():
        for item in items:
            if item.get_closest_marker("realdata"):
                item.add_marker(pytest.mark.skip(reason=f"{REALDATA} is not there"))


@pytest.fixture(scope="session")
def stack_state() -> Path:
    """The state folder of the session's stack; a command with TIDEMILL_STATE set to it uses that stack."""
    state = Path(os.environ[SESSION]) / "stack"
    state.mkdir(exist_ok=True)
    return state


@pytest.fixture(scope="session")
def stack(stack_state: Path) -> Stack:
    """The deployed template on the emulator, with IAM enforced."""
    from tidemill_cli.local.lifecycle import LocalStack
    from tidemill_cli.local.process import free_port

    with (stack_state / "session.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        local = LocalStack(stack_state)
        port = None if local.emulator.pid() else free_port()
        return local.up(lambda line: print(line, file=sys.stderr), port=port, enforce_iam=True).stack  # noqa: T201


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
