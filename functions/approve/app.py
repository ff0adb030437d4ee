"""Ask a person to release a model version; the state machine waits for the answer to this task's token."""

import functools
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger

from tidemill import settings
from tidemill.aws import clients
from tidemill.aws.events import Topic
from tidemill.aws.registry import Registry
from tidemill.contracts import Registered, Run, from_json, instant

logger = Logger(service="approve")


def ask(run: Run, registered: Registered, token: str, registry: Registry, topic: Topic, at: str) -> None:
    """Keep the token where the answer finds it, and tell the subscribers; a repeated request replaces the token."""
    version = registry.version(registered.model, registered.version)
    registry.put_approval(run.run_id, registered.model, registered.version, token, at)
    registry.set_status(run.run_id, "WAITING_FOR_APPROVAL")
    topic.notify(
        f"Tidemill: {registered.model} version {registered.version} waits for approval",
        f"Version {registered.version} of model {registered.model} has passed every gate "
        f"({version.metric} {version.value:.4g} on the holdout) and waits for a person.\n\n"
        f"Look at it:  tidemill run {run.run_id}\n"
        f"Release it:  tidemill approve {run.run_id}\n"
        f"Refuse it:   tidemill reject {run.run_id} --reason '...'\n",
    )


@functools.cache
def connections(table: str, topic: str) -> tuple[Registry, Topic]:
    """The registry and the topic, connected once in a process."""
    return Registry(clients.dynamodb(), table), Topic(clients.sns(), topic)


def handler(event: dict[str, Any], _context: object) -> None:
    """{"run": Run, "registered": Registered, "token": text} -> nothing. Raises NotFound, StorageError."""
    run, registered = from_json(Run, event["run"]), from_json(Registered, event["registered"])
    logger.append_keys(run_id=run.run_id)
    config = settings.load(settings.ApproveSettings)
    at = instant(datetime.now(UTC))
    ask(run, registered, event["token"], *connections(config.table, config.topic), at=at)
    logger.info("asked for approval", model=registered.model, version=registered.version)
