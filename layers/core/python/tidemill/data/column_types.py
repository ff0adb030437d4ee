"""What each column holds, decided from all of its cells, and the SQL that converts them.

A type is given only when every present cell fits it, and numbers and dates only when
every present cell is written in one form (`number_formats`, `dates`). A column of numbers
with a few other texts among them stays text, and a finding says which texts those are.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import duckdb

from tidemill.contracts import MISSING_WORDS, ColumnType, PersonalData
from tidemill.data import dates, number_formats
from tidemill.data.database import literal
from tidemill.data.dates import MOSTLY, DateStyle
from tidemill.data.number_formats import Choice, ClockForm, NumberForm
from tidemill.data.reading import Table, cell
from tidemill.errors import DataRefused
from tidemill.spec import Reading

#: Numbers that float32, in which models compute, cannot hold count as missing.
LARGEST = 3.4028234663852886e38
#: Whole numbers beyond this lose digits as floating-point numbers.
LARGEST_WHOLE = 2**53
#: A column is free text from this mean length and number of words on, with more distinct values than this.
TEXT_LENGTH, TEXT_WORDS, TEXT_DISTINCT = 32.0, 4.0, 50

#: What Python's strip takes away, since the endpoint strips with it.
_BLANKS = "".join(character for character in map(chr, range(0x3001)) if character.isspace())
_QUERY_COLUMNS = 32
#: So many different dates such as 20260131 are no chance.
COMPACT_DISTINCT = 10
#: Columns that a sentence names.
SHOWN = 5
#: Parts of a range of numbers, such as 10-20, 20 to 30 or 65+.
_RANGE = re.compile(r"(?:<=?|>=?|≤|≥) ?\d[\d.,]*|(\d[\d.,]*)(?:\+| ?(?:-|–|to|bis|\.\.) ?(\d[\d.,]*)?)")
RANGE = "10-20"
_PLAIN = NumberForm()
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
    number: number_formats.Form | None = None  #: how its numbers are written, when duckdb's cast cannot read them
    range: bool = False  #: whether a category's texts are ranges of numbers
    doubt: str = ""  #: what decided how its numbers are read, where they can be read in two ways
    guessed: bool = False  #: whether neither the spec nor other columns decided that, only what is usual
    personal_data: PersonalData | None = None
    masked: str = ""  #: SQL from the text to what stands for it, when nothing may see the text itself

    @property
    def cell(self) -> str:
        """The column of `cells` and of typed tables."""
        return cell(self.index)

    @property
    def format(self) -> str:
        """How the cells are written, where that had to be found out; `as_type` takes it to read another file alike."""
        if self.number is not None:
            return self.number.example
        if self.date is not None:
            return "" if self.date.form is dates.ISO else self.date.form.name
        return RANGE if self.range else ""

    def value(self) -> str:
        """SQL from the text to the value: DOUBLE, BIGINT (integer), TIMESTAMP (date) or VARCHAR; null if it is none."""
        if self.masked:
            return self.masked
        if self.type == "integer":
            return f"try_cast({_held(self.as_double)} AS BIGINT)"
        if self.type == "number":
            return _held(self.as_double)
        if self.type == "boolean":
            words = " ".join(f"WHEN {literal(word)} THEN {literal(value)}" for word, value in _BOOLEANS.items())
            return f"CASE lower({self.cell}) {words} END"
        if self.type == "date":
            assert self.date is not None
            return self.date.sql(self.cell)
        return "NULL::VARCHAR" if self.type == "empty" else self.cell

    @property
    def as_double(self) -> str:
        """SQL from the text of a numeric column to a DOUBLE of any size."""
        return self.number.sql(self.cell) if self.number is not None else _number(self.cell)

    def stored(self) -> str:
        """SQL from the value to what canonical tables hold: dates as ISO 8601 text, the rest as it is."""
        return self.date.iso(self.cell) if self.date else self.cell


def create_cells(
    connection: duckdb.DuckDBPyConnection,
    columns: int,
    missing_values: Collection[str],
    real_values: Collection[str] = (),
) -> None:
    """Make the table `cells`: the trimmed texts of `raw`, null where missing, in the same order.

    Parameters
    ----------
    columns
        how many `raw` has.
    missing_values
        texts that mean missing besides the usual ones; one that is a number means that number however written.
    real_values
        usual words for missing that are values here.
    """
    usual = {*MISSING_WORDS} - {text.strip() for text in real_values} | {""}
    words = sorted(usual | {text.strip() for text in missing_values})
    longest = max(len(word.encode()) for word in words)
    numbers = [f"{float(text)!r}::DOUBLE" for text in missing_values if _is_number(text)]
    cells, texts = [], []
    for i in range(columns):
        text = cell(i)
        # Not IN: duckdb makes a hash table of a longer list, for each column.
        is_word = " OR ".join(f"{text} = {literal(word)}" for word in words)
        missing = [f"(strlen({text}) <= {longest} AND ({is_word}))"]
        missing += [f"{_number(text)} = {number}" for number in numbers]
        cells.append(f"CASE WHEN {' OR '.join(missing)} THEN NULL ELSE {text} END AS {text}")
        texts.append(f"{_trimmed(text)} AS {text}")
    connection.execute(f"CREATE TABLE cells AS SELECT {', '.join(cells)} FROM (SELECT {', '.join(texts)} FROM raw)")


def infer(table: Table, declared: Mapping[str, ColumnType], options: Reading | None = None) -> list[Column]:
    """The type of each column of the table `cells`.

    Parameters
    ----------
    declared
        types that the spec gives instead, by column name; a column with a cell that does not fit keeps the inferred
        one, and an oddity says so.
    options
        the spec's, about decimal marks and the order in dates.
    """
    options = options or Reading()
    known = list(_facts(table.connection, len(table.names)))
    found = [_inferred(table.connection, table.names[facts.index], facts, options) for facts in known]
    columns = []
    for column in _with_numbers(table, known, found, options):
        if column.name in declared:
            try:
                column = _declared(table.connection, column, declared[column.name], options)
            except DataRefused as error:
                column = replace(column, oddities=(Oddity("declared_type", str(error)),))
        columns.append(column)
    return columns


def _declared(connection: duckdb.DuckDBPyConnection, column: Column, kind: ColumnType, options: Reading) -> Column:
    """The column with the type that the spec declares. Raises DataRefused."""
    if column.number is None or kind not in ("integer", "number"):
        return as_type(connection, column.index, column.name, kind, options=options)
    same = replace(column, type=kind)
    refuse_unfitting(connection, same)
    return same


def as_type(
    connection: duckdb.DuckDBPyConnection,
    index: int,
    name: str,
    kind: ColumnType,
    form: str = "",
    options: Reading | None = None,
) -> Column:
    """A column whose type is given.

    Parameters
    ----------
    form
        `Column.format` of the column in the table that the type comes from.

    Raises
    ------
    DataRefused
        a cell does not fit the type; the message names column, row (from 1, without the header) and value.
    """
    style, number = None, None
    if kind == "date":
        given = dates.NAMED.get(form)
        found = given or _date_form(connection, index, name, options or Reading())
        style = dates.style(connection, cell(index), found, given is not None)
    elif kind in ("integer", "number"):
        number = number_formats.named(form)
    column = Column(index, name, kind, style, number=number)
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
    written = accepted[column.type]
    if column.format:
        written += f" written like {column.format}"
    fits = f"{column.value()} IS NOT NULL"
    if column.type in ("integer", "number"):
        number = column.as_double
        fits = f"({number} IS NOT NULL" + (f" AND {_is_whole(number)})" if column.type == "integer" else ")")
    text = column.cell
    row = connection.execute(
        f"SELECT rowid + 1, {text} FROM cells WHERE {text} IS NOT NULL AND NOT {fits} ORDER BY rowid LIMIT 1"
    ).fetchone()
    if row is not None:
        raise DataRefused(f"the column {column.name!r} must hold {written}, not {row[1][:100]!r} (row {row[0]})")


def _date_form(connection: duckdb.DuckDBPyConnection, index: int, name: str, options: Reading) -> dates.DateForm:
    counts = dates.fitting(connection, cell(index), _sample(connection, index), (*dates.FORMS, *dates.NUMBERS))
    (present,) = connection.execute(f"SELECT count({cell(index)}) FROM cells").fetchall()[0]
    complete = dates.ordered([form for form, count in counts.items() if count == present], options.dates)
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
    dotted: int  #: with a point
    low: float | None  #: the least number
    high: float | None


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
                f"approx_count_distinct({text}), "
                f"count(*) FILTER (contains({text}, '.')), "
                f"min({number}), max({number})"
            )
        (row,) = connection.execute(
            f"SELECT {', '.join(counts)} FROM (SELECT {', '.join(sources)} FROM cells)"
        ).fetchall()
        width = len(row) // len(indexes)
        for position, i in enumerate(indexes):
            yield _Facts(i, *row[position * width : (position + 1) * width])


def _inferred(connection: duckdb.DuckDBPyConnection, name: str, facts: _Facts, options: Reading) -> Column:
    """The column, but for numbers in a form that duckdb's cast cannot read."""
    index = facts.index
    if facts.present == 0:
        return Column(index, name, "empty")
    if facts.booleans == facts.present:
        return Column(index, name, "boolean")
    if facts.numbers == facts.present > facts.too_large:
        return _compact_dates(connection, name, facts) or _numeric(name, facts)
    oddities: list[Oddity] = []
    if facts.numbers < MOSTLY * facts.present:
        counts = dates.fitting(connection, cell(index), _sample(connection, index))
        complete = [form for form, count in counts.items() if count == facts.present]
        other = ""
        left = dates.ordered(complete, options.dates)
        if complete and not left:
            detail = (
                f"reading.dates of the spec says {options.dates}, but {name!r} holds dates as {complete[0].name}: "
                "correct one of them"
            )
            oddities.append(Oddity("declared_type", detail))
        elif len(left) == 1 and not (other := _other_meaning(connection, index, left[0], facts.present)):
            style = dates.style(connection, cell(index), left[0])
            note = "" if left[0] is dates.ISO else f"read as {left[0].name}"
            return Column(index, name, "date", style, note)
        elif left:
            names = [form.name for form in left] if len(left) > 1 else [left[0].name, other]
            oddities.append(_ambiguous(name, names))
        elif counts:
            form = max(counts, key=lambda form: counts[form])
            if counts[form] >= MOSTLY * facts.present:
                examples = _examples(connection, index, f"{form.sql(cell(index))} IS NULL")
                oddities.append(_mixed(name, "dates", facts.present - counts[form], examples))
    text = facts.length >= TEXT_LENGTH and facts.words >= TEXT_WORDS and facts.distinct > TEXT_DISTINCT
    return Column(index, name, "text" if text else "category", oddities=tuple(oddities))


