"""Objects in S3.

A missing object is NotFound, naming bucket and key; anything else that S3 refuses is
StorageError with S3's code. For S3 to say that an object is missing (404, not 403),
the caller's role needs `s3:ListBucket` on the bucket besides `s3:GetObject`; reading a
given version also needs `s3:GetObjectVersion`.

Writing the same bytes to the same key again leaves what writing once leaves. Files move
through s3transfer (part of boto3), in parts and at a few megabytes of memory.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from tidemill import contracts
from tidemill.aws.faults import code, translated
from tidemill.errors import NotFound, StorageError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef
    from s3transfer.manager import TransferManager

T = TypeVar("T")

#: Bytes of one part of a streamed object; S3 takes parts from 5 MiB on, and 10,000 of them.
PART_BYTES = 16 * 1024 * 1024
MISSING = frozenset({"NoSuchKey", "NoSuchVersion", "NoSuchBucket", "NotFound", "404"})
#: What a conditional write answers when the object is there, or is being written by another one at this moment.
THERE_ALREADY = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
CONTENT_TYPES = {
    ".json": "application/json",
    ".html": "text/html; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".gz": "application/gzip",
}


@dataclass(frozen=True)
class Head:
    """What S3 knows about an object without reading it."""

    key: str
    size: int  #: bytes
    etag: str  #: without quotes
    modified_at: str  #: UTC, ISO 8601, with Z
    version_id: str = ""  #: empty in a bucket without versioning, and in a listing


class Objects:
    """Reads and writes whole objects, contracts, files and streams."""

    def __init__(self, s3: S3Client) -> None:
        self._s3 = s3

    # --- whole objects -------------------------------------------------------------------------

    def get(self, bucket: str, key: str, version_id: str = "") -> bytes:
        """The object's bytes. Raises NotFound, StorageError."""
        with _reading(bucket, key):
            return self._s3.get_object(Bucket=bucket, Key=key, **_version(version_id))["Body"].read()

    def put(self, bucket: str, key: str, data: bytes, content_type: str | None = None) -> None:
        """Write an object; the content type follows from the key's suffix unless given. Raises StorageError."""
        with translated(f"write s3://{bucket}/{key}"):
            self._s3.put_object(Bucket=bucket, Key=key, Body=data, ContentType=content_type or _content_type(key))

    def put_new(self, bucket: str, key: str, data: bytes) -> bool:
        """Write an object unless it is there already; whether this call wrote it. Raises StorageError."""
        with translated(f"write s3://{bucket}/{key}"):
            try:
                self._s3.put_object(Bucket=bucket, Key=key, Body=data, ContentType=_content_type(key), IfNoneMatch="*")
            except ClientError as error:
                if code(error) in THERE_ALREADY:
                    return False
                raise
        return True

    def get_contract(self, cls: type[T], bucket: str, key: str) -> T:
        """Read a contract from a JSON object. Raises NotFound, ContractError, StorageError."""
        return contracts.loads(cls, self.get(bucket, key))

    def put_contract(self, bucket: str, key: str, value: Any) -> None:
        """Write a contract (or a tuple of contracts) as canonical JSON. Raises StorageError."""
        self.put(bucket, key, contracts.dumps(value))

    def exists(self, bucket: str, key: str) -> bool:
        """Whether there is such an object. Raises StorageError."""
        try:
            self.head(bucket, key)
        except NotFound:
            return False
        return True

    def head(self, bucket: str, key: str, version_id: str = "") -> Head:
        """Size, etag and version of an object. Raises NotFound, StorageError."""
        with _reading(bucket, key):
            answer = self._s3.head_object(Bucket=bucket, Key=key, **_version(version_id))
        return Head(
            key=key,
            size=answer["ContentLength"],
            etag=answer["ETag"].strip('"'),
            modified_at=contracts.instant(answer["LastModified"]),
            version_id=answer.get("VersionId", ""),
        )

    def copy(self, source_bucket: str, source_key: str, bucket: str, key: str, version_id: str = "") -> None:
        """Copy an object of any size inside S3; `version_id` is the source's. Raises NotFound, StorageError."""
        with _reading(source_bucket, source_key), self._transfer() as transfer:
            source = {"Bucket": source_bucket, "Key": source_key, **_version(version_id)}
            transfer.copy(source, bucket, key).result()

    def delete(self, bucket: str, key: str) -> None:
        """Delete an object; a missing one is no error. Raises StorageError."""
        with translated(f"delete s3://{bucket}/{key}"):
            self._s3.delete_object(Bucket=bucket, Key=key)

    def list(self, bucket: str, prefix: str, start_after: str = "") -> Iterator[Head]:
        """Every object whose key begins with the prefix and comes after `start_after`, in the order of the keys.

        They are asked for by the thousand, as they are taken. Raises StorageError.
        """
        with translated(f"list s3://{bucket}/{prefix}"):
            pages = self._s3.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=bucket, Prefix=prefix, StartAfter=start_after):
                for item in page.get("Contents", []):
                    yield Head(
                        item["Key"], item["Size"], item["ETag"].strip('"'), contracts.instant(item["LastModified"])
                    )

    # --- files and streams ---------------------------------------------------------------------

    def download(self, bucket: str, key: str, path: Path | str, version_id: str = "") -> None:
        """Stream an object to a file; a failed one leaves no file. Raises NotFound, StorageError."""
        with _reading(bucket, key), self._transfer() as transfer:
            transfer.download(bucket, key, str(path), extra_args=_version(version_id)).result()

    def upload(self, path: Path | str, bucket: str, key: str, content_type: str | None = None) -> None:
        """Stream a file of any size to an object. Raises StorageError."""
        with translated(f"write s3://{bucket}/{key}"), self._transfer() as transfer:
            extra = {"ContentType": content_type or _content_type(key)}
            transfer.upload(str(path), bucket, key, extra_args=extra).result()

    @contextmanager
    def writer(self, bucket: str, key: str, content_type: str | None = None) -> Iterator[Upload]:
        """A binary stream that becomes the object when the block ends; nothing appears when the block raises.

        Its `version_id` is then the object's. Memory stays at about two parts, whatever the size. Raises StorageError.
        """
        upload = Upload(self._s3, bucket, key, content_type or _content_type(key))
        try:
            yield upload
            upload.complete()
        except BaseException:
            upload.abort()
            raise

    @contextmanager
    def _transfer(self) -> Iterator[TransferManager]:
        from s3transfer.exceptions import RetriesExceededError
        from s3transfer.manager import TransferManager

        try:
            with TransferManager(self._s3) as manager:
                yield manager
        except RetriesExceededError as error:
            raise StorageError(f"S3 broke off the transfer again and again: {error}") from error


