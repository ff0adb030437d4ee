"""The best candidate without a target, fitted again on all training rows and exported."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version

import numpy as np

from tidemill.contracts import CandidateRef, CandidateScore, Fit, Signature
from tidemill.learning.plan import Plan
from tidemill.learning.refit import BACKGROUND_ROWS, PACKAGES, Refit
from tidemill.learning.rows import Rows
from tidemill.learning.structure import candidates, graph, methods, space
from tidemill.learning.structure.candidates import BASELINE
from tidemill.learning.structure.fitting import halves_of, some_of
from tidemill.learning.structure.judged import Judged
from tidemill.learning.structure.methods import Clustering, Detection, Method, Reduction
from tidemill.rules.structure_metrics import adjusted_rand
from tidemill.serving.prediction import ANOMALY, NORMAL
from tidemill.spec import LOWER_IS_BETTER

#: Rows that the best candidate learns from at most.
_ROWS = 50_000
#: Pairs of halves whose clusters are compared, and the difference in agreement that decides nothing.
_TRIES = 4
_AS_SURE = 0.05


def refit(plan: Plan, rows: Rows, holdout: Rows, scores: Sequence[CandidateScore]) -> Refit:
    """Fit the best candidate and the baseline on the training rows and export both.

    Raises
    ------
    CandidateFailed
        no candidate could be fitted.
    DataRefused
        no column varies.
    """
    equals = candidates.best(scores, plan.candidates, plan.metric)
    seen = some_of(np.ones(len(rows), dtype=bool), _ROWS, plan.seed)
    columns = {name: values[seen] for name, values in rows.columns.items()}
    made = space.fit(plan.inputs, columns)
    table = made.matrix(columns)
    chosen = _surest(equals, plan, table) if plan.task == "clustering" else equals[0]
    model = methods.of(chosen, plan.task, table, plan.seed)
    baseline = methods.of(CandidateRef(BASELINE, chosen.params), plan.task, table, plan.seed)
    tested = made.matrix(holdout.columns)
    found = model.find(tested)
    background = np.sort(np.random.default_rng(plan.seed).permutation(len(rows))[:BACKGROUND_ROWS])
    return Refit(
        onnx=graph.export(model, made),
        baseline_onnx=graph.export(baseline, made),
        signature=_signature(plan, model),
        reference=Judged(
            labels=found.labels,
            values=found.values,
            components=found.components,
            halves=halves_of(chosen, plan, table, tested),
        ),
        fit=Fit(
            candidate=chosen.name,
            params=chosen.params,
            seed=plan.seed,
            packages={package: version(package) for package in PACKAGES},
            python=platform.python_version(),
            decisions=_decisions(plan, chosen, model, scores),
        ),
        features={"families": {"distance": made.document()}, "members": {chosen.name: "distance"}},
        background={name: values[background] for name, values in rows.columns.items()},
    )


def _surest(equals: Sequence[CandidateRef], plan: Plan, table: np.ndarray) -> CandidateRef:
    """Of numbers of clusters that are as good, the one that separate halves of the rows agree on best; then fewer."""
    if len(equals) == 1:
        return equals[0]
    agreed = []
    for candidate in equals:
        tries = [halves_of(candidate, replace(plan, seed=plan.seed + n), table, table) for n in range(_TRIES)]
        agreed.append(np.mean([adjusted_rand(one[:, 0], one[:, 1]) for one in tries if one is not None]))
    return next(one for one, share in zip(equals, agreed, strict=True) if share >= max(agreed) - _AS_SURE)


def _signature(plan: Plan, model: Method) -> Signature:
    signature = plan.signature()
    if isinstance(model, Clustering):
        return replace(signature, classes=tuple(map(str, range(len(model.model.cluster_centers_)))))
    if isinstance(model, Detection):
        return replace(signature, classes=(NORMAL, ANOMALY), threshold=model.threshold)
    return replace(signature, components=len(model.shares))


def _decisions(plan: Plan, chosen: CandidateRef, model: Method, scores: Sequence[CandidateScore]) -> tuple[str, ...]:
    """What was chosen and why, in sentences."""
    means = {score.name: score.mean for score in scores if score.mean is not None and score.name != BASELINE}
    if isinstance(model, Clustering):
        clusters, mean = len(model.model.cluster_centers_), means[chosen.name]
        if len(means) == 1:
            return (f"The rows are put into {clusters} clusters, the only number that was tried.",)
        top = (min if plan.metric in LOWER_IS_BETTER else max)(means, key=lambda name: means[name])
        why = (
            f"the best {plan.metric} in cross-validation, {mean:.3f}"
            if top == chosen.name
            else f"a {plan.metric} of {mean:.3f} in cross-validation, within a tenth of the best, "
            f"{means[top]:.3f} of {top[7:]} clusters; of such the surest to be found again is taken"
        )
        return (f"{clusters} clusters were chosen of {len(means)} numbers that were tried: they have {why}.",)
    if isinstance(model, Reduction):
        kept, of = len(model.shares), model.model.n_features_in_
        why = "as the spec asks" if "n_components" in chosen.params else "which is as few as explain 90%"
        return (f"{kept} components keep {sum(model.shares):.1%} of the variance of {of} columns, {why}.",)
    found = (
        f"{chosen.name} tells real rows from shuffled ones best in cross-validation "
        f"({plan.metric} {means[chosen.name]:.3f}); "
        if len(means) > 1
        else ""
    )
    return (f"{found}a row is an anomaly when it is stranger than {model.threshold:.1%} of the training rows.",)
