"""Which rows are kept away as the holdout, and which fold each other row is tested in.

A unit is what is never divided: a row, or all rows of a group. With times the holdout is
the newest units and folds go forward in time; else classes keep their shares (rows), or
units are drawn at random. numpy only, so that `prepare` needs no scikit-learn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Constraints:
    """What a split of n rows must respect; each is (n,) or None."""

    classes: np.ndarray | None = None  #: class names, whose shares are kept
    groups: np.ndarray | None = None  #: group names; rows of one group stay together
    times: np.ndarray | None = None  #: float64; a missing time (NaN) is before all others

    def of(self, mask: np.ndarray) -> Constraints:
        """The same for some of the rows."""
        kept = (None if values is None else values[mask] for values in (self.classes, self.groups, self.times))
        return Constraints(*kept)


def holdout(rows: int, fraction: float, seed: int, constraints: Constraints) -> np.ndarray:
    """(rows,) bool: the rows that no candidate sees, about `fraction` of them, at least one, never all."""
    random = np.random.default_rng(seed)
    if constraints.classes is not None and constraints.groups is None and constraints.times is None:
        chosen = np.zeros(rows, dtype=bool)
        for members in _members(constraints.classes):
            share = min(round(len(members) * fraction), len(members) - 1)
            chosen[random.permutation(members)[:share]] = True
        return chosen
    units = _units(rows, constraints.groups)
    order = _order(units, constraints.times, random)
    sizes = np.bincount(units)[order]
    newest_rows = np.cumsum(sizes[::-1])
    count = int(np.abs(newest_rows[:-1] - rows * fraction).argmin()) + 1 if len(order) > 1 else 0
    return np.isin(units, order[len(order) - count :])


def folds(rows: int, count: int, seed: int, constraints: Constraints) -> np.ndarray:
    """(rows,) int64: the fold of each row, from 0.

    With times there is one fold more than `count`, the oldest, which is only learned from. With fewer units than
    asked for there are fewer folds.
    """
    random = np.random.default_rng(seed)
    if constraints.classes is not None and constraints.groups is None and constraints.times is None:
        dealt = np.concatenate([random.permutation(members) for members in _members(constraints.classes)])
        assigned = np.empty(rows, dtype=np.int64)
        assigned[dealt] = np.arange(rows) % count
        return assigned
    units = _units(rows, constraints.groups)
    order = _order(units, constraints.times, random)
    sizes = np.bincount(units)
    fold_of = np.empty(len(sizes), dtype=np.int64)
    if constraints.times is not None:
        parts = min(count + 1, len(order))
        before = np.cumsum(sizes[order]) - sizes[order]
        fold_of[order] = before * parts // rows
    else:
        filled = np.zeros(min(count, len(order)), dtype=np.int64)
        for unit in order[np.argsort(-sizes[order], kind="stable")]:
            fold_of[unit] = filled.argmin()
            filled[fold_of[unit]] += sizes[unit]
    return np.take(fold_of, units)


def cross_validation(folds: np.ndarray, forward: bool) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Masks of the rows to learn from and to test on, for each fold.

    Parameters
    ----------
    folds
        (rows,) what `folds` gave.
    forward
        learn from earlier folds only; the first one is then never tested on.
    """
    for fold in np.unique(folds)[int(forward) :]:
        yield (folds < fold if forward else folds != fold), folds == fold


def _members(classes: np.ndarray) -> list[np.ndarray]:
    codes = np.unique(classes, return_inverse=True)[1]
    return [np.flatnonzero(codes == code) for code in range(codes.max() + 1)]


def _units(rows: int, groups: np.ndarray | None) -> np.ndarray:
    return np.arange(rows) if groups is None else np.unique(groups, return_inverse=True)[1]


def _order(units: np.ndarray, times: np.ndarray | None, random: np.random.Generator) -> np.ndarray:
    """Units from oldest to newest by their last row's time, or at random."""
    count = int(units.max()) + 1
    if times is None:
        return random.permutation(count)
    last = np.full(count, -np.inf)
    np.maximum.at(last, units, np.where(np.isnan(times), -np.inf, times))
    return np.argsort(last, kind="stable")
