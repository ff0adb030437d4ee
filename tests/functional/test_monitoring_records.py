"""Points, decisions, uploads of actuals and the state of watching, against moto's DynamoDB."""

from __future__ import annotations

import dataclasses

import boto3
import pytest

from tidemill.aws.monitoring_records import MonitoringRecords
from tidemill.monitoring_contracts import ActualsUpload, Decision, FeatureDrift, Finding, MonitorPoint, WatchState

DAYS = [f"2026-03-{day:02d}T00:00:00Z" for day in range(1, 31)]
FINDING = Finding("drift", "alert", "tenure", "tenure has moved", 0.4, 0.1, DAYS[3])


@pytest.fixture
def records(table: str) -> MonitoringRecords:
    return MonitoringRecords(boto3.client("dynamodb"), table)


def point(end: str, version: int = 1, shadow: bool = False, rows: int = 1000) -> MonitorPoint:
    return MonitorPoint("churn", version, DAYS[0], end, rows, True, shadow=shadow, findings=(FINDING,))


def decision(about: str, acted: bool = True) -> Decision:
    return Decision(f"id-{about}", "churn", 1, DAYS[5], "drift", "alert", acted, "tenure has moved", about, (FINDING,))


def test_points_come_back_newest_first(records: MonitoringRecords) -> None:
    for end in (DAYS[3], DAYS[1], DAYS[2]):
        records.put_point(point(end))
    assert records.points("churn") == [point(DAYS[3]), point(DAYS[2]), point(DAYS[1])]


def test_points_of_a_version_of_a_time_and_of_shadows(records: MonitoringRecords) -> None:
    live, challenger, shadow = point(DAYS[1]), point(DAYS[1], 2), point(DAYS[2], 3, shadow=True)
    for each in (live, challenger, shadow):
        records.put_point(each)
    assert records.points("churn", 2) == [challenger]
    assert records.points("churn", since=DAYS[2]) == [shadow]
    assert records.points("churn", shadow=False) == [challenger, live]
    assert records.newest_point("churn") == challenger
    assert records.newest_point("churn", 3) is None
    assert records.points("other") == []


def test_a_limit_counts_the_points_that_are_asked_for(records: MonitoringRecords) -> None:
    for end in DAYS:
        records.put_point(point(end, 2))
        records.put_point(point(end, 1))
    found = records.points("churn", version=1, limit=12)
    assert [each.end for each in found] == DAYS[::-1][:12]


def test_a_point_computed_again_takes_the_place_of_the_one_before(records: MonitoringRecords) -> None:
    records.put_point(point(DAYS[1]))
    records.put_point(point(DAYS[1], rows=7))
    assert [each.rows for each in records.points("churn")] == [7]


def test_a_window_looked_at_before_its_end_counts_until_the_next_one(records: MonitoringRecords) -> None:
    early = dataclasses.replace(point(DAYS[2]), whole=False)
    records.put_point(point(DAYS[1]))
    records.put_point(early)
    records.put_point(point(DAYS[3], version=2))
    assert records.points("churn") == [point(DAYS[3], version=2), early, point(DAYS[1])]
    records.put_point(point(DAYS[3]))
    assert records.points("churn", version=1) == [point(DAYS[3]), point(DAYS[1])]


def test_a_point_of_a_thousand_features_fits_into_an_item(records: MonitoringRecords) -> None:
    shares = tuple(round(bin / 231, 6) for bin in range(22))
    drift = FeatureDrift(
        "", 1000, 0.1, 0.1, None, "chi_squared", 3.1, 0.2, 0.9, 0.1, False, 0.01, "it rose", shares, shares
    )
    features = tuple(
        dataclasses.replace(
            drift, name=f"feature_{n}", psi=n / 997, distance=n / 991, p_value=n / 983, adjusted=n / 977
        )
        for n in range(1000)
    )
    wide = dataclasses.replace(point(DAYS[1]), features=features)
    records.put_point(wide)
    assert records.points("churn") == [wide]


def test_deciding_twice_about_the_same_is_once(records: MonitoringRecords) -> None:
    assert records.put_decision(decision(DAYS[1]))
    assert not records.put_decision(decision(DAYS[1], acted=False))
    assert records.decisions("churn") == [decision(DAYS[1])]


def test_a_decision_can_say_later_what_became_of_it(records: MonitoringRecords) -> None:
    records.put_decision(decision(DAYS[1]))
    amended = dataclasses.replace(decision(DAYS[1]), retraining="f" * 32)
    records.amend_decision(amended)
    assert records.decisions("churn") == [amended]


def test_decisions_and_points_are_kept_apart(records: MonitoringRecords) -> None:
    records.put_point(point(DAYS[1]))
    for about in DAYS[:4]:
        records.put_decision(decision(about))
    assert records.decisions("churn", limit=2) == [decision(DAYS[3]), decision(DAYS[2])]
    assert records.decisions("churn", since=DAYS[3]) == [decision(DAYS[3])]
    assert len(records.points("churn")) == 1


def test_uploads_of_actuals(records: MonitoringRecords) -> None:
    first, second = (
        ActualsUpload(
            id, "churn", f"actuals/churn/{id}.csv", at, "ada", "prediction_id", "Churn", 10, 1, ("row 3: ...",)
        )
        for id, at in (("a", DAYS[1]), ("b", DAYS[2]))
    )
    records.put_upload(first)
    records.put_upload(second)
    records.put_upload(second)
    assert records.uploads("churn") == [second, first]
    assert records.uploads("churn", limit=1) == [second]
    assert records.upload("a") == first
    assert records.upload("c") is None


def test_of_two_writers_of_the_state_one_is_told_to_read_again(records: MonitoringRecords) -> None:
    assert records.watch_state("churn") is None
    state = WatchState("churn", DAYS[1], waiting=("a",))
    assert records.swap_watch_state(state, None)
    assert not records.swap_watch_state(state, None)
    newer = dataclasses.replace(state, looked_at=DAYS[2], revision=2)
    assert records.swap_watch_state(newer, 1)
    assert not records.swap_watch_state(dataclasses.replace(newer, hour="2026-03-04T05"), 1)
    assert records.watch_state("churn") == newer
