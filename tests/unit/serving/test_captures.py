"""Recorded predictions: ids, contents, and messages that fit the queue."""

import json

from tidemill.contracts import Capture, from_json
from tidemill.errors import StorageError
from tidemill.serving.captures import MAX_ERROR, captures, messages, refusal, send
from tidemill.serving.traffic import Assignment

AT = "2026-01-02T03:04:05Z"
CHAMPION = Assignment("churn", 3, "champion", "champion")


def record(columns, predictions, assignment=CHAMPION, **more):
    return captures(columns, predictions, assignment, prediction_id="id", at=AT, **more)


def test_one_row_has_the_id_of_its_request():
    (capture,) = record({"tenure": [3]}, [{"label": "Yes", "probabilities": [0.1, 0.9]}])
    assert capture == Capture(
        "id",
        "2026-01-02T03:04:05Z",
        "churn",
        3,
        {"tenure": 3},
        {"label": "Yes", "probabilities": [0.1, 0.9]},
        "champion",
    )


def test_several_rows_are_numbered():
    recorded = list(record({"tenure": [3, None]}, [1.5, 2.5]))
    assert [(capture.prediction_id, capture.inputs, capture.prediction) for capture in recorded] == [
        ("id-0", {"tenure": 3}, 1.5),
        ("id-1", {"tenure": None}, 2.5),
    ]


def test_every_row_says_why_and_for_whom_its_version_answered():
    split = Assignment("churn", 4, "split", "champion", "customer-1", "prices", shadow=5)
    recorded = list(record({"tenure": [3, 4]}, [1.5, 2.5], split, ms=12.5, scale=[0.5, 0.25]))
    assert {(item.version, item.why, item.key, item.experiment, item.shadow) for item in recorded} == {
        (4, "split", "customer-1", "prices", 5)
    }
    assert [(item.ms, item.scale) for item in recorded] == [(12.5, 0.5), (None, 0.25)]


def test_a_refusal_has_no_inputs_and_no_endless_message():
    capture = refusal(CHAMPION, prediction_id="id", at=AT, ms=1.5, status=400, error="x" * 5000)
    assert (capture.inputs, capture.prediction, capture.status, capture.ms) == ({}, None, 400, 1.5)
    assert capture.error == "x" * MAX_ERROR


def test_a_message_is_an_array_of_captures():
    (message,) = messages(record({"tenure": [3, 4]}, [1.5, 2.5]))
    assert [from_json(Capture, item).inputs for item in json.loads(message)] == [{"tenure": 3}, {"tenure": 4}]


def test_messages_keep_below_the_limit_and_lose_no_row():
    recorded = list(record({"tenure": list(range(100)), "contract": ["é"] * 100}, [0.5] * 100))
    packed = list(messages(iter(recorded), limit=1000))
    assert max(len(message.encode()) for message in packed) <= 1000
    assert [from_json(Capture, item) for message in packed for item in json.loads(message)] == recorded
    assert len(packed) == 20


def test_a_message_may_be_exactly_as_large_as_the_limit():
    recorded = list(record({"tenure": [3, 4]}, [1.5, 2.5]))
    (whole,) = messages(iter(recorded))
    assert len(list(messages(iter(recorded), limit=len(whole)))) == 1
    assert len(list(messages(iter(recorded), limit=len(whole) - 1))) == 2


def test_a_row_too_large_for_a_message_is_recorded_without_its_inputs():
    packed = list(messages(record({"text": ["short", "x" * 2000]}, [1.5, 2.5]), limit=1000))
    recorded = [from_json(Capture, item) for message in packed for item in json.loads(message)]
    assert [(capture.inputs, capture.prediction) for capture in recorded] == [({"text": "short"}, 1.5), ({}, 2.5)]


def test_what_json_has_no_word_for_becomes_null():
    (message,) = messages(record({"tenure": [float("inf")]}, [float("nan")]))
    (document,) = json.loads(message, parse_constant=lambda name: 1 / 0)
    assert (document["inputs"], document["prediction"]) == ({"tenure": None}, None)


class Queue:
    def __init__(self, capacity):
        self.capacity = capacity
        self.taken = []
        self.asked = 0

    def put(self, message):
        self.asked += 1
        if len(self.taken) == self.capacity:
            raise StorageError("the queue does not answer")
        self.taken.append(message)


def test_every_message_is_sent():
    queue, warnings = Queue(capacity=100), []
    send(record({"text": ["x" * 200_000] * 3}, [1.5, 2.5, 3.5]), queue.put, warnings.append)
    assert (len(queue.taken), warnings) == (3, [])


def test_a_queue_that_does_not_answer_is_a_warning_and_not_asked_again():
    queue, warnings = Queue(capacity=1), []
    send(record({"text": ["x" * 200_000] * 3}, [1.5, 2.5, 3.5]), queue.put, warnings.append)
    assert (queue.asked, warnings) == (2, ["a prediction was answered but not recorded: the queue does not answer"])
