"""The rows of a run as files: encoded columns with their targets, and predictions about them.

`prepare` writes the rows, `train` and `evaluate` read them; `train` writes what scikit-learn
predicts on the holdout, `evaluate` proves the exported graph against it. numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tidemill.contracts import Signature
from tidemill.learning.structure.judged import Judged
from tidemill.rules.metrics import Outcomes
from tidemill.serving import columns
from tidemill.serving.prediction import Prediction

_COLUMN = "column:"
_TARGET = "target"
_FOLD = "fold"
_EXTRA = "extra:"


@dataclass(frozen=True)
class Rows:
    """Rows that a model is fitted or judged on.

    Parameters
    ----------
    columns
        the graph's inputs by name, each of shape (n,): what `serving.features` makes.
    target
        (n,) float64: the value, or the index of the class in the signature's classes.
    folds
        (n,) int64: the fold in which a row is held out, -1 when it is trained on in all; None for the holdout.
    extra
        raw columns that rows are compared by and the model does not get, each of shape (n,): numbers or text.
    """

    columns: dict[str, np.ndarray]
    target: np.ndarray
    folds: np.ndarray | None = None
    extra: dict[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.target)

    def save(self) -> bytes:
        """The bytes of an .npz file; the same rows give the same bytes."""
        entries = {_COLUMN + name: values for name, values in self.columns.items()} | {_TARGET: self.target}
        entries |= {_EXTRA + name: values for name, values in self.extra.items()}
        return columns.save(entries | ({} if self.folds is None else {_FOLD: self.folds}))

    @classmethod
    def load(cls, data: bytes) -> Rows:
        """The rows that `save` wrote."""
        entries = columns.load(data)
        return cls(_part(entries, _COLUMN), entries[_TARGET], entries.get(_FOLD), _part(entries, _EXTRA))


def _part(entries: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): item for name, item in entries.items() if name.startswith(prefix)}


def outcomes(rows: Rows, predicted: Prediction, signature: Signature) -> Outcomes:
    """What happened in the rows and what a model of the signature said, for the metrics."""
    classes = signature.classes
    positive = classes.index(signature.positive_class) if signature.positive_class in classes else 1
    return Outcomes(rows.target, predicted.probabilities, predicted.values, positive, signature.threshold)


def save_prediction(prediction: Prediction) -> bytes:
    """The bytes of an .npz file with labels and probabilities, or values and their scale, or what has no target."""
    if isinstance(prediction, Judged):
        return prediction.save()
    if prediction.values is not None:
        scale = {} if prediction.scale is None else {"scale": prediction.scale}
        return columns.save({"value": prediction.values} | scale)
    if prediction.labels is None or prediction.probabilities is None:
        raise ValueError("a prediction has labels and probabilities, or values")
    return columns.save(
        {"label": prediction.labels}
        | {f"probability:{index}": column.copy() for index, column in enumerate(prediction.probabilities.T)}
    )


def load_prediction(data: bytes) -> Prediction:
    """The prediction that `save_prediction` wrote."""
    entries = columns.load(data)
    if "value" in entries:
        return Prediction(values=entries["value"], scale=entries.get("scale"))
    if "label" not in entries:
        return Judged.load(entries)
    label = entries.pop("label")
    return Prediction(labels=label, probabilities=np.column_stack(list(entries.values())))
