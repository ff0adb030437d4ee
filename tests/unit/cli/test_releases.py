"""Releasing by the command: votes, promotions, rollouts, freezes."""

import dataclasses
import json

import pytest

from tidemill import keys
from tidemill.aws.release_records import ApprovalTerms
from tidemill.release_contracts import Rollout, RolloutPlan, Signal, Vote

ACTOR = "arn:aws:iam::000000000000:user/ada"
RUN = "3f" * 16
AT = "2026-11-24T09:00:00Z"
ROLLOUT = Rollout(
    id="b" * 32,
    model="churn",
    version=2,
    champion=1,
    run_id=RUN,
    plan=RolloutPlan((0.1, 1.0), 3600),
    state="BAKING",
    step=0,
    waits=0,
    step_started_at=AT,
    started_at=AT,
    by="bob",
    reason="better",
    signals=(Signal("requests", "wait", "it has answered 3 calls in this step: 100 are asked for"),),
    history=(f"{AT}: version 2 answers 0.1 of the calls",),
)


@pytest.fixture
def asked(world):
    """A release that two people must approve; the caller has not started it."""
    world.wait_for_person(RUN)
    world.releases.records.terms_of[RUN] = ApprovalTerms(
        RUN, "AWS:AIDABOB", 2, (), "token-2", AT, "2999-01-01T00:00:00Z", times=2
    )
    return world


# --- votes ---------------------------------------------------------------------------------------


def test_the_first_of_two_approvals_lets_nothing_go_on(asked):
    code, out, _ = asked.tidemill("approve", RUN)
    assert (code, out) == (0, "Your approval of version 2 of churn is recorded: 1 more person must approve.\n")
    assert (asked.registry.approval(RUN).state, asked.executions.answers) == ("PENDING", [])


def test_the_last_approval_answers_the_newest_token(asked):
    asked.releases.records.votes_of[RUN] = (Vote("eve", "approve", AT, "", "api"),)
    code, out, _ = asked.tidemill("approve", RUN, "--reason", "agreed", "--json")
    made = json.loads(out)
    assert (code, made["state"], made["missing"], [vote["person"] for vote in made["votes"]]) == (
        0,
        "APPROVED",
        0,
        ["eve", ACTOR],
    )
    assert asked.executions.answers == [("succeed", "token-2", {"approved_by": ACTOR})]
    assert "token" not in made


def test_how_many_are_missing_and_until_when_is_listed(asked):
    asked.releases.records.votes_of[RUN] = (Vote("eve", "approve", AT, "", "api"),)
    listed = asked.tidemill("approve")[1]
    assert "1 of 2" in listed
    assert f"Approve version 2 of churn with: tidemill approve {RUN[:8]}\n" in asked.tidemill("approve")[2]
    assert "2999-01-01" in listed
    assert json.loads(asked.tidemill("approve", "--json")[1])[0]["needed"] == 2


@pytest.mark.parametrize("started_by", [ACTOR, "AWS:AIDAADA"])
def test_nobody_decides_about_a_run_of_their_own(asked, started_by):
    terms = asked.releases.records.terms_of
    terms[RUN] = dataclasses.replace(terms[RUN], started_by=started_by)
    for arguments in (("approve", RUN), ("reject", RUN, "--reason", "no")):
        code, _, err = asked.tidemill(*arguments)
        assert code == 1
        assert "started the run" in err
    assert asked.executions.answers == []


@pytest.mark.parametrize(
    ("state", "arguments", "said"),
    [
        ("APPROVED", ("approve", RUN), "was approved by bob at"),
        ("REJECTED", ("reject", RUN, "--reason", "no"), "was refused by bob at"),
    ],
)
def test_a_decision_that_the_run_does_not_know_is_listed_and_handed_on(asked, state, arguments, said):
    records = asked.registry.approval_records
    records[RUN] = dataclasses.replace(records[RUN], state=state, by="bob", at=AT, handed_on=False)
    assert f"{state}, and the run does not know" in asked.tidemill("approve")[1]
    assert json.loads(asked.tidemill("approve", "--json")[1])[0]["handed_on"] is False
    code, out, _ = asked.tidemill(*arguments)
    assert (code, said in out, "told once more" in out, len(asked.executions.answers)) == (0, True, True, 1)
    assert "Nothing waits" in asked.tidemill("approve")[2]


# --- promotions ----------------------------------------------------------------------------------


def test_promote_puts_a_version_in_service_in_the_callers_name(world):
    world.register(1)
    code, out, _ = world.tidemill("promote", "churn", "--version", "2", "--reason", "better")
    assert (code, out) == (0, "churn: version 2 is in service now, version 1 is not.\n")
    assert world.releases.promoted == [(2, "all_at_once", False, ACTOR, "better")]


@pytest.mark.parametrize(
    ("options", "strategy", "shadow"),
    [((), "linear", True), (("--strategy", "canary"), "canary", True)],
)
def test_promote_does_it_as_the_spec_says_unless_told_otherwise(world, options, strategy, shadow):
    world.register(1)
    declared = {"rollout": {"strategy": "linear", "shadow_minutes": 5}}
    world.objects.put("tidemill-artifacts", keys.project_spec("churn"), json.dumps(declared).encode())
    code, out, err = world.tidemill("promote", "churn", "--version", "2", *options)
    assert (code, out) == (0, "churn: version 2 is being let in step by step.\n")
    assert "tidemill promote churn" in err
    assert world.releases.promoted[0][1:3] == (strategy, shadow)


def test_promote_as_json(world):
    world.register(1)
    made = json.loads(world.tidemill("promote", "churn", "--version", "2", "--json")[1])
    assert made == {"model": "churn", "version": 2, "before": 1, "rollout": None}


def test_promote_without_a_version_shows_the_rollout(world):
    world.register(1)
    world.releases.records.rollout = ROLLOUT
    code, out, _ = world.tidemill("promote", "churn")
    assert code == 0
    for said in ("BAKING", "10% -> 100%", "step 1 of 2", "bob: better", "100 are asked for", "0.1 of the calls"):
        assert said in out
    made = json.loads(world.tidemill("promote", "churn", "--json")[1])
    assert (made["rollout"]["state"], made["freeze"]) == ("BAKING", None)


def test_promote_of_a_model_that_was_never_rolled_out(world):
    world.register(1)
    assert "No version of churn has been let in" in world.tidemill("promote", "churn")[2]
    code, _, err = world.tidemill("promote", "other")
    assert (code, "no model 'other'" in err) == (1, True)


def test_rollback_ends_the_rollout_that_is_under_way(world):
    world.register(1)
    world.releases.records.rollout = ROLLOUT
    code, out, _ = world.tidemill("rollback", "churn", "--reason", "wrong labels")
    assert (code, out) == (0, "churn: version 2 is not let in any more, version 1 answers everything.\n")
    assert json.loads(world.tidemill("rollback", "churn", "--json")[1])["rollout"] == ROLLOUT.id


# --- freezes -------------------------------------------------------------------------------------


def test_freeze_needs_a_reason_and_names_who_did_it(world):
    assert world.tidemill("freeze", "churn")[0] == 1
    assert world.releases.records.frozen is None
    code, out, _ = world.tidemill("freeze", "churn", "--reason", "audit")
    assert code == 0
    assert f"frozen by {ACTOR}" in out
    made = json.loads(world.tidemill("freeze", "churn", "--off", "--json")[1])
    assert (made["frozen"], made["by"]) == (False, ACTOR)
