"""What stands beside a prediction: the interval or set that was asked for, and the mark for review."""

import numpy as np
import pytest

from tidemill.contracts import Conformal, Signature
from tidemill.errors import InputRefused
from tidemill.serving import uncertainty
from tidemill.serving.prediction import Prediction

SCORES = Conformal(200, tuple(np.linspace(0, 1, 1001)))
VALUES = Prediction(values=np.array([10.0, 20.0]), scale=np.array([1.0, 4.0]))
LABELS = Prediction(np.array(["no", "yes"], object), np.array([[0.6, 0.4], [0.05, 0.95]]))


def regressor(**more) -> Signature:
    return Signature("houses", "regression", "price", (), **more)


def classifier(**more) -> Signature:
    return Signature("churn", "binary", "churned", (), ("no", "yes"), "yes", **more)


def test_nothing_is_added_that_nobody_asks_for():
    assert uncertainty.stated(VALUES, regressor(conformal=SCORES)) is VALUES


def test_an_interval_is_asked_for_by_its_confidence():
    said = uncertainty.stated(VALUES, regressor(conformal=SCORES), 0.9)
    assert said.low == pytest.approx(VALUES.values - VALUES.scale * 0.905)
    assert said.high == pytest.approx(VALUES.values + VALUES.scale * 0.905)


def test_a_set_is_asked_for_by_its_confidence():
    said = uncertainty.stated(LABELS, classifier(conformal=SCORES), 0.8)
    assert said.sets.tolist() == [[True, True], [False, True]]


def test_a_model_that_does_not_know_its_errors_says_so():
    with pytest.raises(
        InputRefused, match=r"confidence cannot be had from this version of churn.*train the model again"
    ):
        uncertainty.stated(LABELS, classifier(), 0.9)


def test_a_label_is_reviewed_when_its_probability_is_low():
    assert uncertainty.stated(LABELS, classifier(review_below=0.7)).review.tolist() == [True, False]


def test_a_label_that_a_threshold_chose_is_judged_by_its_own_probability():
    chosen = Prediction(np.array(["yes", "yes"], object), LABELS.probabilities)
    assert uncertainty.stated(chosen, classifier(review_below=0.7)).review.tolist() == [True, False]


def test_a_value_is_reviewed_when_its_interval_is_wide():
    signature = regressor(conformal=SCORES, span=20.0, review_below=0.8)
    assert uncertainty.stated(VALUES, signature).review.tolist() == [False, True]


def test_a_value_whose_error_nobody_knows_is_reviewed():
    assert uncertainty.stated(VALUES, regressor(review_below=0.5)).review.tolist() == [True, True]
