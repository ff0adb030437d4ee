"""Which rows are kept away as the holdout, and which fold each other row is tested in.

A unit is what is never divided: a row with its copies, or all rows of a group. With times the holdout is
the newest units and folds go forward in time; else classes keep their shares (rows), or
units are drawn at random. What a row holds decides the draw (`keys`), so that a row keeps its
side when the table grows: the model in service has then not been trained on the rows that a
new one is compared with it on. numpy only, so that `prepare` needs no scikit-learn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from tidemill.rules.copies import are_copies


@dataclass(frozen=True)
class Constraints:
    """What a split of n rows must respect; each is (n,) or None."""

    classes: np.ndarray | None = None  #: class names, whose shares are kept
    groups: np.ndarray | None = None  #: group names; rows of one group stay together
    times: np.ndarray | None = None  #: float64; a missing time (NaN) is before all others
    #: uint64, one number for all rows of a unit; units of the smallest ones are held out. None: drawn at random.
    keys: np.ndarray | None = None

    def of(self, mask: np.ndarray) -> Constraints:
        """The same for some of the rows."""
        kept = (
            None if values is None else values[mask] for values in (self.classes, self.groups, self.times, self.keys)
        )
        return Constraints(*kept)


def holdout(rows: int, fraction: float, seed: int, constraints: Constraints) -> np.ndarray:
    """(rows,) bool: the rows that no candidate sees, about `fraction` of them, at least one, never all."""
    random = np.random.default_rng(seed)
    if constraints.classes is not None and constraints.groups is None and constraints.times is None:
        chosen = np.zeros(rows, dtype=bool)
        for members in _members(constraints.classes):
            share = min(round(len(members) * fraction), len(members) - 1)
            drawn = random.permutation(members)
            if constraints.keys is not None:
                drawn = _by_key(members, constraints.keys)
                share = _between_copies(constraints.keys[drawn], share)
            chosen[drawn[:share]] = True
        return chosen
    units = _units(rows, constraints)
    order = _order(units, constraints.times, random)
    if constraints.keys is not None and constraints.times is None:
        first = np.unique(units, return_index=True)[1]
        order = _by_key(np.arange(len(first)), constraints.keys[first])[::-1]
    sizes = np.bincount(units)[order]
    newest_rows = np.cumsum(sizes[::-1])
    count = int(np.abs(newest_rows[:-1] - rows * fraction).argmin()) + 1 if len(order) > 1 else 0
    return np.isin(units, order[len(order) - count :])


def keys(columns: Mapping[str, np.ndarray], seed: int) -> np.ndarray:
    """(rows,) uint64: a number that looks drawn at random and is always the same for the same values.

    Where most rows are equal to another one, by coincidence and not as copies, each gets a number of its own, which is
    always the same for the same values and how often they occurred before.

    Parameters
    ----------
    columns
        float, or object of str and None; each of shape (rows,). Their order does not matter.
    """
    total = hashes(columns, seed)
    different, codes = np.unique(total, return_inverse=True)
    if not are_copies(len(total), len(different)):
        order = np.argsort(codes, kind="stable")
        sizes = np.bincount(codes)
        before = np.empty(len(codes), dtype=np.uint64)
        before[order] = np.arange(len(codes)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        total = _mixed(total + before)
    return total


def hashes(columns: Mapping[str, np.ndarray], seed: int) -> np.ndarray:
    """(rows,) uint64: a number that looks drawn at random, the same for rows with the same values and for no others.

    Parameters
    ----------
    columns
        float, or object of str and None; each of shape (rows,). Their order does not matter.
    """
    total = np.zeros(len(next(iter(columns.values()))), dtype=np.uint64)
    for name, values in columns.items():
        if values.dtype.kind == "f":
            # One zero and one NaN, whatever their bits.
            bits = np.where(np.isnan(values), np.nan, values + 0.0).astype(np.float64).view(np.uint64)
        else:
            levels = {text: _digest(repr(text)) for text in dict.fromkeys(values.tolist())}
            bits = np.array([levels[text] for text in values.tolist()], dtype=np.uint64)
        total += _mixed(bits ^ np.uint64(_digest(name)))
    return _mixed(total + np.uint64(_digest(str(seed))))


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def _mixed(bits: np.ndarray) -> np.ndarray:
    """Every bit of the result depends on every bit given (splitmix64: Steele, Lea and Flood, 2014)."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = bits ^ (bits >> np.uint64(31))
    return mixed


