"""`tidemill train`: the upload, the run's id, what is shown, and the exit codes."""

import hashlib
import json
import os

import pytest

from tidemill import keys
from tidemill.aws.executions import Step
from tidemill.contracts import Check, RunDocument, from_json
from tidemill.errors import StorageError
from tidemill_cli import follow

DATA, ARTIFACTS = "tidemill-data", "tidemill-artifacts"


def stored_spec(world):
    return json.loads(world.objects.get(ARTIFACTS, keys.project_spec("churn")))


def test_uploads_and_follows_the_run_that_intake_will_start(world, table):
    run_id = world.train_will_end(table)
    code, _, err = world.tidemill("train", table, "--project", "churn")
    assert code == 0
    assert world.objects.get(DATA, "incoming/churn/churn.csv") == table.read_bytes()
    etag = hashlib.sha256(table.read_bytes()).hexdigest()[:32]
    assert run_id == keys.run_id(DATA, "incoming/churn/churn.csv", "1", etag)
    assert set(world.executions.asked) == {
        f"arn:aws:states:us-east-1:000000000000:execution:tidemill-training:{run_id}"
    }
    assert run_id in err


def test_shows_leaderboard_quality_checks_gates_and_places(world, table):
    world.train_will_end(table)
    _, out, _ = world.tidemill("train", table, "--project", "churn")
    lines = out.splitlines()
    ranked = [line.split()[1] for line in lines if line.split()[:1] in (["1"], ["2"], ["3"])]
    assert ranked == ["boosting", "baseline", "linear"]
    assert "did not converge" in out
    assert "0.8832" in out
    assert "0.8611 to 0.9020" in out
    assert "customer_id has another value in each row" in out
    assert "1 check passed" in out
    assert "better than the baseline" in out
    assert "http://api.test/api/v1/models/churn:predict" in out
    assert "report.html" in out
    assert "$0.0021" in out


def test_says_how_far_to_trust_the_model(world, table):
    world.train_will_end(table)
    _, out, _ = world.tidemill("train", table, "--project", "churn")
    shown = " ".join(out.split())
    assert "prediction sets held the truth for 90.3% of 90% promised" in shown
    assert "worse where contract a and tenure under 9: roc_auc 0.7100 (0.6600 to 0.7600), 120 rows" in shown
    assert "sex F" not in shown


def test_progress_in_a_pipe_is_one_line_for_each_stage_that_has_ended(world, table):
    world.train_will_end(table)
    _, _, err = world.tidemill("train", table, "--project", "churn")
    stages = [line.split()[0] for line in err.splitlines() if " done" in line]
    assert stages == ["validate", "prepare", "train", "refit", "evaluate", "register", "deploy", "conclude"]
    assert "train     done · 3 of 3 · 6.0 s" in err


def test_json_prints_the_whole_document_and_nothing_else(world, table):
    run_id = world.train_will_end(table)
    code, out, err = world.tidemill("train", table, "--project", "churn", "--json")
    assert code == 0
    made = from_json(RunDocument, json.loads(out))
    assert made == world.objects.get_contract(RunDocument, ARTIFACTS, keys.run_document(run_id))
    assert "validate" in err


@pytest.mark.parametrize(("status", "expected"), [("REFUSED_DATA", 2), ("REFUSED_BY_GATE", 3), ("FAILED", 1)])
def test_exit_code_and_sentence_when_no_model_is_live(world, table, status, expected):
    world.train_will_end(
        table, status, reason="the target is missing: name it by --target", stage="validate", model=None
    )
    code, out, err = world.tidemill("train", table, "--project", "churn", "--json")
    assert code == expected
    assert json.loads(out)["status"] == status
    assert err.splitlines()[-1] == f"{status} at validate: the target is missing: name it by --target"


def test_target_is_merged_into_the_projects_spec_and_said(world, table):
    world.objects.put(ARTIFACTS, keys.project_spec("churn"), b'{"folds": 3}')
    world.train_will_end(table)
    _, _, err = world.tidemill("train", table, "--project", "churn", "--target", "Churn")
    assert stored_spec(world) == {"folds": 3, "target": "Churn"}
    assert "the spec of churn now says target: Churn" in err
    assert "folds" in err


def test_spec_file_replaces_the_projects_spec(world, table, tmp_path):
    world.objects.put(ARTIFACTS, keys.project_spec("churn"), b'{"folds": 3}')
    spec = tmp_path / "spec.yaml"
    spec.write_text("target: Churn\ngates:\n  minimum: {roc_auc: 0.8}\n")
    world.train_will_end(table)
    world.tidemill("train", table, "--project", "churn", "--spec", spec)
    assert stored_spec(world) == {"target": "Churn", "gates": {"minimum": {"roc_auc": 0.8}}}


