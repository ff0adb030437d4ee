"""Looking at models, and deciding about them: versions, lineage, rollback, approval."""

import dataclasses
import json

import pytest

from tidemill import keys
from tidemill.contracts import InputField, Signature

ACTOR = "arn:aws:iam::000000000000:user/ada"
RUN = "3f" * 16


def test_models_with_the_version_in_service(world):
    world.register(1)
    world.register(2)
    code, out, _ = world.tidemill("models")
    assert code == 0
    assert out.splitlines()[1].split()[:4] == ["churn", "binary", "version", "2"]
    (listed,) = json.loads(world.tidemill("models", "--json")[1])
    assert (listed["name"], listed["champion"]["version"], listed["versions"]) == ("churn", 2, 2)


def test_models_shows_the_task_that_the_quality_belongs_to(world):
    world.register(1)
    world.register(2)
    versions = world.registry.version_records["churn"]
    versions[1] = dataclasses.replace(versions[1], task="regression", metric="rmse")
    world.registry.alias_of["churn"]["champion"] = 1
    _, out, _ = world.tidemill("models")
    assert out.splitlines()[1].split()[:5] == ["churn", "binary", "version", "1", "roc_auc"]


def test_model_of_which_nothing_is_in_service(world):
    world.register(1)
    world.registry.alias_of.clear()
    assert "none" in world.tidemill("models")[1]


def test_no_models_says_how_to_make_one(world):
    code, out, err = world.tidemill("models")
    assert (code, out) == (0, "")
    assert "tidemill train" in err


def test_model_shows_versions_lineage_and_who_did_what(world):
    world.register(1)
    world.register(2)
    code, out, _ = world.tidemill("model", "churn")
    assert code == 0
    for part in ("champion", "boosting (max_iter=100), seed 0", "scikit-learn 1.9.1", "deploy", ACTOR, "gates passed"):
        assert part in out
    inputs = [line.split() for line in out.splitlines() if line.split()[:1] in (["tenure"], ["contract"])]
    assert inputs[0] == ["tenure", "integer", "0", "to", "72", "24"]
    assert " ".join(inputs[1]) == 'contract category may be missing a, b, c, d, e and 2 more "a"'
    made = json.loads(world.tidemill("model", "churn", "--version", "1", "--json")[1])
    assert made["aliases"] == {"champion": 2}
    assert [version["version"] for version in made["versions"]] == [2, 1]
    assert made["lineage"]["version"] == 1
    assert made["lineage"]["of"]["candidate"] == "boosting"
    assert made["signature"]["target"] == "Churn"
    assert made["audit"][0]["action"] == "deploy"


def test_brackets_in_a_reason_are_text(world):
    world.register(1)
    world.register(2)
    world.tidemill("rollback", "churn", "--reason", "see [red]ticket[/red] 7")
    assert "see [red]ticket[/red] 7" in world.tidemill("model", "churn")[1]


@pytest.mark.parametrize(
    ("arguments", "sentence"), [(("other",), "no model 'other'"), (("churn", "--version", "9"), "no version 9")]
)
def test_model_that_is_not_there(world, arguments, sentence):
    world.register(1)
    code, out, err = world.tidemill("model", *arguments)
    assert (code, out) == (1, "")
    assert sentence in err


def test_rollback_is_done_in_the_callers_name(world):
    world.register(1)
    world.register(2)
    code, out, _ = world.tidemill("rollback", "churn", "--reason", "too many false alarms")
    assert (code, out) == (0, "churn: version 1 is in service again, version 2 is not.\n")
    event = world.registry.events[-1]
    assert (event.action, event.actor, event.reason) == ("rollback", ACTOR, "too many false alarms")


def test_rollback_as_json(world):
    world.register(1)
    world.register(2)
    _, out, _ = world.tidemill("rollback", "churn", "--json")
    assert json.loads(out) == {"model": "churn", "alias": "champion", "before": 2, "now": 1, "rollout": None}


def test_what_waits_is_listed_without_its_token(world):
    world.wait_for_person(RUN)
    code, out, _ = world.tidemill("approve")
    assert code == 0
    assert RUN[:8] in out
    listed = world.tidemill("approve", "--json")[1]
    assert json.loads(listed)[0]["run_id"] == RUN
    assert "the-token" not in out + listed


def test_nothing_waits(world):
    code, out, err = world.tidemill("approve")
    assert (code, out, err) == (0, "", "Nothing waits for a decision.\n")


def test_approve_records_the_decision_and_tells_the_run(world):
    world.wait_for_person(RUN)
    code, out, err = world.tidemill("approve", RUN[:6], "--reason", "agreed")
    assert code == 0
    assert "Version 2 of churn is approved" in out
    assert f"tidemill run {RUN[:8]} --follow" in err
    approval = world.registry.approval(RUN)
    assert (approval.state, approval.by, approval.reason) == ("APPROVED", ACTOR, "agreed")
    assert world.executions.answers == [("succeed", "the-token", {"approved_by": ACTOR})]


def test_reject_needs_a_reason_and_fails_the_task_by_name(world):
    world.wait_for_person(RUN)
    assert world.tidemill("reject", RUN)[0] == 1
    assert not world.executions.answers
    code, out, _ = world.tidemill("reject", RUN, "--reason", "no customers from the south", "--json")
    assert code == 0
    assert json.loads(out)["state"] == "REJECTED"
    assert "the-token" not in out
    ((kind, token, error, cause),) = world.executions.answers
    assert (kind, token, error) == ("fail", "the-token", "ApprovalRejected")
    assert "no customers from the south" in cause


def test_run_that_waits_for_nobody_cannot_be_approved(world, a_document):
    world.conclude(a_document(RUN))
    code, _, err = world.tidemill("approve", RUN)
    assert code == 1
    assert "has not asked for an approval" in err


def test_a_typical_value_is_shown_in_its_own_letters(world):
    world.register(1)
    place = ("tidemill-artifacts", keys.model("churn", 1, "signature.json"))
    world.objects.put_contract(*place, Signature("churn", "regression", "y", (InputField("a", "text", example="Süd"),)))
    _, out, _ = world.tidemill("model", "churn")
    assert '"Süd"' in out
