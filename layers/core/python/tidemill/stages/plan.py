"""Cutting an uploaded table into slices that one version of the model will score."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from tidemill import keys
from tidemill.aws.feature_sets import FeatureSets
from tidemill.aws.registry import CHAMPION
from tidemill.contracts import Planned, ScoringRun, Signature, Slice
from tidemill.data.scoring_table import read_scoring_table
from tidemill.errors import DataRefused
from tidemill.serving import slices
from tidemill.serving.features import Encoder


def plan(run: ScoringRun, max_mb: int, slice_rows: int, stored: FeatureSets, work: Path) -> Planned:
    """Write slices and manifest. The champion is looked up once, so that all slices use the same version.

    Parameters
    ----------
    max_mb
        size of the largest table that is accepted.
    slice_rows
        rows of a slice; the last one may have fewer.
    stored
        the feature sets; the slices go into their bucket.
    work
        a folder for what is downloaded and computed.

    Raises
    ------
    DataRefused
        no version is in service, or the table cannot be scored.
    NotFound, ContractError, StorageError
    """
    bucket, objects = stored.bucket, stored.objects
    version = stored.registry.alias(run.model, CHAMPION)
    if version is None:
        raise DataRefused(f"there is no model {run.model!r} in service to score the file with: train it first")
    limit = max_mb * 2**20
    if run.source.size > limit:
        raise DataRefused(
            f"the file has {run.source.size:,} bytes, at most {limit:,} are accepted: upload it in pieces"
        )
    signature = objects.get_contract(Signature, bucket, keys.model(run.model, version, "signature.json"))
    encoder = Encoder(signature.inputs)
    file = keys.parse_upload(run.source.key).file
    upload = work / "upload"
    stored.fetch(run.source, upload)
    folder = Path(tempfile.mkdtemp(dir=work))
    current = functools.partial(stored.current, work=work)

    def mask_key() -> bytes:
        return objects.get(bucket, keys.mask_key())

    manifest = []
    with read_scoring_table(upload, file, signature, folder, limit, mask_key, current) as table:
        for index, batch in enumerate(table.batches(slice_rows)):
            rows = min(slice_rows, table.rows - batch.start)
            item = Slice(run.run_id, run.model, version, index, rows, keys.scoring_slice(run.run_id, index))
            objects.put(bucket, item.key, slices.pack(batch.original, encoder.encode(batch.raw)))
            manifest.append(item)
        absent = tuple(field.name for field in signature.inputs if field.name not in table.known)
    objects.put_contract(bucket, keys.scoring_manifest(run.run_id), manifest)
    return Planned(bucket, keys.scoring_manifest(run.run_id), len(manifest), table.rows, version, absent)
