"""A prediction's named outputs, in the two shapes that protocols want.

A classifier has two outputs, `label` and `probabilities` (one per class, in the order of
the signature's classes); a regressor has one, `value`, which is given without its name
where a row or a column stands for itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tidemill.contracts import Signature
from tidemill.serving.prediction import Prediction


def by_row(prediction: Prediction) -> list[Any]:
    """One JSON value per row: a number, or `{"label": ..., "probabilities": [...]}`."""
    if prediction.values is not None:
        return _listed(prediction.values)
    rows = zip(_listed(prediction.labels), _listed(prediction.probabilities), strict=True)
    return [{"label": label, "probabilities": probabilities} for label, probabilities in rows]


def by_column(prediction: Prediction) -> list[Any] | dict[str, list[Any]]:
    """One JSON value for all rows: a list of numbers, or `{"label": [...], "probabilities": [[...], ...]}`."""
    if prediction.values is not None:
        return _listed(prediction.values)
    return {"label": _listed(prediction.labels), "probabilities": _listed(prediction.probabilities)}


def by_name(prediction: Prediction, signature: Signature) -> dict[str, list[Any]]:
    """The columns of a scored table: `prediction`, and for a classifier `probability_<class>` for each class."""
    if prediction.values is not None:
        return {"prediction": _listed(prediction.values)}
    columns = [_listed(prediction.labels), *_listed(prediction.probabilities, columns=True)]
    return dict(zip(names(signature), columns, strict=True))


def names(signature: Signature) -> list[str]:
    """The column names that `by_name` gives."""
    return ["prediction", *(f"probability_{name}" for name in signature.classes)]


def _listed(values: np.ndarray | None, columns: bool = False) -> list[Any]:
    assert values is not None, "a prediction has values, or labels and probabilities"
    listed: list[Any] = (values.T if columns else values).tolist()
    return listed
