"""Judge the refitted model on the holdout, prove its export, let the gates decide."""

import functools
from typing import Any

from aws_lambda_powertools import Logger

from tidemill import settings
from tidemill.aws import clients
from tidemill.aws.metering import metered
from tidemill.aws.objects import Objects
from tidemill.aws.registry import Registry
from tidemill.contracts import Run, from_json, to_json
from tidemill.stages.evaluate import evaluate

logger = Logger(service="evaluate")


@functools.cache
def connections(table: str) -> tuple[Objects, Registry]:
    """S3 and the registry, connected once in a process."""
    return Objects(clients.s3()), Registry(clients.dynamodb(), table)


@metered
def handler(event: dict[str, Any], _context: object) -> Any:
    """{"run": Run} -> Evaluated. Raises ParityError, GateRefused, NotFound, StorageError."""
    run = from_json(Run, event["run"])
    logger.append_keys(run_id=run.run_id)
    config = settings.load(settings.EvaluateSettings)
    evaluated = evaluate(run, config.artifact_bucket, *connections(config.table))
    logger.info("every gate passed", metric=evaluated.metric, value=evaluated.value)
    return to_json(evaluated)
