"""An upload has arrived: start its run. However often the event comes, the upload has one run."""

import functools
from typing import Any

from aws_lambda_powertools import Logger

from tidemill import keys, settings
from tidemill.aws import clients
from tidemill.aws.executions import Executions
from tidemill.aws.objects import Objects
from tidemill.aws.quarantine import quarantine
from tidemill.aws.registry import Registry
from tidemill.aws.uploads import Arrival, arrivals
from tidemill.contracts import FeatureSetRun, Run, ScoringRun
from tidemill.settings import IntakeSettings

logger = Logger(service="intake")


def train(arrival: Arrival, project: str, config: IntakeSettings, objects: Objects, registry: Registry) -> Run:
    """Record a training run, and keep the project's spec as it is now, unless that is done already."""
    run = Run(arrival.run_id, project, arrival.source, arrival.at, arrival.by)
    current, kept = keys.project_spec(project), keys.run_spec(run.run_id)
    if not objects.exists(config.artifact_bucket, kept):
        declared = objects.exists(config.artifact_bucket, current)
        spec = objects.get(config.artifact_bucket, current) if declared else b"{}"
        objects.put(config.artifact_bucket, kept, spec)
    registry.start_run(run)
    return run


def take_in(arrival: Arrival, config: IntakeSettings, objects: Objects, registry: Registry, runs: Executions) -> None:
    """Start the state machine that the upload's key asks for; a key that asks for nothing is quarantined."""
    upload = arrival.upload
    if upload is None:
        kept = quarantine(objects, arrival.source, upload, arrival.problem, arrival.at)
        logger.warning("refused an upload", run_id=arrival.run_id, reason=arrival.problem, key=kept)
    elif upload.purpose == "incoming":
        run = train(arrival, upload.project, config, objects, registry)
        runs.start(config.training_state_machine, run.run_id, {"run": run})
    else:
        kind = ScoringRun if upload.purpose == "score" else FeatureSetRun
        machine = config.scoring_state_machine if kind is ScoringRun else config.features_state_machine
        asked = kind(arrival.run_id, upload.project, arrival.source, arrival.at, arrival.by)
        runs.start(machine, asked.run_id, {"run": asked})
    logger.info("took an upload in", run_id=arrival.run_id, key=arrival.source.key)


@functools.cache
def connections(table: str) -> tuple[Objects, Registry, Executions]:
    """S3, the registry and Step Functions, connected once in a process."""
    return Objects(clients.s3()), Registry(clients.dynamodb(), table), Executions(clients.stepfunctions())


def handler(event: dict[str, Any], _context: object) -> None:
    """S3 event -> executions. Raises StorageError; the event then comes again."""
    config = settings.load(IntakeSettings)
    for arrival in arrivals(event):
        take_in(arrival, config, *connections(config.table))
