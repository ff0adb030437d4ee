"""A fitted estimator with its layout as one ONNX graph that takes the encoded columns.

Inputs are named like the columns, shape [rows, 1]: float32 or text. Outputs are `label`
and `probabilities`, or `value`. The same model always gives the same bytes.

ONNX computes in float32. So that both predict the same, what the estimator keeps in
float64 and compares or subtracts is first rounded to float32 (`round_to_float32`); since
its input is float32 too, rounding a tree's threshold down changes no decision.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from tidemill.learning.matrix import UNKNOWN, Layout
from tidemill.serving.prediction import LABEL, PROBABILITIES, VALUE

#: Operator sets that onnxruntime has known for years.
_OPSETS = {"": 17, "ai.onnx.ml": 3}
_MATRIX = "tidemill_matrix"


def export(model: Pipeline, layout: Layout) -> bytes:
    """The ONNX graph of a fitted pipeline over the matrix of a layout."""
    estimator = model[-1]
    if isinstance(estimator, DummyClassifier | DummyRegressor):
        # The slope of zero would still be no number where a column is missing.
        filled = SimpleImputer(strategy="constant", fill_value=0.0).fit(np.zeros((1, layout.width), np.float32))
        model = Pipeline([("imputer", filled), ("estimator", _constant(estimator, layout.width))])
    classes = getattr(model[-1], "classes_", None)
    if classes is None:
        outputs = [(VALUE, FloatTensorType([None, 1]))]
        options = None
    else:
        outputs = [(LABEL, StringTensorType([None])), (PROBABILITIES, FloatTensorType([None, len(classes)]))]
        options = {id(model[-1]): {"zipmap": False}}
    converted = convert_sklearn(
        model,
        name="tidemill",
        initial_types=[(_MATRIX, FloatTensorType([None, layout.width]))],
        final_types=outputs,
        options=options,
        target_opset=_OPSETS,
    )
    inputs, nodes = _matrix_nodes(layout)
    converted.graph.ClearField("input")
    converted.graph.input.extend(inputs)
    estimator_nodes = list(converted.graph.node)
    converted.graph.ClearField("node")
    converted.graph.node.extend([*nodes, *estimator_nodes])
    # skl2onnx names the oldest sets that its own nodes need; these take the same nodes.
    converted.ClearField("opset_import")
    converted.opset_import.extend(helper.make_opsetid(domain, number) for domain, number in _OPSETS.items())
    onnx.checker.check_model(converted)
    data: bytes = converted.SerializeToString(deterministic=True)
    return data


def round_to_float32(model: Pipeline) -> None:
    """Round in place what a fitted pipeline keeps in float64 and ONNX in float32."""
    for step in _steps(model):
        if isinstance(step, SimpleImputer):
            step.statistics_ = _float32(step.statistics_)
        elif isinstance(step, StandardScaler):
            step.mean_, step.scale_ = _float32(step.mean_), _float32(step.scale_)
        elif isinstance(step, HistGradientBoostingClassifier | HistGradientBoostingRegressor):
            for predictor in (tree for trees in step._predictors for tree in trees):
                field = "num_threshold" if "num_threshold" in predictor.nodes.dtype.names else "threshold"
                predictor.nodes[field] = _float32_below(predictor.nodes[field])


def _steps(model: Any) -> list[Any]:
    """Every fitted transformer and estimator inside."""
    if isinstance(model, Pipeline):
        return [inner for _, step in model.steps for inner in _steps(step)]
    if hasattr(model, "transformers_"):
        return [inner for _, step, _ in model.transformers_ for inner in _steps(step)]
    return [model]


def _float32(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32).astype(np.float64)


def _float32_below(values: np.ndarray) -> np.ndarray:
    """The largest float32 that is not above each value."""
    with np.errstate(over="ignore"):
        nearest = values.astype(np.float32)
    return np.where(nearest > values, np.nextafter(nearest, np.float32(-np.inf)), nearest).astype(np.float64)


def _constant(estimator: Any, width: int) -> Any:
    """A linear model without slope that predicts what a dummy does, which skl2onnx cannot convert.

    Its input must be imputed, because nothing times a missing number is a missing number.
    """
    if isinstance(estimator, DummyRegressor):
        flat = LinearRegression()
        flat.coef_, flat.intercept_ = np.zeros(width), float(estimator.constant_[0, 0])
        return flat
    flat = LogisticRegression()
    flat.classes_ = estimator.classes_
    logs = np.log(estimator.class_prior_)
    rows = logs[1:] - logs[:1] if len(logs) == 2 else logs
    flat.coef_, flat.intercept_ = np.zeros((len(rows), width)), rows
    return flat


def _matrix_nodes(layout: Layout) -> tuple[list[Any], list[Any]]:
    """Inputs of the graph, and the nodes that do what `Layout.matrix` does."""
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1]) for name in layout.numbers]
    nodes, columns = [], list(layout.numbers)
    for index, (name, levels) in enumerate(layout.levels.items()):
        inputs.append(helper.make_tensor_value_info(name, TensorProto.STRING, [None, 1]))
        columns.append(f"tidemill_rank_{index}")
        node = helper.make_node(
            "LabelEncoder",
            [name],
            columns[-1:],
            domain="ai.onnx.ml",
            keys_strings=[level.encode() for level in levels],
            values_floats=[float(rank) for rank in range(len(levels))],
            default_float=UNKNOWN,
        )
        nodes.append(node)
    nodes.append(helper.make_node("Concat", columns, [_MATRIX], axis=1))
    return inputs, nodes
