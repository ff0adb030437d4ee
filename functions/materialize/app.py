"""Write a batch of changed features online: a child of the Distributed Map in `infra/features.asl.json`."""

import functools
from typing import Any

from aws_lambda_powertools import Logger

from tidemill import settings
from tidemill.aws import clients
from tidemill.aws.objects import Objects
from tidemill.aws.online_features import OnlineFeatures
from tidemill.contracts import FeatureBatch, from_json

logger = Logger(service="materialize")


@functools.cache
def connections(table: str) -> tuple[Objects, OnlineFeatures]:
    """S3 and the online table, connected once in a process."""
    return Objects(clients.s3()), OnlineFeatures(clients.dynamodb(), table)


def handler(event: dict[str, Any], _context: object) -> Any:
    """{"batch": FeatureBatch} -> {"rows"}. Raises NotFound, StorageError."""
    batch, config = from_json(FeatureBatch, event["batch"]), settings.load(settings.MaterializeSettings)
    logger.append_keys(run_id=batch.run_id)
    objects, online = connections(config.features_table)
    rows = online.write(batch.feature_set, objects.get(config.artifact_bucket, batch.key))
    logger.info("wrote a batch", set=batch.feature_set, index=batch.index, rows=rows)
    return {"rows": rows}
