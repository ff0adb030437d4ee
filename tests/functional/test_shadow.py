"""A copied call from the endpoint to the challenger's capture, through both queues."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from types import ModuleType
from typing import Any

import boto3
import pytest

from tidemill import keys
from tidemill.aws import clients
from tidemill.aws.objects import Objects
from tidemill.aws.registry import Registry
from tidemill.aws.traffic_records import TrafficRecords, spread
from tidemill.contracts import Capture, loads

ARTIFACTS = "tidemill-artifacts"
NOW = "2026-01-02T03:04:05Z"


class Context:
    aws_request_id = "call"


@pytest.fixture
def challenger(churn: int, objects: Objects, registry: Registry, table: str) -> int:
    """Version 2 of churn, with the champion's files, gets copies of all calls."""
    made = registry.create_version(
        "churn", "e" * 32, onnx_sha256="1", dataset_version="d", task="binary", metric="m", value=0.9, at=NOW, actor="x"
    )
    for file in ("model.onnx", "signature.json"):
        objects.copy(ARTIFACTS, keys.model("churn", churn, file), ARTIFACTS, keys.model("churn", made, file))
    records = TrafficRecords(clients.dynamodb(), table)
    spread(registry, records, "churn", shadow=(made, 1.0), actor="ada", reason="look", at=NOW)
    return made


def batch(queue: str) -> dict[str, Any]:
    """What waits in a queue, as Lambda gets it."""
    found = boto3.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
    for message in found:
        boto3.client("sqs").delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return {"Records": [{"messageId": message["MessageId"], "body": message["Body"]} for message in found]}


def test_the_challengers_answer_is_kept_beside_the_champions_and_returned_to_nobody(
    challenger: int,
    churn: int,
    table: str,
    wire: str,
    objects: Objects,
    stage: Callable[..., ModuleType],
    event: Callable[[str], Any],
) -> None:
    captures, copies = (boto3.client("sqs").create_queue(QueueName=name)["QueueUrl"] for name in ("captures", "copies"))
    everywhere = {"artifact_bucket": ARTIFACTS, "table": table, "features_table": "features"}
    predict = stage("predict", **everywhere, capture_queue=captures, alias_seconds="5")
    capture = stage("capture", **everywhere, shadow_queue=copies)
    shadow = stage("shadow", **everywhere, capture_queue=captures)

    answer = predict.handler(event("api_predict_rows"), Context())
    assert (answer["statusCode"], answer["headers"]["x-tidemill-version"]) == (200, str(churn))
    nothing_again: dict[str, Any] = {"batchItemFailures": []}
    assert capture.handler(batch(captures), None) == nothing_again
    assert shadow.handler(batch(copies), None) == nothing_again
    assert capture.handler(batch(captures), None) == nothing_again
    assert batch(copies) == {"Records": []}

    lines = [
        line
        for head in objects.list(ARTIFACTS, "captures/churn/")
        for line in gzip.decompress(objects.get(ARTIFACTS, head.key)).splitlines()
    ]
    kept = {item.version: item for item in (loads(Capture, line) for line in lines)}
    assert {(item.version, item.why) for item in kept.values()} == {(churn, "champion"), (challenger, "shadow")}
    assert kept[challenger].prediction == kept[churn].prediction
    assert {item.prediction_id for item in kept.values()} == {"call"}
