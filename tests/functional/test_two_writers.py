"""Two writers of the same record at the same moment: the second one loses and says so, or goes on from the first.

Who loses has read what was there before: the other one writes in the moment before the loser's request arrives.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tidemill import aws, keys
from tidemill.aws import approvals
from tidemill.aws.people import Person
from tidemill.aws.promotion import Rollback
from tidemill.errors import AliasConflict, ApprovalConflict, RolloutConflict, TrafficConflict
from tidemill.monitoring_contracts import HourPart, PartClaim, WatchState
from tidemill.release_contracts import Share, Traffic

from .account import Account
from .adapters import (
    AMENDED,
    ANEW,
    AT,
    CAPTURE,
    CASES,
    DECIDED,
    HOUR,
    LATER,
    LINK,
    NEVER,
    OTHER,
    RETRAINING,
    RUN,
    SECOND,
    SET_RUN,
    STEPPED,
    THIRD,
    VOTE,
    WAITING,
    World,
    has_written,
    of,
    public,
    rollout_of,
)
from .conftest import ARTIFACTS, DATA, Faults

TRANSACTION, PUT, UPDATE, OBJECT = (
    *("dynamodb.TransactWriteItems", "dynamodb.PutItem", "dynamodb.UpdateItem"),
    "s3.PutObject",
)
LET_IN = dataclasses.replace(STEPPED, state="PROMOTED", ended_at=AT)


def their_turn(w: World) -> None:
    w.registry.give_up_turn("shops", SET_RUN.run_id)
    assert w.registry.take_turn("shops", "theirs", AT, NEVER) is not None


def turn_is_theirs(w: World, given: Any) -> bool:
    return w.registry.take_turn("shops", SET_RUN.run_id, AT, NEVER) is None and not given


def their_rollout(w: World) -> None:
    w.releases.begin_rollout(rollout_of("0" * 32, "churn", 3, 2))


def their_champion(w: World) -> None:
    w.registry.move_alias("churn", "champion", 1, 2, "eve", "x", AT)


def their_traffic(w: World) -> None:
    w.traffic.set_traffic(Traffic("churn", shares=(Share(3, 0.2),)), None, "eve", "x", AT)


def their_refusal(w: World) -> None:
    w.registry.decide_approval(WAITING, "REJECTED", "eve", "bad", AT)


def next_rollout(w: World) -> None:
    w.releases.clear_rollout(STEPPED)
    w.releases.begin_rollout(rollout_of("0" * 32, "houses", 2, 1))


def use_link(w: World) -> None:
    with w.links.once(LINK, AT, "theirs"):
        pass


def told(w: World, given: Any) -> bool:
    return given is False


Check = Callable[[World, Any], bool]
#: By the case: the request that comes second, what the other writer does before it arrives, and what becomes of it: an
#: error, or an answer that is looked at together with what is there.
CONFLICTS: dict[str, tuple[str, Callable[[World], Any], type[Exception] | Check]] = {
    "objects.Objects.put_new": (OBJECT, lambda w: w.objects.put(DATA, "new.csv", b"theirs"), told),
    "monitoring_files.MonitoringFiles.claim_part": (
        OBJECT,
        lambda w: w.files.claim_part("churn", HourPart(HOUR, 1), PartClaim(("theirs",))),
        lambda w, given: told(w, given) and w.files.claim_of("churn", HourPart(HOUR, 1)).files == ("theirs",),
    ),
    "stack_secrets.made": (
        OBJECT,
        lambda w: w.objects.put(ARTIFACTS, "secrets/new", b"theirs"),
        lambda w, given: given == b"theirs",
    ),
    "datasets.accept": (
        OBJECT,
        lambda w: w.objects.put(ARTIFACTS, keys.data_contract("churn"), b"theirs"),
        lambda w, given: w.objects.get(ARTIFACTS, keys.data_contract("churn")) == b"theirs",
    ),
    "retraining.Material.upload": (
        OBJECT,
        lambda w: w.objects.put(DATA, keys.retraining_table("churn", RETRAINING.id), b"theirs"),
        lambda w, given: w.objects.get(DATA, given) == b"theirs",
    ),
    "registry.Registry.take_turn": (UPDATE, their_turn, turn_is_theirs),
    "registry.Registry.give_up_turn": (UPDATE, their_turn, turn_is_theirs),
    "registry.Registry.publish_feature_set": (UPDATE, their_turn, turn_is_theirs),
    "registry.Registry.start_run": (
        PUT,
        lambda w: w.registry.start_run(dataclasses.replace(RUN, run_id=SECOND, started_by="eve")),
        lambda w, given: told(w, given) and w.registry.run(SECOND).started_by == "eve",
    ),
    "registry.Registry.create_version": (
        TRANSACTION,
        lambda w: w.version("churn", DECIDED),
        lambda w, given: (given, w.registry.version_of_run("churn", DECIDED)) == (5, 4),
    ),
    "registry.Registry.move_alias": (TRANSACTION, their_champion, AliasConflict),
    "registry.Registry.rollback": (
        TRANSACTION,
        lambda w: w.registry.move_alias("churn", "champion", 3, 2, "eve", "x", AT),
        AliasConflict,
    ),
    "registry.Registry.decide_approval": (TRANSACTION, their_refusal, ApprovalConflict),
    "registry.Registry.open_review": (PUT, lambda w: w.registry.open_review(CAPTURE), told),
    "release_records.ReleaseRecords.set_freeze": (
        TRANSACTION,
        lambda w: w.releases.set_freeze("churn", True, "eve", "mine", AT),
        lambda w, given: (given.by, given.revision) == ("eve", 1),
    ),
    "release_records.ReleaseRecords.begin_rollout": (TRANSACTION, their_rollout, RolloutConflict),
    "release_records.ReleaseRecords.swap_rollout": (
        TRANSACTION,
        lambda w: w.releases.swap_rollout(LET_IN),
        lambda w, given: told(w, given) and w.releases.rollout(STEPPED.id) == LET_IN,
    ),
    "release_records.ReleaseRecords.clear_rollout": (
        PUT,
        next_rollout,
        lambda w, given: w.releases.current_rollout("houses").id == "0" * 32,  # type: ignore[union-attr]
    ),
    "release_records.ReleaseRecords.add_vote": (
        TRANSACTION,
        lambda w: w.releases.add_vote(WAITING, "churn", 3, dataclasses.replace(VOTE, decision="reject")),
        lambda w, given: told(w, given) and [one.decision for one in w.releases.votes(WAITING)] == ["reject"],
    ),
    "traffic_records.TrafficRecords.set_traffic": (TRANSACTION, their_traffic, TrafficConflict),
    "traffic_records.spread": (TRANSACTION, their_traffic, TrafficConflict),
    "promotion.Releases.promote: step by step": (TRANSACTION, their_rollout, RolloutConflict),
    "promotion.Releases.promote: at once": (TRANSACTION, their_champion, AliasConflict),
    "promotion.Releases.rollback: a rollout": (
        TRANSACTION,
        lambda w: w.promotion.move(LET_IN, None, AT),
        lambda w, given: given == Rollback("houses", 2, 1, None) and w.registry.alias("houses", "champion") == 1,
    ),
    "promotion.Releases.rollback: a champion": (
        TRANSACTION,
        lambda w: w.registry.move_alias("churn", "champion", 3, 2, "eve", "x", AT),
        AliasConflict,
    ),
    "promotion.Releases.move": (
        TRANSACTION,
        lambda w: w.promotion.give_up(STEPPED.id, "it broke", LATER),
        lambda w, given: given.state == "ROLLED_BACK" and w.traffic.traffic("houses").shares == (),  # type: ignore[union-attr]
    ),
    "conclusion.Conclusion.close_approval": (
        TRANSACTION,
        lambda w: w.registry.decide_approval(WAITING, "APPROVED", "eve", "good", AT),
        lambda w, given: w.registry.approval(WAITING).state == "APPROVED",
    ),
    "approvals.approve: first": (
        TRANSACTION,
        lambda w: approvals.reject(w.registry, w.releases, w.executions, WAITING, Person("eve"), "bad", AT),
        ApprovalConflict,
    ),
    "approvals.reject": (
        TRANSACTION,
        lambda w: approvals.approve(w.registry, w.releases, w.executions, WAITING, Person("eve"), "good", AT),
        ApprovalConflict,
    ),
    "links.UsedLinks.once": (PUT, use_link, ApprovalConflict),
    "monitoring_records.MonitoringRecords.put_decision": (PUT, lambda w: w.monitoring.put_decision(OTHER), told),
    "monitoring_records.MonitoringRecords.claim_decision: new": (
        PUT,
        lambda w: w.monitoring.put_decision(OTHER),
        told,
    ),
    "monitoring_records.MonitoringRecords.claim_decision: again": (
        TRANSACTION,
        lambda w: w.monitoring.amend_decision(dataclasses.replace(AMENDED, reason="theirs")),
        lambda w, given: told(w, given) and w.monitoring.decisions("churn")[0].reason == "theirs",
    ),
    "monitoring_records.MonitoringRecords.swap_watch_state: first": (
        TRANSACTION,
        lambda w: w.monitoring.swap_watch_state(WatchState("houses", LATER), None),
        told,
    ),
    "monitoring_records.MonitoringRecords.swap_watch_state: next": (
        TRANSACTION,
        lambda w: w.monitoring.swap_watch_state(WatchState("churn", LATER, hour=HOUR, revision=2), 1),
        lambda w, given: told(w, given) and w.monitoring.watch_state("churn").hour == HOUR,  # type: ignore[union-attr]
    ),
    "watching.Watching.due": (
        TRANSACTION,
        lambda w: w.watching.asked_for("churn", LATER),
        lambda w, given: [due.model for due in given] == ["houses"],
    ),
    "actions.Actions.act: alert": (PUT, lambda w: w.act("alert"), lambda w, given: given is None),
    "retraining_records.RetrainingRecords.begin": (
        TRANSACTION,
        lambda w: w.retrainings.begin(dataclasses.replace(ANEW, id="0" * 32), w.registry, lambda past: None),
        lambda w, given: given is None and len(w.retrainings.retrainings("churn")) == 3,
    ),
    "retraining_records.RetrainingRecords.amend": (
        TRANSACTION,
        lambda w: w.retrainings.claim_run("churn", RETRAINING.id, THIRD),
        lambda w, given: w.retrainings.retraining("churn", RETRAINING.id).run_id == THIRD,
    ),
    "retraining_records.RetrainingRecords.fail": (
        TRANSACTION,
        lambda w: w.retrainings.claim_run("churn", RETRAINING.id, THIRD),
        lambda w, given: w.retrainings.retraining("churn", RETRAINING.id).problem == "",
    ),
    "retraining_records.RetrainingRecords.claim_run": (
        TRANSACTION,
        lambda w: w.retrainings.claim_run("churn", RETRAINING.id, THIRD),
        lambda w, given: given is None and w.retrainings.retraining("churn", RETRAINING.id).run_id == THIRD,
    ),
}
#: How many requests of the same kind come before the one that is second.
PLACES = {
    "datasets.accept": 3,
    "registry.Registry.start_run": 1,
    "approvals.approve: first": 1,
}
#: Conditions that no other writer can break.
ALONE = {"registry.Registry.set_status": "the run has to be there, and nobody takes runs away"}


def test_of_two_writers_the_second_one_loses_and_says_so(
    world: World, faults: Faults, subtests: pytest.Subtests
) -> None:
    account = Account()
    for name, (operation, others, becomes) in CONFLICTS.items():
        account.put_back()
        faults.reset()
        faults.meanwhile(operation, functools.partial(others, world), after=PLACES.get(name, 0))
        with subtests.test(name):
            if isinstance(becomes, type):
                with pytest.raises(becomes):
                    CASES[name](world)
            else:
                assert becomes(world, CASES[name](world))


def test_every_writer_under_a_condition_has_a_case(world: World, faults: Faults) -> None:
    """The writers are found on the stack of each conditional request that the cases of `adapters.py` make."""
    account, found = Account(), set[str]()
    for call in CASES.values():
        if has_written(faults):
            account.put_back()
        faults.reset()
        for operation in (TRANSACTION, PUT, UPDATE, OBJECT):
            for _ in range(4):
                faults.meanwhile(operation, lambda: found.add(writer()) if conditional(faults) else None)
        call(world)
    assert found - ALONE.keys() == {of(name) for name in CONFLICTS} & found
    assert not ALONE.keys() & {of(name) for name in CONFLICTS}


def conditional(faults: Faults) -> bool:
    """Whether the newest request writes under a condition."""
    operation, request = faults.requests[-1]
    return (
        "If-None-Match" in request.headers if operation == OBJECT else b"ConditionExpression" in (request.body or b"")
    )


def writer() -> str:
    """The innermost public function or method of `aws/` that is running."""
    names, folder = public(), str(Path(aws.__path__[0]))
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        name = f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_qualname}"
        if frame.f_code.co_filename.startswith(folder) and name in names:
            return name
    raise AssertionError("the request comes from nowhere")
