"""Numbers, intervals, times and prices as the command shows them; everything shown passes through here."""

from __future__ import annotations

import math
from datetime import UTC, datetime


def number(value: float | None, digits: int = 4) -> str:
    """A number with about that many significant digits, whole ones in full: 46,312, 0.8471; a dash for none."""
    if value is None or not math.isfinite(value):
        return "-"
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if exponent >= 12 or exponent < -4:
        return f"{value:.{digits - 1}g}"
    return f"{value:,.{max(digits - 1 - exponent, 0)}f}"


def signed(value: float) -> str:
    """A number with its sign: +0.1234, -12.5."""
    return f"+{number(value)}" if value > 0 else number(value)


def metric(value: float | None) -> str:
    """A metric's value; small ones with four decimals, so that they stand below each other: 0.0406, 0.8471, 46,312."""
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.4f}" if abs(value) < 10 else number(value)


def seconds(length: float | None) -> str:
    """A length of time: 0.4 s, 48 s, 3 min 12 s, 1 h 4 min; a dash for none."""
    if length is None:
        return "-"
    if length < 9.95:
        return f"{length:.1f} s"
    whole = round(length)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60:,} h {minutes % 60} min"


def usd(amount: float | None) -> str:
    """US dollars with two digits that count: $1.23, $0.0021; a dash when unknown."""
    if amount is None:
        return "-"
    if amount == 0:
        return "$0"
    if amount >= 0.1:
        return f"${amount:,.2f}"
    return f"${amount:.{1 - math.floor(math.log10(amount))}f}"


def moment(iso: str) -> str:
    """A UTC time, to the second, without the letters between: 2026-11-23 13:25:07."""
    return iso[:19].replace("T", " ")


def epoch_ms(iso: str) -> int:
    """Milliseconds since 1970 of a UTC time."""
    return int(datetime.fromisoformat(iso).astimezone(UTC).timestamp() * 1000)
