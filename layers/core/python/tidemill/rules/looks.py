"""When a model in service is looked at. Standard library only."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tidemill import spec
from tidemill.errors import SpecError

#: The schedule does not tick to the second: a look is due this much before its time, so that it does not wait a tick
#: more each time.
EARLY = timedelta(seconds=30)


def is_due(document: Any, looked_at: str | None, now: str) -> bool:
    """Whether a model is to be looked at now.

    A project whose spec cannot be read is looked at as often as one without, so that whoever looks says what is wrong.

    Parameters
    ----------
    document
        the project's spec as plain data; None: it has none.
    looked_at
        the last look, UTC ISO 8601; None before the first. One in the future counts as none.
    """
    try:
        options = spec.parse(document).monitor
    except SpecError:
        options = spec.Monitor()
    if not options.enabled:
        return False
    if looked_at is None or looked_at > now:
        return True
    every = timedelta(minutes=options.every_minutes)
    since = datetime.fromisoformat(now) - datetime.fromisoformat(looked_at)
    return since >= every - min(EARLY, every / 2)
