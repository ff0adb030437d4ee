"""Made-up holdouts and windows: rows with a column, what a model says of them, and what happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tidemill.contracts import Evaluation, Importance, Parity, Signature, Task
from tidemill.learning.rows import Rows, outcomes
from tidemill.monitoring import reference
from tidemill.monitoring.reference import ReferenceRows
from tidemill.monitoring_contracts import Labelled, Reference, Summary
from tidemill.rules import bootstrap, output_bins
from tidemill.rules.metrics import all_of, score
from tidemill.serving.prediction import Prediction

SIGNATURES = {
    "binary": Signature("m", "binary", "y", (), ("no", "yes"), "yes", threshold=0.35),
    "multiclass": Signature("m", "multiclass", "y", (), ("a", "b", "c")),
    "regression": Signature("m", "regression", "y", ()),
}


@dataclass(frozen=True)
class Population:
    """n rows of one task."""

    task: Task
    x: np.ndarray
    said: Prediction
    actual: np.ndarray

    @property
    def signature(self) -> Signature:
        return SIGNATURES[self.task]

    def metrics(self) -> dict[str, float]:
        """What the metrics are, row by row."""
        happened = outcomes(Rows({}, self.actual), self.said, self.signature)
        return score(all_of(self.task), happened)

    def reference(self) -> Reference:
        """With these rows as the holdout."""
        return self.kept()[0]

    def kept(self, seed: int = 0) -> tuple[Reference, ReferenceRows]:
        happened = outcomes(Rows({}, self.actual), self.said, self.signature)
        holdout = bootstrap.intervals(all_of(self.task), happened, 0, 200)
        evaluation = Evaluation(
            task=self.task,
            target="y",
            metric=all_of(self.task)[0],
            candidate="linear",
            rows=len(self.x),
            holdout=holdout,
            baseline={},
            gates=(),
            importance=(Importance("x", 0.2, 0.0), Importance("noise", -0.01, 0.0)),
            parity=Parity(len(self.x), True, 0.0, 1e-5),
        )
        return reference.build(
            evaluation,
            self.signature,
            {"x": self.x},
            self.actual,
            self.said,
            trained_at="2026-03-04T05:06:07Z",
            seed=seed,
        )

    def summary(self, known: Reference) -> Summary:
        """The rows as they are counted in production."""
        outputs = reference.outputs_of(self.said, self.signature)
        scale = self.said.scale
        return Summary(
            model="m",
            version=1,
            start="",
            end="",
            rows=len(self.x),
            outputs={name: output_bins.count(values, known.edges) for name, values in outputs.items()},
            chosen=reference.chosen_of(self.said, self.signature, known.edges),
            scale_total=0.0 if scale is None else float(scale.sum()),
            scale_rows=0 if scale is None else len(scale),
        )


def binary(rows: int, seed: int, shift: float = 0.0, overconfident: float = 1.0) -> Population:
    """P(yes) rises with x; the model says logits that are `overconfident` times too large."""
    generator = np.random.default_rng(seed)
    x = generator.normal(shift, 1.0, rows)
    logits = 1.5 * x - 1
    said = 1 / (1 + np.exp(-overconfident * logits))
    actual = (generator.random(rows) < 1 / (1 + np.exp(-logits))).astype(np.float64)
    labels = np.where(said >= 0.35, "yes", "no").astype(object)
    return Population("binary", x, Prediction(labels=labels, probabilities=np.column_stack([1 - said, said])), actual)


def multiclass(rows: int, seed: int, shift: float = 0.0) -> Population:
    """Three classes in the order of x."""
    generator = np.random.default_rng(seed)
    x = generator.normal(shift, 1.0, rows)
    raw = np.exp(np.column_stack([-2 * x, np.zeros(rows), 2 * x]))
    said = raw / raw.sum(axis=1, keepdims=True)
    actual = (said.cumsum(axis=1) < generator.random((rows, 1))).sum(axis=1).astype(np.float64)
    labels = np.array(["a", "b", "c"], dtype=object)[said.argmax(axis=1)]
    return Population("multiclass", x, Prediction(labels=labels, probabilities=said), actual)


def regression(rows: int, seed: int, shift: float = 0.0, scale: Literal["known", "unknown"] = "unknown") -> Population:
    """The value is 10 x, and errors grow with it; the model may know how they do."""
    generator = np.random.default_rng(seed)
    x = generator.normal(shift, 1.0, rows)
    size = np.exp(0.5 * x)
    actual = 10 * x + size * generator.normal(size=rows)
    return Population("regression", x, Prediction(values=10 * x, scale=size if scale == "known" else None), actual)


def labelled(population: Population, known: Reference) -> Labelled:
    """The rows as they are counted when their outcome is known."""
    outputs = reference.outputs_of(population.said, population.signature)
    counted = {name: output_bins.count(values, known.edges) for name, values in outputs.items()}
    rows, actual = len(population.x), population.actual
    if population.task == "regression":
        errors = np.abs(outputs["value"] - actual)
        return Labelled(
            model="m",
            version=1,
            start="",
            end="",
            rows=rows,
            outputs=counted,
            absolute_total=float(errors.sum()),
            squared_total=float((errors**2).sum()),
            actual_total=float(actual.sum()),
            actual_squares=float((actual**2).sum()),
            absolute_errors=output_bins.count(errors, output_bins.error_edges(known.metrics["rmse"])),
        )
    classes = population.signature.classes
    codes = actual.astype(int)
    exact = population.metrics()
    assert population.said.labels is not None
    called = population.said.labels
    return Labelled(
        model="m",
        version=1,
        start="",
        end="",
        rows=rows,
        outputs=counted,
        happened={
            name: output_bins.count(values, known.edges, codes == classes.index(name))
            for name, values in outputs.items()
        },
        confusion={
            name: {label: int(((codes == place) & (called == label)).sum()) for label in classes}
            for place, name in enumerate(classes)
        },
        log_loss_total=exact["log_loss"] * rows,
        brier_total=exact.get("brier_score", 0.0) * rows,
    )
