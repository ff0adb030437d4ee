"""Fitting a candidate with scikit-learn, and cross-validating it.

One thread, whatever the machine: sums over floating-point numbers depend on how threads
share them, and the same rows must give the same model.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline

from tidemill import keys
from tidemill.contracts import SUPERVISED, CandidateRef, CandidateResult, CandidateScore, dumps
from tidemill.learning import candidates, feature_plan, judging, target_transform
from tidemill.learning.feature_plan import Family, FeaturePlan
from tidemill.learning.out_of_fold import OutOfFold
from tidemill.learning.plan import Plan
from tidemill.learning.rows import Rows
from tidemill.learning.splits import cross_validation, sample
from tidemill.learning.target_transform import TargetTransform
from tidemill.learning.threads import one_thread
from tidemill.rules import metrics

_ESTIMATORS: dict[candidates.Kind, tuple[Any, Any]] = {
    "baseline": (DummyClassifier, DummyRegressor),
    "linear": (LogisticRegression, Ridge),
    "boosting": (HistGradientBoostingClassifier, HistGradientBoostingRegressor),
    "forest": (RandomForestClassifier, RandomForestRegressor),
    "extra_trees": (ExtraTreesClassifier, ExtraTreesRegressor),
    "network": (MLPClassifier, MLPRegressor),
}
#: Those that draw random numbers.
_SEEDED = frozenset({"boosting", "forest", "extra_trees", "network"})
#: Early stopping finds the number of trees on nine tenths of the rows; all of them bear a few more.
MORE_TREES = 1.1
#: A candidate that is still not done after so many seconds is given up before its function is stopped.
MOST_SECONDS = 780.0


class TooSlow(Exception):
    """A candidate takes far longer than was planned for."""


@dataclass(frozen=True)
class CrossValidated:
    """A candidate's result, and what it says of rows that it was not fitted on; None when it could not be fitted."""

    result: CandidateResult
    out_of_fold: OutOfFold | None = None

    def files(self, run_id: str) -> dict[str, bytes]:
        """What the run keeps of it, by key; the result last, so that it never stands without its predictions."""
        name = self.result.name
        predicted = {} if self.out_of_fold is None else {keys.run_out_of_fold(run_id, name): self.out_of_fold.save()}
        return predicted | {keys.run_candidate(run_id, name): dumps(self.result)}


def cross_validate(
    candidate: CandidateRef,
    plan: Plan,
    rows: Rows,
    clock: Callable[[], float],
    number: int = 1,
    fraction: float = 1.0,
) -> CrossValidated:
    """Every metric of the task over the folds of the training rows; an error is a result, too.

    Parameters
    ----------
    rows
        the training rows, with folds.
    clock
        seconds.
    number, fraction
        of the round: the candidate sees this share of the rows of each fold.
    """
    if plan.task not in SUPERVISED:
        from tidemill.learning.structure import fitting as structure

        return CrossValidated(structure.cross_validate(candidate, plan, rows, clock), None)
    assert rows.folds is not None
    began = clock()
    seen = sample(rows.folds, rows.target if plan.classes else None, fraction, plan.seed)
    result = CandidateResult(candidate.name, candidate.params, {}, 0.0, round=number, rows=int(seen.sum()))
    try:
        found = _out_of_fold(candidate, plan, rows, seen, lambda: clock() - began)
        cv = judging.spreads(plan, rows, found.predicted)
    except Exception as error:  # an estimator may raise anything; the search goes on without it
        message = " ".join(str(error).split())[:500]
        return CrossValidated(replace(result, seconds=clock() - began, error=f"{type(error).__name__}: {message}"))
    return CrossValidated(replace(result, cv=cv, seconds=clock() - began), found)


def score_of(result: CandidateResult, metric: str) -> CandidateScore:
    """What `train` returns of a candidate."""
    spread = result.cv.get(metric)
    return CandidateScore(result.name, None if spread is None else spread.mean, result.seconds, result.round)


# --- one fit -----------------------------------------------------------------------------------


def family(candidate: CandidateRef) -> Family:
    """The features that a candidate needs."""
    return "linear" if candidates.kind(candidate.name) in ("linear", "network") else "tree"


def features(plan: Plan, rows: Rows, learned: np.ndarray, needed: Family) -> tuple[FeaturePlan, np.ndarray]:
    """The features of some rows: the plan, and the (rows learned from, width) matrix to fit with."""
    columns = {name: values[learned] for name, values in rows.columns.items()}
    return feature_plan.fit(
        columns,
        rows.target[learned],
        inputs=plan.inputs,
        task=plan.task,
        classes=plan.classes,
        options=plan.features,
        family=needed,
        seed=plan.seed,
    )


