"""Freezes, rollouts and promotions: what is kept, what they do to traffic and champion, and who comes first."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tidemill import rollout_plan
from tidemill.aws import clients
from tidemill.aws.executions import Executions
from tidemill.aws.promotion import Promotion, Releases, Rollback
from tidemill.aws.registry import Registry
from tidemill.aws.release_records import ReleaseRecords
from tidemill.aws.traffic_records import TrafficRecords
from tidemill.errors import (
    ContractError,
    NotAllowed,
    NotFound,
    PromotionFrozen,
    RolloutConflict,
    StorageError,
    TrafficConflict,
)
from tidemill.release_contracts import Rollout, RolloutPlan, RolloutRequest, Share, Traffic
from tidemill.spec import RolloutOptions

from .conftest import OneAtATime

AT, LATER = "2026-03-04T06:00:00Z", "2026-03-04T07:00:00Z"
PLAN = RolloutPlan((0.1, 1.0), 600)


@pytest.fixture
def releases(registry: Registry, table: str, machines: dict[str, str]) -> Releases:
    """Model churn with versions 1 and 2, of which the first is the champion."""
    for run_id in ("one", "two"):
        registry.create_version(
            "churn",
            run_id,
            onnx_sha256=run_id,
            dataset_version="d",
            task="binary",
            metric="roc_auc",
            value=0.8,
            at=AT,
            actor="ada",
        )
    registry.move_alias("churn", "champion", 1, None, "ada", "first", AT)
    client: Any = OneAtATime(clients.dynamodb())
    return Releases(
        registry,
        ReleaseRecords(client, table, sleep=lambda _: None),
        TrafficRecords(client, table, sleep=lambda _: None),
        Executions(clients.stepfunctions()),
        machines["rollout"],
    )


def rollout(number: int = 1, version: int = 2, plan: RolloutPlan = PLAN) -> Rollout:
    request = RolloutRequest(f"{number:032x}", "churn", version, "two", "ada", "better")
    return rollout_plan.begun(request, plan, 1, AT)


def shares(releases: Releases) -> tuple[Share, ...]:
    traffic = releases.traffic.traffic("churn")
    return traffic.shares if traffic else ()


# --- freezes -------------------------------------------------------------------------------------


def test_a_freeze_names_who_said_it_and_is_said_once(releases: Releases) -> None:
    assert releases.records.freeze("churn") is None
    first = releases.freeze("churn", True, "bob", "audit", AT)
    assert releases.freeze("churn", True, "eve", "again", LATER) == first
    assert (first.by, first.reason, first.revision) == ("bob", "audit", 1)
    assert releases.freeze("churn", False, "bob", "audit is over", LATER).revision == 2
    events = [event for event in releases.registry.audit("churn") if "freeze" in event.action]
    assert [(event.action, event.actor) for event in events] == [("freeze", "bob"), ("unfreeze", "bob")]


def test_a_model_that_does_not_exist_cannot_be_frozen(releases: Releases) -> None:
    with pytest.raises(NotFound):
        releases.freeze("nothing", True, "bob", "", AT)


def test_a_frozen_champion_is_not_replaced_but_can_be_rolled_back(releases: Releases) -> None:
    promote(releases)
    releases.freeze("churn", True, "bob", "audit", AT)
    with pytest.raises(PromotionFrozen, match=r"frozen by bob .* \(audit\): .*tidemill freeze churn --off"):
        promote(releases, version=1)
    assert releases.rollback("churn", "ada", "too many alarms", AT) == Rollback("churn", 2, 1, None)


# --- promotions by hand --------------------------------------------------------------------------


def promote(releases: Releases, version: int = 2, strategy: Any = "all_at_once", shadow: bool = False) -> Promotion:
    options = RolloutOptions(strategy=strategy, shadow_minutes=5 if shadow else 0)
    return releases.promote("churn", version, options, "a" * 32, "ada", "better", AT)


def test_all_at_once_moves_the_champion(releases: Releases) -> None:
    assert promote(releases) == Promotion("churn", 2, 1, None)
    assert releases.registry.alias("churn", "champion") == 2
    (event,) = [event for event in releases.registry.audit("churn") if event.action == "promote"]
    assert (event.actor, event.reason, event.run_id, event.before) == ("ada", "better", "two", 1)


@pytest.mark.parametrize(("strategy", "shadow"), [("canary", False), ("linear", False), ("all_at_once", True)])
def test_anything_else_starts_the_rollout_machine(releases: Releases, strategy: Any, shadow: bool) -> None:
    assert promote(releases, strategy=strategy, shadow=shadow) == Promotion("churn", 2, 1, "a" * 32)
    assert releases.registry.aliases("churn") == {"champion": 1, "challenger": 2}
    (started,) = clients.stepfunctions().list_executions(stateMachineArn=releases.machine)["executions"]
    assert started["name"] == "a" * 32


def test_what_cannot_be_promoted(releases: Releases) -> None:
    with pytest.raises(NotFound):
        promote(releases, version=7)
    with pytest.raises(ContractError, match="champion already"):
        promote(releases, version=1)
    releases.begin(rollout())
    with pytest.raises(RolloutConflict, match=r"version 2 of churn is being rolled out .*tidemill rollback churn"):
        promote(releases)


def test_a_rollout_is_on_record_before_its_machine_is_started(releases: Releases) -> None:
    seen = list[Any]()

    class Machine:
        def start(self, machine: str, name: str, value: Any) -> str:
            seen.append((releases.records.current_rollout("churn"), shares(releases)))
            return name

    machine: Any = Machine()
    promote(dataclasses.replace(releases, executions=machine), strategy="canary")
    ((under_way, share),) = seen
    assert (under_way.id, under_way.by, under_way.champion, share) == ("a" * 32, "ada", 1, (Share(2, 0.1),))
    assert releases.rollback("churn", "bob", "no", LATER) == Rollback("churn", 2, 1, "a" * 32)


@pytest.mark.parametrize("error", [StorageError("could not start: AccessDenied"), KeyboardInterrupt()])
def test_a_machine_that_cannot_be_started_ends_the_rollout(releases: Releases, error: BaseException) -> None:
    class Machine:
        def start(self, machine: str, name: str, value: Any) -> str:
            raise error

    machine: Any = Machine()
    with pytest.raises(type(error)):
        promote(dataclasses.replace(releases, executions=machine), strategy="canary")
    ended = releases.records.rollout("a" * 32)
    assert (ended.state, ended.history[-1]) == ("ROLLED_BACK", f"{AT}: the rollout could not be started: {error}")
    assert (shares(releases), releases.records.current_rollout("churn")) == ((), None)


def test_a_promotion_in_the_middle_of_an_experiment_is_refused_at_once(releases: Releases) -> None:
    releases.traffic.set_traffic(Traffic("churn", (Share(2, 0.5),), experiment="blue"), None, "eve", "A/B", AT)
    with pytest.raises(TrafficConflict):
        promote(releases, strategy="canary")
    assert releases.records.rollouts("churn") == []


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("PENDING", "waits for people to approve it: `tidemill approve two`"),
        ("REJECTED", r"was refused by bob at .* \(too few rows\).*`tidemill approve two`"),
        ("EXPIRED", "was not approved in time.*`tidemill approve`"),
        ("APPROVED", None),
    ],
)
@pytest.mark.parametrize("strategy", ["all_at_once", "canary"])
def test_a_version_is_promoted_when_people_who_were_asked_have_approved_it(
    releases: Releases, state: Any, said: str | None, strategy: str
) -> None:
    releases.registry.put_approval("two", "churn", 2, "token", AT)
    if state != "PENDING":
        releases.registry.decide_approval("two", state, "bob", "too few rows", AT)
    if said is None:
        assert promote(releases, strategy=strategy).version == 2
        return
    with pytest.raises(NotAllowed, match=said):
        promote(releases, strategy=strategy)
    assert releases.registry.aliases("churn") == {"champion": 1}


# --- rollouts ------------------------------------------------------------------------------------


def test_one_rollout_at_a_time_whoever_begins(releases: Releases) -> None:
    def begin(number: int) -> bool:
        try:
            releases.records.begin_rollout(rollout(number))
        except RolloutConflict:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        begun = list(threads.map(begin, range(1, 5)))
    assert sum(begun) == 1
    current = releases.records.current_rollout("churn")
    assert current is not None
    assert current.id == f"{begun.index(True) + 1:032x}"


def test_whoever_begins_between_looking_and_writing_is_first(releases: Releases, table: str) -> None:
    class Late(ReleaseRecords):
        """Another rollout begins right after it was looked whether one is under way."""

        def refuse_if_rolling_out(self, model: str, version: int) -> None:
            super().refuse_if_rolling_out(model, version)
            releases.records.begin_rollout(rollout(1))

    with pytest.raises(RolloutConflict):
        Late(clients.dynamodb(), table, sleep=lambda _: None).begin_rollout(rollout(2))
    current = releases.records.current_rollout("churn")
    assert current is not None
    assert current.id == rollout(1).id
    assert releases.records.known_rollout(rollout(2).id) is None


def test_a_rollout_gives_its_version_the_first_share_and_begins_once(releases: Releases) -> None:
    for _ in range(2):
        releases.begin(rollout())
    assert shares(releases) == (Share(2, 0.1),)
    assert releases.registry.alias("churn", "champion") == 1
    assert len([event for event in releases.registry.audit("churn") if event.action == "begin rollout"]) == 1
    assert len([event for event in releases.registry.audit("churn") if event.action == "traffic"]) == 1


def test_a_shadow_comes_first_when_asked_for(releases: Releases) -> None:
    releases.begin(rollout(plan=dataclasses.replace(PLAN, shadow_seconds=60, shadow_fraction=0.5)))
    traffic = releases.traffic.traffic("churn")
    assert traffic is not None
    assert (traffic.shares, traffic.shadow_version, traffic.shadow_fraction) == ((), 2, 0.5)


def test_the_end_of_a_rollout_moves_the_champion_and_frees_the_traffic(releases: Releases) -> None:
    begun = releases.begin(rollout())
    promoted = dataclasses.replace(begun, state="PROMOTED", ended_at=LATER, revision=2)
    assert releases.move(promoted, None, LATER) == promoted
    assert releases.registry.alias("churn", "champion") == 2
    traffic = releases.traffic.traffic("churn")
    assert traffic is not None
    assert (traffic.shares, traffic.rollout) == ((), None)
    assert releases.records.current_rollout("churn") is None
    assert releases.registry.rollback_target("churn") == 1
    assert [item.id for item in releases.records.rollouts("churn")] == [begun.id]


def test_what_was_interrupted_is_finished_by_the_next_look(releases: Releases) -> None:
    """The record is written first; whoever comes next makes the world like it."""
    begun = releases.begin(rollout())
    ended = dataclasses.replace(begun, state="ROLLED_BACK", ended_at=LATER, revision=2)
    assert releases.records.swap_rollout(ended)  # and then the process ended
    assert shares(releases) == (Share(2, 0.1),)
    with pytest.raises(RolloutConflict):
        releases.begin(rollout(2))
    releases.settle(ended, LATER)
    assert shares(releases) == ()
    releases.begin(rollout(2))


def test_a_rollout_that_has_ended_leaves_what_followed_alone(releases: Releases) -> None:
    begun = releases.begin(rollout())
    promoted = releases.move(dataclasses.replace(begun, state="PROMOTED", ended_at=AT, revision=2), None, AT)
    releases.rollback("churn", "ada", "no", LATER)
    releases.settle(promoted, LATER)
    assert releases.registry.alias("churn", "champion") == 1


def test_a_person_takes_a_rollout_back_and_the_champion_stays(releases: Releases) -> None:
    begun = releases.begin(rollout())
    assert releases.rollback("churn", "bob", "wrong labels", LATER) == Rollback("churn", 2, 1, begun.id)
    ended = releases.records.rollout(begun.id)
    assert (ended.state, ended.ended_at) == ("ROLLED_BACK", LATER)
    assert ended.history[-1] == f"{LATER}: bob took it back: wrong labels"
    assert shares(releases) == ()
    (event,) = [event for event in releases.registry.audit("churn") if event.action == "roll back"]
    assert (event.actor, event.version) == ("bob", 2)
    late = dataclasses.replace(begun, state="PROMOTED", revision=2)
    assert releases.move(late, None, LATER).state == "ROLLED_BACK"
    assert releases.registry.alias("churn", "champion") == 1


def test_a_champion_that_was_moved_meanwhile_is_not_replaced(releases: Releases) -> None:
    registry = releases.registry
    begun = releases.begin(rollout())
    registry.create_version(
        "churn",
        "three",
        onnx_sha256="3",
        dataset_version="d",
        task="binary",
        metric="roc_auc",
        value=0.8,
        at=AT,
        actor="ada",
    )
    registry.move_alias("churn", "champion", 3, 1, "eve", "by hand", AT)
    promoted = dataclasses.replace(begun, state="PROMOTED", ended_at=LATER, revision=2)
    ended = releases.move(promoted, None, LATER)
    assert (ended.state, "points to version 3 by now" in ended.history[-1]) == ("ROLLED_BACK", True)
    assert (registry.alias("churn", "champion"), shares(releases)) == (3, ())


def test_a_rollout_does_not_end_an_experiment(releases: Releases) -> None:
    releases.traffic.set_traffic(Traffic("churn", (Share(2, 0.5),), experiment="blue"), None, "eve", "A/B", AT)
    with pytest.raises(TrafficConflict, match=r"spread by eve .*tidemill traffic churn --clear"):
        releases.begin(rollout())
    assert releases.records.current_rollout("churn") is None
