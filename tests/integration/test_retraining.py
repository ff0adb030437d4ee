"""A training that production asks for, on the emulated stack with IAM enforced: watch, decide, compose, run, report."""

from __future__ import annotations

import csv
import gzip
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tidemill import keys
from tidemill.aws.functions import Functions
from tidemill.aws.monitoring_files import MonitoringFiles
from tidemill.aws.monitoring_records import MonitoringRecords
from tidemill.aws.objects import Objects
from tidemill.aws.registry import Registry
from tidemill.aws.release_records import ReleaseRecords
from tidemill.aws.retraining_records import RetrainingRecords
from tidemill.contracts import Capture, RunDocument, instant, loads, to_json
from tidemill.errors import NotFound
from tidemill.monitoring_contracts import Due, Finding, Labelled, MonitorPoint
from tidemill_cli.stack import Stack

pytestmark = pytest.mark.integration

R = TypeVar("R")
MODEL = "again"
ROWS, LABELS = 400, 120
PATIENCE_SECONDS = 240
SPEC = {
    "target": "left",
    "candidates": ["baseline", "linear"],
    "folds": 2,
    "monitor": {
        "enabled": False,  # the stack's own schedule leaves it alone; this test looks
        "rules": [{"when": ["drift"], "severity": "alert", "do": ["retrain", "review", "freeze", "alert"]}],
    },
    "retraining": {"data": "drifted_plus_old", "min_new_rows": 60},
}


def customers(count: int, seed: int, shift: float) -> list[tuple[int, str, str]]:
    """Months, plan, and whether the customer left."""
    draw = random.Random(seed)
    months = [max(0, round(draw.gauss(30 + shift, 12))) for _ in range(count)]
    leaves = [draw.random() < 1 / (1 + (one / 20) ** 3) for one in months]
    return [
        (one, draw.choice(("basic", "plus")), "yes" if gone else "no") for one, gone in zip(months, leaves, strict=True)
    ]


def until(read: Callable[[], R | None]) -> R:
    """What `read` gives once it gives something."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if (found := read()) is not None:
            return found
        time.sleep(0.5)
    raise AssertionError(f"nothing has come within {PATIENCE_SECONDS} seconds")


@pytest.fixture(scope="module")
def document(stack: Stack, stack_state: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDocument:
    """The model, trained on a table that a person has uploaded."""
    folder = tmp_path_factory.mktemp("retraining")
    with (folder / "customers.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("months", "plan", "left"), *customers(ROWS, 1, 0)])
    (folder / "spec.json").write_text(json.dumps(SPEC))
    arguments = ["train", f"{folder}/customers.csv", "--project", MODEL, "--spec", f"{folder}/spec.json", "--json"]
    done = subprocess.run(
        [sys.executable, "-c", "from tidemill_cli.main import main; main()", *arguments],
        env=os.environ | {"TIDEMILL_STATE": str(stack_state)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return loads(RunDocument, done.stdout)


def produce(stack: Stack, now: datetime, version: int) -> None:
    """An hour of predictions whose outcome is known, as watching leaves it, and the finding that came of it."""
    bucket, objects = stack.outputs["ArtifactBucket"], Objects(stack.client("s3"))
    hour, at = instant(now)[:13], instant(now)
    rows = [
        {"at": at, "id": f"p{place}", "version": version, "shadow": False, "alias": "champion", "actual": left}
        | {"inputs": {"months": months, "plan": plan}, "output": None, "scale": None, "ledger": ""}
        for place, (months, plan, left) in enumerate(customers(LABELS, 2, 25))
    ]
    counted = Labelled(MODEL, version, at, at, rows=LABELS)
    MonitoringFiles(bucket, objects).put_labelled(MODEL, hour, (counted,), rows)
    said = {"label": "no", "probabilities": [0.52, 0.48]}
    captures = [Capture(row["id"], at, MODEL, version, row["inputs"], said, "champion") for row in rows]
    lines = "".join(json.dumps(to_json(one)) + "\n" for one in captures).encode()
    objects.put(bucket, keys.captures(MODEL, at, "made"), gzip.compress(lines))
    found = Finding("drift", "alert", "months", "the share of values below 30 fell from 50.0% to 4.0%", since=at)
    start = instant(now - timedelta(hours=1))
    records = MonitoringRecords(stack.client("dynamodb"), stack.outputs["Table"])
    records.put_point(MonitorPoint(MODEL, version, start, at, LABELS, True, findings=(found,)))


def test_drift_becomes_a_training_run_that_says_why(stack: Stack, document: RunDocument) -> None:
    assert document.model is not None
    table, dynamodb = stack.outputs["Table"], stack.client("dynamodb")
    registry, functions = Registry(dynamodb, table), Functions(stack.client("lambda"))
    decisions, retrainings = MonitoringRecords(dynamodb, table), RetrainingRecords(dynamodb, table)
    now = datetime.now(UTC) + timedelta(seconds=1)
    produce(stack, now, document.model.version)

    (due,) = functions.invoke(f"{stack.name}-watch", {"input": {"model": MODEL}})["due"]
    assert (due["model"], due["force"]) == (MODEL, True)
    decided = functions.invoke(f"{stack.name}-decide", {"due": to_json(Due(MODEL, instant(now)))})
    kept = {one.action: one for one in decisions.decisions(MODEL)}
    assert decided == {"decisions": 4, "acted": 4}, [one.reason for one in kept.values()]
    assert functions.invoke(f"{stack.name}-decide", {"due": to_json(Due(MODEL, instant(now)))})["acted"] == 0
    assert len(registry.reviews(MODEL)) == 20
    frozen = ReleaseRecords(dynamodb, table).freeze(MODEL)
    assert frozen is not None
    assert frozen.frozen

    def begun() -> Any:
        made = retrainings.retraining(MODEL, kept["retrain"].retraining or "")
        assert not made.problem
        return made if made.run_id and made.key else None

    made = until(begun)
    assert (made.rows_new, made.rows_old, made.trigger, made.by) == (LABELS, LABELS, "rule", "tidemill")

    def ended() -> RunDocument | None:
        try:
            record = registry.run(made.run_id)
        except NotFound:
            return None
        if record.document is None:
            return None
        return Objects(stack.client("s3")).get_contract(RunDocument, stack.outputs["ArtifactBucket"], record.document)

    run = until(ended)
    assert (run.started_by, run.source.rpartition("/")[2]) == ("tidemill", f"retraining-{made.id}.parquet")
    assert run.dataset is not None, run.reason
    assert run.dataset.rows == 2 * LABELS
    assert run.status in ("LIVE", "REFUSED_BY_GATE"), run.reason
    report = Objects(stack.client("s3")).get(stack.outputs["ArtifactBucket"], keys.run_report(run.run_id)).decode()
    assert "Why it was trained again" in report
    assert "values below 30 fell from 50.0% to 4.0%" in report