def with_trees(candidate: CandidateRef, trees: int) -> CandidateRef:
    """Gradient boosting with a number of trees that was found by early stopping; 0 leaves it as it is."""
    if not trees:
        return candidate
    params = {name: value for name, value in candidate.params.items() if name != "n_iter_no_change"}
    return replace(candidate, params=params | {"max_iter": trees, "early_stopping": False})


def fit(candidate: CandidateRef, plan: Plan, table: np.ndarray, target: np.ndarray) -> Pipeline:
    """A candidate's estimator, fitted.

    Parameters
    ----------
    table
        (rows, width) float32 matrix of the features that the candidate's family needs.
    target
        (rows,) float64 values, transformed, or indices of the plan's classes.
    """
    kind = candidates.kind(candidate.name)
    seeded = {"random_state": plan.seed} if kind in _SEEDED else {}
    estimator = _ESTIMATORS[kind][plan.task == "regression"](**candidate.params, **seeded)
    # Boosting sends missing values where they help; linear features hold none.
    missing = [] if kind in ("boosting", "linear", "network") else [_imputer()]
    model = make_pipeline(*missing, estimator)
    with _quietly():
        if plan.classes:
            model.fit(table, target.astype(np.int64))
        elif kind == "network":
            # A network learns a scaled target; its last layer takes the scale back.
            mean, spread = float(target.mean()), float(target.std()) or 1.0
            model.fit(table, (target - mean) / spread)
            estimator.coefs_[-1] *= spread
            estimator.intercepts_[-1] = estimator.intercepts_[-1] * spread + mean
        else:
            model.fit(table, target)
    return model


def predict(model: Pipeline, plan: Plan, table: np.ndarray) -> np.ndarray:
    """(rows,) float64 transformed values, or (rows, classes) probabilities."""
    with _quietly():
        if not plan.classes:
            return np.asarray(model.predict(table), dtype=np.float64).reshape(-1)
        # A fold may lack a class; what it never saw gets no probability.
        probabilities = np.zeros((len(table), len(plan.classes)))
        probabilities[:, model.classes_] = model.predict_proba(table)
        return probabilities


def _out_of_fold(
    candidate: CandidateRef, plan: Plan, rows: Rows, seen: np.ndarray, spent: Callable[[], float]
) -> OutOfFold:
    """What the candidate says of each row that is tested; the target learned as it is, or transformed if better."""
    assert rows.folds is not None
    transform = TargetTransform() if plan.classes else target_transform.choose(rows.target[seen], plan.features)
    if candidates.kind(candidate.name) == "baseline":
        transform = TargetTransform()
    tried = [TargetTransform()] if not transform.log or plan.features.transform_target == "auto" else []
    tried += [transform] if transform.log else []
    shape = (len(rows), len(plan.classes)) if plan.classes else (len(rows),)
    found = [np.full(shape, np.nan) for _ in tried]
    refs = [candidate] * len(tried)
    for learned, tested in cross_validation(rows.folds, plan.forward):
        learned, tested = learned & seen, tested & seen
        made, table = features(plan, rows, learned, family(candidate))
        others = made.matrix({name: values[tested] for name, values in rows.columns.items()})
        for place, one in enumerate(tried):
            target = one.forward(rows.target[learned])
            model = fit(refs[place], plan, table, target)
            if refs[place].params.get("early_stopping") and candidates.kind(candidate.name) == "boosting":
                # Now that the number of trees is known, no rows need be given away to find it.
                refs[place] = with_trees(candidate, round(MORE_TREES * model[-1].n_iter_))
                model = fit(refs[place], plan, table, target)
            found[place][tested] = predict(model, plan, others)
            if spent() > MOST_SECONDS:
                raise TooSlow(f"given up after {spent():.0f} seconds: leave it out with the spec's candidates")
    trees = [ref.params["max_iter"] if ref is not candidate else 0 for ref in refs]
    return _better(plan, rows, tried, found, trees)


def _better(
    plan: Plan, rows: Rows, tried: list[TargetTransform], found: list[np.ndarray], trees: list[int]
) -> OutOfFold:
    """The transform whose predictions are better by the deciding metric."""
    turned = []
    for transform, learned, count in zip(tried, found, trees, strict=True):
        known = ~np.isnan(learned.reshape(len(rows), -1)[:, 0])
        # Metrics of squared errors want the mean, of which the logarithm's mean falls short.
        if plan.metric in ("rmse", "r2"):
            transform = transform.smeared(rows.target[known], learned[known])
        turned.append(OutOfFold(transform.inverse(learned), transform, count))
    if len(turned) == 1:
        return turned[0]
    means = [judging.mean(plan, rows, one.predicted) for one in turned]
    return turned[metrics.best(plan.metric, means)]


def _imputer() -> SimpleImputer:
    return SimpleImputer(strategy="median", keep_empty_features=True)


@contextmanager
def _quietly() -> Iterator[None]:
    """One thread, and no warning that only says that a fit could go on a little."""
    with one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield
