"""The data contract of a project: suggested from its first accepted table, and later ones held to it.

The rules of suggestion are Deequ's (github.com/awslabs/deequ, suggestions/rules; Schelter et al., Automating
large-scale data quality verification, 2018), with three differences, each against false alarms: an integer column
asks for numbers, since whole ones are often chance; bounds of shares are Wilson's at three standard errors, since a
project has many columns and many uploads; and how much of a domain is still unseen is estimated from the values that
were seen once (Good, The population frequencies of species, 1953).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import duckdb

from tidemill.contracts import ColumnConstraints, ColumnProfile, ColumnType, DataContract, Profile, Verdict
from tidemill.data.checks import Checks
from tidemill.data.column_types import Column
from tidemill.data.database import literal
from tidemill.data.statistics import TOP, as_number
from tidemill.spec import Spec

#: Deequ's thresholds. A column filled in less often than this has no completeness to retain.
MIN_COMPLETENESS = 0.2
#: Most values that occur once, as a share of all values: of a domain, and of one that holds for most rows only.
ONCE, ONCE_FRACTIONAL = 0.1, 0.4
#: Share of the rows that the commonest values of a larger domain must cover.
COVERED = 0.9
#: Standard errors of the bounds.
ERRORS = 3.0
#: Values that a finding quotes.
QUOTED, QUOTED_LENGTH = 5, 40
#: Oddities of a column that a better table may read as another type.
DOUBTFUL = frozenset({"mixed_values", "ambiguous_dates", "declared_type"})
NUMERIC: tuple[ColumnType, ...] = ("integer", "number")
#: What a column may hold for each type of a contract. Everything can be read as text.
ACCEPTED: dict[ColumnType, tuple[ColumnType, ...]] = {
    "integer": ("integer",),
    "number": NUMERIC,
    "boolean": ("boolean",),
    "date": ("date",),
    "category": ("category", "text", "boolean", "date", *NUMERIC),
    "text": ("category", "text", "boolean", "date", *NUMERIC),
    "empty": ("empty",),
}
WORDS: dict[ColumnType, str] = {
    "integer": "whole numbers",
    "number": "numbers",
    "category": "text",
    "text": "text",
    "boolean": "true and false",
    "date": "dates",
    "empty": "nothing",
}


# --- suggestion --------------------------------------------------------------------------------


def suggest(columns: Sequence[Column], profiles: Sequence[ColumnProfile]) -> tuple[ColumnConstraints, ...]:
    """What the columns of an accepted table suggest that later ones hold, each constraint with its reason."""
    return tuple(map(_suggested, columns, profiles))


def _suggested(column: Column, profile: ColumnProfile) -> ColumnConstraints:
    name, rows, present = profile.name, profile.rows, profile.rows - profile.missing
    if profile.type == "empty":
        return ColumnConstraints(name, optional=True, reasons={"optional": "no row had a value in it"})
    reasons: dict[str, str] = {}
    kind = _type(column)
    if kind is not None:
        whole = ", all of them whole" if profile.type == "integer" else ""
        reasons["type"] = f"all {present:,} present values were {WORDS[kind]}{whole}"
    completeness = _completeness(profile)
    if completeness == 1.0:
        reasons["completeness"] = f"all {rows:,} rows had a value"
    elif completeness is not None:
        reasons["completeness"] = (
            f"{present / rows:.1%} of {rows:,} rows had a value; the bound is {ERRORS:g} standard errors lower"
        )
    values, coverage, why = _domain(profile)
    if values is not None:
        reasons["values"] = why
    minimum = 0.0 if profile.type in NUMERIC and profile.minimum is not None and profile.minimum >= 0 else None
    if minimum is not None:
        reasons["minimum"] = f"no value was negative; the smallest was {profile.minimum:g}"
    unique = profile.role == "id" and profile.distinct == rows
    if unique:
        reasons["unique"] = f"it names the rows, and all {rows:,} values were different"
    optional = profile.role in ("ignored", "leak")
    if optional:
        reasons["optional"] = "the model does not use it"
    return ColumnConstraints(
        name, kind, completeness, values, coverage, minimum, None, unique=unique, optional=optional, reasons=reasons
    )


def _type(column: Column) -> ColumnType | None:
    """What the column asks for; None where a few cells decided, which a better table may correct."""
    if any(oddity.check in DOUBTFUL for oddity in column.oddities):
        return None
    return {"integer": "number", "text": "category"}.get(column.type, column.type)  # type: ignore[return-value]


def _completeness(profile: ColumnProfile) -> float | None:
    share = 1 - profile.missing / profile.rows
    if profile.missing == 0:
        return 1.0
    return _lower_bound(share, profile.rows) if share > MIN_COMPLETENESS else None


def _domain(profile: ColumnProfile) -> tuple[tuple[str, ...] | None, float, str]:
    """The values, the least share of rows that have one of them, and why; no values when there is no domain."""
    present, seen = profile.rows - profile.missing, len(profile.top)
    if profile.type != "category" or profile.personal_data or profile.role == "id" or seen < 2:
        return None, 1.0, ""
    values = tuple(sorted(top.value for top in profile.top))
    once = sum(top.count == 1 for top in profile.top)
    if profile.distinct == seen and once <= ONCE_FRACTIONAL * seen:
        if once == 0:
            return values, 1.0, f"all {present:,} values were one of these {seen}"
        unseen = once / present
        why = f"all {present:,} values were one of these {seen}, but {once} of them occurred once: others may exist"
        return values, _lower_bound(1 - unseen, present, 4 if once <= ONCE * seen else 2), why
    covered = sum(top.count for top in profile.top) / present
    if seen == TOP and covered >= COVERED:
        return values, _lower_bound(covered, present), f"{covered:.1%} of {present:,} values were one of these {seen}"
    return None, 1.0, ""


def _lower_bound(share: float, rows: int, digits: int = 2) -> float:
    """The lower end of Wilson's interval of a share (Probable inference, 1927), rounded down."""
    z2 = ERRORS**2 / rows
    centre = share + z2 / 2 - math.sqrt(z2) * math.sqrt(share * (1 - share) + z2 / 4)
    return float(math.floor(max(centre / (1 + z2), 0.0) * 10**digits) / 10**digits)


