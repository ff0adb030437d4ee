"""A look through the functions: captures are counted, windows compared, points and report kept."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tidemill import keys
from tidemill.aws import clients
from tidemill.aws.monitoring_records import MonitoringRecords
from tidemill.aws.objects import Objects
from tidemill.aws.registry import Registry
from tidemill.aws.traffic_records import TrafficRecords
from tidemill.contracts import (
    Capture,
    ColumnProfile,
    Histogram,
    InputField,
    Profile,
    Reading,
    Signature,
    to_json,
)
from tidemill.errors import NotFound
from tidemill.monitoring.reference import ReferenceRows
from tidemill.monitoring_contracts import Due, Finding, Reference
from tidemill.release_contracts import Share, Traffic

ARTIFACTS = "tidemill-artifacts"
MODEL = "churn"
LEVELS = tuple(range(0, 80, 8))
EDGES = (0.0, 0.25, 0.5, 0.75, 1.0)


@pytest.fixture
def model(objects: Objects, churn: int) -> int:
    """Model churn in service: tenure is evenly spread from 0 to 79, and what the model says follows it."""
    tenure = ColumnProfile(
        "tenure", "integer", "feature", 8000, 0, 80, 0.0, 79.0, 39.5, 23.1,
        histogram=Histogram((*(float(level) for level in LEVELS), 79.0), (800,) * 10),
    )  # fmt: skip
    signature = Signature(MODEL, "binary", "Churn", (InputField("tenure", "integer"),), ("No", "Yes"), "Yes")
    tenures = np.arange(1000, dtype=np.float32) % 80
    said = tenures.astype(np.float64) / 80
    reference = Reference(
        MODEL, "binary", 1000, "roc_auc", {"roc_auc": 0.8, "log_loss": 0.5, "accuracy": 0.7, "brier": 0.2},
        edges=EDGES, threshold=0.5, outputs={"Yes": (250,) * 4}, happened={"Yes": (30, 90, 160, 220)},
        labels={"No": 500, "Yes": 500}, importance={"tenure": 0.3}, trained_at="2026-03-01T00:00:00Z",
    )  # fmt: skip
    profile = Profile(8000, 0, (tenure,), Reading("csv", None, "utf-8", ",", '"', True, 1), "Churn", "binary")
    for version in (churn, churn + 1):
        objects.put_contract(ARTIFACTS, keys.model(MODEL, version, "signature.json"), signature)
        objects.put_contract(ARTIFACTS, keys.model(MODEL, version, "profile.json"), profile)
        objects.put_contract(ARTIFACTS, keys.model(MODEL, version, "reference.json"), reference)
        rows = ReferenceRows({"tenure": tenures}, {"Yes": said}, (said > 0.5).astype(np.float64))
        objects.put(ARTIFACTS, keys.model(MODEL, version, "reference.npz"), rows.save())
    return churn


@pytest.fixture
def look(stage: Callable[..., ModuleType], objects: Objects, table: str) -> Callable[..., dict[str, Any]]:
    """Runs summarize and monitor as the state machine does."""
    summarize = stage("summarize", artifact_bucket=ARTIFACTS, table=table)
    monitor = stage("monitor", artifact_bucket=ARTIFACTS, table=table, predict_memory_mb="1024")

    def run(at: str, force: bool = False) -> dict[str, Any]:
        event = {"due": to_json(Due(MODEL, at, force=force))}
        while summarize.handler(event, None)["more"]:
            pass
        answer: dict[str, Any] = monitor.handler(event, None)
        assert monitor.handler(event | {"report": True}, None) == {}
        return answer

    return run


@pytest.fixture
def records(table: str) -> MonitoringRecords:
    return MonitoringRecords(clients.dynamodb(), table)


def ask(objects: Objects, hour: str, rows: int = 400, lowest: int = 0, **others: Any) -> None:
    """Captures of one hour, as the capture function writes them."""
    lines = []
    for number in range(rows):
        tenure = max(number * 7 % 80, lowest)
        answer = {"label": "Yes" if tenure >= 40 else "No", "probabilities": [1 - tenure / 80, tenure / 80]}
        fields: dict[str, Any] = {"version": 1, "alias": "champion", "ms": 3.0} | others
        name = f"{hour}-{number}-{fields['version']}"
        capture = Capture(name, f"{hour}:30:00Z", MODEL, inputs={"tenure": tenure}, prediction=answer, **fields)
        lines.append(json.dumps(to_json(capture)) + "\n")
    name = f"{hour[-2:]}-{others.get('version', 1)}"
    objects.put(ARTIFACTS, keys.captures(MODEL, f"{hour}:00:00Z", name), gzip.compress("".join(lines).encode()))


def test_a_window_like_the_reference(
    look: Callable[..., dict[str, Any]], objects: Objects, records: MonitoringRecords, model: int
) -> None:
    ask(objects, "2026-03-04T04")
    assert look("2026-03-04T05:10:00Z") == {"points": 1, "findings": 0}
    point = records.newest_point(MODEL)
    assert point is not None
    assert (point.end, point.rows, point.version) == ("2026-03-04T05:00:00Z", 400, model)
    assert [feature.name for feature in point.features] == ["tenure"]
    assert point.prediction is not None
    assert point.domain_auc is not None
    assert point.quality[0].kind == "estimated"
    assert point.usd > 0


def test_a_window_that_has_moved_is_told_in_the_report(
    look: Callable[..., dict[str, Any]], objects: Objects, records: MonitoringRecords, model: int
) -> None:
    ask(objects, "2026-03-04T04", lowest=50)
    look("2026-03-04T05:10:00Z")
    point = records.newest_point(MODEL)
    assert point is not None
    assert ("drift", "alert", "tenure") in {(item.kind, item.severity, item.subject) for item in point.findings}
    page = objects.get(ARTIFACTS, keys.monitor_report(MODEL)).decode()
    told: Finding = next(item for item in point.findings if item.subject == "tenure")
    assert told.since == "2026-03-04T05:00:00Z"
    assert "tenure" in page


def test_the_figures_go_to_the_log(
    look: Callable[..., dict[str, Any]], objects: Objects, model: int, capsys: pytest.CaptureFixture[str], table: str
) -> None:
    ask(objects, "2026-03-04T04")
    look("2026-03-04T05:10:00Z")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith('{"_aws"')]
    assert [line.get("model") for line in lines] == [MODEL, None]
    assert (lines[0]["Predictions"], lines[0]["service"]) == (400, table)


def test_looking_twice_is_looking_once(
    look: Callable[..., dict[str, Any]], objects: Objects, records: MonitoringRecords, model: int
) -> None:
    ask(objects, "2026-03-04T04")
    look("2026-03-04T05:10:00Z")
    before = records.points(MODEL)
    assert look("2026-03-04T05:20:00Z") == {"points": 0, "findings": 0}
    assert records.points(MODEL) == before


def test_a_share_of_the_traffic_has_windows_of_its_own(
    look: Callable[..., dict[str, Any]],
    objects: Objects,
    records: MonitoringRecords,
    registry: Registry,
    table: str,
    model: int,
) -> None:
    objects.put(ARTIFACTS, keys.project_spec(MODEL), b'{"monitor": {"window": {"rows": 300}}}')
    registry.create_version(
        MODEL, "e" * 32, onnx_sha256="1", dataset_version="d", task="binary", metric="roc_auc", value=0.8,
        at="2026-03-01T00:00:00Z", actor="x",
    )  # fmt: skip
    traffic = TrafficRecords(clients.dynamodb(), table)
    traffic.set_traffic(Traffic(MODEL, (Share(model + 1, 0.5),)), None, "ada", "try", "2026-03-04T04:00:00Z")
    ask(objects, "2026-03-04T04")
    ask(objects, "2026-03-04T04", rows=350, version=model + 1, why="split")
    look("2026-03-04T04:40:00Z")
    assert sorted((point.version, point.rows >= 300) for point in records.points(MODEL)) == [
        (model, True),
        (model + 1, True),
    ]


def test_another_kind_of_window_counts_from_the_next_look_on(
    look: Callable[..., dict[str, Any]], objects: Objects, records: MonitoringRecords, model: int
) -> None:
    ask(objects, "2026-03-04T04", lowest=50)
    look("2026-03-04T04:40:00Z", force=True)
    objects.put(ARTIFACTS, keys.project_spec(MODEL), b'{"monitor": {"window": {"rows": 300}}}')
    look("2026-03-04T04:45:00Z", force=True)
    point = records.newest_point(MODEL)
    assert point is not None
    assert (point.rows, point.by_rows, point.end) == (400, True, "2026-03-04T04:40:01Z")
    # the window of time was looked at early, and the one by rows has taken its place
    assert {item.since for item in point.findings} == {"2026-03-04T04:40:00Z"}
    assert [each.end for each in records.points(MODEL, model) if each.rows] == [point.end]
    objects.delete(ARTIFACTS, keys.project_spec(MODEL))  # type: ignore[arg-type]
    look("2026-03-04T04:50:00Z", force=True)
    again = records.newest_point(MODEL)
    assert again is not None
    assert (again.rows, again.by_rows, again.end) == (400, False, "2026-03-04T04:50:00Z")


def test_a_version_of_former_times_is_looked_at_too(
    look: Callable[..., dict[str, Any]], objects: Objects, records: MonitoringRecords, model: int
) -> None:
    for file in ("reference.json", "reference.npz"):
        objects.delete(ARTIFACTS, keys.model(MODEL, model, file))  # type: ignore[arg-type]
    ask(objects, "2026-03-04T04", lowest=50)
    look("2026-03-04T05:10:00Z")
    point = records.newest_point(MODEL)
    assert point is not None
    assert {item.kind for item in point.findings} == {"drift"}
    assert (point.prediction, point.domain_auc, point.quality) == (None, None, ())


def test_a_model_without_a_version_in_service_is_an_error_that_says_so(
    look: Callable[..., dict[str, Any]], objects: Objects
) -> None:
    with pytest.raises(NotFound, match="there is no model 'churn' in service"):
        look("2026-03-04T05:10:00Z")
