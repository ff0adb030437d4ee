"""What a model was like on its holdout, kept with the version: production is compared with it, not with the table.

`evaluate` writes it. Versions that were registered before monitoring existed have none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tidemill.contracts import Evaluation, Signature
from tidemill.monitoring_contracts import Reference
from tidemill.rules import output_bins
from tidemill.rules.output_bins import VALUE
from tidemill.serving import columns as stored
from tidemill.serving.prediction import ANOMALY, NORMAL, Prediction

#: Rows of the holdout that are kept.
SAMPLE_ROWS = 2000

_COLUMN = "column:"
_OUTPUT = "output:"
_ACTUAL = "actual"
_SCALE = "scale"


@dataclass(frozen=True)
class ReferenceRows:
    """`reference.npz`: a sample of the holdout's rows with what the model says of them and what happened.

    Parameters
    ----------
    columns
        the graph's inputs by name, each of shape (n,), as `serving.features.Encoder` makes them.
    outputs
        output -> (n,) float64, named as in `Reference.outputs`.
    actual
        (n,) float64: the value, or the index of the class in the signature's classes; None without a target.
    scale
        (n,) float64: the model's own error scale; None when it has none.
    """

    columns: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]
    actual: np.ndarray | None = None
    scale: np.ndarray | None = None

    def __len__(self) -> int:
        return len(next(iter(self.outputs.values())))

    def save(self) -> bytes:
        """The bytes of an .npz file; the same rows give the same bytes."""
        entries = {_COLUMN + name: values for name, values in self.columns.items()}
        entries |= {_OUTPUT + name: values for name, values in self.outputs.items()}
        entries |= {} if self.actual is None else {_ACTUAL: self.actual}
        return stored.save(entries | ({} if self.scale is None else {_SCALE: self.scale}))

    @classmethod
    def load(cls, data: bytes) -> ReferenceRows:
        """The rows that `save` wrote."""
        entries = stored.load(data)

        def part(prefix: str) -> dict[str, np.ndarray]:
            return {name.removeprefix(prefix): item for name, item in entries.items() if name.startswith(prefix)}

        return cls(part(_COLUMN), part(_OUTPUT), entries.get(_ACTUAL), entries.get(_SCALE))


def outputs_of(prediction: Prediction, signature: Signature) -> dict[str, np.ndarray]:
    """What is counted of a prediction, by the names of `Reference.outputs`: each of shape (n,) float64.

    Classification: the probability of the positive class, or of each of many classes. Else "value": the value, the
    score, the distance, the first component.
    """
    if prediction.probabilities is not None:
        if signature.task == "binary":
            place = positive_place(signature)
            return {signature.classes[place]: prediction.probabilities[:, place]}
        return dict(zip(signature.classes, prediction.probabilities.T.copy(), strict=True))
    if prediction.components is not None:
        return {VALUE: prediction.components[:, 0].astype(np.float64)}
    assert prediction.values is not None, "a prediction without probabilities and components has values"
    return {VALUE: prediction.values.astype(np.float64)}


def positive_place(signature: Signature) -> int:
    """Index of the class that a binary model's scores are about."""
    return signature.classes.index(signature.positive_class) if signature.positive_class in signature.classes else 1


def chosen_of(
    prediction: Prediction, signature: Signature, edges: tuple[float, ...], codes: np.ndarray | None = None
) -> dict[str, tuple[int, ...]]:
    """Of a task of many classes, how sure its labels are: label -> rows in each bin of the label's own probability.

    Parameters
    ----------
    codes
        (n,) int64 indices of the classes that happened, when only rows with the right label are to be counted.
    """
    if signature.task != "multiclass" or prediction.probabilities is None or prediction.labels is None:
        return {}
    return {
        label: output_bins.count(
            prediction.probabilities[:, place],
            edges,
            (prediction.labels == label) & (True if codes is None else codes == place),
        )
        for place, label in enumerate(signature.classes)
    }


def build(
    evaluation: Evaluation,
    signature: Signature,
    columns: Mapping[str, np.ndarray],
    actual: np.ndarray,
    prediction: Prediction,
    *,
    trained_at: str,
    seed: int,
) -> tuple[Reference, ReferenceRows]:
    """The reference of a model, and the sample of its holdout.

    Parameters
    ----------
    columns, actual
        the holdout: the graph's inputs, each of shape (n,), and (n,) values or indices of classes; the latter are not
        looked at without a target.
    prediction
        what the model says of it.
    trained_at
        when the training table was uploaded.
    """
    outputs = outputs_of(prediction, signature)
    edges = _edges(outputs, prediction, signature)
    has_target = signature.target is not None
    errors = np.abs(outputs[VALUE] - actual) if signature.task == "regression" else None
    codes = actual.astype(np.int64) if signature.classes and has_target else None
    reference = Reference(
        model=signature.model,
        task=signature.task,
        rows=len(actual),
        metric=evaluation.metric,
        metrics={name: item.value for name, item in evaluation.holdout.items()},
        intervals={name: (item.low, item.high) for name, item in evaluation.holdout.items()},
        edges=edges,
        threshold=(0.5 if signature.threshold is None else signature.threshold) if signature.task == "binary" else None,
        outputs={name: output_bins.count(values, edges) for name, values in outputs.items()},
        happened={}
        if codes is None
        else {
            name: output_bins.count(values, edges, codes == signature.classes.index(name))
            for name, values in outputs.items()
        },
        absolute_errors=() if errors is None else _sums(outputs[VALUE], errors, edges),
        squared_errors=() if errors is None else _sums(outputs[VALUE], errors**2, edges),
        scale_factor=_scale_factor(errors, prediction.scale),
        labels=_labels(prediction, signature),
        importance={item.feature: max(item.mean, 0.0) for item in evaluation.importance},
        trained_at=trained_at,
        chosen=chosen_of(prediction, signature, edges),
        right={} if codes is None else chosen_of(prediction, signature, edges, codes),
    )
    picked = np.sort(np.random.default_rng(seed).permutation(len(actual))[:SAMPLE_ROWS])
    rows = ReferenceRows(
        columns={name: values[picked] for name, values in columns.items()},
        outputs={name: values[picked] for name, values in outputs.items()},
        actual=actual[picked].astype(np.float64) if has_target else None,
        scale=None if prediction.scale is None else prediction.scale[picked].astype(np.float64),
    )
    return reference, rows


def _edges(outputs: Mapping[str, np.ndarray], prediction: Prediction, signature: Signature) -> tuple[float, ...]:
    if prediction.probabilities is not None:
        return output_bins.probability_edges(prediction.probabilities, positive_place(signature), signature.threshold)
    return output_bins.value_edges(outputs[VALUE], signature.threshold)


def _sums(values: np.ndarray, weights: np.ndarray, edges: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(np.bincount(output_bins.place(values, edges), weights, minlength=len(edges) - 1).tolist())


def _scale_factor(errors: np.ndarray | None, scale: np.ndarray | None) -> float | None:
    if errors is None or scale is None or not scale.mean() > 0:
        return None
    return float(errors.mean() / scale.mean())


def _labels(prediction: Prediction, signature: Signature) -> dict[str, int]:
    if prediction.labels is None:
        return {}
    named = (NORMAL, ANOMALY) if signature.task == "anomaly_detection" else signature.classes
    said = prediction.labels.astype(str)
    return {label: int((said == label).sum()) for label in named}
