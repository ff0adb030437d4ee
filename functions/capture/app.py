"""Keep recorded predictions: a batch of the capture queue becomes one file for each model and hour; unsure ones are
put into the review queue, and those that a challenger is to answer too into the shadow queue."""

import functools
from typing import Any

from aws_lambda_powertools import Logger

from tidemill import settings
from tidemill.aws import capture_files, clients
from tidemill.aws.objects import Objects
from tidemill.aws.queues import Queue
from tidemill.aws.registry import Registry

logger = Logger(service="capture")


@functools.cache
def connections(table: str, queue: str) -> tuple[Objects, Registry, Queue]:
    """S3, the registry and the shadow queue, connected once in a process."""
    return Objects(clients.s3()), Registry(clients.dynamodb(), table), Queue(clients.sqs(), queue)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """SQS event -> the messages that have to come again; the others are written."""
    config = settings.load(settings.CaptureSettings)
    objects, registry, shadow = connections(config.table, config.shadow_queue)
    failed = capture_files.write(
        event["Records"], config.artifact_bucket, objects, registry.open_review, shadow.send, logger.warning
    )
    logger.info("kept recorded predictions", messages=len(event["Records"]), failed=len(failed))
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}
