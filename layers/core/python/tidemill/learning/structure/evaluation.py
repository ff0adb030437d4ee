"""How good a model without a target is on rows that it was not fitted on, from the graph that will be served.

Needs numpy and ONNX Runtime only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from tidemill.contracts import ChampionComparison, Evaluation, Gate, Importance, Interval, Parity, Signature
from tidemill.learning.rows import Rows
from tidemill.learning.structure import described, reference
from tidemill.learning.structure.judged import Judged
from tidemill.rules import gates, structure_metrics
from tidemill.rules.structure_metrics import Clusters, Components, Found, Strangeness
from tidemill.serving.prediction import LABEL, RECONSTRUCTION, SPACE, Prediction
from tidemill.serving.scoring import Model
from tidemill.spec import METRICS, Spec, default_metric

#: Values may differ by this much of their size between ONNX and scikit-learn.
TOLERANCE = 1e-5
#: Rows and repeats of the importance of columns.
_IMPORTANCE_ROWS = 1000
_IMPORTANCE_REPEATS = 3
#: What the baseline is, and what it says when the model is no better.
_BASELINES = {
    "clustering": (
        "that k-means reaches in rows without clusters, a single cloud of the same spread",
        "the rows form no clusters that rows without any would not show",
    ),
    "dimensionality_reduction": (
        "of as many directions drawn at random",
        "the columns go their own ways, so that fewer numbers cannot stand for them",
    ),
    "anomaly_detection": (
        "of the same score for every row",
        "the columns do not go together, so that shuffling each of them makes no row strange",
    ),
}


def evaluate(
    spec: Spec,
    holdout: Rows,
    *,
    model: Model,
    baseline: Model,
    found: Prediction,
    candidate: str,
    decisions: tuple[str, ...],
    champion: tuple[int, Model] | None,
) -> Evaluation:
    """Judge the model on the holdout, against rows without structure and against the model in service.

    Parameters
    ----------
    found
        what scikit-learn says of the holdout.
    champion
        version and model, when one is in service.
    """
    signature = model.signature
    names, metric = METRICS[signature.task], spec.metric or default_metric(signature.task)
    predicted = model.predict(holdout.columns)
    (space,) = (part.astype(np.float64) for part in model.run(holdout.columns, [SPACE]))
    mixed = reference.shuffled(holdout.columns, model.encoder.encoded_names.values(), spec.seed)
    halves = found.halves if isinstance(found, Judged) else None
    measured = _found(model, holdout.columns, mixed, space, halves)
    intervals = _defined(structure_metrics.intervals(names, measured, spec.seed))
    least = _baseline(spec, baseline, signature, holdout.columns, mixed, space)
    compared, standing = _compare(spec, metric, measured, holdout.columns, mixed, space, signature, champion)
    judged = gates.judge(spec.gates, metric, intervals, least, standing)
    return Evaluation(
        task=signature.task,
        target=None,
        metric=metric,
        candidate=candidate,
        rows=len(holdout),
        holdout=intervals,
        baseline={name: least[name] for name in intervals},
        gates=tuple(_in_words(gate, metric, signature) for gate in judged),
        importance=_importance(model, holdout.columns, spec.seed),
        parity=prove(found, predicted),
        champion=compared,
        classes=signature.classes,
        curves=_curves(model, holdout.columns, predicted, space),
        decisions=(*decisions, *_nearer(model, baseline, holdout.columns)),
    )


def prove(found: Prediction, predicted: Prediction) -> Parity:
    """Compare the graph's answers with scikit-learn's on every row.

    Values are compared relative to their own size, or to their root mean square when that is larger.
    """
    pairs = [
        (one, other)
        for one, other in ((found.values, predicted.values), (found.components, predicted.components))
        if one is not None and other is not None
    ]
    if not pairs:
        raise ValueError("both predictions must be of the same task")
    ((one, other),) = pairs
    size = np.maximum(np.abs(one), float(np.sqrt(np.mean(one**2))))
    differences = np.abs(other - one) / np.where(size > 0, size, 1.0)
    equal = found.labels is None or bool(np.array_equal(found.labels, predicted.labels))  # type: ignore[arg-type]
    # A NaN on either side is a difference that no tolerance allows; JSON has no infinity.
    largest = float(np.max(np.nan_to_num(differences, nan=1e300, posinf=1e300), initial=0.0))
    return Parity(len(one), equal, largest, TOLERANCE)


# --- what was found ----------------------------------------------------------------------------


def _found(
    model: Model,
    columns: dict[str, np.ndarray],
    mixed: dict[str, np.ndarray],
    space: np.ndarray,
    halves: np.ndarray | None,
) -> Found:
    """What a model finds in the rows, for its metrics.

    Parameters
    ----------
    mixed
        the rows with each raw column shuffled on its own.
    space
        the rows in the space of the new model, in which the clusters of both are measured.
    """
    task = model.signature.task
    if task == "clustering":
        return Clusters(space, model.run(columns, [LABEL])[0].astype(np.int64), halves)
    if task == "dimensionality_reduction":
        own, rebuilt = (part.astype(np.float64) for part in model.run(columns, [SPACE, RECONSTRUCTION]))
        return Components(own, rebuilt)
    scores, others = (model.predict(rows).values for rows in (columns, mixed))
    assert scores is not None
    assert others is not None
    return Strangeness(scores, others, halves)


def _baseline(
    spec: Spec,
    baseline: Model,
    signature: Signature,
    columns: dict[str, np.ndarray],
    mixed: dict[str, np.ndarray],
    space: np.ndarray,
) -> dict[str, float]:
    names = METRICS[signature.task]
    if signature.task == "clustering":
        return reference.one_cloud(names, space, len(signature.classes), spec.seed)
    found = _found(baseline, columns, mixed, space, None)
    # A score that is the same for every row ranks none of them.
    return {name: 0.0 if np.isnan(value) else value for name, value in structure_metrics.score(names, found).items()}


def _compare(
    spec: Spec,
    metric: str,
    new: Found,
    columns: dict[str, np.ndarray],
    mixed: dict[str, np.ndarray],
    space: np.ndarray,
    signature: Signature,
    champion: tuple[int, Model] | None,
) -> tuple[ChampionComparison | None, gates.Champion | None]:
    """The model in service on the same rows, and how it stands."""
    if champion is None:
        return None, None
    version, model = champion
    why_not = _misfit(model.signature, signature)
    if not why_not and metric == "stability":
        why_not = "how stable it is was only measured when it was trained"
    if why_not:
        other = model.signature.task != signature.task
        return None, gates.Champion(version, None, why_not=why_not, other_target=other)
    old = _found(model, columns, mixed, space, None)
    measured = _defined(structure_metrics.intervals(METRICS[signature.task], old, spec.seed))
    if metric not in measured:
        return None, gates.Champion(version, None, why_not=f"its {metric} is not defined on these rows")
    difference = structure_metrics.difference(metric, new, old, spec.seed)
    return (
        ChampionComparison(version, measured, difference),
        gates.Champion(version, measured[metric].value, difference),
    )


def _misfit(old: Signature, new: Signature) -> str:
    """Why a model of the old signature cannot be judged on rows of the new one; empty when it can."""
    if old.task != new.task:
        return f"its task is {old.task}, the new model's {new.task}"
    kinds = {field.name: field.type for field in new.inputs}
    for field in old.inputs:
        if field.name not in kinds:
            return f"it needs the column {field.name}, which the new model does not use"
        if not _alike(kinds[field.name], field.type):
            return f"its column {field.name} is of another type"
    return ""


def _alike(one: str, other: str) -> bool:
    kinds = {"integer": "number", "number": "number", "date": "date"}
    return kinds.get(one, "text") == kinds.get(other, "text")


def _in_words(gate: Gate, metric: str, signature: Signature) -> Gate:
    """The gate of the baseline says what the baseline of this task is."""
    if gate.name != "beats_baseline" or gate.verdict == "skip" or gate.value is None or gate.threshold is None:
        return gate
    what, why = _BASELINES[signature.task]
    figures = f"{metric} is {gate.value:.3f} on the holdout"
    if gate.verdict == "pass":
        return replace(gate, detail=f"{figures}, better than {gate.threshold:.3f} {what}")
    return replace(
        gate,
        detail=f"{figures}, no better than {gate.threshold:.3f} {what}: {why}; choose another task or "
        "other columns, or set gates.must_beat_baseline to false",
    )


def _defined(intervals: Mapping[str, Interval]) -> dict[str, Interval]:
    return {name: item for name, item in intervals.items() if not np.isnan(item.value)}


# --- for people --------------------------------------------------------------------------------


def _importance(model: Model, columns: dict[str, np.ndarray], seed: int) -> tuple[Importance, ...]:
    """How much of what the model says changes when a raw column is shuffled: the share of rows that go to another
    cluster, the mean change of the score, or the share of the components' variance that changes."""
    generator = np.random.default_rng(seed)
    rows = len(next(iter(columns.values())))
    sample = generator.permutation(rows)[:_IMPORTANCE_ROWS]
    some = {name: values[sample] for name, values in columns.items()}
    before = model.predict(some)
    found = []
    for field in model.signature.inputs:
        changes = []
        for _ in range(_IMPORTANCE_REPEATS):
            order = generator.permutation(len(sample))
            names = model.encoder.encoded_names[field.name]
            changes.append(
                _change(model.signature.task, before, model.predict(some | {name: some[name][order] for name in names}))
            )
        found.append(Importance(field.name, float(np.mean(changes)), float(np.std(changes))))
    return tuple(sorted(found, key=lambda item: -item.mean))


