"""Encode the accepted table, keep a holdout away, and plan the search."""

import functools
import json
import tempfile
from pathlib import Path
from typing import Any

from aws_lambda_powertools import Logger

from tidemill import keys, settings, spec
from tidemill.aws import clients
from tidemill.aws.metering import metered
from tidemill.aws.objects import Objects
from tidemill.contracts import Prepared, Profile, Run, Validated, from_json, to_json
from tidemill.data import parquet
from tidemill.learning import preparation

logger = Logger(service="prepare")


def prepare(run: Run, validated: Validated, bucket: str, objects: Objects, table: Path) -> Prepared:
    """Write plan, training rows and holdout; the same table and spec leave the same bytes.

    Parameters
    ----------
    table
        where the accepted table is downloaded to.
    """
    declared = spec.parse(json.loads(objects.get(bucket, keys.run_spec(run.run_id))))
    profile = objects.get_contract(Profile, bucket, keys.run_profile(run.run_id))
    objects.download(bucket, keys.dataset(run.project, validated.dataset.version, "data.parquet"), table)
    types = preparation.needed(profile, validated.target, declared.sensitive)
    raw = parquet.load_columns(table, list(types), types)
    ready = preparation.prepare(run.project, declared, profile, validated, raw)
    objects.put_contract(bucket, keys.run_plan(run.run_id), ready.plan)
    objects.put(bucket, keys.run_train_rows(run.run_id), ready.train.save())
    objects.put(bucket, keys.run_holdout_rows(run.run_id), ready.holdout.save())
    return ready.plan.prepared()


@functools.cache
def connection() -> Objects:
    """S3, connected once in a process."""
    return Objects(clients.s3())


@metered
def handler(event: dict[str, Any], _context: object) -> Any:
    """{"run": Run, "validated": Validated} -> Prepared. Raises DataRefused, SpecError, StorageError."""
    run, validated = from_json(Run, event["run"]), from_json(Validated, event["validated"])
    config = settings.load(settings.PrepareSettings)
    logger.append_keys(run_id=run.run_id)
    with tempfile.TemporaryDirectory() as work:
        prepared = prepare(run, validated, config.artifact_bucket, connection(), Path(work) / "data.parquet")
    logger.info("prepared", metric=prepared.metric, train=prepared.train_rows, holdout=prepared.holdout_rows)
    return to_json(prepared)
