"""Categories: ranks by frequency for trees, one column a level for linear models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tidemill.learning.feature_steps.step import ML, Columns, Nodes

#: Levels of a category that are told apart.
MAX_LEVELS = 200
#: The rank of a level that is rare in training, or that training never saw.
UNKNOWN = -1.0
#: A level that occurs in fewer training rows is rare to a linear model, which gives every column a weight.
RARE = 3


@dataclass(frozen=True)
class Ranks:
    """A category as its rank by frequency in training, the most frequent 0.

    A level that is rare there, or that training never saw, is -1, so that an unknown level means what rare ones meant.
    """

    levels: dict[str, tuple[str, ...]]  #: category -> its levels by rank

    @classmethod
    def fit(cls, columns: Sequence[str], rows: Columns, rare: int = 2) -> Ranks:
        """Learn from training rows the levels that occur at least `rare` times."""
        return cls({name: _levels(rows[name], rare) for name in columns})

    @property
    def columns(self) -> tuple[str, ...]:
        """The categories."""
        return tuple(self.levels)

    @property
    def names(self) -> tuple[str, ...]:
        """One column each."""
        return tuple(self.levels)

    def transform(self, columns: Columns) -> np.ndarray:
        """(rows, names) float32."""
        made = []
        for name, levels in self.levels.items():
            ranks = {level: float(rank) for rank, level in enumerate(levels)}
            made.append(np.array([ranks.get(text, UNKNOWN) for text in columns[name].tolist()], dtype=np.float32))
        return np.column_stack(made)

    def nodes(self, graph: Nodes) -> str:
        """A LabelEncoder for each category."""
        return graph.concat([_ranked(graph, name, levels) for name, levels in self.levels.items()])

    def document(self) -> list[dict[str, Any]]:
        """Each category with its levels."""
        what = "its level's rank by frequency, from 0; -1 for rare and unknown levels"
        return [
            {"column": name, "becomes": what, "features": [name], "levels": list(levels)}
            for name, levels in self.levels.items()
        ]


@dataclass(frozen=True)
class OneHot:
    """A column for each level that is not rare, 1 where the category has it, and one for all other levels."""

    ranks: Ranks

    @classmethod
    def fit(cls, columns: Sequence[str], rows: Columns) -> OneHot:
        """Learn the levels from training rows."""
        return cls(Ranks.fit(columns, rows, RARE))

    @property
    def columns(self) -> tuple[str, ...]:
        """The categories."""
        return self.ranks.columns

    @property
    def names(self) -> tuple[str, ...]:
        """`category is level` for each level, `category is another`."""
        return tuple(name for category, levels in self.ranks.levels.items() for name in _names(category, levels))

    def transform(self, columns: Columns) -> np.ndarray:
        """(rows, names) float32."""
        at, rank = self._cells()
        made: np.ndarray = (self.ranks.transform(columns)[:, at] == rank).astype(np.float32)
        return made

    def nodes(self, graph: Nodes) -> str:
        """Ranks, each repeated as often as its category has columns, compared with those columns' ranks."""
        at, rank = self._cells()
        repeated = graph.add("Gather", self.ranks.nodes(graph), graph.constant(at, np.int64), axis=1)
        return graph.numbers(graph.add("Equal", repeated, graph.constant(rank)))

    def document(self) -> list[dict[str, Any]]:
        """Each category with its levels."""
        what = "1 in the column of its level, else 0; rare and unknown levels share the last column"
        return [
            {"column": name, "becomes": what, "features": _names(name, levels)}
            for name, levels in self.ranks.levels.items()
        ]

    def _cells(self) -> tuple[np.ndarray, np.ndarray]:
        """For each column of the matrix its category's index and the rank that it stands for."""
        ranks = [[*range(len(levels)), UNKNOWN] for levels in self.ranks.levels.values()]
        at = np.repeat(np.arange(len(ranks)), [len(one) for one in ranks])
        return at, np.concatenate(ranks).astype(np.float32)


def _names(category: str, levels: Sequence[str]) -> list[str]:
    return [*(f"{category} is {level}" for level in levels), f"{category} is another"]


def _ranked(graph: Nodes, name: str, levels: Sequence[str]) -> str:
    return graph.add(
        "LabelEncoder",
        name,
        domain=ML,
        keys_strings=[level.encode() for level in levels],
        values_floats=[float(rank) for rank in range(len(levels))],
        default_float=UNKNOWN,
    )


def _levels(texts: np.ndarray, rare: int) -> tuple[str, ...]:
    """Texts that occur often enough, by falling frequency; the missing one ("") counts like any other."""
    counts = Counter(texts.tolist())
    repeated = [text for text, count in counts.items() if count >= rare] or list(counts)
    return tuple(sorted(repeated, key=lambda text: (-counts[text], text))[:MAX_LEVELS])
