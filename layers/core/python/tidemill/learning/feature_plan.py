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
from tidemill.learning.feature_steps import text
from tidemill.learning.feature_steps.categories import OneHot, Ranks
from tidemill.learning.feature_steps.dates import Cyclic, DateDifferences
from tidemill.learning.feature_steps.missing import MissingIndicators
from tidemill.learning.feature_steps.numbers import Numbers, ScaledNumbers
from tidemill.learning.feature_steps.piecewise import PiecewiseLinear
from tidemill.learning.feature_steps.ratios import Ratios
from tidemill.learning.feature_steps.step import Columns, Derivation, Nodes, Step
from tidemill.learning.feature_steps.target_encoding import TargetEncoding
from tidemill.learning.feature_steps.text import TfIdf, Words
from tidemill.serving.features import DATE_PARTS, Encoder
from tidemill.spec import Features

#: Trees take numbers as they are; linear models what is imputed, scaled, one-hot and in ramps.
Family = Literal["tree", "linear"]
#: From this many levels on a category is encoded by the target for linear models, beside its frequent levels; for
#: trees with several classes, instead of ranks. Trees with one outcome get it of any category of three levels.
MANY_LEVELS = 25


class GraphPart(NamedTuple):
    """The part of an ONNX graph that makes the matrix."""

    inputs: dict[str, ValueInfoProto]  #: graph inputs by encoded column, which the plans of several models share
    nodes: list[NodeProto]
    output: str  #: [rows, width] float


@dataclass(frozen=True)
class FeaturePlan:
    """Fitted steps, in the order of the matrix."""

    derivations: tuple[Derivation, ...]  #: make columns that steps read like encoded ones
    steps: tuple[Step, ...]
    texts: frozenset[str]  #: encoded columns that are text; the others are float32

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of the matrix."""
        return tuple(name for step in self.steps for name in step.names)

    def matrix(self, columns: Columns) -> np.ndarray:
        """(rows, names) float32 of encoded columns, each of shape (rows,)."""
        derived = _derived(columns, self.derivations)
        return np.column_stack([step.transform(derived) for step in self.steps])

    def nodes(self, prefix: str) -> GraphPart:
        """What `matrix` does as ONNX; the names of nodes' outputs begin with the prefix."""
        graph = Nodes(prefix)
        for derivation in self.derivations:
            derivation.nodes(graph)
        output = graph.concat([step.nodes(graph) for step in self.steps])
        read = dict.fromkeys(
            [name for one in self.derivations for name in one.columns]
            + [name for step in self.steps for name in step.columns]
        )
        kinds = {name: TensorProto.STRING if name in self.texts else TensorProto.FLOAT for name in read}
        inputs = {
            name: helper.make_tensor_value_info(name, kind, [None, 1])
            for name, kind in kinds.items()
            if name not in graph.derived
        }
        return GraphPart(inputs, graph.made, output)

    def document(self) -> dict[str, Any]:
        """What becomes of each column, as JSON data."""
        return {
            "width": len(self.names),
            "derived": [entry for derivation in self.derivations for entry in derivation.document()],
            "columns": [entry for step in self.steps for entry in step.document()],
        }


def fit(
    columns: Columns,
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
    names = Encoder(inputs).encoded_names
    dates = {
        field.name: dict(zip(DATE_PARTS, names[field.name], strict=True)) for field in inputs if field.type == "date"
    }
    plain = [name for field in inputs if field.type in ("integer", "number") for name in names[field.name]]
    derivations = (DateDifferences.fit(dates), Ratios.fit(plain, columns))
    rows = _derived(columns, derivations)
    numbers = [name for name, values in rows.items() if values.dtype == np.float32]
    numbers = [name for name in numbers if _varies(rows[name])] or numbers
    texts = [field.name for field in inputs if field.type == "text"] if options.text_words else []
    categories = [field.name for field in inputs if field.type in ("boolean", "category")]
    levels = {name: len(set(rows[name].tolist())) for name in categories}
    outcome = classes if task != "regression" else ()
    words = text.words_that_fit(options.text_words, len(target))
    encoded = _target_encoded(levels, len(outcome), options, family)
    by_target, held_out = TargetEncoding.fit(encoded, rows, target, outcome, seed, scaled=family == "linear")
    steps: list[Step]
    if family == "tree":
        steps = [
            Numbers(tuple(numbers)),
            Ranks.fit([name for name in categories if name not in by_target.columns], rows),
            Words.fit(texts, rows, target, outcome, min(words, text.TREE_WORDS)),
            by_target,
        ]
    else:
        steps = [
            *([ScaledNumbers.fit(tuple(numbers), rows)] if numbers else []),
            PiecewiseLinear.fit(tuple(numbers), rows),
            MissingIndicators.fit(tuple(numbers), rows),
            Cyclic.fit(dates, rows),
            OneHot.fit(categories, rows),
            TfIdf.fit(texts, rows, words),
            by_target,
        ]
    steps = [step for step in steps if step.columns] or [Ranks.fit(texts, rows)]
    plan = FeaturePlan(derivations, tuple(steps), frozenset([*categories, *texts]))
    matrix = plan.matrix(columns)
    if by_target.columns:
        matrix[:, -held_out.shape[1] :] = held_out
    return plan, matrix


def _derived(columns: Columns, derivations: Sequence[Derivation]) -> dict[str, np.ndarray]:
    """The columns, and those that are made from them."""
    return {**columns, **{name: values for one in derivations for name, values in one.derive(columns).items()}}


def _varies(values: np.ndarray) -> bool:
    """Whether there are two values, a missing one among them."""
    return bool(len(values)) and not (np.isnan(values).all() or (values == values[0]).all())


def _target_encoded(levels: Mapping[str, int], outcomes: int, options: Features, family: Family) -> list[str]:
    """The categories that are encoded by the target."""
    if options.target_encoding == "no":
        return []
    many = 3 if options.target_encoding == "yes" or (family == "tree" and outcomes <= 2) else MANY_LEVELS
    return [name for name, count in levels.items() if count >= many]