def _other_meaning(connection: duckdb.DuckDBPyConnection, index: int, form: dates.DateForm, present: int) -> str:
    """What else all texts of a column of dates may be, or nothing."""
    text = cell(index)
    others = {
        dates.SHORT_WITH_POINTS: ("times of day", f"{ClockForm('.', False).sql(text)} IS NOT NULL"),
        # 2010-11 is a winter or a fiscal year where every text is such.
        dates.YEAR_MONTH: ("two years", f"({text}[3:4]::INTEGER + 1) % 100 = {text}[6:7]::INTEGER"),
    }
    if form.name not in others:
        return ""
    meaning, holds = others[form.name]
    (fitting,) = connection.execute(f"SELECT count(*) FILTER ({holds}) FROM cells").fetchall()[0]
    return meaning if fitting == present else ""


def _compact_dates(connection: duckdb.DuckDBPyConnection, name: str, facts: _Facts) -> Column | None:
    """The column when its whole numbers are all dates such as 20260131, and not by chance."""
    low, high = dates.COMPACT_RANGE
    if facts.low is None or facts.high is None or facts.whole < facts.present or facts.low < low or facts.high > high:
        return None
    named = re.search(r"date|day|(^|_)d?te?$", name, re.IGNORECASE) is not None
    counted = dates.fitting(connection, cell(facts.index), _sample(connection, facts.index), (dates.COMPACT,))
    if counted.get(dates.COMPACT) != facts.present or not (named or facts.distinct >= COMPACT_DISTINCT):
        return None
    style = dates.style(connection, cell(facts.index), dates.COMPACT)
    return Column(facts.index, name, "date", style, f"read as {dates.COMPACT.name}")


