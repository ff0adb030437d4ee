"""From encoded columns to the one float32 matrix that estimators take: what a family of estimators needs.

A plan is a row of steps, each fitted on training rows. `matrix` runs them with numpy in training, `nodes` gives the
same as ONNX, and `document` says in words what becomes of each column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from onnx import NodeProto, TensorProto, ValueInfoProto, helper

from tidemill.contracts import InputField, Task
from tidemill.learning.feature_steps.categories import OneHot, Ranks
from tidemill.learning.feature_steps.numbers import Numbers, ScaledNumbers
from tidemill.learning.feature_steps.step import Columns, Nodes, Step
from tidemill.serving.features import Encoder
from tidemill.spec import Features

#: Trees take numbers as they are and categories as ranks; linear models what is imputed, scaled and one-hot.
Family = Literal["tree", "linear"]


class GraphPart(NamedTuple):
    """The part of an ONNX graph that makes the matrix."""

    inputs: dict[str, ValueInfoProto]  #: graph inputs by encoded column, which the plans of several models share
    nodes: list[NodeProto]
    output: str  #: [rows, width] float


@dataclass(frozen=True)
class FeaturePlan:
    """Fitted steps, in the order of the matrix."""

    steps: tuple[Step, ...]
    texts: frozenset[str]  #: encoded columns that are text; the others are float32

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of the matrix."""
        return tuple(name for step in self.steps for name in step.names)

    def matrix(self, columns: Columns) -> np.ndarray:
        """(rows, names) float32 of encoded columns, each of shape (rows,)."""
        return np.column_stack([step.transform(columns) for step in self.steps])

    def nodes(self, prefix: str) -> GraphPart:
        """What `matrix` does as ONNX; the names of nodes' outputs begin with the prefix."""
        graph = Nodes(prefix)
        output = graph.concat([step.nodes(graph) for step in self.steps])
        read = dict.fromkeys(name for step in self.steps for name in step.columns)
        kinds = {name: TensorProto.STRING if name in self.texts else TensorProto.FLOAT for name in read}
        inputs = {name: helper.make_tensor_value_info(name, kind, [None, 1]) for name, kind in kinds.items()}
        return GraphPart(inputs, graph.made, output)

    def document(self) -> dict[str, Any]:
        """What becomes of each column, as JSON data."""
        return {"width": len(self.names), "columns": [entry for step in self.steps for entry in step.document()]}


def fit(
    columns: Mapping[str, np.ndarray],
    target: np.ndarray,
    *,
    inputs: Sequence[InputField],
    task: Task,
    classes: Sequence[str],
    options: Features,
    family: Family,
    seed: int,
) -> tuple[FeaturePlan, np.ndarray]:
    """Fit the steps that a family of estimators needs.

    Parameters
    ----------
    columns
        encoded training rows, each of shape (rows,).
    target
        (rows,) values, or indices of the classes.
    inputs
        the raw columns that they come from.
    classes
        names; empty for regression.
    seed
        of the folds of steps that learn from the target.

    Returns
    -------
    plan
        for any rows.
    matrix
        (rows, names) float32 of the training rows themselves: a step that learns from the target gives each row what
        the other rows say.
    """
    kinds = {encoded: field.type for field in inputs for encoded in Encoder(inputs).encoded_names[field.name]}
    numbers = tuple(name for name, kind in kinds.items() if kind in ("integer", "number", "date"))
    categories = [name for name, kind in kinds.items() if kind in ("boolean", "category")]
    steps: list[Step] = []
    if numbers:
        steps.append(Numbers(numbers) if family == "tree" else ScaledNumbers.fit(numbers, columns))
    if categories:
        steps.append((Ranks if family == "tree" else OneHot).fit(categories, columns))
    plan = FeaturePlan(tuple(steps), frozenset(kinds) - frozenset(numbers))
    return plan, plan.matrix(columns)
