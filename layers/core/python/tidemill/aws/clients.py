"""Clients of the services, with time limits and the standard retries, one of each per process.

They come from botocore's session, which is all of boto3 that is used here: boto3's own
session adds resources and their loaders to every cold start. Region, endpoint and
credentials are found by botocore itself (`AWS_REGION`, `AWS_ENDPOINT_URL`, the role).
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Literal, overload

if TYPE_CHECKING:
    from botocore.config import Config
    from botocore.session import Session
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient

CONNECT_SECONDS = 3
#: How long an answer may take. A synchronous invocation answers only when the function has.
READ_SECONDS = {"lambda": 70}
DEFAULT_READ_SECONDS = 30
ATTEMPTS = 4


def config(service: str) -> Config:
    """Time limits and retries for a client of a service."""
    from botocore.config import Config

    return Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS.get(service, DEFAULT_READ_SECONDS),
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
    )


@overload
def client(service: Literal["s3"]) -> S3Client: ...
@overload
def client(service: Literal["dynamodb"]) -> DynamoDBClient: ...
@overload
def client(service: Literal["sqs"]) -> SQSClient: ...
@overload
def client(service: Literal["sns"]) -> SNSClient: ...
@overload
def client(service: Literal["events"]) -> EventBridgeClient: ...
@overload
def client(service: Literal["stepfunctions"]) -> SFNClient: ...
@overload
def client(service: Literal["lambda"]) -> LambdaClient: ...
def client(service: str) -> Any:
    """The process's client of a service, by botocore's name for it; made on first use."""
    return _create(service)


@functools.cache
def _session() -> Session:
    from botocore.session import get_session

    return get_session()


@functools.cache
def _create(service: str) -> Any:
    return _session().create_client(service, config=config(service))
