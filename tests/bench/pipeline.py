"""How much longer the pipeline takes, upload to live endpoint, than the same search in a plain script.

    .venv/bin/python tests/bench/pipeline.py [FILE TARGET]

Trains through a local stack of its own, with the default spec: first with no function
running yet, then with the functions warm. In between, tests/bench/plain_search.py makes
the same search and refit on both cores. Prints the medians and their ratios.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tidemill_cli import example_tables
from tidemill_cli.local.lifecycle import LocalStack
from tidemill_cli.local.process import free_port
from tidemill_cli.stack import project_root

PLAIN = Path(__file__).with_name("plain_search.py")
TELCO = project_root().parent / "shared" / "data" / "telco_churn.csv"
PAIRS = 3


def plain_search(file: Path, target: str) -> float:
    """Seconds of the plain script, its imports among them."""
    began = time.perf_counter()
    subprocess.run([sys.executable, PLAIN, file, target], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def pipeline(state: Path, file: Path, target: str) -> float:
    """Seconds of `tidemill train`, from the command to the live endpoint."""
    command = [Path(sys.executable).with_name("tidemill"), "train", file, "--project", "bench", "--target", target]
    environment = os.environ | {"TIDEMILL_STATE": str(state)}
    began = time.perf_counter()
    done = subprocess.run([*command, "--json"], env=environment, check=True, capture_output=True, text=True)
    took = time.perf_counter() - began
    document = json.loads(done.stdout)
    print(f"  {document['status']} in {took:.1f} s, {document['seconds']:.1f} s of them the run's own")
    return took


def main(file: Path | None, target: str) -> None:
    """Measure both by turns."""
    folder = Path(tempfile.mkdtemp(prefix="tidemill-bench-"))
    if file is None:
        file = example_tables.write(folder / "tables")[0]
    local = LocalStack(folder / "state")
    try:
        local.up(lambda line: None, port=free_port())
        cold = pipeline(folder / "state", file, target)
        plain, warm = [], []
        for _ in range(PAIRS):
            plain.append(plain_search(file, target))
            warm.append(pipeline(folder / "state", file, target))
    finally:
        local.down()
        shutil.rmtree(folder, ignore_errors=True)
    base = statistics.median(plain)
    print(f"{'plain script, both cores':38}{base:7.1f} s  ({min(plain):.1f} to {max(plain):.1f})")
    print(f"{'pipeline, first run':38}{cold:7.1f} s  {cold / base:5.2f} x the plain script")
    median = statistics.median(warm)
    print(f"{'pipeline, later runs':38}{median:7.1f} s  {median / base:5.2f} x the plain script")


if __name__ == "__main__":
    if len(sys.argv) > 2:
        main(Path(sys.argv[1]), sys.argv[2])
    else:
        main(TELCO if TELCO.exists() else None, "Churn")
