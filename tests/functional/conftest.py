"""A data bucket, an artifact bucket and the table, in moto and in process; nothing here reaches a network."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tidemill.aws import clients
from tidemill.aws.objects import Objects
from tidemill.aws.registry import Registry

REGION = "us-east-1"
DATA = "tidemill-data"
ARTIFACTS = "tidemill-artifacts"
TABLE = "tidemill"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty account, whatever the machine's own settings say."""
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws():
        yield


@pytest.fixture
def buckets(aws: None) -> None:
    """Both buckets, with versions."""
    s3 = boto3.client("s3")
    for name in (DATA, ARTIFACTS):
        s3.create_bucket(Bucket=name)
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})


@pytest.fixture
def table(aws: None) -> str:
    """The registry's table as its module declares it."""
    text = [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "gsi1pk", "gsi1sk")]
    boto3.client("dynamodb").create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=text,
        KeySchema=keys("pk", "sk"),
        GlobalSecondaryIndexes=[
            {"IndexName": "gsi1", "KeySchema": keys("gsi1pk", "gsi1sk"), "Projection": {"ProjectionType": "ALL"}}
        ],
    )
    return TABLE


def keys(hash_key: str, range_key: str) -> list[Any]:
    return [{"AttributeName": hash_key, "KeyType": "HASH"}, {"AttributeName": range_key, "KeyType": "RANGE"}]


@pytest.fixture
def objects(buckets: None) -> Objects:
    return Objects(clients.s3())


@pytest.fixture
def registry(table: str) -> Registry:
    return Registry(OneAtATime(clients.dynamodb()), table, sleep=lambda seconds: None)  # type: ignore[arg-type]


class OneAtATime:
    """A client whose requests are answered one after the other.

    DynamoDB applies each request as a whole; moto in process lets threads see half a
    transaction. The requests of concurrent writers still interleave as they come.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._lock = threading.RLock()

    def __getattr__(self, name: str) -> Any:
        def request(*arguments: Any, **named: Any) -> Any:
            with self._lock:
                return getattr(self._client, name)(*arguments, **named)

        return request
