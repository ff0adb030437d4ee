"""Times as options of the command take them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import click

from tidemill.contracts import instant

_SPAN = re.compile(r"(\d+(?:\.\d+)?)([hd])")


class Moment(click.ParamType[str]):
    """A time, or how long ago: a day begins at midnight, UTC, as does a time that names no zone."""

    name = "TIME"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The time as documents write it."""
        found = _SPAN.fullmatch(value)
        if found:
            hours = float(found[1]) * (24 if found[2] == "d" else 1)
            return instant(datetime.now(UTC) - timedelta(hours=hours))
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time: write 36h, 7d, 2026-03-04 or 2026-03-04T05:00:00Z", param, ctx)
        return instant(at if at.tzinfo else at.replace(tzinfo=UTC))
