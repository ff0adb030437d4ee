"""Take true outcomes into a model's ledger; the next look at the model joins them to its predictions."""

import functools
import tempfile
from pathlib import Path
from typing import Any

from aws_lambda_powertools import Logger

from tidemill import settings, spec
from tidemill.aws import clients
from tidemill.aws.actuals_uploads import ActualsUploads
from tidemill.aws.monitoring_records import MonitoringRecords
from tidemill.aws.objects import Objects
from tidemill.aws.registry import Registry
from tidemill.aws.uploads import Arrival, arrivals
from tidemill.contracts import Signature
from tidemill.data.actuals_table import Actuals, read_actuals
from tidemill.monitoring_contracts import ActualsUpload

logger = Logger(service="actuals")


def take_in(arrival: Arrival, max_bytes: int, uploads: ActualsUploads, work: Path) -> ActualsUpload:
    """Keep what the file says, or quarantine it with the reason."""

    def read(path: Path, name: str, signature: Signature, document: Any) -> Actuals:
        key, folder = spec.parse(document).monitor.key, Path(tempfile.mkdtemp(dir=work))
        return read_actuals(path, name, signature, key, folder, max_bytes, uploads.mask_key)

    return uploads.take_in(arrival, work, max_bytes, read)


@functools.cache
def connection(bucket: str, table: str) -> ActualsUploads:
    """Buckets and registry, connected once in a process."""
    dynamodb = clients.dynamodb()
    registry, records = Registry(dynamodb, table), MonitoringRecords(dynamodb, table)
    return ActualsUploads(bucket, Objects(clients.s3()), registry, records)


def handler(event: dict[str, Any], _context: object) -> None:
    """S3 event -> ledger files. Raises NotFound, ContractError, StorageError; the event then comes again."""
    config = settings.load(settings.ActualsSettings)
    uploads = connection(config.artifact_bucket, config.table)
    for arrival in arrivals(event):
        with tempfile.TemporaryDirectory() as work:
            upload = take_in(arrival, config.max_upload_mb * 2**20, uploads, Path(work))
        logger.info("took actuals in", run_id=upload.id, model=upload.model, rows=upload.rows, refused=upload.refused)
