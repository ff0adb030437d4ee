"""Columns that give the target away, judged by what they determine, not by their names.

A strong feature is no leak: the thresholds lie where hardly any honest column gets.

* A column of few levels decides the class of nearly all rows by itself (a recoded target).
* A number decides the class of nearly all rows by one cut, or the target follows it exactly (another unit, rounded,
  or any rising function).
* A column is filled in for nearly nobody but one class: it was filled in when the outcome was known (titanic's body
  numbers, a cancellation reason).
* Two numbers add up to the target, or differ by it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

#: Below this many rows chance alone gives such columns.
MIN_ROWS = 50
#: Share of the errors of always naming the commonest class that a leak avoids.
DECIDES_CLASS = 0.98
#: The same for a number that is cut once, which honest measurements come closer to; and the rows it takes to tell.
CUT_DECIDES_CLASS, CUT_MIN_ROWS = 0.99, 500
#: The same for whether a column is filled in at all.
PRESENCE_DECIDES_CLASS = 0.9
#: Share of one class among the rows where a column is filled in, and how unlikely that must be by chance.
PRESENCE_PURITY, PRESENCE_CHANCE = 0.99, 1e-6
#: Share of the target's variance that a leak explains: by a straight line or by its levels, and by a rising function.
EXPLAINS_TARGET, RANKS_TARGET = 0.999, 0.9999
#: Share of rows in which two numbers make the target.
PAIR_SHARE = 0.995
#: Rows on which pairs are tried first.
PAIR_PROBE = 256
ADD_UP, DIFFER = "add up to", "differ by"


@dataclass(frozen=True)
class Leak:
    """A column that gives the target away, alone or with another one."""

    column: str
    detail: str


@dataclass(frozen=True)
class Candidate:
    """A column that may be a leak; `load` gives its values, float64 with NaN or object of str and None, shape (n,)."""

    name: str
    load: Callable[[], np.ndarray]
    numeric: bool
    date: bool = False  #: seconds since 1970; what rises with time is no leak


def of_classes(target: str, classes: np.ndarray, candidates: Sequence[Candidate]) -> list[Leak]:
    """Leaks of a target of classes.

    Parameters
    ----------
    target
        name of the target.
    classes
        codes of the classes, from 0, int64, shape (n,).
    """
    found: list[Leak] = []
    counts = np.bincount(classes)
    if len(classes) < MIN_ROWS or len(counts) < 2:
        return found
    wrong = len(classes) - int(counts.max())
    for candidate in candidates:
        values = candidate.load()
        present = ~np.isnan(values) if candidate.numeric else np.array([value is not None for value in values])
        why = _presence(present, classes) or _decides(values, present, classes, candidate.numeric, wrong)
        if why:
            found.append(Leak(candidate.name, f"{candidate.name!r} gives the target {target!r} away: {why}"))
    return found


def of_number(target: str, values: np.ndarray, candidates: Sequence[Candidate]) -> list[Leak]:
    """Leaks of a numeric target.

    Parameters
    ----------
    target
        name of the target.
    values
        of the target, float64, shape (n,).
    """
    found: list[Leak] = []
    if len(values) < MIN_ROWS:
        return found
    for candidate in candidates:
        why = None if candidate.date else _follows(candidate.load(), values, candidate.numeric)
        if why:
            found.append(Leak(candidate.name, f"{candidate.name!r} gives the target {target!r} away: {why}"))
    alone = {leak.column for leak in found}
    return found + of_sums(target, values, [candidate for candidate in candidates if candidate.name not in alone])


def of_sums(target: str, values: np.ndarray, candidates: Sequence[Candidate]) -> list[Leak]:
    """Pairs of numbers whose sum or difference is the target; tried on some rows, and what remains on all.

    The target's commonest value is left aside: where nearly everything is 0, anything adds up to it. Parameters as
    for `of_number`.
    """
    candidates = [candidate for candidate in candidates if candidate.numeric and not candidate.date]
    levels, counts = np.unique(values, return_counts=True)
    telling = np.flatnonzero(values != levels[counts.argmax()])
    if len(telling) < MIN_ROWS:
        return []
    probe = np.random.default_rng(0).permutation(telling)[:PAIR_PROBE]
    found: dict[str, Leak] = {}
    columns = np.array([candidate.load()[probe] for candidate in candidates])
    for i, j, words in _probable_pairs(columns, values[probe]):
        one, other = candidates[i], candidates[j]
        makes = one.load() + other.load() if words == ADD_UP else np.abs(one.load() - other.load())
        wanted = values if words == ADD_UP else np.abs(values)
        if min(_share_equal(makes, wanted), _share_equal(makes[telling], wanted[telling])) >= PAIR_SHARE:
            detail = f"{one.name!r} and {other.name!r} {words} the target {target!r}"
            for name in (one.name, other.name):
                found.setdefault(name, Leak(name, detail))
    return list(found.values())


# --- targets of classes ------------------------------------------------------------------------


def _presence(present: np.ndarray, classes: np.ndarray) -> str | None:
    filled, n = int(present.sum()), len(classes)
    if filled in (0, n):
        return None
    counts = np.bincount(classes[present], minlength=int(classes.max()) + 1)
    purity = counts.max() / filled
    share = np.mean(classes == counts.argmax())
    if purity >= PRESENCE_PURITY and filled * math.log(1 / share) > -math.log(PRESENCE_CHANCE):
        return f"it is filled in for {filled:,} rows, and {purity:.1%} of them are of one class"
    avoided = _avoided(present.astype(np.int64), classes)
    if avoided >= PRESENCE_DECIDES_CLASS:
        return f"whether it is filled in decides the class: {avoided:.1%} of the errors go away"
    return None


def _decides(values: np.ndarray, present: np.ndarray, classes: np.ndarray, numeric: bool, wrong: int) -> str | None:
    """Why the values decide the classes; `wrong` is how many rows the commonest class alone gets wrong."""
    number_of_classes = int(classes.max()) + 1
    levels = len(np.unique(values[present])) if numeric else 0
    if not numeric or levels <= 2 * number_of_classes:
        avoided = _avoided(_codes(values, numeric), classes)
        if avoided >= DECIDES_CLASS:
            return f"its values decide the class of nearly every row ({avoided:.1%} of the errors go away)"
    elif number_of_classes == 2 and present.sum() >= CUT_MIN_ROWS:
        avoided = 1 - _errors_of_best_cut(values, present, classes) / wrong
        if avoided >= CUT_DECIDES_CLASS:
            return f"one cut through it separates the classes ({avoided:.1%} of the errors go away)"
    return None


def _avoided(groups: np.ndarray, classes: np.ndarray) -> float:
    """Share of the errors of the commonest class that naming each group's commonest class avoids.

    Each half of the rows is judged by the other half's groups, so that many levels alone decide nothing.
    """
    half = np.random.default_rng(0).permutation(len(classes)) % 2 == 0
    wrong = baseline = 0
    for known in (half, ~half):
        usual = int(np.bincount(classes[known]).argmax())
        commonest = np.full(int(groups.max()) + 1, usual)
        width = int(classes.max()) + 1
        pairs, counts = np.unique(groups[known] * width + classes[known], return_counts=True)
        order = np.argsort(counts, kind="stable")
        commonest[pairs[order] // width] = pairs[order] % width
        wrong += int(np.sum(commonest[groups[~known]] != classes[~known]))
        baseline += int(np.sum(classes[~known] != usual))
    return 1 - wrong / baseline if baseline else 0.0


def _errors_of_best_cut(values: np.ndarray, present: np.ndarray, classes: np.ndarray) -> int:
    """Wrong rows when one threshold separates class 0 from class 1; absent values get their commonest class."""
    order = np.argsort(values[present], kind="stable")
    ordered, positive = values[present][order], classes[present][order]
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    below = np.cumsum(positive)[ends]
    size, total = ends + 1, int(positive.sum())
    rising = below + (len(positive) - size) - (total - below)
    wrong = min(int(rising.min()), int((len(positive) - rising).min()))
    absent = classes[~present]
    return wrong + int(min(absent.sum(), len(absent) - absent.sum()))


def _codes(values: np.ndarray, numeric: bool) -> np.ndarray:
    """A code for each distinct value; absent ones are a value too."""
    if numeric:
        return np.unique(values, return_inverse=True)[1].astype(np.int64)
    known: dict[object, int] = {}
    return np.array([known.setdefault(value, len(known)) for value in values], dtype=np.int64)


# --- numeric targets ---------------------------------------------------------------------------


def _follows(values: np.ndarray, target: np.ndarray, numeric: bool) -> str | None:
    if numeric:
        present = ~np.isnan(values)
        if present.sum() < MIN_ROWS or present.mean() < 0.5:
            return None
        line = _r2(values[present], target[present])
        if line >= EXPLAINS_TARGET:
            return f"the target is a straight line of it (R² {line:.5f})"
        ranks = _r2(_ranks(values[present]), _ranks(target[present]))
        if ranks >= RANKS_TARGET:
            return f"the target rises or falls with it without exception (rank correlation {ranks:.5f})"
    codes = _codes(values, numeric)
    if codes.max() < len(codes) / 5:
        share = _explained_by_levels(codes, target)
        if share >= EXPLAINS_TARGET:
            return f"each of its values stands for one value of the target ({share:.2%} of the variance)"
    return None


def _r2(x: np.ndarray, y: np.ndarray) -> float:
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    x, y = x / np.abs(x).max(), y / np.abs(y).max()
    spread = float(x.std() * y.std())
    return float(np.mean((x - x.mean()) * (y - y.mean())) / spread) ** 2 if spread else 0.0


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 0; equal values get the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts) - 1
    return np.asarray((last - (counts - 1) / 2)[inverse])


def _explained_by_levels(codes: np.ndarray, target: np.ndarray) -> float:
    """Share of the variance that the levels' means explain, each half of the rows judged by the other half's means."""
    half = np.random.default_rng(0).permutation(len(target)) % 2 == 0
    residual = 0.0
    for known in (half, ~half):
        counts = np.bincount(codes[known], minlength=int(codes.max()) + 1)
        sums = np.bincount(codes[known], weights=target[known], minlength=len(counts))
        means = np.where(counts > 0, sums / np.maximum(counts, 1), target[known].mean())
        residual += float(np.sum((target[~known] - means[codes[~known]]) ** 2))
    total = float(np.sum((target - target.mean()) ** 2))
    return 1 - residual / total if total else 0.0


def _probable_pairs(columns: np.ndarray, target: np.ndarray) -> Iterator[tuple[int, int, str]]:
    """Indexes of columns, shape (columns, rows), that make the target together, shape (rows,), and how."""
    for i in range(len(columns) - 1):
        one, others = columns[i], columns[i + 1 :]
        for words, makes, wanted in ((ADD_UP, one + others, target), (DIFFER, np.abs(one - others), np.abs(target))):
            for offset in np.flatnonzero(_share_equal(makes, wanted) >= PAIR_SHARE):
                yield i, i + 1 + int(offset), words


def _share_equal(makes: np.ndarray, wanted: np.ndarray) -> Any:
    """Share of the known numbers that are equal to the wanted ones but for rounding, along the last axis."""
    known = np.maximum((~np.isnan(makes)).sum(axis=-1), MIN_ROWS / 2)
    return (np.abs(makes - wanted) <= 1e-6 * np.abs(wanted).max()).sum(axis=-1) / known
