"""What a file is by its bytes; what is no table is refused with the way out."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from typing import Any

import pytest

from tidemill.errors import DataRefused

TABLE = "name,age\nada,36\nalan,41\n"


def zipped(*files: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for file in files:
            archive.writestr(file, TABLE)
    return data.getvalue()


def packed(data: bytes) -> bytes:
    """Compressed without the time, so that each collection of the tests names them alike."""
    return gzip.compress(data, mtime=0)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty (0 bytes): upload a table as CSV"),
        (b"\n", "only empty lines"),
        (b"\xef\xbb\xbf", "only empty lines"),
        (b"a,b\n", "a header of 2 columns but no rows"),
        (b"%PDF-1.7\n1 0 obj\n", "is a PDF document, not a table"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "is a picture"),
        (b"SQLite format 3\x00\x10", "is an SQLite database"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00", "a document of the old Office formats"),
        (b"<!DOCTYPE html>\n<html></html>", "is an HTML page"),
        (b"  <html><table></table></html>", "is an HTML page"),
        (b'<?xml version="1.0"?><a/>', "is XML"),
        (bz2.compress(TABLE.encode()), "compressed with bzip2: upload it as gzip or uncompressed"),
        (lzma.compress(TABLE.encode()), "compressed with xz: upload it as gzip or uncompressed"),
        (b"\x28\xb5\x2f\xfd\x04\x58", "compressed with zstd: upload it as gzip or uncompressed"),
        (zipped("table.csv"), "is a zip archive: upload the table in it as gzip or uncompressed"),
        (zipped("word/document.xml", "[Content_Types].xml"), "document of another kind: save it as .xlsx or CSV"),
        (zipped("xl/workbook.xml"), "the workbook cannot be read"),
        (zipped("xl/workbook.xml")[:-30], "damaged zip archive or workbook"),
        (packed(packed(TABLE.encode())), "compressed with gzip twice"),
        (packed(bz2.compress(TABLE.encode())), "compressed with bzip2"),
        (packed(TABLE.encode())[:-6], "the gzip file is damaged or cut off"),
        (packed(TABLE.encode())[:20] + b"\xff" * 20, "the gzip file is damaged or cut off"),
        (packed(b""), "the gzip file holds nothing"),
        (b"a,b\n\x00,2\n", "NUL character in line 2"),
        (bytes(range(256)) * 4, "NUL character in line 1"),
        (b"PAR1\x15\x04\x00\x00cut off", "the Parquet file cannot be read"),
    ],
)
def test_what_is_no_table_is_refused(read: Any, data: bytes, message: str) -> None:
    with pytest.raises(DataRefused) as caught:
        read(data)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_gzip_is_unpacked_whatever_the_name_says(read: Any) -> None:
    table = read(gzip.compress(TABLE.encode()), "table.csv")
    assert table.cells == [("ada", "36"), ("alan", "41")]
    assert table.reading.compression == "gzip"
    assert table.reading.bytes == len(gzip.compress(TABLE.encode()))


def test_a_name_ending_in_gz_is_no_proof(read: Any) -> None:
    assert read(TABLE, "table.csv.gz").reading.compression is None


def test_a_file_above_the_limit_is_refused(read: Any) -> None:
    with pytest.raises(DataRefused, match="has 24 bytes, more than the 23 that are accepted"):
        read(TABLE, max_bytes=23)


def test_a_gzip_bomb_is_refused_before_it_fills_the_disk(read: Any) -> None:
    with pytest.raises(DataRefused, match="unpacks to more than"):
        read(gzip.compress(b"a,b\n" + b"1,2\n" * 10**6), max_bytes=20_000)


def test_a_column_may_be_named_like_a_magic_number(read: Any) -> None:
    assert read("PAR1,PAR2\n1,2\n3,4\n").names == ("PAR1", "PAR2")
