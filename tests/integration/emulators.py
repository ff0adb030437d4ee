"""Emulators of a test's own, and functions and state machines made in them one by one."""

from __future__ import annotations

import base64
import contextlib
import functools
import io
import json
import time
import uuid
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tidemill_cli.local.process import LocalStackEmulator, free_port
from tidemill_cli.stack import Stack

ROLE = "arn:aws:iam::000000000000:role/worker"
#: How long an execution may take, seconds.
PATIENCE = 20.0


def packed(**files: str) -> bytes:
    """A ZIP archive; `__` in a name stands for a slash, and `.py` is added."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"{name.replace('__', '/')}.py", content)
    return buffer.getvalue()


@functools.cache
def _stack(endpoint: str) -> Stack:
    return Stack.connect(endpoint)


@dataclass(frozen=True)
class Answer:
    """What a call came to: the JSON, whether it is an error document, and the end of the log."""

    value: Any
    failed: bool
    log: str


@dataclass(frozen=True)
class Here:
    """An emulator that runs, and clients for it."""

    endpoint: str

    def client(self, service: str) -> Any:
        """A boto3 client; each is made once."""
        return _stack(self.endpoint).client(service)

    def function(self, code: str, **options: Any) -> str:
        """Make a function of code whose handler is `app.handler`, and return its name."""
        client, name = self.client("lambda"), f"f-{uuid.uuid4().hex[:8]}"
        settings = {"Runtime": "python3.13", "Handler": "app.handler", "Timeout": 20, "MemorySize": 256, "Role": ROLE}
        client.create_function(FunctionName=name, Code={"ZipFile": packed(app=code)}, **{**settings, **options})
        client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 300})
        return name

    def call(self, name: str, event: Any = None, qualifier: str | None = None) -> Answer:
        """Invoke a function and wait."""
        which = {"Qualifier": qualifier} if qualifier else {}
        answer = self.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event), LogType="Tail", **which)
        log = base64.b64decode(answer.get("LogResult", "")).decode()
        return Answer(json.loads(answer["Payload"].read()), "FunctionError" in answer, log)

    def start(self, definition: dict[str, Any], event: Any = None, role: str = ROLE) -> str:
        """Make a state machine and start an execution; its ARN."""
        client = self.client("stepfunctions")
        machine = client.create_state_machine(
            name=f"m-{uuid.uuid4().hex[:8]}", roleArn=role, definition=json.dumps(definition)
        )["stateMachineArn"]
        execution: str = client.start_execution(stateMachineArn=machine, input=json.dumps(event))["executionArn"]
        return execution

    def ended(self, execution: str) -> dict[str, Any]:
        """The description of an execution when it has ended. Raises TimeoutError."""
        deadline = time.monotonic() + PATIENCE
        client = self.client("stepfunctions")
        while True:
            found: dict[str, Any] = client.describe_execution(executionArn=execution)
            if found["status"] != "RUNNING":
                return found
            if time.monotonic() > deadline:
                raise TimeoutError(f"{execution} still runs")
            time.sleep(0.05)

    def execute(self, definition: dict[str, Any], event: Any = None, role: str = ROLE) -> dict[str, Any]:
        """The description of an execution of a new state machine, when it has ended."""
        return self.ended(self.start(definition, event, role))


@dataclass(frozen=True)
class LocalStackHere(Here):
    """LocalStack as `tidemill up` starts it."""

    emulator: LocalStackEmulator

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


def localstack_emulator(state: Path) -> LocalStackEmulator:
    """The emulator of a state folder; skips the test with what is missing."""
    emulator = LocalStackEmulator(state)
    if not emulator.interpreter.exists():
        pytest.skip(
            f"LocalStack is not installed ({emulator.interpreter} is missing): `make localstack` needs Python 3.13"
        )
    return emulator


def start_localstack(state: Path) -> LocalStackHere:
    """Start one, or skip with what is missing."""
    emulator = localstack_emulator(state)
    return LocalStackHere(emulator.start(free_port()), emulator)
