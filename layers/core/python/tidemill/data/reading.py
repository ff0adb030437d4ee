"""An uploaded file to a table of text cells in duckdb.

The order of things: the bytes say what the file is (`content`), a text's encoding and
dialect are decided from it and proven on all of it (`encoding`, `dialect`, `header`),
and its rows go through Python's csv or json module into the table `raw`, a block at a
time, so that memory stays flat. What was assumed on the way stands in the reading; what
cannot be told for certain is refused. Types come later (`column_types`).
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import duckdb
import numpy as np

from tidemill.contracts import Reading
from tidemill.data import csv_rows, encoding, json_rows
from tidemill.data.content import Content, open_content
from tidemill.data.csv_rows import CsvText
from tidemill.data.database import connect, identifier, limit_memory, literal
from tidemill.data.header import repetition
from tidemill.data.json_rows import JsonLines
from tidemill.errors import DataRefused

MAX_COLUMNS = 1000
#: Cells that are in Python's memory at a time.
BLOCK_CELLS = 80_000
#: Blocks after which what was inserted goes to disk: a transaction keeps its rows in memory, outside duckdb's limit.
COMMIT_BLOCKS = 16


@dataclass(frozen=True)
class Table:
    """An uploaded table: `raw` in the database has the column `c<i>` (VARCHAR) for `names[i]`, rows in file order."""

    connection: duckdb.DuckDBPyConnection
    names: tuple[str, ...]
    rows: int
    reading: Reading
    row_number: str | None = None  #: the column that the header does not name, when there is one


def read_table(path: Path, name: str, work: Path, max_bytes: int, expected: Collection[str] = ()) -> Table:
    """Read an uploaded file.

    Parameters
    ----------
    path
        the file.
    name
        the upload's file name; only a hint where the content leaves a choice.
    work
        an empty folder; the database and unpacked files go there.
    max_bytes
        a larger file is refused.
    expected
        column names known from elsewhere, which help to tell a header from data.

    Raises
    ------
    DataRefused
        the file is no usable table; one sentence with the way out.
    """
    content = open_content(path, work, max_bytes)
    suffixes = {suffix.lower() for suffix in PurePosixPath(name).suffixes}
    connection = connect(work)
    try:
        if content.kind == "parquet":
            return _read_parquet(connection, content)
        text = _open_text(content.path, suffixes, expected)
        return _read_text(connection, text, content)
    except BaseException:
        connection.close()
        raise
    finally:
        if content.path != path:
            content.path.unlink()


def cell(index: int) -> str:
    """The name of a column in the database: column names of users may be anything, these may not."""
    return f"c{index}"


# --- text --------------------------------------------------------------------------------------


def _open_text(path: Path, suffixes: Collection[str], expected: Collection[str]) -> CsvText | JsonLines:
    found = encoding.detect(path)
    if json_rows.is_json(path, found) or not {".json", ".jsonl", ".ndjson"}.isdisjoint(suffixes):
        return json_rows.open_json(path, found)
    return csv_rows.open_csv(path, found, not {".tsv", ".tab"}.isdisjoint(suffixes), expected)


def _read_text(connection: duckdb.DuckDBPyConnection, text: CsvText | JsonLines, content: Content) -> Table:
    _check_columns(text.names)
    limit_memory(connection, len(text.names))
    notes: list[str] = []
    rows = _fill(connection, len(text.names), text.rows(notes))
    if rows == 0:
        raise DataRefused(f"the file has a header of {len(text.names)} columns but no rows: upload a table with rows")
    dialect = text.dialect if isinstance(text, CsvText) else None
    row_number = text.names[0] if dialect and dialect.layout == "row_number" else None
    if row_number:
        _check_row_numbers(connection, len(text.names), rows)
    reading = Reading(
        format="csv" if dialect else "jsonl",
        compression=content.compression,
        encoding=text.codec,
        delimiter=dialect.delimiter if dialect else None,
        quote=dialect.quoting.quote if dialect else None,
        header=text.header if isinstance(text, CsvText) else False,
        bytes=content.bytes,
        assumptions=(*text.assumptions, *notes),
    )
    return Table(connection, text.names, rows, reading, row_number)


def _fill(connection: duckdb.DuckDBPyConnection, columns: int, rows: Iterator[list[str]]) -> int:
    """Put the rows into the table `raw`; returns how many there are."""
    connection.execute(f"CREATE TABLE raw ({', '.join(f'{cell(i)} VARCHAR' for i in range(columns))})")
    count = 0
    connection.begin()
    for number in itertools.count(1):
        block = list(itertools.islice(rows, max(1, BLOCK_CELLS // columns)))
        if not block:
            break
        count += len(block)
        arrays = {cell(i): np.array(cells, dtype=object) for i, cells in enumerate(zip(*block, strict=True))}
        connection.register("block", arrays)
        connection.execute("INSERT INTO raw SELECT * FROM block")
        connection.unregister("block")
        if number % COMMIT_BLOCKS == 0:
            connection.commit()
            connection.begin()
    connection.commit()
    return count


def _check_row_numbers(connection: duckdb.DuckDBPyConnection, columns: int, rows: int) -> None:
    """Only whole numbers or words that are different in every one of several rows may be taken for row numbers."""
    number = f"try_cast({cell(0)} AS DOUBLE)"
    (distinct, other) = connection.execute(
        f"SELECT count(DISTINCT {cell(0)}), count(*) FILTER ({number} <> trunc({number})) FROM raw"
    ).fetchall()[0]
    if rows == 1 or distinct != rows or other:
        raise DataRefused(
            f"the header has {columns - 1} names but each row {columns} fields: name every column in the header"
        )


def _check_columns(names: Collection[object]) -> None:
    if len(names) > MAX_COLUMNS:
        raise DataRefused(
            f"the table has {len(names):,} columns, more than the {MAX_COLUMNS:,} that are accepted: "
            "leave out the ones that are not needed"
        )


# --- Parquet -----------------------------------------------------------------------------------


def _read_parquet(connection: duckdb.DuckDBPyConnection, content: Content) -> Table:
    file = literal(str(content.path))
    try:
        stored = connection.execute(f"SELECT name, num_children FROM parquet_schema({file}) ORDER BY column_id")
        problem = repetition(_top_level(stored.fetchall()))
        if problem:
            raise DataRefused(problem)
        source = f"read_parquet({file}, binary_as_string = true)"
        schema = [(str(row[0]), str(row[1])) for row in connection.execute(f"DESCRIBE FROM {source}").fetchall()]
        _check_columns(schema)
        limit_memory(connection, len(schema))
        cells = (f"{_as_text(name, kind)} AS {cell(i)}" for i, (name, kind) in enumerate(schema))
        connection.execute(f"CREATE TABLE raw AS SELECT {', '.join(cells)} FROM {source}")
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise DataRefused(f"the Parquet file cannot be read ({reason}): write and upload it again") from error
    (rows,) = connection.execute("SELECT count(*) FROM raw").fetchall()[0]
    if rows == 0:
        raise DataRefused(f"the Parquet file has {len(schema)} columns but no rows: upload a table with rows")
    nested = [name for name, kind in schema if kind.endswith("]") or kind.startswith(("STRUCT", "MAP"))]
    assumptions = tuple(f"the column {name!r} holds nested values: they were read as text" for name in nested)
    reading = Reading("parquet", content.compression, None, None, None, True, content.bytes, assumptions)
    return Table(connection, tuple(name for name, _ in schema), rows, reading)


def _top_level(nodes: Sequence[tuple[str, int | None]]) -> list[str]:
    """Names of the columns in a Parquet schema, given as its tree in depth-first order with the root first.

    duckdb itself would rename repeated ones in silence.
    """
    names = []
    position = 1
    while position < len(nodes):
        names.append(nodes[position][0])
        to_pass = 1
        while to_pass:
            to_pass += (nodes[position][1] or 0) - 1
            position += 1
    return names


def _as_text(name: str, kind: str) -> str:
    """A column's cells as text; times with a zone in UTC."""
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"({identifier(name)} AT TIME ZONE 'UTC')::VARCHAR || 'Z'"
    return f"{identifier(name)}::VARCHAR"
