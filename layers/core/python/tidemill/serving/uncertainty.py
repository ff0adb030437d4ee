"""How sure a model is of each prediction, as far as the caller asks for it and the model marks rows for review."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tidemill.contracts import SUPERVISED, Signature
from tidemill.errors import InputRefused
from tidemill.serving.conformal import interval, prediction_sets
from tidemill.serving.prediction import Prediction

#: The confidence of the intervals by whose width a regression is marked for review.
REVIEW_CONFIDENCE = 0.9


def stated(prediction: Prediction, signature: Signature, confidence: float | None = None) -> Prediction:
    """The prediction with the interval or set of a confidence, and with its mark for review.

    Parameters
    ----------
    confidence
        share of rows that the intervals or sets are to be right for, between 0 and 1; None: none are wanted.

    Raises
    ------
    InputRefused
        the model cannot promise such a confidence.
    """
    if confidence is not None:
        prediction = _with_range(prediction, signature, confidence)
    if signature.review_below is not None:
        prediction = replace(prediction, review=_sureness(prediction, signature) < signature.review_below)
    return prediction


def _with_range(prediction: Prediction, signature: Signature, confidence: float) -> Prediction:
    if signature.task not in SUPERVISED:
        raise InputRefused(
            f"confidence cannot be had from {signature.model}: a model without a target has no true answers"
        )
    if signature.conformal is None:
        raise InputRefused(
            f"confidence cannot be had from this version of {signature.model}, which does not know its errors: "
            "leave it out, or train the model again"
        )
    if prediction.values is not None:
        low, high = interval(prediction.values, prediction.scale, signature.conformal, confidence)
        return replace(prediction, low=low, high=high)
    assert prediction.probabilities is not None
    return replace(prediction, sets=prediction_sets(prediction.probabilities, signature.conformal, confidence))


def _sureness(prediction: Prediction, signature: Signature) -> np.ndarray:
    """(n,) between 0 and 1: the probability of the label; of a value, 1 less the interval's share of the target's span.

    A model that cannot say is not sure at all.
    """
    if prediction.probabilities is not None and prediction.labels is not None:
        codes = np.array([signature.classes.index(label) for label in prediction.labels])
        probabilities: np.ndarray = prediction.probabilities[np.arange(len(codes)), codes]
        return probabilities
    assert prediction.values is not None
    if signature.conformal is None or not signature.span:
        return np.zeros(len(prediction.values))
    low, high = interval(prediction.values, prediction.scale, signature.conformal, REVIEW_CONFIDENCE)
    sure: np.ndarray = np.clip(1 - (high - low) / signature.span, 0, 1)
    return sure
