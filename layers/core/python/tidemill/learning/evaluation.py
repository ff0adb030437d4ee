"""How good the refitted model is on rows that no candidate has seen, from the graph that will be served.

Needs numpy and ONNX Runtime only: what is measured here is what predictions will come from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tidemill.contracts import (
    ChampionComparison,
    ColumnType,
    Evaluated,
    Evaluation,
    Importance,
    Parity,
    Signature,
)
from tidemill.errors import GateRefused, ParityError
from tidemill.learning.rows import Rows
from tidemill.rules import bootstrap, gates
from tidemill.rules.metrics import Outcomes, all_of, improvement, score
from tidemill.serving.scoring import Model, Prediction
from tidemill.spec import Spec, default_metric

#: Scores may differ by this much between ONNX and scikit-learn, values by this much of their size.
TOLERANCE = 1e-5

#: Rows and repeats of the permutation importance.
_IMPORTANCE_ROWS = 2000
_IMPORTANCE_REPEATS = 3
#: Points of a drawn curve, and of a scatter plot.
_CURVE_POINTS = 200
_SCATTER_POINTS = 2000
_CALIBRATION_BINS = 10
_RESIDUAL_BINS = 30


@dataclass(frozen=True)
class Trained:
    """What `train` has left for the evaluation."""

    candidate: str
    model: Model
    baseline: Model
    reference: Prediction  #: the fitted estimator's own predictions on the holdout


@dataclass(frozen=True)
class InService:
    """The champion's version and model."""

    version: int
    model: Model


def evaluate(spec: Spec, holdout: Rows, trained: Trained, champion: InService | None) -> Evaluation:
    """Judge the model on the holdout, against the baseline and the model in service.

    Whether it may go on is said by `check`, after the evaluation has been stored.
    """
    signature = trained.model.signature
    metric = spec.metric or default_metric(signature.task)
    predicted = trained.model.predict(holdout.columns)
    outcomes = _outcomes(signature, holdout, predicted)
    measured = bootstrap.intervals(all_of(signature.task), outcomes, spec.seed)
    intervals = {name: item for name, item in measured.items() if not np.isnan(item.value)}
    baseline = score(intervals, _outcomes(signature, holdout, trained.baseline.predict(holdout.columns)))
    compared = _compare(metric, outcomes, holdout, signature, champion, spec.seed) if metric in intervals else None
    return Evaluation(
        task=signature.task,
        target=signature.target,
        metric=metric,
        candidate=trained.candidate,
        rows=len(holdout),
        holdout=intervals,
        baseline=baseline,
        gates=gates.judge(spec.gates, metric, intervals, baseline, _standing(metric, champion, compared, signature)),
        importance=_importance(metric, trained.model, holdout, spec.seed) if metric in intervals else (),
        parity=prove(trained.reference, predicted),
        champion=compared,
        classes=signature.classes,
        positive_class=signature.positive_class,
        curves=_curves(signature, outcomes, spec.seed),
    )


def check(evaluation: Evaluation) -> Evaluated:
    """Let the evaluated model go on, or say why it may not.

    Raises
    ------
    ParityError
        the exported graph does not predict what the estimator predicts.
    GateRefused
        a gate refuses; the message is the gate's sentence.
    """
    parity = evaluation.parity
    if not parity.labels_equal or not parity.max_difference <= parity.tolerance:
        labels = "the same" if parity.labels_equal else "different"
        raise ParityError(
            f"the exported graph of {evaluation.candidate} has {labels} labels and differs from scikit-learn "
            f"by {parity.max_difference:.2g} on {parity.rows} holdout rows, {parity.tolerance:g} are allowed: "
            f"leave {evaluation.candidate} out with the spec's candidates"
        )
    refused = [gate.detail for gate in evaluation.gates if gate.verdict == "refuse"]
    if refused:
        raise GateRefused("; ".join(refused))
    champion = evaluation.champion
    value = evaluation.holdout[evaluation.metric].value
    return Evaluated(evaluation.metric, value, champion.version if champion else None)


