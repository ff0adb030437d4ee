"""Counts and distributions of the columns of a typed table, column by column, so that memory stays flat.

Counting different values takes memory for each of them. So the values of a large table are
counted in parts, by their hash: the parts share no value, and together they are all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

import duckdb
import numpy as np

from tidemill.contracts import ColumnProfile, Histogram, Role, TopValue
from tidemill.data.column_types import Column

#: Different values that are in memory at a time, and rows that quantiles are taken from; of a larger table these are
#: a sample by the hash of their place.
PART = 2_000_000
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
BINS = 20
TOP = 50
#: Longer texts are no levels; they are left out of the top values.
TOP_LENGTH = 200


@dataclass(frozen=True)
class Statistics:
    """What `ColumnProfile` says about a column's values."""

    missing: int
    distinct: int
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    std: float | None = None
    quantiles: dict[str, float] = field(default_factory=dict)
    histogram: Histogram | None = None
    top: tuple[TopValue, ...] = ()


def profile(column: Column, known: Statistics, rows: int, role: Role, note: str = "") -> ColumnProfile:
    """A column's profile: its statistics and what it is used for. Of an id no values are shown."""
    counted = {item.name: getattr(known, item.name) for item in fields(known)}
    shown = {} if role != "id" else {"top": ()}
    return ColumnProfile(name=column.name, type=column.type, role=role, rows=rows, note=note, **counted | shown)


def of_column(connection: duckdb.DuckDBPyConnection, table: str, column: Column, rows: int) -> Statistics:
    """Statistics of a column of a typed table.

    Parameters
    ----------
    table
        its name; it holds `column.value()` under the name `column.cell`.
    rows
        how many it has.
    """
    (present,) = connection.execute(f"SELECT count({column.cell}) FROM {table}").fetchall()[0]
    distinct = _distinct(connection, table, column.cell, rows)
    missing = rows - present
    if not present:
        return Statistics(missing, 0)
    if column.type in ("integer", "number", "date"):
        return _of_numbers(connection, table, column, missing, distinct, rows)
    return Statistics(missing, distinct, top=top_values(connection, table, column, TOP, TOP_LENGTH))


def top_values(
    connection: duckdb.DuckDBPyConnection, table: str, column: Column, most: int, longest: int | None = None
) -> tuple[TopValue, ...]:
    """The most frequent values of a column as text, equally frequent ones in the order of their text.

    Parameters
    ----------
    most
        how many at most.
    longest
        values of more characters are left out; None leaves out none.
    """
    value = f"{column.cell}::VARCHAR"
    kept = f"{value} IS NOT NULL" if longest is None else f"length({value}) <= {longest}"
    found: list[tuple[str, int]] = []
    (rows,) = connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0]
    for part in _parts(value, rows):
        found += connection.execute(
            f"SELECT {value} AS value, count(*) AS n FROM {table} WHERE {kept} AND {part} "
            f"GROUP BY value ORDER BY n DESC, value LIMIT {most}"
        ).fetchall()
    # Like duckdb, Python orders texts by their code points.
    found.sort(key=lambda row: (-row[1], row[0]))
    return tuple(TopValue(value, count) for value, count in found[:most])


def duplicate_rows(connection: duckdb.DuckDBPyConnection, table: str, columns: Sequence[Column], rows: int) -> int:
    """How many rows repeat an earlier one in all columns."""
    return rows - _distinct(connection, table, f"hash({', '.join(column.cell for column in columns)})", rows)


def _distinct(connection: duckdb.DuckDBPyConnection, table: str, value: str, rows: int) -> int:
    """How many different values an SQL expression has, nulls apart."""
    counts = (
        f"SELECT count(*) FROM (SELECT DISTINCT {value} AS v FROM {table} WHERE {part}) WHERE v IS NOT NULL"
        for part in _parts(value, rows)
    )
    return sum(int(connection.execute(count).fetchall()[0][0]) for count in counts)


def _parts(value: str, rows: int) -> list[str]:
    """Conditions that divide the rows into parts that have no value in common."""
    parts = -(-rows // PART)
    return [f"hash({value}) % {parts} = {part}" for part in range(parts)] if parts > 1 else ["true"]


def as_number(column: Column) -> str:
    """SQL that gives a numeric or date column as DOUBLE, dates as seconds since 1970-01-01 UTC."""
    return f"epoch({column.cell})" if column.type == "date" else f"{column.cell}::DOUBLE"


def _of_numbers(
    connection: duckdb.DuckDBPyConnection, table: str, column: Column, missing: int, distinct: int, rows: int
) -> Statistics:
    number = as_number(column)
    present = rows - missing
    sample = f"FILTER (hash(rowid) % {present} < {PART})" if present > PART else ""
    (low, high, mean, std, quantiles) = connection.execute(
        f"SELECT min({number}), max({number}), avg({number}), stddev_samp({number}), "
        f"quantile_cont({number}, {list(QUANTILES)}) {sample} FROM {table}"
    ).fetchall()[0]
    known = dict(zip(map(str, QUANTILES), quantiles, strict=True))
    edges = _edges(low, high, known["0.01"], known["0.99"], column.type == "integer")
    histogram = _histogram(connection, table, number, edges)
    return Statistics(missing, distinct, low, high, mean, std or 0.0, known, histogram)


def _edges(low: float, high: float, q01: float, q99: float, whole: bool) -> np.ndarray:
    """Edges of the bins: one bin for each of a few whole numbers, otherwise equally wide ones.

    When outliers would leave most bins empty, the bins divide the range between the 1% and 99% quantiles and the
    outer two stretch to the extremes.
    """
    if low == high:
        return np.array([low - 0.5, high + 0.5])
    if whole and high - low < BINS:
        return np.arange(low - 0.5, high + 1)
    if high - low > 1.5 * (q99 - q01) and q99 > q01:
        inner = np.linspace(q01, q99, BINS + 1)[1:-1]
        return np.unique(np.concatenate(([low], inner, [high])))
    return np.unique(np.linspace(low, high, BINS + 1))


def _histogram(connection: duckdb.DuckDBPyConnection, table: str, number: str, edges: np.ndarray) -> Histogram:
    """Counts between edges; a bin has its lower edge, and the last one both."""
    below = ", ".join(f"count(*) FILTER ({number} < {edge!r}::DOUBLE)" for edge in edges[1:-1].tolist())
    counts = connection.execute(f"SELECT {below + ',' if below else ''} count({number}) FROM {table}").fetchall()[0]
    return Histogram(tuple(edges.tolist()), tuple(np.diff([0, *counts]).tolist()))
