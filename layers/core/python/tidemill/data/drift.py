"""Whether a table's columns are spread as in the project's previous version, by that version's profile alone."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from tidemill.contracts import ColumnProfile, Profile, TopValue
from tidemill.data.checks import Checks
from tidemill.data.column_types import Column
from tidemill.data.database import literal
from tidemill.data.statistics import as_number
from tidemill.rules import drift

#: Times move on, ids and groups are new by nature; what is not learned from need not stay as it was.
COMPARED = ("feature", "target")


def compare(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    columns: Sequence[Column],
    profiles: Sequence[ColumnProfile],
    previous: Profile,
    threshold: float,
    checks: Checks,
) -> None:
    """Find columns of a typed table that are spread otherwise than before.

    Parameters
    ----------
    profiles
        of the columns, with their roles.
    threshold
        population stability index that is a finding.
    """
    known = {column.name: column for column in previous.columns}
    for column, profile in zip(columns, profiles, strict=True):
        before = known.get(column.name)
        if before is None or profile.role not in COMPARED or "date" in (before.type, column.type):
            continue
        counts = drift.known_counts(before)
        numeric = column.type in ("integer", "number")
        if counts is None or (before.histogram is not None) != numeric:
            continue  # nothing to compare with, or another type, which the contract is about
        now = _counts(connection, table, column, before)
        found = drift.shift(counts, now)
        if found is not None and found.is_drift(threshold):
            quotable = not (numeric or before.personal_data or profile.personal_data)
            rarer = _most_of_the_rarer(connection, table, column, before, now[-1]) if quotable else None
            moved = drift.describe(before, found, rarer)
            checks.found(
                "drift",
                "warn",
                f"{column.name!r} is spread otherwise than in the previous version: {moved} "
                f"(population stability index {found.psi:.2f}, Jensen-Shannon distance {found.distance:.2f})",
                column.name,
            )


def _counts(
    connection: duckdb.DuckDBPyConnection, table: str, column: Column, before: ColumnProfile
) -> tuple[int, ...]:
    """The column's values in the bins of `drift.known_counts(before)`."""
    if before.histogram is not None:
        number, edges = as_number(column), before.histogram.edges
        below = [f"count(*) FILTER ({number} < {edge!r}::DOUBLE)" for edge in edges[:-1]]
        below += [f"count(*) FILTER ({number} <= {edges[-1]!r}::DOUBLE)", f"count({number})"]
    else:
        text = f"{column.cell}::VARCHAR"
        below = [f"count(*) FILTER ({text} = {literal(value.value)})" for value in before.top]
        below.append(f"count({text})")
    (row,) = connection.execute(f"SELECT {', '.join(below)} FROM {table}").fetchall()
    if before.histogram is None:
        return (*row[:-1], row[-1] - sum(row[:-1]))
    return tuple(count - less for count, less in zip(row, (0, *row[:-1]), strict=True))


def _most_of_the_rarer(
    connection: duckdb.DuckDBPyConnection, table: str, column: Column, before: ColumnProfile, rarer: int
) -> TopValue | None:
    """The value that more than half of the `rarer` cells hold, those of none of the old top values."""
    text, known = f"{column.cell}::VARCHAR", ", ".join(literal(value.value) for value in before.top)
    row = connection.execute(
        f"SELECT {text} AS v, count(*) AS n FROM {table} WHERE {text} NOT IN ({known}) "
        "GROUP BY v ORDER BY n DESC, v LIMIT 1"
    ).fetchone()
    return TopValue(row[0], row[1]) if row is not None and 2 * row[1] > rarer else None
