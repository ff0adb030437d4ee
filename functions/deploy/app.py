"""Put a model version into service: try it through the endpoint, then make it champion, or let it in by a rollout."""

import functools
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger

from tidemill import settings
from tidemill.aws.deployment import Deployment
from tidemill.aws.metering import metered
from tidemill.contracts import Registered, Run, from_json, instant, to_json
from tidemill.settings import DeploySettings

logger = Logger(service="deploy")


@functools.cache
def connection(config: DeploySettings) -> Deployment:
    """S3, the registry and Lambda, connected once in a process."""
    return Deployment.connect(config.artifact_bucket, config.table, config.predict_function, logger.info)


@metered
def handler(event: dict[str, Any], _context: object) -> Any:
    """{"run": Run, "registered": Registered} -> Deployed. Raises PromotionFrozen, RolloutConflict, TrafficConflict,
    SmokePredictionFailed, AliasConflict, StorageError."""
    run, new = from_json(Run, event["run"]), from_json(Registered, event["registered"])
    logger.append_keys(run_id=run.run_id)
    deployed = connection(settings.load(DeploySettings)).deploy(run, new, at=instant(datetime.now(UTC)))
    logger.info(
        "deployed",
        model=deployed.model,
        version=deployed.version,
        alias=deployed.alias,
        previous=deployed.previous_version,
    )
    return to_json(deployed)
