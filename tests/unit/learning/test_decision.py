import numpy as np
import pytest

from tidemill.learning import decision
from tidemill.rules import metrics
from tidemill.rules.metrics import Outcomes


def rare(rows=3000, seed=0):
    """A rare positive class, and honest probabilities."""
    random = np.random.default_rng(seed)
    score = random.beta(1, 9, rows)
    return Outcomes((random.random(rows) < score).astype(float), np.column_stack([1 - score, score]))


def several(rows=3000, seed=0):
    random = np.random.default_rng(seed)
    logits = random.normal((2, 0, -1), size=(rows, 3))
    said = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return Outcomes(np.array([random.choice(3, p=row) for row in said]).astype(float), said)


def value(metric, outcomes):
    return metrics.score([metric], outcomes)[metric]


@pytest.mark.parametrize("metric", ["balanced_accuracy", "f1"])
@pytest.mark.parametrize("positive", [0, 1])
def test_the_threshold_is_the_best_there_is(metric, positive):
    outcomes = rare()
    outcomes = Outcomes(outcomes.actual, outcomes.probabilities, positive=positive)
    chosen = decision.choose(metric, outcomes)
    best = value(metric, decision.applied(chosen, outcomes))
    scores = outcomes.probabilities[:, positive]
    for threshold in np.quantile(scores, np.linspace(0.01, 0.99, 60)):
        other = Outcomes(outcomes.actual, outcomes.probabilities, positive=positive, threshold=threshold)
        assert value(metric, other) <= best + 1e-12


def test_the_threshold_lies_between_two_scores():
    outcomes = rare()
    threshold = decision.choose("f1", outcomes).threshold
    assert np.abs(outcomes.probabilities[:, 1] - threshold).min() > 0
    assert float(np.float32(threshold)) == threshold


@pytest.mark.parametrize("metric", ["balanced_accuracy", "f1_macro"])
def test_classes_are_weighted_where_that_helps(metric):
    outcomes = several()
    chosen = decision.choose(metric, outcomes)
    weighted = decision.applied(chosen, outcomes)
    assert chosen.weights[2] > chosen.weights[0]
    assert value(metric, weighted) > value(metric, outcomes) + 0.02
    np.testing.assert_allclose(weighted.probabilities.sum(axis=1), 1)


def test_accuracy_wants_no_weights():
    assert decision.choose("accuracy", several()).plain


def test_scores_that_are_all_alike_have_no_threshold():
    assert decision.choose("f1", Outcomes(np.array([0.0, 1.0]), np.full((2, 2), 0.5))).plain
    assert decision.choose("f1", Outcomes(np.zeros(2), np.array([[0.5, 0.5], [0.1, 0.9]]))).plain
