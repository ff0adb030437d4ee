"""Parquet uploads, and the canonical Parquet that later stages load."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from tidemill.data.parquet import load_columns
from tidemill.errors import DataRefused


@pytest.fixture
def parquet(tmp_path: Path) -> Any:
    """Bytes of a Parquet file made by a query."""

    def made(query: str) -> bytes:
        path = tmp_path / "made.parquet"
        duckdb.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
        return path.read_bytes()

    return made


def test_typed_columns_become_texts(read: Any, parquet: Any) -> None:
    data = parquet(
        "SELECT 1 AS whole, 2.5::DOUBLE AS number, true AS flag, 'x' AS word, NULL::VARCHAR AS nothing, "
        "DATE '2020-01-02' AS day, TIMESTAMP '2020-01-02 03:04:05' AS moment, "
        "TIMESTAMPTZ '2020-01-02 03:04:05+02' AS elsewhere, [1, 2] AS list"
    )
    table = read(data, "table.csv")
    assert table.reading.format == "parquet"
    assert table.cells == [
        ("1", "2.5", "true", "x", None, "2020-01-02", "2020-01-02 03:04:05", "2020-01-02 01:04:05Z", "[1, 2]")
    ]
    assert table.reading.assumptions == ("the column 'list' holds nested values: they were read as text",)


def test_a_parquet_file_without_rows_is_refused(read: Any, parquet: Any) -> None:
    with pytest.raises(DataRefused, match="has 2 columns but no rows"):
        read(parquet("SELECT 1 AS a, 2 AS b WHERE false"))


def test_names_that_differ_in_case_only_are_refused_but_nested_ones_do_not_count(read: Any, parquet: Any) -> None:
    data = parquet("SELECT {'z': 1, 'c': {'a': 2}} AS a, 1 AS z")
    assert read(data).names == ("a", "z")
    with pytest.raises(DataRefused, match="'a' and 'A' differ in upper and lower case only"):
        read(data.replace(b"\x01z", b"\x01A"))


def test_a_cut_off_parquet_file_is_refused(read: Any, parquet: Any) -> None:
    data = parquet("SELECT range AS a, range * 2 AS b FROM range(1000)")
    with pytest.raises(DataRefused, match="the Parquet file cannot be read"):
        read(data[: len(data) // 2] + b"PAR1")


TABLE = "id,n,x,flag,word,day,at\n" + "".join(
    f"{i},{i % 7},{'' if i == 3 else i / 8},{'True' if i % 2 else 'FALSE'},"
    f"{' a ' if i % 3 else 'NA'},2024-01-{1 + i % 28:02d},2024-01-{1 + i % 28:02d} 10:00:00+02:00\n"
    for i in range(60)
)


def test_the_canonical_table_has_the_raw_forms(validate: Any) -> None:
    found = validate(TABLE, {"target": "n"})
    types = found.types
    assert types == {
        "id": "integer",
        "n": "integer",
        "x": "number",
        "flag": "boolean",
        "word": "category",
        "day": "date",
        "at": "date",
    }
    columns = load_columns(found.table, list(types), types)
    assert columns["n"].dtype == columns["x"].dtype == np.float64
    assert columns["n"][:8].tolist() == [0, 1, 2, 3, 4, 5, 6, 0]
    assert np.isnan(columns["x"][3])
    assert columns["x"][4] == 0.5
    assert columns["flag"][:2].tolist() == ["false", "true"]
    assert columns["word"][:3].tolist() == [None, "a", "a"]
    assert columns["day"][0] == "2024-01-01"
    assert columns["at"][0] == "2024-01-01T08:00:00Z"
    assert datetime.datetime.fromisoformat(columns["at"][0])
    stored = duckdb.execute(f"SELECT column_type FROM (DESCRIBE FROM '{found.table}')").fetchall()
    assert [kind for (kind,) in stored] == ["BIGINT", "BIGINT", "DOUBLE", "VARCHAR", "VARCHAR", "VARCHAR", "VARCHAR"]


def test_the_same_content_has_the_same_version_however_it_was_written(validate: Any) -> None:
    first, again = validate(TABLE, {"target": "n"}), validate(TABLE, {"target": "n"})
    crlf = validate(TABLE.replace("\n", "\r\n").encode("utf-16"), {"target": "n"})
    other = validate(TABLE.replace("59,3", "59,4"), {"target": "n"})
    versions = [found.outcome.accepted.dataset.version for found in (first, again, crlf, other)]
    assert versions[0] == versions[1] == versions[2] != versions[3]
    assert len(versions[0]) == 16
    assert first.table.read_bytes() == again.table.read_bytes()
    assert first.outcome == again.outcome


def test_rows_keep_their_order(validate: Any) -> None:
    rows = [(7919 * i) % 30_011 for i in range(30_000)]
    found = validate("x,y\n" + "".join(f"{value},{value % 5}.5\n" for value in rows), {"target": "y"})
    assert load_columns(found.table, ["x"], {"x": "integer"})["x"].astype(int).tolist() == rows


def test_names_of_any_kind_survive(validate: Any) -> None:
    names = ['a "quoted" one', "it's; DROP TABLE typed", "größe", "c1"]
    text = ",".join('"' + name.replace('"', '""') + '"' for name in names) + "\n"
    found = validate(text + "".join(f"{i},{i % 3},{i % 4},{i % 2}\n" for i in range(60)), {"target": "c1"})
    loaded = load_columns(found.table, names, dict.fromkeys(names, "number"))
    assert [loaded[name][5] for name in names] == [5, 2, 1, 1]
