"""A prediction's named outputs, in the two shapes that protocols want.

A classifier has two outputs, `label` and `probabilities` (one per class, in the order of
the signature's classes); a regressor has one, `value`, which is given without its name
where a row or a column stands for itself. Clustering gives `cluster` and `distance`, anomaly
detection `anomaly` (true or false) and `score`, dimensionality reduction `components`. What was
asked for beside them, or what the model adds, has names too: `low` and `high`, `set`, `review`.
"""

from __future__ import annotations

from typing import Any

from tidemill.contracts import Signature
from tidemill.serving.prediction import ANOMALY, Prediction


def by_row(prediction: Prediction, signature: Signature) -> list[Any]:
    """One JSON value per row: a number, or `{"label": ..., "probabilities": [...]}`."""
    named = _named(prediction, signature)
    if named.keys() == {"value"}:
        return named["value"]
    return [dict(zip(named, row, strict=True)) for row in zip(*named.values(), strict=True)]


def by_column(prediction: Prediction, signature: Signature) -> list[Any] | dict[str, list[Any]]:
    """One JSON value for all rows: a list of numbers, or `{"label": [...], "probabilities": [[...], ...]}`."""
    named = _named(prediction, signature)
    return named["value"] if named.keys() == {"value"} else named


def _named(prediction: Prediction, signature: Signature) -> dict[str, list[Any]]:
    """The outputs by name, each a list with one JSON value for each row."""
    if prediction.probabilities is None and prediction.labels is not None and prediction.values is not None:
        if signature.task == "anomaly_detection":
            return {"anomaly": (prediction.labels == ANOMALY).tolist(), "score": prediction.values.tolist()}
        return {"cluster": prediction.labels.tolist(), "distance": prediction.values.tolist()}
    arrays = {
        "label": prediction.labels,
        "probabilities": prediction.probabilities,
        "value": prediction.values,
        "components": prediction.components,
        "low": prediction.low,
        "high": prediction.high,
    }
    named = {name: values.tolist() for name, values in arrays.items() if values is not None}
    if prediction.sets is not None:
        classes = signature.classes
        named["set"] = [[name for name, held in zip(classes, row, strict=True) if held] for row in prediction.sets]
    if prediction.review is not None:
        named["review"] = prediction.review.tolist()
    return named


def by_name(prediction: Prediction, signature: Signature) -> dict[str, list[Any]]:
    """The columns of a scored table, by the names that `names` gives."""
    if prediction.components is not None:
        columns = list(prediction.components.T)
    else:
        ones = [values for values in (prediction.labels, prediction.values) if values is not None]
        columns = [*ones, *(() if prediction.probabilities is None else prediction.probabilities.T)]
    marks = [] if prediction.review is None else [prediction.review]
    return {name: values.tolist() for name, values in zip(names(signature), [*columns, *marks], strict=True)}


def names(signature: Signature) -> list[str]:
    """The names of a scored table's new columns: `prediction`, for a classifier also `probability_<class>` for each
    class; `prediction` and `distance` of clusters; `prediction` and `score` of anomalies; `component_1`, ...; and
    `review` when the model marks rows."""
    if signature.task == "clustering":
        return ["prediction", "distance"]
    if signature.task == "anomaly_detection":
        return ["prediction", "score"]
    if signature.task == "dimensionality_reduction":
        return [f"component_{number}" for number in range(1, signature.components + 1)]
    marks = [] if signature.review_below is None else ["review"]
    return ["prediction", *(f"probability_{name}" for name in signature.classes), *marks]
