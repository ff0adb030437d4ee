"""One deployed stack for the whole test session, on the target that `--target` names, started by the first test that
asks for it.

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

from . import targets

if TYPE_CHECKING:
    from tidemill_cli.stack import Stack

ROOT = Path(__file__).resolve().parents[1]
REALDATA = ROOT.parent / "shared" / "data"
#: The folder that every process of the session has its local stacks in.
SESSION = "TIDEMILL_TEST_SESSION"
TARGET = pytest.StashKey[targets.Target]()
#: Set to `required` where the real tables must be there, as in CI: a skipped realdata test is a failure then.
REALDATA_SWITCH = "TIDEMILL_REALDATA"

# How fast a machine draws examples says nothing about the code.
settings.register_profile("tidemill", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tidemill")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let one choose the target."""
    parser.addoption("--target", default="ministack", help="ministack, localstack, or the URL of an endpoint that runs")
    parser.addoption("--without", action="append", default=[], help="what the endpoint lacks; see tests/targets.py")


def pytest_configure(config: pytest.Config) -> None:
    """Know the target; and in the process that outlives all workers, make the session's folder."""
    try:
        config.stash[TARGET] = targets.target(config.getoption("--target"), config.getoption("--without"))
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error
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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip tests that need the real tables where there are none, and tests that need what the target lacks."""
    for item in items:
        if item.get_closest_marker("realdata") and not REALDATA.is_dir():
            item.add_marker(pytest.mark.skip(reason=f"{REALDATA} is not there"))
        needed = [name for marker in item.iter_markers("needs") for name in marker.args]
        if reason := config.stash[TARGET].why_not(needed):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def stack_target(pytestconfig: pytest.Config) -> targets.Target:
    """Where the stack is."""
    return pytestconfig.stash[TARGET]


@pytest.fixture(scope="session")
def stack_state() -> Path:
    """The state folder of the session's stack; a command with TIDEMILL_STATE set to it uses that stack."""
    state = Path(os.environ[SESSION]) / "stack"
    state.mkdir(exist_ok=True)
    return state


@pytest.fixture(scope="session")
def stack(stack_state: Path, stack_target: targets.Target) -> Stack:
    """The deployed template on the target, with IAM enforced where it can be."""
    from tidemill_cli.local.lifecycle import LocalStack

    with (stack_state / "session.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return stack_target.up(LocalStack(stack_state), lambda line: print(line, file=sys.stderr)).stack  # noqa: T201


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
