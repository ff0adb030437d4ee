"""Bends for linear models: a number as a row of ramps, so that its effect may change from one range to the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tidemill.learning.feature_steps.step import Columns, Nodes

#: Ramps of a number: one for so many training rows, within these bounds. More were worse on tables of their size.
ROWS_PER_RAMP, FEWEST, MOST = 800, 4, 20


@dataclass(frozen=True)
class PiecewiseLinear:
    """A linear spline: between two neighbouring knots a ramp rises from -1/2 to 1/2. Missing counts as the median.

    Knots are quantiles of the training rows, or all values where there are few; a value that makes up more than its
    share of the rows is one knot, and the others are quantiles of the rest.
    """

    columns: tuple[str, ...]
    knots: tuple[np.ndarray, ...]  #: of each column, rising, float32
    medians: np.ndarray  #: (columns,) float32

    @classmethod
    def fit(cls, columns: tuple[str, ...], rows: Columns) -> PiecewiseLinear:
        """Learn knots from training rows; columns of fewer than three values are left out."""
        kept, knots, medians = [], [], []
        for name in columns:
            present = rows[name][~np.isnan(rows[name])].astype(np.float64)
            found = np.unique(_knots(present, _ramps(len(rows[name]))).astype(np.float32))
            if len(found) > 2:
                kept.append(name)
                knots.append(found)
                medians.append(np.median(present))
        return cls(tuple(kept), tuple(knots), np.array(medians, dtype=np.float32))

    @property
    def names(self) -> tuple[str, ...]:
        """`column from knot` for each ramp."""
        return tuple(
            f"{name} from {knot:g}" for name, knots in zip(self.columns, self.knots, strict=True) for knot in knots[:-1]
        )

    def transform(self, columns: Columns) -> np.ndarray:
        """(rows, names) float32."""
        table = np.column_stack([columns[name] for name in self.columns])
        at, low, slope = self._ramps()
        repeated = np.where(np.isnan(table), self.medians, table)[:, at]
        with np.errstate(over="ignore"):
            ramps: np.ndarray = np.clip((repeated - low) * slope, np.float32(0), np.float32(1)) - np.float32(0.5)
        return ramps

    def nodes(self, graph: Nodes) -> str:
        """Each column repeated for its ramps, then Sub, Mul, Clip and Sub over all at once."""
        table = graph.table(self.columns)
        at, low, slope = self._ramps()
        filled = graph.add("Where", graph.add("IsNaN", table), graph.constant(self.medians), table)
        repeated = graph.add("Gather", filled, graph.constant(at, np.int64), axis=1)
        risen = graph.add("Mul", graph.add("Sub", repeated, graph.constant(low)), graph.constant(slope))
        return graph.add("Sub", graph.add("Clip", risen, graph.constant(0.0), graph.constant(1.0)), graph.constant(0.5))

    def document(self) -> list[dict[str, Any]]:
        """Each column's knots."""
        what = "a ramp from -1/2 to 1/2 between each two knots"
        return [
            {"column": name, "becomes": what, "features": len(knots) - 1, "knots": knots.tolist()}
            for name, knots in zip(self.columns, self.knots, strict=True)
        ]

    def _ramps(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """For each ramp its column's index, where it begins, and its slope."""
        at = np.repeat(np.arange(len(self.knots)), [len(knots) - 1 for knots in self.knots])
        low = np.concatenate([knots[:-1] for knots in self.knots])
        slope = np.concatenate([1 / np.diff(knots.astype(np.float64)) for knots in self.knots])
        # A slope between two knots that are nearly equal stays one that float32 can hold.
        return at, low, np.minimum(slope, 1e30).astype(np.float32)


def _ramps(rows: int) -> int:
    return min(max(rows // ROWS_PER_RAMP, FEWEST), MOST)


def _knots(present: np.ndarray, ramps: int) -> np.ndarray:
    values, counts = np.unique(present, return_counts=True)
    if len(values) <= ramps + 1:
        return values
    knots = np.unique(np.quantile(present, np.linspace(0, 1, ramps + 1)))
    rest = present[np.isin(present, values[counts < len(present) / ramps])]
    if len(knots) <= ramps and len(rest):
        more = np.quantile(rest, np.linspace(0, 1, ramps + 2 - len(knots)), method="nearest")
        knots = np.concatenate([knots, more])
    return knots
