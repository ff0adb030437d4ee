"""Cut an uploaded table into slices that one version of the model will score."""

import functools
import tempfile
from pathlib import Path
from typing import Any

from aws_lambda_powertools import Logger

from tidemill import keys, settings
from tidemill.aws import clients
from tidemill.aws.feature_sets import FeatureSets
from tidemill.aws.objects import Objects
from tidemill.aws.registry import CHAMPION, Registry
from tidemill.contracts import Planned, ScoringRun, Signature, Slice, from_json, to_json
from tidemill.data.scoring_table import read_scoring_table
from tidemill.errors import DataRefused
from tidemill.serving import slices
from tidemill.serving.features import Encoder

logger = Logger(service="plan")


def plan(run: ScoringRun, config: settings.PlanSettings, objects: Objects, registry: Registry, work: Path) -> Planned:
    """Write slices and manifest. The champion is looked up once, so that all slices use the same version."""
    if (version := registry.alias(run.model, CHAMPION)) is None:
        raise DataRefused(f"there is no model {run.model!r} in service to score the file with: train it first")
    bucket, size, limit = config.artifact_bucket, run.source.size, config.max_upload_mb * 2**20
    if size > limit:
        raise DataRefused(f"the file has {size:,} bytes, at most {limit:,} are accepted: upload it in pieces")
    signature = objects.get_contract(Signature, bucket, keys.model(run.model, version, "signature.json"))
    encoder, manifest, file = Encoder(signature.inputs), [], keys.parse_upload(run.source.key).file
    objects.download(run.source.bucket, run.source.key, work / "upload", run.source.version_id)
    folder, secret = Path(tempfile.mkdtemp(dir=work)), lambda: objects.get(bucket, keys.mask_key())
    current = functools.partial(FeatureSets(bucket, objects, registry).current, work=work)
    with read_scoring_table(work / "upload", file, signature, folder, limit, secret, current) as table:
        for index, batch in enumerate(table.batches(config.slice_rows)):
            rows = min(config.slice_rows, table.rows - batch.start)
            item = Slice(run.run_id, run.model, version, index, rows, keys.scoring_slice(run.run_id, index))
            objects.put(bucket, item.key, slices.pack(batch.original, encoder.encode(batch.raw)))
            manifest.append(item)
        absent = tuple(field.name for field in signature.inputs if field.name not in table.known)
    objects.put_contract(bucket, keys.scoring_manifest(run.run_id), manifest)
    return Planned(bucket, keys.scoring_manifest(run.run_id), len(manifest), table.rows, version, absent)


@functools.cache
def connections(table: str) -> tuple[Objects, Registry]:
    """Buckets and registry, connected once in a process."""
    return Objects(clients.s3()), Registry(clients.dynamodb(), table)


def handler(event: dict[str, Any], _context: object) -> Any:
    """{"run": ScoringRun} -> Planned. Raises DataRefused, StorageError."""
    run, config = from_json(ScoringRun, event["run"]), settings.load(settings.PlanSettings)
    logger.append_keys(run_id=run.run_id)
    with tempfile.TemporaryDirectory() as work:
        planned = plan(run, config, *connections(config.table), Path(work))
    logger.info("planned", rows=planned.rows, slices=planned.slices, version=planned.version)
    return to_json(planned)
