"""Fitting a candidate with scikit-learn, and cross-validating it.

One thread, whatever the machine: sums over floating-point numbers depend on how threads
share them, and the same rows must give the same model.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from tidemill.contracts import CandidateRef, CandidateResult, CandidateScore, Spread
from tidemill.learning import candidates, matrix
from tidemill.learning.matrix import Layout
from tidemill.learning.plan import Plan
from tidemill.learning.rows import Rows
from tidemill.learning.splits import cross_validation
from tidemill.rules import metrics
from tidemill.rules.metrics import Outcomes
from tidemill.spec import METRICS

_BOOSTING = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)
_ESTIMATORS: dict[str, tuple[Any, Any]] = {
    "baseline": (DummyClassifier, DummyRegressor),
    "linear": (LogisticRegression, Ridge),
    "boosting": _BOOSTING,
    "boosting_slow": _BOOSTING,
    "boosting_small": _BOOSTING,
    "forest": (RandomForestClassifier, RandomForestRegressor),
}


def cross_validate(candidate: CandidateRef, plan: Plan, rows: Rows, clock: Callable[[], float]) -> CandidateResult:
    """Every metric of the task over the folds of the training rows; an error is a result, too.

    Parameters
    ----------
    rows
        the training rows, with folds.
    clock
        seconds.
    """
    assert rows.folds is not None
    began = clock()
    try:
        drawn = [
            _fold_scores(candidate, plan, rows, learned, tested)
            for learned, tested in cross_validation(rows.folds, plan.forward)
        ]
    except Exception as error:  # an estimator may raise anything; the search goes on without it
        message = " ".join(str(error).split())[:500]
        return CandidateResult(
            candidate.name, candidate.params, {}, clock() - began, f"{type(error).__name__}: {message}"
        )
    cv = {name: _spread([scores[name] for scores in drawn]) for name in METRICS[plan.task]}
    defined = {name: spread for name, spread in cv.items() if spread is not None}
    return CandidateResult(candidate.name, candidate.params, defined, clock() - began)


def score_of(result: CandidateResult, metric: str) -> CandidateScore:
    """What `train` returns of a candidate."""
    spread = result.cv.get(metric)
    return CandidateScore(result.name, None if spread is None else spread.mean, result.seconds)


# --- one fit -----------------------------------------------------------------------------------


def fit(candidate: CandidateRef, plan: Plan, layout: Layout, table: np.ndarray, target: np.ndarray) -> Pipeline:
    """A pipeline over the matrix of a layout, fitted.

    Parameters
    ----------
    table
        (rows, layout.width) float32.
    target
        (rows,) values, or indices of the plan's classes.
    """
    model = _pipeline(candidate, plan, layout)
    names = np.array(plan.classes, dtype=object)
    with _quietly():
        model.fit(table, names[target.astype(np.int64)] if plan.classes else target)
    return model


def _fold_scores(
    candidate: CandidateRef, plan: Plan, rows: Rows, learned: np.ndarray, tested: np.ndarray
) -> dict[str, float]:
    layout = matrix.layout({name: values[learned] for name, values in rows.columns.items()})
    table = layout.matrix(rows.columns)
    model = fit(candidate, plan, layout, table[learned], rows.target[learned])
    actual = rows.target[tested]
    if not plan.classes:
        return metrics.score(
            METRICS[plan.task], Outcomes(actual, values=np.asarray(model.predict(table[tested]), np.float64))
        )
    # A fold may lack a class; what it never saw gets no probability.
    probabilities = np.zeros((len(actual), len(plan.classes)))
    probabilities[:, [plan.classes.index(name) for name in model.classes_]] = model.predict_proba(table[tested])
    positive = 1 if plan.positive_class is None else plan.classes.index(plan.positive_class)
    return metrics.score(METRICS[plan.task], Outcomes(actual, probabilities, positive=positive))


def _pipeline(candidate: CandidateRef, plan: Plan, layout: Layout) -> Pipeline:
    kind = _ESTIMATORS[candidate.name][plan.task == "regression"]
    seeded = {} if candidate.name in (candidates.BASELINE, "linear") else {"random_state": plan.seed}
    estimator = kind(**candidate.params, **seeded)
    if candidate.name == "linear":
        return make_pipeline(_scaled(layout), estimator)
    if candidate.name in ("forest", candidates.BASELINE):
        return make_pipeline(_imputer(), estimator)
    return make_pipeline(estimator)


def _scaled(layout: Layout) -> ColumnTransformer:
    """Numbers imputed and scaled, categories one-hot; unknown and rare levels are all zeros."""
    numbers = len(layout.numbers)
    ranks = [np.arange(len(levels), dtype=np.float32) for levels in layout.levels.values()]
    one_hot = OneHotEncoder(categories=ranks, handle_unknown="ignore", sparse_output=False, dtype=np.float32)
    steps = [
        ("numbers", make_pipeline(_imputer(), StandardScaler()), list(range(numbers))),
        ("categories", one_hot, list(range(numbers, layout.width))),
    ]
    return ColumnTransformer([step for step in steps if step[2]])


def _imputer() -> SimpleImputer:
    return SimpleImputer(strategy="median", keep_empty_features=True)


@contextmanager
def _quietly() -> Iterator[None]:
    """One thread, and no warning that only says that a fit could go on a little."""
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def _spread(values: Sequence[float]) -> Spread | None:
    """Mean and standard deviation of the folds where the metric is defined."""
    defined = [value for value in values if not np.isnan(value)]
    return Spread(float(np.mean(defined)), float(np.std(defined))) if defined else None
