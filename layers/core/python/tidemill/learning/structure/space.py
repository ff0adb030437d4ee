"""Encoded columns to the space in which clusters, components and anomalies are found.

Distances need columns that weigh the same. A number is filled with its median where it is missing, taken by its
logarithm when it is very skewed, and scaled to mean 0 and variance 1. A category becomes one column for each level
that is not rare, and these together have variance 1/2: levels are far apart as it is, and with more weight every
combination of them becomes a cluster. Of a date its day, weekday and hour count. Nothing here knows a target.
Everything is computed in float64, in numpy and in the graph alike, so that both give the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tidemill.contracts import InputField
from tidemill.errors import DataRefused
from tidemill.serving.features import DATE_PARTS, Encoder

#: Parts of a date that say something about how near two dates are.
_PARTS = ("epoch_days", "weekday", "hour")
#: A number this skewed is taken by its logarithm when that makes it less so.
_SKEWED = 1.5
#: Levels of a category that are told apart: the most frequent ones that at least this share of the rows has.
MOST_LEVELS = 20
_RARE = 0.01
#: Variance of the columns of a category together.
_OF_CATEGORY = 0.5
#: A column that varies less is constant.
_FLAT = 1e-9


@dataclass(frozen=True)
class Number:
    """An encoded number; `unit` is what its logarithm counts in, 0 when it is taken as it is."""

    name: str
    fill: float
    unit: float


@dataclass(frozen=True)
class Category:
    """An encoded category and the levels that are told apart."""

    name: str
    levels: tuple[str, ...]


@dataclass(frozen=True)
class Space:
    """The columns: plain numbers, numbers by their logarithm, then the levels of categories.

    Parameters
    ----------
    sources
        the raw column that each column of the space comes from.
    mean, scale
        (width,) float64.
    """

    numbers: tuple[Number, ...]
    categories: tuple[Category, ...]
    sources: tuple[str, ...]
    mean: np.ndarray
    scale: np.ndarray

    @property
    def width(self) -> int:
        """Columns of the space."""
        return len(self.sources)

    def matrix(self, encoded: Mapping[str, np.ndarray]) -> np.ndarray:
        """(rows, width) float64 of encoded columns, each of shape (rows,)."""
        rows: np.ndarray = (_raw(self.numbers, self.categories, encoded) - self.mean) / self.scale
        return rows

    def document(self) -> dict[str, Any]:
        """What becomes of each column, readable."""
        numbers = [
            {
                "column": number.name,
                "becomes": (
                    f"filled with {number.fill:g} where it is missing, taken by its logarithm "
                    f"(sign(x) * log(1 + |x| / {number.unit:g})) and scaled"
                    if number.unit
                    else f"filled with {number.fill:g} where it is missing, and scaled"
                ),
                "features": 1,
                "mean": float(self.mean[place]),
                "scale": float(self.scale[place]),
            }
            for place, number in enumerate(self.numbers)
        ]
        categories = [
            {
                "column": category.name,
                "becomes": "one number for each frequent level, which together weigh half as much as a number",
                "features": list(category.levels),
            }
            for category in self.categories
        ]
        return {"width": self.width, "columns": [*numbers, *categories]}


def fit(inputs: Sequence[InputField], encoded: Mapping[str, np.ndarray]) -> Space:
    """The space that training rows ask for.

    Raises
    ------
    DataRefused
        no column varies.
    """
    names = Encoder(inputs).encoded_names
    plain: list[tuple[Number, str, int]] = []
    logged: list[tuple[Number, str, int]] = []
    categories: list[tuple[Category, str]] = []
    for field in inputs:
        parts = names[field.name]
        if field.type in ("integer", "number", "date"):
            if field.type == "date":
                parts = tuple(name for name, part in zip(parts, DATE_PARTS, strict=True) if part in _PARTS)
            varying = [name for name in parts if _varies(encoded[name])]
            for name in varying:
                number = _number(name, encoded[name], field.type != "date")
                (logged if number.unit else plain).append((number, field.name, len(varying)))
        elif levels := _levels(encoded[field.name]):
            categories.append((Category(field.name, levels), field.name))
    numbers = [*plain, *logged]
    chosen = tuple(number for number, _, _ in numbers), tuple(category for category, _ in categories)
    sources = [source for _, source, _ in numbers]
    sources += [source for category, source in categories for _ in category.levels]
    if not sources:
        raise DataRefused("no column varies from row to row, so there is nothing to find: add columns that do")
    raw = _raw(*chosen, encoded)
    # The parts of one date share its weight, and so do the levels of one category.
    scale = [np.std(raw[:, place]) * np.sqrt(parts) for place, (_, _, parts) in enumerate(numbers)]
    for category, _ in categories:
        block = raw[:, len(scale) : len(scale) + len(category.levels)]
        scale += [np.sqrt(block.var(axis=0).sum() / _OF_CATEGORY)] * len(category.levels)
    return Space(*chosen, tuple(sources), raw.mean(axis=0), np.array(scale))


def _raw(numbers: Sequence[Number], categories: Sequence[Category], encoded: Mapping[str, np.ndarray]) -> np.ndarray:
    """The columns before they are scaled."""
    columns = []
    for number in numbers:
        values = encoded[number.name].astype(np.float64)
        values = np.where(np.isnan(values), number.fill, values)
        columns.append(np.sign(values) * np.log(1 + np.abs(values) / number.unit) if number.unit else values)
    for category in categories:
        texts = encoded[category.name]
        columns += [(texts == level).astype(np.float64) for level in category.levels]
    return np.column_stack(columns)


def _varies(values: np.ndarray) -> bool:
    present = values[~np.isnan(values)].astype(np.float64)
    return len(present) > 1 and float(np.std(present)) > _FLAT * max(1.0, float(np.abs(present).max()))


def _number(name: str, values: np.ndarray, may_be_logged: bool) -> Number:
    present = values[~np.isnan(values)].astype(np.float64)
    fill = float(np.median(present))
    sizes = np.abs(present[present != 0])
    unit = float(np.median(sizes)) if len(sizes) else 1.0
    before = _skewness(present)
    after = _skewness(np.sign(present) * np.log(1 + np.abs(present) / unit))
    return Number(name, fill, unit if may_be_logged and before > _SKEWED and after < before / 2 else 0.0)


def _skewness(values: np.ndarray) -> float:
    centred = values - values.mean()
    return float(abs(np.mean(centred**3)) / np.mean(centred**2) ** 1.5)


def _levels(texts: np.ndarray) -> tuple[str, ...]:
    """The levels that are not rare, by falling frequency; none when there are not two different ones."""
    counts = Counter(texts.tolist())
    least = max(2, _RARE * len(texts))
    frequent = sorted((text for text, rows in counts.items() if rows >= least), key=lambda text: (-counts[text], text))
    return tuple(frequent[:MOST_LEVELS]) if len(counts) > 1 else ()
