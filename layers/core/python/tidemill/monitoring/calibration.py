"""How often what a model says came true on the holdout, bin by bin, and how sure that is.

A beta calibration (Kull, Silva Filho and Flach, Beyond Sigmoids, 2017) of the holdout's counts, shrunk towards no
change as far as chance alone could have made it: a model that training has calibrated already must not follow the
luck of a small holdout. The bins' own frequencies then correct it where the holdout has many rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: How many rows of a bin count as much as the curve.
_CURVE_ROWS = 50.0
#: Slope of the positive and of the negative logarithm, and intercept, that change nothing.
_UNCHANGED = np.array([1.0, 1.0, 0.0])
_SMALLEST = 1e-5
#: How strongly the parameters are held to those that change nothing, in rows.
_PRIOR = 1.0
_STEPS = 50


@dataclass(frozen=True)
class Calibration:
    """The probability that the class happens, in each bin of what the model says: the expected one, and draws of it."""

    expected: np.ndarray  #: (bins,)
    draws: np.ndarray  #: (draws, bins)


def calibrate(
    happened: np.ndarray, rows: np.ndarray, said: np.ndarray, draws: int, generator: np.random.Generator
) -> Calibration:
    """Learn from a holdout's counts.

    Parameters
    ----------
    happened, rows
        (bins,): rows of the class, and all rows.
    said
        (bins,): the probability that each bin stands for.
    """
    logs = np.log(np.clip(said, _SMALLEST, 1)), -np.log(np.clip(1 - said, _SMALLEST, 1))
    table = np.column_stack([*logs, np.ones(len(said))])
    found, curvature = _fitted(table, happened, rows)
    gained = 2 * (_loss(table, happened, rows, _UNCHANGED) - _loss(table, happened, rows, found))
    # The positive part of James and Stein's factor: three parameters gain about 3 by chance alone.
    kept = max(0.0, 1 - len(found) / gained) if gained > 0 else 0.0
    chosen = _UNCHANGED + kept * (found - _UNCHANGED)
    spread = np.linalg.cholesky(np.linalg.inv(curvature))
    drawn = chosen + generator.standard_normal((draws, len(found))) @ spread.T
    expected, curves = _sigmoid(table @ chosen), np.clip(_sigmoid(drawn @ table.T), 1e-9, 1 - 1e-9)
    return Calibration(
        expected=(happened + _CURVE_ROWS * expected) / (rows + _CURVE_ROWS),
        draws=generator.beta(happened + _CURVE_ROWS * curves, rows - happened + _CURVE_ROWS * (1 - curves)),
    )


def _fitted(table: np.ndarray, happened: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Parameters of the least loss by Newton's method, and the curvature there."""

    def penalized(weights: np.ndarray) -> float:
        return _loss(table, happened, rows, weights) + _PRIOR * float(((weights - _UNCHANGED) ** 2).sum()) / 2

    weights = _UNCHANGED.copy()
    for _ in range(_STEPS):
        said = _sigmoid(table @ weights)
        gradient = table.T @ (rows * said - happened) + _PRIOR * (weights - _UNCHANGED)
        curvature = (table * (rows * said * (1 - said))[:, None]).T @ table + _PRIOR * np.eye(len(weights))
        step = np.linalg.solve(curvature, gradient)
        # A whole step may go too far: half of it, until it goes down.
        while penalized(weights - step) > penalized(weights) and np.abs(step).max() > 1e-9:
            step = step / 2
        weights = weights - step
        if np.abs(step).max() < 1e-9:
            break
    return weights, curvature


def _loss(table: np.ndarray, happened: np.ndarray, rows: np.ndarray, weights: np.ndarray) -> float:
    logits = table @ weights
    return float((rows * np.logaddexp(0, logits) - happened * logits).sum())


def _sigmoid(values: np.ndarray) -> np.ndarray:
    grown: np.ndarray = 1 / (1 + np.exp(-np.clip(values, -500, 500)))
    return grown
