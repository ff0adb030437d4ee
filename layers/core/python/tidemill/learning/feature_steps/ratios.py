"""Ratios of sizes: rooms per household, where a table has rooms and households."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from scipy.stats import rankdata

from tidemill.learning.feature_steps.numbers import SKEWED, skewness
from tidemill.learning.feature_steps.step import Columns, Nodes

#: Rank correlation from which two sizes grow together; ratios at most.
TOGETHER, MAX_RATIOS = 0.7, 10
#: A number of fewer values is no size.
_VALUES = 20
#: Rows that correlations are taken from.
_ROWS = 20_000
_LARGEST = np.finfo(np.float32).max


@dataclass(frozen=True)
class Ratios:
    """The ratio of each two numbers that are sizes of one thing; missing when one is, or the second is not above 0.

    A size is never below 0 and skewed to the right; two of them belong together when they grow together. What each
    says beside the common size is in the ratio, which trees can only approach in many steps, and linear models not at
    all. Other steps read the ratios as numbers.
    """

    pairs: tuple[tuple[str, str], ...]

    @classmethod
    def fit(cls, numbers: Sequence[str], rows: Columns) -> Ratios:
        """Find the sizes that grow together in training rows, most closely first."""
        sizes = [name for name in numbers if _is_size(rows[name])]
        if len(sizes) < 2:
            return cls(())
        every = max(len(rows[sizes[0]]) // _ROWS, 1)
        ranks = [rankdata(np.nan_to_num(rows[name][::every], nan=np.nanmedian(rows[name]))) for name in sizes]
        together = np.corrcoef(ranks)
        found = [(together[i, j], (sizes[i], sizes[j])) for i, j in combinations(range(len(sizes)), 2)]
        close = sorted((one for one in found if one[0] > TOGETHER), key=lambda one: (-one[0], one[1]))
        return cls(tuple(pair for _, pair in close[:MAX_RATIOS]))

    @property
    def columns(self) -> tuple[str, ...]:
        """The sizes."""
        return tuple(dict.fromkeys(name for pair in self.pairs for name in pair))

    @property
    def names(self) -> tuple[str, ...]:
        """`first per second` for each pair."""
        return tuple(f"{first} per {second}" for first, second in self.pairs)

    def derive(self, columns: Columns) -> dict[str, np.ndarray]:
        """The ratios, each of shape (rows,) float32."""
        made = {}
        for name, (first, second) in zip(self.names, self.pairs, strict=True):
            over, under = columns[first], columns[second]
            with np.errstate(all="ignore"):
                ratio = np.clip(over / under, -_LARGEST, _LARGEST)
            made[name] = np.where((under > 0) & ~np.isnan(over), ratio, np.float32(np.nan))
        return made

    def nodes(self, graph: Nodes) -> None:
        """Div, Clip and Where over all pairs at once, then each ratio by itself."""
        if not self.pairs:
            return
        over, under = (graph.table(names) for names in zip(*self.pairs, strict=True))
        ratio = graph.add("Clip", graph.add("Div", over, under), graph.constant(-_LARGEST), graph.constant(_LARGEST))
        above = graph.add("Greater", under, graph.constant(0.0))
        known = graph.add("And", above, graph.add("Not", graph.add("IsNaN", over)))
        held = graph.add("Where", known, ratio, graph.constant(np.nan))
        graph.derived.update(zip(self.names, graph.split(held, len(self.pairs)), strict=True))

    def document(self) -> list[dict[str, Any]]:
        """Each pair."""
        return [
            {"column": first, "becomes": f"its ratio to {second}, read as a number", "features": [name]}
            for (first, second), name in zip(self.pairs, self.names, strict=True)
        ]


def _is_size(values: np.ndarray) -> bool:
    present = values[~np.isnan(values)].astype(np.float64)
    return len(np.unique(present)) > _VALUES and present.min() >= 0 and skewness(present) > SKEWED
