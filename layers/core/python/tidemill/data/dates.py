"""Texts that are dates: forms that have one meaning, told apart over a whole column.

11/8/2018 alone can be two days. A column of such texts is a date when only one order of
day and month fits every value of it; otherwise it is ambiguous and stays text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from tidemill.data.database import literal

#: From this share of a column on, its texts are in a form but for mistakes.
MOSTLY = 0.9

_CLOCK = r"\d{1,2}:\d{2}(:\d{2}(\.\d{1,9})?)?"
_FRACTION = r":\d{2}\.\d*[1-9]"
_ZONE = r" ?(Z|UTC|[+-]\d{2}(:?\d{2})?)"
_CLOCK_AND_ZONE = rf":.*{_ZONE}$"
_MONTH = "(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}"
#: A time of day behind a date, and its forms for strptime.
_AFTER = rf"( {_CLOCK}( ?[ap]m)?)?"
_AFTER_FORMS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")


@dataclass(frozen=True)
class DateForm:
    """A way to write dates."""

    name: str
    pattern: str  #: of the whole text, in lower or upper case
    parse: str  #: SQL from the text, written TEXT, to a TIMESTAMP; null where it is no real date

    def sql(self, text: str) -> str:
        """SQL that gives the TIMESTAMP of a text in this form, null for any other text."""
        matches = f"regexp_full_match({text}, {literal(self.pattern)}, 'i')"
        return f"CASE WHEN {matches} THEN {self.parse.replace('TEXT', text)} END"


def _strptime(text: str, *days: str) -> str:
    forms = ", ".join(literal(day + after) for day in days for after in _AFTER_FORMS)
    return f"try_strptime({text}, [{forms}])"


_IN_ZONE = "try_cast(replace(replace(replace(TEXT, ' UTC', 'Z'), ' +', '+'), ' -', '-') AS TIMESTAMPTZ)"
_ISO = (
    f"CASE WHEN contains(TEXT, ':') AND regexp_matches(TEXT, {literal(_CLOCK_AND_ZONE)}, 'i') "
    f"THEN {_IN_ZONE} AT TIME ZONE 'UTC' ELSE try_cast(TEXT AS TIMESTAMP) END"
)
_NUMERIC = rf"\d{{1,2}}[-/]\d{{1,2}}[-/]\d{{4}}{_AFTER}"
_SHORT = rf"\d{{1,2}}[-/]\d{{1,2}}[-/]\d{{2}}{_AFTER}"
#: The form that times such as 10.11.12 may have, too.
SHORT_WITH_POINTS = "day.month.yy"
#: The form that pairs of years such as 2010-11 have, too.
YEAR_MONTH = "year-month"
ISO = DateForm("ISO 8601", rf"\d{{4}}[-/]\d{{1,2}}[-/]\d{{1,2}}([T ]{_CLOCK}({_ZONE})?)?", _ISO)
FORMS = (
    ISO,
    DateForm(YEAR_MONTH, r"\d{4}-\d{2}", "try_strptime(TEXT, '%Y-%m')"),
    DateForm("day.month.year", rf"\d{{1,2}}\.\d{{1,2}}\.\d{{4}}{_AFTER}", _strptime("TEXT", "%d.%m.%Y")),
    DateForm("day/month/year", _NUMERIC, _strptime("replace(TEXT, '-', '/')", "%d/%m/%Y")),
    DateForm("month/day/year", _NUMERIC, _strptime("replace(TEXT, '-', '/')", "%m/%d/%Y")),
    DateForm(
        "day month year",
        rf"\d{{1,2}}[- ]{_MONTH}[- ]\d{{4}}{_AFTER}",
        _strptime("replace(TEXT, '-', ' ')", "%d %b %Y", "%d %B %Y"),
    ),
    DateForm(
        "day month yy",
        rf"\d{{1,2}}[- ]{_MONTH}[- ]\d{{2}}{_AFTER}",
        _strptime("replace(TEXT, '-', ' ')", "%d %b %y", "%d %B %y"),
    ),
    DateForm("month year", rf"{_MONTH}[- ]\d{{4}}", "try_strptime(replace(TEXT, '-', ' '), ['%b %Y', '%B %Y'])"),
    DateForm("day/month/yy", _SHORT, _strptime("replace(TEXT, '-', '/')", "%d/%m/%y")),
    DateForm("month/day/yy", _SHORT, _strptime("replace(TEXT, '-', '/')", "%m/%d/%y")),
    DateForm(SHORT_WITH_POINTS, rf"\d{{2}}\.\d{{2}}\.\d{{2}}{_AFTER}", _strptime("TEXT", "%d.%m.%y")),
    DateForm(
        "month day, year",
        rf"{_MONTH} \d{{1,2}},? \d{{4}}{_AFTER}",
        _strptime("replace(TEXT, ',', '')", "%b %d %Y", "%B %d %Y"),
    ),
)

#: Whole numbers that are dates. The first is found out, the others only where the spec says that a column is dates.
COMPACT = DateForm("yearmonthday", r"\d{8}", "try_strptime(TEXT, '%Y%m%d')")
COMPACT_RANGE = (19000101, 21001231)
NUMBERS = (
    COMPACT,
    DateForm("seconds since 1970", r"\d{9,10}", "make_timestamp(TEXT::BIGINT * 1000000)"),
    DateForm("milliseconds since 1970", r"\d{12,13}", "make_timestamp(TEXT::BIGINT * 1000)"),
)
NAMED = {form.name: form for form in (*FORMS, *NUMBERS) if form is not ISO}
_ORDERS = {"day_first": "day", "month_first": "month"}


def ordered(forms: Sequence[DateForm], order: str) -> list[DateForm]:
    """The forms that go with the spec's `reading.dates`: it tells day/month from month/day."""
    if order not in _ORDERS:
        return list(forms)
    return [form for form in forms if "/" not in form.name or form.name.startswith(_ORDERS[order] + "/")]