def _change(task: str, before: Prediction, after: Prediction) -> float:
    if task == "clustering":
        return float(np.mean(before.labels != after.labels))
    if task == "anomaly_detection":
        assert before.values is not None
        assert after.values is not None
        return float(np.abs(after.values - before.values).mean())
    assert before.components is not None
    assert after.components is not None
    spread = 2 * float(((before.components - before.components.mean(axis=0)) ** 2).sum())
    return float(((after.components - before.components) ** 2).sum()) / spread if spread > 0 else 0.0


def _nearer(model: Model, baseline: Model, columns: dict[str, np.ndarray]) -> tuple[str, ...]:
    """How much of the rows' spread is between the clusters."""
    if model.signature.task != "clustering":
        return ()
    own, common = model.predict(columns).values, baseline.predict(columns).values
    if own is None or common is None or not (common**2).sum():
        return ()
    share = 1 - float((own**2).sum() / (common**2).sum())
    return (f"Knowing a holdout row's cluster takes away {share:.0%} of its squared distance from the middle.",)


def _curves(
    model: Model, columns: dict[str, np.ndarray], predicted: Prediction, space: np.ndarray
) -> dict[str, dict[str, Any]]:
    if predicted.components is not None:
        return described.components(model, columns, predicted.components, space)
    assert predicted.labels is not None
    assert predicted.values is not None
    if model.signature.task == "clustering":
        return described.clusters(model, columns, predicted.labels, space)
    return described.anomalies(model, columns, predicted.values, space)
