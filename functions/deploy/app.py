"""Put a model version into service: try it through the deployed endpoint, then move the champion to it."""

import functools
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger

from tidemill import keys, settings
from tidemill.aws import clients
from tidemill.aws.functions import Functions
from tidemill.aws.metering import metered
from tidemill.aws.objects import Objects
from tidemill.aws.registry import CHAMPION, Registry
from tidemill.aws.smoke import smoke_prediction
from tidemill.contracts import Deployed, Evaluation, Registered, Run, Signature, from_json, instant, to_json
from tidemill.settings import DeploySettings

logger = Logger(service="deploy")


def deploy(
    run: Run,
    new: Registered,
    config: DeploySettings,
    objects: Objects,
    registry: Registry,
    functions: Functions,
    at: str,
) -> Deployed:
    """Move the champion to the new version, from the version that it was compared with."""
    signature = objects.get_contract(
        Signature, config.artifact_bucket, keys.model(new.model, new.version, "signature.json")
    )
    evaluation = objects.get_contract(Evaluation, config.artifact_bucket, keys.run_evaluation(run.run_id))
    expected = evaluation.champion.version if evaluation.champion else registry.alias(new.model, CHAMPION)
    prediction = smoke_prediction(functools.partial(functions.invoke, config.predict_function), signature, new.version)
    logger.info("the new version predicts", prediction=prediction)
    reason = f"run {run.run_id} passed its gates"
    registry.move_alias(new.model, CHAMPION, new.version, expected, run.started_by, reason, at, run_id=run.run_id)
    return Deployed(new.model, new.version, CHAMPION, expected)


@functools.cache
def connections(table: str) -> tuple[Objects, Registry, Functions]:
    """S3, the registry and Lambda, connected once in a process."""
    return Objects(clients.s3()), Registry(clients.dynamodb(), table), Functions(clients.lambda_())


@metered
def handler(event: dict[str, Any], _context: object) -> Any:
    """{"run": Run, "registered": Registered} -> Deployed. Raises SmokePredictionFailed, AliasConflict, StorageError."""
    run, new = from_json(Run, event["run"]), from_json(Registered, event["registered"])
    logger.append_keys(run_id=run.run_id)
    config = settings.load(DeploySettings)
    deployed = deploy(run, new, config, *connections(config.table), at=instant(datetime.now(UTC)))
    logger.info("deployed", model=deployed.model, version=deployed.version, previous=deployed.previous_version)
    return to_json(deployed)
