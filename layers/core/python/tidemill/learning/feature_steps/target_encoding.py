"""Categories by what the target is where they occur, smoothed towards the mean of all rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tidemill.learning.feature_steps.step import ML, Columns, Nodes

#: How many rows of the overall mean are added to each level's own.
SMOOTHING = 10.0
#: Parts of the training rows, each encoded by the others.
FOLDS = 5
#: Levels of a category that are told apart, and classes of the target that get a column.
MAX_LEVELS, MAX_CLASSES = 2000, 10


@dataclass(frozen=True)
class TargetEncoding:
    """(sum of the target in the level's rows + m * mean of all) / (rows of the level + m), m = SMOOTHING.

    After Micci-Barreca, "A preprocessing scheme for high-cardinality categorical attributes" (2001). A level that
    occurs once or never in training has the mean of all.
    """

    values: dict[str, dict[str, np.ndarray]]  #: category -> level -> (outcomes,) float32
    unknown: dict[str, np.ndarray]  #: category -> the values of any other level
    outcomes: tuple[str, ...]  #: classes that have a column each; one "" when there is one column only

    @classmethod
    def fit(
        cls,
        columns: Sequence[str],
        rows: Columns,
        target: np.ndarray,
        classes: Sequence[str],
        seed: int,
        *,
        scaled: bool = False,
    ) -> tuple[TargetEncoding, np.ndarray]:
        """Learn from training rows; a category in which no level occurs twice is left out.

        Parameters
        ----------
        target
            (rows,) values, or indices of the classes.
        classes
            names; empty for regression.
        scaled
            whether values are given less their mean, in standard deviations: for linear models.

        Returns
        -------
        step
            for rows that it was not fitted on.
        matrix
            (rows, names) float32 of the training rows, each encoded by the folds that it is not in: its own target
            would tell an estimator more of a rare level than there is to know.
        """
        wanted = _outcomes(target, classes)
        outcomes = np.column_stack([target == index for index in wanted]).astype(np.float64) if classes else target
        outcomes = outcomes.reshape(len(target), -1)
        folds = np.random.default_rng(seed).permutation(len(target)) % FOLDS
        values, unknown, made = {}, {}, []
        for name in columns:
            texts = rows[name].tolist()
            codes_of = {text: code for code, text in enumerate(dict.fromkeys(texts))}
            codes = np.array([codes_of[text] for text in texts], dtype=np.int64)
            counts = np.bincount(codes)
            kept = [code for code in np.argsort(-counts, kind="stable").tolist() if counts[code] > 1]
            if not kept:
                continue
            held_out = np.empty_like(outcomes)
            for fold in range(FOLDS):
                learned = folds != fold
                means = _means(codes[learned], outcomes[learned], len(codes_of))
                held_out[~learned] = means[codes[~learned]]
            means, overall = _means(codes, outcomes, len(codes_of)), outcomes.mean(axis=0)
            centre, factor = np.zeros_like(overall), np.ones_like(overall)
            if scaled:
                deviation = held_out.std(axis=0)
                centre, factor = held_out.mean(axis=0), 1 / np.where(deviation > 0, deviation, 1.0)
            levels = list(codes_of)
            values[name] = {
                levels[code]: ((means[code] - centre) * factor).astype(np.float32) for code in kept[:MAX_LEVELS]
            }
            unknown[name] = ((overall - centre) * factor).astype(np.float32)
            made.append(((held_out - centre) * factor).astype(np.float32))
        suffixes = tuple(classes[index] for index in wanted) if len(wanted) > 1 else ("",)
        return cls(values, unknown, suffixes), np.column_stack([np.empty((len(target), 0), np.float32), *made])

    @property
    def columns(self) -> tuple[str, ...]:
        """The categories."""
        return tuple(self.values)

    @property
    def names(self) -> tuple[str, ...]:
        """`mean target of category`, or `share of class in category` for each class."""
        return tuple(_name(column, outcome) for column in self.values for outcome in self.outcomes)

    def transform(self, columns: Columns) -> np.ndarray:
        """(rows, names) float32 of rows that were not fitted on."""
        made = []
        for name, values in self.values.items():
            index, table = self._table(name)
            unknown = len(values)
            made.append(table[[index.get(text, unknown) for text in columns[name].tolist()]])
        return np.column_stack(made)

    def nodes(self, graph: Nodes) -> str:
        """A LabelEncoder for each category; with several classes one that gives the row of a table."""
        made = []
        for name in self.values:
            index, table = self._table(name)
            keys = {"keys_strings": [level.encode() for level in index]}
            if table.shape[1] == 1:
                made.append(
                    graph.add(
                        "LabelEncoder",
                        name,
                        domain=ML,
                        values_floats=table[:-1, 0].tolist(),
                        default_float=float(table[-1, 0]),
                        **keys,
                    )
                )
                continue
            row = graph.add(
                "LabelEncoder", name, domain=ML, values_int64s=list(index.values()), default_int64=len(index), **keys
            )
            flat = graph.add("Squeeze", row, graph.constant([1], np.int64))
            made.append(graph.add("Gather", graph.constant(table), flat, axis=0))
        return graph.concat(made)

    def document(self) -> list[dict[str, Any]]:
        """Each category with the values of its levels."""
        what = (
            "the target's mean, or the share of each class, where the level occurs; smoothed, and held out in training"
        )
        return [
            {
                "column": name,
                "becomes": what,
                "features": [_name(name, outcome) for outcome in self.outcomes],
                "levels": {level: _plain(value) for level, value in values.items()},
                "other": _plain(self.unknown[name]),
            }
            for name, values in self.values.items()
        ]

    def _table(self, name: str) -> tuple[dict[str, int], np.ndarray]:
        """Level -> row of the table; the last row is for all others."""
        levels = self.values[name]
        return {level: row for row, level in enumerate(levels)}, np.stack([*levels.values(), self.unknown[name]])


def _outcomes(target: np.ndarray, classes: Sequence[str]) -> list[int]:
    """The classes that get a column: the second of two, else the most frequent ones; none for regression."""
    if len(classes) <= 2:
        return [1] if classes else []
    counts = np.bincount(target.astype(np.int64), minlength=len(classes))
    return sorted(np.argsort(-counts, kind="stable")[:MAX_CLASSES].tolist())


def _means(codes: np.ndarray, outcomes: np.ndarray, levels: int) -> np.ndarray:
    """(levels, outcomes): the smoothed means."""
    counts = np.bincount(codes, minlength=levels)[:, None]
    sums = np.column_stack([np.bincount(codes, weights=column, minlength=levels) for column in outcomes.T])
    made: np.ndarray = (sums + SMOOTHING * outcomes.mean(axis=0)) / (counts + SMOOTHING)
    return made


def _name(column: str, outcome: str) -> str:
    return f"share of {outcome} in {column}" if outcome else f"mean target of {column}"


def _plain(values: np.ndarray) -> Any:
    return float(values[0]) if len(values) == 1 else values.tolist()