def prove(reference: Prediction, predicted: Prediction) -> Parity:
    """Compare the graph's predictions with the estimator's on every row.

    Scores are compared as they are; values relative to their own size, or to the root mean
    square of all values when they are smaller, since sums of float32 leaves have an error
    of that size near zero.
    """
    if reference.values is not None and predicted.values is not None:
        usual = float(np.sqrt(np.mean(reference.values**2)))
        size = np.maximum(np.abs(reference.values), usual)
        differences = np.abs(predicted.values - reference.values) / np.where(size > 0, size, 1.0)
        return Parity(len(differences), True, _largest(differences), TOLERANCE)
    if reference.probabilities is None or predicted.probabilities is None:
        raise ValueError("both predictions must be of the same task")
    equal = bool(np.array_equal(reference.labels, predicted.labels))  # type: ignore[arg-type]
    differences = np.abs(predicted.probabilities - reference.probabilities)
    return Parity(len(differences), equal, _largest(differences), TOLERANCE)


def _largest(differences: np.ndarray) -> float:
    # A NaN on either side is a difference that no tolerance allows; JSON has no infinity.
    return float(np.max(np.nan_to_num(differences, nan=1e300, posinf=1e300), initial=0.0))


def _outcomes(signature: Signature, holdout: Rows, predicted: Prediction) -> Outcomes:
    return Outcomes(
        holdout.target, predicted.probabilities, predicted.values, _positive(signature), signature.threshold
    )


def _positive(signature: Signature) -> int:
    return signature.classes.index(signature.positive_class) if signature.positive_class in signature.classes else 1


# --- the model in service ----------------------------------------------------------------------


def _compare(
    metric: str, new: Outcomes, holdout: Rows, signature: Signature, champion: InService | None, seed: int
) -> ChampionComparison | None:
    if champion is None or _misfit(champion.model.signature, signature):
        return None
    old = _outcomes(signature, holdout, champion.model.predict(holdout.columns))
    measured = bootstrap.intervals(all_of(signature.task), old, seed)
    return ChampionComparison(
        version=champion.version,
        holdout={name: item for name, item in measured.items() if not np.isnan(item.value)},
        difference=bootstrap.difference(metric, new, old, seed),
    )


def _standing(
    metric: str, champion: InService | None, compared: ChampionComparison | None, signature: Signature
) -> gates.Champion | None:
    if champion is None:
        return None
    if compared is None:
        old = champion.model.signature
        return gates.Champion(
            champion.version, None, why_not=_misfit(old, signature), other_target=_other_target(old, signature)
        )
    return gates.Champion(champion.version, compared.holdout[metric].value, compared.difference)


def _other_target(old: Signature, new: Signature) -> bool:
    return (old.task == "regression", old.target) != (new.task == "regression", new.target)


def _misfit(old: Signature, new: Signature) -> str:
    """Why a model of the old signature cannot be judged on rows of the new one; empty when it can."""
    if old.task != new.task or old.target != new.target:
        return f"it predicts {old.target} ({old.task}), the new model {new.target} ({new.task})"
    if old.classes != new.classes:
        return f"its classes are {', '.join(old.classes)}, the new model's {', '.join(new.classes)}"
    kinds = {field.name: _encoding(field.type) for field in new.inputs}
    for field in old.inputs:
        if field.name not in kinds:
            return f"it needs the column {field.name}, which the new model does not use"
        if kinds[field.name] != _encoding(field.type):
            return f"its column {field.name} is of another type"
    return ""


def _encoding(kind: ColumnType) -> str:
    return {"integer": "number", "number": "number", "date": "date"}.get(kind, "text")


# --- what drives the predictions ---------------------------------------------------------------


