"""The best candidate, fitted on all training rows and exported, with the baseline beside it."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
from sklearn.pipeline import Pipeline

from tidemill.contracts import CandidateRef, CandidateScore, Fit, Refitted, Signature
from tidemill.learning import candidates, matrix
from tidemill.learning.export import export, round_to_float32
from tidemill.learning.fitting import fit
from tidemill.learning.plan import Plan
from tidemill.learning.rows import Rows
from tidemill.serving.prediction import Prediction

#: Distributions that decide what a fitted model is.
PACKAGES = ("numpy", "onnx", "scikit-learn", "scipy", "skl2onnx")


@dataclass(frozen=True)
class Refit:
    """What later stages get of the best candidate."""

    onnx: bytes
    baseline_onnx: bytes
    signature: Signature
    reference: Prediction  #: the estimator's on the holdout, to prove the graph with
    fit: Fit

    def refitted(self) -> Refitted:
        """What `train` returns."""
        return Refitted(self.fit.candidate, len(self.onnx))


def refit(plan: Plan, rows: Rows, holdout: Rows, scores: Sequence[CandidateScore]) -> Refit:
    """Fit the best candidate and the baseline on all training rows and export both.

    Raises
    ------
    CandidateFailed
        no candidate could be fitted.
    """
    name = candidates.best(scores, plan.metric)
    chosen = next(candidate for candidate in plan.candidates if candidate.name == name)
    baseline = CandidateRef(
        candidates.BASELINE,
        candidates.parameters(candidates.BASELINE, plan.task, plan.train_rows, len(plan.classes)),
    )
    layout = matrix.layout(rows.columns)
    table = layout.matrix(rows.columns)
    model = fit(chosen, plan, layout, table, rows.target)
    round_to_float32(model)
    return Refit(
        onnx=export(model, layout),
        baseline_onnx=export(fit(baseline, plan, layout, table, rows.target), layout),
        signature=plan.signature(),
        reference=_predict(model, layout.matrix(holdout.columns)),
        fit=Fit(
            candidate=name,
            params=chosen.params,
            seed=plan.seed,
            packages={package: version(package) for package in PACKAGES},
            python=platform.python_version(),
        ),
    )


def _predict(model: Pipeline, table: np.ndarray) -> Prediction:
    if not hasattr(model[-1], "classes_"):
        return Prediction(values=np.asarray(model.predict(table), dtype=np.float64))
    return Prediction(
        labels=np.asarray(model.predict(table), dtype=object),
        probabilities=np.asarray(model.predict_proba(table), dtype=np.float64),
    )
