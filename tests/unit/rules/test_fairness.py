"""The fairness gates compare the levels of sensitive columns, and say which ones and by how much."""

from __future__ import annotations

import pytest

from tidemill.contracts import Gate, SliceMetrics
from tidemill.errors import SpecError
from tidemill.rules import fairness
from tidemill.spec import Gates, Spec, parse

BOTH = Gates(demographic_parity=0.8, equal_opportunity=0.1)


def level(
    column: str, name: str, rate: float, true_rate: float | None, rows: int = 200, positives: int = 80
) -> SliceMetrics:
    return SliceMetrics(column, name, rows, None, True, rate, true_rate, positives)


def judged(*slices: SliceMetrics, gates: Gates = BOTH) -> dict[str, Gate]:
    return {gate.name: gate for gate in fairness.judge(Spec(sensitive=("sex",), gates=gates), slices)}


def test_levels_that_are_treated_alike_pass() -> None:
    gates = judged(level("sex", "F", 0.40, 0.70), level("sex", "M", 0.50, 0.78))
    assert {name: gate.verdict for name, gate in gates.items()} == {
        "demographic_parity": "pass",
        "equal_opportunity": "pass",
    }
    assert gates["demographic_parity"].value == pytest.approx(0.8)
    assert gates["equal_opportunity"].value == pytest.approx(0.08)


def test_a_refusal_names_the_column_the_levels_and_their_rates() -> None:
    gates = judged(level("sex", "F", 0.39, 0.60), level("sex", "M", 0.50, 0.78))
    assert [gate.verdict for gate in gates.values()] == ["refuse", "refuse"]
    assert gates["demographic_parity"].detail == (
        "the rate of the positive label is 39.0% for sex F and 50.0% for sex M, a ratio of 0.780 where at least 0.8 "
        "is asked"
    )
    assert gates["equal_opportunity"].detail == (
        "the true positive rate is 60.0% for sex F and 78.0% for sex M, a difference of 0.180 where at most 0.1 is "
        "asked"
    )


def test_the_worst_column_decides_and_only_what_fails_is_told() -> None:
    gate = judged(
        level("sex", "F", 0.5, 0.7),
        level("sex", "M", 0.5, 0.7),
        level("age", "under 30", 0.1, 0.7),
        level("age", "30 or more", 0.5, 0.7),
    )["demographic_parity"]
    assert gate.verdict == "refuse"
    assert gate.value == pytest.approx(0.2)
    assert "sex" not in gate.detail


def test_levels_of_few_rows_are_left_out_by_name() -> None:
    slices = (
        level("sex", "F", 0.5, 0.7),
        level("sex", "M", 0.5, 0.7),
        level("sex", "X", 0.0, None, rows=12, positives=0),
        level("sex", "N", 0.5, 0.0, rows=100, positives=29),
    )
    gates = judged(*slices)
    assert [gate.verdict for gate in gates.values()] == ["pass", "pass"]
    assert gates["demographic_parity"].detail.endswith("left out, with fewer than 30 holdout rows: X")
    assert gates["equal_opportunity"].detail.endswith(
        "left out, with fewer than 30 holdout rows of the positive class: X, N"
    )


def test_a_column_that_cannot_be_compared_is_refused_with_the_way_out() -> None:
    gate = judged(level("sex", "F", 0.5, 0.7), level("sex", "M", 0.5, 0.7, rows=10))["demographic_parity"]
    assert gate.verdict == "refuse"
    assert "upload more rows, or take the column out of spec.sensitive" in gate.detail


def test_a_model_that_flags_nobody_treats_all_alike() -> None:
    gate = judged(level("sex", "F", 0.0, 0.0), level("sex", "M", 0.0, 0.0))["demographic_parity"]
    assert (gate.verdict, gate.value) == ("pass", 1.0)


def test_nothing_is_judged_that_was_not_asked_for() -> None:
    assert judged(level("sex", "F", 0.1, 0.1), level("sex", "M", 0.9, 0.9), gates=Gates()) == {}


def test_a_gate_needs_a_sensitive_column_and_a_binary_task() -> None:
    with pytest.raises(SpecError, match=r"gates\.demographic_parity needs a column to compare by"):
        parse({"gates": {"demographic_parity": 0.8}})
    with pytest.raises(SpecError, match=r"gates\.equal_opportunity needs a column to compare by"):
        parse({"gates": {"equal_opportunity": 0.1}})
    asked = parse({"sensitive": ["sex"], "gates": {"equal_opportunity": 0.1}})
    fairness.check(asked, "binary")
    with pytest.raises(SpecError, match="for binary tasks, but the task is regression"):
        fairness.check(asked, "regression")


@pytest.mark.parametrize(
    ("rate", "rows", "low", "high"), [(0.0, 10, 0.0, 0.2775), (0.5, 100, 0.4038, 0.5962), (1.0, 10, 0.7225, 1.0)]
)
def test_a_rate_has_its_wilson_interval(rate: float, rows: int, low: float, high: float) -> None:
    assert fairness.wilson(rate, rows) == pytest.approx((low, high), abs=1e-4)
