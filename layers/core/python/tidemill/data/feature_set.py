"""A table of a shared feature set, from the upload to the set's new version and to what changes online.

A set with a time is a history: the rows of a new table are added to those that are there,
and one with the same key and time replaces the earlier row. A set without a time holds one
row for each key, and a new table replaces the whole of it. The newest row of each key is
what predictions look up, so only the rows that differ from what is online are written.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import duckdb

from tidemill.contracts import Check, ColumnProfile, PersonalDataHandling, Profile, Role
from tidemill.data import column_types, dates, parquet, personal_data, statistics
from tidemill.data.checks import Checks
from tidemill.data.column_types import Column
from tidemill.data.content import check_size
from tidemill.data.database import identifier, literal
from tidemill.data.feature_join import TIMES, Version, comparable
from tidemill.data.personal_kinds import NAMES
from tidemill.data.reading import Table, read_table
from tidemill.errors import DataRefused
from tidemill.serving.feature_lookup import MAX_KEY_BYTES
from tidemill.spec import FeatureSetDeclaration

#: The canonical table of the set's new version, in the work folder.
TABLE = "data.parquet"


class FeatureSet:
    """A feature set with a new table taken in; its database is open until `close`.

    `version`, `table`, `profile` and `checks` describe the new version, `batches` gives what changes online.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        columns: Sequence[Column],
        version: str,
        profile: Profile,
        checks: tuple[Check, ...],
        table: Path,
    ) -> None:
        self.version = version
        self.table = table
        self.profile = profile
        self.checks = checks
        self._connection = connection
        self._columns = columns

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def batches(self, rows: int) -> Iterator[tuple[int, bytes]]:
        """(rows, JSON Lines packed by gzip) of the changes online, in the order of the keys.

        A line is `[key, time, values]`, the time and values as the canonical table has them, without the missing ones;
        values are null for a key that the set no longer has. The same changes give the same bytes.
        """
        has_time = self.profile.columns[1].role == "time"
        names = [column.name for column in self._columns[2 if has_time else 1 :]]
        answer = self._connection.execute("SELECT * FROM changes ORDER BY c0")
        while found := answer.fetchmany(rows):
            lines = []
            for key, gone, *cells in found:
                time, values = (cells[0], cells[1:]) if has_time else (None, cells)
                present = {name: value for name, value in zip(names, values, strict=True) if value is not None}
                lines.append(json.dumps([key, time, None if gone else present], ensure_ascii=False) + "\n")
            yield len(found), gzip.compress("".join(lines).encode("utf-8", "surrogatepass"), mtime=0)


def ingest(
    fetch: Callable[[Path], None],
    size: int,
    name: str,
    declared: FeatureSetDeclaration,
    current: Version | None,
    unfinished: Sequence[Path],
    work: Path,
    max_bytes: int,
) -> FeatureSet:
    """Take a table into a feature set.

    Parameters
    ----------
    fetch
        writes the upload to a path; not called when it is too large.
    size
        of the upload in bytes.
    name
        the upload's file name.
    current
        the set's current version; None when this is its first table.
    unfinished
        tables of versions that were perhaps written to the online table in part: nothing is known of what is online
        then, so all is written again, and their keys are deleted there when the set has them no longer.
    work
        an empty folder, about six times the size of the upload and of the current version.
    max_bytes
        a larger upload is refused.

    Raises
    ------
    DataRefused
        the upload is no usable table of this set; one sentence with the way out.
    """
    check_size(size, max_bytes)
    upload = work / "upload"
    fetch(upload)
    known = {column.name: column for column in current.profile.columns} if current else {}
    expected = {declared.key, *([declared.time] if declared.time else []), *known}
    table = read_table(upload, name, work, max_bytes, expected)
    try:
        return _Ingestion(table, declared, current, known).run(unfinished, work / TABLE)
    except BaseException:
        table.connection.close()
        raise


