"""The HTTP endpoint against moto: registry, model files and the capture queue as they are in an account."""

from __future__ import annotations

import gzip
import importlib.util
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from tidemill import keys
from tidemill.aws import clients
from tidemill.aws.objects import Objects
from tidemill.aws.online_features import OnlineFeatures
from tidemill.aws.registry import Registry
from tidemill.contracts import Capture, FeatureSetRef, InputField, Signature, from_json

from .conftest import Faults

ROOT = Path(__file__).parents[2]
EVENTS = ROOT / "tests" / "events"
ARTIFACTS = "tidemill-artifacts"
NOW = "2026-01-02T03:04:05Z"


def event(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return loaded


@pytest.fixture
def queue(aws: None) -> str:
    return boto3.client("sqs").create_queue(QueueName="captures")["QueueUrl"]


@pytest.fixture
def call(
    table: str, queue: str, wire: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[[dict[str, Any]], tuple[int, Any, Any]]:
    """Calls the handler as the template's environment sets it up; returns (status, headers, document)."""
    for name, value in {
        "ARTIFACT_BUCKET": ARTIFACTS,
        "TABLE": table,
        "FEATURES_TABLE": "tidemill-features",
        "CAPTURE_QUEUE": queue,
        "ALIAS_SECONDS": "0",
    }.items():
        monkeypatch.setenv(name, value)
    specification = importlib.util.spec_from_file_location("predict_app", ROOT / "functions" / "predict" / "app.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)

    def invoke(request: dict[str, Any]) -> tuple[int, Any, Any]:
        response = module.handler(request, SimpleNamespace(aws_request_id="call"))
        return response["statusCode"], response["headers"], json.loads(response["body"])

    return invoke


def test_a_prediction_is_made_and_captured(churn: int, call: Any, queue: str) -> None:
    status, headers, document = call(event("api_predict_rows"))
    assert (status, headers["x-tidemill-version"]) == (200, str(churn))
    (message,) = boto3.client("sqs").receive_message(QueueUrl=queue)["Messages"]
    (capture,) = [from_json(Capture, item) for item in json.loads(message["Body"])]
    assert capture.inputs == json.loads(event("api_predict_rows")["body"])["instances"][0]
    assert (capture.prediction_id, capture.version) == ("call", churn)
    assert capture.prediction == document["predictions"][0]


def test_status_and_metadata_come_from_the_registry(churn: int, call: Any) -> None:
    _, _, document = call(event("api_status"))
    assert [item["version"] for item in document["model_version_status"]] == [str(churn)]
    _, _, document = call(event("api_metadata"))
    learned = document["metadata"]["tidemill"]
    assert (learned["metric"], learned["value"], learned["classes"]) == ("roc_auc", 0.84, ["No", "Yes"])


def test_a_moved_alias_answers_with_the_other_version(
    churn: int, call: Any, objects: Objects, registry: Registry
) -> None:
    call(event("api_predict_rows"))
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
    for file in ("model.onnx", "signature.json"):
        objects.copy(ARTIFACTS, keys.model("churn", churn, file), ARTIFACTS, keys.model("churn", second, file))
    registry.move_alias("churn", "champion", second, churn, "x", "second", NOW)
    assert call(event("api_predict_rows"))[1]["x-tidemill-version"] == str(second)
    registry.rollback("churn", "x", "back", NOW)
    assert call(event("api_predict_rows"))[1]["x-tidemill-version"] == str(churn)


def test_unknown_models_and_versions_are_404(churn: int, call: Any) -> None:
    request = event("api_predict_rows")
    request["pathParameters"] = {"model": "nosuch:predict"}
    assert call(request)[0] == 404
    request = event("api_predict_columns")
    request["pathParameters"] = {"model": "churn", "version": "7:predict"}
    status, _, document = call(request)
    assert (status, document) == (404, {"error": "model 'churn' has no version 7"})


def test_a_registered_version_without_its_files_is_our_fault_and_no_404(
    churn: int, call: Any, objects: Objects
) -> None:
    objects.delete(ARTIFACTS, keys.model("churn", churn, "model.onnx"))
    status, _, document = call(event("api_predict_rows"))
    assert status == 503
    assert ARTIFACTS not in document["error"]


@pytest.mark.parametrize("operation", ["dynamodb.GetItem", "s3.GetObject"])
def test_what_cannot_be_read_now_is_503_and_read_at_the_next_call(
    faults: Faults, churn: int, call: Any, operation: str
) -> None:
    faults.throttle(operation)
    assert call(event("api_predict_rows"))[0] == 503
    faults.reset()
    assert call(event("api_predict_rows"))[0] == 200


def test_a_queue_that_may_not_encrypt_costs_a_capture_and_no_prediction(
    faults: Faults, churn: int, call: Any, queue: str
) -> None:
    faults.refuse("sqs.SendMessage", "KmsAccessDenied")
    assert call(event("api_predict_rows"))[0] == 200
    assert faults.sent["sqs.SendMessage"] == 1
    assert "Messages" not in boto3.client("sqs").receive_message(QueueUrl=queue)


def test_a_model_in_memory_outlives_its_table(churn: int, call: Any, table: str) -> None:
    first = call(event("api_predict_rows"))
    boto3.client("dynamodb").delete_table(TableName=table)
    assert call(event("api_predict_rows")) == first


def test_a_deleted_queue_does_not_fail_the_prediction(churn: int, call: Any, queue: str) -> None:
    boto3.client("sqs").delete_queue(QueueUrl=queue)
    assert call(event("api_predict_rows"))[0] == 200


# --- features that are looked up -----------------------------------------------------------------


@pytest.fixture
def shared(churn: int, objects: Objects) -> None:
    """Model churn takes tenure, monthly and contract from the feature set customers."""
    boto3.client("dynamodb").create_table(
        TableName="tidemill-features",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "entity", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "entity", "KeyType": "HASH"}],
    )
    rows = [["1", None, {"tenure": 3, "monthly": 29.85, "contract": "Monthly"}], ["2", None, {"tenure": 70}]]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    OnlineFeatures(clients.dynamodb(), "tidemill-features").write("customers", gzip.compress(lines.encode()))
    key = keys.model("churn", churn, "signature.json")
    signature = objects.get_contract(Signature, ARTIFACTS, key)
    names = ("tenure", "monthly", "contract")
    inputs = [replace(item, required=False) if item.name in names else item for item in signature.inputs]
    # The graph's own names stand in the place of <set>__<column>.
    ref = FeatureSetRef("customers", "customer", names, "integer")
    keyed = (InputField("customer", "integer", required=False),)
    objects.put_contract(ARTIFACTS, key, replace(signature, inputs=tuple(inputs), feature_sets=(ref,), keys=keyed))


def asked(*instances: dict[str, Any]) -> dict[str, Any]:
    request = event("api_predict_rows")
    return request | {"body": json.dumps({"instances": list(instances)})}


REST = {"senior": False, "joined": "2025-11-03"}
ALL = {"tenure": 3, "monthly": 29.85, "contract": "Monthly"}


@pytest.mark.usefixtures("shared")
def test_the_key_stands_for_the_features(call: Any, queue: str) -> None:
    status, _, document = call(asked({"customer": 1, **REST}, {"customer": "1", "monthly": 80, **REST}))
    assert status == 200, document
    _, _, given = call(asked({**ALL, **REST}, {**ALL, "monthly": 80, **REST}))
    assert document == given
    (message,) = boto3.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=1)["Messages"]
    first = from_json(Capture, json.loads(message["Body"])[0])
    assert first.inputs == {"customer": 1, **ALL, **REST}


@pytest.mark.usefixtures("shared")
def test_metadata_names_the_key(call: Any) -> None:
    _, _, document = call(event("api_metadata"))
    inputs = document["metadata"]["signature_def"]["signature_def"]["serving_default"]["inputs"]
    assert inputs["customer"]["dtype"] == "DT_INT64"


@pytest.mark.usefixtures("shared")
def test_neither_key_nor_features_is_refused(call: Any) -> None:
    status, _, document = call(asked(REST))
    assert (status, document["error"][:20]) == (400, "customer is missing:")


@pytest.mark.usefixtures("shared")
def test_a_lookup_that_fails_is_no_prediction_without_features(call: Any) -> None:
    boto3.client("dynamodb").delete_table(TableName="tidemill-features")
    status, _, document = call(asked({"customer": 1, **REST}))
    assert status == 503
    assert document["error"].startswith("the features of customers cannot be looked up at the moment")
    assert call(asked({**ALL, **REST}))[0] == 200
