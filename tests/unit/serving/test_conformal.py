"""Intervals and sets hold the truth as often as promised, whatever the errors look like."""

import numpy as np
import pytest

from tidemill.contracts import Conformal
from tidemill.errors import InputRefused
from tidemill.serving.conformal import interval, prediction_sets


def conformal(scores: np.ndarray) -> Conformal:
    return Conformal(len(scores), tuple(np.quantile(scores, np.linspace(0, 1, 1001), method="higher")))


@pytest.mark.parametrize("confidence", [0.5, 0.8, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("errors", ["normal", "heavy", "skewed"])
def test_an_interval_holds_the_truth_as_often_as_promised(confidence: float, errors: str) -> None:
    random = np.random.default_rng(1)
    draw = {
        "normal": random.normal,
        "heavy": lambda size: random.standard_t(2, size),
        "skewed": lambda size: random.exponential(size=size),
    }[errors]
    known = conformal(np.abs(draw(size=2_000)))
    truth = draw(size=20_000)
    low, high = interval(np.zeros(len(truth)), None, known, confidence)
    covered = np.mean((low <= truth) & (truth <= high))
    assert abs(covered - confidence) <= 0.02


def test_an_interval_is_as_wide_as_the_model_is_unsure() -> None:
    random = np.random.default_rng(2)
    scale = random.uniform(1, 10, 20_000)
    known = conformal(np.abs(random.normal(size=2_000)))
    low, high = interval(np.zeros(len(scale)), scale, known, 0.9)
    truth = random.normal(size=len(scale)) * scale
    sure = scale < 2
    for rows in (sure, ~sure):
        assert abs(np.mean((low[rows] <= truth[rows]) & (truth[rows] <= high[rows])) - 0.9) <= 0.02
    assert np.mean((high - low)[sure]) < np.mean((high - low)[~sure]) / 2


@pytest.mark.parametrize("confidence", [0.8, 0.9, 0.95])
def test_a_set_holds_the_true_class_as_often_as_promised(confidence: float) -> None:
    random = np.random.default_rng(3)
    probabilities = random.dirichlet(np.full(4, 0.5), 22_000)
    truth = (probabilities.cumsum(axis=1) > random.uniform(size=(len(probabilities), 1))).argmax(axis=1)
    scores = 1 - probabilities[np.arange(len(truth)), truth]
    sets = prediction_sets(probabilities[2_000:], conformal(scores[:2_000]), confidence)
    assert abs(np.mean(sets[np.arange(20_000), truth[2_000:]]) - confidence) <= 0.02
    assert sets.any(axis=1).all()


def test_a_higher_confidence_is_never_a_smaller_set() -> None:
    probabilities = np.random.default_rng(4).dirichlet(np.ones(3), 50)
    known = conformal(np.linspace(0, 1, 500))
    smaller, larger = (prediction_sets(probabilities, known, confidence) for confidence in (0.6, 0.9))
    assert (larger >= smaller).all()
    assert larger.sum() > smaller.sum()


@pytest.mark.parametrize("confidence", [0, 1, -0.1, 90, float("nan")])
def test_a_confidence_that_is_none_is_refused(confidence: float) -> None:
    with pytest.raises(InputRefused, match="confidence must be a number between 0 and 1"):
        interval(np.zeros(1), None, conformal(np.ones(100)), confidence)


def test_a_confidence_that_so_few_rows_cannot_promise_is_refused() -> None:
    with pytest.raises(InputRefused, match=r"at most 0\.952, not 0\.99.*20 rows"):
        interval(np.zeros(1), None, conformal(np.ones(20)), 0.99)
    low, high = interval(np.zeros(1), None, conformal(np.ones(20)), 0.95)
    assert (low, high) == (-1, 1)
