"""Columns that give the target away, judged by what they determine, not by their names.

A strong feature is no leak: the thresholds lie where hardly any honest column gets.

* A column of few levels decides the class of nearly all rows by itself (a recoded target).
* A number decides the class of nearly all rows by one cut, or the target follows it exactly (another unit, rounded,
  or any rising function).
* A column is filled in for nearly nobody but one class: it was filled in when the outcome was known (titanic's body
  numbers, a cancellation reason).
* Whether a column is filled in decides whether the target is its commonest number (no damage: 0).
* Two numbers add up to the target, differ by it, or make it as a product or quotient; up to three make it as a
  weighted sum, but for rounding.
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
#: How often other classes occur where a column is filled in, as a share of how often they do in all rows, and how
#: unlikely that must be by chance.
PRESENCE_OTHERS, PRESENCE_CHANCE = 0.02, 1e-6
#: Share of the target's variance that a leak explains: by a straight line or by its levels, and by a rising function.
EXPLAINS_TARGET, RANKS_TARGET = 0.999, 0.9999
#: Share of rows in which two numbers make the target.
PAIR_SHARE = 0.995
#: How far a product or quotient may be off, as a share of each value; and the share of the variance that a weighted
#: sum leaves open.
ROUNDING, SUM_RESIDUAL = 1e-3, 1e-6
#: Rows on which pairs are tried first, and weighted sums of at most so many columns.
PAIR_PROBE, SUM_PROBE, SUM_COLUMNS = 256, 2000, 3
#: Rows of a first look at pairs, and the share of them that a probable one needs.
GLANCE, GLANCE_SHARE = 32, 0.9


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
    levels, counts = np.unique(values, return_counts=True)
    usual = (values == levels[counts.argmax()]).astype(np.int64)
    for candidate in candidates:
        loaded = candidate.load()
        present = ~np.isnan(loaded) if candidate.numeric else np.array([value is not None for value in loaded])
        why = _filled_in_unless_usual(present, usual, levels[counts.argmax()]) if counts.max() >= MIN_ROWS else None
        if why is None and not candidate.date:
            why = _follows(loaded, values, candidate.numeric)
        if why:
            found.append(Leak(candidate.name, f"{candidate.name!r} gives the target {target!r} away: {why}"))
    alone = {leak.column for leak in found}
    others = [candidate for candidate in candidates if candidate.name not in alone]
    return found + of_combinations(target, values, others)


def of_combinations(target: str, values: np.ndarray, candidates: Sequence[Candidate]) -> list[Leak]:
    """Numbers that make the target together; tried on some rows, and what remains on all.

    The target's commonest value is left aside: where nearly everything is 0, anything adds up to it. Parameters as
    for `of_number`.
    """
    candidates = [candidate for candidate in candidates if candidate.numeric and not candidate.date]
    levels, counts = np.unique(values, return_counts=True)
    telling = np.flatnonzero(values != levels[counts.argmax()])
    if len(telling) < MIN_ROWS or len(candidates) < 2:
        return []
    probe = np.random.default_rng(0).permutation(telling)[:SUM_PROBE]
    columns = np.array([candidate.load()[probe] for candidate in candidates])
    found: dict[str, Leak] = {}
    for i, j, form in _probable_pairs(columns[:, :PAIR_PROBE], values[probe[:PAIR_PROBE]]):
        one, other = candidates[i], candidates[j]
        first, second = one.load(), other.load()
        holds, known = form.holds(first, second, values), ~np.isnan(first) & ~np.isnan(second)
        if min(_share(holds, known.sum()), _share(holds[telling], known[telling].sum())) >= PAIR_SHARE:
            detail = f"{one.name!r} and {other.name!r} {form.words} the target {target!r}"
            for name in (one.name, other.name):
                found.setdefault(name, Leak(name, detail))
    if found:
        return list(found.values())
    summands = [candidates[i] for i in _probable_sum(columns, values[probe])]
    if not summands or _open(np.array([one.load() for one in summands]), values) > SUM_RESIDUAL:
        return []
    names = ", ".join(repr(one.name) for one in summands)
    return [Leak(one.name, f"a weighted sum of {names} is the target {target!r}") for one in summands]


# --- targets of classes ------------------------------------------------------------------------


def _presence(present: np.ndarray, classes: np.ndarray) -> str | None:
    filled, n = int(present.sum()), len(classes)
    if filled in (0, n):
        return None
    counts = np.bincount(classes[present], minlength=int(classes.max()) + 1)
    purity = counts.max() / filled
    share = float(np.mean(classes == counts.argmax()))
    if 1 - purity <= PRESENCE_OTHERS * (1 - share) and filled * math.log(1 / share) > -math.log(PRESENCE_CHANCE):
        return f"it is filled in for {filled:,} rows, of which {purity:.1%} are of one class, as are {share:.1%} of all"
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


def _filled_in_unless_usual(present: np.ndarray, usual: np.ndarray, value: float) -> str | None:
    """Why a column's being filled in says whether the target is its commonest number; `usual` is 1 where it is."""
    avoided = _avoided(present.astype(np.int64), usual)
    if present.all() or avoided < PRESENCE_DECIDES_CLASS:
        return None
    return f"whether it is filled in decides whether the target is {value:g} ({avoided:.1%} of the errors go away)"


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


