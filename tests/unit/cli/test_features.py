"""`tidemill features`: list, put, show."""

import json

import pytest

from tidemill import keys
from tidemill.aws.registry import FeatureSetRecord
from tidemill.contracts import Ingested, dumps
from tidemill.spec import FeatureSetDeclaration

DATA, ARTIFACTS = "tidemill-data", "tidemill-artifacts"
STORED = Ingested("b", "k", "v2", 12, 3, 5, 4, ("'x': new in the feature set, missing in earlier rows",))
REFUSED = {"run_id": "f" * 32, "status": "REFUSED_DATA", "reason": "the key 'id' has no value in row 2"}
RECORD = FeatureSetRecord("customers", "id", "v2", 12, 3, 5, "a" * 32, "2026-11-24T09:00:00Z", "as_of")
ITEM = {"entity": {"S": "customers#7"}, "at": {"S": '"2026-06-01"'}, "values": {"S": '{"age": 30, "plan": "gold"}'}}


@pytest.fixture
def features(world, a_step, monkeypatch):
    """A world that takes tables in; `declared` and `record` say what there is."""
    steps = [a_step("Ingest"), a_step("Materialize", is_map=True, after=1), a_step("Publish", after=2)]
    world.executions.looks = [
        None,
        (steps[:1], ("RUNNING",)),
        (steps, ("SUCCEEDED", "", "", dumps(STORED).decode())),
    ]
    machine = world.stack.outputs["ScoringStateMachine"].replace("scoring", "features")
    world.stack.outputs |= {"FeaturesStateMachine": machine, "FeaturesTable": "online"}
    world.clients["dynamodb"] = Online()
    records = []
    monkeypatch.setattr(world.registry, "feature_sets", lambda: records, raising=False)
    found = lambda name: next((one for one in records if one.name == name), None)  # noqa: E731
    monkeypatch.setattr(world.registry, "feature_set", found, raising=False)
    world.records = records
    return world


class Online:
    def batch_get_item(self, **asked):
        ((table, wanted),) = asked["RequestItems"].items()
        return {"Responses": {table: [ITEM] if wanted["Keys"] == [{"entity": {"S": "customers#7"}}] else []}}


def declaration(world):
    return world.objects.get_contract(FeatureSetDeclaration, ARTIFACTS, keys.feature_set_declaration("customers"))


def test_put_declares_uploads_and_follows(features, table):
    code, out, err = features.tidemill("features", "put", "customers", table, "--key", "id", "--time", "as_of")
    assert code == 0, err
    assert declaration(features) == FeatureSetDeclaration("id", "as_of")
    assert features.objects.get(DATA, "features/customers/churn.csv") == table.read_bytes()
    assert out == "customers has 12 rows of 5 entities (version v2); 4 changed for predictions\n"
    assert "! 'x': new in the feature set" in err
    assert "ingest" in err
    assert features.executions.asked[0].startswith("arn:aws:states:us-east-1:000000000000:execution:tidemill-features:")


def test_put_needs_no_key_of_a_set_that_is_there(features, table):
    declared = FeatureSetDeclaration("id", "as_of", "drop")
    features.objects.put_contract(ARTIFACTS, keys.feature_set_declaration("customers"), declared)
    code, out, _ = features.tidemill("features", "put", "customers", table, "--json")
    assert (code, json.loads(out)["rows"]) == (0, 12)
    assert declaration(features) == declared


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--key", "other"], "has the key 'id', not 'other'"),
        (["--time", "since"], "has no time, not 'since'"),
    ],
)
def test_key_and_time_of_a_set_do_not_change(features, table, options, words):
    features.objects.put_contract(ARTIFACTS, keys.feature_set_declaration("customers"), FeatureSetDeclaration("id"))
    code, _, err = features.tidemill("features", "put", "customers", table, *options)
    assert code == 1
    assert words in err
    assert (DATA, "features/customers/churn.csv") not in features.objects.stored


def test_a_new_set_needs_a_key(features, table):
    code, _, err = features.tidemill("features", "put", "customers", table)
    assert code == 1
    assert "there is no feature set 'customers' yet: name the column of the entities with --key" in err


def test_a_refused_table_is_told_of(features, table):
    features.executions.looks = [([], ("SUCCEEDED", "", "", json.dumps(REFUSED)))]
    code, out, err = features.tidemill("features", "put", "customers", table, "--key", "id", "--json")
    assert (code, json.loads(out)["status"]) == (2, "REFUSED_DATA")
    assert "the key 'id' has no value in row 2" in err


def test_sets_are_listed(features):
    _, out, err = features.tidemill("features")
    assert (out, "There is no feature set yet" in err) == ("", True)
    features.records.append(RECORD)
    _, out, _ = features.tidemill("features")
    assert all(word in out for word in ("customers", "as_of", "v2", "12"))
    assert json.loads(features.tidemill("features", "--json")[1])[0]["entities"] == 5


def test_an_entity_is_shown(features):
    features.records.append(RECORD)
    _, out, _ = features.tidemill("features", "show", "customers", "7")
    assert [line.split() for line in out.splitlines()] == [
        ["known", "since", "2026-06-01"],
        ["age", "30"],
        ["plan", '"gold"'],
    ]
    assert json.loads(features.tidemill("features", "show", "customers", "7", "--json")[1])["values"]["age"] == 30
    assert "has no entity '8'" in features.tidemill("features", "show", "customers", "8")[2]
    assert "there is no feature set 'nobody'" in features.tidemill("features", "show", "nobody", "8")[2]


def test_options_of_every_verb_are_taken_behind_it(features):
    assert features.tidemill("features", "show", "customers", "7", "--stack-name", "other")[0] == 1
    assert features.tidemill("features", "--stack-name", "other")[0] == 0
