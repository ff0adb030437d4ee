"""Read the uploaded table, profile and check it; an accepted one becomes a dataset version."""

import functools
import json
import secrets
import tempfile
from pathlib import Path
from typing import Any

from aws_lambda_powertools import Logger

from tidemill import keys, settings, spec
from tidemill.aws import clients, datasets, mask_keys
from tidemill.aws.metering import metered
from tidemill.aws.objects import Objects
from tidemill.aws.registry import Registry
from tidemill.contracts import Run, Validated, from_json, to_json
from tidemill.data import validation
from tidemill.settings import ValidateSettings

logger = Logger(service="validate")


def validate(run: Run, config: ValidateSettings, objects: Objects, registry: Registry, work: Path) -> Validated:
    """Store what was found, whatever the verdict; raise DataRefused when the table is refused."""
    bucket, source = config.artifact_bucket, run.source
    outcome = validation.validate(
        fetch=lambda path: objects.download(source.bucket, source.key, path, source.version_id),
        size=source.size,
        name=keys.parse_upload(source.key).file,
        spec=spec.parse(json.loads(objects.get(bucket, keys.run_spec(run.run_id)))),
        previous=datasets.previous_profile(run, bucket, objects, registry),
        work=work,
        max_bytes=config.max_upload_mb * 2**20,
        suggested=datasets.suggested_contract(run, bucket, objects),
        run_id=run.run_id,
        mask_key=functools.partial(mask_keys.made, bucket, objects, secrets.token_bytes),
    )
    found = datasets.Found(outcome.checks, outcome.profile, outcome.contract)
    datasets.keep(run, bucket, objects, found)
    validated, _ = outcome.accepted_or_refused()
    datasets.accept(run, bucket, objects, registry, validated, work / validation.TABLE, found, outcome.suggested)
    return validated


@functools.cache
def connections(table: str) -> tuple[Objects, Registry]:
    """S3 and the registry, connected once in a process."""
    return Objects(clients.s3()), Registry(clients.dynamodb(), table)


@metered
def handler(event: dict[str, Any], _context: object) -> Any:
    """{"run": Run} -> Validated. Raises DataRefused, SpecError, StorageError."""
    run, config = from_json(Run, event["run"]), settings.load(ValidateSettings)
    logger.append_keys(run_id=run.run_id)
    with tempfile.TemporaryDirectory() as work:
        validated = validate(run, config, *connections(config.table), Path(work))
    logger.info("validated", rows=validated.dataset.rows, version=validated.dataset.version, task=validated.task)
    return to_json(validated)
