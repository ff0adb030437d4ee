"""Clients of the services, with time limits and the standard retries, one of each per process.

They come from botocore's session, which is all of boto3 that is used here: boto3's own
session adds resources and their loaders to every cold start. Region, endpoint and
credentials are found by botocore itself (`AWS_REGION`, `AWS_ENDPOINT_URL`, the role).
Each client is made on first use.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from tidemill.aws import metering

if TYPE_CHECKING:
    from botocore.config import Config
    from botocore.session import Session
    from mypy_boto3_apigateway import APIGatewayClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient


class Limits(NamedTuple):
    """How patient a client is."""

    connect: float  #: seconds
    read: float  #: seconds without a byte of the answer
    attempts: int


#: Of a step of a state machine.
PATIENT = Limits(connect=3, read=30, attempts=4)
#: Of a call that a person or program waits for.
QUICK = Limits(connect=1, read=3, attempts=2)
#: Of what may be lost, when the alternative is to make somebody wait.
ONE_TRY = Limits(connect=0.5, read=1, attempts=1)


def config(limits: Limits = PATIENT) -> Config:
    """Time limits and retries for a client."""
    from botocore.config import Config

    return Config(
        connect_timeout=limits.connect,
        read_timeout=limits.read,
        retries={"mode": "standard", "total_max_attempts": limits.attempts},
    )


def s3(limits: Limits = PATIENT) -> S3Client:
    """Amazon S3."""
    return cast("S3Client", _client("s3", limits))


def dynamodb(limits: Limits = PATIENT) -> DynamoDBClient:
    """Amazon DynamoDB."""
    return cast("DynamoDBClient", _client("dynamodb", limits))


def sqs(limits: Limits = PATIENT) -> SQSClient:
    """Amazon SQS."""
    return cast("SQSClient", _client("sqs", limits))


def sns() -> SNSClient:
    """Amazon SNS."""
    return cast("SNSClient", _client("sns"))


def eventbridge() -> EventBridgeClient:
    """Amazon EventBridge."""
    return cast("EventBridgeClient", _client("events"))


def apigateway() -> APIGatewayClient:
    """Amazon API Gateway; for calls that somebody waits for."""
    return cast("APIGatewayClient", _client("apigateway", QUICK))


def stepfunctions() -> SFNClient:
    """AWS Step Functions."""
    return cast("SFNClient", _client("stepfunctions"))


def lambda_() -> LambdaClient:
    """AWS Lambda; a synchronous invocation answers only when the function has, so it may take a minute."""
    return cast("LambdaClient", _client("lambda", PATIENT._replace(read=70)))


@functools.cache
def _session() -> Session:
    from botocore.session import get_session

    return get_session()


@functools.cache
def _client(service: str, limits: Limits = PATIENT) -> Any:
    client = _session().create_client(service, config=config(limits))
    metering.watch(client)
    return client
