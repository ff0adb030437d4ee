"""`tidemill demo`: what is there is used, what is not is made."""

import json
import re

import pytest
import urllib3

from tidemill import keys
from tidemill.contracts import InputField, Signature, Source, to_json
from tidemill_cli import churn_generator
from tidemill_cli.prediction_api import PredictionApi
from tidemill_cli.verbs import demo, up

DATA, ARTIFACTS = "tidemill-data", "tidemill-artifacts"
KEY = "incoming/churn/churn.csv"
RUN = "5d" * 16


class Http:
    """Answers every row with the same probabilities."""

    def __init__(self):
        self.sent = []

    def request(self, method, url, body=None, headers=None):
        answered = {"x-tidemill-version": "1", "x-tidemill-prediction-id": "id-1"}
        if method == "GET":
            inputs = tuple(InputField(name, "text") for name in demo.CUSTOMER)
            learned = to_json(Signature("churn", "binary", "Churn", inputs, ("No", "Yes"), "Yes")) | {"version": 1}
            document = {"metadata": {"tidemill": learned}}
        else:
            self.sent += json.loads(body)["instances"]
            document = {"predictions": [{"label": "Yes", "probabilities": [0.25, 0.75]}] * 2}
        return urllib3.HTTPResponse(json.dumps(document).encode(), answered, 200, preload_content=True)


@pytest.fixture
def http(world):
    made = Http()
    world.api = PredictionApi("http://api.test/api", "secret-key", made)
    return made


@pytest.fixture(autouse=True)
def started(monkeypatch):
    """The sessions that a local stack was brought up for."""
    sessions = []
    monkeypatch.setattr(up, "start", sessions.append)
    return sessions


def live(world, a_document, table):
    """A model of this table is in service."""
    world.objects.put(DATA, KEY, table)
    world.conclude(a_document(RUN))
    world.register(1, RUN, Source(DATA, KEY, "1", "e", len(table)))
    world.objects.put(ARTIFACTS, keys.run_report(RUN), b"<html>")


def test_trains_when_nothing_is_there(world, http, a_document, trained, monkeypatch):
    uploads = []
    upload = world.objects.upload

    def uploaded(path, bucket, key, content_type=None):
        upload(path, bucket, key)
        head = world.objects.head(bucket, key)
        run_id = keys.run_id(bucket, key, head.version_id, head.etag)
        uploads.append(run_id)
        world.conclude(a_document(run_id))
        world.objects.put(ARTIFACTS, keys.run_report(run_id), b"<html>")

    monkeypatch.setattr(world.objects, "upload", uploaded)
    world.executions.looks = [(trained, ("SUCCEEDED",))]
    code, out, _ = world.tidemill("demo")
    assert code == 0
    assert world.objects.get(DATA, KEY) == churn_generator.customers()
    assert json.loads(world.objects.get(ARTIFACTS, keys.project_spec("churn"))) == {"target": "Churn"}
    assert len(uploads) == 1
    assert f"{uploads[0]}.html" in out


def test_uses_the_model_of_the_same_table_again(world, http, a_document):
    live(world, a_document, churn_generator.customers())
    code, out, _ = world.tidemill("demo")
    assert code == 0
    assert "live already" in out
    assert not world.executions.asked
    assert len(world.objects.stored[DATA, KEY]) == 1


def test_trains_again_when_the_model_is_of_another_table(world, http, a_document):
    live(world, a_document, b"another,table\n")
    world.executions.looks = [KeyboardInterrupt()]
    assert world.tidemill("demo")[0] == 130
    assert len(world.objects.stored[DATA, KEY]) == 2


def test_shows_quality_the_endpoint_a_prediction_and_what_is_next(world, http, a_document):
    live(world, a_document, churn_generator.customers())
    _, out, _ = world.tidemill("demo")
    assert "0.8611 to 0.9020" in out
    curl = re.search(r"curl -s (\S+) .*\n.*\n\s+-d '(.*)'", out)
    assert curl[1] == "http://api.test/api/v1/models/churn:predict"
    assert json.loads(curl[2]) == {"instances": [demo.CUSTOMER]}
    assert http.sent == [demo.CUSTOMER, demo.BOUND]
    assert '{"predictions": [{"label": "Yes", "probabilities": [0.25, 0.75]}]}' in out
    assert "secret-key" not in out
    for verb in ("score", "train", "rollback churn", "open", "down"):
        assert f" {verb}" in out


def test_customer_has_the_columns_of_the_table():
    assert set(demo.CUSTOMER) == set(churn_generator.COLUMNS) - {"customer_id", "Churn"}


def test_stack_on_aws_is_used_as_it_is(world, http, a_document, started):
    live(world, a_document, churn_generator.customers())
    code, out, _ = world.tidemill("demo", "--endpoint", "aws")
    assert (code, started) == (0, [])
    assert "http://api.test/api" in out


def test_local_stack_is_brought_up_first(world, http, a_document, started):
    live(world, a_document, churn_generator.customers())
    assert world.tidemill("demo")[0] == 0
    assert len(started) == 1
