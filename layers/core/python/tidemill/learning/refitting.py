"""From the out-of-fold predictions of the last round to the model: who votes, how sure it is, and the graph.

Everything is decided on rows that the deciding fit has not seen: an ensemble, a calibration or
a threshold is kept only where it is better in folds that it was not chosen from.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from tidemill.contracts import (
    SUPERVISED,
    CandidateResult,
    CandidateScore,
    Conformal,
    Fit,
    Member,
)
from tidemill.errors import CandidateFailed
from tidemill.learning import calibration, candidates, decision, ensemble, error_scale, fitting, judging
from tidemill.learning.calibration import Calibration
from tidemill.learning.decision import Decision
from tidemill.learning.error_scale import ErrorScale
from tidemill.learning.export import Graph, round_to_float32
from tidemill.learning.feature_plan import Family, FeaturePlan
from tidemill.learning.out_of_fold import OutOfFold
from tidemill.learning.plan import Plan
from tidemill.learning.refit import BACKGROUND_ROWS, PACKAGES, Refit
from tidemill.learning.rows import Rows
from tidemill.learning.target_transform import TargetTransform
from tidemill.rules import metrics
from tidemill.serving.prediction import Prediction

#: Quantiles of the conformal scores are kept at so many equal steps.
_STEPS = 1000
#: Share of the log loss that a calibration must take away.
_CALIBRATION_GAIN = 1e-3
#: Rows that the votes of an ensemble are chosen on.
_SELECTION_ROWS = 40_000
#: Seconds that refitting the members may be expected to take together.
_MOST_SECONDS = 300.0


@dataclass(frozen=True)
class _Chosen:
    """Who votes with which weight, and what they say together of rows that they were not fitted on."""

    weights: dict[str, float]
    predicted: np.ndarray
    ensemble: CandidateResult | None = None
    decisions: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Finish:
    """What is done with the members' mean."""

    predicted: np.ndarray  #: out-of-fold, after everything
    calibration: Calibration | None = None
    decision: Decision = field(default_factory=Decision)
    numbers: Mapping[str, float] | None = None  #: before and after the calibration
    decisions: tuple[str, ...] = ()


def refit(
    plan: Plan,
    rows: Rows,
    holdout: Rows,
    scores: Sequence[CandidateScore],
    out_of_fold: Mapping[str, OutOfFold],
) -> Refit:
    """Fit the best candidate, or those that are better together, on all training rows and export the model.

    Parameters
    ----------
    scores
        of the search's last round.
    out_of_fold
        candidate -> what it says of the training rows, for those that could be fitted.

    Raises
    ------
    CandidateFailed
        no candidate could be fitted.
    """
    if plan.task not in SUPERVISED:
        from tidemill.learning.structure import refitting as structure  # other tasks start without it

        return structure.refit(plan, rows, holdout, scores)
    best = candidates.best(scores, plan.metric)
    if best not in out_of_fold:
        raise CandidateFailed(f"the out-of-fold predictions of {best} are missing: start the run again")
    chosen = _choose(plan, rows, best, out_of_fold)
    finish = _finish(plan, rows, chosen)
    everything = np.ones(len(rows), dtype=bool)
    planned = {one.name: one for one in plan.candidates}
    refs = {name: fitting.with_trees(planned[name], out_of_fold[name].trees) for name in chosen.weights}
    made = {family: fitting.features(plan, rows, everything, family) for family in _families(plan, refs.values())}
    members = {}
    for name in chosen.weights:
        target = out_of_fold[name].transform.forward(rows.target)
        members[name] = fitting.fit(refs[name], plan, made[fitting.family(refs[name])][1], target)
        round_to_float32(members[name])
    scale = _error_scale(plan, rows, finish.predicted, made)
    model = _Model(
        plan=plan,
        features={family: item[0] for family, item in made.items()},
        families={name: fitting.family(ref) for name, ref in refs.items()},
        members=members,
        weights=chosen.weights,
        transforms={name: out_of_fold[name].transform for name in members},
        finish=finish,
        scale=scale,
    )
    decisions = [*chosen.decisions, *finish.decisions]
    sentences = {out_of_fold[name].transform.sentence() for name in members} - {""}
    decisions += [sentence[0].upper() + sentence[1:] + "." for sentence in sorted(sentences)]
    if scale is not None:
        decisions.append(
            f"Intervals are wide where errors are expected to be large: at 90% confidence they are {scale.saved:.0%} "
            "narrower on average than intervals of one width."
        )
    alone = next(iter(chosen.weights)) if len(chosen.weights) == 1 else None
    return Refit(
        onnx=model.export(),
        baseline_onnx=_baseline(plan, rows, model.features),
        signature=replace(
            plan.signature(),
            threshold=finish.decision.threshold,
            conformal=_conformal(rows.target, finish.predicted, scale),
        ),
        reference=model.predict(holdout),
        fit=Fit(
            candidate=alone or candidates.ENSEMBLE,
            params=refs[alone].params if alone else dict(chosen.weights),
            seed=plan.seed,
            packages={package: version(package) for package in PACKAGES},
            python=platform.python_version(),
            members=tuple(Member(name, refs[name].params, weight) for name, weight in chosen.weights.items()),
            calibration=dict(finish.numbers or {}),
            decisions=tuple(decisions),
        ),
        features={
            "families": {family: item.document() for family, item in model.features.items()},
            "members": dict(model.families),
        },
        background=_background(plan, rows),
        ensemble=chosen.ensemble,
    )


