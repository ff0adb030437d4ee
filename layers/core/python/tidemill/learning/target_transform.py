"""A skewed target is learned as its logarithm, and predictions are turned back.

The logarithm is scaled to mean 0 and deviation 1 before it is learned: trees then add up small numbers, and the graph,
which computes in float32, gives the same value to within 1e-6 of its size also where targets are in the billions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from onnx import NodeProto

from tidemill.learning.feature_steps.numbers import SKEWED, skewness
from tidemill.learning.feature_steps.step import Nodes
from tidemill.spec import Features


@dataclass(frozen=True)
class TargetTransform:
    """learned = (log(target + shift) - centre) / spread; without a logarithm the target itself is learned.

    What is learned is held between `low` and `high` before it is turned back: a linear model that goes a little beyond
    the training rows would be wrong by orders of magnitude.
    """

    log: bool = False
    shift: float = 0.0
    centre: float = 0.0
    spread: float = 1.0
    low: float = -np.inf  #: of what is learned: a tenth of its range beyond the training rows
    high: float = np.inf
    factor: float = 1.0  #: see `smeared`

    def forward(self, target: np.ndarray) -> np.ndarray:
        """(rows,) float64: what an estimator learns."""
        return (np.log(target + self.shift) - self.centre) / self.spread if self.log else target

    def inverse(self, learned: np.ndarray) -> np.ndarray:
        """(rows,) float64: the value of a prediction."""
        if not self.log:
            return learned
        held: np.ndarray = np.clip(learned, self.low, self.high)
        return np.exp(held * self.spread) * self._scale - self.shift

    def smeared(self, target: np.ndarray, learned: np.ndarray) -> TargetTransform:
        """The same with a factor that takes away the bias of exp(mean of logs) (Duan 1983, the ratio form).

        Parameters
        ----------
        target, learned
            (rows,) targets, and predictions of rows that were not fitted on, before `inverse`.
        """
        if not self.log:
            return self
        plain = replace(self, factor=1.0)
        predicted = plain.inverse(learned) + self.shift
        return replace(self, factor=float((target + self.shift).sum() / predicted.sum()))

    def nodes(self, value: str, output: str, prefix: str) -> list[NodeProto]:
        """ONNX nodes from what an estimator predicts, [rows, 1] float, to the value."""
        graph = Nodes(prefix)
        if self.log:
            held = graph.add("Clip", value, graph.constant(self.low), graph.constant(self.high))
            grown = graph.add("Exp", graph.add("Mul", held, graph.constant(self.spread)))
            value = graph.add("Sub", graph.add("Mul", grown, graph.constant(self._scale)), graph.constant(self.shift))
        graph.add("Identity", value)
        graph.made[-1].output[0] = output
        return graph.made

    def sentence(self) -> str:
        """What was decided, for the report; empty when nothing was."""
        if not self.log:
            return ""
        what = f"the logarithm of the target plus {self.shift:g}" if self.shift else "the logarithm of the target"
        return f"{what} is learned, because the target is skewed, and predictions are turned back"

    @property
    def _scale(self) -> float:
        return float(np.exp(self.centre)) * self.factor


def choose(target: np.ndarray, options: Features) -> TargetTransform:
    """The logarithm for a skewed target that it makes less skewed, when the spec leaves it open; else identity.

    Parameters
    ----------
    target
        (rows,) float64 of a regression's training rows.
    """
    if options.transform_target == "none" or len(np.unique(target)) < 3:
        return TargetTransform()
    # The logarithm of what is 0 or below needs a shift; the smallest distance from there that is usual keeps it mild.
    least = float(target.min())
    shift = 0.0 if least > 0 else float(np.std(target)) / 10 - least
    logs = np.log(target + shift)
    if options.transform_target == "auto" and not (
        least >= 0 and skewness(target) > SKEWED and abs(skewness(logs)) < skewness(target) / 2
    ):
        return TargetTransform()
    centre, spread = float(logs.mean()), float(logs.std())
    learned = (logs - centre) / spread
    beyond = float(np.ptp(learned)) / 10
    return TargetTransform(True, shift, centre, spread, float(learned.min()) - beyond, float(learned.max()) + beyond)
