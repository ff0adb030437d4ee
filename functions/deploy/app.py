"""Put a model version into service: try it through the endpoint, then make it champion, or let it in by a rollout."""

import functools
import json
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger

from tidemill import keys, rollout_plan, settings, spec
from tidemill.aws import clients
from tidemill.aws.functions import Functions
from tidemill.aws.metering import metered
from tidemill.aws.objects import Objects
from tidemill.aws.promotion import CHALLENGER, Releases
from tidemill.aws.registry import CHAMPION
from tidemill.aws.smoke import smoke_prediction
from tidemill.contracts import Deployed, Evaluation, Registered, Run, Signature, from_json, instant, to_json
from tidemill.release_contracts import RolloutRequest
from tidemill.settings import DeploySettings

logger = Logger(service="deploy")


def deploy(
    run: Run,
    new: Registered,
    config: DeploySettings,
    objects: Objects,
    releases: Releases,
    functions: Functions,
    at: str,
) -> Deployed:
    """Move the champion to the new version, from the version that it was compared with; or begin to let it in step by
    step, which the rollout's state machine goes on with."""
    if releases.records.known_rollout(run.run_id) is None:  # else this step runs once more
        releases.records.refuse_if_frozen(new.model, new.version)
        releases.records.refuse_if_rolling_out(new.model, new.version)
    signature = objects.get_contract(
        Signature, config.artifact_bucket, keys.model(new.model, new.version, "signature.json")
    )
    evaluation = objects.get_contract(Evaluation, config.artifact_bucket, keys.run_evaluation(run.run_id))
    expected = evaluation.champion.version if evaluation.champion else releases.registry.alias(new.model, CHAMPION)
    prediction = smoke_prediction(functools.partial(functions.invoke, config.predict_function), signature, new.version)
    logger.info("the new version predicts", prediction=prediction)
    declared = spec.parse(json.loads(objects.get(config.artifact_bucket, keys.run_spec(run.run_id))))
    plan, reason = rollout_plan.plan(declared.rollout), f"run {run.run_id} passed its gates"
    if rollout_plan.is_gradual(plan) and expected not in (None, new.version):
        request = RolloutRequest(run.run_id, new.model, new.version, run.run_id, run.started_by, reason)
        releases.begin(rollout_plan.begun(request, plan, releases.registry.alias(new.model, CHAMPION), at))
        return Deployed(new.model, new.version, CHALLENGER, expected, True)
    releases.registry.move_alias(
        new.model, CHAMPION, new.version, expected, run.started_by, reason, at, run_id=run.run_id
    )
    return Deployed(new.model, new.version, CHAMPION, expected, False)


@functools.cache
def connections(table: str) -> tuple[Objects, Releases, Functions]:
    """S3, the registry and Lambda, connected once in a process."""
    return Objects(clients.s3()), Releases.connect(table), Functions(clients.lambda_())


@metered
def handler(event: dict[str, Any], _context: object) -> Any:
    """{"run": Run, "registered": Registered} -> Deployed. Raises PromotionFrozen, RolloutConflict, TrafficConflict,
    SmokePredictionFailed, AliasConflict, StorageError."""
    run, new = from_json(Run, event["run"]), from_json(Registered, event["registered"])
    logger.append_keys(run_id=run.run_id)
    config = settings.load(DeploySettings)
    deployed = deploy(run, new, config, *connections(config.table), at=instant(datetime.now(UTC)))
    logger.info(
        "deployed",
        model=deployed.model,
        version=deployed.version,
        alias=deployed.alias,
        previous=deployed.previous_version,
    )
    return to_json(deployed)
