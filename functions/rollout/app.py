"""One look at a rollout: judge the version, then give it more calls, make it the champion, or take it back."""

import functools
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger

from tidemill import settings
from tidemill.aws.rollouts import Rollouts
from tidemill.contracts import Failure, from_json, instant, to_json
from tidemill.release_contracts import RolloutRequest
from tidemill.settings import RolloutSettings
from tidemill.stages.rollout import look, take_back

logger = Logger(service="rollout")


@functools.cache
def connection(config: RolloutSettings) -> Rollouts:
    """Everything that a rollout needs, connected once in a process."""
    return Rollouts.connect(config.artifact_bucket, config.table, config.event_bus, config.topic, logger.warning)


def handler(event: dict[str, Any], _context: object) -> Any:
    """{"rollout": RolloutRequest}, with "failure": Failure to end it -> RolloutStep. Raises RolloutConflict,
    TrafficConflict, AliasConflict, NotFound, ContractError, StorageError."""
    request, now = from_json(RolloutRequest, event["rollout"]), datetime.now(UTC)
    logger.append_keys(run_id=request.run_id, rollout=request.id, model=request.model)
    rollouts = connection(settings.load(RolloutSettings))
    if event.get("failure"):
        return to_json(take_back(request, from_json(Failure, event["failure"]), rollouts, instant(now)))
    return to_json(look(request, rollouts, now, logger.info))
