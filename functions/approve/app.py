"""Show people what a run has made and ask them to release it; the state machine waits for this task's token."""

import functools
import os
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger

from tidemill import settings
from tidemill.aws import clients
from tidemill.aws.conclusion import RunPapers
from tidemill.aws.events import Topic
from tidemill.aws.release_records import ReleaseRecords
from tidemill.contracts import Registered, Run, from_json
from tidemill.settings import ApproveSettings
from tidemill.stages.approve import Desk, ask

logger = Logger(service="approve")


@functools.cache
def connection(config: ApproveSettings) -> Desk:
    """Everything that asking needs, connected once in a process."""
    papers = RunPapers.of_stack(config.artifact_bucket, config.table, logger.warning)
    records = ReleaseRecords(clients.dynamodb(), config.table)
    return Desk(papers, records, Topic(clients.sns(), config.topic), config.api_url, os.urandom)


def handler(event: dict[str, Any], _context: object) -> None:
    """{"run": Run, "registered": Registered, "token": text, "execution": ARN} -> nothing. Raises NotFound,
    StorageError."""
    run, registered = from_json(Run, event["run"]), from_json(Registered, event["registered"])
    logger.append_keys(run_id=run.run_id)
    desk, now = connection(settings.load(ApproveSettings)), datetime.now(UTC)
    ask(run, registered, event["token"], event["execution"], desk, now)
    logger.info("asked for approval", model=registered.model, version=registered.version)