def test_without_spec_and_target_no_spec_is_written(world, table):
    world.train_will_end(table)
    world.tidemill("train", table, "--project", "churn")
    assert (ARTIFACTS, keys.project_spec("churn")) not in world.objects.stored


@pytest.mark.parametrize("status", ["REFUSED_DATA", "FAILED"])
@pytest.mark.parametrize("before", [b'{"folds": 3, "target": "Churn"}', None])
def test_a_run_that_came_to_nothing_leaves_the_spec_as_it_was(world, table, status, before):
    if before:
        world.objects.put(ARTIFACTS, keys.project_spec("churn"), before)
    world.train_will_end(table, status, reason="no such column", stage="validate", model=None)
    _, _, err = world.tidemill("train", table, "--project", "churn", "--target", "Chrun")
    assert any(line.startswith("the spec of churn is taken back") for line in err.splitlines())
    assert "no such column" in err.splitlines()[-1]
    if before:
        assert stored_spec(world) == json.loads(before)
    else:
        assert (ARTIFACTS, keys.project_spec("churn")) not in world.objects.stored


def test_a_spec_that_another_kept_meanwhile_is_left(world, table):
    world.train_will_end(table, "FAILED", reason="x", model=None)
    later = (Step("Validate", follow.datetime.now(follow.UTC), state="running"),)

    class Looks(list):
        """What the execution does; another spec is kept when it is first looked at."""

        def pop(self, place):
            world.objects.put(ARTIFACTS, keys.project_spec("churn"), b'{"folds": 4}')
            return super().pop(place)

    world.executions.looks = Looks([(later, ("RUNNING",)), (later, ("SUCCEEDED",))])
    _, _, err = world.tidemill("train", table, "--project", "churn", "--target", "Chrun")
    assert stored_spec(world) == {"folds": 4}
    assert "taken back" not in err


def test_a_gates_refusal_keeps_the_spec(world, table):
    world.train_will_end(table, "REFUSED_BY_GATE", reason="x", model=None)
    world.tidemill("train", table, "--project", "churn", "--target", "Churn")
    assert stored_spec(world) == {"target": "Churn"}


def test_what_became_of_personal_data_is_said(world, table):
    masked = Check("personal_data", "email", "pass", "'email' holds e-mail addresses: each value was replaced")
    world.train_will_end(table, checks=(masked, Check("duplicate_rows", None, "pass", "no row is there twice")))
    _, out, _ = world.tidemill("train", table, "--project", "churn")
    assert "✓ 'email' holds e-mail addresses: each value was replaced (personal_data)" in out
    assert "✓ 1 check passed" in out


def test_checks_that_passed_beside_a_refusal_are_the_other_ones(world, table):
    checks = (Check("target", None, "refuse", "there is no target"), Check("rows", None, "pass", "there are enough"))
    world.train_will_end(table, "REFUSED_DATA", reason="there is no target", model=None, checks=checks)
    _, out, _ = world.tidemill("train", table, "--project", "churn")
    assert "✓ 1 other check passed" in out


def test_lines_in_a_pipe_end_without_blanks(world, table):
    world.train_will_end(table)
    _, out, _ = world.tidemill("train", table, "--project", "churn")
    assert [line for line in out.splitlines() if line != line.rstrip()] == []


def test_same_target_again_writes_nothing(world, table):
    for _ in range(2):
        world.train_will_end(table)
        world.tidemill("train", table, "--project", "churn", "--target", "Churn")
    assert len(world.objects.stored[ARTIFACTS, keys.project_spec("churn")]) == 1


def test_wrong_spec_is_refused_before_anything_is_uploaded(world, table, tmp_path):
    spec = tmp_path / "spec.yaml"
    spec.write_text("fold: 3\n")
    code, out, err = world.tidemill("train", table, "--project", "churn", "--spec", spec, "--json")
    assert code == 1
    assert "did you mean folds?" in err
    assert str(spec) in err
    assert not world.objects.stored
    assert json.loads(out)["status"] == "FAILED"


@pytest.mark.parametrize(("name", "text"), [("spec.json", "{"), ("spec.yaml", "a: [")])
def test_spec_that_is_no_yaml_or_json_is_named(world, table, tmp_path, name, text):
    spec = tmp_path / name
    spec.write_text(text)
    code, _, err = world.tidemill("train", table, "--project", "churn", "--spec", spec)
    assert code == 1
    assert f"{spec} cannot be read" in err
    assert len(err.splitlines()) == 1


def test_wrong_project_name_is_refused_before_anything_is_uploaded(world, table):
    code, _, err = world.tidemill("train", table, "--project", "My Project")
    assert code == 1
    assert "project name 'My Project'" in err
    assert not world.objects.stored