# --- who votes ---------------------------------------------------------------------------------


def _choose(plan: Plan, rows: Rows, best: str, out_of_fold: Mapping[str, OutOfFold]) -> _Chosen:
    """The best candidate, or an ensemble where that is better in folds that it was not chosen from."""
    assert rows.folds is not None
    order = sorted(out_of_fold, key=candidates.SIMPLEST_FIRST.index)
    predicted = {name: out_of_fold[name].predicted for name in order}
    alone = _Chosen({best: 1.0}, predicted[best])
    known = np.logical_and.reduce([out_of_fold[name].known for name in order])
    numbers = np.unique(rows.folds[known])
    if not plan.search.ensemble or len(order) < 2 or len(numbers) < 2:
        return alone

    def votes(inside: np.ndarray) -> dict[str, float]:
        picked = np.flatnonzero(inside)
        if len(picked) > _SELECTION_ROWS:
            picked = np.sort(np.random.default_rng(plan.seed).permutation(picked)[:_SELECTION_ROWS])
        target = rows.target[picked]
        if plan.classes:
            said = {name: item[picked, target.astype(np.int64)] for name, item in predicted.items()}
            return ensemble.select(said, target, ensemble.log_loss)
        loss = ensemble.squared if plan.metric in ("rmse", "r2") else ensemble.absolute
        return ensemble.select({name: item[picked] for name, item in predicted.items()}, target, loss)

    # For each fold: the vote that the other folds choose, against the candidate that they would choose alone.
    measured = {name: judging.values(plan.metric, judging.folds(plan, rows, item)) for name, item in predicted.items()}
    voted, single = np.full_like(predicted[best], np.nan), np.full_like(predicted[best], np.nan)
    for place, number in enumerate(numbers):
        tested = known & (rows.folds == number)
        voted[tested] = ensemble.blend(predicted, votes(known & ~tested))[tested]
        means = {name: float(np.nanmean(np.delete(values, place))) for name, values in measured.items()}
        other = order[metrics.best(plan.metric, [means[name] for name in order])]
        single[tested] = predicted[other][tested]
    gains = metrics.improvement(plan.metric, 1.0, 0.0) * (
        judging.values(plan.metric, judging.folds(plan, rows, voted))
        - judging.values(plan.metric, judging.folds(plan, rows, single))
    )
    gains = gains[~np.isnan(gains)]
    gain, noise = float(gains.mean()), float(gains.std(ddof=1) / np.sqrt(len(gains))) if len(gains) > 1 else np.inf
    weights = votes(known)
    # Beside the candidates in the table of results the vote must not look worse than any of them, either.
    together = judging.mean(plan, rows, voted)
    worse = any(metrics.improvement(plan.metric, together, float(np.nanmean(measured[name]))) < 0 for name in order)
    if len(weights) < 2 or gain <= noise or worse:
        return replace(
            alone,
            decisions=(
                f"{best} is used alone: letting several candidates vote makes {plan.metric} better by {gain:.2g} in "
                f"cross-validation, with a standard error of {noise:.2g}"
                + (", and over all folds worse than a candidate's own." if worse else "."),
            ),
        )
    weights = _affordable(plan, weights, len(rows))
    spreads = judging.spreads(plan, rows, voted)
    named = ", ".join(f"{name} ({weight:.0%})" for name, weight in weights.items())
    return _Chosen(
        weights,
        ensemble.blend(predicted, weights),
        CandidateResult(candidates.ENSEMBLE, dict(weights), spreads, 0.0, None, len(plan.rounds), int(known.sum())),
        (
            f"{len(weights)} candidates vote together: {named}. In folds that the vote was not chosen from it is "
            f"better in {plan.metric} by {gain:.2g} than the best candidate alone, with a standard error of "
            f"{noise:.2g}.",
        ),
    )


def _affordable(plan: Plan, weights: dict[str, float], rows: int) -> dict[str, float]:
    """The heaviest members, as far as refitting them is not expected to take too long."""
    kept: dict[str, float] = {}
    spent = 0.0
    for name, weight in weights.items():
        spent += candidates.expected_seconds(name, rows, len(plan.inputs), len(plan.classes))
        if not kept or spent <= _MOST_SECONDS:
            kept[name] = weight
    return {name: weight / sum(kept.values()) for name, weight in kept.items()}