class _Ingestion:
    """The taking in of one table, step by step."""

    def __init__(
        self,
        table: Table,
        declared: FeatureSetDeclaration,
        current: Version | None,
        known: dict[str, ColumnProfile],
    ) -> None:
        self.table = table
        self.connection = table.connection
        self.declared = declared
        self.current = current
        self.known = known
        self.checks = Checks({})

    def run(self, unfinished: Sequence[Path], path: Path) -> FeatureSet:
        uploaded = self._uploaded_columns()
        columns = self._columns(uploaded)
        self._check_keys(uploaded)
        self._check_times(uploaded)
        self._create_history(columns, uploaded)
        stored = [replace(column, date=None) for column in columns]  # dates are ISO 8601 text by now
        version = parquet.write(self.connection, "history", stored, path)
        profile = self._profile(columns)
        self._create_changes(columns, unfinished)
        return FeatureSet(self.connection, columns, version, profile, self.checks.all, path)

    # --- columns -------------------------------------------------------------------------------

    def _uploaded_columns(self) -> dict[str, Column]:
        """The columns of the upload by name, with the types that the set has already."""
        names = self.table.names
        for field, name in (("key", self.declared.key), ("time", self.declared.time)):
            if name is not None and name not in names:
                listed = ", ".join(names[:30])
                raise DataRefused(
                    f"the table has no column {name!r}, which is the {field} of the feature set: {listed}"
                )
        column_types.create_cells(self.connection, len(names), ())
        declared = {name: column.type for name, column in self.known.items() if column.type != "empty"}
        found = {column.name: column for column in column_types.infer(self.table, declared)}
        for name, column in found.items():
            for oddity in column.oddities:
                if oddity.check == "declared_type":
                    found[name] = self._widened(column, oddity.detail)
        self._withhold_personal_data(found)
        for name, column in found.items():
            for oddity in column.oddities:
                self.checks.found(oddity.check, "warn", oddity.detail, name)
        key = found[self.declared.key]
        if key.type == "number":
            raise DataRefused(f"the key {key.name!r} holds numbers that are not whole: a key is text or a whole number")
        if key.type not in ("integer", "category"):
            found[key.name] = column_types.as_type(self.connection, key.index, key.name, "category")
        for assumption in self.table.reading.assumptions:
            self.checks.found("reading_assumption", "warn", assumption)
        return found

    def _withhold_personal_data(self, found: dict[str, Column]) -> None:
        """Empty the features of personal data, or refuse the table, as the declaration says; a key stays what it is."""
        policy = PersonalDataHandling(self.declared.personal_data)
        columns = [column for name, column in found.items() if name != self.declared.key]
        key = personal_data.recognise(self.connection, [found[self.declared.key]])
        columns = personal_data.decided(columns, personal_data.recognise(self.connection, columns), policy)
        for column in columns:
            if column.personal_data is None:
                continue
            held = f"{column.name!r} holds {NAMES[column.personal_data.kind]}"
            if self.declared.personal_data == "refuse":
                raise DataRefused(f"{held}, and the feature set refuses personal data: leave the column out")
            kept = "none of its values was kept" if self.declared.personal_data == "drop" else "it is kept as it is"
            self.checks.found("personal_data", "warn", f"{held}: {kept}", column.name)
            found[column.name] = personal_data.withheld(column, None)
        for name, one in key.items():
            detail = f"the key {name!r} holds {NAMES[one.kind]}, and a key is kept as it is: use an id of your own"
            self.checks.found("personal_data", "warn", detail, name)

    def _widened(self, column: Column, problem: str) -> Column:
        """Whole numbers may become numbers, since models take both as floats; any other new type is refused."""
        if self.known[column.name].type == "integer" and column.name not in (self.declared.key, self.declared.time):
            return column_types.as_type(self.connection, column.index, column.name, "number")
        raise DataRefused(f"{problem}: the feature set holds it so since its first table")

    def _columns(self, uploaded: dict[str, Column]) -> list[Column]:
        """The columns of the new version: key, time, then features, those that the set has already first."""
        first = [self.declared.key, *([self.declared.time] if self.declared.time else [])]
        names = list(dict.fromkeys([*first, *self.known, *uploaded]))
        lost = [name for name in names if name not in uploaded]
        if lost:
            raise DataRefused(
                f"the table lacks {', '.join(map(repr, lost))}, which the feature set has: add the column, empty if "
                "need be, since models may look it up"
            )
        if len(names) == len(first):
            raise DataRefused("the table has no column beside key and time: add the features")
        added = [name for name in names if name not in self.known]
        if self.known and added:
            listed = ", ".join(map(repr, added))
            self.checks.found("feature_schema", "warn", f"{listed}: new in the feature set, missing in earlier rows")
        columns = []
        for index, name in enumerate(names):
            kind = uploaded[name].type
            if kind == "empty" and name in self.known:
                kind = self.known[name].type
            columns.append(Column(index, name, kind))
        return columns

    # --- checks --------------------------------------------------------------------------------

    def _check_keys(self, uploaded: dict[str, Column]) -> None:
        key = uploaded[self.declared.key]
        row = self.connection.execute(
            f"SELECT rowid + 1 FROM cells WHERE ({key.value()}) IS NULL ORDER BY rowid LIMIT 1"
        ).fetchone()
        if row is not None:
            raise DataRefused(f"the key {key.name!r} has no value in row {row[0]}: fill it in, or leave the row out")
        row = self.connection.execute(
            f"SELECT rowid + 1 FROM cells WHERE strlen({key.cell}) > {MAX_KEY_BYTES} ORDER BY rowid LIMIT 1"
        ).fetchone()
        if row is not None:
            raise DataRefused(f"the key {key.name!r} is longer than {MAX_KEY_BYTES} bytes in row {row[0]}: shorten it")
        self.checks.passed("feature_key", f"every row has a {key.name!r}")

    def _check_times(self, uploaded: dict[str, Column]) -> None:
        if self.declared.time is None:
            return
        time = uploaded[self.declared.time]
        if time.type not in TIMES:
            raise DataRefused(
                f"the time {time.name!r} holds {time.type}, not dates or numbers: write dates as ISO 8601, such as "
                "2026-01-31"
            )
        row = self.connection.execute(
            f"SELECT rowid + 1 FROM cells WHERE ({time.value()}) IS NULL ORDER BY rowid LIMIT 1"
        ).fetchone()
        if row is not None:
            raise DataRefused(f"the time {time.name!r} has no value in row {row[0]}: fill it in, or leave the row out")
        self.checks.passed("feature_time", f"every row says in {time.name!r} since when it is known")

    # --- history -------------------------------------------------------------------------------

    def _create_history(self, columns: Sequence[Column], uploaded: dict[str, Column]) -> None:
        """Make the table `history` of `c0`, `c1`, ...: one row for each key and time, in their order."""
        cells = ", ".join(f"{_stored(uploaded[column.name], column)} AS {column.cell}" for column in columns)
        # Places grow with the order of arrival: negative ones are those of the rows that were there.
        rows = f"SELECT rowid AS place, {cells} FROM cells"
        if self.current and self.declared.time:
            old = f"SELECT -1 - file_row_number, {self._stored_cells(columns)} FROM {_source(self.current.table)}"
            rows += f" UNION ALL {old}"
        since = _since(columns) if self.declared.time else "0"
        self.connection.execute(f"CREATE TABLE rows AS SELECT *, {since} AS since FROM ({rows})")
        self.connection.execute("DROP TABLE cells")
        self.connection.execute("DROP TABLE raw")
        kept = ", ".join(column.cell for column in columns)
        self.connection.execute(
            f"CREATE TABLE history AS SELECT {kept}, since FROM rows SEMI JOIN "
            "(SELECT max(place) AS place FROM rows GROUP BY c0, since) AS last USING (place) ORDER BY c0, since"
        )
        (repeated, corrected) = self.connection.execute(
            "SELECT coalesce(sum(new - 1) FILTER (new > 1), 0), count(*) FILTER (new > 0 AND new < every) FROM "
            "(SELECT count(*) FILTER (place >= 0) AS new, count(*) AS every FROM rows GROUP BY c0, since)"
        ).fetchall()[0]
        self.connection.execute("DROP TABLE rows")
        unit = f"{self.declared.key!r}" + (f" and {self.declared.time!r}" if self.declared.time else "")
        if repeated:
            detail = f"{int(repeated):,} rows repeat the {unit} of a later row: the last one counts"
            self.checks.found("feature_duplicates", "warn", detail)
        if corrected:
            detail = f"{corrected:,} rows replace earlier ones of the same {unit}"
            self.checks.passed("feature_duplicates", detail)

    def _stored_cells(self, columns: Sequence[Column]) -> str:
        """SQL for the new version's columns of a stored version's rows."""
        return ", ".join(f"{_cell_of(column, self.known)} AS {column.cell}" for column in columns)

    def _profile(self, columns: Sequence[Column]) -> Profile:
        typed = ", ".join(
            f"{dates.ISO.sql(column.cell)} AS {column.cell}" if column.type == "date" else column.cell
            for column in columns
        )
        self.connection.execute(f"CREATE VIEW typed AS SELECT {typed} FROM history")
        (rows,) = self.connection.execute("SELECT count(*) FROM history").fetchall()[0]
        profiles = [
            statistics.profile(
                column,
                statistics.of_column(self.connection, "typed", column, rows),
                rows,
                _role(column.name, self.declared),
            )
            for column in columns
        ]
        return Profile(rows, 0, tuple(profiles), self.table.reading, None, None)

    # --- online --------------------------------------------------------------------------------

    def _create_changes(self, columns: Sequence[Column], unfinished: Sequence[Path]) -> None:
        """Make the table `changes`: key, whether it is gone, then time and features of its newest row."""
        cells = [column.cell for column in columns]
        others = ", ".join(cells[1:])
        self.connection.execute(f"CREATE TABLE newest AS {_newest(cells, 'history')}")
        gone = [f"SELECT c0 FROM ({self._known_keys(table)})" for table in unfinished]
        changed = "true"
        if self.current:
            since = _since(columns) if self.declared.time else "0"
            old = f"SELECT {self._stored_cells(columns)} FROM {_source(self.current.table)}"
            self.connection.execute(
                f"CREATE TABLE before AS {_newest(cells, f'(SELECT *, {since} AS since FROM ({old}))')}"
            )
            gone.append("SELECT c0 FROM before")
            if not unfinished:
                differs = " OR ".join(f"newest.{name} IS DISTINCT FROM before.{name}" for name in cells[1:])
                changed = f"before.c0 IS NULL OR {differs}"
        joined = "LEFT JOIN before USING (c0)" if self.current else ""
        news = ", ".join(f"newest.{name}" for name in cells[1:])
        self.connection.execute(
            f"CREATE TABLE changes AS SELECT newest.c0, false AS gone, {news} FROM newest {joined} WHERE {changed}"
        )
        if gone:
            nothing = ", ".join("NULL" for _ in cells[1:])
            self.connection.execute(
                f"INSERT INTO changes (c0, gone, {others}) SELECT c0, true, {nothing} FROM ({' UNION '.join(gone)}) "
                "ANTI JOIN newest USING (c0)"
            )

    def _known_keys(self, table: Path) -> str:
        return f"SELECT {identifier(self.declared.key)}::VARCHAR AS c0 FROM {_source(table)}"


