"""Which models are looked at, and that each look is one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from types import ModuleType
from typing import Any

import pytest

from tidemill import keys
from tidemill.aws.monitoring_records import MonitoringRecords
from tidemill.aws.objects import Objects
from tidemill.aws.registry import Registry
from tidemill.aws.watching import Watching
from tidemill.contracts import instant
from tidemill.errors import NotFound
from tidemill.rules import looks

ARTIFACTS = "tidemill-artifacts"
NOON = datetime.fromisoformat("2026-03-04T12:00:00Z")


@pytest.fixture
def watching(objects: Objects, registry: Registry) -> Watching:
    return Watching(ARTIFACTS, objects, registry, MonitoringRecords(registry._dynamodb, registry._table))


@pytest.fixture
def due(watching: Watching) -> Callable[[float], list[str]]:
    """The models that are due so many minutes after noon."""
    return lambda minutes: [one.model for one in watching.due(looks.is_due, instant(NOON + timedelta(minutes=minutes)))]


def test_a_model_is_due_as_often_as_its_project_says(
    due: Callable[[float], list[str]], objects: Objects, churn: int
) -> None:
    assert due(0) == ["churn"]
    assert due(5) == []
    assert due(60) == ["churn"]
    objects.put(ARTIFACTS, keys.project_spec("churn"), b'{"monitor": {"every_minutes": 5}}')
    assert due(65) == ["churn"]
    objects.put(ARTIFACTS, keys.project_spec("churn"), b'{"monitor": {"enabled": false}}')
    assert due(600) == []


def test_a_spec_that_cannot_be_read_keeps_no_model_from_being_looked_at(
    due: Callable[[float], list[str]], objects: Objects, churn: int
) -> None:
    objects.put(ARTIFACTS, keys.project_spec("churn"), b"{")
    assert due(0) == ["churn"]


def test_a_model_that_nobody_put_into_service_is_not_looked_at(
    due: Callable[[float], list[str]], watching: Watching, registry: Registry
) -> None:
    registry.create_version(
        "shy",
        "e" * 32,
        onnx_sha256="0",
        dataset_version="d",
        task="binary",
        metric="roc_auc",
        value=0.8,
        at=instant(NOON),
        actor="x",
    )
    assert due(0) == []
    with pytest.raises(NotFound, match="'shy' in service"):
        watching.asked_for("shy", instant(NOON))


def test_of_two_who_watch_at_the_same_time_one_looks(watching: Watching, churn: int) -> None:
    now = instant(NOON)

    def overtaken(*arguments: Any) -> bool:
        assert [one.model for one in watching.due(looks.is_due, now)] == ["churn"]
        return True

    assert list(watching.due(overtaken, now)) == []


def test_a_look_by_hand_is_one_of_that_model_due_or_not(
    stage: Callable[..., ModuleType], watching: Watching, table: str, churn: int
) -> None:
    app = stage("watch", artifact_bucket=ARTIFACTS, table=table)
    for _ in range(2):
        (one,) = app.handler({"input": {"model": "churn"}}, None)["due"]
        assert (one["model"], one["force"], one["by"]) == ("churn", True, "hand")
    state = watching.records.watch_state("churn")
    assert state is not None
    assert state.looked_at == one["at"]
    assert app.handler({"input": {"detail-type": "Scheduled Event", "time": "2026-03-04T12:00:00Z"}}, None) == {
        "due": []
    }
