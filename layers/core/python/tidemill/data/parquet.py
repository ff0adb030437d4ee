"""Canonical tables: what every later stage reads, and what a dataset version is the hash of."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
import numpy as np

from tidemill.contracts import ColumnType
from tidemill.data.column_types import Column
from tidemill.data.database import identifier, literal

ROW_GROUP = 100_000


def write(connection: duckdb.DuckDBPyConnection, table: str, columns: Sequence[Column], path: Path) -> str:
    """Write a typed table as canonical Parquet; returns its version.

    The columns keep their names and the rows their order; the same content gives the same bytes. Numbers are DOUBLE,
    whole ones BIGINT, everything else is text: "true" and "false", dates as ISO 8601.

    Returns
    -------
    The first 16 hex digits of the file's SHA-256.
    """
    cells = ", ".join(f"{column.stored()} AS {identifier(column.name)}" for column in columns)
    connection.execute(
        f"COPY (SELECT {cells} FROM {table}) TO {literal(str(path))} "
        f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP})"
    )
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def load_columns(path: Path | str, names: Sequence[str], types: Mapping[str, ColumnType]) -> dict[str, np.ndarray]:
    """Columns of a canonical table as raw values, shape (rows,), rows in the table's order.

    Parameters
    ----------
    path
        of the Parquet file.
    names
        the columns wanted.
    types
        the type of each of them, as the profile says.

    Returns
    -------
    integer, number: float64, missing NaN. boolean: object of "true", "false" and None. category, text: object of str
    and None. date: object of ISO 8601 text and None. empty: object of None.
    """
    with duckdb.connect(config={"threads": "1", "autoinstall_known_extensions": "false"}) as connection:
        connection.execute("SET enable_progress_bar = false")  # it would be drawn into the log
        relation = f"read_parquet({literal(str(path))})"
        return {name: _load(connection, relation, name, types[name]) for name in names}


def _load(connection: duckdb.DuckDBPyConnection, relation: str, name: str, kind: ColumnType) -> np.ndarray:
    numeric = kind in ("integer", "number")
    answer = connection.execute(f"SELECT {identifier(name)}::{'DOUBLE' if numeric else 'VARCHAR'} AS v FROM {relation}")
    return plain(answer.fetchnumpy()["v"])


def plain(values: np.ndarray) -> np.ndarray:
    """A column as duckdb fetches it (masked where null), with NaN for null numbers and None for null texts."""
    if not isinstance(values, np.ma.MaskedArray):
        return values
    filled = np.array(values.data)
    filled[np.ma.getmaskarray(values)] = np.nan if filled.dtype.kind == "f" else None
    return filled
