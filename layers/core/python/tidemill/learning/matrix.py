"""Encoded columns to the one float32 matrix that estimators take.

Numbers stay as they are; a category becomes its rank by frequency in the training rows,
the most frequent 0. A level that is rare there, or that training never saw, is -1, so
that an unknown level means what rare ones meant. `export` writes the same as ONNX nodes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

#: Levels of a category that are told apart.
MAX_LEVELS = 200
UNKNOWN = -1.0


@dataclass(frozen=True)
class Layout:
    """The columns of the matrix: numbers first, then categories."""

    numbers: tuple[str, ...]
    levels: dict[str, tuple[str, ...]]  #: category -> its levels by rank

    @property
    def width(self) -> int:
        """Columns of the matrix."""
        return len(self.numbers) + len(self.levels)

    def matrix(self, encoded: Mapping[str, np.ndarray]) -> np.ndarray:
        """(rows, width) float32 of encoded columns, each of shape (rows,)."""
        columns = [encoded[name] for name in self.numbers]
        for name, levels in self.levels.items():
            ranks = {level: float(rank) for rank, level in enumerate(levels)}
            columns.append(np.array([ranks.get(text, UNKNOWN) for text in encoded[name]], dtype=np.float32))
        return np.column_stack(columns)


def layout(encoded: Mapping[str, np.ndarray]) -> Layout:
    """The layout that training rows ask for."""
    numbers = tuple(name for name, values in encoded.items() if values.dtype == np.float32)
    levels = {name: _levels(values) for name, values in encoded.items() if name not in numbers}
    return Layout(numbers, levels)


def _levels(texts: np.ndarray) -> tuple[str, ...]:
    """Texts that occur at least twice, by falling frequency; the missing one ("") counts like any other."""
    counts = Counter(texts.tolist())
    repeated = [text for text, count in counts.items() if count > 1] or list(counts)
    return tuple(sorted(repeated, key=lambda text: (-counts[text], text))[:MAX_LEVELS])
