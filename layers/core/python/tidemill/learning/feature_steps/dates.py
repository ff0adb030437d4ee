"""Dates beyond their parts: what comes round again for linear models, and the time between two dates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from tidemill.learning.feature_steps.step import Columns, Nodes

#: Parts of a date that begin again, with their periods.
PERIODS = {"month": 12.0, "day_of_year": 365.25, "weekday": 7.0, "hour": 24.0}
#: Pairs of dates whose difference is taken.
MAX_PAIRS = 6
#: Minutes in one unit of each part that tells how much time has passed.
_MINUTES = {"epoch_days": 1440.0, "hour": 60.0, "minute": 1.0}

#: Date -> part -> its encoded column.
Parts = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Cyclic:
    """sin and cos of the part of a date that comes round again, so that December is next to January.

    All 0 for a missing date. The graph's sines agree with numpy's within 1e-6.
    """

    columns: tuple[str, ...]
    periods: tuple[float, ...]

    @classmethod
    def fit(cls, parts: Parts, rows: Columns) -> Cyclic:
        """Take the parts that differ in training rows."""
        kept = {
            column: PERIODS[part]
            for date in parts.values()
            for part, column in date.items()
            if part in PERIODS and len(np.unique(rows[column][~np.isnan(rows[column])])) > 1
        }
        return cls(tuple(kept), tuple(kept.values()))

    @property
    def names(self) -> tuple[str, ...]:
        """`sin part` of each, then `cos part` of each."""
        return tuple(f"{wave} {name}" for wave in ("sin", "cos") for name in self.columns)

    def transform(self, columns: Columns) -> np.ndarray:
        """(rows, names) float32."""
        table = np.column_stack([columns[name] for name in self.columns])
        angles = np.where(np.isnan(table), np.float32(0), table) * self._speed()
        present = (~np.isnan(table)).astype(np.float32)
        return np.hstack([np.sin(angles) * present, np.cos(angles) * present])

    def nodes(self, graph: Nodes) -> str:
        """Mul, Sin and Cos over all parts at once."""
        table = graph.table(self.columns)
        gone = graph.add("IsNaN", table)
        angles = graph.add("Mul", graph.add("Where", gone, graph.constant(0.0), table), graph.constant(self._speed()))
        present = graph.numbers(graph.add("Not", gone))
        return graph.concat([graph.add("Mul", graph.add(wave, angles), present) for wave in ("Sin", "Cos")])

    def document(self) -> list[dict[str, Any]]:
        """Each part with its period."""
        return [
            {
                "column": name,
                "becomes": "sin and cos of its place in the period",
                "features": [f"sin {name}", f"cos {name}"],
                "period": period,
            }
            for name, period in zip(self.columns, self.periods, strict=True)
        ]

    def _speed(self) -> np.ndarray:
        return (2 * np.pi / np.array(self.periods)).astype(np.float32)


@dataclass(frozen=True)
class DateDifferences:
    """Minutes from one date to another of the same row; missing when either is. Other steps read them as numbers."""

    pairs: tuple[tuple[str, str], ...]  #: raw dates; the second less the first
    parts: dict[str, dict[str, str]]  #: date -> part -> encoded column

    @classmethod
    def fit(cls, parts: Parts) -> DateDifferences:
        """Take each two dates, the first few when there are many."""
        pairs = tuple(combinations(parts, 2))[:MAX_PAIRS]
        used = dict.fromkeys(date for pair in pairs for date in pair)
        return cls(pairs, {date: {part: parts[date][part] for part in _MINUTES} for date in used})

    @property
    def columns(self) -> tuple[str, ...]:
        """The parts that tell how much time has passed."""
        return tuple(column for parts in self.parts.values() for column in parts.values())

    @property
    def names(self) -> tuple[str, ...]:
        """`minutes from first to second` for each pair."""
        return tuple(f"minutes from {first} to {second}" for first, second in self.pairs)

    def derive(self, columns: Columns) -> dict[str, np.ndarray]:
        """The differences, each of shape (rows,) float32."""
        made = {}
        for name, (first, second) in zip(self.names, self.pairs, strict=True):
            days, hours, minutes = (
                (columns[self.parts[second][part]] - columns[self.parts[first][part]]) * np.float32(length)
                for part, length in _MINUTES.items()
            )
            made[name] = days + hours + minutes
        return made

    def nodes(self, graph: Nodes) -> None:
        """Sub, Mul and Add for each pair, in the order of `derive`."""
        for name, (first, second) in zip(self.names, self.pairs, strict=True):
            days, hours, minutes = (
                graph.add(
                    "Mul",
                    graph.add("Sub", self.parts[second][part], self.parts[first][part]),
                    graph.constant(length),
                )
                for part, length in _MINUTES.items()
            )
            graph.derived[name] = graph.add("Add", graph.add("Add", days, hours), minutes)

    def document(self) -> list[dict[str, Any]]:
        """Each pair."""
        return [
            {"column": second, "becomes": f"the minutes since {first}, read as a number", "features": [name]}
            for (first, second), name in zip(self.pairs, self.names, strict=True)
        ]
