"""Out-of-fold predictions measured fold by fold.

A metric of labels is measured with the decision (threshold, class weights) that the other folds
would choose, as the refitted model will have one chosen from all of them.
"""

from __future__ import annotations

import numpy as np

from tidemill.contracts import Spread
from tidemill.learning import decision
from tidemill.learning.plan import Plan
from tidemill.learning.rows import Rows
from tidemill.rules import metrics
from tidemill.rules.metrics import Outcomes
from tidemill.spec import METRICS


def outcomes(plan: Plan, target: np.ndarray, predicted: np.ndarray) -> Outcomes:
    """What happened, and (n,) values or (n, classes) probabilities that were predicted."""
    if not plan.classes:
        return Outcomes(target, values=predicted)
    positive = 1 if plan.positive_class is None else plan.classes.index(plan.positive_class)
    return Outcomes(target, predicted, positive=positive)


def folds(plan: Plan, rows: Rows, predicted: np.ndarray) -> list[Outcomes]:
    """The outcomes of each fold that has predictions, decided as the other folds say.

    Parameters
    ----------
    predicted
        (rows,) or (rows, classes); NaN where a row has no prediction.
    """
    assert rows.folds is not None
    known = ~np.isnan(predicted.reshape(len(rows), -1)[:, 0])
    every = outcomes(plan, rows.target[known], predicted[known])
    numbers = rows.folds[known]
    found = []
    for number in np.unique(numbers):
        inside = every.rows(numbers == number)
        if plan.metric in decision.METRICS and (numbers != number).any():
            inside = decision.applied(decision.choose(plan.metric, every.rows(numbers != number)), inside)
        found.append(inside)
    return found


def values(metric: str, measured: list[Outcomes]) -> np.ndarray:
    """(folds,) the metric in each fold; NaN where it is not defined."""
    return np.array([metrics.score([metric], one)[metric] for one in measured])


def mean(plan: Plan, rows: Rows, predicted: np.ndarray) -> float:
    """The mean of the deciding metric over the folds; NaN when it is defined in none."""
    return _mean(values(plan.metric, folds(plan, rows, predicted)))


def spreads(plan: Plan, rows: Rows, predicted: np.ndarray) -> dict[str, Spread]:
    """Mean and deviation over the folds of every metric of the task that is defined in some of them."""
    measured = folds(plan, rows, predicted)
    found = {}
    for metric in METRICS[plan.task]:
        drawn = values(metric, measured)
        defined = drawn[~np.isnan(drawn)]
        if len(defined):
            found[metric] = Spread(float(np.mean(defined)), float(np.std(defined)))
    return found


def _mean(drawn: np.ndarray) -> float:
    defined = drawn[~np.isnan(drawn)]
    return float(defined.mean()) if len(defined) else float("nan")