def _by_key(members: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Rows or units by rising key."""
    ordered: np.ndarray = members[np.argsort(keys[members], kind="stable")]
    return ordered


def _between_copies(ordered: np.ndarray, share: int) -> int:
    """The place nearest to `share` where the ordered keys change; `share` itself when that would change it by half."""
    places = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    if share == 0 or not len(places):
        return share
    nearest = int(places[np.abs(places - share).argmin()])
    return nearest if abs(nearest - share) <= share / 2 else share


def folds(rows: int, count: int, seed: int, constraints: Constraints) -> np.ndarray:
    """(rows,) int64: the fold of each row, from 0.

    With times there is one fold more than `count`, the oldest, which is only learned from. With fewer units than
    asked for there are fewer folds.
    """
    random = np.random.default_rng(seed)
    units = _units(rows, constraints)
    if constraints.classes is not None and constraints.groups is None and constraints.times is None:
        return _stratified(units, constraints.classes, count, random)
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


def _stratified(units: np.ndarray, classes: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """Folds among which the units of each class are dealt; the rows of a class of fewer units than folds are."""
    assigned = np.empty(len(units), dtype=np.int64)
    dealt = 0
    for members in _members(classes):
        own, place = np.unique(units[members], return_inverse=True)
        if len(own) < count:
            own = place = np.arange(len(members))
        fold_of = np.empty(len(own), dtype=np.int64)
        fold_of[random.permutation(len(own))] = (dealt + np.arange(len(own))) % count
        assigned[members] = fold_of[place]
        dealt += len(own)
    return assigned


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


def sample(folds: np.ndarray, classes: np.ndarray | None, fraction: float, seed: int) -> np.ndarray:
    """(rows,) bool: about this share of the rows of each fold and class, at least one of each.

    Parameters
    ----------
    folds, classes
        (rows,); classes are None for a regression.
    """
    if fraction >= 1:
        return np.ones(len(folds), dtype=bool)
    chosen = np.zeros(len(folds), dtype=bool)
    random = np.random.default_rng(seed)
    for fold in np.unique(folds):
        inside = np.flatnonzero(folds == fold)
        for members in [inside] if classes is None else [inside[part] for part in _members(classes[inside])]:
            chosen[random.permutation(members)[: max(1, round(len(members) * fraction))]] = True
    return chosen


def _members(classes: np.ndarray) -> list[np.ndarray]:
    codes = np.unique(classes, return_inverse=True)[1]
    return [np.flatnonzero(codes == code) for code in range(codes.max() + 1)]


def _units(rows: int, constraints: Constraints) -> np.ndarray:
    """(rows,) the unit of each row, from 0 in the order of their first rows."""
    same = constraints.keys if constraints.groups is None else constraints.groups
    if same is None:
        return np.arange(rows)
    first, codes = np.unique(same, return_index=True, return_inverse=True)[1:]
    units: np.ndarray = np.argsort(np.argsort(first, kind="stable"), kind="stable")[codes]
    return units


def _order(units: np.ndarray, times: np.ndarray | None, random: np.random.Generator) -> np.ndarray:
    """Units from oldest to newest by their last row's time, or at random."""
    count = int(units.max()) + 1
    if times is None:
        return random.permutation(count)
    last = np.full(count, -np.inf)
    np.maximum.at(last, units, np.where(np.isnan(times), -np.inf, times))
    return np.argsort(last, kind="stable")