def _importance(metric: str, model: Model, holdout: Rows, seed: int) -> tuple[Importance, ...]:
    """Permutation importance (Breiman, Random Forests, 2001): the metric's loss when a raw column is shuffled."""
    generator = np.random.default_rng(seed)
    sample = generator.permutation(len(holdout))[:_IMPORTANCE_ROWS]
    columns = {name: values[sample] for name, values in holdout.columns.items()}
    rows = Rows(columns, holdout.target[sample])

    def measure(changed: dict[str, np.ndarray]) -> float:
        return score([metric], _outcomes(model.signature, rows, model.predict(columns | changed)))[metric]

    whole = measure({})
    found = []
    for field in model.signature.inputs:
        losses = []
        for _ in range(_IMPORTANCE_REPEATS):
            order = generator.permutation(len(rows))
            shuffled = {name: columns[name][order] for name in model.encoder.encoded_names[field.name]}
            losses.append(improvement(metric, whole, measure(shuffled)))
        found.append(Importance(field.name, float(np.mean(losses)), float(np.std(losses))))
    return tuple(sorted(found, key=lambda item: -item.mean))


# --- curves ------------------------------------------------------------------------------------


def _curves(signature: Signature, outcomes: Outcomes, seed: int) -> dict[str, dict[str, Any]]:
    if outcomes.values is not None:
        return _value_curves(outcomes.actual, outcomes.values, seed)
    classes = len(signature.classes)
    codes = outcomes.codes
    matrix = np.bincount(codes * classes + outcomes.predicted, minlength=classes * classes).reshape(classes, classes)
    curves: dict[str, dict[str, Any]] = {"confusion": {"labels": list(signature.classes), "matrix": matrix.tolist()}}
    if signature.task == "binary":
        curves |= _ranking_curves(outcomes)
    return curves


def _ranking_curves(outcomes: Outcomes) -> dict[str, dict[str, Any]]:
    _, hits, ends = outcomes.ranking(outcomes.positive)
    true = np.concatenate([[0], np.cumsum(hits)[ends]])
    false = np.concatenate([[0], ends + 1 - true[1:]])
    curves: dict[str, dict[str, Any]] = {}
    if true[-1] and false[-1]:
        drawn = _thinned(len(true))
        curves["roc"] = {"fpr": (false / false[-1])[drawn].tolist(), "tpr": (true / true[-1])[drawn].tolist()}
        later = _thinned(len(true) - 1) + 1
        curves["precision_recall"] = {
            "recall": (true / true[-1])[later].tolist(),
            "precision": (true[later] / (true[later] + false[later])).tolist(),
        }
    scores = outcomes.scores[:, outcomes.positive]
    happened = outcomes.codes == outcomes.positive
    bins = np.minimum((scores * _CALIBRATION_BINS).astype(np.int64), _CALIBRATION_BINS - 1)
    count = np.bincount(bins, minlength=_CALIBRATION_BINS)
    filled = count > 0
    curves["calibration"] = {
        "predicted": (np.bincount(bins, scores, _CALIBRATION_BINS)[filled] / count[filled]).tolist(),
        "observed": (np.bincount(bins, happened, _CALIBRATION_BINS)[filled] / count[filled]).tolist(),
        "count": count[filled].tolist(),
    }
    return curves


def _value_curves(actual: np.ndarray, predicted: np.ndarray, seed: int) -> dict[str, dict[str, Any]]:
    sample = np.sort(np.random.default_rng(seed).permutation(len(actual))[:_SCATTER_POINTS])
    counts, edges = np.histogram(predicted - actual, bins=_RESIDUAL_BINS)
    return {
        "residuals": {"actual": actual[sample].tolist(), "predicted": predicted[sample].tolist()},
        "residual_histogram": {"edges": edges.tolist(), "counts": counts.tolist()},
    }


def _thinned(points: int) -> np.ndarray:
    """Indices of at most as many points as a curve is drawn with, the first and last among them."""
    return np.unique(np.linspace(0, points - 1, min(points, _CURVE_POINTS)).astype(np.int64))
