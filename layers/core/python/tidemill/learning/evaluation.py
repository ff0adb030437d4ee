"""How good the refitted model is on rows that no candidate has seen, from the graph that will be served.

Needs numpy and ONNX Runtime only: what is measured here is what predictions will come from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tidemill.contracts import (
    SUPERVISED,
    ChampionComparison,
    Conformal,
    Coverage,
    Evaluated,
    Evaluation,
    Fit,
    Gate,
    Parity,
    Signature,
)
from tidemill.errors import GateRefused, InputRefused, ParityError
from tidemill.learning import explanation, newest, slices
from tidemill.learning.comparison import InService, compare, misfit, other_target
from tidemill.learning.newest import Newest, Recent
from tidemill.learning.rows import Rows, outcomes
from tidemill.learning.structure import evaluation as structure
from tidemill.rules import bootstrap, fairness, gates
from tidemill.rules.metrics import Outcomes, all_of, score
from tidemill.serving.conformal import interval, prediction_sets
from tidemill.serving.scoring import Model, Prediction
from tidemill.spec import Spec, default_metric

#: Scores may differ by this much between ONNX and scikit-learn, values by this much of their size.
TOLERANCE = 1e-5

#: Confidences whose intervals or sets are tried on the holdout.
CONFIDENCES = (0.8, 0.9, 0.95)
#: Points of a drawn curve, and of a scatter plot.
_CURVE_POINTS = 200
_SCATTER_POINTS = 2000
_CALIBRATION_BINS = 10
_RESIDUAL_BINS = 30


@dataclass(frozen=True)
class Trained:
    """What `train` has left for the evaluation."""

    fit: Fit
    model: Model
    baseline: Model
    reference: Prediction  #: the fitted estimator's own predictions on the holdout


def evaluate(
    spec: Spec, holdout: Rows, trained: Trained, champion: InService | None, recent: Recent | None = None
) -> Evaluation:
    """Judge the model on the holdout, against the baseline and the model in service, and on the newest rows.

    Whether it may go on is said by `check`, after the evaluation has been stored.
    """
    if trained.model.signature.task not in SUPERVISED:
        return structure.evaluate(
            spec,
            holdout,
            model=trained.model,
            baseline=trained.baseline,
            found=trained.reference,
            candidate=trained.fit.candidate,
            decisions=trained.fit.decisions,
            champion=(champion.version, champion.model) if champion else None,
        )
    model, signature = trained.model, trained.model.signature
    metric = spec.metric or default_metric(signature.task)
    predicted = model.predict(holdout.columns)
    happened = outcomes(holdout, predicted, signature)
    measured = bootstrap.intervals(all_of(signature.task), happened, spec.seed)
    intervals = {name: item for name, item in measured.items() if not np.isnan(item.value)}
    baseline = score(intervals, outcomes(holdout, trained.baseline.predict(holdout.columns), signature))
    defined = metric in intervals
    compared = _compare(metric, happened, holdout, signature, champion, spec.seed) if defined else None
    lately = newest.judge(metric, model, champion, recent, spec.seed) if defined and champion and recent else None
    importance = explanation.importance(metric, model, holdout, spec.seed) if defined else ()
    levels = slices.by_level(holdout.extra, metric, happened, spec.seed)
    places = {item.feature: place for place, item in enumerate(importance)}
    ranked = sorted(signature.inputs, key=lambda field: places.get(field.name, 0))
    names = model.encoder.encoded_names
    worst = slices.worst(ranked, names, holdout, metric, happened, intervals[metric], spec.seed) if defined else ()
    return Evaluation(
        task=signature.task,
        target=signature.target,
        metric=metric,
        candidate=trained.fit.candidate,
        rows=len(holdout),
        holdout=intervals,
        baseline=baseline,
        gates=(
            *gates.judge(spec.gates, metric, intervals, baseline, _standing(metric, champion, compared, signature)),
            *([] if lately is None else [_newest_gate(spec, metric, lately)]),
            *fairness.judge(spec, levels),
        ),
        importance=importance,
        parity=prove(trained.reference, predicted),
        champion=compared,
        classes=signature.classes,
        positive_class=signature.positive_class,
        curves=_curves(signature, happened, spec.seed),
        effects=explanation.effects(model, holdout, importance, spec.seed),
        slices=(*levels, *worst),
        coverage=_coverage(signature.conformal, predicted, holdout.target),
        members=trained.fit.members,
        calibration=trained.fit.calibration,
        decisions=trained.fit.decisions,
        newest=lately.champion if lately else None,
        newest_rows=lately.rows if lately else 0,
        newest_metrics=lately.metrics if lately else {},
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
        differences = _relative(reference.values, predicted.values)
        if reference.scale is not None:
            # A graph without the output that intervals are made of differs in all of it.
            made = np.full_like(reference.scale, np.nan) if predicted.scale is None else predicted.scale
            differences = np.maximum(differences, _relative(reference.scale, made))
        return Parity(len(differences), True, _largest(differences), TOLERANCE)
    if reference.probabilities is None or predicted.probabilities is None:
        raise ValueError("both predictions must be of the same task")
    equal = bool(np.array_equal(reference.labels, predicted.labels))  # type: ignore[arg-type]
    differences = np.abs(predicted.probabilities - reference.probabilities)
    return Parity(len(differences), equal, _largest(differences), TOLERANCE)


def _relative(reference: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """(n,): differences relative to the value's own size, or to the usual one when it is smaller."""
    size = np.maximum(np.abs(reference), float(np.sqrt(np.mean(reference**2))))
    differences: np.ndarray = np.abs(predicted - reference) / np.where(size > 0, size, 1.0)
    return differences


