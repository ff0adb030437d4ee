"""What a notification of the data bucket says has arrived."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus

from tidemill import keys
from tidemill.contracts import Source, instant
from tidemill.errors import ContractError


@dataclass(frozen=True)
class Arrival:
    """An uploaded object."""

    source: Source
    at: str
    by: str  #: the principal that uploaded it
    upload: keys.Upload | None  #: what its key means; None when the key means nothing
    problem: str  #: why the key means nothing, in one sentence

    @property
    def run_id(self) -> str:
        """The run that the upload starts, the same however often it is told of."""
        return keys.run_id(self.source.bucket, self.source.key, self.source.version_id, self.source.etag)


def arrivals(event: Mapping[str, Any]) -> Iterator[Arrival]:
    """The uploads that an S3 event tells of.

    Deletions are no uploads, nor are the empty objects that consoles make as folders, nor
    the test event that S3 sends when a notification is set up.
    """
    for record in event.get("Records", []):
        item = record["s3"]["object"]
        key = unquote_plus(item["key"])
        if record["eventName"].startswith("ObjectCreated:") and not key.endswith("/"):
            upload, problem = _meaning(key)
            source = Source(
                bucket=record["s3"]["bucket"]["name"],
                key=key,
                version_id=item.get("versionId") or "",
                etag=item["eTag"],
                size=item["size"],
            )
            at = instant(datetime.fromisoformat(record["eventTime"]))
            yield Arrival(source, at, record.get("userIdentity", {}).get("principalId", "unknown"), upload, problem)


def _meaning(key: str) -> tuple[keys.Upload | None, str]:
    try:
        return keys.parse_upload(key), ""
    except ContractError as error:
        return None, str(error)
