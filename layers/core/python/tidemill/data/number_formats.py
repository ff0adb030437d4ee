"""How the numbers of a column are written: decimal mark, thousands mark, currency, percent, unit, or time of day.

A form is found from a column's odd cells and then proven on all of them: a column is
numbers only when every present cell fits one form. Where `1.234` or `1,234` could be
either a decimal or a thousand, the column's other cells decide, then the spec, then the
other columns of the table, and what was taken is said.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tidemill.data.database import literal

#: What is written before or behind amounts of money.
SYMBOLS = ("$", "€", "£", "¥", "₹", "₽", "₩", "₺", "₪", "฿", "R$", "US$", "A$", "C$", "zł", "kr", "kr.", "Fr.", "Kč")
CODES = (
    *("USD", "EUR", "GBP", "JPY", "CHF", "CAD", "AUD", "NZD", "SEK", "NOK", "DKK", "PLN", "CZK", "HUF", "RON", "CNY"),
    *("INR", "RUB", "BRL", "MXN", "ZAR", "TRY", "KRW", "SGD", "HKD", "ILS", "THB"),
)
CURRENCIES = (*SYMBOLS, *CODES)
#: Units that may stand right behind the digits; other letters there make a code, such as 12A.
UNITS = frozenset(
    (
        *("mm", "cm", "dm", "m", "km", "in", "ft", "yd", "mi", "nm", "µm", "mm²", "m²", "km²", "m³", "cm³", "ha"),
        *("g", "mg", "kg", "t", "lb", "lbs", "oz", "ml", "cl", "l", "L", "hl", "gal", "cc"),
        *("s", "sec", "ms", "min", "h", "hr", "hrs", "d", "day", "days", "wk", "yr", "yrs"),
        *("KB", "kB", "MB", "GB", "TB", "PB", "Hz", "kHz", "MHz", "GHz", "W", "kW", "MW", "GW", "Wh", "kWh", "MWh"),
        *("V", "kV", "mV", "mA", "°C", "°F", "°", "Pa", "hPa", "kPa", "bar", "psi", "cal", "kcal", "kJ", "Nm"),
        *("px", "dpi", "pt", "MP", "rpm", "mph", "km/h", "kmh", "m/s", "mpg", "bpm", "bhp", "hp"),
        *("x", "k", "K", "M", "bn", "‰"),
    )
)
#: Words behind numbers that make a time or a place in an order of them.
NO_UNITS = frozenset({"am", "pm", "st", "nd", "rd", "th", "bc", "ad"})
#: More different units than this are words.
MAX_UNITS = 5
_UNIT = r"[^\W\d_°‰][^\W_°]*(?:/[^\W\d_]\w*)?[²³]?|°[CF]?|‰"
_SIGN = "[-+]?"
_EXPONENT = "(?:[eE][-+]?[0-9]+)?"
_NUMBER = re.compile(
    rf"\(?{_SIGN} *(?P<before>{'|'.join(map(re.escape, sorted(CURRENCIES, key=len, reverse=True)))})? *{_SIGN} *"
    rf"(?P<core>[0-9](?:[0-9.,' ]*[0-9])?[.,]?|[.,][0-9]+){_EXPONENT}"
    rf"(?P<after> *(?:{'|'.join(map(re.escape, sorted(CURRENCIES, key=len, reverse=True)))}|%|{_UNIT}))?\)?"
)
#: Blanks that stand between thousands, the true minus, and the other apostrophe.
_VARIANTS = {"\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2212": "-", "\u2019": "'"}
_MARKS = ((".", ""), (".", ","), (".", " "), (".", "'"), (",", ""), (",", "."), (",", " "), (",", "'"))


@dataclass(frozen=True)
class NumberForm:
    """A way to write numbers; its example is what 1234.5 looks like in it, and names it."""

    decimal: str = "."
    thousands: str = ""
    before: str = ""  #: a currency
    after: str = ""  #: a currency, % or a unit, with the blank before it when there is one
    lenient: bool = False  #: thousands marks and the currency or unit may be left out, as in a file of another origin

    @property
    def example(self) -> str:
        """1234.5 in this form."""
        return f"{self.before}1{self.thousands}234{self.decimal}5{self.after}"

    @property
    def is_percent(self) -> bool:
        """Whether the numbers are hundredths."""
        return self.after.strip() == "%"

    @property
    def pattern(self) -> str:
        """Regular expression of a whole text, its variants made plain; the first group is the number without sign."""
        mark = re.escape(self.thousands)
        grouped = rf"[1-9][0-9]{{0,2}}(?:{mark}[0-9]{{3}})+"
        if self.lenient:
            whole = f"{grouped}|[0-9]+" if self.thousands else "[0-9]+"
        else:
            whole = f"{grouped}|0|[1-9][0-9]{{0,2}}" if self.thousands else "0|[1-9][0-9]*"
        decimal = re.escape(self.decimal)
        number = rf"((?:(?:{whole})(?:{decimal}[0-9]*)?|{decimal}[0-9]+){_EXPONENT})"
        often = "?" if self.lenient and not self.is_percent else ""
        before = rf"(?:{re.escape(self.before)} *){often}" if self.before else ""
        after = rf"(?: *{_plural(self.after.strip())}){often}" if self.after else ""
        signed = rf"{_SIGN} *{before}{_SIGN} *{number}{after}"
        return rf"(?:{signed}|\({signed.replace(number, _without_groups(number))}\))"

    def sql(self, text: str) -> str:
        """SQL that gives the DOUBLE of a text in this form, null for any other text."""
        plain = _plain(text)
        number = rf"regexp_extract({plain}, {literal(_CORE)})"
        if self.thousands:
            number = f"replace({number}, {literal(self.thousands)}, '')"
        if self.decimal != ".":
            number = f"replace({number}, {literal(self.decimal)}, '.')"
        value = f"try_cast({number} AS DOUBLE)"
        signed = f"CASE WHEN regexp_matches({plain}, '^[^0-9.,]*[-(]') THEN -{value} ELSE {value} END"
        share = " / 100" if self.is_percent else ""
        return f"CASE WHEN regexp_full_match({plain}, {literal(self.pattern)}) THEN ({signed}){share} END"


#: The digits of a text in any form, with their marks: the text's own pattern has proven what they are.
_CORE = rf"(?:[0-9](?:[0-9.,' ]*[0-9])?[.,]?|[.,][0-9]+){_EXPONENT}"


@dataclass(frozen=True)
class ClockForm:
    """Times of day, as hours since midnight."""

    mark: str  #: between hours, minutes and seconds
    halves: bool  #: whether hours count to twelve, twice

    @property
    def example(self) -> str:
        """What names the form."""
        return f"HH{self.mark}MM{self.mark}SS" + (" PM" if self.halves else "")

    def sql(self, text: str) -> str:
        """SQL that gives the hours of a text in this form, null for any other text."""
        mark = re.escape(self.mark)
        # 18.30 is a number: with points there must be seconds, too.
        pattern = rf"([01]?\d|2[0-3]){mark}[0-5]\d({mark}[0-5]\d(\.\d+)?){'' if self.mark == '.' else '?'}"
        colons = text if self.mark == ":" else f"replace({text}, {literal(self.mark)}, ':')"
        parts = f"string_split(regexp_replace({colons}, ' ?[AaPp][Mm]$', ''), ':')"
        hours = f"{parts}[1]::INTEGER"
        if self.halves:
            pattern = rf"(0?[1-9]|1[0-2]){mark}[0-5]\d({mark}[0-5]\d)? ?[AaPp][Mm]"
            hours = f"({hours} % 12 + CASE WHEN lower({text}[-2:]) = 'pm' THEN 12 ELSE 0 END)"
        value = f"{hours} + {parts}[2]::INTEGER / 60 + coalesce({parts}[3]::DOUBLE, 0) / 3600"
        return f"CASE WHEN regexp_full_match({text}, {literal(pattern)}) THEN {value} END"


Form = NumberForm | ClockForm
CLOCKS = tuple(ClockForm(mark, halves) for mark in ":." for halves in (False, True) if not (mark == "." and halves))


def named(example: str) -> Form | None:
    """The form that an example names, for reading other files alike; None for another text."""
    for clock in CLOCKS:
        if clock.example == example:
            return clock
    match = re.fullmatch(r"(?P<before>.*?)1(?P<thousands>[., ']?)234(?P<decimal>[.,])5(?P<after>.*)", example)
    if match is None:
        return None
    return NumberForm(match["decimal"], match["thousands"], match["before"], match["after"], lenient=True)


@dataclass(frozen=True)
class Candidates:
    """Forms that a column's sample is written in."""

    forms: tuple[NumberForm, ...]
    units: tuple[str, ...]  #: currencies and units, when there are several, so that there is no form