# --- what is done with the mean ----------------------------------------------------------------


def _finish(plan: Plan, rows: Rows, chosen: _Chosen) -> _Finish:
    """Calibration and decision, where out-of-fold predictions say that they help."""
    if not plan.classes:
        return _Finish(chosen.predicted)
    calibrated = _calibrate(plan, rows, chosen.predicted) if plan.search.calibrate else _Finish(chosen.predicted)
    if plan.metric not in decision.METRICS:
        return calibrated
    known = ~np.isnan(calibrated.predicted[:, 0])
    every = judging.outcomes(plan, rows.target[known], calibrated.predicted[known])
    taken = decision.choose(plan.metric, every)
    decided = metrics.score([plan.metric], decision.applied(taken, every))[plan.metric]
    usual = metrics.score([plan.metric], every)[plan.metric]
    if taken.plain or metrics.improvement(plan.metric, decided, usual) <= candidates.HAIR:
        return replace(
            calibrated,
            decisions=(
                *calibrated.decisions,
                f"The most probable class is the label: no other is better by {plan.metric}.",
            ),
        )
    said = (
        f"The label is {plan.positive_class} from a probability of {taken.threshold:.3f} on"
        if taken.threshold is not None
        else f"Probabilities are weighted by 1 / the classes' shares ** {taken.power:g}"
    )
    predicted = np.full_like(calibrated.predicted, np.nan)
    predicted[known] = taken.apply(every.scores)
    return replace(
        calibrated,
        predicted=predicted,
        decision=taken,
        decisions=(
            *calibrated.decisions,
            f"{said}, which gives {plan.metric} {decided:.4g} instead of {usual:.4g} on out-of-fold predictions.",
        ),
    )


def _calibrate(plan: Plan, rows: Rows, predicted: np.ndarray) -> _Finish:
    """The calibration with the least log loss in folds that it was not fitted on, if it is clearly better than none."""
    assert rows.folds is not None
    known = ~np.isnan(predicted[:, 0])
    said, codes, numbers = predicted[known], rows.target[known].astype(np.int64), rows.folds[known]
    if len(np.unique(numbers)) < 2 or len(np.unique(codes)) < 2:
        return _Finish(predicted)
    plain = judging.outcomes(plan, rows.target[known], said)
    everywhere = calibration.fit(said, codes)
    crossed = [np.full_like(said, np.nan) for _ in everywhere]
    for number in np.unique(numbers):
        tested = numbers == number
        fitted = calibration.fit(said[~tested], codes[~tested])
        if len(fitted) != len(everywhere):
            return _Finish(predicted)
        for one, into in zip(fitted, crossed, strict=True):
            into[tested] = one.apply(said[tested])
    folded = [numbers == number for number in np.unique(numbers)]
    before = judging.values("log_loss", [plain.rows(inside) for inside in folded])
    best, gain = -1, 0.0
    for place, into in enumerate(crossed):
        after = judging.outcomes(plan, rows.target[known], into)
        gains = before - judging.values("log_loss", [after.rows(inside) for inside in folded])
        noise = gains.std(ddof=1) / np.sqrt(len(gains))
        if gains.mean() > max(noise, _CALIBRATION_GAIN * before.mean(), gain):
            best, gain = place, float(gains.mean())
    names = ["log_loss", *(["brier_score"] if plan.task == "binary" else [])]
    numbers_before = {
        f"{name.removesuffix('_score')}_before": value for name, value in metrics.score(names, plain).items()
    }
    if best < 0:
        sentence = "Probabilities are taken as they are: no calibration clearly lowers their log loss."
        return _Finish(predicted, decisions=(sentence,))
    after = judging.outcomes(plan, rows.target[known], crossed[best])
    numbers_after = {
        f"{name.removesuffix('_score')}_after": value for name, value in metrics.score(names, after).items()
    }
    taken = everywhere[best]
    calibrated = np.full_like(predicted, np.nan)
    calibrated[known] = taken.apply(said)
    kind = "by a temperature" if plan.task == "multiclass" else ("by Platt's sigmoid", "by a beta curve")[best]
    return _Finish(
        calibrated,
        taken,
        numbers=taken.parameters(len(plan.classes)) | numbers_before | numbers_after,
        decisions=(
            f"Probabilities are calibrated {kind}: out-of-fold log loss {numbers_before['log_loss_before']:.4g} "
            f"becomes {numbers_after['log_loss_after']:.4g}.",
        ),
    )


# --- how sure it is ----------------------------------------------------------------------------


