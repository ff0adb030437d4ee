"""When a model is looked at."""

from __future__ import annotations

import pytest

from tidemill.rules.looks import is_due

NOW = "2026-03-04T12:00:00Z"


@pytest.mark.parametrize(
    ("document", "looked_at", "due"),
    [
        (None, None, True),
        (None, "2026-03-04T11:00:00Z", True),
        (None, "2026-03-04T11:00:29Z", True),
        (None, "2026-03-04T11:01:00Z", False),
        (None, "2026-03-04T13:00:00Z", True),
        ({"monitor": {"every_minutes": 5}}, "2026-03-04T11:55:00Z", True),
        ({"monitor": {"every_minutes": 5}}, "2026-03-04T11:56:00Z", False),
        ({"monitor": {"every_minutes": 0.5}}, "2026-03-04T11:59:50Z", False),
        ({"monitor": {"every_minutes": 0.5}}, "2026-03-04T11:59:45Z", True),
        ({"monitor": {"enabled": False}}, None, False),
        ({"nonsense": 1}, "2026-03-04T11:00:00Z", True),
        ({"nonsense": 1}, "2026-03-04T11:50:00Z", False),
    ],
)
def test_a_model_is_due_when_its_time_has_come(document: object, looked_at: str | None, due: bool) -> None:
    assert is_due(document, looked_at, NOW) is due
