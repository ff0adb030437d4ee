"""What each column holds, decided from all of its cells, and the SQL that converts them.

A type is given only when every present cell fits it. A column of numbers with a few
other texts among them stays text, and a finding says which texts those are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import duckdb

from tidemill.contracts import MISSING_WORDS, ColumnType
from tidemill.data import dates
from tidemill.data.database import literal
from tidemill.data.dates import MOSTLY, DateStyle
from tidemill.data.reading import Table, cell
from tidemill.errors import DataRefused

#: Numbers that float32, in which models compute, cannot hold count as missing.
LARGEST = 3.4028234663852886e38
#: Whole numbers beyond this lose digits as floating-point numbers.
LARGEST_WHOLE = 2**53
#: A column is free text from this mean length and number of words on, with more distinct values than this.
TEXT_LENGTH, TEXT_WORDS, TEXT_DISTINCT = 32.0, 4.0, 50

#: What Python's strip takes away, since the endpoint strips with it.
_BLANKS = "".join(character for character in map(chr, range(0x3001)) if character.isspace())
_QUERY_COLUMNS = 32
_BOOLEANS = {"true": "true", "false": "false", "yes": "true", "no": "false", "1": "true", "0": "false"}


@dataclass(frozen=True)
class Oddity:
    """Something in the cells of a column that its type leaves out or that kept it from another type."""

    check: str
    detail: str


@dataclass(frozen=True)
class Column:
    """A column with its type. `cell` is its text in the table `cells`, null where it is missing."""

    index: int
    name: str
    type: ColumnType
    date: DateStyle | None = None
    note: str = ""
    oddities: tuple[Oddity, ...] = ()

    @property
    def cell(self) -> str:
        """The column of `cells` and of typed tables."""
        return cell(self.index)

    def value(self) -> str:
        """SQL from the text to the value: DOUBLE, BIGINT (integer), TIMESTAMP (date) or VARCHAR; null if it is none."""
        if self.type == "integer":
            return f"try_cast({_held(self.cell)} AS BIGINT)"
        if self.type == "number":
            return _held(self.cell)
        if self.type == "boolean":
            words = " ".join(f"WHEN {literal(word)} THEN {literal(value)}" for word, value in _BOOLEANS.items())
            return f"CASE lower({self.cell}) {words} END"
        if self.type == "date":
            assert self.date is not None
            return self.date.form.sql(self.cell)
        return "NULL::VARCHAR" if self.type == "empty" else self.cell

    def stored(self) -> str:
        """SQL from the value to what canonical tables hold: dates as ISO 8601 text, the rest as it is."""
        return self.date.iso(self.cell) if self.date else self.cell


def create_cells(connection: duckdb.DuckDBPyConnection, columns: int, missing_values: Collection[str]) -> None:
    """Make the table `cells`: the trimmed texts of `raw`, null where missing, in the same order.

    Parameters
    ----------
    columns
        how many `raw` has.
    missing_values
        texts that mean missing besides the usual ones; one that is a number means that number however written.
    """
    words = [literal(word) for word in (*MISSING_WORDS, *(text.strip() for text in missing_values))]
    numbers = [f"{float(text)!r}::DOUBLE" for text in missing_values if _is_number(text)]
    cells, texts = [], []
    for i in range(columns):
        text = cell(i)
        # Not IN: duckdb makes a hash table of a longer list, for each column.
        missing = [f"{text} = {word}" for word in words] + [f"{_number(text)} = {number}" for number in numbers]
        cells.append(f"CASE WHEN {' OR '.join(missing)} THEN NULL ELSE {text} END AS {text}")
        texts.append(f"{_trimmed(text)} AS {text}")
    connection.execute(f"CREATE TABLE cells AS SELECT {', '.join(cells)} FROM (SELECT {', '.join(texts)} FROM raw)")


def infer(table: Table, declared: Mapping[str, ColumnType]) -> list[Column]:
    """The type of each column of the table `cells`.

    Parameters
    ----------
    declared
        types that the spec gives instead, by column name; a column with a cell that does not fit keeps the inferred
        one, and an oddity says so.
    """
    columns = []
    for facts in _facts(table.connection, len(table.names)):
        name = table.names[facts.index]
        column = _inferred(table.connection, name, facts)
        if name in declared:
            try:
                column = as_type(table.connection, facts.index, name, declared[name])
            except DataRefused as error:
                column = replace(column, oddities=(Oddity("declared_type", str(error)),))
        columns.append(column)
    return columns


def as_type(connection: duckdb.DuckDBPyConnection, index: int, name: str, kind: ColumnType) -> Column:
    """A column whose type is given.

    Raises
    ------
    DataRefused
        a cell does not fit the type; the message names column, row (from 1, without the header) and value.
    """
    style = None
    if kind == "date":
        style = dates.style(connection, cell(index), _date_form(connection, index, name))
    column = Column(index, name, kind, style)
    refuse_unfitting(connection, column)
    return column


def refuse_unfitting(connection: duckdb.DuckDBPyConnection, column: Column) -> None:
    """Raise DataRefused at the first cell that does not fit the column's type."""
    accepted = {
        "integer": "a whole number",
        "number": "a number",
        "boolean": "true or false (or yes, no, 1, 0)",
        "date": "a date such as 2026-01-31 or 2026-01-31T12:00:00Z",
    }
    if column.type not in accepted:
        return
    fits = f"{column.value()} IS NOT NULL"
    if column.type in ("integer", "number"):
        number = _number(column.cell)
        fits = f"({number} IS NOT NULL" + (f" AND {_is_whole(number)})" if column.type == "integer" else ")")
    text = column.cell
    row = connection.execute(
        f"SELECT rowid + 1, {text} FROM cells WHERE {text} IS NOT NULL AND NOT {fits} ORDER BY rowid LIMIT 1"
    ).fetchone()
    if row is not None:
        raise DataRefused(
            f"the column {column.name!r} must hold {accepted[column.type]}, not {row[1][:100]!r} (row {row[0]})"
        )


