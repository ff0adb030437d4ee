"""Numbers: as they are for trees, imputed and scaled for linear models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tidemill.learning.feature_steps.step import Columns, Nodes

#: Scaled numbers are held within this many standard deviations, so that none becomes infinite on the way.
BOUND = np.float32(100.0)
#: Numbers with a skewness above this have a long tail of large ones.
SKEWED = 1.0


@dataclass(frozen=True)
class Numbers:
    """Numbers as they are; missing stays NaN, which the boosting's trees send their own way."""

    columns: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """One column each."""
        return self.columns

    def transform(self, columns: Columns) -> np.ndarray:
        """(rows, names) float32."""
        return np.column_stack([columns[name] for name in self.columns])

    def nodes(self, graph: Nodes) -> str:
        """Put them beside each other."""
        return graph.table(self.columns)

    def document(self) -> list[dict[str, Any]]:
        """Each column's place."""
        return [{"column": name, "becomes": "the number as it is", "features": [name]} for name in self.columns]


@dataclass(frozen=True)
class ScaledNumbers:
    """Numbers with the median for what is missing, less their mean, in standard deviations. Arrays are (names,)."""

    columns: tuple[str, ...]
    medians: np.ndarray
    means: np.ndarray
    factors: np.ndarray  #: 1 / standard deviation; 1 for a constant

    @classmethod
    def fit(cls, columns: tuple[str, ...], rows: Columns) -> ScaledNumbers:
        """Learn medians, means and deviations from training rows."""
        table = np.column_stack([rows[name] for name in columns]).astype(np.float64)
        missing = np.isnan(table)
        medians = np.array([np.median(table[~gone, i]) if not gone.all() else 0.0 for i, gone in enumerate(missing.T)])
        filled = np.where(missing, medians, table)
        deviations = filled.std(axis=0)
        factors = 1 / np.where(deviations > 0, deviations, 1.0)
        return cls(columns, *(values.astype(np.float32) for values in (medians, filled.mean(axis=0), factors)))

    @property
    def names(self) -> tuple[str, ...]:
        """One column each."""
        return self.columns

    def transform(self, columns: Columns) -> np.ndarray:
        """(rows, names) float32."""
        table = np.column_stack([columns[name] for name in self.columns])
        filled = np.where(np.isnan(table), self.medians, table)
        with np.errstate(over="ignore"):
            scaled: np.ndarray = np.clip((filled - self.means) * self.factors, -BOUND, BOUND)
        return scaled

    def nodes(self, graph: Nodes) -> str:
        """Where, Sub, Mul and Clip over all columns at once."""
        table = graph.table(self.columns)
        filled = graph.add("Where", graph.add("IsNaN", table), graph.constant(self.medians), table)
        centred = graph.add("Sub", filled, graph.constant(self.means))
        scaled = graph.add("Mul", centred, graph.constant(self.factors))
        return graph.add("Clip", scaled, graph.constant(-BOUND), graph.constant(BOUND))

    def document(self) -> list[dict[str, Any]]:
        """Each column with what is learned of it."""
        learned = zip(self.columns, self.medians, self.means, self.factors, strict=True)
        return [
            {
                "column": name,
                "becomes": "the number less its mean, in standard deviations",
                "features": [name],
                "missing": float(median),
                "mean": float(mean),
                "deviation": float(1 / factor),
            }
            for name, median, mean, factor in learned
        ]


def skewness(values: np.ndarray) -> float:
    """The third standardized moment of (rows,) float64."""
    deviations = values - values.mean()
    return float((deviations**3).mean() / max(float((deviations**2).mean()) ** 1.5, np.finfo(float).tiny))
