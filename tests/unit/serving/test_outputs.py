"""The shapes in which a prediction leaves: by row, by column, by name."""

from dataclasses import replace

import numpy as np
import pytest

from tidemill.contracts import Signature
from tidemill.serving import outputs
from tidemill.serving.prediction import Prediction

CLASSES = Prediction(np.array(["a", "c"], object), np.array([[0.5, 0.25, 0.25], [0.125, 0.125, 0.75]]), None)
NUMBERS = Prediction(values=np.array([0.1, 2.0]))
CLASSIFIER = Signature("kinds", "multiclass", "kind", (), ("a", "b", "c"))
REGRESSOR = Signature("houses", "regression", "price", ())
MARKS = np.array([True, False])


def test_a_classifier():
    assert outputs.by_row(CLASSES, CLASSIFIER)[1] == {"label": "c", "probabilities": [0.125, 0.125, 0.75]}
    assert outputs.by_column(CLASSES, CLASSIFIER) == {
        "label": ["a", "c"],
        "probabilities": CLASSES.probabilities.tolist(),
    }
    assert outputs.by_name(CLASSES, CLASSIFIER) == {
        "prediction": ["a", "c"],
        "probability_a": [0.5, 0.125],
        "probability_b": [0.25, 0.125],
        "probability_c": [0.25, 0.75],
    }


def test_a_regressor():
    assert outputs.by_row(NUMBERS, REGRESSOR) == outputs.by_column(NUMBERS, REGRESSOR) == [0.1, 2.0]
    assert outputs.by_name(NUMBERS, REGRESSOR) == {"prediction": [0.1, 2.0]}


def test_an_interval_stands_beside_the_value():
    sure = replace(NUMBERS, low=np.array([0.0, 1.5]), high=np.array([0.25, 2.5]))
    assert outputs.by_row(sure, REGRESSOR)[1] == {"value": 2.0, "low": 1.5, "high": 2.5}
    assert outputs.by_column(sure, REGRESSOR) == {"value": [0.1, 2.0], "low": [0.0, 1.5], "high": [0.25, 2.5]}


def test_a_set_names_its_classes():
    sure = replace(CLASSES, sets=np.array([[True, False, True], [False, False, True]]))
    assert [row["set"] for row in outputs.by_row(sure, CLASSIFIER)] == [["a", "c"], ["c"]]


def test_a_mark_for_review_stands_in_every_shape():
    marked, signature = replace(NUMBERS, review=MARKS), replace(REGRESSOR, review_below=0.9)
    assert outputs.by_row(marked, signature) == [{"value": 0.1, "review": True}, {"value": 2.0, "review": False}]
    assert outputs.by_name(marked, signature) == {"prediction": [0.1, 2.0], "review": [True, False]}


@pytest.mark.parametrize(
    ("prediction", "signature"),
    [
        (CLASSES, CLASSIFIER),
        (NUMBERS, REGRESSOR),
        (replace(CLASSES, review=MARKS), replace(CLASSIFIER, review_below=0.5)),
    ],
)
def test_names_are_those_of_the_columns(prediction, signature):
    assert outputs.names(signature) == list(outputs.by_name(prediction, signature))


def test_a_float_stays_the_same_digits():
    value = Prediction(values=np.array([0.1], np.float32).astype(np.float64))
    assert outputs.by_row(value, REGRESSOR) == [0.10000000149011612]


CLUSTERS = Prediction(labels=np.array(["2", "0"], object), values=np.array([0.5, 1.25]))
ANOMALIES = Prediction(labels=np.array(["anomaly", "normal"], object), values=np.array([0.99, 0.25]))
COMPONENTS = Prediction(components=np.array([[1.0, 2.0], [3.0, 4.5]]))
CLUSTERING = Signature("groups", "clustering", None, (), ("0", "1", "2"))
DETECTION = Signature("odd", "anomaly_detection", None, (), ("normal", "anomaly"), threshold=0.95)
REDUCTION = Signature("short", "dimensionality_reduction", None, (), components=2)


@pytest.mark.parametrize(
    ("prediction", "signature", "rows", "columns"),
    [
        (
            CLUSTERS,
            CLUSTERING,
            [{"cluster": "2", "distance": 0.5}, {"cluster": "0", "distance": 1.25}],
            {"prediction": ["2", "0"], "distance": [0.5, 1.25]},
        ),
        (
            ANOMALIES,
            DETECTION,
            [{"anomaly": True, "score": 0.99}, {"anomaly": False, "score": 0.25}],
            {"prediction": ["anomaly", "normal"], "score": [0.99, 0.25]},
        ),
        (
            COMPONENTS,
            REDUCTION,
            [{"components": [1.0, 2.0]}, {"components": [3.0, 4.5]}],
            {"component_1": [1.0, 3.0], "component_2": [2.0, 4.5]},
        ),
    ],
)
def test_a_model_without_a_target(prediction, signature, rows, columns):
    assert outputs.by_row(prediction, signature) == rows
    assert outputs.by_column(prediction, signature) == {name: [row[name] for row in rows] for name in rows[0]}
    assert outputs.by_name(prediction, signature) == columns
    assert outputs.names(signature) == list(columns)
