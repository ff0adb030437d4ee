"""Functions whose services refuse or fall silent: what is kept, what comes again, what the next try finishes."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import boto3
import pytest

from tidemill import keys
from tidemill.aws import clients
from tidemill.aws.monitoring_records import MonitoringRecords
from tidemill.aws.objects import Objects
from tidemill.aws.registry import Registry
from tidemill.contracts import Capture, DatasetRef, Run, Validated, to_json
from tidemill.errors import StorageError
from tidemill.monitoring_contracts import Due, Finding, MonitorPoint
from tidemill.release_contracts import RolloutRequest

from .conftest import ARTIFACTS, DATA, Faults, Inbox

AT = "2026-03-04T12:00:00Z"
EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:training:none"


@pytest.fixture
def environment(faults: Faults, topic: str, bus: str, table: str, inbox: Inbox) -> dict[str, str]:
    """Settings of every function. The faults come first, so that their clients are new."""
    return {
        **{"artifact_bucket": ARTIFACTS, "data_bucket": DATA, "table": table, "features_table": "tidemill-features"},
        **{"topic": topic, "event_bus": bus, "api_url": "https://api.test", "retrain_function": "retrain"},
        **{"shadow_queue": inbox.url, "capture_queue": inbox.url, "alias_seconds": "0", "max_upload_mb": "10"},
    }


# --- batches of queues ---------------------------------------------------------------------------


def messages(*captures: Capture) -> dict[str, Any]:
    """One message for each."""
    records = [{"messageId": item.prediction_id, "body": json.dumps([to_json(item)])} for item in captures]
    return {"Records": records}


def capture(name: str, model: str = "churn", **more: Any) -> Capture:
    said = {"label": "No", "probabilities": [0.6, 0.4]}
    return Capture(name, AT, model, 1, {"tenure": 3}, said, "champion", **more)


def again(answer: dict[str, Any]) -> list[str]:
    return [item["itemIdentifier"] for item in answer["batchItemFailures"]]


def test_of_a_batch_only_what_could_not_be_written_comes_again(
    stage: Callable[..., ModuleType], environment: dict[str, str], objects: Objects, faults: Faults
) -> None:
    handler = stage("capture", **environment).handler
    batch = messages(capture("a"), capture("b", "houses"), capture("c", "shops"))
    faults.refuse("s3.PutObject", "KMS.DisabledException", times=1, after=1)
    assert again(handler(batch, None)) == ["b"]
    assert {head.key.split("/")[1] for head in objects.list(ARTIFACTS, "captures/")} == {"churn", "shops"}
    assert again(handler({"Records": batch["Records"][1:2]}, None)) == []
    assert len(list(objects.list(ARTIFACTS, "captures/"))) == 3


def test_a_review_that_cannot_be_opened_brings_the_message_again_and_then_opens_it_once(
    stage: Callable[..., ModuleType], environment: dict[str, str], registry: Registry, objects: Objects, faults: Faults
) -> None:
    handler = stage("capture", **environment).handler
    batch = messages(capture("a", review=True))
    faults.throttle("dynamodb.PutItem", times=clients.PATIENT.attempts)
    faults.throttle("dynamodb.TransactWriteItems", times=clients.PATIENT.attempts)
    assert again(handler(batch, None)) == ["a"]
    faults.reset()
    for _ in range(2):
        assert again(handler(batch, None)) == []
    assert [review.prediction_id for review in registry.reviews("churn")] == ["a"]
    assert len(list(objects.list(ARTIFACTS, "captures/"))) == 1


def test_copies_that_the_queue_refuses_cost_no_capture(
    stage: Callable[..., ModuleType], environment: dict[str, str], objects: Objects, faults: Faults, inbox: Inbox
) -> None:
    faults.refuse("sqs.SendMessage", "KmsAccessDenied")
    batch = messages(capture("a", shadow=2), capture("b", shadow=2))
    assert again(stage("capture", **environment).handler(batch, None)) == []
    assert faults.sent["sqs.SendMessage"] == 1
    assert len(list(objects.list(ARTIFACTS, "captures/"))) == 1
    assert inbox.read() == []


def test_a_copy_whose_answer_cannot_be_sent_comes_again(
    stage: Callable[..., ModuleType],
    environment: dict[str, str],
    churn: int,
    buckets: None,
    faults: Faults,
    inbox: Inbox,
) -> None:
    handler = stage("shadow", **environment).handler
    batch = messages(capture("a", shadow=churn), capture("b", shadow=churn))
    faults.refuse("sqs.SendMessage", "OverLimit", times=1)
    assert again(handler(batch, None)) == ["a"]
    assert [row["prediction_id"] for (row,) in inbox.read()] == ["b"]


# --- telling people ------------------------------------------------------------------------------


FOUND = Finding("drift", "alert", "tenure", "the share of values below 3 rose", since=AT)


def test_an_alert_that_the_topic_may_not_encrypt_still_reaches_the_bus_and_says_so(
    stage: Callable[..., ModuleType],
    environment: dict[str, str],
    registry: Registry,
    objects: Objects,
    churn: int,
    faults: Faults,
    inbox: Inbox,
) -> None:
    spec = {"monitor": {"rules": [{"when": ["drift"], "do": ["alert"]}]}}
    objects.put(ARTIFACTS, keys.project_spec("churn"), json.dumps(spec).encode())
    records = MonitoringRecords(clients.dynamodb(), "tidemill")
    records.put_point(MonitorPoint("churn", churn, "2026-03-04T11:00:00Z", AT, 500, True, findings=(FOUND,)))
    faults.refuse("sns.Publish", "KMSAccessDenied")
    stage("decide", **environment).handler({"due": to_json(Due("churn", AT))}, None)
    (decision,) = records.decisions("churn")
    assert "KMSAccessDenied" in decision.problem
    assert [event["detail-type"] for event in inbox.read()] == ["Monitor finding"]


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ("sns.Publish", "KMSAccessDenied"),
        ("eventbridge.PutEvents", "AccessDeniedException"),
        ("s3.PutObject", "AccessDenied"),
        ("dynamodb.PutItem", "AccessDeniedException"),
    ],
)
def test_a_conclusion_that_breaks_is_finished_by_the_next_try(
    stage: Callable[..., ModuleType],
    environment: dict[str, str],
    trained: Run,
    registry: Registry,
    objects: Objects,
    faults: Faults,
    operation: str,
    code: str,
) -> None:
    handler = stage("conclude", **environment).handler
    failure = {"stage": "evaluate", "error": "GateRefused", "cause": json.dumps({"errorMessage": "too weak"})}
    event = {"run": to_json(trained), "failure": failure, "execution": EXECUTION}
    faults.refuse(operation, code, times=1)
    with pytest.raises(StorageError, match=code):
        handler(event, None)
    assert handler(event, None)["status"] == "REFUSED_BY_GATE"
    assert registry.run(trained.run_id).status == "REFUSED_BY_GATE"
    assert objects.exists(ARTIFACTS, keys.run_report(trained.run_id))


@pytest.mark.parametrize(
    ("operation", "code"),
    [("dynamodb.PutItem", "AccessDeniedException"), ("sns.Publish", "KMSAccessDenied"), ("s3.PutObject", "SlowDown")],
)
def test_the_end_of_a_rollout_that_breaks_is_told_once_by_the_next_try(
    stage: Callable[..., ModuleType],
    environment: dict[str, str],
    trained: Run,
    registry: Registry,
    objects: Objects,
    faults: Faults,
    inbox: Inbox,
    operation: str,
    code: str,
) -> None:
    stage("register", **environment).handler({"run": to_json(trained)}, None)
    handler = stage("conclude", **environment).handler
    handler({"run": to_json(trained), "failure": None, "rolling_out": True, "execution": EXECUTION}, None)
    inbox.read()
    request = RolloutRequest(trained.run_id, "churn", 1, trained.run_id, "ada", "better")
    faults.refuse(operation, code, times=clients.PATIENT.attempts if code == "SlowDown" else 1)
    with pytest.raises(StorageError, match=code):
        handler({"rollout": to_json(request), "failure": None}, None)
    for _ in range(2):
        assert handler({"rollout": to_json(request), "failure": None}, None)["status"] == "LIVE"
    assert registry.run(trained.run_id).status == "LIVE"
    assert len([message for message in inbox.read() if "Subject" in message]) == 1


def test_people_are_asked_again_when_the_topic_refused_the_first_time(
    stage: Callable[..., ModuleType],
    environment: dict[str, str],
    trained: Run,
    registry: Registry,
    objects: Objects,
    faults: Faults,
    inbox: Inbox,
) -> None:
    objects.put(ARTIFACTS, keys.run_spec(trained.run_id), json.dumps({"approval": {"mode": "manual"}}).encode())
    registered = stage("register", **environment).handler({"run": to_json(trained)}, None)
    handler = stage("approve", **environment).handler
    event = {"run": to_json(trained), "registered": registered, "token": "t", "execution": EXECUTION}
    faults.refuse("sns.Publish", "KMSAccessDenied", times=1)
    with pytest.raises(StorageError, match="KMSAccessDenied"):
        handler(event, None)
    handler(event, None)
    assert len(registry.pending_approvals()) == 1
    (told,) = inbox.read()
    assert "reminder" not in told["Subject"]


# --- versions and aliases ------------------------------------------------------------------------


def test_a_registration_that_breaks_while_it_copies_is_finished_under_the_same_number(
    stage: Callable[..., ModuleType],
    environment: dict[str, str],
    trained: Run,
    registry: Registry,
    objects: Objects,
    faults: Faults,
) -> None:
    handler = stage("register", **environment).handler
    faults.drop("s3.CopyObject", after=3, times=clients.PATIENT.attempts)
    with pytest.raises(StorageError):
        handler({"run": to_json(trained)}, None)
    assert not objects.exists(ARTIFACTS, keys.model("churn", 1, "lineage.json"))
    assert handler({"run": to_json(trained)}, None)["version"] == 1
    assert [record.version for record in registry.versions("churn")] == [1]
    assert objects.exists(ARTIFACTS, keys.model("churn", 1, "lineage.json"))


def test_a_registration_whose_answer_was_lost_makes_one_version(
    stage: Callable[..., ModuleType], environment: dict[str, str], trained: Run, registry: Registry, faults: Faults
) -> None:
    handler = stage("register", **environment).handler
    faults.drop("dynamodb.TransactWriteItems", arrived=True, times=1)
    assert handler({"run": to_json(trained)}, None)["version"] == 1
    assert [record.version for record in registry.versions("churn")] == [1]


def test_an_upload_whose_execution_cannot_be_started_starts_it_when_the_event_comes_again(
    stage: Callable[..., ModuleType],
    environment: dict[str, str],
    objects: Objects,
    machines: dict[str, str],
    event: Callable[[str], Any],
    faults: Faults,
) -> None:
    arns = {f"{name}_state_machine": machines[name] for name in ("training", "scoring", "features")}
    handler = stage("intake", **environment, **arns).handler
    faults.throttle("sfn.StartExecution", times=clients.PATIENT.attempts)
    with pytest.raises(StorageError, match="ThrottlingException"):
        handler(event("s3_put"), None)
    faults.drop("sfn.StartExecution", arrived=True, times=1)
    handler(event("s3_put"), None)
    found = boto3.client("stepfunctions").list_executions(stateMachineArn=machines["training"])["executions"]
    assert len(found) == 1


# --- watching ------------------------------------------------------------------------------------


def test_a_look_that_cannot_be_claimed_is_nobody_s(
    stage: Callable[..., ModuleType], environment: dict[str, str], churn: int, buckets: None, faults: Faults
) -> None:
    handler = stage("watch", **environment).handler
    faults.throttle("dynamodb.TransactWriteItems", times=clients.PATIENT.attempts)
    with pytest.raises(StorageError):
        handler({"input": {}}, None)
    assert [due["model"] for due in handler({"input": {}}, None)["due"]] == ["churn"]
    assert handler({"input": {}}, None)["due"] == []


def test_outcomes_that_could_not_be_kept_are_taken_in_when_the_event_comes_again(
    stage: Callable[..., ModuleType],
    environment: dict[str, str],
    churn: int,
    objects: Objects,
    event: Callable[[str], Any],
    faults: Faults,
) -> None:
    handler = stage("actuals", **environment).handler
    key = keys.actuals("churn", "may.csv")
    objects.put(DATA, key, b"prediction_id,actual\np1-0,Yes\n")
    head = objects.head(DATA, key)
    arrived = event("s3_put")
    arrived["Records"] = arrived["Records"][:1]
    arrived["Records"][0]["s3"]["object"] |= {
        **{"key": key, "versionId": head.version_id, "eTag": head.etag, "size": head.size}
    }
    arrived["Records"][0]["s3"]["bucket"]["name"] = DATA
    faults.refuse("s3.PutObject", "AccessDenied", 403, times=1)
    with pytest.raises(StorageError, match="AccessDenied"):
        handler(arrived, None)
    records = MonitoringRecords(clients.dynamodb(), "tidemill")
    assert records.uploads("churn") == []
    assert objects.exists(DATA, key)
    handler(arrived, None)
    assert [(upload.rows, upload.refused) for upload in records.uploads("churn")] == [(1, 0)]


# --- every stage of a run ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["validate", "prepare", "train", "evaluate", "register", "conclude"])
@pytest.mark.parametrize(("code", "status"), [("AccessDenied", 403), ("SlowDown", 503)])
def test_a_stage_without_its_bucket_says_so(
    stage: Callable[..., ModuleType],
    environment: dict[str, str],
    trained: Run,
    faults: Faults,
    name: str,
    code: str,
    status: int,
) -> None:
    handler = stage(name, **environment).handler
    for operation in ("GetObject", "PutObject", "ListObjectsV2", "HeadObject"):
        faults.refuse(f"s3.{operation}", code, status)
    event: dict[str, Any] = {"run": to_json(trained), "failure": None, "execution": EXECUTION, "ended": []}
    if name == "prepare":
        event["validated"] = to_json(Validated(DatasetRef("d1", 100, 2), "binary", "Churn", 0))
    with pytest.raises(StorageError, match=rf"s3://.*({code}|{status})"):
        handler(event, None)
