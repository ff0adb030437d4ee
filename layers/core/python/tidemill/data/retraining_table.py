"""The table of a retraining: rows of the last accepted table, then labelled predictions as rows of the same columns.

No row is ever repeated: where new rows are to weigh more, old ones are left out, always the same ones. What a
prediction was asked with is written as the accepted table writes it, so that validation reads both alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from tidemill.contracts import ColumnProfile, Profile
from tidemill.data.database import connect, identifier, literal
from tidemill.data.parquet import ROW_GROUP

#: The composed table, in the work folder.
TABLE = "composed.parquet"
#: Whole numbers that a float holds to the last digit.
EXACT = 2.0**53
BOOLEANS = {"true": "true", "1": "true", "yes": "true", "false": "false", "0": "false", "no": "false"}

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Composed:
    """The table, and how many rows it has of which kind."""

    path: Path
    rows_old: int
    rows_new: int


def usable(rows: Iterable[Row], classes: Sequence[str]) -> list[Row]:
    """The labelled predictions whose outcome can be learned from: one of the classes, or a number where there are none.

    An outcome of a new class, which may be a misspelt one, is not: what classes there are, a person's table says.
    """
    known = set(classes)
    return [row for row in rows if (_text(row["actual"]) in known if known else _number(row["actual"]) is not None)]


def compose(
    accepted: Path,
    profile: Profile,
    rows: Sequence[Row],
    old: bool,
    new_share: float | None,
    seed: int,
    work: Path,
) -> Composed:
    """Write the table as Parquet; the same arguments give the same rows.

    Parameters
    ----------
    accepted
        the last accepted table, canonical Parquet.
    profile
        of that table; it has a target.
    rows
        labelled predictions as `usable` gives them, oldest first: each with `at`, `id`, `inputs` and `actual`.
    old
        whether rows of the accepted table are wanted at all.
    new_share
        least share of the new rows, between 0 and 1, exclusive; None: all old rows stay.
    seed
        decides which old rows are left out.
    work
        a folder for the table and a database.
    """
    path = work / TABLE
    with closing(connect(work)) as connection:
        source = f"read_parquet({literal(str(accepted))}, file_row_number = true)"
        kinds = {str(name): str(kind) for name, kind, *_ in connection.execute(f"DESCRIBE FROM {source}").fetchall()}
        cells = []
        arrays: dict[str, np.ndarray] = {}
        captured = set().union(*(row["inputs"] for row in rows))
        for index, column in enumerate(profile.columns):
            made = _Column(connection, source, column, kinds[column.name])
            if column.name == profile.target:
                values = [row["actual"] for row in rows]
            elif column.name in captured:
                values = [row["inputs"].get(column.name) for row in rows]
            else:
                values = made.filled(rows)
            arrays[f"c{index}"] = made.stored(values)
            cells.append((identifier(column.name), made.old, made.type))
        kept = _kept(profile.rows, len(rows), new_share, seed) if old else np.array([], dtype=np.int64)
        connection.register("kept", {"place": kept})
        connection.register("given", {"place": np.arange(len(rows)), **arrays})
        columns = ", ".join(f"{name} {kind}" for name, _, kind in cells)
        connection.execute(f"CREATE TABLE composed ({columns})")
        connection.execute(
            f"INSERT INTO composed SELECT {', '.join(value for _, value, _ in cells)} FROM {source} "
            "WHERE file_row_number IN (SELECT place FROM kept) ORDER BY file_row_number"
        )
        given = ", ".join(f"c{index}::{kind}" for index, (_, _, kind) in enumerate(cells))
        connection.execute(f"INSERT INTO composed SELECT {given} FROM given ORDER BY place")
        connection.execute(
            f"COPY composed TO {literal(str(path))} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP})"
        )
    return Composed(path, len(kept), len(rows))


def _kept(rows: int, new: int, new_share: float | None, seed: int) -> np.ndarray:
    """(k,) int64, rising: the places of the old rows that stay, k so that the new ones have their share."""
    most = rows if new_share is None else min(rows, math.floor(new * (1 - new_share) / new_share + 1e-9))
    order = np.argsort(_mixed(np.arange(rows, dtype=np.uint64) + np.uint64(seed << 32)), kind="stable")
    return np.sort(order[:most])


def _mixed(bits: np.ndarray) -> np.ndarray:
    """Numbers that look drawn at random (splitmix64: Steele, Lea and Flood, 2014)."""
    bits = (bits + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = bits ^ (bits >> np.uint64(31))
    return mixed


class _Column:
    """One column: how the accepted table writes it, and values of predictions written alike.

    `old` is SQL of the old rows' cells and `type` their type; both may widen with the values that are stored.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, source: str, profile: ColumnProfile, kind: str) -> None:
        self.old = identifier(profile.name)
        self.type = kind
        self._connection = connection
        self._source = source
        self._profile = profile

    def filled(self, rows: Sequence[Row]) -> list[Any]:
        """Values for predictions that were not asked with this column, so that its role stays what it was."""
        role, numeric = self._profile.role, self.type != "VARCHAR"
        if role in ("id", "group"):
            first = (self._ask(f"max({self.old})") or 0) + 1 if numeric else 0
            return [first + place if numeric else row["id"] for place, row in enumerate(rows)]
        if role == "time":
            last = self._ask(f"max({self.old})")
            return [row["at"] if self._profile.type == "date" else last for row in rows]
        constant = self._ask(f"any_value({self.old})") if role == "constant" else None
        return [constant] * len(rows)

    def stored(self, values: Sequence[Any]) -> np.ndarray:
        """The values as an array that duckdb reads, (rows,): float64 with NaN, or object of str and None."""
        if self._profile.role == "leak":
            self.old = "NULL"  # half of a leak might not be recognised as one
        if self.type != "VARCHAR":
            numbers = np.array([math.nan if (n := _number(value)) is None else n for value in values], dtype=float)
            if self.type == "BIGINT" and not _are_whole(numbers):
                self.type = "DOUBLE"
            return numbers
        as_text: Callable[[Any], str | None] = _text
        if self._profile.type == "date":
            as_text = self._dates(values)
        elif self._profile.type == "boolean":
            as_text = _boolean
        return np.array([as_text(value) for value in values] + [None], dtype=object)[:-1]

    def _dates(self, values: Sequence[Any]) -> Callable[[Any], str | None]:
        """What writes a date as the old rows do; they get a time of day when a new one has one."""
        fraction, zone, clock = (
            bool(self._ask(f"count(*) FILTER ({self.old} LIKE {literal(like)})")) for like in ("%.%", "%Z", "%T%")
        )
        moments = [moment for value in values if (moment := _moment(value)) is not None]
        if not clock and any((one.hour, one.minute, one.second) != (0, 0, 0) for one in moments):
            clock, self.old = True, f"{self.old} || 'T00:00:00'"
        style = "%Y-%m-%d" + ("T%H:%M:%S" + (".%f" if fraction else "") + ("Z" if zone else "") if clock else "")

        def written(value: Any) -> str | None:
            moment = _moment(value)
            return None if moment is None else moment.strftime(style)

        return written

    def _ask(self, sql: str) -> Any:
        return self._connection.execute(f"SELECT {sql} FROM {self._source}").fetchall()[0][0]


def _are_whole(numbers: np.ndarray) -> bool:
    present = numbers[~np.isnan(numbers)]
    return bool(np.all((present == np.floor(present)) & (np.abs(present) < EXACT)))


def _number(value: Any) -> float | None:
    """The value as a number; None when it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _text(value: Any) -> str | None:
    """The value as the text that a model gets of it."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).encode(errors="replace").decode()


def _boolean(value: Any) -> str | None:
    return BOOLEANS.get((_text(value) or "").strip().lower())


def _moment(value: Any) -> datetime | None:
    """The value as a moment, in UTC when it names a zone; None when it is none."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
        return moment.astimezone(UTC) if moment.tzinfo else moment
    except (ValueError, OverflowError):
        return None
