"""Missing indicators: that a number is missing may say something itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tidemill.learning.feature_steps.step import Columns, Nodes

#: A number that is missing in fewer training rows, or present in fewer, gets no indicator.
MIN_ROWS = 10


@dataclass(frozen=True)
class MissingIndicators:
    """1 where a number is missing, else 0. Trees need none: they send missing values their own way."""

    columns: tuple[str, ...]

    @classmethod
    def fit(cls, columns: tuple[str, ...], rows: Columns) -> MissingIndicators:
        """Learn from training rows which numbers are missing often enough."""
        counts = {name: int(np.isnan(rows[name]).sum()) for name in columns}
        return cls(tuple(name for name, count in counts.items() if min(count, len(rows[name]) - count) >= MIN_ROWS))

    @property
    def names(self) -> tuple[str, ...]:
        """`column is missing` for each."""
        return tuple(f"{name} is missing" for name in self.columns)

    def transform(self, columns: Columns) -> np.ndarray:
        """(rows, names) float32."""
        missing: np.ndarray = np.isnan(np.column_stack([columns[name] for name in self.columns]))
        return missing.astype(np.float32)

    def nodes(self, graph: Nodes) -> str:
        """IsNaN over all columns at once."""
        return graph.numbers(graph.add("IsNaN", graph.table(self.columns)))

    def document(self) -> list[dict[str, Any]]:
        """Each column's indicator."""
        what = "1 where it is missing, else 0"
        return [
            {"column": column, "becomes": what, "features": [name]}
            for column, name in zip(self.columns, self.names, strict=True)
        ]
