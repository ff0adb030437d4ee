"""Score one slice of a table: a child of the Distributed Map in `infra/scoring.asl.json`."""

import functools
from typing import Any

from aws_lambda_powertools import Logger

from tidemill import keys, settings
from tidemill.aws import clients
from tidemill.aws.objects import Objects
from tidemill.contracts import Scored, Signature, Slice, from_json, to_json
from tidemill.serving import slices
from tidemill.serving.scoring import Model

logger = Logger(service="score")


@functools.lru_cache(maxsize=1)
def model(objects: Objects, bucket: str, name: str, version: int) -> Model:
    """The model version; the slices of a run share it in one process."""
    signature = objects.get_contract(Signature, bucket, keys.model(name, version, "signature.json"))
    return Model.load(objects.get(bucket, keys.model(name, version, "model.onnx")), signature)


def score(item: Slice, bucket: str, objects: Objects) -> Scored:
    """Write the slice's piece of the scored table, which only depends on the slice and the model version."""
    packed = objects.get(bucket, item.key)
    piece = slices.score(packed, model(objects, bucket, item.model, item.version), header=item.index == 0)
    key = keys.scoring_part(item.run_id, item.index)
    objects.put(bucket, key, piece)
    return Scored(item.index, item.rows, key)


@functools.cache
def connection() -> Objects:
    """S3, connected once in a process."""
    return Objects(clients.s3())


def handler(event: dict[str, Any], _context: object) -> Any:
    """{"slice": Slice} -> Scored. Raises NotFound, StorageError."""
    item = from_json(Slice, event["slice"])
    logger.append_keys(run_id=item.run_id)
    config = settings.load(settings.ScoreSettings)
    scored = score(item, config.artifact_bucket, connection())
    logger.info("scored a slice", index=item.index, rows=item.rows)
    return to_json(scored)
