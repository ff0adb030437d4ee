"""A shared feature set on the emulator, IAM enforced: put, joined in training, looked up by key, joined in a batch."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tidemill import keys
from tidemill.aws.objects import Objects
from tidemill.contracts import Lineage, Profile
from tidemill_cli.stack import Stack

pytestmark = pytest.mark.integration

CUSTOMERS = 120


def tidemill(state: Path, *arguments: str) -> Any:
    """The JSON document that the command prints."""
    done = subprocess.run(
        [sys.executable, "-c", "from tidemill_cli.main import main; main()", *arguments, "--json"],
        env=os.environ | {"TIDEMILL_STATE": str(state)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode in (0, 2), done.stdout + done.stderr
    return json.loads(done.stdout)


def write(path: Path, header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return str(path)


def lateness(customer: int, month: int) -> int:
    """A feature that changes every month, and decides what happens."""
    return (customer * 7 + month * 5) % 10


@pytest.fixture(scope="module")
def trained(stack: Stack, stack_state: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A feature set of two uploads, and a project that has nothing but its key and a time."""
    folder = tmp_path_factory.mktemp("features")
    header = ("customer_id", "as_of", "lateness", "region")
    months = {
        month: [
            (f"c{n:03}", f"2026-{month:02}-01", lateness(n, month), ("north", "south")[n % 2]) for n in range(CUSTOMERS)
        ]
        for month in range(1, 7)
    }
    spring = [row for month in (1, 2, 3) for row in months[month]]
    put = ("features", "put", "customers")
    first = tidemill(
        stack_state, *put, write(folder / "a.csv", header, spring), "--key", "customer_id", "--time", "as_of"
    )
    summer = [row for month in (4, 5, 6) for row in months[month]]
    second = tidemill(stack_state, *put, write(folder / "b.csv", header, summer))
    draw = random.Random(0)
    orders = []
    for _ in range(600):
        n, month, day = draw.randrange(CUSTOMERS), draw.randrange(1, 7), draw.randrange(1, 29)
        paid = "no" if lateness(n, month) >= 5 else "yes"
        orders.append((f"c{n:03}", f"2026-{month:02}-{day:02}", draw.randrange(1, 50), paid))
    table = write(folder / "orders.csv", ("customer_id", "ordered", "amount", "paid"), orders)
    spec = folder / "spec.json"
    spec.write_text(
        json.dumps(
            {
                "target": "paid",
                "id_columns": ["customer_id"],
                "ignore": ["ordered"],
                "candidates": ["baseline", "linear", "boosting_small"],
                "feature_sets": {"customers": {"key": "customer_id", "time": "ordered"}},
            }
        )
    )
    run = tidemill(stack_state, "train", table, "--project", "orders", "--spec", str(spec))
    return {"first": first, "second": second, "run": run, "folder": folder}


def test_tables_are_added_to_the_set(trained: dict[str, Any], stack_state: Path) -> None:
    first, second = trained["first"], trained["second"]
    assert (first["rows"], first["entities"], first["written"]) == (3 * CUSTOMERS, CUSTOMERS, CUSTOMERS)
    assert (second["rows"], second["entities"]) == (6 * CUSTOMERS, CUSTOMERS)
    (listed,) = tidemill(stack_state, "features")
    assert (listed["name"], listed["version"], listed["time"]) == ("customers", second["version"], "as_of")
    shown = tidemill(stack_state, "features", "show", "customers", "c007")
    assert shown["values"] == {"lateness": lateness(7, 6), "region": "south"}
    assert shown["known_since"] == "2026-06-01"


def test_the_model_learns_from_what_was_known_at_each_row_s_time(trained: dict[str, Any], stack: Stack) -> None:
    run = trained["run"]
    assert run["status"] == "LIVE", run["reason"]
    assert run["holdout"]["roc_auc"]["value"] > 0.99
    assert any(check["name"] == "feature_set" and "600 of 600" in check["detail"] for check in run["checks"])
    objects, bucket = Objects(stack.client("s3")), stack.outputs["ArtifactBucket"]
    lineage = objects.get_contract(Lineage, bucket, keys.model("orders", 1, "lineage.json"))
    assert lineage.feature_sets == {"customers": trained["second"]["version"]}
    profile = objects.get_contract(Profile, bucket, keys.model("orders", 1, "profile.json"))
    assert [c.name for c in profile.columns if c.feature_set] == ["customers__lateness", "customers__region"]


def answers(state: Path, *rows: dict[str, Any]) -> list[str]:
    return [tidemill(state, "predict", "orders", "--row", json.dumps(row))["predictions"][0]["label"] for row in rows]


def test_a_prediction_needs_the_key_only(trained: dict[str, Any], stack_state: Path) -> None:
    expected = ["no" if lateness(n, 6) >= 5 else "yes" for n in range(6)]
    assert answers(stack_state, *({"customer_id": f"c{n:03}", "amount": 20} for n in range(6))) == expected
    own = [{"customer_id": "c000", "amount": 20, "customers__lateness": late} for late in (0, 9)]
    assert answers(stack_state, *own) == ["yes", "no"]
    assert answers(stack_state, {"customer_id": "nobody", "amount": 20})[0] in ("yes", "no")


def test_a_table_to_score_needs_the_key_only(trained: dict[str, Any], stack_state: Path) -> None:
    folder = trained["folder"]
    rows = [(f"c{n:03}", 20) for n in range(CUSTOMERS)]
    table = write(folder / "new.csv", ("customer_id", "amount"), rows)
    out = folder / "scored.csv"
    tidemill(stack_state, "score", table, "--model", "orders", "--out", str(out))
    scored = list(csv.DictReader(io.StringIO(out.read_text())))
    assert [row["prediction"] for row in scored] == ["no" if lateness(n, 6) >= 5 else "yes" for n in range(CUSTOMERS)]


def test_a_table_that_is_none_of_the_set_is_refused(trained: dict[str, Any], stack: Stack, stack_state: Path) -> None:
    table = write(trained["folder"] / "bad.csv", ("customer_id", "as_of"), [("c001", "2026-07-01")])
    refused = tidemill(stack_state, "features", "put", "customers", table)
    assert refused["status"] == "REFUSED_DATA"
    assert "'lateness'" in refused["reason"]
    objects = Objects(stack.client("s3"))
    assert objects.exists(stack.outputs["DataBucket"], keys.quarantine("customers", "bad.csv"))
    shown = tidemill(stack_state, "features", "show", "customers", "c001")
    assert shown["values"]["lateness"] == lateness(1, 6)
    again = write(
        trained["folder"] / "c.csv",
        ("customer_id", "as_of", "lateness", "region"),
        [("c001", "2026-07-01", 9, "south")],
    )
    assert tidemill(stack_state, "features", "put", "customers", again)["written"] == 1
