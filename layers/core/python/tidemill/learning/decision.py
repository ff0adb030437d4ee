"""From probabilities to labels, for a metric of labels: a threshold, or weights of the classes.

Weighting the classes of a fitted model's probabilities does what weighting its training rows
would (Elkan, The Foundations of Cost-Sensitive Learning, 2001), and needs no second fit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from onnx import NodeProto

from tidemill.learning.feature_steps.step import Nodes
from tidemill.rules import metrics
from tidemill.rules.metrics import Outcomes

#: Metrics of labels.
METRICS = frozenset({"accuracy", "balanced_accuracy", "f1", "f1_macro"})
#: A class weighs 1 / share ** power.
_POWERS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25)


@dataclass(frozen=True)
class Decision:
    """The positive class from `threshold` on (two classes), or the class with the largest weighted probability."""

    threshold: float | None = None
    weights: tuple[float, ...] = ()
    power: float = 0.0  #: that the weights were made with

    @property
    def plain(self) -> bool:
        """Whether it is the most probable class that is taken."""
        return self.threshold is None and not self.weights

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """(n, classes) weighted probabilities, which add up to 1."""
        if not self.weights:
            return probabilities
        weighted = probabilities * np.array(self.weights)
        normal: np.ndarray = weighted / weighted.sum(axis=1, keepdims=True)
        return normal

    def nodes(self, probabilities: str, prefix: str) -> tuple[list[NodeProto], str]:
        """What `apply` does as ONNX nodes, and the name of their [rows, classes] output."""
        graph = Nodes(prefix)
        weighted = graph.add("Mul", probabilities, graph.constant([self.weights]))
        total = graph.add("ReduceSum", weighted, graph.constant([1], np.int64), keepdims=1)
        return graph.made, graph.add("Div", weighted, total)


def choose(metric: str, outcomes: Outcomes) -> Decision:
    """The decision that is best by a metric of labels.

    Parameters
    ----------
    outcomes
        of rows that the model was not fitted on, without a threshold.
    """
    if outcomes.task == "binary":
        threshold = _threshold(metric, outcomes)
        return Decision() if threshold is None else Decision(threshold)
    shares = np.bincount(outcomes.codes, minlength=outcomes.scores.shape[1]) / len(outcomes.codes)
    found = [Decision()]
    for power in _POWERS[1:]:
        weights = np.maximum(shares, 1 / len(outcomes.codes)) ** -power
        found.append(Decision(None, tuple(float(weight) for weight in weights / weights.max()), power))
    values = [metrics.score([metric], applied(one, outcomes))[metric] for one in found]
    return found[metrics.best(metric, values)]


def applied(decision: Decision, outcomes: Outcomes) -> Outcomes:
    """The outcomes when the decision is taken."""
    weighted = decision.apply(outcomes.scores)
    return Outcomes(outcomes.actual, weighted, positive=outcomes.positive, threshold=decision.threshold)


def _threshold(metric: str, outcomes: Outcomes) -> float | None:
    """The middle between two scores, so that rounding moves no row over it; None when all labels are alike."""
    order, hits, ends = outcomes.ranking(outcomes.positive)
    scores = outcomes.scores[order, outcomes.positive]
    true = np.cumsum(hits)[ends].astype(np.float64)
    false = ends + 1 - true
    positives, negatives = true[-1], false[-1]
    if not positives or not negatives or len(ends) < 2:
        return None
    values = {
        "accuracy": (true + negatives - false) / len(order),
        "balanced_accuracy": (true / positives + (negatives - false) / negatives) / 2,
        "f1": 2 * true / (true + false + positives),
    }[metric][:-1]
    last = int(values.argmax())
    return float(np.float32((scores[ends[last]] + scores[ends[last + 1]]) / 2))