@dataclass(frozen=True)
class DateStyle:
    """How a column's dates are read and written."""

    form: DateForm
    clock: bool  #: whether there is a time of day
    fraction: bool  #: whether there are fractions of a second
    zone: bool  #: whether there is an offset from UTC
    given: bool = False  #: whether the form comes from another table; ISO 8601 is taken beside it, then

    def sql(self, text: str) -> str:
        """SQL that gives the TIMESTAMP of a text, null where it is none."""
        return f"coalesce({self.form.sql(text)}, {ISO.sql(text)})" if self.given else self.form.sql(text)

    def iso(self, timestamp: str) -> str:
        """SQL that writes a TIMESTAMP as ISO 8601, in UTC with Z when the texts named a zone."""
        style = "%Y-%m-%d"
        if self.clock:
            style += "T%H:%M:%S" + (".%f" if self.fraction else "") + ("Z" if self.zone else "")
        return f"strftime({timestamp}, {literal(style)})"


def fitting(
    connection: duckdb.DuckDBPyConnection, column: str, sample: Sequence[str], forms: Sequence[DateForm] = FORMS
) -> dict[DateForm, int]:
    """How many texts of a column each form reads; only forms that read most of the sample are tried on all."""
    texts = "(SELECT unnest(?) AS text)"
    hopeful = [
        form
        for form, count in _counts(connection, forms, "text", texts, [list(sample)]).items()
        if count >= MOSTLY * len(sample) > 0
    ]
    return _counts(connection, hopeful, column, "cells", []) if hopeful else {}


def _counts(
    connection: duckdb.DuckDBPyConnection, forms: Sequence[DateForm], text: str, source: str, parameters: list[object]
) -> dict[DateForm, int]:
    counts = ", ".join(f"count({form.sql(text)})" for form in forms)
    (read,) = connection.execute(f"SELECT {counts} FROM {source}", parameters).fetchall()
    return dict(zip(forms, read, strict=True))


def style(connection: duckdb.DuckDBPyConnection, column: str, form: DateForm, given: bool = False) -> DateStyle:
    """The style of a column of `cells` whose texts are all in one form, or in a form that is given."""
    fraction, zone = (
        f"coalesce(bool_or(clock AND regexp_matches({column}, {literal(pattern)}, 'i')), false)"
        for pattern in (_FRACTION, _CLOCK_AND_ZONE)
    )
    clock, fractions, zones = connection.execute(
        f"SELECT coalesce(bool_or(clock), false), {fraction}, {zone} "
        f"FROM (SELECT {column}, contains({column}, ':') AS clock FROM cells)"
    ).fetchall()[0]
    return DateStyle(form, clock, fractions, zones, given)
