"""The capture stage: batches of the queue to files, and which messages come again."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tidemill.aws import capture_files
from tidemill.contracts import Capture, dumps, loads
from tidemill.errors import StorageError

EVENT = json.loads((Path(__file__).parents[3] / "tests" / "events" / "sqs_captures.json").read_text())


class Store:
    """A bucket in memory that refuses keys with a certain text in them."""

    def __init__(self, refuses="\0"):
        self.files = {}
        self.refuses = refuses

    def put(self, bucket, key, data):
        if self.refuses in key:
            raise StorageError(f"could not write {key}")
        self.files[key] = data

    def captures(self):
        lines = [line for data in self.files.values() for line in gzip.decompress(data).splitlines()]
        return [loads(Capture, line) for line in lines]


def message(message_id, *captures):
    return {"messageId": message_id, "body": dumps(captures).decode()}


def capture(prediction_id, model="churn", hour=5):
    return Capture(prediction_id, f"2026-03-04T{hour:02d}:10:00Z", model, 3, {"tenure": 3}, 0.5)


def no_review(item):
    raise AssertionError(f"{item} is not to be reviewed")


def no_copy(body):
    raise AssertionError(f"{body} is for no challenger")


def test_what_the_model_is_not_sure_of_is_put_into_the_review_queue_unless_a_version_was_asked():
    unsure = replace(capture("1"), review=True)
    messages = [message("a", capture("0"), replace(unsure, alias="champion"), replace(unsure, prediction_id="2"))]
    queue = []
    assert capture_files.write(messages, "artifacts", Store(), queue.append, no_copy, lambda _: None) == []
    assert [item.prediction_id for item in queue] == ["1"]


def test_a_message_whose_review_cannot_be_queued_comes_again():
    def full(item):
        raise StorageError("the table does not answer")

    unsure = replace(capture("1"), review=True, alias="champion")
    assert capture_files.write([message("a", unsure)], "artifacts", Store(), full, no_copy, lambda _: None) == ["a"]


def test_what_a_challenger_said_to_a_copy_is_nobodys_case():
    unsure = replace(capture("1"), review=True, alias="champion", why="shadow")
    assert capture_files.write([message("a", unsure)], "artifacts", Store(), no_review, no_copy, print) == []


COPIED = message("b", replace(capture("2"), shadow=4), replace(capture("3"), shadow=4))


def test_what_a_challenger_is_to_answer_too_is_handed_on_as_it_came():
    store, handed_on = Store(), []
    messages = [message("a", capture("1")), COPIED]
    assert capture_files.write(messages, "artifacts", store, no_review, handed_on.append, print) == []
    assert handed_on == [COPIED["body"]]
    assert len(store.captures()) == 3


def test_what_could_not_be_written_is_handed_on_when_it_comes_again():
    store = Store(refuses="hour=05")
    assert capture_files.write([COPIED], "artifacts", store, no_review, no_copy, lambda _: None) == ["b"]


def test_a_silent_shadow_queue_costs_the_copies_only():
    def silent(body):
        tried.append(body)
        raise StorageError("the queue does not answer")

    store, tried, warnings = Store(), [], []
    messages = [COPIED, COPIED | {"messageId": "c"}]
    assert capture_files.write(messages, "artifacts", store, no_review, silent, warnings.append) == []
    assert (len(store.captures()), len(tried)) == (4, 1)
    assert warnings == [
        "predictions were recorded, but the challenger gets no copies of them: the queue does not answer"
    ]


def test_one_bad_message_does_not_hold_up_the_others():
    store, warnings = Store(), []
    failed = capture_files.write(EVENT["Records"], "artifacts", store, no_review, no_copy, warnings.append)
    assert len(failed) == len(warnings) == 2
    assert {item.prediction_id for item in store.captures()} == {"p1-0", "p1-1", "p2", "p3", "p4"}


def test_a_message_over_two_files_comes_again_when_one_of_them_fails():
    store = Store(refuses="hour=06")
    messages = [message("a", capture("1"), capture("2", hour=6)), message("b", capture("3"))]
    assert capture_files.write(messages, "artifacts", store, no_review, no_copy, lambda _: None) == ["a"]


def test_an_empty_message_leaves_no_file():
    store = Store()
    assert capture_files.write([message("a")], "artifacts", store, no_review, no_copy, lambda _: None) == []
    assert store.files == {}


@given(st.lists(st.tuples(st.sampled_from(["churn", "houses"]), st.integers(0, 3)), max_size=12))
def test_every_capture_is_kept_once_in_the_folder_of_its_model_and_hour(rows):
    store = Store()
    messages = [message(f"m{i}", capture(f"p{i}", model, hour)) for i, (model, hour) in enumerate(rows)]
    assert capture_files.write(messages, "artifacts", store, no_review, no_copy, lambda _: None) == []
    kept = store.captures()
    assert sorted(item.prediction_id for item in kept) == sorted(f"p{i}" for i in range(len(rows)))
    assert len(store.files) == len(set(rows))
    for key, data in store.files.items():
        for line in gzip.decompress(data).splitlines():
            item = loads(Capture, line)
            assert key.startswith(f"captures/{item.model}/dt=2026-03-04/hour={item.at[11:13]}/")
