"""Slices of a table to score: nothing uploaded is lost, and the pieces together are the table."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx.parser
import pytest

from tidemill.contracts import Signature, loads
from tidemill.serving import slices
from tidemill.serving.scoring import Model

CHURN = Path(__file__).parents[2] / "events" / "churn"


@pytest.fixture(scope="module")
def model():
    graph = onnx.parser.parse_model((CHURN / "model.onnx.txt").read_text()).SerializeToString()
    return Model.load(graph, loads(Signature, (CHURN / "signature.json").read_bytes()))


def texts(*values):
    return np.array(values, dtype=object)


RAW = {
    "tenure": np.array([3.0, 40.0]),
    "monthly": np.array([29.85, np.nan]),
    "contract": texts("Monthly", None),
    "joined": texts("2025-11-03", None),
}
ORIGINAL = {
    "id": texts("0001", 'a "b", c\nd'),
    "tenure": texts("3", "40.0"),
    "monthly": texts("29.85", ""),
    "contract": texts("Monthly", "NA"),
    "joined": texts("03/11/2025", ""),
}


def score(model, header=True, original=ORIGINAL):
    return slices.score(slices.pack(original, model.encoder.encode(RAW)), model, header)


def table(piece):
    return list(csv.reader(io.StringIO(piece.decode(), newline="")))


def test_uploaded_columns_stay_as_they_were_with_the_prediction_behind_them(model):
    header, *rows = table(score(model))
    assert header == [*ORIGINAL, "prediction", "probability_No", "probability_Yes"]
    assert [row[:5] for row in rows] == [list(row) for row in zip(*ORIGINAL.values(), strict=True)]


def test_the_prediction_is_the_model_s_digit_for_digit(model):
    prediction = model.predict(model.encoder.encode(RAW))
    _, *rows = table(score(model))
    assert [row[5] for row in rows] == prediction.labels.tolist()
    assert [row[6:] for row in rows] == [[repr(float(p)) for p in row] for row in prediction.probabilities]


def test_only_the_first_piece_has_the_header(model):
    with_header, without = score(model), score(model, header=False)
    assert with_header.endswith(without)
    assert with_header.count(b"probability_Yes") == 1
    assert without.count(b"probability_Yes") == 0


def test_the_same_slice_gives_the_same_bytes(model):
    encoded = model.encoder.encode(RAW)
    assert slices.pack(ORIGINAL, encoded) == slices.pack(ORIGINAL, encoded)
    assert score(model) == score(model)


def test_names_that_are_taken_get_a_number(model):
    original = ORIGINAL | {
        "prediction": texts("old", "old"),
        "probability_Yes": texts("", ""),
        "prediction_2": texts("", ""),
    }
    header, *rows = table(score(model, original=original))
    assert header[-3:] == ["prediction_3", "probability_No", "probability_Yes_2"]
    assert [row[5] for row in rows] == ["old", "old"]


def test_two_new_names_never_meet(model):
    signature = Signature("m", "binary", "t", (), ("x", "x_2"))
    assert slices.prediction_names(["probability_x"], signature) == [
        "prediction",
        "probability_x_2",
        "probability_x_2_2",
    ]


def test_a_mark_for_review_is_written_as_in_json():
    graph = onnx.parser.parse_model((CHURN / "model.onnx.txt").read_text()).SerializeToString()
    signature = replace(loads(Signature, (CHURN / "signature.json").read_bytes()), review_below=0.999)
    header, *rows = table(score(Model.load(graph, signature)))
    assert header[-1] == "review"
    assert {row[-1] for row in rows} <= {"true", "false"}
