"""How models stand, read from the records that the functions leave."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import boto3
import pytest

from tidemill.aws.model_standings import ModelStandings
from tidemill.aws.release_records import ReleaseRecords
from tidemill.aws.retraining_records import RetrainingRecords
from tidemill.contracts import instant
from tidemill.model_standing import ModelStanding
from tidemill.monitoring_contracts import Decision, Retraining

from ..watched_model import WatchedModel
from .conftest import TABLE

NOW = datetime(2026, 3, 4, 6, tzinfo=UTC)


def ago(**time: float) -> str:
    return instant(NOW - timedelta(**time))


@pytest.fixture
def watched(table: str) -> WatchedModel:
    return WatchedModel(boto3.client("dynamodb"), table, "churn", NOW)


def standings() -> list[ModelStanding]:
    return ModelStandings(boto3.client("dynamodb"), TABLE).all(instant(NOW))


def test_without_models_there_is_nothing(table: str) -> None:
    assert standings() == []


def test_every_model_by_name_with_what_is_in_service_and_on_its_way(watched: WatchedModel) -> None:
    WatchedModel(boto3.client("dynamodb"), TABLE, "fraud", NOW)
    watched.look()
    assert [one.model for one in standings()] == ["churn", "fraud"]
    churn = standings()[0]
    assert churn.champion is not None
    assert (churn.champion.version, churn.champion.metric, churn.champion.value) == (1, "roc_auc", 0.84)
    assert churn.rollout is not None
    assert (churn.rollout.version, churn.rollout.state) == (2, "BAKING")
    assert churn.watch is not None
    assert churn.watch.totals["1"].requests == 100
    assert churn.last_run is not None
    assert (churn.last_run.status, churn.last_run.usd) == ("LIVE", 0.002)
    assert (churn.approvals, churn.frozen) == (1, False)


def test_a_freeze_counts_until_it_is_lifted(watched: WatchedModel) -> None:
    records = ReleaseRecords(boto3.client("dynamodb"), TABLE)
    records.set_freeze("churn", True, "ann", "audit", instant(NOW))
    assert standings()[0].frozen
    records.set_freeze("churn", False, "ann", "", instant(NOW))
    assert not standings()[0].frozen


def test_points_are_of_versions_that_answer_or_get_copies(watched: WatchedModel) -> None:
    (point,) = watched.monitoring.points("churn")
    for version, shadow in ((2, True), (3, False)):
        watched.monitoring.put_point(dataclasses.replace(point, version=version, shadow=shadow))
    assert {(one.version, one.shadow) for one in standings()[0].points} == {(1, False), (2, True)}


def test_decisions_are_of_a_day_and_retrainings_of_a_month(watched: WatchedModel) -> None:
    for number, at in enumerate((ago(hours=23), ago(hours=25))):
        decision = Decision(f"{number:032x}", "churn", 1, at, "rule 2", "retrain", True, "drift", at)
        watched.monitoring.put_decision(decision)
    records = RetrainingRecords(boto3.client("dynamodb"), TABLE)
    for number, at in enumerate((ago(days=29), ago(days=31))):
        records.begin(
            Retraining(f"{number:032x}", "churn", at, "ann", "hand", "tariff", "all"),
            watched.registry,
            lambda past: None,
        )
    churn = standings()[0]
    assert sorted(decision.at for decision in churn.decisions) == [ago(hours=23), instant(NOW)]
    assert sorted(one.at for one in churn.retrainings) == [ago(days=29), instant(NOW)]
