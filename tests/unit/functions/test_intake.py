"""The intake stage: what an upload becomes."""

import importlib.util
import json
from pathlib import Path

import pytest

from tidemill import keys
from tidemill.aws.training_runs import TrainingRuns
from tidemill.aws.uploads import arrivals
from tidemill.errors import StorageError
from tidemill.settings import IntakeSettings

ROOT = Path(__file__).parents[3]
CONFIG = IntakeSettings("artifacts", "table", "arn:training", "arn:scoring", "arn:features")


@pytest.fixture(scope="module")
def app():
    specification = importlib.util.spec_from_file_location("intake_app", ROOT / "functions" / "intake" / "app.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


class World:
    """A store, a registry and state machines; the machines can be made to fail."""

    def __init__(self):
        self.files = {}
        self.runs = []
        self.training = TrainingRuns("artifacts", self, self, self)
        self.executions = []
        self.machines_answer = True

    def exists(self, bucket, key):
        return (bucket, key) in self.files

    def get(self, bucket, key):
        return self.files[bucket, key]

    def put(self, bucket, key, data):
        self.files[bucket, key] = data

    def claimed(self, run):
        return run

    def start_run(self, run):
        self.runs.append(run)

    def start(self, machine, name, value):
        if not self.machines_answer:
            raise StorageError("could not start")
        self.executions.append((machine, name, value))


def arrival(key, event_name="ObjectCreated:Put"):
    event = json.loads((ROOT / "tests" / "events" / "s3_put.json").read_text())
    event["Records"][0]["eventName"] = event_name
    event["Records"][0]["s3"]["object"]["key"] = key
    return list(arrivals(event))


def test_a_training_table_is_recorded_with_its_spec_and_started(app):
    world = World()
    world.files["artifacts", keys.project_spec("churn")] = b'{"target": "Churn"}'
    (one,) = arrival("incoming/churn/a+b.csv")
    app.take_in(one, CONFIG, world, world.training, world)
    ((machine, name, value),) = world.executions
    assert (machine, name) == ("arn:training", one.run_id)
    assert value["run"] == world.runs[0]
    assert value["run"].source.key == "incoming/churn/a b.csv"
    assert world.files["artifacts", keys.run_spec(one.run_id)] == b'{"target": "Churn"}'


def test_a_table_to_score_starts_the_other_machine(app):
    world = World()
    (one,) = arrival("score/churn/a.csv")
    app.take_in(one, CONFIG, world, world.training, world)
    ((machine, name, value),) = world.executions
    assert (machine, name, value["run"].model) == ("arn:scoring", one.run_id, "churn")
    assert world.runs == []


def test_a_machine_that_does_not_start_is_an_error_so_that_the_event_comes_again(app):
    world = World()
    world.machines_answer = False
    with pytest.raises(StorageError):
        app.take_in(*arrival("incoming/churn/a.csv"), CONFIG, world, world.training, world)


@pytest.mark.parametrize("key", ["incoming/churn/", "incoming/", "score/churn/folder/"])
def test_a_folder_is_no_upload(key):
    assert arrival(key) == []


@pytest.mark.parametrize("name", ["ObjectRemoved:Delete", "ObjectRemoved:DeleteMarkerCreated", "ObjectRestore:Post"])
def test_only_what_was_created_is_an_upload(name):
    assert arrival("incoming/churn/a.csv", name) == []


@pytest.mark.parametrize(
    "key", ["incoming/a.csv", "other/churn/a.csv", "incoming/Churn/a.csv", "score/ch%C3%BCrn/a.csv"]
)
def test_a_key_without_meaning_says_what_is_accepted(key):
    (one,) = arrival(key)
    assert one.upload is None
    assert "must" in one.problem
