"""What a model says, and the names of a graph's outputs. numpy only, so that training needs no ONNX Runtime."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: The outputs of a classifier's graph, and of a regressor's.
LABEL = "label"
PROBABILITIES = "probabilities"
VALUE = "value"


@dataclass(frozen=True)
class Prediction:
    """What a model says about n rows: labels and probabilities, or values."""

    labels: np.ndarray | None = None  #: (n,) object of str; the class with the highest probability
    probabilities: np.ndarray | None = None  #: (n, classes) float64, in the order of the signature's classes
    values: np.ndarray | None = None  #: (n,) float64