def _error_scale(
    plan: Plan, rows: Rows, predicted: np.ndarray, made: Mapping[Family, tuple[FeaturePlan, np.ndarray]]
) -> ErrorScale | None:
    if plan.classes or "tree" not in made:
        return None
    assert rows.folds is not None
    known = ~np.isnan(predicted)
    errors = np.abs(predicted - rows.target)[known]
    found = error_scale.fit(made["tree"][1][known], errors, rows.folds[known], plan.seed)
    if found is not None:
        round_to_float32(found.model)
    return found


def _conformal(target: np.ndarray, predicted: np.ndarray, scale: ErrorScale | None) -> Conformal:
    """Quantiles of the nonconformity scores of the rows that have an out-of-fold prediction."""
    known = ~np.isnan(predicted if predicted.ndim == 1 else predicted[:, 0])
    if predicted.ndim == 1:
        found = np.abs(predicted - target)[known] / (1.0 if scale is None else scale.out_of_fold)
    else:
        found = 1 - predicted[known, target[known].astype(np.int64)]
    steps = min(_STEPS, len(found))
    levels = np.quantile(found, np.linspace(0, 1, steps + 1), method="inverted_cdf")
    return Conformal(len(found), tuple(float(value) for value in levels))


# --- the model ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Model:
    """Everything that is fitted, as scikit-learn and numpy compute it and as a graph."""

    plan: Plan
    features: Mapping[Family, FeaturePlan]
    families: Mapping[str, Family]
    members: Mapping[str, Pipeline]
    weights: Mapping[str, float]
    transforms: Mapping[str, TargetTransform]
    finish: _Finish
    scale: ErrorScale | None

    def predict(self, rows: Rows) -> Prediction:
        """What the estimators say."""
        plan, finish = self.plan, self.finish
        tables = {family: item.matrix(rows.columns) for family, item in self.features.items()}
        said = {
            name: self.transforms[name].inverse(fitting.predict(model, plan, tables[self.families[name]]))
            for name, model in self.members.items()
        }
        mean = ensemble.blend(said, self.weights)
        if not plan.classes:
            scale = None if self.scale is None else error_scale.scale(self.scale.model, tables["tree"])
            return Prediction(values=mean, scale=scale)
        if finish.calibration is not None:
            mean = finish.calibration.apply(mean)
        outcomes = decision.applied(finish.decision, judging.outcomes(plan, rows.target, mean))
        labels = np.array(plan.classes, dtype=object)[outcomes.predicted]
        return Prediction(labels=labels, probabilities=outcomes.scores)

    def export(self) -> bytes:
        """What they say, as a graph."""
        plan, finish = self.plan, self.finish
        graph = Graph(self.features)
        parts = []
        for place, (name, model) in enumerate(self.members.items()):
            prefix = f"m{place}_"
            said = graph.estimator(model, self.families[name], prefix)
            transform = self.transforms[name]
            if transform.log:
                turned = f"{prefix}turned"
                graph.add(transform.nodes(said, turned, f"{prefix}turn_"))
                said = turned
            parts.append((said, self.weights[name]))
        mean = graph.mean(parts, "mean_")
        if not plan.classes:
            logs = None if self.scale is None else graph.estimator(self.scale.model, "tree", "scale_")
            graph.values(mean, logs)
            return graph.bytes()
        if finish.calibration is not None:
            nodes, mean = finish.calibration.nodes(mean, len(plan.classes), "calibrated_")
            graph.add(nodes)
        if finish.decision.weights:
            nodes, mean = finish.decision.nodes(mean, "weighted_")
            graph.add(nodes)
        positive = plan.classes.index(plan.positive_class) if plan.positive_class else 1
        graph.classes(mean, plan.classes, positive, finish.decision.threshold)
        return graph.bytes()


def _families(plan: Plan, refs: Any) -> list[Family]:
    """The features that the members need; a regression's error scale looks at those of trees."""
    needed = {fitting.family(ref) for ref in refs}
    if not plan.classes:
        needed.add("tree")
    return sorted(needed)


def _baseline(plan: Plan, rows: Rows, features: Mapping[Family, FeaturePlan]) -> bytes:
    """The graph of the model that looks at no column: the classes' shares, or the mean."""
    graph = Graph(features)
    if not plan.classes:
        graph.values(graph.constant_rows([float(rows.target.mean())], "mean_"), None)
        return graph.bytes()
    shares = np.bincount(rows.target.astype(np.int64), minlength=len(plan.classes)) / len(rows)
    graph.classes(graph.constant_rows(shares.tolist(), "shares_"), plan.classes, 1, None)
    return graph.bytes()


def _background(plan: Plan, rows: Rows) -> dict[str, np.ndarray]:
    picked = np.sort(np.random.default_rng(plan.seed).permutation(len(rows))[:BACKGROUND_ROWS])
    return {name: values[picked] for name, values in rows.columns.items()}
