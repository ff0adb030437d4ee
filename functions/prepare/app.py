"""Join shared features to the accepted table, encode it, keep a holdout away, and plan the search."""

import functools
import json
import tempfile
from pathlib import Path
from typing import Any

from aws_lambda_powertools import Logger

from tidemill import keys, settings, spec
from tidemill.aws import clients
from tidemill.aws.feature_sets import FeatureSets
from tidemill.aws.metering import metered
from tidemill.aws.objects import Objects
from tidemill.aws.registry import Registry
from tidemill.contracts import Prepared, Profile, Run, Validated, from_json, to_json
from tidemill.data import feature_join, parquet
from tidemill.learning import preparation

logger = Logger(service="prepare")


def prepare(run: Run, validated: Validated, stored: FeatureSets, work: Path) -> Prepared:
    """Write plan, training rows and holdout; the same table, spec and feature sets leave the same bytes."""
    bucket, objects, table = stored.bucket, stored.objects, work / "data.parquet"
    declared = spec.parse(json.loads(objects.get(bucket, keys.run_spec(run.run_id))))
    profile = objects.get_contract(Profile, bucket, keys.run_profile(run.run_id))
    objects.download(bucket, keys.dataset(run.project, validated.dataset.version, "data.parquet"), table)
    types = preparation.needed(profile, validated.target, declared.sensitive) | feature_join.needed(declared, profile)
    raw = parquet.load_columns(table, list(types), types)
    joined = feature_join.join(declared, profile, raw, functools.partial(stored.current, work=work), work)
    if joined.feature_sets:
        objects.put_contract(bucket, keys.run_profile(run.run_id), joined.profile)
        objects.put_contract(bucket, keys.run_join_checks(run.run_id), joined.checks)
    ready = preparation.prepare(
        run.project, declared, joined.profile, validated, raw | joined.values, joined.feature_sets, joined.keys
    )
    objects.put_contract(bucket, keys.run_plan(run.run_id), ready.plan)
    objects.put(bucket, keys.run_train_rows(run.run_id), ready.train.save())
    objects.put(bucket, keys.run_holdout_rows(run.run_id), ready.holdout.save())
    return ready.plan.prepared()


@functools.cache
def connection(bucket: str, table: str) -> FeatureSets:
    """Bucket and registry, connected once in a process."""
    return FeatureSets(bucket, Objects(clients.s3()), Registry(clients.dynamodb(), table))


@metered
def handler(event: dict[str, Any], _context: object) -> Any:
    """{"run": Run, "validated": Validated} -> Prepared. Raises DataRefused, SpecError, StorageError."""
    run, validated = from_json(Run, event["run"]), from_json(Validated, event["validated"])
    config = settings.load(settings.PrepareSettings)
    logger.append_keys(run_id=run.run_id)
    with tempfile.TemporaryDirectory() as work:
        prepared = prepare(run, validated, connection(config.artifact_bucket, config.table), Path(work))
    logger.info("prepared", metric=prepared.metric, train=prepared.train_rows, holdout=prepared.holdout_rows)
    return to_json(prepared)
