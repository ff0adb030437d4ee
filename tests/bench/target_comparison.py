"""The same stack on MiniStack and LocalStack: start, memory, deployment, calls, and the pipeline of the churn example.

    .venv/bin/python tests/bench/target_comparison.py [rounds]

Each emulator gets a state folder of its own and is started and stopped by turns; the first training of a round finds no
function running, the second finds them warm. Prints medians over the rounds and LocalStack's as a ratio to MiniStack's,
which is what the machine's other work leaves alone. LocalStack needs `make localstack` once.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import stack_start
import urllib3
from stack_start import seconds

from tidemill_cli import churn_generator, example_tables
from tidemill_cli.local.lifecycle import LocalStack
from tidemill_cli.local.process import Emulator, LocalStackEmulator, free_port
from tidemill_cli.stack import Stack
from tidemill_cli.verbs.demo import CUSTOMER

EMULATORS = (Emulator.name, LocalStackEmulator.name)
ROUNDS = 3
PREDICTIONS = 100
#: Rows of the table that is scored.
SCORED = 1_500


def megabytes(local: LocalStack) -> float:
    """Resident memory of the emulator; its functions are processes of their own and not in it."""
    pages = int(Path(f"/proc/{local.emulator.pid()}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def run(state: Path, *words: str | Path) -> None:
    """A command of the user's, to its end."""
    command = [Path(sys.executable).with_name("tidemill"), *words]
    subprocess.run(command, env=os.environ | {"TIDEMILL_STATE": str(state)}, check=True, capture_output=True)


def predict(stack: Stack) -> float:
    """Seconds of a warm prediction over HTTP, the API's gateway included."""
    key = stack.client("apigateway").get_api_key(apiKey=stack.outputs["ApiKeyId"], includeValue=True)["value"]
    body, http = json.dumps({"instances": [CUSTOMER]}), urllib3.PoolManager()

    def ask() -> None:
        url = f"{stack.outputs['ApiUrl']}/v1/models/bench:predict"
        assert http.request("POST", url, body=body, headers={"x-api-key": key}).status == 200

    ask()
    return statistics.median(seconds(ask) for _ in range(PREDICTIONS))


def measure(emulator: str, folder: Path, tables: Path) -> Iterator[tuple[str, float, str]]:
    """What is measured, the value and its unit, in the order in which a user comes across it."""
    sources = stack_start.copied_sources(folder)
    function = stack_start.empty_function(sources)
    local = LocalStack(folder / "state", sources)
    local.choose(emulator)
    try:
        port = free_port()
        yield "start", seconds(lambda: local.emulator.start(port, enforce_iam=local.emulator.enforces_iam)), "s"
        yield "memory when started", megabytes(local), "MB"
        local.down()
        whole = seconds(lambda: local.up(lambda line: None, port=port, emulator=emulator))
        yield "up, from nothing", whole, "s"
        yield "memory with the stack", megabytes(local), "MB"
        stack = Stack.connect(f"http://127.0.0.1:{port}")
        cold, warm, bare = stack_start.calls(stack, function)
        yield "request that calls no function", 1000 * bare, "ms"
        yield "cold call of an empty function", 1000 * cold, "ms"
        yield "warm call of an empty function", 1000 * warm, "ms"
        train = ("train", tables / "churn.csv", "--project", "bench", "--target", "Churn")
        for which in ("first", "second"):
            yield f"train on churn.csv, {which} time", seconds(lambda: run(folder / "state", *train)), "s"
        yield "warm prediction over HTTP", 1000 * predict(stack), "ms"
        score = ("score", tables / "month.csv", "--model", "bench", "--out", folder / "scored.csv")
        yield f"score {SCORED:,} rows", seconds(lambda: run(folder / "state", *score)), "s"
        yield "memory at the end", megabytes(local), "MB"
        (folder / "sources" / "functions" / "shadow" / "app.py").write_text(stack_start.PROBE)
        yield "up, after a change of code", seconds(lambda: local.up(lambda line: None)), "s"
        yield "down", seconds(local.down), "s"
    finally:
        local.down()


def main(rounds: int = ROUNDS) -> None:
    """Measure by turns."""
    folder = Path(tempfile.mkdtemp(prefix="tidemill-bench-"))
    tables = folder / "tables"
    example_tables.write(tables)
    (tables / "month.csv").write_bytes(churn_generator.drifted_month(rows=SCORED))
    found: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    try:
        for number in range(rounds):
            for emulator in EMULATORS:
                place = folder / f"{emulator}-{number}"
                place.mkdir()
                for what, value, unit in measure(emulator, place, tables):
                    found[what, unit][emulator].append(value)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{f'medians of {rounds} rounds':32}" + "".join(f"{name:>14}" for name in EMULATORS) + "   ratio")
    for (what, unit), values in found.items():
        medians = [statistics.median(values[emulator]) for emulator in EMULATORS]
        shown = "".join(f"{median:11.1f} {unit:2}" for median in medians)
        print(f"{what:32}{shown}{medians[-1] / medians[0]:8.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