def _date_form(connection: duckdb.DuckDBPyConnection, index: int, name: str) -> dates.DateForm:
    counts = dates.fitting(connection, cell(index), _sample(connection, index))
    (present,) = connection.execute(f"SELECT count({cell(index)}) FROM cells").fetchall()[0]
    complete = [form for form, count in counts.items() if count == present]
    if len(complete) > 1:
        raise DataRefused(
            f"the dates in the column {name!r} can be read as {' or as '.join(form.name for form in complete)}: "
            "write them as ISO 8601, such as 2026-01-31"
        )
    return complete[0] if complete else dates.ISO


# --- inference ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Facts:
    """Counts over the present cells of a column."""

    index: int
    present: int
    numbers: int  #: that a double can hold
    whole: int
    too_large: int  #: infinite, or beyond float32
    padded: int  #: digits behind a leading zero
    long: int  #: whole, and beyond what a double holds exactly
    booleans: int
    length: float
    words: float
    distinct: int  #: an estimate


def _facts(connection: duckdb.DuckDBPyConnection, columns: int) -> Iterator[_Facts]:
    for start in range(0, columns, _QUERY_COLUMNS):
        indexes = range(start, min(start + _QUERY_COLUMNS, columns))
        sources, counts = [], []
        for i in indexes:
            text, number = cell(i), f"n{i}"
            sources.append(f"{text}, {_number(text)} AS {number}")
            counts.append(
                f"count({text}), count({number}), "
                f"count(*) FILTER ({_is_whole(number)}), "
                f"count(*) FILTER (abs({number}) > {LARGEST!r}), "
                f"count(*) FILTER ({number} IS NOT NULL AND {text} BETWEEN '00' AND '0:'), "
                f"count(*) FILTER (abs({number}) > {LARGEST_WHOLE} AND regexp_full_match({text}, '[+-]?[0-9]+')), "
                f"count(*) FILTER (lower({text}) IN ('true', 'false')), "
                f"coalesce(avg(length({text})), 0), "
                f"coalesce(avg(length({text}) - length(replace({text}, ' ', '')) + 1), 0), "
                f"approx_count_distinct({text})"
            )
        (row,) = connection.execute(
            f"SELECT {', '.join(counts)} FROM (SELECT {', '.join(sources)} FROM cells)"
        ).fetchall()
        width = len(row) // len(indexes)
        for position, i in enumerate(indexes):
            yield _Facts(i, *row[position * width : (position + 1) * width])