# --- numbers in other forms --------------------------------------------------------------------


def _with_numbers(table: Table, known: Sequence[_Facts], columns: Sequence[Column], options: Reading) -> list[Column]:
    """The columns, with those that hold numbers of one form typed so; all of them together decide what is ambiguous."""
    connection = table.connection
    choices: dict[int, Choice] = {}
    left = list(columns)
    for i, (facts, column) in enumerate(zip(known, columns, strict=True)):
        unclear = column.note or any(oddity.check == "ambiguous_dates" for oddity in column.oddities)
        if column.type in ("category", "text") and not unclear and facts.numbers < facts.present:
            left[i], choice = _formed(connection, facts, column)
            if choice is not None:
                choices[i] = choice
    proven = {choice.mark for choice in choices.values()}
    if "," in proven or options.decimal == "comma" or table.reading.delimiter == ";":
        for i, (facts, column) in enumerate(zip(known, columns, strict=True)):
            # A workbook's numbers have a point whatever its texts have.
            if facts.dotted and column.type in ("integer", "number") and column.name not in table.numeric:
                choices[i] = Choice(_PLAIN, _grouped_by_points(connection, facts))
                proven.add(choices[i].mark)
    elif any(facts.dotted and c.type in ("integer", "number") for facts, c in zip(known, columns, strict=True)):
        proven.add(".")
    others = next(iter(proven & {".", ","})) if len(proven & {".", ","}) == 1 else None
    for i, choice in choices.items():
        left[i] = _decided(connection, known[i], left[i], choice, options, others, table.reading.delimiter)
    return left


