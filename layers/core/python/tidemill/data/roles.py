"""What each column is used for, and why."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from tidemill.contracts import Role
from tidemill.data.checks import Checks
from tidemill.data.column_types import Column
from tidemill.data.statistics import Statistics
from tidemill.spec import Spec

#: Last words of names that only tell rows apart.
ID_WORDS = frozenset(
    {"id", "ids", "uuid", "guid", "index", "idx", "key", "nr", "no", "number", "serial", "rowid", "rownum"}
)
#: From this share of different values on, a text names its row.
ID_SHARE = 0.95
#: Fewer rows are different by chance.
ID_MIN_ROWS = 20


@dataclass(frozen=True)
class Assigned:
    """A column's role; the note says why, when it is not plain."""

    role: Role
    note: str = ""


def assign(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    columns: Sequence[Column],
    statistics: Sequence[Statistics],
    rows: int,
    target: Column | None,
    row_number: str | None,
    spec: Spec,
    checks: Checks,
) -> list[Assigned]:
    """Roles of the columns of a typed table, leaks apart; what is left out of the features is found by checks.

    Parameters
    ----------
    row_number
        the column that the header did not name, when there is one.
    """
    assigned = []
    for column, known in zip(columns, statistics, strict=True):
        name = column.name
        if target is not None and name == target.name:
            role = Assigned("target")
        elif column.personal_data is not None and column.type == "empty":
            role = Assigned("ignored", "personal data, of which no value is kept")
        elif name == spec.time_column:
            role = Assigned("time", "the spec's time column")
        elif name == spec.group_column:
            role = Assigned("group", "the spec's group column")
        elif name in spec.ignore:
            role = Assigned("ignored", "the spec ignores it")
        elif name in spec.id_columns:
            role = Assigned("id", "the spec names it an id")
        elif column.type == "empty":
            role = Assigned("ignored", "no row has a value in it")
            checks.found("empty_column", "warn", f"{name!r} has no value in any row: it is not used", name)
        elif known.distinct == 1 and not known.missing and rows > 1:
            role = Assigned("constant", "it has the same value in every row")
            checks.found("constant_column", "warn", f"{name!r} has the same value in every row: it is not used", name)
        else:
            why = "it is a row number that the header does not name" if name == row_number else None
            why = why or _why_id(connection, table, column, known, rows)
            role = Assigned("id", why) if why else Assigned("feature")
            if why:
                checks.found("id_column", "warn", f"{name!r} only names the rows ({why}): it is not used", name)
        assigned.append(Assigned(role.role, "; ".join(filter(None, (role.note, column.note)))))
    return assigned


def _why_id(
    connection: duckdb.DuckDBPyConnection, table: str, column: Column, known: Statistics, rows: int
) -> str | None:
    """Why a column tells rows apart and nothing else, or None when it does not."""
    present = rows - known.missing
    if present < ID_MIN_ROWS:
        return None
    if column.type == "category" and known.distinct >= ID_SHARE * present:
        return f"{known.distinct:,} different texts in {present:,} rows"
    if column.type != "integer" or known.distinct < rows:
        return None
    if _words(column.name)[-1:] and _words(column.name)[-1] in ID_WORDS:
        return "a different whole number in every row, named like an id"
    assert known.minimum is not None
    (elsewhere,) = connection.execute(
        f"SELECT count(*) FROM {table} WHERE {column.cell} <> rowid + {int(known.minimum)}"
    ).fetchall()[0]
    return None if elsewhere else "it counts the rows one by one"


def _words(name: str) -> list[str]:
    """The lower-case words of a name such as customerID, order_no or "Row ID"."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)]
