"""Cross-validating a candidate without a target."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tidemill.contracts import CandidateRef, CandidateResult, Spread
from tidemill.learning.plan import Plan
from tidemill.learning.rows import Rows
from tidemill.learning.splits import cross_validation
from tidemill.learning.structure import methods, reference, space
from tidemill.learning.structure.candidates import BASELINE
from tidemill.learning.structure.methods import Clustering, Method, Reduction
from tidemill.learning.structure.space import Space
from tidemill.rules import structure_metrics
from tidemill.rules.structure_metrics import Clusters, Components, Found, Strangeness
from tidemill.serving.features import Encoder
from tidemill.spec import METRICS

#: Rows that a candidate learns from in each fold: structure shows in fewer.
_FOLD_ROWS = 10_000


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
            _fold(candidate, plan, rows, some_of(learned, _FOLD_ROWS, plan.seed), tested)
            for learned, tested in cross_validation(rows.folds, plan.forward)
        ]
    except Exception as error:  # an estimator may raise anything; the search goes on without it
        message = " ".join(str(error).split())[:500]
        failure = f"{type(error).__name__}: {message}"
        return CandidateResult(candidate.name, candidate.params, {}, clock() - began, failure, rows=len(rows))
    cv = {name: _spread([scores[name] for scores in drawn]) for name in METRICS[plan.task]}
    defined = {name: spread for name, spread in cv.items() if spread is not None}
    return CandidateResult(candidate.name, candidate.params, defined, clock() - began, rows=len(rows))


# --- one fold ----------------------------------------------------------------------------------


def _fold(candidate: CandidateRef, plan: Plan, rows: Rows, learned: np.ndarray, tested: np.ndarray) -> dict[str, float]:
    names = METRICS[plan.task]
    columns = {name: values[learned] for name, values in rows.columns.items()}
    made = space.fit(plan.inputs, columns)
    table = made.matrix(columns)
    test = {name: values[tested] for name, values in rows.columns.items()}
    if plan.task == "clustering" and candidate.name == BASELINE:
        return reference.one_cloud(names, table, int(candidate.params["n_clusters"]), plan.seed)
    model = methods.of(candidate, plan.task, table, plan.seed)
    return structure_metrics.score(names, _found(candidate, plan, model, made, table, test))


def _found(
    candidate: CandidateRef, plan: Plan, model: Method, made: Space, table: np.ndarray, test: dict[str, np.ndarray]
) -> Found:
    """What a model found in the rows of `test`, for its metrics."""
    tested = made.matrix(test)
    if isinstance(model, Reduction):
        components = model.find(tested).components
        assert components is not None
        return Components(tested, model.reconstruct(components))
    halves = halves_of(candidate, plan, table, tested)
    if isinstance(model, Clustering):
        return Clusters(tested, model.model.predict(tested), halves)
    mixed = made.matrix(reference.shuffled(test, Encoder(plan.inputs).encoded_names.values(), plan.seed))
    scores, others = (model.find(one).values for one in (tested, mixed))
    assert scores is not None
    assert others is not None
    return Strangeness(scores, others, halves)


def halves_of(candidate: CandidateRef, plan: Plan, table: np.ndarray, tested: np.ndarray) -> np.ndarray | None:
    """(n, 2) float64: what the candidate finds in rows when it is fitted on either half of the training rows."""
    if plan.task == "dimensionality_reduction":
        return None
    order = np.random.default_rng(plan.seed).permutation(len(table))
    found = []
    for half in (order[: len(order) // 2], order[len(order) // 2 :]):
        model = methods.of(candidate, plan.task, table[np.sort(half)], plan.seed)
        prediction = model.find(tested)
        said = prediction.labels if isinstance(model, Clustering) else prediction.values
        assert said is not None
        found.append(said.astype(np.float64))
    return np.column_stack(found)


def some_of(kept: np.ndarray, most: int, seed: int) -> np.ndarray:
    """(n,) bool: at most so many of the rows that a mask keeps."""
    places = np.flatnonzero(kept)
    if len(places) <= most:
        return kept
    some = np.zeros(len(kept), dtype=bool)
    some[np.random.default_rng(seed).permutation(places)[:most]] = True
    return some


def _spread(values: Sequence[float]) -> Spread | None:
    defined = [value for value in values if not np.isnan(value)]
    return Spread(float(np.mean(defined)), float(np.std(defined))) if defined else None