def _inferred(connection: duckdb.DuckDBPyConnection, name: str, facts: _Facts) -> Column:
    index = facts.index
    if facts.present == 0:
        return Column(index, name, "empty")
    if facts.booleans == facts.present:
        return Column(index, name, "boolean")
    if facts.numbers == facts.present > facts.too_large:
        return _numeric(name, facts)
    oddities: list[Oddity] = []
    if facts.numbers < MOSTLY * facts.present:
        counts = dates.fitting(connection, cell(index), _sample(connection, index))
        complete = [form for form, count in counts.items() if count == facts.present]
        if len(complete) == 1:
            style = dates.style(connection, cell(index), complete[0])
            note = "" if complete[0] is dates.ISO else f"read as {complete[0].name}"
            return Column(index, name, "date", style, note)
        if complete:
            oddities.append(_ambiguous(name, [form.name for form in complete]))
        elif counts:
            form = max(counts, key=lambda form: counts[form])
            if counts[form] >= MOSTLY * facts.present:
                examples = _examples(connection, index, f"{form.sql(cell(index))} IS NULL")
                oddities.append(_mixed(name, "dates", facts.present - counts[form], examples))
    else:
        examples = _examples(connection, index, f"{_number(cell(index))} IS NULL")
        oddities.append(_mixed(name, "numbers", facts.present - facts.numbers, examples))
    text = facts.length >= TEXT_LENGTH and facts.words >= TEXT_WORDS and facts.distinct > TEXT_DISTINCT
    return Column(index, name, "text" if text else "category", oddities=tuple(oddities))


def _numeric(name: str, facts: _Facts) -> Column:
    if facts.padded:
        return Column(facts.index, name, "category", note="numbers with leading zeros are kept as text")
    held = facts.numbers - facts.too_large
    if facts.long and facts.whole + facts.long == facts.numbers:
        return Column(facts.index, name, "category", note="whole numbers of so many digits are kept as text")
    oddities: tuple[Oddity, ...] = ()
    if facts.too_large:
        detail = f"{facts.too_large:,} values of {name!r} are infinite or beyond 32-bit floats: they count as missing"
        oddities = (Oddity("infinite_values", detail),)
    return Column(facts.index, name, "integer" if facts.whole == held else "number", oddities=oddities)


def _ambiguous(name: str, forms: Sequence[str]) -> Oddity:
    return Oddity(
        "ambiguous_dates",
        f"the dates in {name!r} can be read as {' or as '.join(forms)}, so they stay text: write them as ISO 8601",
    )


def _mixed(name: str, what: str, others: int, examples: Sequence[str]) -> Oddity:
    shown = ", ".join(repr(text[:40]) for text in examples)
    return Oddity(
        "mixed_values",
        f"{name!r} holds {what} except for {others:,} cells such as {shown}, so the column is read as text: "
        "correct them, or name them in missing_values of the spec",
    )


def _sample(connection: duckdb.DuckDBPyConnection, index: int) -> list[str]:
    """Some distinct present texts."""
    text = cell(index)
    rows = connection.execute(
        f"SELECT DISTINCT {text} FROM (SELECT {text} FROM cells WHERE {text} IS NOT NULL LIMIT 500)"
    ).fetchall()
    return [row[0] for row in rows]


def _examples(connection: duckdb.DuckDBPyConnection, index: int, condition: str) -> list[str]:
    """The first few distinct texts for which a condition holds."""
    text = cell(index)
    rows = connection.execute(
        f"SELECT {text} FROM cells WHERE {text} IS NOT NULL AND {condition} GROUP BY {text} ORDER BY min(rowid) LIMIT 3"
    ).fetchall()
    return [row[0] for row in rows]


# --- SQL ---------------------------------------------------------------------------------------


def _trimmed(text: str) -> str:
    """The text without blanks of any kind around it. Most texts begin and end with a printable ASCII character."""
    plain = f"{text} BETWEEN '!' AND '~' AND {text}[-1] BETWEEN '!' AND '~'"
    return f"CASE WHEN {plain} THEN {text} ELSE trim({text}, {literal(_BLANKS)}) END"


def _number(text: str) -> str:
    """The text as a DOUBLE; null unless it is written as a number (duckdb's cast takes 1_000 and nan as well)."""
    other = f"contains({text}, '_') OR contains(lower({text}), 'nan')"
    return f"CASE WHEN {other} THEN NULL ELSE try_cast({text} AS DOUBLE) END"


def _held(text: str) -> str:
    """The text as a DOUBLE that float32 can hold too, or null."""
    return f"CASE WHEN abs({_number(text)}) <= {LARGEST!r} THEN {_number(text)} END"


def _is_whole(number: str) -> str:
    return f"(abs({number}) <= {LARGEST_WHOLE} AND {number} = trunc({number}))"


def _is_number(text: str) -> bool:
    try:
        return abs(float(text)) <= LARGEST and "_" not in text
    except ValueError:
        return False
