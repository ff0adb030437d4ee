"""How far a regression is usually off, row by row: so that intervals are wide where the model is unsure.

A small boosting learns the logarithm of the absolute out-of-fold error (Lei et al.,
Distribution-Free Predictive Inference for Regression, 2018, section 5.2: locally weighted
conformal inference). It is used only where intervals of the same coverage get narrower.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline, make_pipeline

from tidemill.learning.threads import one_thread

#: Fewer rows say too little about where errors are large.
LEAST_ROWS = 200
#: Share of the width that must be saved.
_SAVED = 0.02
#: The coverage at which widths are compared.
_CONFIDENCE = 0.9
#: Errors below this share of the median error count as this, so that a lucky row does not count as certainty.
_FLOOR = 0.1


@dataclass(frozen=True)
class ErrorScale:
    """A fitted scale, what it says of each row from the other folds, and the share of the width that it saves."""

    model: Pipeline
    out_of_fold: np.ndarray
    saved: float


def fit(table: np.ndarray, errors: np.ndarray, folds: np.ndarray, seed: int) -> ErrorScale | None:
    """The scale of absolute errors, or None where it makes intervals no narrower.

    Parameters
    ----------
    table
        (n, width) float32 matrix of rows that the model was not fitted on.
    errors
        (n,) absolute errors there.
    folds
        (n,) int64.
    """
    middle = float(np.median(errors))
    if len(errors) < LEAST_ROWS or middle <= 0 or len(np.unique(folds)) < 2:
        return None
    logs = np.log(np.maximum(errors, _FLOOR * middle))
    found = np.empty(len(errors))
    for fold in np.unique(folds):
        tested = folds == fold
        found[tested] = scale(_model(table[~tested], logs[~tested], seed), table[tested])
    reach = np.quantile(errors / found, _CONFIDENCE) * found.mean()
    saved = 1 - reach / float(np.quantile(errors, _CONFIDENCE))
    if saved < _SAVED:
        return None
    return ErrorScale(_model(table, logs, seed), found, saved)


def scale(model: Pipeline, table: np.ndarray) -> np.ndarray:
    """(n,) float64 above 0: about how far predictions are off."""
    with one_thread():
        grown: np.ndarray = np.exp(model.predict(table))
    return grown


def _model(table: np.ndarray, logs: np.ndarray, seed: int) -> Pipeline:
    estimator = HistGradientBoostingRegressor(
        learning_rate=0.1,
        max_iter=60,
        max_leaf_nodes=8,
        min_samples_leaf=max(20, len(logs) // 200),
        l2_regularization=1.0,
        early_stopping=False,
        random_state=seed,
    )
    with one_thread():
        return make_pipeline(estimator).fit(table, logs)
