"""Fitted candidates with their features as one ONNX graph that takes the encoded columns.

Inputs are named like the columns, shape [rows, 1]: float32 or text. Outputs are `label`
and `probabilities`, or `value` and sometimes `scale`. The members of an ensemble share the
features that they have in common, and their predictions are averaged in the graph. The same
model always gives the same bytes.

ONNX computes in float32. So that both predict the same, what the estimator keeps in
float64 and compares or subtracts is first rounded to float32 (`round_to_float32`); since
its input is float32 too, rounding a tree's threshold down changes no decision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline

from tidemill.learning.feature_plan import Family, FeaturePlan
from tidemill.learning.feature_steps.step import Nodes
from tidemill.serving.prediction import LABEL, PROBABILITIES, SCALE, VALUE

#: Operator sets: text is split into words by one of the 20th.
_OPSETS = {"": 20, "ai.onnx.ml": 3}
#: Of the file, which onnxruntime must know: of the time of these operator sets.
_IR_VERSION = 9


class Graph:
    """An ONNX graph under way, over the features of some families."""

    def __init__(self, features: Mapping[Family, FeaturePlan]) -> None:
        self._features = features
        self._matrices: dict[Family, str] = {}
        self._inputs: dict[str, onnx.ValueInfoProto] = {}
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def matrix(self, family: Family) -> str:
        """The features of a family, made once."""
        if family not in self._matrices:
            inputs, nodes, output = self._features[family].nodes(f"{family}_")
            self._inputs |= {name: info for name, info in inputs.items() if name not in self._inputs}
            self._nodes += nodes
            self._matrices[family] = output
        return self._matrices[family]

    def estimator(self, model: Pipeline, family: Family, prefix: str) -> str:
        """A fitted pipeline over the features of a family: its [rows, 1] values or [rows, classes] probabilities.

        The names of its nodes' outputs begin with the prefix.
        """
        if isinstance(model[-1], DummyClassifier | DummyRegressor):
            learned = model[-1]
            shares = learned.class_prior_ if isinstance(learned, DummyClassifier) else learned.constant_.ravel()
            return self.constant_rows(shares.tolist(), prefix)
        matrix = self.matrix(family)
        classes = getattr(model[-1], "classes_", None)
        outputs = (
            [(VALUE, FloatTensorType([None, 1]))]
            if classes is None
            else [(LABEL, Int64TensorType([None])), (PROBABILITIES, FloatTensorType([None, len(classes)]))]
        )
        converted = convert_sklearn(
            model,
            name="estimator",
            initial_types=[(matrix, FloatTensorType([None, len(self._features[family].names)]))],
            final_types=outputs,
            options=None if classes is None else {id(model[-1]): {"zipmap": False}},
            target_opset=_OPSETS,
        )
        wanted = outputs[-1][0]
        self._take(converted.graph, matrix, wanted, prefix)
        return prefix + wanted

    def add(self, nodes: Sequence[NodeProto]) -> None:
        """Add nodes whose names are their own."""
        self._nodes += nodes

    def constant(self, name: str, values: Any) -> str:
        """Add a constant: float32 numbers, or a column of texts."""
        array = np.asarray(values)
        tensor = (
            helper.make_tensor(name, TensorProto.STRING, array.shape, [text.encode() for text in array.ravel()])
            if array.dtype.kind in "OU"
            else numpy_helper.from_array(array.astype(np.float32), name)
        )
        self._constants.append(tensor)
        return name

    def mean(self, parts: Sequence[tuple[str, float]], prefix: str) -> str:
        """The weighted mean of tensors of one shape."""
        if len(parts) == 1:
            return parts[0][0]
        graph = Nodes(prefix)
        weighted = [graph.add("Mul", part, graph.constant(weight)) for part, weight in parts]
        output = graph.add("Sum", *weighted)
        self._nodes += graph.made
        return output

    def classes(self, probabilities: str, names: Sequence[str], positive: int, threshold: float | None) -> None:
        """End with the outputs of a classifier."""
        graph = Nodes("label_")
        texts = self.constant("label_names", np.array(names, dtype=object))
        if threshold is None:
            chosen = graph.add("ArgMax", probabilities, axis=1, keepdims=0)
        else:
            score = graph.add("Gather", probabilities, graph.constant(positive, np.int64), axis=1)
            reached = graph.add("GreaterOrEqual", score, graph.constant(threshold))
            codes = (graph.constant(code, np.int64) for code in (positive, 1 - positive))
            chosen = graph.add("Where", reached, *codes)
        graph.made.append(helper.make_node("Gather", [texts, chosen], [LABEL]))
        self._nodes += graph.made
        self._outputs.append(helper.make_tensor_value_info(LABEL, TensorProto.STRING, [None]))
        self._end(probabilities, PROBABILITIES, len(names))

    def values(self, values: str, logs: str | None) -> None:
        """End with the outputs of a regression; `logs` is the logarithm of the scale of its errors."""
        self._end(values, VALUE, 1)
        if logs is not None:
            self._nodes.append(helper.make_node("Exp", [logs], ["scale_"]))
            self._end("scale_", SCALE, 1)

    def constant_rows(self, row: Sequence[float], prefix: str) -> str:
        """The same row of numbers for every row: what a model says that looks at no column."""
        plan = next(iter(self._features.values()))
        inputs, _, _ = plan.nodes("any_")
        name, info = next(iter(inputs.items()))
        self._inputs[name] = info
        graph = Nodes(prefix)
        rows = graph.add("Shape", name, start=0, end=1)
        shape = graph.add("Concat", rows, graph.constant([1], np.int64), axis=0)
        output = graph.add("Expand", graph.constant([row]), shape)
        self._nodes += graph.made
        return output

    def bytes(self) -> bytes:
        """The finished graph."""
        made = helper.make_graph(
            _needed(self._nodes, {output.name for output in self._outputs}),
            "tidemill",
            list(self._inputs.values()),
            self._outputs,
            self._constants,
        )
        opsets = [helper.make_opsetid(domain, number) for domain, number in _OPSETS.items()]
        model = helper.make_model(made, opset_imports=opsets, producer_name="tidemill", ir_version=_IR_VERSION)
        onnx.checker.check_model(model)
        data: bytes = model.SerializeToString(deterministic=True)
        return data

    def _take(self, graph: GraphProto, matrix: str, wanted: str, prefix: str) -> None:
        """Take over a converted estimator, what its wanted output needs, under names of its own."""

        def own(name: str) -> str:
            return name if name in ("", matrix) else prefix + name

        nodes = _needed(graph.node, {wanted})
        used = {name for node in nodes for name in node.input}
        for node in nodes:
            node.input[:] = [own(name) for name in node.input]
            node.output[:] = [own(name) for name in node.output]
            node.name = own(node.name)
        for tensor in graph.initializer:
            if tensor.name in used:
                tensor.name = own(tensor.name)
                self._constants.append(tensor)
        self._nodes += nodes

    def _end(self, inner: str, output: str, width: int) -> None:
        self._nodes.append(helper.make_node("Identity", [inner], [output]))
        self._outputs.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, [None, width]))


def round_to_float32(model: Pipeline) -> None:
    """Round in place what a fitted pipeline keeps in float64 and ONNX in float32."""
    for step in (step for _, step in model.steps):
        if isinstance(step, SimpleImputer):
            step.statistics_ = step.statistics_.astype(np.float32).astype(np.float64)
        elif isinstance(step, HistGradientBoostingClassifier | HistGradientBoostingRegressor):
            for predictor in (tree for trees in step._predictors for tree in trees):
                field = "num_threshold" if "num_threshold" in predictor.nodes.dtype.names else "threshold"
                predictor.nodes[field] = _float32_below(predictor.nodes[field])


def _float32_below(values: np.ndarray) -> np.ndarray:
    """The largest float32 that is not above each value."""
    with np.errstate(over="ignore"):
        nearest = values.astype(np.float32)
    return np.where(nearest > values, np.nextafter(nearest, np.float32(-np.inf)), nearest).astype(np.float64)


def _needed(nodes: Sequence[NodeProto], outputs: set[str]) -> list[NodeProto]:
    """The nodes that some outputs need, in their order."""
    wanted, kept = set(outputs), []
    for node in reversed(nodes):
        if wanted & set(node.output):
            wanted |= set(node.input)
            kept.append(node)
    return kept[::-1]
