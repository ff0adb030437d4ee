"""Predictions that wait for a person: the list, one of them, and the answer."""

import dataclasses
import json

import pytest

from tidemill import keys
from tidemill.aws.registry import ReviewRecord
from tidemill.contracts import Signature

AT = "2026-11-24T09:05:00Z"


@pytest.fixture
def unsure(world, a_document):
    world.conclude(a_document("1a" * 16))
    world.register(1)
    for number, said in ((1, '{"label": "Yes", "probabilities": [0.48, 0.52], "review": true}'), (2, "3.5")):
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
    assert "Churn: Yes  (Yes 52.0%, No 48.0%)\n" in out
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


def test_an_answer_that_cannot_be_true_is_refused(unsure):
    code, out, err = unsure.tidemill("review", "churn", "p1", "--actual", "maybe")
    assert (code, out) == (1, "")
    assert err == "Error: version 1 of churn has no class 'maybe': --actual must be one of No, Yes\n"
    assert unsure.registry.review_records["p1"].state == "OPEN"


@pytest.mark.parametrize(("actual", "expected"), [("12.5", 0), ("-3", 0), ("dear", 1), ("nan", 1), ("1_0", 1)])
def test_what_is_true_of_a_regression_is_a_number(unsure, actual, expected):
    priced = Signature("churn", "regression", "price", ())
    unsure.objects.put_contract("tidemill-artifacts", keys.model("churn", 1, "signature.json"), priced)
    code, _, err = unsure.tidemill("review", "churn", "p2", "--actual", actual)
    assert code == expected
    assert ("predicts a number" in err) == bool(expected)


def test_an_answer_that_replaces_another_says_so(unsure):
    unsure.tidemill("review", "churn", "p1", "--actual", "No")
    code, out, err = unsure.tidemill("review", "churn", "p1", "--actual", "Yes")
    assert code == 0
    assert "that Yes is true" in out
    assert "was 'No', said by arn:aws:iam::000000000000:user/ada at " in err


def test_the_first_characters_of_an_id_are_enough_when_one_begins_so(unsure):
    records = unsure.registry.review_records
    records["8a0c-10"] = dataclasses.replace(records["p1"], prediction_id="8a0c-10")
    assert unsure.tidemill("review", "churn", "8a", "--actual", "No")[0] == 0
    assert records["8a0c-10"].actual == "No"
    records["8a0c-1"] = dataclasses.replace(records["p1"], prediction_id="8a0c-1")
    code, _, err = unsure.tidemill("review", "churn", "8a")
    assert code == 1
    assert "2 predictions begin with '8a' (8a0c-1, 8a0c-10): give more characters" in err
    assert unsure.tidemill("review", "churn", "8a0c-1", "--actual", "Yes")[0] == 0
    assert (records["8a0c-1"].actual, records["8a0c-10"].actual) == ("Yes", "No")


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