# --- later tables ------------------------------------------------------------------------------


def read_as(contract: DataContract, names: Collection[str]) -> dict[str, ColumnType]:
    """Columns that stay text whatever their cells look like this time: codes without a leading zero, true and false."""
    return {
        column.name: column.type
        for column in contract.columns
        if column.type in ("category", "text") and column.name in names
    }


def compare_columns(
    columns: Sequence[ColumnProfile], contract: DataContract, previous: Profile | None, spec: Spec, checks: Checks
) -> None:
    """Find columns that are missing, and ones that the contract does not know.

    A missing one may have been renamed to a new one: a finding asks so when `previous`, the profile of the version
    before, shows that one and only one new column holds alike values.
    """
    names = {column.name for column in columns}
    known = {column.name for column in contract.columns}
    extra = [
        column
        for column in columns
        if contract.dataset_version and column.name not in known and column.name not in spec.ignore
    ]
    missing = [
        column.name
        for column in contract.columns
        if column.name not in names and not column.optional and column.name not in spec.ignore
    ]
    renamed = _renamed(missing, extra, previous) if previous is not None else {}
    for name in missing:
        way_out = "upload a table with it, or set optional for it under contract.columns in the spec"
        if name in renamed:
            way_out = f"was it renamed to {renamed[name]!r}? Rename it back in the file; else {way_out}"
        detail = f"the column {name!r} of the data contract is missing: {way_out}"
        checks.found("contract_missing_column", "refuse", detail, name)
    for column in extra:
        checks.found(
            "contract_extra_column",
            spec.contract.extra_columns,
            f"the data contract does not know the column {column.name!r}: name it under contract.columns in the spec, "
            "or leave it out",
            column.name,
        )


def _renamed(missing: Collection[str], extra: Sequence[ColumnProfile], previous: Profile) -> dict[str, str]:
    """New names of missing columns, where one new column is like one missing column and like no other."""
    old = {column.name: column for column in previous.columns}
    alike = {
        name: [column.name for column in extra if column.name not in old and _is_alike(old[name], column)]
        for name in missing
        if name in old
    }
    claimed = [name for names in alike.values() for name in names]
    return {name: names[0] for name, names in alike.items() if len(names) == 1 and claimed.count(names[0]) == 1}


def _is_alike(old: ColumnProfile, new: ColumnProfile) -> bool:
    """Whether two columns have one type, and ranges of numbers or commonest values that overlap; dates move on."""
    if old.type in NUMERIC and new.type in NUMERIC:
        ends = (old.minimum, old.maximum, new.minimum, new.maximum)
        if None in ends:
            return False
        return old.minimum <= new.maximum and new.minimum <= old.maximum  # type: ignore[operator]
    if old.type != new.type:
        return False
    values, others = ({top.value for top in column.top} for column in (old, new))
    return old.type == "date" or 2 * len(values & others) > min(len(values), len(others))


def compare_values(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    columns: Sequence[Column],
    profiles: Sequence[ColumnProfile],
    contract: DataContract,
    spec: Spec,
    checks: Checks,
) -> None:
    """Find columns of a typed table that do not hold what the contract asks for. Personal data is not quoted."""
    asked = {
        column.name: column
        for column in contract.columns
        if column.name not in spec.ignore or column.name in spec.contract.columns
    }
    for column, profile in zip(columns, profiles, strict=True):
        if column.name in asked:
            _Comparison(connection, table, column, profile, asked[column.name], checks).run()


