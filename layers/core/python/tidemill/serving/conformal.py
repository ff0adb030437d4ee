"""How far a single prediction may be off: intervals and sets that hold the truth with a promised confidence.

Split conformal prediction (Papadopoulos et al., Inductive Confidence Machines for Regression,
2002; Lei et al., Distribution-Free Predictive Inference for Regression, 2018; Sadinle et al.,
Least Ambiguous Set-Valued Classifiers, 2019). The scores come from rows that the model which
scored them was not fitted on, and are kept in the signature as quantiles.
"""

from __future__ import annotations

import math

import numpy as np

from tidemill.contracts import Conformal
from tidemill.errors import InputRefused


def interval(
    values: np.ndarray, scale: np.ndarray | None, conformal: Conformal, confidence: float
) -> tuple[np.ndarray, np.ndarray]:
    """The bounds of the prediction intervals, each (n,).

    Parameters
    ----------
    values
        (n,): the predictions.
    scale
        (n,): how far each is usually off; None when the model has no such output.
    confidence
        share of rows whose interval is to hold the true value, between 0 and 1.

    Raises
    ------
    InputRefused
        the confidence is not between 0 and 1, or higher than so many scores can promise.
    """
    reach = _quantile(conformal, confidence) * (1.0 if scale is None else scale)
    return values - reach, values + reach


def prediction_sets(probabilities: np.ndarray, conformal: Conformal, confidence: float) -> np.ndarray:
    """(n, classes) bool: the classes that each row's set holds; the most probable one is always in it.

    Parameters
    ----------
    probabilities
        (n, classes).
    confidence
        share of rows whose set is to hold the true class, between 0 and 1.

    Raises
    ------
    InputRefused
        the confidence is not between 0 and 1, or higher than so many scores can promise.
    """
    held: np.ndarray = probabilities >= 1 - _quantile(conformal, confidence)
    held[np.arange(len(held)), probabilities.argmax(axis=1)] = True
    return held


def _quantile(conformal: Conformal, confidence: float) -> float:
    """The score that a new row's score does not exceed with this confidence, whatever the data look like."""
    if not 0 < confidence < 1:
        raise InputRefused(f"confidence must be a number between 0 and 1 such as 0.9, not {confidence!r}")
    level = math.ceil((conformal.rows + 1) * confidence) / conformal.rows
    if level > 1:
        most = conformal.rows / (conformal.rows + 1)
        raise InputRefused(
            f"confidence must be at most {math.floor(most * 1000) / 1000:g}, not {confidence:g}: "
            f"the model knows its errors from {conformal.rows:,} rows only"
        )
    # The next stored quantile up, so that rounding never promises too much; the tiny step back forgives 0.9 * 1000.
    steps = len(conformal.quantiles) - 1
    return conformal.quantiles[math.ceil(level * steps - 1e-9)]