class Upload(io.BufferedIOBase):
    """The parts of one streamed object; a small one is written with a single request."""

    version_id = ""  #: of the object, once it is there; "" in a bucket without versions

    def __init__(self, s3: S3Client, bucket: str, key: str, content_type: str) -> None:
        self._s3 = s3
        self._target: dict[str, Any] = {"Bucket": bucket, "Key": key}
        self._content_type = content_type
        self._upload_id = ""
        self._etags: list[str] = []
        self._pending = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._pending += data
        while len(self._pending) >= PART_BYTES:
            self._send(bytes(self._pending[:PART_BYTES]))
            del self._pending[:PART_BYTES]
        return len(data)

    def complete(self) -> None:
        with self._writing():
            if not self._upload_id:
                put = self._s3.put_object(**self._target, Body=bytes(self._pending), ContentType=self._content_type)
                self.version_id = put.get("VersionId", "")
                return
        if self._pending:
            self._send(bytes(self._pending))
        parts: list[CompletedPartTypeDef] = [
            {"PartNumber": number, "ETag": etag} for number, etag in enumerate(self._etags, 1)
        ]
        with self._writing():
            completed = self._s3.complete_multipart_upload(
                **self._target, UploadId=self._upload_id, MultipartUpload={"Parts": parts}
            )
            self.version_id = completed.get("VersionId", "")

    def abort(self) -> None:
        if self._upload_id:
            with self._writing():
                try:
                    self._s3.abort_multipart_upload(**self._target, UploadId=self._upload_id)
                except ClientError as error:
                    if code(error) != "NoSuchUpload":  # an answer that was lost: the upload is given up already
                        raise

    def _send(self, part: bytes) -> None:
        with self._writing():
            if not self._upload_id:
                answer = self._s3.create_multipart_upload(**self._target, ContentType=self._content_type)
                self._upload_id = answer["UploadId"]
            number = len(self._etags) + 1
            sent = self._s3.upload_part(**self._target, UploadId=self._upload_id, PartNumber=number, Body=part)
            self._etags.append(sent["ETag"])

    def _writing(self) -> Any:
        return translated(f"write s3://{self._target['Bucket']}/{self._target['Key']}")


@contextmanager
def _reading(bucket: str, key: str) -> Iterator[None]:
    with translated(f"read s3://{bucket}/{key}"):
        try:
            yield
        except ClientError as error:
            if code(error) in MISSING:
                raise NotFound(f"there is no object s3://{bucket}/{key}") from error
            raise


def _version(version_id: str) -> dict[str, Any]:
    return {"VersionId": version_id} if version_id else {}


def _content_type(key: str) -> str:
    return CONTENT_TYPES.get(PurePosixPath(key).suffix.lower(), "application/octet-stream")
