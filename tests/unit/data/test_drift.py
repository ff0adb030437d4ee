"""Drift of a table against the profile of the version before."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

N = 600
SPEC = {"target": "y"}


def table(seed: int, rows: int = N, shift: float = 0.0, dsl: float = 0.34, **columns: Any) -> str:
    random = np.random.default_rng(seed)
    made = {
        "id": np.arange(rows) + 1000 * seed,
        "day": [f"20{20 + seed}-01-{1 + i % 28:02d}" for i in range(rows)],
        "x": (random.normal(5, 1, rows) + shift).round(4),
        "plan": random.choice(["DSL", "Fiber", "none"], rows, p=[dsl, 0.8 - dsl, 0.2]),
        "flag": random.choice(["true", "false"], rows),
        "y": random.integers(0, 2, rows),
        **columns,
    }
    lines = zip(*made.values(), strict=True)
    return ",".join(made) + "\n" + "".join(",".join(map(str, line)) + "\n" for line in lines)


@pytest.fixture(scope="module")
def before(validate: Any) -> Any:
    return validate(table(1), SPEC).profile


def drifted(found: Any) -> list[str | None]:
    return [check.column for check in found.checks("drift") if check.verdict == "warn"]


def test_the_same_distribution_passes(validate: Any, before: Any) -> None:
    assert validate(table(2), SPEC, previous=before).check("drift").verdict == "pass"
    assert drifted(validate(table(3, rows=60), SPEC, previous=before)) == []


def test_columns_that_moved_are_found_and_told_in_words(validate: Any, before: Any) -> None:
    found = validate(table(2, shift=1.5, dsl=0.05), SPEC, previous=before)
    assert drifted(found) == ["x", "plan"]
    x, plan = found.checks("drift")
    assert "'x' is spread otherwise than in the previous version: the share of values below " in x.detail
    assert "the share of 'Fiber' rose from 44.0% to 74.3%" in plan.detail
    assert "population stability index" in plan.detail


def test_a_new_value_that_is_most_of_what_is_rarer_is_named(validate: Any, before: Any) -> None:
    new = ["abroad" if i % 4 == 0 else "DSL" if i % 3 == 0 else "x" if i == 1 else "Fiber" for i in range(N)]
    (found,) = validate(table(2, plan=new), SPEC, previous=before).checks("drift")
    assert (
        "the share of all rarer values together rose from 0.0% to 25.2%, most of it 'abroad' (150 rows)" in found.detail
    )
    many = [f"new{i % 10}" if i % 2 else "DSL" for i in range(N)]
    (found,) = validate(table(2, plan=many), SPEC, previous=before).checks("drift")
    assert "together rose from 0.0% to 50.0% (" in found.detail


def test_ids_and_dates_move_on_by_nature(validate: Any, before: Any) -> None:
    assert drifted(validate(table(5), SPEC, previous=before)) == []


def test_the_spec_sets_what_is_a_finding(validate: Any, before: Any) -> None:
    slightly = table(2, shift=0.4)
    assert drifted(validate(slightly, SPEC, previous=before)) == []
    assert drifted(validate(slightly, SPEC | {"contract": {"drift": 0.05}}, previous=before)) == ["x"]
    refused = validate(table(2, shift=3), SPEC | {"checks": {"policy": {"drift": "refuse"}}}, previous=before)
    assert refused.outcome.accepted is None


def test_the_target_is_compared_too(validate: Any, before: Any) -> None:
    rare = (np.arange(N) % 20 == 0).astype(int)
    assert drifted(validate(table(2, y=rare), SPEC, previous=before)) == ["y"]


def test_a_column_that_was_always_the_same_is_compared(validate: Any) -> None:
    first = validate(table(1, year=np.full(N, 2011)), SPEC).profile
    assert drifted(validate(table(2, year=2011 + np.arange(N) % 2), SPEC, previous=first)) == ["year"]


def test_another_type_is_no_drift(validate: Any, before: Any) -> None:
    assert drifted(validate(table(2, plan=np.arange(N) % 7), SPEC, previous=before)) == []


def test_nothing_is_said_without_a_previous_version(validate: Any) -> None:
    assert validate(table(1), SPEC).checks("drift") == []