def of_sample(texts: Sequence[str]) -> Candidates:
    """The forms that fit every text of a sample that is a number at all, when that is at least half of them."""
    found = [(text, _NUMBER.fullmatch(text)) for text in map(_plain_text, texts)]
    matches = [match for _, match in found if match is not None and _is_amount(match)]
    plain = [match[0] for match in matches]
    if not matches or 2 * len(matches) < len(found):
        return Candidates((), ())
    affixes = {(match["before"] or "", _singular((match["after"] or "").strip())) for match in matches}
    if len(affixes) > 1:
        amounts = sorted({" ".join(filter(None, affix)) for affix in affixes} - {""})
        few = len(affixes) <= MAX_UNITS and len(amounts) > 1 and ("", "") not in affixes
        return Candidates((), tuple(amounts) if few and len(matches) == len(found) else ())
    if all(text.startswith("(") for text in plain):
        return Candidates((), ())
    # As most texts have it: 5 years, not the 1 year among them.
    afters = [match["after"] or "" for match in matches]
    after = max(sorted(set(afters)), key=afters.count)
    forms = (NumberForm(decimal, thousands, matches[0]["before"] or "", after) for decimal, thousands in _MARKS)
    return Candidates(tuple(form for form in forms if _fits(form, plain)), ())


def _fits(form: NumberForm, plain: Sequence[str]) -> bool:
    if not all(re.fullmatch(form.pattern, text) for text in plain):
        return False
    if form.thousands != " " or form.before or form.after or any(form.decimal in text for text in plain):
        return True
    # Blanks between groups of three digits in texts of one length are a telephone or register number.
    return len({len(text) for text in plain}) > 1


