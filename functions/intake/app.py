"""An upload has arrived: start its run. However often the event comes, the upload has one run."""

import functools
from typing import Any

from aws_lambda_powertools import Logger

from tidemill import settings
from tidemill.aws import clients
from tidemill.aws.executions import Executions
from tidemill.aws.objects import Objects
from tidemill.aws.quarantine import quarantine
from tidemill.aws.registry import Registry
from tidemill.aws.retraining_records import RetrainingRecords
from tidemill.aws.training_runs import TrainingRuns
from tidemill.aws.uploads import Arrival, arrivals
from tidemill.contracts import FeatureSetRun, ScoringRun
from tidemill.settings import IntakeSettings

logger = Logger(service="intake")


def take_in(
    arrival: Arrival, config: IntakeSettings, objects: Objects, training: TrainingRuns, runs: Executions
) -> None:
    """Start the state machine that the upload's key asks for; a key that asks for nothing is quarantined."""
    upload = arrival.upload
    if upload is None:
        kept = quarantine(objects, arrival.source, upload, arrival.problem, arrival.at)
        logger.warning("refused an upload", run_id=arrival.run_id, reason=arrival.problem, key=kept)
    elif upload.purpose == "incoming":
        run = training.begin(arrival, upload.project)
        runs.start(config.training_state_machine, run.run_id, {"run": run})
    else:
        kind = ScoringRun if upload.purpose == "score" else FeatureSetRun
        machine = config.scoring_state_machine if kind is ScoringRun else config.features_state_machine
        asked = kind(arrival.run_id, upload.project, arrival.source, arrival.at, arrival.by)
        runs.start(machine, asked.run_id, {"run": asked})
    logger.info("took an upload in", run_id=arrival.run_id, key=arrival.source.key)


@functools.cache
def connections(bucket: str, table: str) -> tuple[Objects, TrainingRuns, Executions]:
    """S3, the registry and Step Functions, connected once in a process."""
    objects, dynamodb = Objects(clients.s3()), clients.dynamodb()
    training = TrainingRuns(bucket, objects, Registry(dynamodb, table), RetrainingRecords(dynamodb, table))
    return objects, training, Executions(clients.stepfunctions())


def handler(event: dict[str, Any], _context: object) -> None:
    """S3 event -> executions. Raises StorageError; the event then comes again."""
    config = settings.load(IntakeSettings)
    for arrival in arrivals(event):
        take_in(arrival, config, *connections(config.artifact_bucket, config.table))
