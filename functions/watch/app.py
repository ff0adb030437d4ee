"""Which models in service are to be looked at now."""

import functools
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger

from tidemill import settings
from tidemill.aws import clients
from tidemill.aws.monitoring_records import MonitoringRecords
from tidemill.aws.objects import Objects
from tidemill.aws.registry import Registry
from tidemill.aws.watching import Watching
from tidemill.contracts import instant, to_json
from tidemill.monitoring_contracts import Due
from tidemill.rules import looks

logger = Logger(service="watch")


def watch(asked: str | None, watching: Watching, now: str) -> list[Due]:
    """One model when it is asked for by name, else all that are due."""
    return [watching.asked_for(asked, now)] if asked else list(watching.due(looks.is_due, now))


@functools.cache
def connection(bucket: str, table: str) -> Watching:
    """Bucket and registry, connected once in a process."""
    dynamodb = clients.dynamodb()
    return Watching(bucket, Objects(clients.s3()), Registry(dynamodb, table), MonitoringRecords(dynamodb, table))


def handler(event: dict[str, Any], _context: object) -> Any:
    """{"input": a schedule's event, or {"model": name}} -> {"due": [Due, ...]}. Raises NotFound, StorageError."""
    config = settings.load(settings.WatchSettings)
    asked = event["input"].get("model")
    due = watch(asked, connection(config.artifact_bucket, config.table), instant(datetime.now(UTC)))
    logger.info("models to look at", models=[one.model for one in due])
    return to_json({"due": due})
