"""A space with a fitted method as one ONNX graph that takes the encoded columns.

Outputs, each [rows, ...] float but the label: clustering `label`, `value` (distance to the centre); dimensionality
reduction `components`; anomaly detection `value` (score). Every graph also gives `space`, the rows as the method sees
them, and a reduction `reconstruction`, what the components keep of them: both are for judging the model, and cost
nothing when they are not asked for. The metadata entry `sources` names the raw column of each column of the space.

All arithmetic is in float64, since distances in float32 lose what squares of large numbers cancel; the trees of a
forest compare float32, as scikit-learn's do.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.covariance import LedoitWolf
from sklearn.ensemble import IsolationForest
from sklearn.ensemble._iforest import _average_path_length

from tidemill.learning.structure.methods import Clustering, Detection, Method, Reduction
from tidemill.learning.structure.space import Space
from tidemill.serving.prediction import COMPONENTS, LABEL, RECONSTRUCTION, SOURCES, SPACE, VALUE

#: Operator sets that onnxruntime has known for years.
_OPSETS = {"": 17, "ai.onnx.ml": 3}
_PREFIX = "tidemill_"


class _Builder:
    """Collects nodes and constants; every method adds a node and gives the name of its output."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, values: Any, kind: Any = np.float64) -> str:
        name = f"{_PREFIX}constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype=kind), name))
        return name

    def texts(self, values: Sequence[str]) -> str:
        name = f"{_PREFIX}constant_{len(self.constants)}"
        encoded = [value.encode() for value in values]
        self.constants.append(helper.make_tensor(name, TensorProto.STRING, [len(values)], encoded))
        return name

    def node(self, kind: str, *inputs: str, output: str = "", domain: str = "", **attributes: Any) -> str:
        output = output or f"{_PREFIX}{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], domain=domain, **attributes))
        return output

    def double(self, value: str) -> str:
        return self.node("Cast", value, to=TensorProto.DOUBLE)

    def float(self, value: str, output: str = "") -> str:
        return self.node("Cast", value, output=output, to=TensorProto.FLOAT)

    def sum_rows(self, value: str) -> str:
        """[rows, n] -> [rows, 1]"""
        return self.node("ReduceSum", value, self.constant([1], np.int64), keepdims=1)


def export(method: Method, space: Space) -> bytes:
    """The graph's bytes; the same method and space give the same."""
    build = _Builder()
    inputs, rows = _space(build, space)
    outputs = [(SPACE, TensorProto.FLOAT, [None, space.width])]
    if isinstance(method, Clustering):
        outputs += [(LABEL, TensorProto.STRING, [None]), (VALUE, TensorProto.FLOAT, [None, 1])]
        _clusters(build, rows, method.model.cluster_centers_)
    elif isinstance(method, Reduction):
        kept = len(method.model.components_)
        outputs += [(COMPONENTS, TensorProto.FLOAT, [None, kept]), (RECONSTRUCTION, TensorProto.FLOAT, outputs[0][2])]
        components, rebuilt = _components(build, rows, method.model)
        build.float(components, COMPONENTS)
        build.float(rebuilt, RECONSTRUCTION)
    else:
        outputs.append((VALUE, TensorProto.FLOAT, [None, 1]))
        build.float(_score(build, method, _strangeness(build, rows, method.model)), VALUE)
    build.float(rows, SPACE)
    graph = helper.make_graph(
        build.nodes,
        "tidemill",
        inputs,
        [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in outputs],
        build.constants,
    )
    opsets = [helper.make_opsetid(domain, number) for domain, number in _OPSETS.items()]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="tidemill")
    helper.set_model_props(model, {SOURCES: json.dumps(space.sources)})
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _space(build: _Builder, space: Space) -> tuple[list[Any], str]:
    """Inputs of the graph, and the rows of the space in float64: what `Space.matrix` does."""
    inputs, blocks = [], []
    for numbers in ([n for n in space.numbers if not n.unit], [n for n in space.numbers if n.unit]):
        if numbers:
            inputs += [helper.make_tensor_value_info(n.name, TensorProto.FLOAT, [None, 1]) for n in numbers]
            values = build.double(build.node("Concat", *(n.name for n in numbers), axis=1))
            fill = build.constant([[n.fill for n in numbers]])
            values = build.node("Where", build.node("IsNaN", values), fill, values)
            if numbers[0].unit:
                units = build.node("Div", build.node("Abs", values), build.constant([[n.unit for n in numbers]]))
                logs = build.node("Log", build.node("Add", build.constant(1.0), units))
                values = build.node("Mul", build.node("Sign", values), logs)
            blocks.append(values)
    for category in space.categories:
        inputs.append(helper.make_tensor_value_info(category.name, TensorProto.STRING, [None, 1]))
        levels = [level.encode() for level in category.levels]
        hot = build.node("OneHotEncoder", category.name, domain="ai.onnx.ml", cats_strings=levels, zeros=1)
        blocks.append(build.double(build.node("Reshape", hot, build.constant([-1, len(levels)], np.int64))))
    raw = build.node("Concat", *blocks, axis=1)
    centred = build.node("Sub", raw, build.constant(space.mean[None, :]))
    return inputs, build.node("Div", centred, build.constant(space.scale[None, :]))


