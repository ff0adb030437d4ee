"""Numbers, times and sizes as people write them."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta

SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
MINUS = "\N{MINUS SIGN}"
#: First words of a message that may get a capital letter; any other may be a column's name.
COMMON_WORD = re.compile(
    r"(?:an?|all|at|both|each|every|if|in|its?|line|no|nobody|none|nothing|of|on|only|some|the|there|this)\b"
)


def number(value: float | None, digits: int = 3) -> str:
    """A number in a sentence, with about that many significant digits: 46,300, 0.5, 1.2 × 10⁻⁷; a dash for none."""
    text = figure(value, digits)
    return text.rstrip("0").rstrip(".") if "." in text and "×" not in text else text


def figure(value: float | None, digits: int = 3) -> str:
    """A number in a column of others: as `number`, with its zeros at the end, so that 0.840 stands under 0.846."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1e12 or size < 1e-4:
        mantissa, exponent = f"{size:.{max(digits - 2, 0)}e}".split("e")
        text = f"{mantissa}\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}10{str(int(exponent)).translate(SUPERSCRIPT)}"
    else:
        decimals = digits - 1 - math.floor(math.log10(size))
        text = f"{round(size, decimals):,.{max(decimals, 0)}f}"
    return (MINUS if value < 0 else "") + text


def exact(value: float | None) -> str:
    """A number of the data itself, with up to six significant digits; whole numbers in full."""
    if value is not None and math.isfinite(value) and value == round(value) and abs(value) < 1e12:
        return f"{value:,.0f}".replace("-", MINUS)
    return number(value, 6)


def percent(share: float) -> str:
    """A share as a percentage: never 0% or 100% when it is not exactly that."""
    if 0 < share < 0.001:
        return "under 0.1%"
    if 0.999 < share < 1:
        return "over 99.9%"
    return f"{share * 100:.1f}".removesuffix(".0") + "%"


def count(amount: int, noun: str, plural: str | None = None) -> str:
    """A number of things: 1 row, 7,043 rows."""
    return f"{amount:,} {noun if amount == 1 else plural or noun + 's'}"


def duration(seconds: float) -> str:
    """A length of time: 0.4 s, 48 s, 3 min 12 s, 1 h 4 min."""
    if 0 < seconds < 0.05:
        return "under 0.1 s"
    if seconds < 10:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min" if minutes else f"{hours:,} h"


def money(usd: float) -> str:
    """US dollars with two digits that count: $1.23, $0.0021, under $0.000001."""
    if usd == 0:
        return "$0"
    if usd < 0.000001:
        return "under $0.000001"
    if usd >= 0.1:
        return f"${usd:,.2f}"
    return f"${usd:.{1 - math.floor(math.log10(usd))}f}"


def size(amount: int) -> str:
    """A file's size: 12 bytes, 955 KB, 1.2 MB."""
    if amount < 1000:
        return count(amount, "byte")
    for unit, factor in (("KB", 1e3), ("MB", 1e6)):
        if amount < factor * 999.5:
            return f"{number(amount / factor)} {unit}"
    return f"{number(amount / 1e9)} GB"


def moment(iso: str) -> str:
    """A UTC time in words, `23 November 2026, 13:25 UTC`; text that is no time stays as it is."""
    try:
        at = datetime.fromisoformat(iso)
    except ValueError:
        return iso
    return f"{at.day} {at:%B %Y}, {at:%H:%M} UTC"


def date(epoch_seconds: float | None) -> str:
    """A date column's value: `2012-12-31`, with the time of day when it has one."""
    if epoch_seconds is None or not math.isfinite(epoch_seconds):
        return "–"
    try:
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=round(epoch_seconds))
    except OverflowError:
        return number(epoch_seconds)
    return f"{at:%Y-%m-%d}" if (at.hour, at.minute, at.second) == (0, 0, 0) else f"{at:%Y-%m-%d %H:%M}"


def shorten(text: str, length: int = 60) -> str:
    """Text cut to a length, with an ellipsis where something is missing."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def listed(items: list[str], most: int = 4) -> str:
    """Items in a sentence: `a, b and c`, or `a, b, c and 12 more`."""
    shown = items if len(items) <= most else items[: most - 1]
    rest = len(items) - len(shown)
    parts = [*shown, f"{rest} more"] if rest else shown
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def sentence(text: str) -> str:
    """A message as a sentence: a capital where it begins with a common word, since others may be names; a full stop."""
    text = text.strip()
    if COMMON_WORD.match(text):
        text = text[0].upper() + text[1:]
    return text if not text or text[-1] in ".!?" else f"{text}."
