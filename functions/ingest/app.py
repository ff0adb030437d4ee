"""Take a table into a shared feature set; or, when its changes are online, make the new version the current one."""

import functools
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aws_lambda_powertools import Logger

from tidemill import keys, settings
from tidemill.aws import clients
from tidemill.aws.feature_sets import BUSY, FeatureSets
from tidemill.aws.objects import Objects
from tidemill.aws.registry import Registry
from tidemill.contracts import FeatureSetRun, Ingested, from_json, to_json
from tidemill.data import feature_join, feature_set
from tidemill.spec import FeatureSetDeclaration

logger = Logger(service="ingest")


def ingest(run: FeatureSetRun, max_mb: int, rows: int, stored: FeatureSets, work: Path, now: datetime) -> Ingested:
    """Store the set's new version, and in batches of rows what changes online; or say that it is not our turn."""
    declared = stored.declaration(FeatureSetDeclaration, run.feature_set)
    if (unfinished := stored.take_turn(run, now)) is None:
        return BUSY
    current = stored.current(run.feature_set, work)
    made = feature_set.ingest(
        fetch=functools.partial(stored.fetch, run.source),
        size=run.source.size,
        name=keys.parse_upload(run.source.key).file,
        declared=declared,
        current=current and feature_join.Version(*current),
        unfinished=[stored.download(run.feature_set, version, work / version) for version in unfinished],
        work=Path(tempfile.mkdtemp(dir=work)),
        max_bytes=max_mb * 2**20,
    )
    with closing(made):
        return stored.keep(run, made.version, made.table, made.profile, made.checks, made.batches(rows))


@functools.cache
def connection(bucket: str, table: str) -> FeatureSets:
    """Buckets and registry, connected once in a process."""
    return FeatureSets(bucket, Objects(clients.s3()), Registry(clients.dynamodb(), table))


def handler(event: dict[str, Any], _context: object) -> Any:
    """{"run"} -> Ingested; {"run", "ingested"} -> the same, published. Raises DataRefused, StorageError."""
    run, config = from_json(FeatureSetRun, event["run"]), settings.load(settings.IngestSettings)
    logger.append_keys(run_id=run.run_id)
    stored = connection(config.artifact_bucket, config.table)
    if "ingested" in event:
        return to_json(stored.publish(run, from_json(Ingested, event["ingested"])))
    with tempfile.TemporaryDirectory() as work:
        made = ingest(run, config.max_upload_mb, config.slice_rows, stored, Path(work), datetime.now(UTC))
    logger.info("ingested", set=run.feature_set, rows=made.rows, written=made.written, busy=made.busy)
    return to_json(made)
