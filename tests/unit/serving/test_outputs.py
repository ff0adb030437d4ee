"""The shapes in which a prediction leaves: by row, by column, by name."""

import numpy as np
import pytest

from tidemill.contracts import Signature
from tidemill.serving import outputs
from tidemill.serving.prediction import Prediction

CLASSES = Prediction(np.array(["a", "c"], object), np.array([[0.5, 0.25, 0.25], [0.125, 0.125, 0.75]]), None)
NUMBERS = Prediction(values=np.array([0.1, 2.0]))
CLASSIFIER = Signature("kinds", "multiclass", "kind", (), ("a", "b", "c"))
REGRESSOR = Signature("houses", "regression", "price", ())


def test_a_classifier():
    assert outputs.by_row(CLASSES)[1] == {"label": "c", "probabilities": [0.125, 0.125, 0.75]}
    assert outputs.by_column(CLASSES) == {"label": ["a", "c"], "probabilities": CLASSES.probabilities.tolist()}
    assert outputs.by_name(CLASSES, CLASSIFIER) == {
        "prediction": ["a", "c"],
        "probability_a": [0.5, 0.125],
        "probability_b": [0.25, 0.125],
        "probability_c": [0.25, 0.75],
    }


def test_a_regressor():
    assert outputs.by_row(NUMBERS) == outputs.by_column(NUMBERS) == [0.1, 2.0]
    assert outputs.by_name(NUMBERS, REGRESSOR) == {"prediction": [0.1, 2.0]}


@pytest.mark.parametrize(("prediction", "signature"), [(CLASSES, CLASSIFIER), (NUMBERS, REGRESSOR)])
def test_names_are_those_of_the_columns(prediction, signature):
    assert outputs.names(signature) == list(outputs.by_name(prediction, signature))


def test_a_float_stays_the_same_digits():
    assert outputs.by_row(Prediction(values=np.array([0.1], np.float32).astype(np.float64))) == [0.10000000149011612]
