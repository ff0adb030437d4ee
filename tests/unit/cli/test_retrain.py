"""`tidemill retrain`: what is asked for, and what is said of it."""

from __future__ import annotations

import dataclasses
import json

import pytest

from tidemill import keys
from tidemill_cli.verbs import retrain

from .conftest import ACTOR, ARTIFACTS, TRAINED, document

RUN = "e" * 32


class Retrainings:
    """Asks that end as a test says."""

    def __init__(self, **ends):
        self.ends, self.asked, self.records = ends, [], self

    def by_hand(self, asked):
        self.asked.append(asked)
        return asked

    def retraining(self, _model, _id):
        return dataclasses.replace(self.asked[-1], **self.ends)


@pytest.fixture
def started(world):
    """Every ask starts a run."""
    world.retrainings = Retrainings(run_id=RUN, key="incoming/churn/x.parquet", rows_old=900, rows_new=1234)
    return world


def test_asks_for_what_the_project_says_and_tells_the_run(started):
    started.objects.put(ARTIFACTS, keys.project_spec("churn"), b'{"retraining": {"data": "drifted_plus_old"}}')
    code, _, err = started.tidemill("retrain", "churn", "--reason", "new prices")
    (asked,) = started.retrainings.asked
    assert code == 0
    assert (asked.model, asked.by, asked.trigger, asked.reason) == ("churn", ACTOR, "hand", "new prices")
    assert (asked.data, asked.start, asked.end) == ("drifted_plus_old", None, None)
    assert f"1,234 predictions and 900 rows of the last table: run {RUN}" in err


def test_a_past_window_is_a_backfill_of_predictions_alone(started):
    started.tidemill("retrain", "churn", "--since", "2026-01-01", "--until", "2026-02-01T06:00:00+01:00")
    (asked,) = started.retrainings.asked
    assert (asked.trigger, asked.data) == ("backfill", "window")
    assert (asked.start, asked.end) == ("2026-01-01T00:00:00Z", "2026-02-01T05:00:00Z")


def test_data_that_is_named_is_what_is_asked_for(started):
    started.tidemill("retrain", "churn", "--since", "2026-01-01", "--data", "all")
    assert started.retrainings.asked[0].data == "all"


def test_nothing_to_train_on_is_said(world):
    world.retrainings = Retrainings(problem="no prediction has a known outcome")
    code, out, err = world.tidemill("retrain", "churn", "--json")
    assert code == 2
    assert "REFUSED: no prediction has a known outcome" in err
    assert json.loads(out)["problem"] == "no prediction has a known outcome"


def test_follows_the_run_and_ends_as_training_does(started):
    started.conclude(document(RUN, "REFUSED_BY_GATE", reason="worse than the champion"))
    started.executions.looks = [(TRAINED, ("SUCCEEDED",))]
    code, out, _ = started.tidemill("retrain", "churn", "--follow", "--json")
    assert code == 3
    assert json.loads(out)["run_id"] == RUN


def test_a_table_that_is_being_composed_is_waited_for():
    asked = Retrainings()
    asked.by_hand(retrain.Retraining("a" * 32, "churn", "2026-03-04T05:00:00Z", "ada", "hand", "", "all"))
    waits = []

    def read():
        run = RUN if len(waits) >= 2 else None
        return dataclasses.replace(asked.asked[0], run_id=run, key="k" if len(waits) >= 3 else "")

    assert retrain.wait(read, waits.append).run_id == RUN
    assert waits == [retrain.POLL_SECONDS] * 3
    waits.clear()
    assert retrain.wait(lambda: asked.asked[0], waits.append).run_id is None
    assert len(waits) == retrain.LOOKS
