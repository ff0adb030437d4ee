"""Rows that lie in time are found by their order and their neighbours, and others are left alone."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

N = 300


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(4)


def table(names: str, *columns: Any) -> str:
    return names + "\n" + "".join(",".join(map(str, row)) + "\n" for row in zip(*columns, strict=True))


DAYS = [str(date(2024, 1, 1) + timedelta(days=i)) for i in range(N)]


def walk(random: np.random.Generator) -> np.ndarray:
    return np.cumsum(random.normal(0, 1, N)).round(3)


def test_rows_in_the_order_of_a_date_are_found(validate: Any, random: np.random.Generator) -> None:
    x = random.random(N).round(3)
    found = validate(table("day,x,y", DAYS, x, walk(random)), {"target": "y"}).check("time_order")
    assert (found.verdict, found.column) == ("warn", "day")
    assert "the rows lie in the order of 'day', and the targets of neighbours are alike (0.9" in found.detail
    assert "set time_column to 'day'" in found.detail
    newest_first = validate(table("day,x,y", DAYS[::-1], x, random.random(N)), {"target": "y"}).check("time_order")
    assert newest_first.detail.startswith("the rows lie in the order of 'day': a random split")


def test_shuffled_rows_are_found_by_their_neighbours_in_time(validate: Any, random: np.random.Generator) -> None:
    y, order = walk(random), random.permutation(N)
    shuffled = table("day,x,y", np.array(DAYS)[order], random.random(N).round(3), y[order])
    found = validate(shuffled, {"target": "y"}).check("time_order")
    assert found.detail.startswith("in the order of 'day' the targets of neighbours are alike (0.9")
    independent = table("day,x,y", np.array(DAYS)[order], random.random(N).round(3), random.random(N).round(3))
    assert validate(independent, {"target": "y"}).check("time_order").verdict == "pass"


def test_a_spec_that_names_the_time_is_not_warned(validate: Any, random: np.random.Generator) -> None:
    text = table("day,x,y", DAYS, random.random(N).round(3), walk(random))
    assert validate(text, {"target": "y", "time_column": "day"}).check("time_order").verdict == "pass"


def test_classes_that_come_in_runs(validate: Any, random: np.random.Generator) -> None:
    runs = np.repeat(random.integers(0, 2, N // 10), 10)
    text = table("hour_index,step,y", np.arange(N) // 2, np.arange(N) // 3, np.where(runs, "on", "off"))
    assert validate(text, {"target": "y"}).check("time_order").column == "step"


def test_a_number_needs_a_name_like_time_and_likeness(validate: Any, random: np.random.Generator) -> None:
    y, rising = walk(random), np.arange(N) // 3
    assert validate(table("size,y", rising, y), {"target": "y"}).check("time_order").verdict == "pass"
    assert validate(table("model_year,y", rising, y), {"target": "y"}).check("time_order").verdict == "warn"
    noise = random.random(N).round(3)
    assert validate(table("model_year,y", rising, noise), {"target": "y"}).check("time_order").verdict == "pass"


def test_days_that_begin_anew_are_no_order(validate: Any, random: np.random.Generator) -> None:
    days = [f"2024-01-{1 + i % 28:02d}" for i in range(N)]
    text = table("day,x,y", days, random.random(N).round(3), random.random(N).round(3))
    assert validate(text, {"target": "y"}).check("time_order").verdict == "pass"


def test_a_table_sorted_by_its_classes_is_not_in_time(validate: Any, random: np.random.Generator) -> None:
    classes = np.repeat(["a", "b", "c"], N // 3)
    days = np.array(DAYS)[random.permutation(N)]
    few_days = np.array(DAYS)[np.arange(N) % 7]
    text = table("seen,checked,x,y", days, few_days, random.random(N).round(3), classes)
    assert validate(text, {"target": "y"}).check("time_order").verdict == "pass"
