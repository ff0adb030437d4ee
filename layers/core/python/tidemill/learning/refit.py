"""What a refit makes, whatever the task: the graphs, the signature, and the files that the run keeps of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tidemill import keys
from tidemill.contracts import CandidateResult, Fit, Refitted, Signature, dumps
from tidemill.learning.rows import save_prediction
from tidemill.serving import columns
from tidemill.serving.prediction import Prediction

#: Distributions that decide what a fitted model is.
PACKAGES = ("numpy", "onnx", "scikit-learn", "scipy", "skl2onnx")
#: Training rows that explanations are measured against.
BACKGROUND_ROWS = 64


@dataclass(frozen=True)
class Refit:
    """What later stages get of the chosen model."""

    onnx: bytes
    baseline_onnx: bytes
    signature: Signature
    reference: Prediction  #: the fitted estimators' on the holdout, to prove the graph with
    fit: Fit
    features: dict[str, Any]  #: what becomes of each column, as JSON data
    background: dict[str, np.ndarray]  #: encoded columns of some training rows
    ensemble: CandidateResult | None = None  #: how good the vote is in cross-validation, when it is used

    def files(self, run_id: str) -> dict[str, bytes]:
        """Everything that the run keeps of it, by key; the same model gives the same bytes."""
        found = {
            keys.run_model(run_id): self.onnx,
            keys.run_baseline_model(run_id): self.baseline_onnx,
            keys.run_signature(run_id): dumps(self.signature),
            keys.run_reference_predictions(run_id): save_prediction(self.reference),
            keys.run_fit(run_id): dumps(self.fit),
            keys.run_features(run_id): dumps(self.features),
            keys.run_background(run_id): columns.save(self.background),
        }
        if self.ensemble:
            found[keys.run_candidate(run_id, self.ensemble.name)] = dumps(self.ensemble)
        return found

    def refitted(self) -> Refitted:
        """What `train` returns."""
        return Refitted(self.fit.candidate, len(self.onnx))
