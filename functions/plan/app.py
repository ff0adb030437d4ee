"""Cut an uploaded table into slices that one version of the model will score."""

import functools
import tempfile
from pathlib import Path
from typing import Any

from aws_lambda_powertools import Logger

from tidemill import settings
from tidemill.aws import clients
from tidemill.aws.feature_sets import FeatureSets
from tidemill.aws.objects import Objects
from tidemill.aws.registry import Registry
from tidemill.contracts import ScoringRun, from_json, to_json
from tidemill.stages.plan import plan

logger = Logger(service="plan")


@functools.cache
def connection(bucket: str, table: str) -> FeatureSets:
    """Buckets and registry, connected once in a process."""
    return FeatureSets(bucket, Objects(clients.s3()), Registry(clients.dynamodb(), table))


def handler(event: dict[str, Any], _context: object) -> Any:
    """{"run": ScoringRun} -> Planned. Raises DataRefused, StorageError."""
    run, config = from_json(ScoringRun, event["run"]), settings.load(settings.PlanSettings)
    logger.append_keys(run_id=run.run_id)
    stored = connection(config.artifact_bucket, config.table)
    with tempfile.TemporaryDirectory() as work:
        planned = plan(run, config.max_upload_mb, config.slice_rows, stored, Path(work))
    logger.info("planned", rows=planned.rows, slices=planned.slices, version=planned.version)
    return to_json(planned)
