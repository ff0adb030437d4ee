"""An uploaded file to a table of text cells in duckdb.

The order of things: the bytes say what the file is (`content`), a text's encoding and
dialect are decided from it and proven on all of it (`encoding`, `dialect`, `header`),
and its rows go into the table `raw`, a block at a time, so that memory stays flat:
through duckdb's reader where the file is proven to be so regular that it reads what
Python's csv module reads, else through that or the json module. What was assumed on the way stands in the reading; what
cannot be told for certain is refused. Types come later (`column_types`).
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import duckdb
import numpy as np

from tidemill.contracts import Reading
from tidemill.data import csv_rows, encoding, json_rows, remarks
from tidemill.data.content import MAX_EXPANSION, Content, open_content
from tidemill.data.csv_rows import CsvText, Regular
from tidemill.data.database import connect, identifier, limit_memory, literal
from tidemill.data.dialect import MAX_CELL
from tidemill.data.header import repetition
from tidemill.data.json_rows import JsonText
from tidemill.errors import DataRefused
from tidemill.spec import Reading as Options

if TYPE_CHECKING:
    from tidemill.data.workbook_rows import Sheet

MAX_COLUMNS = 1000
#: Beginnings of duckdb's numeric types.
_UNSIGNED = ("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT")
_NUMERIC = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", *_UNSIGNED, "FLOAT", "DOUBLE", "DECIMAL")
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
    #: Columns whose cells are numbers in the file itself, so that how a number is written is no question.
    numeric: frozenset[str] = frozenset()


def read_table(
    path: Path,
    name: str,
    work: Path,
    max_bytes: int,
    expected: Collection[str] = (),
    options: Options | None = None,
) -> Table:
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
    options
        the spec's `reading`, instead of what would be found out; what does not concern the file's format is passed
        over.

    Raises
    ------
    DataRefused
        the file is no usable table, or not what the options say; one sentence with the way out.
    """
    content = open_content(path, work, max_bytes)
    options = options or Options()
    suffixes = {suffix.lower() for suffix in PurePosixPath(name).suffixes}
    connection = connect(work)
    try:
        if content.kind == "parquet":
            return _read_parquet(connection, content)
        if content.kind == "workbook":
            # Only here: importing the package takes longer than reading a small table.
            from tidemill.data.workbook_rows import open_sheet

            sheet = open_sheet(content.path, expected, options, max_bytes * MAX_EXPANSION)
            return _read_sheet(connection, sheet, content)
        text = _open_text(content.path, suffixes, expected, options)
        if isinstance(text, JsonText):
            return _read_json(connection, text, content)
        return _read_csv(connection, text, content)
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


def _open_text(
    path: Path, suffixes: Collection[str], expected: Collection[str], options: Options
) -> CsvText | JsonText:
    found = encoding.detect(path, options.encoding)
    if json_rows.is_json(path, found) or not {".json", ".jsonl", ".ndjson"}.isdisjoint(suffixes):
        return json_rows.open_json(path, found)
    return csv_rows.open_csv(path, found, not {".tsv", ".tab"}.isdisjoint(suffixes), expected, options)


def _read_csv(connection: duckdb.DuckDBPyConnection, text: CsvText, content: Content) -> Table:
    _prepare(connection, text.names)
    dialect, notes = text.dialect, list[str]()
    regular = text.regular()
    rows = _copy(connection, text, regular) if regular else None
    if rows is None:
        rows = _fill(connection, len(text.names), text.rows(notes))
    rows -= _delete_below(connection, len(text.names), rows, [row[0] for row in dialect.sample], notes)
    if rows == 0:
        raise DataRefused(f"the file has a header of {len(text.names)} columns but no rows: upload a table with rows")
    row_number = text.names[0] if dialect.layout == "row_number" else None
    if row_number:
        _check_row_numbers(connection, len(text.names), rows)
    reading = Reading(
        format="csv",
        compression=content.compression,
        encoding=text.codec,
        delimiter=dialect.delimiter,
        quote=dialect.quoting.quote,
        header=text.header,
        bytes=content.bytes,
        assumptions=(*text.assumptions, *notes),
    )
    return Table(connection, text.names, rows, reading, row_number)


