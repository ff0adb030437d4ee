"""Requests are counted where they are made, travel in the handlers' answers, and are priced at the end."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tidemill.aws import clients, metering
from tidemill.aws.executions import steps, usage
from tidemill.aws.functions import Configuration
from tidemill.aws.objects import Objects
from tidemill.aws.queues import Queue
from tidemill.aws.registry import Registry
from tidemill.aws.registry_table import AuditEvent

AT = datetime(2026, 3, 4, tzinfo=UTC)


def counted(action: Callable[[], Any]) -> Any:
    """What a handler that does this says it has used."""

    def handler(event: dict[str, Any], context: object) -> Any:
        action()
        return {"rows": 3}

    answer = metering.metered(handler)({}, None)
    assert answer["rows"] == 3
    return answer["requests"]


def test_each_request_counts_as_what_it_is_paid_as(objects: Objects, table: str, inbox: Any, tmp_path: Path) -> None:
    registry = Registry(clients.dynamodb(), table)
    event = AuditEvent("churn", "note", "ada", "2026-03-04T05:06:07Z", "")
    facts: Any = {"onnx_sha256": "a", "dataset_version": "d", "task": "binary", "metric": "m", "value": 0.5}
    assert counted(lambda: objects.put("tidemill-data", "a", b"x")) == {"s3_puts": 1}
    assert counted(lambda: objects.get("tidemill-data", "a")) == {"s3_gets": 1}
    assert counted(lambda: list(objects.list("tidemill-data", ""))) == {"s3_puts": 1}
    assert counted(lambda: objects.copy("tidemill-data", "a", "tidemill-data", "b")) == {"s3_puts": 1, "s3_gets": 1}
    assert counted(lambda: objects.delete("tidemill-data", "b")) == {}
    assert counted(lambda: registry.record(event)) == {"table_writes": 1}
    assert counted(lambda: registry.alias("churn", "champion")) == {"table_reads": 1}
    version = counted(lambda: registry.create_version("churn", "run1", **facts, at="2026", actor="ada"))
    assert version == {"table_reads": 2, "table_writes": 8}  # a transaction of four
    assert counted(lambda: Queue(clients.sqs(), inbox.url).send("[]")) == {"queue_requests": 1}
    assert counted(lambda: clients.sns().list_topics()) == {}


def test_what_the_answers_say_is_added_up_by_stage() -> None:
    def ended(payload: Any) -> list[dict[str, Any]]:
        details = {"output": payload if isinstance(payload, str) else json.dumps({"Payload": payload})}
        scheduled = {"resource": "invoke"}
        return [
            {"type": "TaskScheduled", "timestamp": AT, "taskScheduledEventDetails": scheduled},
            {"type": "TaskSucceeded", "timestamp": AT, "taskSucceededEventDetails": details},
        ]

    history = [
        {"type": "MapStateEntered", "timestamp": AT, "stateEnteredEventDetails": {"name": "Train"}},
        *ended({"name": "a", "requests": {"s3_gets": 2, "s3_puts": 1}}),
        *ended({"name": "b", "requests": {"s3_gets": 2, "table_reads": 1, "newer_kind": 5, "s3_puts": "one"}}),
        *ended({"name": "c"}),
        *ended(["no", "object"]),
        *ended('{"Payload": {"cut'),
    ]
    definition = {"States": {"Train": {"Arguments": {"FunctionName": "f"}}}}
    used = usage(steps(history), definition, AT, lambda _: Configuration(1024, "arm64"))["train"]
    assert (used.s3_gets, used.s3_puts, used.table_reads, used.requests) == (4, 1, 1, 6)


@pytest.mark.parametrize("answer", [None, [], {"requests": None}, {"requests": [1]}])
def test_an_answer_that_is_not_metered_has_no_requests(answer: Any) -> None:
    assert metering.read(answer) == {}
