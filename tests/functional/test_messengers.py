"""Functions that are called, queues and topics that are written to, events that are published."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from tidemill.aws import clients
from tidemill.aws.events import EventBus, Topic
from tidemill.aws.functions import Configuration, Functions
from tidemill.aws.queues import Queue
from tidemill.contracts import DatasetRef
from tidemill.errors import FunctionFailed, StorageError


def answer(value: Any, **more: Any) -> dict[str, Any]:
    body = json.dumps(value).encode()
    return {"StatusCode": 200, "Payload": StreamingBody(io.BytesIO(body), len(body)), **more}


@pytest.fixture
def functions(aws: None) -> Callable[..., Functions]:
    """Lambda that gives one answer."""

    def answering(operation: str, response: Any = None, error: str = "") -> Functions:
        client = boto3.client("lambda")
        stubber = Stubber(client)
        if error:
            stubber.add_client_error(operation, error, "no", 429)
        else:
            stubber.add_response(operation, response)
        stubber.activate()
        return Functions(client)

    return answering


def test_a_function_answers_with_its_json(functions: Callable[..., Functions]) -> None:
    assert functions("invoke", answer({"statusCode": 200})).invoke("predict", {"a": 1}) == {"statusCode": 200}


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ({"errorType": "KeyError", "errorMessage": "'x'", "stackTrace": []}, "predict failed: KeyError: 'x'"),
        ({"errorMessage": "Task timed out after 3.00 seconds"}, "predict failed: Error: Task timed out"),
        ("gone", "predict failed: gone"),
    ],
)
def test_a_function_that_fails_says_why(functions: Callable[..., Functions], payload: Any, message: str) -> None:
    with pytest.raises(FunctionFailed, match=message):
        functions("invoke", answer(payload, FunctionError="Unhandled")).invoke("predict", {})


def test_a_call_that_is_refused_is_a_storage_error(functions: Callable[..., Functions]) -> None:
    with pytest.raises(StorageError, match="invoke predict: TooManyRequestsException"):
        functions("invoke", error="TooManyRequestsException").invoke("predict", {})


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ({"MemorySize": 3072, "Architectures": ["arm64"]}, Configuration(3072, "arm64")),
        ({"MemorySize": 128}, Configuration(128, "x86_64")),
    ],
)
def test_a_function_tells_memory_and_architecture(
    functions: Callable[..., Functions], response: Any, expected: Configuration
) -> None:
    assert functions("get_function_configuration", response).configuration("train") == expected


def test_an_event_carries_a_contract(bus: str, inbox: Any) -> None:
    EventBus(clients.eventbridge(), bus).publish("Training run concluded", DatasetRef("d1", 10, 2))
    (event,) = inbox.read()
    assert (event["source"], event["detail-type"]) == ("tidemill", "Training run concluded")
    assert event["detail"] == {"version": "d1", "rows": 10, "columns": 2}


def test_an_event_that_the_bus_rejects_is_a_storage_error(aws: None) -> None:
    client = boto3.client("events")
    entry = {"ErrorCode": "InternalFailure", "ErrorMessage": "try again"}
    with Stubber(client) as stubber:
        stubber.add_response("put_events", {"FailedEntryCount": 1, "Entries": [entry]})
        with pytest.raises(StorageError, match="'Done' on tidemill: InternalFailure: try again"):
            EventBus(client, "tidemill").publish("Done", {})


def test_a_subject_fits_what_the_service_takes(topic: str, inbox: Any) -> None:
    Topic(clients.sns(), topic).notify("Modell für Köln\nist da " + "x" * 200, "schön")
    (message,) = inbox.read()
    assert message["Subject"] == ("Modell f?r K?ln ist da " + "x" * 200)[:100]
    assert message["Message"] == "schön"


def test_a_missing_topic_is_a_storage_error(aws: None) -> None:
    with pytest.raises(StorageError, match="notify arn:aws:sns:us-east-1:123456789012:none: NotFound"):
        Topic(clients.sns(), "arn:aws:sns:us-east-1:123456789012:none").notify("a", "b")


def test_a_message_reaches_the_queue(inbox: Any) -> None:
    Queue(clients.sqs(), inbox.url).send('[{"a": 1}]')
    assert inbox.read() == [[{"a": 1}]]


def test_a_missing_queue_is_a_storage_error(aws: None) -> None:
    with pytest.raises(StorageError, match=r"QueueDoesNotExist|NonExistentQueue"):
        Queue(clients.sqs(), "https://sqs.us-east-1.amazonaws.com/123456789012/none").send("[]")