def _largest(differences: np.ndarray) -> float:
    # A NaN on either side is a difference that no tolerance allows; JSON has no infinity.
    return float(np.max(np.nan_to_num(differences, nan=1e300, posinf=1e300), initial=0.0))


# --- how far a single prediction may be off ----------------------------------------------------


def _coverage(conformal: Conformal | None, predicted: Prediction, actual: np.ndarray) -> dict[str, Coverage]:
    """What intervals or sets of some confidences held on the holdout; one that the model cannot promise is absent."""
    found: dict[str, Coverage] = {}
    for confidence in CONFIDENCES if conformal else ():
        assert conformal is not None
        try:
            found[str(confidence)] = _covered(conformal, predicted, actual, confidence)
        except InputRefused:  # too few scores were kept for so much
            continue
    return found


def _covered(conformal: Conformal, predicted: Prediction, actual: np.ndarray, confidence: float) -> Coverage:
    if predicted.values is not None:
        low, high = interval(predicted.values, predicted.scale, conformal, confidence)
        return Coverage(float(((low <= actual) & (actual <= high)).mean()), float((high - low).mean()))
    assert predicted.probabilities is not None
    held = prediction_sets(predicted.probabilities, conformal, confidence)
    right = held[np.arange(len(actual)), actual.astype(np.int64)]
    return Coverage(float(right.mean()), float(held.sum(axis=1).mean()))


# --- the model in service ----------------------------------------------------------------------


def _compare(
    metric: str, new: Outcomes, holdout: Rows, signature: Signature, champion: InService | None, seed: int
) -> ChampionComparison | None:
    if champion is None or misfit(champion.model.signature, signature):
        return None
    return compare(metric, new, holdout, champion.model.predict(holdout.columns), champion, signature, seed)


def _standing(
    metric: str, champion: InService | None, compared: ChampionComparison | None, signature: Signature
) -> gates.Champion | None:
    if champion is None:
        return None
    if compared is None:
        old = champion.model.signature
        return gates.Champion(
            champion.version, None, why_not=misfit(old, signature), other_target=other_target(old, signature)
        )
    return gates.Champion(champion.version, compared.holdout[metric].value, compared.difference)


def _newest_gate(spec: Spec, metric: str, lately: Newest) -> Gate:
    if lately.champion is None:
        return gates.keeps_up_on_newest(spec.gates, metric, lately.rows, None, None)
    return gates.keeps_up_on_newest(
        spec.gates,
        metric,
        lately.rows,
        lately.metrics[metric].value,
        gates.Champion(lately.champion.version, lately.champion.holdout[metric].value, lately.champion.difference),
    )


# --- curves ------------------------------------------------------------------------------------


def _curves(signature: Signature, outcomes: Outcomes, seed: int) -> dict[str, dict[str, Any]]:
    if outcomes.values is not None:
        return _value_curves(outcomes.actual, outcomes.values, seed)
    classes = len(signature.classes)
    codes, named = outcomes.codes, outcomes.predicted
    matrix = np.bincount(codes * classes + named, minlength=classes * classes).reshape(classes, classes)
    curves: dict[str, dict[str, Any]] = {"confusion": {"labels": list(signature.classes), "matrix": matrix.tolist()}}
    if signature.task == "binary":
        curves |= _ranking_curves(outcomes)
        curves["calibration"] = _calibration(outcomes.scores[:, outcomes.positive], codes == outcomes.positive)
    else:
        # Of many classes: the probability of the named one against how often it was right.
        curves["calibration"] = _calibration(outcomes.scores[np.arange(len(codes)), named], codes == named)
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
    return curves


def _calibration(said: np.ndarray, happened: np.ndarray) -> dict[str, Any]:
    """Said probabilities against what came true, in bins of equal width.

    `error` is the expected calibration error: the mean distance of the two, over the rows (Naeini et al., Obtaining
    Well Calibrated Probabilities Using Bayesian Binning, 2015).
    """
    bins = np.minimum((said * _CALIBRATION_BINS).astype(np.int64), _CALIBRATION_BINS - 1)
    count = np.bincount(bins, minlength=_CALIBRATION_BINS)
    filled = count > 0
    predicted, observed = (
        np.bincount(bins, values, _CALIBRATION_BINS)[filled] / count[filled] for values in (said, happened)
    )
    return {
        "predicted": predicted.tolist(),
        "observed": observed.tolist(),
        "count": count[filled].tolist(),
        "error": float(np.average(np.abs(predicted - observed), weights=count[filled])),
    }


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
