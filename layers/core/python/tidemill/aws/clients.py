"""Clients of the services, with time limits and the standard retries, one of each per process.

They come from botocore's session, which is all of boto3 that is used here: boto3's own
session adds resources and their loaders to every cold start. Region, endpoint and
credentials are found by botocore itself (`AWS_REGION`, `AWS_ENDPOINT_URL`, the role).
Each client is made on first use.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, cast

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
READ_SECONDS = 30
ATTEMPTS = 4


def config(read_seconds: float = READ_SECONDS) -> Config:
    """Time limits and retries for a client.

    Parameters
    ----------
    read_seconds
        how long an answer may take.
    """
    from botocore.config import Config

    return Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=read_seconds,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
    )


def s3() -> S3Client:
    """Amazon S3."""
    return cast("S3Client", _client("s3"))


def dynamodb() -> DynamoDBClient:
    """Amazon DynamoDB."""
    return cast("DynamoDBClient", _client("dynamodb"))


def sqs() -> SQSClient:
    """Amazon SQS."""
    return cast("SQSClient", _client("sqs"))


def sns() -> SNSClient:
    """Amazon SNS."""
    return cast("SNSClient", _client("sns"))


def eventbridge() -> EventBridgeClient:
    """Amazon EventBridge."""
    return cast("EventBridgeClient", _client("events"))


def stepfunctions() -> SFNClient:
    """AWS Step Functions."""
    return cast("SFNClient", _client("stepfunctions"))


def lambda_() -> LambdaClient:
    """AWS Lambda; a synchronous invocation answers only when the function has, so it may take a minute."""
    return cast("LambdaClient", _client("lambda", read_seconds=70))


@functools.cache
def _session() -> Session:
    from botocore.session import get_session

    return get_session()


@functools.cache
def _client(service: str, read_seconds: float = READ_SECONDS) -> Any:
    return _session().create_client(service, config=config(read_seconds))
