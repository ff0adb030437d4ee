"""How traffic is spread, as the registry's table keeps it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tidemill.aws import clients
from tidemill.aws.registry import Registry
from tidemill.aws.traffic_records import TrafficRecords, spread
from tidemill.errors import ContractError, NotFound, TrafficConflict
from tidemill.release_contracts import Share, Traffic

AT, LATER = "2026-03-04T05:06:07Z", "2026-03-04T06:06:07Z"
TEN_PERCENT = Traffic("churn", (Share(2, 0.1),))


@pytest.fixture
def records(table: str) -> TrafficRecords:
    return TrafficRecords(clients.dynamodb(), table, sleep=lambda seconds: None)


@pytest.fixture
def three(churn: int, registry: Registry) -> int:
    """Model churn with three versions, the first of which is the champion."""
    for run in ("a" * 32, "b" * 32):
        registry.create_version(
            "churn", run, onnx_sha256="1", dataset_version="d", task="binary", metric="m", value=0.9, at=AT, actor="x"
        )
    return churn


def test_nobody_has_said_anything(records: TrafficRecords) -> None:
    assert records.traffic("churn") is None


def test_what_is_set_is_read_and_is_in_the_audit_log(records: TrafficRecords) -> None:
    stored = records.set_traffic(TEN_PERCENT, None, "ada", "try it", AT)
    assert records.traffic("churn") == stored
    assert stored == replace(TEN_PERCENT, revision=1, at=AT, by="ada", reason="try it")
    (event,) = records.audit("churn")
    assert (event.action, event.actor, event.revision) == ("traffic", "ada", 1)
    assert event.reason == "try it: version 2 gets 0.1 of the calls"


def test_a_change_needs_the_revision_that_is_there(records: TrafficRecords) -> None:
    records.set_traffic(TEN_PERCENT, None, "ada", "try it", AT)
    for read in (None, 2):
        with pytest.raises(TrafficConflict, match="ada set it at"):
            records.set_traffic(replace(TEN_PERCENT, experiment="x"), read, "bob", "mine", AT)
    assert records.set_traffic(Traffic("churn"), 1, "bob", "enough", LATER).revision == 2


def test_the_same_step_twice_is_once(records: TrafficRecords) -> None:
    first = records.set_traffic(TEN_PERCENT, None, "ada", "try it", AT)
    assert records.set_traffic(TEN_PERCENT, None, "ada", "try it", LATER) == first
    assert len(records.audit("churn")) == 1


def test_while_a_rollout_has_it_only_that_rollout_changes_it(records: TrafficRecords) -> None:
    records.set_traffic(replace(TEN_PERCENT, rollout="r1"), None, "tidemill", "step 1", AT, rollout="r1")
    for other in (None, "r2"):
        with pytest.raises(TrafficConflict, match="belongs to the rollout r1"):
            records.set_traffic(Traffic("churn"), 1, "ada", "mine", AT, rollout=other)
    half = Traffic("churn", (Share(2, 0.5),), rollout="r1")
    records.set_traffic(half, 1, "tidemill", "step 2", AT, rollout="r1")
    assert records.set_traffic(Traffic("churn"), 2, "tidemill", "done", AT, rollout="r1").rollout is None
    assert records.set_traffic(TEN_PERCENT, 3, "ada", "mine", AT).revision == 4


@pytest.mark.parametrize(
    ("traffic", "words"),
    [
        (Traffic("churn", (Share(2, 1.5),)), "share of version 2"),
        (Traffic("churn", (Share(2, 0.0),)), "share of version 2"),
        (Traffic("churn", (Share(2, float("nan")),)), "share of version 2"),
        (Traffic("churn", (Share(2, 0.6), Share(3, 0.6))), "at most 1, not 1.2"),
        (Traffic("churn", (Share(2, 0.1), Share(2, 0.1))), "twice"),
        (Traffic("churn", (Share(0, 0.1),)), "from 1, not 0"),
        (Traffic("churn", shadow_fraction=0.5), "shadow_version"),
        (Traffic("churn", shadow_version=2, shadow_fraction=2.0), "shadow_fraction"),
    ],
)
def test_what_cannot_be_is_refused_naming_the_field(records: TrafficRecords, traffic: Traffic, words: str) -> None:
    with pytest.raises(ContractError, match=words):
        records.set_traffic(traffic, None, "ada", "try it", AT)
    assert records.traffic("churn") is None


def test_what_a_person_does_not_mention_stays(three: int, registry: Registry, records: TrafficRecords) -> None:
    said = {"actor": "ada", "reason": "try it", "at": AT}
    spread(registry, records, "churn", shares={3: 0.2, 2: 0.1}, experiment="prices", **said)
    spread(registry, records, "churn", shadow=(2, 0.5), **said)
    made = spread(registry, records, "churn", shares={2: 0.3, 3: 0.2}, **said)
    assert (made.shares, made.shadow_version, made.shadow_fraction) == ((Share(3, 0.2), Share(2, 0.3)), 2, 0.5)
    assert (made.experiment, made.revision) == ("prices", 3)
    made = spread(registry, records, "churn", shares={2: 0.3, 3: 0}, shadow=(2, 0), **said)
    assert (made.shares, made.shadow_version) == ((Share(2, 0.3),), None)
    assert spread(registry, records, "churn", clear=True, **said).shares == ()


def test_versions_must_be_there_and_must_not_be_the_champion(
    three: int, registry: Registry, records: TrafficRecords
) -> None:
    said = {"actor": "ada", "reason": "try it", "at": AT}
    with pytest.raises(NotFound, match="no version 7: it has 1, 2, 3"):
        spread(registry, records, "churn", shares={7: 0.2}, **said)
    with pytest.raises(ContractError, match="version 1 is the champion"):
        spread(registry, records, "churn", shadow=(1, 0.2), **said)
    with pytest.raises(NotFound, match="no model"):
        spread(registry, records, "nosuch", clear=True, **said)
