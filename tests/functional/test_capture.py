"""Messages of the capture queue, kept as files by model and hour."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from tidemill import contracts
from tidemill.aws import capture_files
from tidemill.aws.objects import Objects
from tidemill.aws.registry import Registry
from tidemill.contracts import Capture
from tidemill.errors import StorageError

from .conftest import Inbox

ARTIFACTS = "tidemill-artifacts"
BAD = ["9b1d2f30-3b5e-4c44-8c11-0a5d0f1e2d3c", "c0ffee00-3b5e-4c44-8c11-0a5d0f1e2d3c"]


@pytest.fixture
def capture(stage: Callable[..., ModuleType], objects: Objects, table: str, inbox: Inbox) -> ModuleType:
    return stage("capture", artifact_bucket=ARTIFACTS, table=table, shadow_queue=inbox.url)


def no_review(item: Capture) -> None:
    raise AssertionError(f"{item} is not to be reviewed")


def no_copy(body: str) -> None:
    raise AssertionError(f"{body} is for no challenger")


def test_predictions_that_a_challenger_is_to_answer_too_are_handed_on(
    capture: ModuleType, event: Callable[[str], Any], inbox: Inbox
) -> None:
    messages = event("sqs_captures")["Records"][:2]
    rows = [row | {"shadow": 4} for row in json.loads(messages[0]["body"])]
    messages[0]["body"] = json.dumps(rows)
    assert capture.handler({"Records": messages}, None) == {"batchItemFailures": []}
    assert inbox.read() == [rows]


def test_what_the_model_is_not_sure_of_waits_for_a_person_once(
    capture: ModuleType, registry: Registry, event: Callable[[str], Any]
) -> None:
    message = event("sqs_captures")["Records"][0]
    rows = [row | {"review": True, "alias": "champion"} for row in json.loads(message["body"])]
    message["body"] = json.dumps(rows)
    for _ in range(2):
        assert capture.handler({"Records": [message]}, None) == {"batchItemFailures": []}
    assert [record.prediction_id for record in registry.reviews("churn")] == ["p1-0", "p1-1"]
    registry.answer_review("churn", "p1-0", "Yes", "ada", "2026-03-05T00:00:00Z")
    capture.handler({"Records": [message]}, None)
    assert [record.prediction_id for record in registry.reviews("churn")] == ["p1-1"]


def kept(objects: Objects) -> dict[str, list[str]]:
    """Prediction ids by the folder that they were kept in."""
    found: dict[str, list[str]] = {}
    for head in objects.list(ARTIFACTS, "captures/"):
        lines = gzip.decompress(objects.get(ARTIFACTS, head.key)).splitlines()
        ids = [contracts.loads(Capture, line).prediction_id for line in lines]
        found.setdefault(head.key.rpartition("/")[0], []).extend(ids)
    return found


def test_a_batch_becomes_a_file_for_each_model_and_hour_and_bad_messages_come_again(
    capture: ModuleType, objects: Objects, event: Callable[[str], Any]
) -> None:
    answer = capture.handler(event("sqs_captures"), None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in BAD]}
    assert kept(objects) == {
        "captures/churn/dt=2026-03-04/hour=05": ["p1-0", "p1-1", "p4"],
        "captures/churn/dt=2026-03-04/hour=06": ["p2"],
        "captures/houses/dt=2026-03-04/hour=05": ["p3"],
    }


def test_a_batch_that_comes_again_leaves_the_same_files(
    capture: ModuleType, objects: Objects, event: Callable[[str], Any]
) -> None:
    capture.handler(event("sqs_captures"), None)
    before = [(head.key, head.etag) for head in objects.list(ARTIFACTS, "captures/")]
    again = event("sqs_captures")
    again["Records"].reverse()
    capture.handler(again, None)
    assert [(head.key, head.etag) for head in objects.list(ARTIFACTS, "captures/")] == before


def test_only_the_messages_of_a_file_that_could_not_be_written_come_again(
    objects: Objects, event: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    put, warnings = objects.put, list[str]()

    def refuses_houses(bucket: str, key: str, data: bytes) -> None:
        if "houses" in key:
            raise StorageError("could not write: SlowDown")
        put(bucket, key, data)

    monkeypatch.setattr(objects, "put", refuses_houses)
    good = event("sqs_captures")["Records"][:4]
    assert capture_files.write(good, ARTIFACTS, objects, no_review, no_copy, warnings.append) == [
        "5fea7756-0ea4-451a-a703-a558b933e274"
    ]
    assert "captures/houses/dt=2026-03-04/hour=05" not in kept(objects)
    assert warnings == ["could not write: SlowDown"]


def test_a_message_with_one_bad_row_is_kept_in_no_part(objects: Objects, event: Callable[[str], Any]) -> None:
    message = event("sqs_captures")["Records"][0]
    message["body"] = message["body"].replace('"version": 3', '"version": "three"', 1)
    message["body"] = message["body"].replace("p1-0", "p1-9")
    assert capture_files.write([message], ARTIFACTS, objects, no_review, no_copy, lambda _: None) == [
        message["messageId"]
    ]
    assert kept(objects) == {}
