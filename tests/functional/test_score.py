"""Batch scoring against moto, from the upload to the scored table, beside the endpoint's answers to the same rows."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import boto3
import pytest

from tidemill import keys
from tidemill.aws.objects import Objects
from tidemill.aws.registry import Registry
from tidemill.contracts import ScoringRun, Source, to_json
from tidemill.errors import DataRefused

ROOT = Path(__file__).parents[2]
EVENTS = ROOT / "tests" / "events"
DATA, ARTIFACTS = "tidemill-data", "tidemill-artifacts"
NOW = "2026-01-02T03:04:05Z"

#: Rows as they stand in a file, and the same values as an application asks with them.
ROWS: list[tuple[tuple[str, ...], tuple[Any, ...]]] = [
    (("3", "29.85", "Monthly", "false", "2025-11-03"), (3, 29.85, "Monthly", False, "2025-11-03")),
    (("72", "", "", "", ""), (72, None, None, None, None)),
    (("0", "NA", "Weekly", "true", "2019-02-28"), (0, None, "Weekly", True, "2019-02-28")),
    (("41", "100", "TwoYears", "TRUE", "2024-12-31"), (41, 100, "TwoYears", True, "2024-12-31")),
    (("5.0", "0.1", 'a "b", c', "false", "2020-01-01"), (5.0, 0.1, 'a "b", c', False, "2020-01-01")),
    (("16777217", "1e-30", "Yearly", "true", "1999-12-31"), (16777217, 1e-30, "Yearly", True, "1999-12-31")),
    (("12", "?", " Yearly ", "-", "null"), (12, "?", " Yearly ", "-", "null")),
    (("29", "70.35", "é ü", "false", "2022-05-14"), (29, 70.35, "é ü", False, "2022-05-14")),
]
INPUTS = ("tenure", "monthly", "contract", "senior", "joined")
INSTANCES = [dict(zip(INPUTS, values, strict=True)) for _, values in ROWS]
HEADER = ("id", *INPUTS, "Churn")


def table(delimiter: str = ",") -> bytes:
    """The rows as a file, with an id and the target beside what the model needs."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow(HEADER)
    writer.writerows((f"{number:04d}", *cells, "No") for number, (cells, _) in enumerate(ROWS))
    return text.getvalue().encode()