def _is_amount(match: re.Match[str]) -> bool:
    """Whether letters behind the digits are a unit, and not a part of a code or a time."""
    after = match["after"] or ""
    unit = after.strip()
    if unit.lower() in NO_UNITS:
        return False
    return not unit or after[0] == " " or unit == "%" or unit in UNITS or unit in CURRENCIES


def _plural(unit: str) -> str:
    """The pattern of a unit, with or without its plural's s when it is a word."""
    word = _singular(unit)
    return re.escape(word) + ("s?" if len(word) > 2 and word.isalpha() and word not in CURRENCIES else "")


def _singular(unit: str) -> str:
    return unit[:-1] if len(unit) > 3 and unit.isalpha() and unit[-1] == "s" else unit


def _without_groups(pattern: str) -> str:
    """The pattern with its one capturing group made another one: a name or number may stand for one group only."""
    return "(?:" + pattern[1:]


def _plain_text(text: str) -> str:
    return text.translate({ord(variant): usual for variant, usual in _VARIANTS.items()})


def _plain(text: str) -> str:
    return f"translate({text}, {literal(''.join(_VARIANTS))}, {literal(''.join(_VARIANTS.values()))})"


# --- which of several forms --------------------------------------------------------------------


@dataclass(frozen=True)
class Choice:
    """What a column's numbers may be written like, with a point or a comma as the decimal mark."""

    point: NumberForm | None
    comma: NumberForm | None

    @property
    def mark(self) -> str | None:
        """The decimal mark that the column proves; None when it does not tell."""
        if self.point is not None and self.comma is not None:
            return None
        return "." if self.point is not None else ","

    @property
    def is_ambiguous(self) -> bool:
        """Whether the two forms give different numbers."""
        if self.point is None or self.comma is None:
            return False
        # Simpler forms come first: with these marks there is a comma, or a point, in the cells.
        return self.point.thousands == "," or self.comma.thousands == "."


def choice(complete: Sequence[NumberForm]) -> Choice:
    """The simplest form with each decimal mark, of those that fit every cell."""
    by_mark = {mark: [form for form in complete if form.decimal == mark] for mark in ".,"}
    return Choice(*(by_mark[mark][0] if by_mark[mark] else None for mark in ".,"))


def described(form: Form) -> str:
    """What is assumed about the numbers of a column, behind "numbers of the columns ...": for the report."""
    if isinstance(form, ClockForm):
        return f"times of day ({form.example}): they were read as hours since midnight"
    parts = []
    if form.thousands or form.decimal == ",":
        marks = {".": "points", ",": "commas", " ": "blanks", "'": "apostrophes"}
        parts.append("a decimal comma" if form.decimal == "," else "a decimal point")
        if form.thousands:
            parts[-1] += f" and {marks[form.thousands]} between thousands"
    sentence = f"numbers like {form.example}"
    if form.is_percent:
        parts.append("stored as a fraction, 50% as 0.5")
    elif form.before or form.after:
        unit = form.before or form.after.strip()
        parts.append(f"the {'currency' if unit in CURRENCIES else 'unit'} {unit} taken off")
    return f"{sentence}: {', '.join(parts)}"


def lenient(form: Form) -> Form:
    """The form for files of another origin."""
    return replace(form, lenient=True) if isinstance(form, NumberForm) else form