def _stored(uploaded: Column, column: Column) -> str:
    """SQL from a text cell to what the canonical table holds."""
    value = f"({uploaded.value()})"
    return f"({uploaded.date.iso(value)})" if uploaded.date else f"{value}::{_kind(column)}"


def _kind(column: Column) -> str:
    """The type of a canonical column in the database; a key is always text."""
    return "VARCHAR" if column.index == 0 else {"integer": "BIGINT", "number": "DOUBLE"}.get(column.type, "VARCHAR")


def _cell_of(column: Column, known: dict[str, ColumnProfile]) -> str:
    return f"{identifier(column.name) if column.name in known else 'NULL'}::{_kind(column)}"


def _source(path: Path) -> str:
    return f"read_parquet({literal(str(path))}, file_row_number = true)"


def _since(columns: Sequence[Column]) -> str:
    """SQL for a stored time as a number that can be compared: microseconds since 1970, or the number itself."""
    return comparable(columns[1].cell, columns[1].type)


def _newest(cells: Sequence[str], source: str) -> str:
    """SQL for the newest row of each key."""
    listed = ", ".join(cells)
    return (
        f"SELECT {listed} FROM {source} AS every "
        f"SEMI JOIN (SELECT c0, max(since) AS since FROM {source} GROUP BY c0) AS last USING (c0, since)"
    )


def _role(name: str, declared: FeatureSetDeclaration) -> Role:
    return "id" if name == declared.key else "time" if name == declared.time else "feature"
