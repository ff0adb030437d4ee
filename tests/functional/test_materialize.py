"""A batch of changed features against moto: written online, once or again, and by nobody when it is not there."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import boto3
import pytest

from tidemill.aws.objects import Objects
from tidemill.errors import NotFound

ARTIFACTS, ONLINE = "tidemill-artifacts", "tidemill-features"
RUN = "ab" * 16
BATCH = {"run_id": RUN, "feature_set": "shops", "index": 0, "rows": 3, "key": f"runs/{RUN}/ingest/batches/0.jsonl.gz"}
CHANGES = [["a", "", {"size": 1.5}], ["b", "", {"size": None}], ["c", "", {"size": 3.0}]]


@pytest.fixture
def materialize(stage: Callable[..., ModuleType], objects: Objects) -> Callable[..., Any]:
    boto3.client("dynamodb").create_table(
        TableName=ONLINE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "entity", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "entity", "KeyType": "HASH"}],
    )
    handler: Callable[..., Any] = stage("materialize", artifact_bucket=ARTIFACTS, features_table=ONLINE).handler
    return handler


def kept() -> dict[str, Any]:
    items = boto3.client("dynamodb").scan(TableName=ONLINE)["Items"]
    return {item["entity"]["S"]: item for item in items}


def test_a_batch_is_written_and_again_it_changes_nothing(materialize: Callable[..., Any], objects: Objects) -> None:
    lines = "".join(json.dumps(change) + "\n" for change in CHANGES)
    objects.put(ARTIFACTS, BATCH["key"], gzip.compress(lines.encode()))
    assert materialize({"batch": BATCH}, None) == {"rows": 3}
    once = kept()
    assert set(once) == {"shops#a", "shops#b", "shops#c"}
    assert materialize({"batch": BATCH}, None) == {"rows": 3}
    assert kept() == once


def test_a_batch_that_is_not_there_fails_and_writes_nothing(materialize: Callable[..., Any]) -> None:
    with pytest.raises(NotFound):
        materialize({"batch": BATCH}, None)
    assert kept() == {}
