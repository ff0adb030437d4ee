"""What every step is, and how its ONNX nodes are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

Columns = Mapping[str, np.ndarray]

#: Operators of trees, linear models and label encoders.
ML = "ai.onnx.ml"


class Step(Protocol):
    """Makes some columns of the matrix from some encoded columns. All arithmetic is in float32, as in the graph."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The encoded columns that it reads."""

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of the matrix that it makes."""

    def transform(self, columns: Columns) -> np.ndarray:
        """(rows, names) float32 of encoded columns, each of shape (rows,)."""

    def nodes(self, graph: Nodes) -> str:
        """Add to a graph what `transform` does; the name of the [rows, names] float output."""

    def document(self) -> list[dict[str, Any]]:
        """For each encoded column what becomes of it: {"column", "becomes", "features", ...}."""


class Derivation(Protocol):
    """Makes numbers from some encoded columns, which steps then read like encoded ones."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The encoded columns that it reads."""

    def derive(self, columns: Columns) -> dict[str, np.ndarray]:
        """Its numbers, each of shape (rows,) float32."""

    def nodes(self, graph: Nodes) -> None:
        """Add to a graph what `derive` does, and each number to the graph's derived ones."""

    def document(self) -> list[dict[str, Any]]:
        """For each number what it is made of: {"column", "becomes", "features"}."""


class Nodes:
    """ONNX nodes under way. Inner names are unique and begin with a prefix."""

    def __init__(self, prefix: str) -> None:
        self.made: list[NodeProto] = []
        self.derived: dict[str, str] = {}  #: column that was made from others -> its tensor
        self._prefix = prefix

    def add(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node; the name of its output."""
        output = f"{self._prefix}{len(self.made)}"
        self.made.append(helper.make_node(operator, list(inputs), [output], domain=domain, **attributes))
        return output

    def add_two(self, operator: str, *inputs: str, **attributes: Any) -> tuple[str, str]:
        """Add a node with two outputs; their names."""
        first = self.add(operator, *inputs, **attributes)
        self.made[-1].output.append(f"{first}_")
        return first, f"{first}_"

    def split(self, value: str, width: int) -> list[str]:
        """The columns of a matrix by themselves, each [rows, 1]."""
        first = self.add("Split", value, axis=1, num_outputs=width)
        others = [f"{first}_{index}" for index in range(1, width)]
        self.made[-1].output.extend(others)
        return [first, *others]

    def numbers(self, value: str) -> str:
        """Truth values or whole numbers as float32."""
        return self.add("Cast", value, to=TensorProto.FLOAT)

    def constant(self, values: Any, dtype: Any = np.float32) -> str:
        """Add a constant of one or more values; its name."""
        return self.add("Constant", value=numpy_helper.from_array(np.asarray(values, dtype=dtype)))

    def table(self, columns: Sequence[str]) -> str:
        """Columns of numbers beside each other, [rows, columns]."""
        return self.concat([self.derived.get(name, name) for name in columns])

    def concat(self, parts: list[str]) -> str:
        """Put matrices beside each other."""
        return parts[0] if len(parts) == 1 else self.add("Concat", *parts, axis=1)
