"""Uploads and what they start, from events as S3 sends them."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import boto3
import pytest

from tidemill import keys
from tidemill.aws import executions
from tidemill.aws.objects import Objects
from tidemill.aws.registry import Registry
from tidemill.contracts import Refusal, Run, ScoringRun, from_json
from tidemill.errors import StorageError

DATA, ARTIFACTS = "tidemill-data", "tidemill-artifacts"
KEY = "incoming/churn/telco churn (März).csv"


@pytest.fixture
def intake(
    stage: Callable[..., ModuleType], objects: Objects, registry: Registry, machines: dict[str, str]
) -> ModuleType:
    return stage(
        "intake",
        artifact_bucket=ARTIFACTS,
        table="tidemill",
        training_state_machine=machines["training"],
        scoring_state_machine=machines["scoring"],
        features_state_machine=machines["features"],
    )


def started(machine: str) -> list[Any]:
    """Inputs of the machine's executions, by name."""
    client = boto3.client("stepfunctions")
    found = client.list_executions(stateMachineArn=machine)["executions"]
    inputs = [json.loads(client.describe_execution(executionArn=one["executionArn"])["input"]) for one in found]
    assert [one["name"] for one in found] == [item["run"]["run_id"] for item in inputs]
    return inputs


def test_an_upload_starts_one_run_however_often_its_event_comes(
    intake: ModuleType, machines: dict[str, str], registry: Registry, objects: Objects, event: Callable[[str], Any]
) -> None:
    for _ in range(3):
        intake.handler(event("s3_put"), None)
    (value,) = started(machines["training"])
    run = from_json(Run, value["run"])
    assert (run.project, run.source.key, run.source.size) == ("churn", KEY, 977501)
    assert (run.started_at, run.started_by) == ("2026-03-04T05:06:07Z", "AWS:AIDAJDPLRKLG7UEXAMPLE")
    assert run.run_id == keys.run_id(DATA, KEY, run.source.version_id, run.source.etag)
    assert [record.run_id for record in registry.runs()] == [run.run_id]
    assert objects.get(ARTIFACTS, keys.run_spec(run.run_id)) == b"{}"
    assert started(machines["scoring"]) == []


def test_a_run_keeps_the_spec_that_the_project_had(
    intake: ModuleType, objects: Objects, registry: Registry, event: Callable[[str], Any]
) -> None:
    objects.put(ARTIFACTS, keys.project_spec("churn"), b'{"target": "Churn"}')
    intake.handler(event("s3_put"), None)
    objects.put(ARTIFACTS, keys.project_spec("churn"), b'{"target": "Other"}')
    intake.handler(event("s3_put"), None)
    (record,) = registry.runs()
    assert objects.get(ARTIFACTS, keys.run_spec(record.run_id)) == b'{"target": "Churn"}'


def test_an_event_that_was_cut_off_halfway_starts_the_run_the_next_time(
    intake: ModuleType, machines: dict[str, str], registry: Registry, event: Callable[[str], Any], monkeypatch: Any
) -> None:
    def refuses(*_: Any) -> None:
        raise StorageError("could not start")

    with monkeypatch.context() as patch:
        patch.setattr(executions.Executions, "start", refuses)
        with pytest.raises(StorageError):
            intake.handler(event("s3_put"), None)
    assert len(registry.runs()) == 1
    intake.handler(event("s3_put"), None)
    assert len(started(machines["training"])) == 1


def test_each_record_of_an_event_goes_its_own_way(
    intake: ModuleType, machines: dict[str, str], objects: Objects, event: Callable[[str], Any]
) -> None:
    several = event("s3_several")
    for record in several["Records"]:
        item = record["s3"]["object"]
        if "Churn" in item["key"] or item["key"] == "incoming/c.csv":
            objects.put(DATA, item["key"].replace("+", " "), item["key"].encode())
            head = objects.head(DATA, item["key"].replace("+", " "))
            item.update(versionId=head.version_id, eTag=head.etag)
    for _ in range(2):
        intake.handler(several, None)
    assert [item["run"]["source"]["key"] for item in started(machines["training"])] == ["incoming/churn/a.csv"]
    (scoring,) = started(machines["scoring"])
    assert from_json(ScoringRun, scoring["run"]).model == "churn"
    left = [head.key for head in objects.list(DATA, "")]
    assert left == [
        "quarantine/_/incoming/Churn 2026/b.csv",
        "quarantine/_/incoming/Churn 2026/b.csv.reason.json",
        "quarantine/_/incoming/c.csv",
        "quarantine/_/incoming/c.csv.reason.json",
    ]
    assert objects.get(DATA, left[0]) == b"incoming/Churn+2026/b.csv"
    assert "'Churn 2026' must be 1 to 63" in objects.get_contract(Refusal, DATA, left[1]).reason
    assert "incoming/<project>/<file>" in objects.get_contract(Refusal, DATA, left[3]).reason


def test_the_test_event_of_s3_starts_nothing(
    intake: ModuleType, machines: dict[str, str], event: Callable[[str], Any]
) -> None:
    intake.handler(event("s3_test"), None)
    assert started(machines["training"]) == []
