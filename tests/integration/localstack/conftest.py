"""A LocalStack of our own with the plugins in infra/localstack, and functions made in it one by one."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import uuid
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tidemill_cli.local.process import LocalStackEmulator, free_port
from tidemill_cli.stack import Stack

ROLE = "arn:aws:iam::000000000000:role/worker"


def packed(**files: str) -> bytes:
    """A ZIP archive; `__` in a name stands for a slash, and `.py` is added."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"{name.replace('__', '/')}.py", content)
    return buffer.getvalue()


@dataclass(frozen=True)
class Answer:
    """What a call came to: the JSON, whether it is an error document, and the end of the log."""

    value: Any
    failed: bool
    log: str


@dataclass(frozen=True)
class LocalStackHere:
    """The emulator and clients for it."""

    emulator: LocalStackEmulator
    endpoint: str

    def client(self, service: str) -> Any:
        """A boto3 client."""
        return Stack.connect(self.endpoint).client(service)

    def call(self, name: str, event: Any = None, qualifier: str | None = None) -> Answer:
        """Invoke a function and wait."""
        which = {"Qualifier": qualifier} if qualifier else {}
        answer = self.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event), LogType="Tail", **which)
        log = base64.b64decode(answer["LogResult"]).decode()
        return Answer(json.loads(answer["Payload"].read()), "FunctionError" in answer, log)

    def processes(self) -> set[int]:
        """The ids of the functions' processes, known by the folder in their environment."""
        found = set()
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                environment = (process / "environ").read_bytes()
                if b"AWS_LAMBDA_RUNTIME_API=" in environment and str(self.emulator.state).encode() in environment:
                    found.add(int(process.name))
        return found

    def folders(self) -> set[str]:
        """The names of the execution environments' folders."""
        return {folder.name for folder in (self.emulator.state / "tmp" / "functions").glob("*")}


def start(state: Path) -> LocalStackHere:
    """Start one, or skip with what is missing."""
    emulator = LocalStackEmulator(state)
    if not emulator.interpreter.exists():
        pytest.skip(
            f"LocalStack is not installed ({emulator.interpreter} is missing): `make localstack` needs Python 3.13"
        )
    return LocalStackHere(emulator, emulator.start(free_port()))


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStackHere]:
    """One LocalStack for the tests of a module."""
    running = start(tmp_path_factory.mktemp("localstack"))
    try:
        yield running
    finally:
        running.emulator.stop()


@pytest.fixture
def function(here: LocalStackHere) -> Iterator[Callable[..., str]]:
    """Makes functions of code whose handler is `app.handler`, gone with the test."""
    client, made = here.client("lambda"), []

    def make(code: str, **options: Any) -> str:
        name = f"f-{uuid.uuid4().hex[:8]}"
        settings = {"Runtime": "python3.13", "Handler": "app.handler", "Timeout": 20, "MemorySize": 256, **options}
        client.create_function(FunctionName=name, Role=ROLE, Code={"ZipFile": packed(app=code)}, **settings)
        made.append(name)
        client.get_waiter("function_active_v2").wait(FunctionName=name)
        return name

    yield make
    for name in made:
        with contextlib.suppress(client.exceptions.ResourceNotFoundException):
            client.delete_function(FunctionName=name)
