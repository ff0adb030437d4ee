"""Whether a binary model treats the levels of sensitive columns alike.

Demographic parity compares the rates of the positive label: the smallest divided by the
largest, of which the four-fifths rule asks 0.8 (US Uniform Guidelines on Employee Selection
Procedures, 1978). Equal opportunity compares the true positive rates: the largest less the
smallest (Hardt, Price and Srebro, Equality of Opportunity in Supervised Learning, 2016).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from tidemill.contracts import Gate, SliceMetrics, Task
from tidemill.errors import SpecError
from tidemill.spec import Spec

#: A rate of fewer rows than this says too little, and its level is left out.
LEAST_ROWS = 30
_Z = 1.959964  # of a 95% interval

Measure = Literal["demographic_parity", "equal_opportunity"]
WORDS: dict[Measure, str] = {
    "demographic_parity": "rate of the positive label",
    "equal_opportunity": "true positive rate",
}


@dataclass(frozen=True)
class Group:
    """One level of a sensitive column and its rate."""

    level: str
    rate: float
    rows: int  #: of the level; for equal opportunity those of the positive class


@dataclass(frozen=True)
class Comparison:
    """The levels of one sensitive column, lowest rate first."""

    measure: Measure
    column: str
    groups: tuple[Group, ...]
    left_out: tuple[str, ...] = field(default=())  #: levels with too few rows

    @property
    def value(self) -> float | None:
        """The ratio, or the difference, of the extreme rates; None with fewer than two levels to compare."""
        if len(self.groups) < 2:
            return None
        low, high = self.groups[0].rate, self.groups[-1].rate
        if self.measure == "equal_opportunity":
            return high - low
        return low / high if high > 0 else 1.0


def check(spec: Spec, task: Task) -> None:
    """Refuse gates that do not fit the task.

    Raises
    ------
    SpecError
        a fairness gate is asked for a task that is not binary.
    """
    for measure in WORDS:
        if getattr(spec.gates, measure) is not None and task != "binary":
            raise SpecError(
                f"spec.gates.{measure} is for binary tasks, but the task is {task}: leave it out, or set another target"
            )


def compare(measure: Measure, slices: Sequence[SliceMetrics]) -> tuple[Comparison, ...]:
    """The levels of each sensitive column, in the order of the slices."""
    compared = []
    for column in dict.fromkeys(item.column for item in slices if item.sensitive):
        groups, left_out = [], []
        for item in slices:
            if item.column != column or not item.sensitive:
                continue
            rate, rows = (
                (item.positive_rate, item.rows)
                if measure == "demographic_parity"
                else (item.true_positive_rate, item.positives or 0)
            )
            if rate is None or rows < LEAST_ROWS:
                left_out.append(item.level)
            else:
                groups.append(Group(item.level, rate, rows))
        ordered = tuple(sorted(groups, key=lambda group: group.rate))
        compared.append(Comparison(measure, column, ordered, tuple(left_out)))
    return tuple(compared)


def judge(spec: Spec, slices: Sequence[SliceMetrics]) -> tuple[Gate, ...]:
    """The gates that the spec asks for; the worst column decides, and every column is told."""
    gates = []
    for measure in WORDS:
        bound = getattr(spec.gates, measure)
        if bound is not None:
            gates.append(_gate(measure, bound, compare(measure, slices)))
    return tuple(gates)


def _gate(measure: Measure, bound: float, compared: Sequence[Comparison]) -> Gate:
    failing = [one for one in compared if one.value is None or not good(measure, one.value, bound)]
    values = [one.value for one in compared if one.value is not None]
    worst = (min if measure == "demographic_parity" else max)(values, default=None)
    told = "; ".join(_told(one, bound) for one in failing or compared)
    return Gate(measure, "refuse" if failing else "pass", told, worst, bound)


def good(measure: Measure, value: float, bound: float) -> bool:
    """Whether a ratio is large enough, or a difference small enough."""
    return value >= bound if measure == "demographic_parity" else value <= bound


def _told(one: Comparison, bound: float) -> str:
    kind = "rows" if one.measure == "demographic_parity" else "rows of the positive class"
    without = (
        f"; left out, with fewer than {LEAST_ROWS} holdout {kind}: {', '.join(one.left_out)}" if one.left_out else ""
    )
    if one.value is None:
        return (
            f"the {WORDS[one.measure]} cannot be compared by {one.column}, which has fewer than two levels of "
            f"{LEAST_ROWS} holdout {kind}: upload more rows, or take the column out of spec.sensitive{without}"
        )
    low, high = one.groups[0], one.groups[-1]
    asked = "at least" if one.measure == "demographic_parity" else "at most"
    what = "ratio" if one.measure == "demographic_parity" else "difference"
    return (
        f"the {WORDS[one.measure]} is {low.rate:.1%} for {one.column} {low.level} and {high.rate:.1%} for "
        f"{one.column} {high.level}, a {what} of {one.value:.3f} where {asked} {bound:g} is asked{without}"
    )


def wilson(rate: float, rows: int) -> tuple[float, float]:
    """The 95% interval of a rate (Wilson, Probable Inference, 1927)."""
    if rows == 0:
        return 0.0, 1.0
    centre = rate + _Z**2 / (2 * rows)
    reach = _Z * math.sqrt(rate * (1 - rate) / rows + _Z**2 / (4 * rows**2))
    scale = 1 + _Z**2 / rows
    return max(0.0, (centre - reach) / scale), min(1.0, (centre + reach) / scale)
