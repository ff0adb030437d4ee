"""`tidemill spec`: the schema, checking a file, a project's spec."""

import json

from tidemill import keys, spec


def test_schema_is_the_specs(world):
    code, out, _ = world.tidemill("spec")
    assert code == 0
    assert json.loads(out) == spec.json_schema()


def test_good_file_says_what_it_declares(world, tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text("target: Churn\nfolds: 3\n")
    assert world.tidemill("spec", path)[:2] == (0, f"{path} is a valid spec; it declares target, folds.\n")
    path.write_text("")
    assert "all defaults" in world.tidemill("spec", path)[1]


def test_bad_file_names_the_field(world, tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text("gates:\n  minimum: {roc_auk: 0.8}\n")
    code, out, err = world.tidemill("spec", path)
    assert (code, out) == (1, "")
    assert "roc_auk" in err


def test_projects_spec_is_what_it_declares(world):
    world.objects.put("tidemill-artifacts", keys.project_spec("churn"), b'{"target": "Churn"}')
    code, out, _ = world.tidemill("spec", "--project", "churn")
    assert (code, json.loads(out)) == (0, {"target": "Churn"})
    code, _, err = world.tidemill("spec", "--project", "other")
    assert code == 1
    assert "has no spec" in err


def test_a_file_is_kept_for_a_project_and_who_did_it(world, tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text("approval: {mode: manual}\n")
    code, out, _ = world.tidemill("spec", path, "--project", "churn")
    assert (code, out) == (0, "The spec of churn is new: approval.\n")
    assert json.loads(world.tidemill("spec", "--project", "churn")[1]) == {"approval": {"mode": "manual"}}
    (event,) = world.registry.events
    assert (event.subject, event.action, event.reason) == ("churn", "spec", "the spec of churn is new: approval")
    assert event.actor.startswith("arn:aws:")
    assert "already" in world.tidemill("spec", path, "--project", "churn")[1]
    assert world.registry.events == [event]


def test_a_bad_file_leaves_the_project_as_it_is(world, tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text("monitor: {rules: [{when: [drift], doo: [alert]}]}\n")
    code, _, err = world.tidemill("spec", path, "--project", "churn")
    assert code == 1
    assert "monitor.rules[0].doo" in err
    assert world.tidemill("spec", "--project", "churn")[0] == 1