class _Comparison:
    """One column against its constraints."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        table: str,
        column: Column,
        profile: ColumnProfile,
        asked: ColumnConstraints,
        checks: Checks,
    ) -> None:
        self.connection = connection
        self.table = table
        self.column = column
        self.profile = profile
        self.asked = asked
        self.checks = checks
        self.present = profile.rows - profile.missing

    def run(self) -> None:
        self._completeness()
        if not self.present:
            return
        if self.asked.type is not None and self.column.type not in ACCEPTED[self.asked.type]:
            self._type(self.asked.type)
            return  # a domain or range of another type means nothing
        if self.asked.values is not None:
            self._domain(self.asked.values)
        if self.column.type in NUMERIC and (self.asked.minimum is not None or self.asked.maximum is not None):
            self._range()
        if self.asked.unique and self.profile.distinct < self.present:
            again = self.present - self.profile.distinct
            self._found("contract_unique", "warn", f"repeats {again:,} values, and each must be different")

    def _found(self, check: str, verdict: Verdict, what: str) -> None:
        self.checks.found(check, verdict, f"{self.column.name!r} {what}", self.column.name)

    def _type(self, kind: ColumnType) -> None:
        spoilt = next((oddity.detail for oddity in self.column.oddities), None)
        example = "" if self.profile.personal_data or spoilt else self._such_as()
        why = f"; {spoilt}" if spoilt and not self.profile.personal_data else ""
        held = WORDS[self.column.type]
        self._found("contract_type", "refuse", f"must hold {WORDS[kind]} and holds {held}{example}{why}")

    def _such_as(self) -> str:
        cell = self.column.cell
        query = f"SELECT {cell}::VARCHAR FROM {self.table} WHERE {cell} IS NOT NULL ORDER BY rowid LIMIT 1"
        (value,) = self.connection.execute(query).fetchall()[0]
        return f" such as {value[:QUOTED_LENGTH]!r}"

    def _completeness(self) -> None:
        least, share = self.asked.completeness, self.present / self.profile.rows
        if least is not None and share < least:
            asked = "a value in every row" if least == 1 else f"a value in at least {least:.0%} of the rows"
            self._found(
                "contract_completeness",
                "warn",
                f"must have {asked} and is missing in {self.profile.missing:,} of {self.profile.rows:,}",
            )

    def _domain(self, values: Sequence[str]) -> None:
        cell = self.column.cell
        if self.column.type in NUMERIC:
            accepted = f"{cell} IN ({', '.join(f'try_cast({literal(value)} AS DOUBLE)' for value in values)})"
        else:
            accepted = f"{cell}::VARCHAR IN ({', '.join(map(literal, values))})"
        rows = self.connection.execute(
            f"SELECT {cell}::VARCHAR AS v, count(*) AS n FROM {self.table} "
            f"WHERE {cell} IS NOT NULL AND NOT coalesce({accepted}, false) GROUP BY v ORDER BY n DESC, v"
        )
        commonest = rows.fetchmany(QUOTED + 1)
        if not commonest:
            return
        (outside,) = self.connection.execute(
            f"SELECT count(*) FROM {self.table} WHERE {cell} IS NOT NULL AND NOT coalesce({accepted}, false)"
        ).fetchall()[0]
        share = outside / self.present
        if share <= 1 - self.asked.coverage:
            return
        quoted = ", ".join(f"{value[:QUOTED_LENGTH]!r} ({count:,})" for value, count in commonest[:QUOTED])
        told = "" if self.profile.personal_data else f": {quoted}{' and others' if len(commonest) > QUOTED else ''}"
        may = f", and {1 - self.asked.coverage:.2%} may have" if self.asked.coverage < 1 else ""
        self._found(
            "contract_domain",
            "warn",
            f"has values outside its domain in {outside:,} of {self.present:,} rows{may}{told}",
        )

    def _range(self) -> None:
        number, low, high = as_number(self.column), self.asked.minimum, self.asked.maximum
        for bound, outside, extreme, words in (
            (low, "<", self.profile.minimum, "at least"),
            (high, ">", self.profile.maximum, "at most"),
        ):
            if bound is None:
                continue
            query = f"SELECT count(*) FROM {self.table} WHERE {number} {outside} {bound!r}::DOUBLE"
            (count,) = self.connection.execute(query).fetchall()[0]
            if count:
                told = "" if self.profile.personal_data else f", such as {extreme:g}"
                self._found("contract_range", "warn", f"must be {words} {bound:g} and is not in {count:,} rows{told}")