@dataclass(frozen=True)
class _Form:
    """A way in which two numbers make a third: `holds` says in which rows they do, never where one is missing."""

    words: str
    holds: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def _same(makes: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Equal but for the rounding of the largest number."""
    return np.asarray(np.abs(makes - wanted) <= 1e-6 * np.abs(wanted).max())


def _near(makes: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Equal but for a small share of each number."""
    return np.asarray(np.abs(makes - wanted) <= ROUNDING * np.abs(wanted))


FORMS = (
    _Form("add up to", lambda one, other, wanted: _same(one + other, wanted)),
    _Form("differ by", lambda one, other, wanted: _same(np.abs(one - other), np.abs(wanted))),
    _Form("have as their product", lambda one, other, wanted: _near(one * other, wanted)),
    _Form("have as their quotient", lambda one, other, wanted: _near(wanted * other, one) & (one != 0)),
    _Form("have as their quotient", lambda one, other, wanted: _near(wanted * one, other) & (other != 0)),
)


def _probable_pairs(columns: np.ndarray, target: np.ndarray) -> Iterator[tuple[int, int, _Form]]:
    """Indexes of columns, shape (columns, rows), that make the target together, shape (rows,), and how.

    A few rows leave hardly any pair to try on all.
    """
    few, wanted = columns[:, :GLANCE], target[:GLANCE]
    present = ~np.isnan(few)
    for i in range(len(columns) - 1):
        known = (present[i] & present[i + 1 :]).sum(axis=1)
        for form in FORMS:
            shares = _share(form.holds(few[i], few[i + 1 :], wanted), known, GLANCE / 4)
            for j in (i + 1 + np.flatnonzero(shares >= GLANCE_SHARE)).tolist():
                both = ~np.isnan(columns[i]) & ~np.isnan(columns[j])
                if _share(form.holds(columns[i], columns[j], target), both.sum()) >= PAIR_SHARE:
                    yield i, j, form


def _share(holds: np.ndarray, known: Any, least: float = MIN_ROWS / 2) -> Any:
    """Share of the known rows, or of `least` when there are fewer, along the last axis."""
    return holds.sum(axis=-1) / np.maximum(known, least)


def _probable_sum(columns: np.ndarray, target: np.ndarray) -> list[int]:
    """Indexes of a few columns, shape (columns, rows), whose weighted sum is the target; none when there are no such.

    Orthogonal matching pursuit (Pati, Rezaiifar and Krishnaprasad, 1993): the column most like what is left is added,
    and all weights are found again.
    """
    known = ~np.isnan(columns)
    means = np.where(known, columns, 0.0).sum(axis=1, keepdims=True) / np.maximum(known.sum(axis=1, keepdims=True), 1)
    centred = np.where(known, columns - means, 0.0)
    lengths = np.sqrt((centred**2).sum(axis=1))
    wanted = target - target.mean()
    left, chosen = wanted, []
    for _ in range(SUM_COLUMNS):
        chosen.append(int((np.abs(centred @ left) / np.where(lengths > 0, lengths, np.inf)).argmax()))
        if _open(columns[chosen], target) <= SUM_RESIDUAL:
            return chosen
        left = wanted - np.linalg.lstsq(centred[chosen].T, wanted, rcond=None)[0] @ centred[chosen]
    return []


def _open(columns: np.ndarray, target: np.ndarray) -> float:
    """Share of the target's variance that the best weighted sum of the columns leaves open, where all are known."""
    known = ~np.isnan(columns).any(axis=0)
    if known.sum() < max(MIN_ROWS, len(target) / 2):
        return 1.0
    inputs = np.vstack([columns[:, known], np.ones(int(known.sum()))]).T
    inputs = inputs / np.abs(inputs).max(axis=0).clip(min=1e-300)
    wanted = target[known] - target[known].mean()
    total = float(wanted @ wanted)
    weights = np.linalg.lstsq(inputs, wanted, rcond=None)[0]
    return float(np.sum((wanted - inputs @ weights) ** 2)) / total if total else 1.0