def test_run_that_never_begins_says_where_to_look(world, table, monkeypatch):
    monkeypatch.setattr(follow, "START_SECONDS", 0.0)
    world.executions.looks = [None]
    code, out, err = world.tidemill("train", table, "--project", "churn", "--json")
    assert code == 1
    assert "tidemill logs --stage intake" in err
    assert json.loads(out)["status"] == "FAILED"
    assert "no run began" in json.loads(out)["reason"]


def test_execution_that_ends_unconcluded_is_an_error_with_its_cause(world, table):
    run_id = world.train_will_end(table)
    world.registry.run_records[run_id] = _running(world.registry.run_records[run_id])
    world.executions.looks = [([], ("FAILED", "States.Runtime", "no such function"))]
    code, _, err = world.tidemill("train", table, "--project", "churn")
    assert code == 1
    assert "States.Runtime: no such function" in err
    assert f"tidemill logs {run_id[:8]}" in err


def test_manual_approval_stops_the_following_and_says_how_to_approve(world, table, a_step):
    run_id = world.train_will_end(table)
    world.wait_for_person(run_id)
    waiting = [a_step("Register"), a_step("Approve", None, state="running", after=1, waits=True)]
    world.executions.looks = [(waiting, ("RUNNING",))]
    code, out, err = world.tidemill("train", table, "--project", "churn", "--json")
    assert code == 1
    made = json.loads(out)
    assert (made["status"], made["model"]["version"]) == ("WAITING_FOR_APPROVAL", 2)
    assert made["holdout"]["roc_auc"]["value"] == 0.8832
    assert err.splitlines()[-1].startswith("WAITING_FOR_APPROVAL")
    assert f"tidemill approve {run_id[:8]}" in err


def test_person_is_waited_for_only_when_asked(world, table, a_step, trained):
    run_id = world.train_will_end(table)
    concluded = world.registry.run_records[run_id]
    world.registry.run_records[run_id] = _running(concluded)
    waiting = [a_step("Register"), a_step("Approve", None, state="running", after=1, waits=True)]

    class Concludes:
        """The last look: the run has ended meanwhile."""

        def __iter__(self):
            world.registry.run_records[run_id] = concluded
            return iter((trained, ("SUCCEEDED",)))

    world.executions.looks = [(waiting, ("RUNNING",)), Concludes()]
    code, out, _ = world.tidemill("train", table, "--project", "churn", "--json")
    assert (code, json.loads(out)["status"]) == (0, "LIVE")


def test_ctrl_c_leaves_the_run_alone_and_says_how_to_come_back(world, table):
    run_id = world.train_will_end(table)
    world.executions.looks = [KeyboardInterrupt()]
    code, out, err = world.tidemill("train", table, "--project", "churn")
    assert (code, out) == (130, "")
    assert f"tidemill run {run_id[:8]} --follow" in err


def test_ctrl_c_with_json_prints_what_is_known_of_the_run(world, table):
    run_id = world.train_will_end(table)
    world.executions.looks = [KeyboardInterrupt()]
    code, out, _ = world.tidemill("train", table, "--project", "churn", "--json")
    made = json.loads(out)
    assert (code, made["run_id"], made["status"]) == (130, run_id, "RUNNING")


def test_no_follow_only_uploads(world, table):
    run_id = world.train_will_end(table)
    code, out, _ = world.tidemill("train", table, "--project", "churn", "--no-follow", "--json")
    assert code == 0
    assert (json.loads(out)["run_id"], json.loads(out)["status"]) == (run_id, "RUNNING")
    assert not world.executions.asked


def test_trouble_while_following_is_one_sentence(world, table):
    world.train_will_end(table)
    world.executions.looks = [StorageError("could not read execution x: Throttled")]
    code, out, err = world.tidemill("train", table, "--project", "churn", "--json")
    assert code == 1
    assert err.splitlines()[-1] == "Error: could not read execution x: Throttled"
    assert json.loads(out)["reason"] == "could not read execution x: Throttled"


def test_missing_file_is_named(world, tmp_path):
    code, _, err = world.tidemill("train", tmp_path / "nowhere.csv", "--project", "churn")
    assert code == 1
    assert "nowhere.csv" in err


@pytest.mark.parametrize(
    "arguments",
    [("train", "--project", "churn"), ("score", "--model", "churn"), ("actuals", "--model", "churn")],
)
def test_a_pipe_is_refused_before_anything_is_uploaded(world, tmp_path, arguments):
    verb, *options = arguments
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    code, _, err = world.tidemill(verb, pipe, *options)
    assert code == 1
    assert "is a pipe or a device, and a file is needed" in err
    assert not world.objects.stored


def _running(record):
    from dataclasses import replace

    return replace(record, status="RUNNING", document=None)
