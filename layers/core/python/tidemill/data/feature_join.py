"""Joining shared feature sets to a table: as of each row's time, or the newest row of each entity.

A row of a set counts from its time on. So a row of the table gets the newest row of its
entity that is not later than itself, and nothing when there is none: never what was only
known afterwards. Without a time on either side it gets the newest row.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from tidemill.contracts import Check, ColumnProfile, ColumnType, FeatureSetRef, InputField, Profile, Role, Signature
from tidemill.data import dates, statistics
from tidemill.data.checks import Checks
from tidemill.data.column_types import Column
from tidemill.data.database import connect, identifier, limit_memory, literal
from tidemill.data.parquet import plain
from tidemill.errors import DataRefused, SpecError
from tidemill.serving.feature_lookup import FeatureLookup, entity, feature
from tidemill.serving.missing_values import MissingValues
from tidemill.spec import FeatureSetUse, Spec

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

#: Types that the two sides of a comparison of times may have.
TIMES: tuple[ColumnType, ...] = ("date", "integer", "number")
#: Gives the current version of a feature set, its profile and table; None when it has none.
Current = Callable[[str], tuple[str, Profile, Path] | None]


@dataclass(frozen=True)
class Version:
    """A stored version of a feature set."""

    version: str  #: hash of its content
    profile: Profile
    table: Path  #: its canonical Parquet


def comparable(value: str, kind: ColumnType) -> str:
    """SQL for a stored time as a number: microseconds since 1970 of a date, else the number itself."""
    return f"epoch_us({dates.ISO.sql(value)})" if kind == "date" else f"{value}::DOUBLE"


class FeatureTable:
    """A version of a feature set in a database of its own.

    Parameters
    ----------
    columns
        the features that are wanted, in order; the profile has them.
    work
        a folder, in which an own one is made.
    """

    def __init__(self, version: Version, columns: Sequence[str], work: Path) -> None:
        profiles = {column.name: column for column in version.profile.columns}
        key, *others = version.profile.columns
        self.key_type = key.type
        self.time = next((column for column in others if column.role == "time"), None)
        self.columns = [Column(index, name, profiles[name].type) for index, name in enumerate(columns)]
        self._connection = connect(Path(tempfile.mkdtemp(dir=work)))
        limit_memory(self._connection, len(columns))
        cells = ", ".join(f"{identifier(column.name)} AS {column.cell}" for column in self.columns)
        since = comparable(identifier(self.time.name), self.time.type) if self.time else "0"
        self._connection.execute(
            f"CREATE TABLE history AS SELECT {identifier(key.name)}::VARCHAR AS entity, ({since})::DOUBLE AS since, "
            f"{cells} FROM read_parquet({literal(str(version.table))})"
        )
        self._connection.execute(
            "CREATE VIEW newest AS SELECT * FROM history "
            "SEMI JOIN (SELECT entity, max(since) AS since FROM history GROUP BY entity) AS last USING (entity, since)"
        )

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def join(self, entities: np.ndarray, times: np.ndarray | None) -> tuple[dict[str, np.ndarray], int]:
        """The features of rows, and how many rows have any; kept for `profiles`.

        Parameters
        ----------
        entities
            (rows,) object of str: keys as `entity` writes them, "" where missing.
        times
            (rows,) float64, as `comparable` writes them, NaN where missing; None takes the newest row of each key.

        Returns
        -------
        by column, (rows,): numbers float64 with NaN, everything else object of str and None.
        """
        since = np.zeros(len(entities)) if times is None else times
        self._connection.register("given", {"place": np.arange(len(entities)), "entity": entities, "since": since})
        cells = ", ".join(f"found.{column.cell}" for column in self.columns)
        # NaN in an array is null to duckdb, and null is not later than anything.
        rows = "(SELECT place, nullif(entity, '') AS entity, since FROM given) AS one"
        source = (
            "newest AS found ON one.entity = found.entity"
            if times is None
            else "history AS found ON one.entity = found.entity AND one.since >= found.since"
        )
        self._connection.execute("DROP VIEW IF EXISTS typed")
        self._connection.execute(
            f"CREATE OR REPLACE TABLE joined AS SELECT {cells}, found.entity IS NOT NULL AS matched "
            f"FROM {rows} {'' if times is None else 'ASOF'} LEFT JOIN {source} ORDER BY one.place"
        )
        self._connection.unregister("given")
        (matched,) = self._connection.execute("SELECT count(*) FILTER (matched) FROM joined").fetchall()[0]
        return {column.name: self._fetch(column) for column in self.columns}, int(matched)

    def look_up(self, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The newest values by key; a key without a row is left out, and so is a missing value."""
        self._connection.register("asked", {"entity": np.array(keys, dtype=object)})
        cells = ", ".join(column.cell for column in self.columns)
        answer = self._connection.execute(f"SELECT entity, {cells} FROM newest SEMI JOIN asked USING (entity)")
        found = {
            key: {column.name: value for column, value in zip(self.columns, values, strict=True) if value is not None}
            for key, *values in answer.fetchall()
        }
        self._connection.unregister("asked")
        return found

    def profiles(self, feature_set: str, rows: int) -> list[ColumnProfile]:
        """Reference statistics of the columns as they were joined, with their names in the table."""
        typed = ", ".join(
            f"{dates.ISO.sql(column.cell)} AS {column.cell}" if column.type == "date" else column.cell
            for column in self.columns
        )
        self._connection.execute(f"CREATE OR REPLACE VIEW typed AS SELECT {typed} FROM joined")
        return [self._profile(feature_set, column, rows) for column in self.columns]

    def _profile(self, feature_set: str, column: Column, rows: int) -> ColumnProfile:
        known = statistics.of_column(self._connection, "typed", column, rows)
        role: Role = "feature"
        note = f"of the feature set {feature_set}"
        if not known.distinct or column.type == "empty":
            role, note = "ignored", f"{note}; no row has a value in it"
        elif known.distinct == 1 and not known.missing and rows > 1:
            role, note = "constant", f"{note}; it has the same value in every row"
        profile = statistics.profile(column, known, rows, role, note)
        return replace(profile, name=feature(feature_set, column.name), feature_set=feature_set)

    def _fetch(self, column: Column) -> np.ndarray:
        kind = "DOUBLE" if column.type in ("integer", "number") else "VARCHAR"
        return plain(self._connection.execute(f"SELECT {column.cell}::{kind} AS v FROM joined").fetchnumpy()["v"])