def _formed(connection: duckdb.DuckDBPyConnection, facts: _Facts, column: Column) -> tuple[Column, Choice | None]:
    """What a column of texts is: times of day, ranges, or numbers as the choice says."""
    sample = _odd_sample(connection, facts.index)
    for clock in number_formats.CLOCKS:
        if _all_fit(connection, facts, sample, clock):
            return replace(column, type="number", number=clock, oddities=()), None
    candidates = number_formats.of_sample(sample)
    counts = _form_counts(connection, facts.index, candidates.forms)
    complete = [form for form in candidates.forms if counts[form] == facts.present]
    if complete:
        return column, number_formats.choice(complete)
    if any(oddity.check == "mixed_values" for oddity in column.oddities):
        return column, None
    if candidates.units:
        shown = ", ".join(candidates.units)
        detail = f"{column.name!r} holds numbers in several units ({shown}), so the column is read as text: use one"
        return replace(column, oddities=(*column.oddities, Oddity("mixed_values", detail))), None
    best = max(counts, key=lambda form: counts[form], default=_PLAIN)
    most = max(counts.get(best, 0), facts.numbers)
    if most >= MOSTLY * facts.present:
        fits = best.sql(column.cell) if counts.get(best, 0) > facts.numbers else _number(column.cell)
        examples = _examples(connection, facts.index, f"{fits} IS NULL")
        oddity = _mixed(column.name, "numbers", facts.present - most, examples)
        return replace(column, oddities=(*column.oddities, oddity)), None
    return replace(column, range=_are_ranges(sample)), None


def _all_fit(
    connection: duckdb.DuckDBPyConnection, facts: _Facts, sample: Sequence[str], form: number_formats.Form
) -> bool:
    """Whether every present cell is written in the form; the whole column is looked at only when its sample is."""
    expression = form.sql("text")
    (fitting,) = connection.execute(
        f"SELECT count({expression}) FROM (SELECT unnest(?) AS text)", [list(sample)]
    ).fetchall()
    return fitting[0] == len(sample) > 0 and _form_counts(connection, facts.index, [form])[form] == facts.present


def _form_counts(
    connection: duckdb.DuckDBPyConnection, index: int, forms: Sequence[number_formats.Form]
) -> dict[number_formats.Form, int]:
    """How many cells of a column each form reads."""
    if not forms:
        return {}
    counts = ", ".join(f"count({form.sql(cell(index))})" for form in forms)
    (row,) = connection.execute(f"SELECT {counts} FROM cells").fetchall()
    return dict(zip(forms, row, strict=True))


def _grouped_by_points(connection: duckdb.DuckDBPyConnection, facts: _Facts) -> NumberForm | None:
    """The form in which the points of a column of plain numbers stand between thousands, when they may."""
    form = NumberForm(",", ".")
    return form if _form_counts(connection, facts.index, [form])[form] == facts.present else None


def _decided(
    connection: duckdb.DuckDBPyConnection,
    facts: _Facts,
    column: Column,
    choice: Choice,
    options: Reading,
    others: str | None,
    delimiter: str | None,
) -> Column:
    """The column as numbers with one of the two decimal marks."""
    asked = {"point": ".", "comma": ",", "auto": None}[options.decimal]
    doubt = ""
    if choice.is_ambiguous:
        if asked:
            mark, why = asked, "as reading.decimal of the spec says"
        elif others:
            mark, why = others, "as in the other columns"
        elif choice.point == _PLAIN:
            mark, why = ".", "as usual"
        else:
            mark, why = ("," if delimiter == ";" else "."), "as usual in a file with this delimiter"
        signs = "points" if choice.point == _PLAIN else "commas"
        meaning = "decimals" if (mark == ".") == (signs == "points") else "thousands"
        doubt = f"{signs} that could mark decimals or thousands: they were taken to mark {meaning}, {why}"
    else:
        mark = choice.mark or asked or others or "."
        if asked and choice.mark and asked != choice.mark:
            examples = _examples(connection, facts.index, f"regexp_matches({column.cell}, '[.,]')")
            detail = (
                f"reading.decimal of the spec says {options.decimal}, but {column.name!r} holds {examples[0]!r}: "
                "correct one of them"
            )
            return replace(column, oddities=(*column.oddities, Oddity("declared_type", detail)))
    guessed = choice.is_ambiguous and not (asked or others)
    form = choice.point if mark == "." else choice.comma
    if form is None:
        form = choice.point or choice.comma
    assert form is not None
    if form == _PLAIN:
        return replace(column, doubt=doubt, guessed=guessed)
    number = form.sql(column.cell)
    held, whole, too_large = connection.execute(
        f"SELECT count(*) FILTER (abs(n) <= {LARGEST!r}), count(*) FILTER ({_is_whole('n')}), "
        f"count(*) FILTER (abs(n) > {LARGEST!r}) FROM (SELECT {number} AS n FROM cells)"
    ).fetchall()[0]
    kind: ColumnType = "integer" if whole == held and not form.is_percent else "number"
    oddities = (_infinite(column.name, too_large),) if too_large else ()
    return replace(column, type=kind, number=form, oddities=oddities, doubt=doubt, guessed=guessed)