def _clusters(build: _Builder, rows: str, centres: np.ndarray) -> None:
    squares = build.sum_rows(build.node("Mul", rows, rows))
    crossed = build.node("MatMul", rows, build.constant(-2 * centres.T))
    distances = build.node("Add", build.node("Add", squares, crossed), build.constant((centres**2).sum(axis=1)[None]))
    nearest = build.node("ArgMin", distances, axis=1, keepdims=0)
    build.node("Gather", build.texts([str(k) for k in range(len(centres))]), nearest, output=LABEL)
    least = build.node("ReduceMin", distances, axes=[1], keepdims=1)
    build.float(build.node("Sqrt", build.node("Max", least, build.constant(0.0))), VALUE)


def _components(build: _Builder, rows: str, model: Any) -> tuple[str, str]:
    """The components of the rows, and the rows that have these components."""
    centred = build.node("Sub", rows, build.constant(model.mean_[None, :]))
    components = build.node("MatMul", centred, build.constant(model.components_.T))
    rebuilt = build.node("MatMul", components, build.constant(model.components_))
    return components, build.node("Add", rebuilt, build.constant(model.mean_[None, :]))


def _strangeness(build: _Builder, rows: str, model: Any) -> str:
    """[rows, 1]: what `methods.raw_scores` gives."""
    if model is None:
        return build.node("Mul", build.sum_rows(rows), build.constant(0.0))
    if isinstance(model, IsolationForest):
        return _path_lengths(build, rows, model)
    if isinstance(model, LedoitWolf):
        centred = build.node("Sub", rows, build.constant(model.location_[None, :]))
        values, vectors = np.linalg.eigh(model.precision_)
        left = build.node("MatMul", centred, build.constant(vectors * np.sqrt(np.maximum(values, 0.0))))
    else:
        left = build.node("Sub", rows, _components(build, rows, model)[1])
    return build.node("Sqrt", build.sum_rows(build.node("Mul", left, left)))


def _path_lengths(build: _Builder, rows: str, model: IsolationForest) -> str:
    """The score of an isolation forest: 2 to the power of minus the mean path length over the usual one."""
    fields: dict[str, list[Any]] = {name: [] for name in ("tree", "node", "feature", "value", "mode", "yes", "no")}
    leaves: dict[str, list[Any]] = {name: [] for name in ("tree", "node", "weight")}
    for number, (estimator, depths, rest) in enumerate(
        zip(model.estimators_, model._decision_path_lengths, model._average_path_length_per_tree, strict=True)
    ):
        tree = estimator.tree_
        leaf = tree.children_left == -1
        thresholds = np.where(leaf, 0.0, _float32_below(tree.threshold))
        fields["tree"] += [number] * tree.node_count
        fields["node"] += range(tree.node_count)
        fields["feature"] += np.where(leaf, 0, tree.feature).tolist()
        fields["value"] += thresholds.tolist()
        fields["mode"] += ["LEAF" if one else "BRANCH_LEQ" for one in leaf]
        fields["yes"] += np.where(leaf, 0, tree.children_left).tolist()
        fields["no"] += np.where(leaf, 0, tree.children_right).tolist()
        leaves["tree"] += [number] * int(leaf.sum())
        leaves["node"] += np.flatnonzero(leaf).tolist()
        leaves["weight"] += (np.asarray(depths) + np.asarray(rest) - 1.0)[leaf].tolist()
    total = build.node(
        "TreeEnsembleRegressor",
        build.float(rows),
        domain="ai.onnx.ml",
        n_targets=1,
        aggregate_function="SUM",
        post_transform="NONE",
        nodes_treeids=fields["tree"],
        nodes_nodeids=fields["node"],
        nodes_featureids=fields["feature"],
        nodes_values=fields["value"],
        nodes_modes=fields["mode"],
        nodes_truenodeids=fields["yes"],
        nodes_falsenodeids=fields["no"],
        nodes_hitrates=[1.0] * len(fields["node"]),
        nodes_missing_value_tracks_true=[0] * len(fields["node"]),
        target_treeids=leaves["tree"],
        target_nodeids=leaves["node"],
        target_ids=[0] * len(leaves["node"]),
        target_weights=leaves["weight"],
    )
    usual = len(model.estimators_) * float(_average_path_length([model._max_samples])[0])
    return build.node("Exp", build.node("Mul", build.double(total), build.constant(-np.log(2) / usual)))


def _score(build: _Builder, method: Detection, raw: str) -> str:
    """What `Percentiles.of` gives."""
    shares = method.percentiles
    above = build.node("Max", build.node("Sub", raw, build.constant(shares.starts[None, :])), build.constant(0.0))
    steps = build.node("Min", above, build.constant(shares.widths[None, :]))
    inside = build.node("MatMul", steps, build.constant(shares.slopes[:, None]))
    end = build.constant(float(shares.starts[-1] + shares.widths[-1]))
    beyond = build.node("Max", build.node("Sub", raw, end), build.constant(0.0))
    faded = build.node("Exp", build.node("Mul", beyond, build.constant(-shares.fade)))
    rest = build.node("Mul", build.node("Sub", build.constant(1.0), faded), build.constant(shares.tail))
    return build.node("Add", build.node("Add", inside, build.constant(shares.first)), rest)


def _float32_below(values: np.ndarray) -> np.ndarray:
    """The largest float32 that is not above each value: float32 input falls on the same side of both."""
    nearest = values.astype(np.float32)
    return np.where(nearest > values, np.nextafter(nearest, np.float32(-np.inf)), nearest)
