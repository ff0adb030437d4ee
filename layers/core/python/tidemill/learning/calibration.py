"""Probabilities that are as often right as they say, learned from out-of-fold predictions.

Two classes: beta calibration (Kull, Silva Filho and Flach, Beyond Sigmoids, 2017), or Platt's
sigmoid over the logit, which is the same with equal slopes. More classes: one temperature (Guo
et al., On Calibration of Modern Neural Networks, 2017). Both only rescale logarithms of
probabilities, so the graph does it in a few nodes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from onnx import NodeProto

from tidemill.learning.feature_steps.step import Nodes

#: Probabilities below this count as this: float32 does not tell 1 minus a smaller one well enough.
SMALLEST = 1e-5
#: A flat curve blows up what float32 cannot tell: below the first slope more counts as smallest, the second is the end.
_FLAT, _SMALLEST_WHEN_FLAT = 0.5, 1e-4
_FLATTEST = 0.3
#: How strongly the parameters are held to those that change nothing, in rows.
_PRIOR = 1.0
_STEPS = 50


@dataclass(frozen=True)
class Calibration:
    """Two classes: logit(p) = first * ln p1 - second * ln p0 + intercept. More: p ** (1 / temperature), normalized."""

    first: float = 1.0
    second: float = 1.0
    intercept: float = 0.0
    temperature: float = 1.0

    @property
    def smallest(self) -> float:
        """Probabilities below this count as this."""
        return SMALLEST if min(self.first, self.second, 1 / self.temperature) >= _FLAT else _SMALLEST_WHEN_FLAT

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """(n, classes) calibrated probabilities of (n, classes)."""
        logs = np.log(np.maximum(probabilities, self.smallest))
        if probabilities.shape[1] == 2:
            logit = self.first * logs[:, 1] - self.second * logs[:, 0] + self.intercept
            return np.column_stack([_sigmoid(-logit), _sigmoid(logit)])
        return _softmax(logs / self.temperature)

    def nodes(self, probabilities: str, classes: int, prefix: str) -> tuple[list[NodeProto], str]:
        """What `apply` does as ONNX nodes, and the name of their [rows, classes] output."""
        graph = Nodes(prefix)
        logs = graph.add("Log", graph.add("Max", probabilities, graph.constant(self.smallest)))
        if classes != 2:
            scaled = graph.add("Mul", logs, graph.constant(1 / self.temperature))
            return graph.made, graph.add("Softmax", scaled, axis=1)
        slopes = graph.constant([[self.second, -self.second], [-self.first, self.first]])
        shift = graph.constant([[-self.intercept, self.intercept]])
        return graph.made, graph.add("Sigmoid", graph.add("Add", graph.add("MatMul", logs, slopes), shift))

    def parameters(self, classes: int) -> dict[str, float]:
        """The numbers by name, for the record."""
        if classes != 2:
            return {"temperature": self.temperature}
        return {"slope_of_positive": self.first, "slope_of_negative": self.second, "intercept": self.intercept}


def fit(probabilities: np.ndarray, codes: np.ndarray) -> tuple[Calibration, ...]:
    """The calibrations that may be tried: those with the least log loss of their kind, simplest first.

    Parameters
    ----------
    probabilities
        (n, classes) of rows that the model was not fitted on.
    codes
        (n,) int64 indices of the classes that happened.
    """
    logs = np.log(np.maximum(probabilities, SMALLEST))
    if probabilities.shape[1] != 2:
        return (Calibration(temperature=_temperature(logs, codes)),)
    happened = (codes == 1).astype(np.float64)
    slope, intercept = _logistic(np.column_stack([logs[:, 1] - logs[:, 0]]), happened).tolist()
    first, second, shift = _logistic(np.column_stack([logs[:, 1], -logs[:, 0]]), happened).tolist()
    found = (Calibration(slope, slope, intercept), Calibration(first, second, shift))
    return tuple(one for one in found if min(one.first, one.second) >= _FLATTEST)


def _logistic(columns: np.ndarray, happened: np.ndarray) -> np.ndarray:
    """Slopes and intercept of a logistic regression, by Newton's method, held to slopes of 1 and no intercept."""
    table = np.column_stack([columns, np.ones(len(columns))])
    neutral = np.append(np.ones(columns.shape[1]), 0.0)

    def loss(weights: np.ndarray) -> float:
        logits = table @ weights
        return float(
            (np.logaddexp(0, logits) - happened * logits).sum() + _PRIOR * ((weights - neutral) ** 2).sum() / 2
        )

    weights = neutral
    for _ in range(_STEPS):
        said = _sigmoid(table @ weights)
        gradient = table.T @ (said - happened) + _PRIOR * (weights - neutral)
        curvature = (table * (said * (1 - said))[:, None]).T @ table + _PRIOR * np.eye(len(weights))
        step = np.linalg.solve(curvature, gradient)
        # A whole step may go too far: half of it, until it goes down.
        while loss(weights - step) > loss(weights) and np.abs(step).max() > 1e-9:
            step = step / 2
        weights = weights - step
        if np.abs(step).max() < 1e-9:
            break
    return weights


def _temperature(logs: np.ndarray, codes: np.ndarray) -> float:
    """Least log loss over the temperature, whose inverse it is convex in: by golden section."""
    rows = np.arange(len(codes))

    def loss(inverse: float) -> float:
        return float(-np.log(_softmax(logs * inverse)[rows, codes]).mean())

    low, high = 0.2, 5.0
    ratio = (5**0.5 - 1) / 2
    for _ in range(40):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, right) if loss(left) < loss(right) else (left, high)
    return 2 / (low + high)


def _sigmoid(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        grown: np.ndarray = 1 / (1 + np.exp(-values))
    return grown


def _softmax(logs: np.ndarray) -> np.ndarray:
    grown = np.exp(logs - logs.max(axis=1, keepdims=True))
    normal: np.ndarray = grown / grown.sum(axis=1, keepdims=True)
    return normal