def _are_ranges(sample: Sequence[str]) -> bool:
    """Whether texts are ranges such as 10-20, each from less to more."""
    matches = [_RANGE.fullmatch(text) for text in sample]
    bounds = [match.groups() for match in matches if match is not None]
    closed = [(low, high) for low, high in bounds if low and high and _is_number(low) and _is_number(high)]
    return len(bounds) == len(sample) > 0 and bool(closed) and all(float(low) < float(high) for low, high in closed)


def assumptions(columns: Sequence[Column]) -> list[str]:
    """What was assumed about how numbers and dates are written, in sentences for the report, alike columns together."""
    alike: dict[str, list[str]] = {}
    for column in columns:
        if column.masked:
            continue
        said = []
        if column.number is not None:
            said.append(f"hold {number_formats.described(column.number)}")
        elif column.date is not None and column.date.form is not dates.ISO:
            said.append(f"hold dates that were read as {column.date.form.name}")
        elif column.range:
            said.append("hold ranges of numbers: they were kept as categories")
        if column.doubt:
            said.append(f"hold {column.doubt} (set reading.decimal in the spec if that is wrong)")
        for sentence in said:
            alike.setdefault(sentence, []).append(repr(column.name))
    return [_about(names, sentence) for sentence, names in alike.items()]


def _about(names: Sequence[str], sentence: str) -> str:
    if len(names) == 1:
        return f"the column {names[0]} {sentence.replace('hold ', 'holds ', 1)}"
    shown, more = names[:SHOWN], len(names) - SHOWN
    return f"the columns {', '.join(shown)}{f' and {more} more' if more > 0 else ''} {sentence}"


def _numeric(name: str, facts: _Facts) -> Column:
    if facts.padded:
        return Column(facts.index, name, "category", note="numbers with leading zeros are kept as text")
    held = facts.numbers - facts.too_large
    if facts.long and facts.whole + facts.long == facts.numbers:
        return Column(facts.index, name, "category", note="whole numbers of so many digits are kept as text")
    oddities: tuple[Oddity, ...] = ()
    if facts.too_large:
        oddities = (_infinite(name, facts.too_large),)
    return Column(facts.index, name, "integer" if facts.whole == held else "number", oddities=oddities)


def _infinite(name: str, values: int) -> Oddity:
    detail = f"{values:,} values of {name!r} are infinite or beyond 32-bit floats: they count as missing"
    return Oddity("infinite_values", detail)


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


def _odd_sample(connection: duckdb.DuckDBPyConnection, index: int) -> list[str]:
    """Some distinct present texts, most of them no plain numbers."""
    text = cell(index)
    odd = f"{text} IS NOT NULL AND {_number(text)} IS NULL"
    rows = connection.execute(
        f"SELECT DISTINCT {text} FROM (SELECT {text} FROM cells WHERE {odd} LIMIT 500)"
    ).fetchall()
    return sorted({row[0] for row in rows} | set(_sample(connection, index)[:50]))


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


def _held(number: str) -> str:
    """The DOUBLE where float32 can hold it too, or null."""
    return f"CASE WHEN abs({number}) <= {LARGEST!r} THEN {number} END"


def _is_whole(number: str) -> str:
    return f"(abs({number}) <= {LARGEST_WHOLE} AND {number} = trunc({number}))"


def _is_number(text: str) -> bool:
    try:
        return abs(float(text)) <= LARGEST and "_" not in text
    except ValueError:
        return False