@pytest.fixture
def environment(churn: int, table: str, wire: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Model churn with one version, the champion; and the settings of every function."""
    queue = boto3.client("sqs").create_queue(QueueName="captures")["QueueUrl"]
    values = {
        "ARTIFACT_BUCKET": ARTIFACTS,
        "DATA_BUCKET": DATA,
        "TABLE": table,
        "FEATURES_TABLE": "tidemill-features",
        "CAPTURE_QUEUE": queue,
        "ALIAS_SECONDS": "5",
        "MAX_UPLOAD_MB": "10",
        "SLICE_ROWS": "3",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)


def app(stage: str) -> ModuleType:
    specification = importlib.util.spec_from_file_location(f"{stage}_app", ROOT / "functions" / stage / "app.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def upload(objects: Objects, data: bytes, file: str = "may.csv") -> ScoringRun:
    """What intake makes of an upload."""
    key = keys.to_score("churn", file)
    objects.put(DATA, key, data)
    head = objects.head(DATA, key)
    run_id = keys.run_id(DATA, key, head.version_id, head.etag)
    return ScoringRun(run_id, "churn", Source(DATA, key, head.version_id, head.etag, head.size), NOW, "someone")


def run_all(run: ScoringRun, objects: Objects) -> dict[str, Any]:
    """What the state machine does; returns Merged."""
    planned = app("plan").handler({"run": to_json(run)}, None)
    score = app("score").handler
    manifest = json.loads(objects.get(planned["manifest_bucket"], planned["manifest_key"]))
    scored = [score({"slice": item}, None) for item in manifest]
    assert sum(item["rows"] for item in scored) == planned["rows"]
    merged: dict[str, Any] = app("merge").handler({"run": to_json(run), "planned": planned}, None)
    return merged


def scored_rows(objects: Objects, merged: dict[str, Any]) -> list[list[str]]:
    text = objects.get(merged["bucket"], merged["key"]).decode()
    return list(csv.reader(io.StringIO(text, newline="")))


def asked() -> list[dict[str, Any]]:
    """The endpoint's answers to the same rows, in one call."""
    event = json.loads((EVENTS / "api_predict_rows.json").read_text())
    event["body"] = json.dumps({"instances": INSTANCES})
    answer = app("predict").handler(event, SimpleNamespace(aws_request_id="call"))
    assert answer["statusCode"] == 200, answer
    predictions: list[dict[str, Any]] = json.loads(answer["body"], parse_float=str)["predictions"]
    return predictions


@pytest.mark.usefixtures("environment")
def test_a_scored_table_equals_the_endpoint_s_answers_digit_for_digit(objects: Objects) -> None:
    merged = run_all(upload(objects, table()), objects)
    header, *rows = scored_rows(objects, merged)
    assert header == [*HEADER, "prediction", "probability_No", "probability_Yes"]
    assert [row[-3:] for row in rows] == [[answer["label"], *answer["probabilities"]] for answer in asked()]
    assert len({row[-1] for row in rows}) == len(ROWS)


@pytest.mark.usefixtures("environment")
def test_uploaded_cells_come_back_as_they_were_in_their_order(objects: Objects) -> None:
    merged = run_all(upload(objects, table()), objects)
    expected = {"bucket": DATA, "key": "scored/churn/may.csv", "rows": len(ROWS), "version": 1, "absent": []}
    assert expected.items() <= merged.items()
    _, *rows = scored_rows(objects, merged)
    assert [tuple(row[:-3]) for row in rows] == [(f"{n:04d}", *cells, "No") for n, (cells, _) in enumerate(ROWS)]


@pytest.mark.usefixtures("environment")
def test_each_of_two_uploads_of_one_name_finds_its_own_result(objects: Objects) -> None:
    first = run_all(upload(objects, table()), objects)
    run_all(upload(objects, b"".join(table().splitlines(keepends=True)[:3])), objects)
    assert len(objects.get(DATA, first["key"], first["version_id"]).splitlines()) == 1 + len(ROWS)
    assert len(objects.get(DATA, first["key"]).splitlines()) == 3


@pytest.mark.usefixtures("environment")
def test_every_format_gives_the_same_predictions(objects: Objects) -> None:
    expected = [row[-3:] for row in scored_rows(objects, run_all(upload(objects, table()), objects))]
    tabs = run_all(upload(objects, table("\t"), "tabs.tsv"), objects)
    lines = run_all(
        upload(objects, "".join(json.dumps(row) + "\n" for row in INSTANCES).encode(), "lines.jsonl"), objects
    )
    assert tabs["key"] == "scored/churn/tabs.csv"
    assert [row[-3:] for row in scored_rows(objects, tabs)] == expected
    assert [row[-3:] for row in scored_rows(objects, lines)] == expected


@pytest.mark.usefixtures("environment")
def test_scoring_an_upload_twice_leaves_what_scoring_once_leaves(objects: Objects) -> None:
    run = upload(objects, table())

    def written() -> dict[str, bytes]:
        found = [(DATA, head.key) for head in objects.list(DATA, "")] + [
            (ARTIFACTS, head.key) for head in objects.list(ARTIFACTS, "")
        ]
        return {f"{bucket}/{key}": objects.get(bucket, key) for bucket, key in found}

    run_all(run, objects)
    once = written()
    run_all(run, objects)
    assert written() == once


@pytest.mark.usefixtures("environment")
def test_all_slices_use_the_version_that_was_champion_when_the_run_began(objects: Objects, registry: Registry) -> None:
    run = upload(objects, table())
    planned = app("plan").handler({"run": to_json(run)}, None)
    second = registry.create_version(
        "churn",
        "e" * 32,
        onnx_sha256="1",
        dataset_version="d",
        task="binary",
        metric="roc_auc",
        value=0.9,
        at=NOW,
        actor="x",
    )
    registry.move_alias("churn", "champion", second, 1, "x", "second", NOW)
    manifest = json.loads(objects.get(planned["manifest_bucket"], planned["manifest_key"]))
    for item in manifest:
        app("score").handler({"slice": item}, None)
    merged = app("merge").handler({"run": to_json(run), "planned": planned}, None)
    assert merged["version"] == 1


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("data", "words"),
    [(b"\x89PNG\r\n\x1a\n" + bytes(100), "table|text"), (b"id,contract\n1,Monthly\n", "tenure")],
    ids=["no table", "no required column"],
)
def test_what_cannot_be_scored_is_refused_and_nothing_appears(objects: Objects, data: bytes, words: str) -> None:
    with pytest.raises(DataRefused, match=words):
        run_all(upload(objects, data), objects)
    assert list(objects.list(DATA, "scored/")) == []
