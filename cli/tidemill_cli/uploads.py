"""Uploading a table, and knowing the run that the upload starts."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from tidemill import keys
from tidemill_cli.session import Session


class Table(click.Path):
    """A file that can be uploaded: it exists, and can be read more than once, as a pipe cannot."""

    def __init__(self) -> None:
        super().__init__(exists=True, dir_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The file's path."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if not path.is_file():
            self.fail(
                f"{str(path)!r} is a pipe or a device, and a file is needed: write the table to one, named as what it "
                "is (customers.csv), and give that",
                param,
                ctx,
            )
        return path


TABLE = Table()


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