def _read_json(connection: duckdb.DuckDBPyConnection, text: JsonText, content: Content) -> Table:
    _prepare(connection, text.names)
    notes, texts = list[str](), set[str]()
    rows = _fill(connection, len(text.names), text.rows(notes, texts))
    reading = Reading(
        "json" if text.is_list else "jsonl",
        content.compression,
        text.codec,
        None,
        None,
        False,
        content.bytes,
        (*text.assumptions, *notes),
    )
    return Table(connection, text.names, rows, reading, numeric=frozenset(text.names) - texts)


def _read_sheet(connection: duckdb.DuckDBPyConnection, sheet: Sheet, content: Content) -> Table:
    _prepare(connection, sheet.names)
    notes, texts = list[str](), set[str]()
    rows = _fill(connection, len(sheet.names), sheet.rows(notes, texts))
    rows -= _delete_below(connection, len(sheet.names), rows, [row[0] for row in sheet.sample], notes)
    if rows == 0:
        raise DataRefused(f"the sheet {sheet.title!r} has a header but no rows: upload a table with rows")
    assumptions = (*sheet.assumptions, *notes)
    reading = Reading("xlsx", content.compression, None, None, None, sheet.header, content.bytes, assumptions)
    return Table(connection, sheet.names, rows, reading, numeric=frozenset(sheet.names) - texts)


def _prepare(connection: duckdb.DuckDBPyConnection, names: Collection[str]) -> None:
    _check_columns(names)
    limit_memory(connection, len(names))


def _copy(connection: duckdb.DuckDBPyConnection, text: CsvText, regular: Regular) -> int | None:
    """Read a regular text into the table `raw` by duckdb's own reader; None when that will not, or passed one over."""
    width = len(text.names)
    quote = text.dialect.quoting.quote or ""
    options = {
        "auto_detect": "false",
        "header": "false",
        "skip": str(text.dialect.skip + int(text.header)),
        "delim": literal(text.dialect.delimiter or ","),
        "quote": literal(quote),
        "escape": literal(quote),
        "columns": "{" + ", ".join(f"{literal(cell(i))}: 'VARCHAR'" for i in range(width)) + "}",
        "strict_mode": "true",
        "null_padding": "false",
        # A longer line may have a cell that the csv module refuses.
        "max_line_size": str(MAX_CELL),
    }
    source = f"read_csv({literal(str(text.path))}, {', '.join(f'{name} = {value}' for name, value in options.items())})"
    cells = ", ".join(f"coalesce({cell(i)}, '') AS {cell(i)}" for i in range(width))
    try:
        connection.execute(f"CREATE TABLE raw AS SELECT {cells} FROM {source}")
    except duckdb.Error:
        return None
    mark = literal(text.dialect.delimiter or ",")
    inside = [f"sum(length({cell(i)}) - length(replace({cell(i)}, {mark}, '')))" for i in range(width)]
    counted = f"SELECT count(*), {' + '.join(inside) if regular.quoted else '0'} FROM raw"
    (rows, within) = connection.execute(counted).fetchall()[0]
    if rows * (width - 1) + (within or 0) == regular.delimiters:
        return int(rows)
    connection.execute("DROP TABLE raw")
    return None


def _delete_below(
    connection: duckdb.DuckDBPyConnection, columns: int, rows: int, first_column: Sequence[str], notes: list[str]
) -> int:
    """Take remarks below the table out of `raw`, with a note; returns how many there were."""
    if columns < 2:
        return 0
    last = connection.execute(
        f"SELECT * FROM raw WHERE rowid >= {rows - remarks.MAX_REMARKS - 1} ORDER BY rowid"
    ).fetchall()
    empty = [not any(text.strip() for text in row) for row in last]
    tail = [(row, empty[i]) for i, row in enumerate(last[1:])]
    count = remarks.below(tail, columns, first_column)
    if count:
        connection.execute(f"DELETE FROM raw WHERE rowid >= {rows - count}")
        first = next((text.strip() for row in last[len(last) - count :] for text in row if text.strip()), "")
        notes.append(remarks.sentence("below", count, first))
    return count


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
    numeric = frozenset(name for name, kind in schema if kind.startswith(_NUMERIC))
    return Table(connection, tuple(name for name, _ in schema), rows, reading, numeric=numeric)


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
