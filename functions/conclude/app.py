"""Say how a run ended, whatever has happened in it: document, cost, report, quarantine, event, notification."""

import functools
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger

from tidemill import settings
from tidemill.aws.conclusion import Conclusion
from tidemill.contracts import Concluded, Failure, FeatureSetRun, Run, ScoringRun, from_json, instant, to_json
from tidemill.release_contracts import RolloutRequest
from tidemill.rules import outcomes
from tidemill.settings import ConcludeSettings
from tidemill.stages.conclude import conclude, conclude_rollout

logger = Logger(service="conclude")
#: What may be concluded, by its name in the event.
KINDS: dict[str, Any] = {"run": Run, "rollout": RolloutRequest, "scoring": ScoringRun, "features": FeatureSetRun}


@functools.cache
def connection(config: ConcludeSettings) -> Conclusion:
    """Everything that a conclusion needs, connected once in a process."""
    return Conclusion.connect(config.artifact_bucket, config.table, config.event_bus, config.topic, logger.warning)


def handler(event: dict[str, Any], _context: object) -> Any:
    """{"run": Run, "failure": Failure or null, "rolling_out": bool, "execution": ARN}, {"rollout": RolloutRequest,
    "failure": Failure or null}, {"scoring": ScoringRun, "failure": Failure} or {"features": FeatureSetRun, "failure":
    Failure} -> Concluded. Raises StorageError."""
    config, now = settings.load(ConcludeSettings), datetime.now(UTC)
    failure = from_json(Failure, event["failure"]) if event.get("failure") else None
    ended = outcomes.outcome(failure, event.get("rolling_out", False))
    name, kind = next(item for item in KINDS.items() if item[0] in event)
    run: Run | RolloutRequest | ScoringRun | FeatureSetRun = from_json(kind, event[name])
    logger.append_keys(run_id=run.run_id)
    if isinstance(run, Run):
        conclude(run, ended, event["execution"], config.api_url, connection(config), now)
    elif isinstance(run, RolloutRequest):
        conclude_rollout(run, ended, config.api_url, connection(config))
    else:
        connection(config).refuse(run, ended.reason, ended.status == "REFUSED_DATA", instant(now))
    logger.info("concluded", status=ended.status, reason=ended.reason, stage=ended.stage)
    return to_json(Concluded(run.run_id, ended.status, ended.reason))
