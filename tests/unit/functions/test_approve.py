"""The approve stage: what is kept and what is told."""

import importlib.util
from pathlib import Path

import pytest

from tidemill.aws.registry import VersionRecord
from tidemill.contracts import Registered, Run, Source
from tidemill.errors import NotFound, StorageError

ROOT = Path(__file__).parents[3]
RUN = Run("ab" * 16, "churn", Source("data", "incoming/churn/a.csv", "v", "e", 1), "2026-03-04T05:06:07Z", "ada")
AT = "2026-03-04T06:00:00Z"


@pytest.fixture(scope="module")
def app():
    specification = importlib.util.spec_from_file_location("approve_app", ROOT / "functions" / "approve" / "app.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


class World:
    """A registry with version 3 of model churn, and a topic that may not answer."""

    def __init__(self, topic_answers=True):
        self.approvals = []
        self.statuses = {}
        self.notified = []
        self.topic_answers = topic_answers

    def version(self, model, number):
        if (model, number) != ("churn", 3):
            raise NotFound(f"model {model!r} has no version {number}")
        return VersionRecord("churn", 3, RUN.run_id, "aa", "d1", "binary", "roc_auc", 0.84512, AT, "ada")

    def put_approval(self, *request):
        self.approvals.append(request)

    def set_status(self, run_id, status):
        self.statuses[run_id] = status

    def notify(self, subject, message):
        if not self.topic_answers:
            raise StorageError("could not notify")
        self.notified.append((subject, message))


def test_the_token_is_kept_where_the_answer_finds_it_and_people_are_told(app):
    world = World()
    app.ask(RUN, Registered("churn", 3, 72.0), "token", world, world, AT)
    assert world.approvals == [(RUN.run_id, "churn", 3, "token", AT)]
    assert world.statuses == {RUN.run_id: "WAITING_FOR_APPROVAL"}
    ((subject, message),) = world.notified
    assert "churn version 3" in subject
    assert "roc_auc 0.8451" in message
    assert f"tidemill reject {RUN.run_id} --reason" in message


def test_a_topic_that_does_not_answer_fails_the_stage_but_the_request_is_kept(app):
    world = World(topic_answers=False)
    with pytest.raises(StorageError):
        app.ask(RUN, Registered("churn", 3), "token", world, world, AT)
    assert len(world.approvals) == 1


def test_nothing_is_asked_about_a_version_that_does_not_exist(app):
    world = World()
    with pytest.raises(NotFound):
        app.ask(RUN, Registered("churn", 9), "token", world, world, AT)
    assert (world.approvals, world.notified) == ([], [])
