"""Predictions that wait for a person: the list, one of them, and the answer."""

import json

import pytest

from tidemill.aws.registry import ReviewRecord

AT = "2026-11-24T09:05:00Z"


@pytest.fixture
def unsure(world, a_document):
    world.conclude(a_document("1a" * 16))
    world.registry.version_records["churn"].append("version 1")
    for number, said in ((1, '{"label": "Yes", "probabilities": [0.48, 0.52]}'), (2, '{"value": 3.5, "review": true}')):
        record = ReviewRecord("churn", f"p{number}", 1, AT, '{"tenure": 3, "plan": null}', said)
        world.registry.review_records[record.prediction_id] = record
    return world


def test_what_waits_is_listed(unsure):
    code, out, _ = unsure.tidemill("review", "churn")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[1:]] == ["p1", "p2"]
    assert "Yes" in out
    assert "3.5" in out


def test_one_is_shown_with_its_inputs_and_the_way_to_answer(unsure):
    code, out, err = unsure.tidemill("review", "churn", "p1")
    assert code == 0
    assert "tenure: 3" in out
    assert "tidemill review churn p1 --actual" in err


def test_an_answer_takes_it_out_of_the_list(unsure):
    code, out, _ = unsure.tidemill("review", "churn", "p1", "--actual", "No")
    assert code == 0
    assert "that No is true" in out
    _, listed, _ = unsure.tidemill("review", "churn", "--json")
    assert [item["prediction_id"] for item in json.loads(listed)] == ["p2"]
    _, listed, _ = unsure.tidemill("review", "churn", "--answered", "--json")
    (answered,) = json.loads(listed)
    assert (answered["actual"], answered["inputs"]) == ("No", {"tenure": 3, "plan": None})


def test_nothing_to_review_says_so(world):
    world.registry.version_records["churn"].append("version 1")
    code, out, err = world.tidemill("review", "churn")
    assert (code, out) == (0, "")
    assert "No prediction of churn waits" in err


def test_an_answer_needs_its_prediction(unsure):
    code, _, err = unsure.tidemill("review", "churn", "--actual", "No")
    assert code != 0
    assert "name it" in err


@pytest.mark.parametrize(
    ("arguments", "sentence"), [(("churn", "p9"), "no prediction 'p9'"), (("nosuch",), "no model")]
)
def test_what_is_not_there_is_an_error(unsure, arguments, sentence):
    code, _, err = unsure.tidemill("review", *arguments)
    assert code == 1
    assert sentence in err
