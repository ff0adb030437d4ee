"""Ask a challenger what it would have answered: a batch of copied calls becomes captures that nobody waits for."""

import functools
import time
from typing import Any

from aws_lambda_powertools import Logger

from tidemill import keys, settings
from tidemill.aws import clients
from tidemill.aws.clients import QUICK
from tidemill.aws.objects import Objects
from tidemill.aws.online_features import OnlineFeatures
from tidemill.aws.queues import Queue
from tidemill.aws.registry import Registry
from tidemill.aws.traffic_records import TrafficRecords
from tidemill.serving.endpoint import Endpoint
from tidemill.serving.shadow import Shadow

logger = Logger(service="shadow")
#: How long an alias would be believed; copies name their version.
ALIAS_SECONDS = 60.0


@functools.cache
def shadow(config: settings.ShadowSettings) -> Shadow:
    """The process's models, which stay loaded from one batch to the next."""
    read = functools.partial(Objects(clients.s3(QUICK)).get, config.artifact_bucket)
    dynamodb = clients.dynamodb(QUICK)
    send = Queue(clients.sqs(QUICK), config.capture_queue).send
    endpoint = Endpoint(
        registry=Registry(dynamodb, config.table),
        read=lambda model, version, file: read(keys.model(model, version, file)),
        send=send,
        warn=logger.warning,
        alias_seconds=ALIAS_SECONDS,
        clock=time.monotonic,
        read_mask_key=lambda: read(keys.mask_key()),
        look_up=OnlineFeatures(dynamodb, config.features_table).look_up,
        read_traffic=TrafficRecords(dynamodb, config.table).traffic,
    )
    return Shadow(endpoint, send, logger.warning)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """SQS event -> the messages that have to come again; what the challenger says to the others is on its way."""
    config = settings.load(settings.ShadowSettings)
    failed = shadow(config).answer(event["Records"])
    logger.info("asked the challenger", messages=len(event["Records"]), failed=len(failed))
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}