# --- a table to score --------------------------------------------------------------------------


class StoredFeatures:
    """Looks features up in the current tables of feature sets, as the endpoint does in the online table.

    Parameters
    ----------
    signature
        of the model.
    work
        a folder for the tables.
    """

    def __init__(self, signature: Signature, current: Current, work: Path) -> None:
        self._lookup = FeatureLookup(signature, self._look_up)
        #: Inputs that are looked up.
        self.columns = frozenset(name for ref in signature.feature_sets for name in ref.columns)
        self._only_keys = {field.name for field in signature.keys}
        self._needed = {name for ref in signature.feature_sets for name in (ref.key, *ref.columns)}
        self._tables = {ref.name: _opened(ref, current, work) for ref in signature.feature_sets if ref.columns}

    def completed(self, raw: Mapping[str, np.ndarray]) -> dict[str, Sequence[Any] | np.ndarray]:
        """The inputs of rows: what the table has, and what is looked up where it has nothing.

        Parameters
        ----------
        raw
            of a batch of a table to score.
        """
        if not self._needed:
            return dict(raw)
        lists = {name: _listed(values) for name, values in raw.items() if name in self._needed}
        made: dict[str, Sequence[Any] | np.ndarray] = {**raw, **self._lookup.completed(lists)}
        return {name: values for name, values in made.items() if name not in self._only_keys}

    def close(self) -> None:
        """Close the databases."""
        for table in self._tables.values():
            table.close()

    def _look_up(self, feature_set: str, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        return self._tables[feature_set].look_up(keys)


def _opened(ref: FeatureSetRef, current: Current, work: Path) -> FeatureTable:
    found = current(ref.name)
    if found is None:
        raise DataRefused(f"there is no table of the feature set {ref.name!r} any more, which the model looks up")
    return FeatureTable(Version(*found), [name.removeprefix(feature(ref.name, "")) for name in ref.columns], work)


def _listed(values: np.ndarray) -> list[Any]:
    """Raw values with None where they are missing."""
    if values.dtype.kind != "f":
        return list(values.tolist())
    return [None if missing else value for value, missing in zip(values.tolist(), np.isnan(values), strict=True)]


# --- a project's table -------------------------------------------------------------------------


@dataclass(frozen=True)
class Joined:
    """What the feature sets of a spec add to a table."""

    profile: Profile  #: of the table, with the joined columns behind its own
    values: dict[str, np.ndarray]  #: of the joined columns, as `parquet.load_columns` gives them
    feature_sets: tuple[FeatureSetRef, ...]
    keys: tuple[InputField, ...]  #: columns of the table by which features are looked up
    checks: tuple[Check, ...]


def needed(spec: Spec, profile: Profile) -> dict[str, ColumnType]:
    """The columns of the table that are joined by, with their types, whatever else they are used for."""
    types = {column.name: column.type for column in profile.columns}
    uses = spec.feature_sets.values()
    names = [name for use in uses for name in (use.key, use.time or spec.time_column) if name is not None]
    return {name: types[name] for name in names if name in types}


def join(spec: Spec, profile: Profile, raw: Mapping[str, np.ndarray], current: Current, work: Path) -> Joined:
    """Join the feature sets that the spec names.

    Parameters
    ----------
    raw
        the columns that `needed` names, as the canonical table has them, shape (rows,).

    Raises
    ------
    SpecError
        a feature set or one of its columns does not exist, or the times cannot be compared.
    DataRefused
        the table has a column of a joined one's name.
    """
    own = tuple(column for column in profile.columns if column.feature_set is None)
    types = {column.name: column.type for column in own}
    checks = Checks(spec.checks.policy)
    missing = MissingValues(spec.missing_values, spec.real_values)
    columns: list[ColumnProfile] = []
    values: dict[str, np.ndarray] = {}
    refs, keys = [], {}
    for name, use in spec.feature_sets.items():
        found = current(name)
        if found is None:
            raise SpecError(
                f"feature_sets names {name!r}, of which there is no table: `tidemill features put {name} FILE` adds one"
            )
        version = Version(*found)
        if use.key not in types:
            raise SpecError(f"feature_sets.{name}.key names {use.key!r}, but the table has no such column")
        table = FeatureTable(version, _wanted(name, use, version.profile), work)
        try:
            times = _times(name, use.time or spec.time_column, types, raw, table.time)
            entities = _entities(raw[use.key], table.key_type)
            features, matched = table.join(entities, times)
            made = table.profiles(name, profile.rows)
        finally:
            table.close()
        for column in made:
            if column.name in types or column.name in values:
                raise DataRefused(
                    f"the table has a column {column.name!r}, as one of the feature set {name!r} is called: rename it"
                )
            values[column.name] = _without(missing, features[column.name.removeprefix(feature(name, ""))])
        columns += made
        _check_matches(checks, name, use, version, matched, profile.rows, table.time, times)
        used = tuple(column.name for column in made if column.role == "feature")
        refs.append(FeatureSetRef(name, use.key, used, table.key_type, version.version))
        refused = next((check.detail for check in checks.all if check.verdict == "refuse"), None)
        if refused:
            raise DataRefused(refused)
        keys[use.key] = InputField(use.key, "integer" if types[use.key] == "integer" else "category", required=False)
    return Joined(replace(profile, columns=(*own, *columns)), values, tuple(refs), tuple(keys.values()), checks.all)


def _wanted(name: str, use: FeatureSetUse, profile: Profile) -> list[str]:
    there = [column.name for column in profile.columns if column.role == "feature"]
    for wanted in use.columns:
        if wanted not in there:
            raise SpecError(
                f"feature_sets.{name}.columns names {wanted!r}, which the feature set has not: there are "
                f"{', '.join(there)}"
            )
    return list(use.columns) or there


def _times(
    name: str,
    time: str | None,
    types: Mapping[str, ColumnType],
    raw: Mapping[str, np.ndarray],
    of_set: ColumnProfile | None,
) -> np.ndarray | None:
    """The rows' times as `comparable` writes them; None when either side has none."""
    if time is None or of_set is None:
        return None
    if time not in types:
        raise SpecError(f"feature_sets.{name}.time names {time!r}, but the table has no such column")
    if types[time] not in TIMES:
        raise SpecError(f"feature_sets.{name}.time: {time!r} holds {types[time]}, not dates or numbers")
    if (types[time] == "date") != (of_set.type == "date"):
        raise SpecError(
            f"the feature set {name!r} and the table cannot be joined by time: {of_set.name!r} holds {of_set.type}s "
            f"and {time!r} {types[time]}s"
        )
    if types[time] == "date":
        return np.array([np.nan if text is None else _microseconds(text) for text in raw[time]], dtype=np.float64)
    return raw[time].astype(np.float64)


def _microseconds(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return float(((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND)


def _entities(raw: np.ndarray, kind: ColumnType) -> np.ndarray:
    """(rows,) object of str: the keys of a column, "" where missing."""
    listed = raw.tolist()
    known = {value: entity(value, kind) or "" for value in set(listed)}
    return np.array([known[value] for value in listed], dtype=object)


def _without(missing: MissingValues, values: np.ndarray) -> np.ndarray:
    """The values without those that mean missing in the project, as the endpoint takes them out too."""
    (kept,) = missing.taken_out({"": values.tolist()}).values()
    if values.dtype.kind == "f":
        return np.array([np.nan if value is None else value for value in kept], dtype=np.float64)
    made = np.empty(len(kept), dtype=object)
    made[:] = kept
    return made


def _check_matches(
    checks: Checks,
    name: str,
    use: FeatureSetUse,
    version: Version,
    matched: int,
    rows: int,
    of_set: ColumnProfile | None,
    times: np.ndarray | None,
) -> None:
    when = "as of each row's time" if times is not None else "the newest row of each key"
    detail = f"{matched:,} of {rows:,} rows have features of {name} (version {version.version}, {when})"
    if 2 * matched < rows:
        way_out = f"see whether {use.key!r} holds the keys of the set, and whether its rows are old enough"
        checks.found("feature_set", "warn", f"{detail}: {way_out}", use.key)
    else:
        checks.passed("feature_set", detail)
    if of_set is not None and times is None:
        checks.found(
            "feature_set",
            "warn",
            f"the features of {name} are joined as they are now, which may tell of what came after a row: "
            f"name the column that says when in feature_sets.{name}.time",
        )
