"""True outcomes on the emulated stack with IAM enforced: predict, tell what happened, look, and find both together."""

from __future__ import annotations

import csv
import json
import os
import random
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tidemill.aws.functions import Functions
from tidemill.aws.monitoring_files import MonitoringFiles
from tidemill.aws.objects import Objects
from tidemill.contracts import instant
from tidemill_cli.stack import Stack

pytestmark = [pytest.mark.integration, pytest.mark.main_path]

MODEL = "outcomes"
CALLS = 12
PATIENCE_SECONDS = 120
SPEC = {
    "target": "left",
    "candidates": ["baseline", "linear"],
    "folds": 2,
    "monitor": {"enabled": False, "key": "customer"},  # the stack's own schedule leaves it alone; this test looks
}


class Command:
    """The installed command on the session's stack."""

    def __init__(self, state: Path) -> None:
        self._state = state

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """What it prints on stdout."""
        done = subprocess.run(
            [sys.executable, "-c", "from tidemill_cli.main import main; main()", *arguments],
            env=os.environ | {"TIDEMILL_STATE": str(self._state)},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def command(stack: Stack, stack_state: Path, tmp_path_factory: pytest.TempPathFactory) -> Command:
    """The command, on a stack with a model."""
    folder, draw, run = tmp_path_factory.mktemp("outcomes"), random.Random(1), Command(stack_state)
    months = [draw.randrange(60) for _ in range(300)]
    rows = [(one, "yes" if draw.random() < 1 / (1 + (one / 20) ** 3) else "no") for one in months]
    table(folder / "customers.csv", ("months", "left"), rows)
    (folder / "spec.json").write_text(json.dumps(SPEC))
    run("train", f"{folder}/customers.csv", "--project", MODEL, "--spec", f"{folder}/spec.json", "--json")
    return run


def table(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def ask(url: str, key: str, months: int, customer: str) -> str:
    """Ask for a prediction; returns its id."""
    request = urllib.request.Request(
        f"{url}/v1/models/{MODEL}:predict",
        json.dumps({"instances": [{"months": months}]}).encode(),
        {"x-api-key": key, "x-tidemill-key": customer, "content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return str(answer.headers["x-tidemill-prediction-id"])


def test_outcomes_find_their_predictions_by_id_and_by_key(stack: Stack, command: Command, tmp_path: Path) -> None:
    url, key = command("url").strip(), command("url", "--key").strip()
    ids = [ask(url, key, 5 * number, f"customer-{number}") for number in range(CALLS)]
    by_id = table(tmp_path / "by_id.csv", ("prediction_id", "left"), [(one, "yes") for one in ids[:5]])
    by_key = table(
        tmp_path / "by_key.csv", ("customer", "left"), [(f"customer-{number}", "no") for number in range(4, CALLS)]
    )
    told = [json.loads(command("actuals", str(path), "--model", MODEL, "--json")) for path in (by_id, by_key)]
    assert [(one["by_column"], one["rows"], one["refused"]) for one in told] == [
        ("prediction_id", 5, 0),
        ("customer", CALLS - 4, 0),
    ]
    refused = table(tmp_path / "refused.csv", ("who", "left"), [("x", "yes")])
    assert "no column 'prediction_id'" in command("actuals", str(refused), "--model", MODEL, "--json", code=2)

    functions, files = (
        Functions(stack.client("lambda")),
        MonitoringFiles(stack.outputs["ArtifactBucket"], Objects(stack.client("s3"))),
    )
    captures, deadline = 0, time.monotonic() + PATIENCE_SECONDS
    while captures < CALLS and time.monotonic() < deadline:
        due = {"model": MODEL, "at": instant(datetime.now(UTC)), "by": "test", "force": True}
        captures += functions.invoke(f"{stack.name}-summarize", {"due": due})["captures"]
        time.sleep(0.5)
    assert captures == CALLS
    rows = files.newest_labelled(MODEL, 100)
    assert {row["id"]: row["actual"] for row in rows} == {
        one: "yes" if number < 4 else "no" for number, one in enumerate(ids)
    }
    hours = files.labelled_hours(MODEL)
    assert sum(item.rows for hour in hours for item in files.labelled(MODEL, hour)) == CALLS
