"""What an uploaded file is by its bytes, whatever its name says; gzip is unpacked.

A file that is no table is refused with one sentence that says what it is and what to
upload instead.
"""

from __future__ import annotations

import gzip
import os
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tidemill.errors import DataRefused

ACCEPTED = "upload a table as CSV, TSV, JSON, Parquet or Excel workbook (.xlsx), plain or gzip-compressed"
#: How many times larger than the largest accepted upload an unpacked one may be.
MAX_EXPANSION = 5
BLOCK = 1 << 20

GZIP = b"\x1f\x8b"
PARQUET = b"PAR1"
ZIP = b"PK\x03\x04"
#: A part of every Excel workbook in the format that is read.
WORKBOOK = "xl/workbook.xml"
#: Compressions that are not unpacked.
COMPRESSED = {
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
    b"7z\xbc\xaf\x27\x1c": "7-Zip",
    b"Rar!": "RAR",
}
#: Files that are no tables, or tables of a program that must export them first.
OTHER = {
    b"%PDF": "a PDF document",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "a document of the old Office formats, or protected by a password",
    b"SQLite format 3\x00": "an SQLite database",
    b"ARROW1\x00\x00": "an Arrow (Feather) file",
    b"Obj\x01": "an Avro file",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF89a": "a picture",
    b"\x7fELF": "a program",
    b"MZ\x90": "a program",
    b"\x80\x04\x95": "a Python pickle",
    b"{\\rtf": "an RTF document",
}
#: Beginnings of markup, lower case.
MARKUP = {b"<!doctype html": "an HTML page", b"<html": "an HTML page", b"<table": "an HTML page", b"<?xml": "XML"}


@dataclass(frozen=True)
class Content:
    """A file that may hold a table."""

    kind: Literal["parquet", "workbook", "text"]
    path: Path  #: of the unpacked file
    compression: Literal["gzip"] | None
    bytes: int  #: size of the upload


def check_size(size: int, max_bytes: int) -> None:
    """Refuse an upload that is empty or too large. Raises DataRefused."""
    if size == 0:
        raise DataRefused(f"the file is empty (0 bytes): {ACCEPTED}")
    if size > max_bytes:
        raise DataRefused(
            f"the file has {size:,} bytes, more than the {max_bytes:,} that are accepted: "
            "upload fewer rows, gzip or Parquet, or raise the limit of the stack (MaxUploadMb)"
        )


def open_content(path: Path, work: Path, max_bytes: int) -> Content:
    """Tell what the file is, and unpack it into `work` when it is gzip.

    Raises
    ------
    DataRefused
        the file is empty, too large, damaged or no table.
    """
    size = path.stat().st_size
    check_size(size, max_bytes)
    compression: Literal["gzip"] | None = None
    if _head(path).startswith(GZIP):
        unpacked = work / "unpacked"
        _unpack(path, unpacked, max_bytes * MAX_EXPANSION)
        path, compression = unpacked, "gzip"
    head = _head(path)
    if head.startswith(ZIP):
        _refuse_other_archive(path)
        return Content("workbook", path, compression, size)
    _refuse_other(head)
    return Content("parquet" if _is_parquet(path, head) else "text", path, compression, size)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(512)


def _is_parquet(path: Path, head: bytes) -> bool:
    """Whether it is Parquet, whole or cut off; a CSV file may have a column named PAR1 as well."""
    if not head.startswith(PARQUET):
        return False
    with path.open("rb") as file:
        file.seek(-len(PARQUET), os.SEEK_END)
        return file.read() == PARQUET or any(byte < 9 for byte in head)


def _unpack(path: Path, unpacked: Path, limit: int) -> None:
    written = 0
    try:
        with gzip.open(path, "rb") as source, unpacked.open("wb") as target:
            while block := source.read(BLOCK):
                written += len(block)
                if written > limit:
                    raise DataRefused(f"the file unpacks to more than {limit:,} bytes: upload fewer rows")
                target.write(block)
    except (OSError, EOFError, zlib.error) as error:
        if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile):
            raise
        raise DataRefused(f"the gzip file is damaged or cut off ({error}): compress and upload it again") from error
    if written == 0:
        raise DataRefused(f"the gzip file holds nothing: {ACCEPTED}")


def _refuse_other_archive(path: Path) -> None:
    """Refuse a zip archive that is no workbook."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise DataRefused(
            f"the file is a damaged zip archive or workbook ({error}): save and upload it again"
        ) from error
    if WORKBOOK in names:
        return
    if names & {"xl/workbook.bin", "mimetype", "[Content_Types].xml"}:
        raise DataRefused(
            "the file is a spreadsheet or document of another kind: save it as .xlsx or CSV and upload that"
        )
    raise DataRefused("the file is a zip archive: upload the table in it as gzip or uncompressed")


def _refuse_other(head: bytes) -> None:
    if head.startswith(GZIP):
        raise DataRefused("the file is compressed with gzip twice: compress it once")
    compressions = [name for magic, name in COMPRESSED.items() if head.startswith(magic)]
    if head.startswith(b"BZh") and head[4:10] == b"1AY&SY":
        compressions = ["bzip2"]
    if compressions:
        raise DataRefused(f"the file is compressed with {compressions[0]}: upload it as gzip or uncompressed")
    for magic, name in OTHER.items():
        if head.startswith(magic):
            raise DataRefused(f"the file is {name}, not a table: {ACCEPTED}")
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for beginning, name in MARKUP.items():
        if text.startswith(beginning):
            raise DataRefused(f"the file is {name}, not a table: {ACCEPTED}")
