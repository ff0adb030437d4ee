"""A small SAM application on the target, for what does not need the real stack."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tidemill_cli.local.lifecycle import LocalStack, Up
from tidemill_cli.stack import Stack

from .. import targets

APP = Path(__file__).parent / "app"


@dataclass(frozen=True)
class LocalApp:
    """The small application, deployed: its stack, the state folder, and a copy of its sources that may be changed."""

    stack: Stack
    local: LocalStack
    sources: Path
    target: targets.Target

    def up(self, say: Callable[[str], None]) -> Up:
        """Bring it up once more, where it is."""
        return self.target.up(self.local, say)

    def function(self, name: str) -> str:
        """The deployed name of a function."""
        return self.stack.outputs[name]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, stack_target: targets.Target) -> Iterator[LocalApp]:
    """Deployed on an emulator of its own, with IAM enforced where it can be, stopped at the end of the module."""
    folder = tmp_path_factory.mktemp("app")
    sources = folder / "sources"
    subprocess.run(["cp", "-r", APP, sources], check=True)
    local = LocalStack(folder / "state", sources, f"app-{uuid.uuid4().hex[:8]}")
    try:
        up = stack_target.up(local, sys.stderr.write)
        yield LocalApp(up.stack, local, sources, stack_target)
    finally:
        local.down()


@pytest.fixture
def processes(app: LocalApp) -> Callable[[], list[str]]:
    """Finds the command lines of the emulator and of the functions' processes, by the state folder in their words."""

    def find() -> list[str]:
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (process / "cmdline").read_bytes()
                if str(app.local.state).encode() in words + (process / "environ").read_bytes():
                    found.append(words.replace(b"\0", b" ").decode())
        return found

    return find
