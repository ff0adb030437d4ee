"""What decisions do in the world: people told, reviews opened, promotions frozen, trainings started."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from tidemill import keys
from tidemill.aws import functions, webhook
from tidemill.aws.monitoring_records import MonitoringRecords
from tidemill.aws.objects import Objects
from tidemill.aws.registry import Registry
from tidemill.aws.release_records import ReleaseRecords
from tidemill.contracts import Capture, to_json
from tidemill.errors import StorageError
from tidemill.monitoring_contracts import Decision, Due, Finding, MonitorPoint

from .conftest import Inbox

ARTIFACTS = "tidemill-artifacts"
NOW = "2026-03-04T12:00:00Z"
FOUND = Finding("drift", "alert", "tenure", "the share of values below 3 rose from 10.0% to 42.0%", since=NOW)


@pytest.fixture
def records(registry: Registry, table: str) -> MonitoringRecords:
    return MonitoringRecords(registry._dynamodb, table)


@pytest.fixture
def posted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What webhooks get."""
    found: list[tuple[str, Any]] = []
    monkeypatch.setattr(webhook, "post", lambda url, document: found.append((url, to_json(document))))
    return found


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Functions that are started."""
    found: list[Any] = []
    monkeypatch.setattr(functions.Functions, "start", lambda _, name, payload: found.append((name, payload)))
    return found


@pytest.fixture
def look(
    stage: Callable[..., ModuleType],
    objects: Objects,
    registry: Registry,
    records: MonitoringRecords,
    churn: int,
    table: str,
    topic: str,
    bus: str,
) -> Callable[..., dict[str, Decision]]:
    """Declares rules, puts a point, decides; returns the decisions by action."""
    app = stage(
        "decide", artifact_bucket=ARTIFACTS, table=table, topic=topic, event_bus=bus, retrain_function="retrain"
    )

    def looking(*actions: str, finding: Finding = FOUND, **monitor: Any) -> dict[str, Decision]:
        rule = {"when": ["drift"], "do": actions}
        spec = {"monitor": {"rules": [rule], **monitor}}
        objects.put(ARTIFACTS, keys.project_spec("churn"), json.dumps(spec).encode())
        records.put_point(MonitorPoint("churn", churn, "2026-03-04T11:00:00Z", NOW, 500, True, findings=(finding,)))
        app.handler({"due": to_json(Due("churn", NOW))}, None)
        return {one.action: one for one in records.decisions("churn")}

    return looking


def test_an_alert_reaches_topic_bus_and_webhook(
    look: Callable[..., dict[str, Decision]], inbox: Inbox, posted: list[tuple[str, Any]]
) -> None:
    decided = look("alert", webhook="https://hooks.test/abc")["alert"]
    assert decided.acted
    notification, event = inbox.read()
    assert notification["Subject"] == "churn: drift"
    assert (
        "The share of values below 3 rose from 10.0% to 42.0%. (since 2026-03-04T12:00:00Z)" in notification["Message"]
    )
    assert "tidemill monitor churn" in notification["Message"]
    assert (event["detail-type"], event["detail"]["id"]) == ("Monitor finding", decided.id)
    ((url, document),) = posted
    assert url == "https://hooks.test/abc"
    assert document["text"].startswith("churn: drift\n")
    assert document["decision"]["findings"][0]["subject"] == "tenure"


def test_a_webhook_that_fails_keeps_nobody_else_from_hearing(
    look: Callable[..., dict[str, Decision]], inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: Any) -> None:
        raise StorageError("the webhook https://hooks.test was not told: it answered 404")

    monkeypatch.setattr(webhook, "post", refuses)
    decided = look("alert", webhook="https://hooks.test/abc")["alert"]
    assert decided.acted
    assert decided.reason == FOUND.sentence
    assert decided.problem == "not everybody was told: the webhook https://hooks.test was not told: it answered 404"
    assert len(inbox.read()) == 2


def test_a_warning_is_a_line_of_the_log(
    look: Callable[..., dict[str, Decision]], inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    assert look("warn")["warn"].acted
    warnings = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == [f"churn version 1: {FOUND.sentence}"]
    assert inbox.read() == []


def test_the_least_sure_predictions_of_the_window_are_put_up_for_review(
    look: Callable[..., dict[str, Decision]], objects: Objects, registry: Registry, churn: int
) -> None:
    def capture(number: int, **fields: Any) -> dict[str, Any]:
        sure = 0.5 + number / 100
        told = {"label": "No", "probabilities": [sure, 1 - sure]}
        made = Capture(f"p{number:02d}", "2026-03-04T11:30:00Z", "churn", churn, {"tenure": number}, told, "champion")
        return to_json(made) | fields

    captures = [
        *(capture(number) for number in range(30)),
        capture(-1, at="2026-03-04T10:59:59Z"),
        capture(-2, version=churn + 1),
        capture(-3, why="shadow"),
        capture(-4, alias=None),
    ]
    lines = "".join(json.dumps(one) + "\n" for one in captures)
    objects.put(ARTIFACTS, keys.captures("churn", "2026-03-04T11:00:00Z", "x"), gzip.compress(lines.encode()))
    decided = look("review")["review"]
    assert decided.reason.endswith("20 predictions are put up for review")
    assert sorted(one.prediction_id for one in registry.reviews("churn")) == [f"p{number:02d}" for number in range(20)]


def test_nothing_to_review_is_said(look: Callable[..., dict[str, Decision]]) -> None:
    decided = look("review")["review"]
    assert not decided.acted
    assert "the model does not say how sure it is" in decided.reason


def test_promotions_are_frozen_with_the_reason(
    look: Callable[..., dict[str, Decision]], registry: Registry, table: str
) -> None:
    assert look("freeze")["freeze"].acted
    freeze = ReleaseRecords(registry._dynamodb, table).freeze("churn")
    assert freeze is not None
    assert (freeze.frozen, freeze.by, freeze.reason) == (True, "tidemill", FOUND.sentence)


def test_one_action_that_cannot_be_done_keeps_no_other_from_it(
    look: Callable[..., dict[str, Decision]], inbox: Inbox, started: list[Any]
) -> None:
    decided = look("retrain", "alert")  # no table of the project was ever accepted
    assert not decided["retrain"].acted
    assert "no table of project 'churn' has been accepted" in decided["retrain"].reason
    assert decided["alert"].acted
    assert started == []
