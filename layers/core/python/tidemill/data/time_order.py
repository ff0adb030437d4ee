"""Whether the rows of a table lie in time, so that a random split would learn from the future."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

#: Share of the steps from one time to another that go the same way, and correlation of the times' order with the rows',
#: of rows that lie in the order of a column.
IN_ORDER = 0.95
#: Likeness of the targets of neighbours from which on the order matters, whatever it is.
ALIKE = 0.2
#: Fewer rows or times show no order.
MIN_ROWS, MIN_TIMES = 50, 5
#: Words in names of numbers that count time.
TIME_WORDS = frozenset(
    {"date", "datetime", "day", "epoch", "hour", "minute", "month", "period", "second", "step", "time", "timestamp"}
    | {"ts", "week", "year", "yr"}
)


@dataclass(frozen=True)
class Order:
    """A column in whose order rows seem to have come about."""

    column: str
    in_order: float  #: share of the steps between times that go the same way, or correlation with the place if less
    alike: float  #: likeness of the targets of neighbours in its order: -1 to 1, 0 by chance
    rows: int  #: that have a time

    @property
    def lies(self) -> bool:
        """Whether the rows of the file are in its order."""
        return self.in_order >= IN_ORDER

    @property
    def is_alike(self) -> bool:
        """Whether neighbours have targets more alike than by chance, by so much that it matters."""
        return self.alike >= max(ALIKE, 4 / math.sqrt(self.rows))


@dataclass(frozen=True)
class Clock:
    """A column that may tell the time; `load` gives float64 with NaN, shape (n,), in the order of the file."""

    name: str
    load: Callable[[], np.ndarray]
    date: bool


def is_named_like_time(name: str) -> bool:
    """Whether a number is named like a time: model_year, Hour, "time step"."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    return any(word.lower() in TIME_WORDS for word in words[-1:])


def find(clocks: Sequence[Clock], target: np.ndarray, classes: bool) -> Order | None:
    """The column that the rows follow most, when they follow one.

    A date needs rows in its order, or targets that are alike in its order; a number that is named like a time needs
    both.

    Parameters
    ----------
    target
        numbers or codes of classes, float64, shape (n,).
    classes
        whether it is codes of classes.
    """
    found = []
    for clock in clocks:
        times = clock.load()
        known = ~np.isnan(times)
        if known.sum() < MIN_ROWS or len(np.unique(times[known])) < MIN_TIMES:
            continue
        order = _order(clock, times[known], target[known], classes)
        if (order.lies and order.is_alike) or (clock.date and (order.lies or order.is_alike)):
            found.append(order)
    return max(found, key=lambda order: (order.lies, order.alike), default=None)


def _order(clock: Clock, times: np.ndarray, target: np.ndarray, classes: bool) -> Order:
    steps = np.diff(times)
    forward = float(np.mean(steps[steps != 0] > 0))
    # Days that begin anew every month go forward in nearly every step, too.
    ranks = np.unique(times, return_inverse=True)[1]
    in_order = min(max(forward, 1 - forward), abs(float(np.corrcoef(np.arange(len(ranks)), ranks)[0, 1])))
    if in_order < IN_ORDER:
        # Rows of one time have no order among themselves but the file's, which may be another one.
        shuffled = np.random.default_rng(0).permutation(len(times))
        target = target[shuffled[np.argsort(times[shuffled], kind="stable")]]
    return Order(clock.name, in_order, kappa(target) if classes else autocorrelation(target), len(times))


def autocorrelation(values: np.ndarray) -> float:
    """Correlation of each value with the one before it, shape (n,); 0 when all are equal."""
    before, after = values[:-1] - values.mean(), values[1:] - values.mean()
    spread = float(np.sum((values - values.mean()) ** 2))
    return float(np.sum(before * after)) / spread if spread else 0.0


def kappa(classes: np.ndarray) -> float:
    """How much more often neighbours are of one class than by chance, shape (n,): Cohen's kappa (1960)."""
    shares = np.unique(classes, return_counts=True)[1] / len(classes)
    chance = float(np.sum(shares**2))
    return (float(np.mean(classes[1:] == classes[:-1])) - chance) / (1 - chance) if chance < 1 else 0.0
