"""What a challenger would have answered: copies of calls become captures that nobody waits for."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import onnx.parser
import pytest

from tidemill.contracts import Capture, Signature, from_json, loads, to_json
from tidemill.errors import NotFound, StorageError
from tidemill.serving.endpoint import Endpoint
from tidemill.serving.scoring import Model
from tidemill.serving.shadow import Shadow

EVENTS = Path(__file__).parents[2] / "events"
ROW = {"tenure": 3, "monthly": 29.85, "contract": "Monthly", "senior": False, "joined": "2025-11-03"}
COPY = Capture(
    prediction_id="p1",
    at="2026-03-04T05:10:00Z",
    model="churn",
    version=1,
    inputs=ROW,
    prediction={"label": "No", "probabilities": [0.9, 0.1]},
    alias="champion",
    review=True,
    key="customer-1",
    ms=3.5,
    scale=0.5,
    shadow=2,
)


class World:
    """Model churn whose challenger is version 2."""

    def __init__(self):
        self.onnx = onnx.parser.parse_model((EVENTS / "churn" / "model.onnx.txt").read_text()).SerializeToString()
        self.signature = (EVENTS / "churn" / "signature.json").read_bytes()
        self.queue_answers = True
        self.reads, self.messages, self.warnings = [], [], []
        self.now = 0.0
        endpoint = Endpoint(
            registry=self,
            read=self.read,
            send=self.send,
            warn=self.warnings.append,
            alias_seconds=5.0,
            clock=lambda: self.now,
            read_mask_key=bytes,
            look_up=lambda *asked: {},
            read_traffic=lambda model: None,
        )
        self.shadow = Shadow(endpoint, self.send, self.warnings.append)

    def version(self, model, number):
        if number > 2:
            raise NotFound(f"model {model!r} has no version {number}")
        return SimpleNamespace(version=number, metric="roc_auc", value=0.8)

    def read(self, model, version, file):
        self.reads.append(file)
        self.now += 0.01
        return self.onnx if file == "model.onnx" else self.signature

    def send(self, message):
        if not self.queue_answers:
            raise StorageError("the queue does not answer")
        self.messages.append(message)

    def answer(self, *messages):
        """Answer messages, each a list of captures; returns the ids of those that come again."""
        return self.shadow.answer(
            {"messageId": f"m{index}", "body": json.dumps(to_json(rows))} for index, rows in enumerate(messages)
        )

    @property
    def captures(self):
        return [from_json(Capture, item) for message in self.messages for item in json.loads(message)]

    def with_signature(self, change):
        document = json.loads(self.signature)
        change(document)
        self.signature = json.dumps(document).encode()


@pytest.fixture
def world():
    return World()


def expected(world, row=ROW):
    model = Model.load(world.onnx, loads(Signature, world.signature))
    prediction = model.predict(model.encoder.encode({name: [value] for name, value in row.items()}))
    return {"label": prediction.labels[0], "probabilities": prediction.probabilities[0].tolist()}


def test_the_challengers_answer_is_recorded_beside_the_original(world):
    assert world.answer([COPY]) == []
    (capture,) = world.captures
    assert capture.prediction == expected(world)
    same = replace(COPY, version=2, why="shadow", shadow=None, prediction=capture.prediction, ms=0.0)
    assert capture == replace(same, review=False, scale=None)


def test_every_row_keeps_its_id_and_a_row_for_nobody_is_left_out(world):
    other = replace(COPY, prediction_id="p1-1", inputs=ROW | {"tenure": 60}, ms=None)
    world.answer([COPY, other, replace(COPY, prediction_id="p1-2", shadow=None)])
    assert [(item.prediction_id, item.inputs["tenure"], item.ms) for item in world.captures] == [
        ("p1", 3, 0.0),
        ("p1-1", 60, None),
    ]
    assert world.captures[1].prediction == expected(world, other.inputs)


def test_a_row_that_was_too_large_to_be_recorded_is_left_out(world):
    assert world.answer([replace(COPY, inputs={})]) == []
    assert world.messages == []


def test_inputs_that_the_challenger_does_not_know_are_left_out(world):
    world.answer([replace(COPY, inputs=ROW | {"only_the_champions": 1})])
    (capture,) = world.captures
    assert (capture.prediction, capture.inputs) == (expected(world), ROW)


def test_the_challenger_masks_what_the_champion_did_not(world):
    world.with_signature(lambda document: document["inputs"][2].update(masked=True))
    world.answer([COPY])
    assert world.captures[0].inputs["contract"].startswith("masked:")


def test_a_refusal_is_the_challengers_answer(world):
    world.answer([replace(COPY, inputs={"contract": "Monthly"})])
    (capture,) = world.captures
    assert (capture.prediction_id, capture.version, capture.why, capture.status) == ("p1", 2, "shadow", 400)
    assert (capture.prediction, capture.inputs, capture.error) == (None, {}, "tenure is missing: the model needs it")


@pytest.mark.parametrize(("broken", "status"), [("graph", 500), ("version", 404)])
def test_a_failure_is_the_challengers_answer_and_does_not_come_again(world, broken, status):
    if broken == "graph":
        world.onnx = b"no graph"
    copy = replace(COPY, shadow=2 if broken == "graph" else 7)
    assert world.answer([copy], [copy]) == []
    assert [(item.version, item.status) for item in world.captures] == [(copy.shadow, status)] * 2


def test_a_challenger_is_loaded_once_and_tried_once_in_a_batch(world):
    world.answer([COPY], [COPY])
    world.answer([COPY])
    assert world.reads == ["signature.json", "model.onnx"]
    broken = World()
    broken.onnx = b"no graph"
    broken.answer([COPY], [COPY])
    assert broken.reads == ["signature.json", "model.onnx"]


def test_loading_is_no_part_of_the_answers_time(world):
    world.answer([COPY])
    assert world.captures[0].ms == 0.0


def test_what_cannot_be_recorded_or_read_comes_again(world):
    world.queue_answers = False
    assert world.answer([COPY]) == ["m0"]
    world.queue_answers = True
    assert world.shadow.answer([{"messageId": "bad", "body": "{"}]) == ["bad"]
    assert "bad comes again" in world.warnings[-1]
