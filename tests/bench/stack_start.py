"""How long the local stack takes to start, to deploy a change of code and to answer a warm call.

    .venv/bin/python tests/bench/stack_start.py

Prints seconds, and each as a ratio to `sam --version` or to a bare request in the same run.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tidemill_cli.local.deployment import INPUTS
from tidemill_cli.local.lifecycle import LocalStack
from tidemill_cli.local.process import free_port
from tidemill_cli.stack import Stack, project_root

CALLS = 200
PROBE = '''"""Answers at once: what a call costs apart from its function."""


def handler(event, context):
    return event
'''


def seconds(call: Callable[[], object]) -> float:
    """The time of one call."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def copied_sources(folder: Path) -> Path:
    """A folder with a copy of all that a deployment is made from."""
    root, sources = project_root(), folder / "sources"
    sources.mkdir()
    for name in INPUTS:
        copy = shutil.copytree if (root / name).is_dir() else shutil.copy
        copy(root / name, sources / name)
    return sources


def empty_function(sources: Path) -> str:
    """Make a function answer at once; its logical id."""
    (sources / "functions" / "capture" / "app.py").write_text(PROBE)
    return "CaptureFunction"


def calls(stack: Stack, function: str) -> tuple[float, float, float]:
    """Seconds of the first call of a function, by its logical id, of a warm one, and of a request that calls none."""
    client = stack.client("lambda")
    resource = stack.client("cloudformation").describe_stack_resource(StackName=stack.name, LogicalResourceId=function)
    name = resource["StackResourceDetail"]["PhysicalResourceId"]

    def invoke() -> None:
        client.invoke(FunctionName=name, Payload=b'{"a": 1}')["Payload"].read()

    cold = seconds(invoke)
    warm = statistics.median(seconds(invoke) for _ in range(CALLS))
    bare = statistics.median(seconds(lambda: client.get_function_configuration(FunctionName=name)) for _ in range(50))
    return cold, warm, bare


def main() -> None:
    """Measure on a copy of the deployment's inputs, with a state folder of its own."""
    root = project_root()
    folder = Path(tempfile.mkdtemp(prefix="tidemill-bench-"))
    sources = copied_sources(folder)
    local = LocalStack(folder / "state", sources)
    port = free_port()

    def up() -> None:
        local.up(lambda line: None, port=port)

    try:
        sam = seconds(lambda: subprocess.run([root / ".venvs/sam/bin/sam", "build", "--help"], capture_output=True))
        print(f"{'one start of SAM CLI':38}{sam:7.2f} s")
        measured = {"up, from nothing": seconds(up)}
        function = empty_function(sources)
        measured["up, after a change of code"] = seconds(up)
        measured["up, nothing to do"] = seconds(up)
        local.down()
        measured["up, after down"] = seconds(up)
        for what, took in measured.items():
            print(f"{what:38}{took:7.2f} s  {took / sam:5.1f} x a start of SAM CLI")

        cold, warm, bare = calls(local.up(lambda line: None).stack, function)
        print(
            f"{'cold call of an empty function':38}{1000 * cold:7.1f} ms {cold / bare:5.1f} x a request that calls none"
        )
        print(
            f"{'warm call of an empty function':38}{1000 * warm:7.1f} ms {warm / bare:5.1f} x a request that calls none"
        )
    finally:
        local.down()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
