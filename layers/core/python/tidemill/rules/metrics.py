"""Metrics by the names in `spec.METRICS`, with the sign a person expects, without scikit-learn.

Evaluation and monitoring run where scikit-learn does not fit. Each metric takes weights, one
row of them for each resample, so that a bootstrap of thousands of resamples is a few numpy
calls. A test holds every metric equal to scikit-learn's of the same name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tidemill.contracts import Task
from tidemill.spec import LOWER_IS_BETTER, METRICS

#: scikit-learn clips probabilities by the machine epsilon before it takes their logarithm.
_SMALLEST = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Outcomes:
    """What happened and what was predicted, for n rows.

    Parameters
    ----------
    actual
        (n,): the value, or the index of the class.
    probabilities
        (n, classes), for classification.
    values
        (n,), for regression.
    positive
        index of the class that the scores of a binary task are about.
    threshold
        the positive class is predicted from this probability on; None: the most probable class is.
    """

    actual: np.ndarray
    probabilities: np.ndarray | None = None
    values: np.ndarray | None = None
    positive: int = 1
    threshold: float | None = None

    @property
    def task(self) -> Task:
        """The task that these outcomes are of."""
        if self.probabilities is None:
            return "regression"
        return "binary" if self.probabilities.shape[1] == 2 else "multiclass"

    def rows(self, index: np.ndarray) -> Outcomes:
        """The outcomes of some rows."""
        return Outcomes(
            self.actual[index],
            None if self.probabilities is None else self.probabilities[index],
            None if self.values is None else self.values[index],
            self.positive,
            self.threshold,
        )

    @cached_property
    def scores(self) -> np.ndarray:
        """(n, classes): the probabilities, which a task of classification has."""
        if self.probabilities is None:
            raise ValueError("a metric of classification needs probabilities")
        return self.probabilities

    @cached_property
    def codes(self) -> np.ndarray:
        """(n,) int64: index of the class that happened."""
        return self.actual.astype(np.int64)

    @cached_property
    def predicted(self) -> np.ndarray:
        """(n,): index of the predicted class."""
        if self.threshold is not None:
            return np.where(self.scores[:, self.positive] >= self.threshold, self.positive, 1 - self.positive)
        most: np.ndarray = self.scores.argmax(axis=1)
        return most

    @cached_property
    def _errors(self) -> np.ndarray:
        if self.values is None:
            raise ValueError("a metric of regression needs values")
        errors: np.ndarray = self.values - self.actual
        return errors

    @cached_property
    def _rankings(self) -> dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Class -> (rows by falling score, whether each is of the class, last position of each tie)."""
        return {}

    def ranking(self, code: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The rows by falling score of a class, whether each is of it, and where each tie ends."""
        if code not in self._rankings:
            score = self.scores[:, code]
            order = np.argsort(-score, kind="stable")
            ends = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)
            self._rankings[code] = (order, self.codes[order] == code, ends)
        return self._rankings[code]


def score(names: Iterable[str], outcomes: Outcomes) -> dict[str, float]:
    """The metrics of the outcomes; NaN where one is not defined (one class only).

    Raises
    ------
    KeyError
        no metric has that name.
    """
    once = np.ones((1, len(outcomes.actual)))
    return {name: float(_METRICS[name](outcomes, once)[0]) for name in names}


def score_resamples(name: str, outcomes: Outcomes, weights: np.ndarray) -> np.ndarray:
    """One metric for each resample.

    Parameters
    ----------
    weights
        (resamples, n): how often each row is in the resample.

    Returns
    -------
    (resamples,); NaN where the metric is not defined.
    """
    return _METRICS[name](outcomes, weights)


def all_of(task: Task) -> tuple[str, ...]:
    """The metrics of a task, the default one first."""
    return METRICS[task]


def improvement(name: str, new: float, old: float) -> float:
    """By how much the new value is better; negative when it is worse."""
    return old - new if name in LOWER_IS_BETTER else new - old


def best(name: str, values: Sequence[float]) -> int:
    """Index of the best value, the first of equals; NaN is never best unless all are."""
    signed = np.array([-value if name in LOWER_IS_BETTER else value for value in values], dtype=np.float64)
    return int(np.argmax(np.where(np.isnan(signed), -np.inf, signed)))


# --- ranking -----------------------------------------------------------------------------------


def _cumulated(outcomes: Outcomes, weights: np.ndarray, code: int) -> tuple[np.ndarray, np.ndarray]:
    """Weighted true and false positives at each distinct score, falling: (resamples, scores) each."""
    order, hits, ends = outcomes.ranking(code)
    ordered = weights[:, order]
    positives = np.cumsum(ordered * hits, axis=1)[:, ends]
    return positives, np.cumsum(ordered, axis=1)[:, ends] - positives


def _auc(outcomes: Outcomes, weights: np.ndarray, code: int) -> np.ndarray:
    positives, negatives = _cumulated(outcomes, weights, code)
    before = np.concatenate([np.zeros((len(weights), 1)), positives[:, :-1]], axis=1)
    area = (np.diff(negatives, axis=1, prepend=0.0) * (positives + before) / 2).sum(axis=1)
    return _ratio(area, positives[:, -1] * negatives[:, -1])


def _roc_auc(outcomes: Outcomes, weights: np.ndarray) -> np.ndarray:
    return _auc(outcomes, weights, outcomes.positive)


def _roc_auc_ovr(outcomes: Outcomes, weights: np.ndarray) -> np.ndarray:
    classes = outcomes.scores.shape[1]
    mean: np.ndarray = np.mean([_auc(outcomes, weights, code) for code in range(classes)], axis=0)
    return mean


def _average_precision(outcomes: Outcomes, weights: np.ndarray) -> np.ndarray:
    positives, negatives = _cumulated(outcomes, weights, outcomes.positive)
    precision = _ratio(positives, positives + negatives, empty=0.0)
    gained = np.diff(positives, axis=1, prepend=0.0)
    return _ratio((gained * precision).sum(axis=1), positives[:, -1])


# --- classes -----------------------------------------------------------------------------------


def _log_loss(outcomes: Outcomes, weights: np.ndarray) -> np.ndarray:
    said = outcomes.scores[np.arange(len(outcomes.actual)), outcomes.codes]
    return _mean(-np.log(np.clip(said, _SMALLEST, 1 - _SMALLEST)), weights)


def _brier_score(outcomes: Outcomes, weights: np.ndarray) -> np.ndarray:
    happened = outcomes.codes == outcomes.positive
    return _mean((outcomes.scores[:, outcomes.positive] - happened) ** 2, weights)


def _accuracy(outcomes: Outcomes, weights: np.ndarray) -> np.ndarray:
    return _mean((outcomes.predicted == outcomes.codes).astype(np.float64), weights)


def _counts(outcomes: Outcomes, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weighted hits, actual rows and predicted rows of each class: (resamples, classes) each."""
    classes = np.arange(outcomes.scores.shape[1])
    actual = (outcomes.codes[:, None] == classes).astype(np.float64)
    predicted = (outcomes.predicted[:, None] == classes).astype(np.float64)
    return weights @ (actual * predicted), weights @ actual, weights @ predicted


def _balanced_accuracy(outcomes: Outcomes, weights: np.ndarray) -> np.ndarray:
    hits, actual, _ = _counts(outcomes, weights)
    return _mean_of_defined(_ratio(hits, actual), actual > 0)


def _f1(outcomes: Outcomes, weights: np.ndarray) -> np.ndarray:
    hits, actual, predicted = (counts[:, outcomes.positive] for counts in _counts(outcomes, weights))
    return _ratio(2 * hits, actual + predicted, empty=0.0)


def _f1_macro(outcomes: Outcomes, weights: np.ndarray) -> np.ndarray:
    hits, actual, predicted = _counts(outcomes, weights)
    return _mean_of_defined(_ratio(2 * hits, actual + predicted), actual + predicted > 0)


# --- values ------------------------------------------------------------------------------------


def _rmse(outcomes: Outcomes, weights: np.ndarray) -> np.ndarray:
    root: np.ndarray = np.sqrt(_mean(outcomes._errors**2, weights))
    return root


def _mae(outcomes: Outcomes, weights: np.ndarray) -> np.ndarray:
    return _mean(np.abs(outcomes._errors), weights)


def _r2(outcomes: Outcomes, weights: np.ndarray) -> np.ndarray:
    # Centred first, so that the spread of large targets is not lost in rounding.
    actual = outcomes.actual - outcomes.actual.mean()
    spread = _mean(actual**2, weights) - _mean(actual, weights) ** 2
    return 1 - _ratio(_mean(outcomes._errors**2, weights), spread)


def _median_absolute_error(outcomes: Outcomes, weights: np.ndarray) -> np.ndarray:
    errors = np.abs(outcomes._errors)
    order = np.argsort(errors, kind="stable")
    reached = np.cumsum(weights[:, order], axis=1)
    middle = reached[:, -1:]
    # The middle row of an odd number of rows, or the mean of the two middle ones.
    lower = (reached > (middle - 1) // 2).argmax(axis=1)
    upper = (reached > middle // 2).argmax(axis=1)
    median: np.ndarray = (errors[order[lower]] + errors[order[upper]]) / 2
    return median


# --- arithmetic --------------------------------------------------------------------------------


def _mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    mean: np.ndarray = (weights @ values) / weights.sum(axis=1)
    return mean


def _ratio(above: np.ndarray, below: np.ndarray, empty: float = np.nan) -> np.ndarray:
    ratio: np.ndarray = np.divide(above, below, out=np.full(np.shape(above), empty), where=below > 0)
    return ratio


def _mean_of_defined(values: np.ndarray, defined: np.ndarray) -> np.ndarray:
    mean: np.ndarray = np.where(defined, values, 0.0).sum(axis=1) / defined.sum(axis=1)
    return mean


_METRICS: dict[str, Callable[[Outcomes, np.ndarray], np.ndarray]] = {
    "roc_auc": _roc_auc,
    "roc_auc_ovr": _roc_auc_ovr,
    "average_precision": _average_precision,
    "log_loss": _log_loss,
    "brier_score": _brier_score,
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "f1": _f1,
    "f1_macro": _f1_macro,
    "rmse": _rmse,
    "mae": _mae,
    "r2": _r2,
    "median_absolute_error": _median_absolute_error,
}
