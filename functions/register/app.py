"""Make what the run has trained and proven the model's next version, with its lineage."""

import functools
import json
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger

from tidemill import keys, settings, spec
from tidemill.aws import clients, registration
from tidemill.aws.metering import metered
from tidemill.aws.objects import Objects
from tidemill.aws.registry import Registry
from tidemill.contracts import Registered, Run, from_json, instant, to_json
from tidemill.version import code_version

logger = Logger(service="register")


def register(run: Run, bucket: str, objects: Objects, registry: Registry, at: str) -> Registered:
    """Register the run's model; doing it again leaves the same version."""
    declared = spec.parse(json.loads(objects.get(bucket, keys.run_spec(run.run_id))))
    lineage = registration.lineage(run, bucket, objects, registry, declared.sha256, code_version())
    version = registration.register(run, bucket, objects, registry, lineage, at)
    asked = declared.approval
    if asked.mode == "auto":
        return Registered(run.project, version)
    return Registered(run.project, version, asked.timeout_hours, asked.reminder_hours)


@functools.cache
def connections(table: str) -> tuple[Objects, Registry]:
    """S3 and the registry, connected once in a process."""
    return Objects(clients.s3()), Registry(clients.dynamodb(), table)


@metered
def handler(event: dict[str, Any], _context: object) -> Any:
    """{"run": Run} -> Registered. Raises NotFound, ImmutableVersion, ContractError, StorageError."""
    run = from_json(Run, event["run"])
    logger.append_keys(run_id=run.run_id)
    config = settings.load(settings.RegisterSettings)
    registered = register(run, config.artifact_bucket, *connections(config.table), at=instant(datetime.now(UTC)))
    logger.info("registered", model=registered.model, version=registered.version)
    return to_json(registered)
