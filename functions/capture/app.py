"""Keep recorded predictions: a batch of the capture queue becomes one file for each model and hour; unsure ones are
put into the review queue."""

import functools
from typing import Any

from aws_lambda_powertools import Logger

from tidemill import settings
from tidemill.aws import capture_files, clients
from tidemill.aws.objects import Objects
from tidemill.aws.registry import Registry

logger = Logger(service="capture")


@functools.cache
def connections(table: str) -> tuple[Objects, Registry]:
    """S3 and the registry, connected once in a process."""
    return Objects(clients.s3()), Registry(clients.dynamodb(), table)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """SQS event -> the messages that have to come again; the others are written."""
    config = settings.load(settings.CaptureSettings)
    objects, registry = connections(config.table)
    failed = capture_files.write(
        event["Records"], config.artifact_bucket, objects, registry.open_review, logger.warning
    )
    logger.info("kept recorded predictions", messages=len(event["Records"]), failed=len(failed))
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}
