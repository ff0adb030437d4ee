"""A raw measure of strangeness as a score from 0 to 1: the share of the training rows that are less strange."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Shares of the training rows at which their raw measure is remembered.
_LEVELS = np.concatenate([np.linspace(0, 0.9, 91), np.linspace(0.905, 0.995, 19), [0.999, 1.0]])
#: Least step between two remembered values, as a share of all there are, so that no rise is too steep to compute.
_NARROW = 1e-6


@dataclass(frozen=True)
class Percentiles:
    """A rising piecewise-linear function, with an exponential approach to 1 beyond the strangest training row.

    Parameters
    ----------
    starts, widths, slopes
        (pieces,) float64: where each piece begins, how wide it is, how steeply it rises.
    first
        the function's value before the first piece.
    tail
        what is left to 1 behind the last piece; `fade` is how fast the rest goes away.
    """

    starts: np.ndarray
    widths: np.ndarray
    slopes: np.ndarray
    first: float
    tail: float
    fade: float

    @classmethod
    def fit(cls, raw: np.ndarray) -> Percentiles:
        """From the raw measure of n training rows."""
        values = np.quantile(raw, _LEVELS)
        span = float(values[-1] - values[0])
        rows = len(raw)
        if span <= 0:  # every row is as strange as any other one
            return cls(np.zeros(1), np.ones(1), np.zeros(1), 0.5, 0.0, 1.0)
        kept = [0]
        for place in range(1, len(values)):
            if values[place] - values[kept[-1]] > _NARROW * span:
                kept.append(place)
        # Of several shares with one value the largest is meant: as many rows are not stranger.
        last = [*(after - 1 for after in kept[1:]), len(values) - 1]
        shares = _LEVELS[last] * rows / (rows + 1)
        starts, widths = values[kept[:-1]], np.diff(values[kept])
        return cls(starts, widths, np.diff(shares) / widths, float(shares[0]), float(1 - shares[-1]), 10 / span)

    def of(self, raw: np.ndarray) -> np.ndarray:
        """(n,) float64 scores."""
        steps = np.minimum(np.maximum(raw[:, None] - self.starts, 0.0), self.widths)
        beyond = np.maximum(raw - (self.starts[-1] + self.widths[-1]), 0.0)
        scores: np.ndarray = self.first + steps @ self.slopes + self.tail * (1 - np.exp(-beyond * self.fade))
        return scores
