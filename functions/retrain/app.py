"""Compose a table of what is known by now, and upload it: that starts a training run."""

import functools
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from aws_lambda_powertools import Logger

from tidemill import settings, spec
from tidemill.aws.retraining import Material
from tidemill.contracts import from_json, to_json
from tidemill.data import retraining_table
from tidemill.monitoring_contracts import Retraining
from tidemill.rules import retraining

logger = Logger(service="retrain")


def retrain(asked: Retraining, material: Material, work: Path) -> Retraining:
    """Upload the table, or say why there is none."""
    declared = spec.parse(material.spec(asked.model))
    asked = replace(asked, start=retraining.window_start(asked, declared.retraining))
    found = material.known(asked)
    rows = retraining_table.usable(found.rows, found.classes)
    problem = retraining.not_enough(asked, len(rows), declared.retraining, found.unjoined)
    asked = replace(asked, labels=found.labels, problem=problem)
    if asked.problem:
        return asked
    accepted, profile = material.accepted(asked.model, found.dataset_version, work)
    share, old = retraining.new_share(asked, declared.retraining), asked.data != "window"
    made = retraining_table.compose(accepted, profile, rows, old, share, declared.seed, work)
    key = material.upload(asked, made.path)
    return replace(asked, rows_old=made.rows_old, rows_new=made.rows_new, key=key)


@functools.cache
def connection(config: settings.RetrainSettings) -> Material:
    """Buckets and registry, connected once in a process."""
    return Material.connect(config.artifact_bucket, config.data_bucket, config.table)


def handler(event: dict[str, Any], _context: object) -> Any:
    """{"retraining": Retraining} -> Retraining, with a problem when it has no table. Raises NotFound, StorageError."""
    asked, config = from_json(Retraining, event["retraining"]), settings.load(settings.RetrainSettings)
    logger.append_keys(model=asked.model, retraining=asked.id)
    material = connection(config)
    with tempfile.TemporaryDirectory() as work:
        made = material.records.attempt(asked, lambda kept: retrain(kept, material, Path(work)))
    logger.info("retraining", key=made.key, rows_old=made.rows_old, rows_new=made.rows_new, problem=made.problem)
    return to_json(made)
