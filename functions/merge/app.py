"""Put the scored pieces together, in their order, to the one table that the user gets."""

import functools
from typing import Any

from aws_lambda_powertools import Logger

from tidemill import keys, settings
from tidemill.aws import clients
from tidemill.aws.objects import Objects
from tidemill.contracts import Merged, Planned, ScoringRun, from_json, to_json

logger = Logger(service="merge")


def merge(run: ScoringRun, planned: Planned, parts_bucket: str, bucket: str, objects: Objects) -> Merged:
    """Write `scored/<model>/<name>.csv`. A piece is in memory at a time, and nothing appears before all are read."""
    key = keys.scored(run.model, keys.parse_upload(run.source.key).file)
    with objects.writer(bucket, key) as table:
        for index in range(planned.slices):
            table.write(objects.get(parts_bucket, keys.scoring_part(run.run_id, index)))
    return Merged(bucket, key, planned.rows, planned.version, table.version_id, planned.absent)


@functools.cache
def connection() -> Objects:
    """S3, connected once in a process."""
    return Objects(clients.s3())


def handler(event: dict[str, Any], _context: object) -> Any:
    """{"run": ScoringRun, "planned": Planned} -> Merged. Raises NotFound, StorageError."""
    run, planned = from_json(ScoringRun, event["run"]), from_json(Planned, event["planned"])
    logger.append_keys(run_id=run.run_id)
    config = settings.load(settings.MergeSettings)
    merged = merge(run, planned, config.artifact_bucket, config.data_bucket, connection())
    logger.info("merged the pieces", slices=planned.slices, rows=merged.rows, key=merged.key)
    return to_json(merged)
