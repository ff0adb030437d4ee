"""What a model says, and the names of a graph's outputs. numpy only, so that training needs no ONNX Runtime."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: The outputs of a classifier's graph, and of a regressor's.
LABEL = "label"
PROBABILITIES = "probabilities"
VALUE = "value"
#: A regressor's graph may also say how far its value is usually off; intervals are that wide.
SCALE = "scale"
#: A reduction's graph.
COMPONENTS = "components"
#: What graphs of tasks without a target give beside it, for judging them: the rows as the model sees them, and what a
#: reduction keeps of these. The metadata entry `sources` names the raw column of each of their columns.
SPACE = "space"
RECONSTRUCTION = "reconstruction"
SOURCES = "sources"
#: The labels of anomaly detection.
NORMAL, ANOMALY = "normal", "anomaly"


@dataclass(frozen=True)
class Prediction:
    """What a model says about n rows, and how sure it is, when asked.

    Classification: labels and probabilities. Regression: values. Clustering: labels, the clusters' names, and values,
    the distances to their centres. Anomaly detection: labels and values, the scores. Dimensionality reduction:
    components.
    """

    labels: np.ndarray | None = None  #: (n,) object of str; the class with the highest probability
    probabilities: np.ndarray | None = None  #: (n, classes) float64, in the order of the signature's classes
    values: np.ndarray | None = None  #: (n,) float64
    components: np.ndarray | None = None  #: (n, components) float64
    scale: np.ndarray | None = None  #: (n,) float64, above 0, beside the values of a model that knows its error
    low: np.ndarray | None = None  #: (n,) float64: lower bound of the interval that was asked for
    high: np.ndarray | None = None  #: (n,) float64: its upper bound
    sets: np.ndarray | None = None  #: (n, classes) bool: the classes in the set that was asked for
    review: np.ndarray | None = None  #: (n,) bool: whether a person should look, when the model says so
