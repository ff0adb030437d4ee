"""Uploading a table, and knowing the run that the upload starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tidemill import keys
from tidemill_cli.session import Session


@dataclass(frozen=True)
class Uploaded:
    """A table in the data bucket, and the id of the run that it starts."""

    run_id: str
    place: str  #: s3://bucket/key


def upload(session: Session, path: Path, key: str) -> Uploaded:
    """Upload a file of any size. The run's id follows from bucket, key, version and etag, as intake makes it.

    Raises
    ------
    StorageError
        the bucket refused it or did not answer.
    """
    bucket = session.data_bucket
    session.objects.upload(path, bucket, key)
    head = session.objects.head(bucket, key)
    return Uploaded(keys.run_id(bucket, key, head.version_id, head.etag), f"s3://{bucket}/{key}")
