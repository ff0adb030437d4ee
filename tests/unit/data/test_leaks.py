"""Columns that give the target away are found, and strong honest ones are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import datasets

from tidemill.data import leaks
from tidemill.data.leaks import Candidate

N = 2000


def candidates(columns: dict[str, Any], dates: tuple[str, ...] = ()) -> list[Candidate]:
    arrays = {
        name: np.asarray(values, dtype=object if any(isinstance(v, str) for v in values) else float)
        for name, values in columns.items()
    }
    return [
        Candidate(name, lambda values=values: values, values.dtype != object, name in dates)
        for name, values in arrays.items()
    ]


def found(target: Any, columns: dict[str, Any], dates: tuple[str, ...] = ()) -> set[str]:
    target = np.asarray(target)
    if target.dtype.kind == "i":
        return {leak.column for leak in leaks.of_classes("y", target.astype(np.int64), candidates(columns, dates))}
    return {leak.column for leak in leaks.of_number("y", target, candidates(columns, dates))}


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(3)


# --- classes -----------------------------------------------------------------------------------


def test_the_target_in_other_words(random: np.random.Generator) -> None:
    y = random.integers(0, 3, N)
    words = np.array(["low", "middle", "high"])[y]
    nearly = np.where(random.random(N) < 0.005, "low", words)
    often = np.where(random.random(N) < 0.1, "low", words)
    assert found(y, {"words": words, "code": y * 10.0, "nearly": nearly, "often": often}) == {"words", "code", "nearly"}


def test_a_score_from_which_the_class_was_cut(random: np.random.Generator) -> None:
    score = random.random(N)
    y = (score > 0.7).astype(int)
    falling = np.where(random.random(N) < 0.3, np.nan, -score)
    assert found(y, {"score": score, "falling": falling, "noisy": score + random.normal(0, 0.1, N)}) == {"score"}


def test_a_column_that_is_filled_in_when_the_outcome_is_known(random: np.random.Generator) -> None:
    y = (random.random(N) < 0.3).astype(int)
    reason = np.where(y == 1, "price", None)
    some = np.where((y == 1) & (random.random(N) < 0.2), 5.0, np.nan)
    by_chance = np.where(random.random(N) < 0.2, 5.0, np.nan)
    more_often = np.where(random.random(N) < 0.2 + 0.5 * y, 5.0, np.nan)
    columns = {"reason": reason, "some": some, "by_chance": by_chance, "more_often": more_often}
    assert found(y, columns) == {"reason", "some"}


def test_many_levels_alone_decide_nothing(random: np.random.Generator) -> None:
    y = random.integers(0, 2, N)
    names = [f"name {i}" for i in range(N)]
    assert not found(y, {"name": names, "ticket": [f"t{i // 2}" for i in range(N)], "number": random.permutation(N)})


def test_a_rare_class_is_no_leak_by_itself(random: np.random.Generator) -> None:
    y = (np.arange(N) < 20).astype(int)
    rare = np.where(random.random(N) < 0.05, 1.0, np.nan)
    assert not found(y, {"rare": rare, "constant but for a few": np.where(np.arange(N) < 3, 1.0, 0.0)})


def test_a_column_with_gaps_is_no_leak_where_one_class_is_nearly_everything(random: np.random.Generator) -> None:
    y = (random.random(50_000) < 0.004).astype(int)
    assert not found(y, {"gaps": np.where(random.random(50_000) < 0.5, 1.0, np.nan)})


@pytest.mark.parametrize("load", [datasets.load_iris, datasets.load_wine, datasets.load_breast_cancer])
def test_strong_measurements_are_honest(load: Any) -> None:
    table = load()
    columns = dict(zip(table.feature_names, table.data.T, strict=True))
    assert not found(table.target.astype(int), columns)


def test_a_measurement_that_separates_one_class_is_honest() -> None:
    table = datasets.load_iris()
    columns = dict(zip(table.feature_names, table.data.T, strict=True))
    assert not found((table.target == 0).astype(int), columns)


# --- numbers -----------------------------------------------------------------------------------


def test_the_target_in_another_unit_or_any_rising_form(random: np.random.Generator) -> None:
    y = random.lognormal(10, 1, N)
    columns = {
        "cents": y * 100,
        "rounded": y.round(-1),
        "logarithm": np.log(y),
        "rank": np.argsort(np.argsort(y)),
        "some missing": np.where(random.random(N) < 0.2, np.nan, -y),
        "close": y * random.normal(1, 0.05, N),
    }
    assert found(y, columns) == set(columns) - {"close"}


def test_levels_that_each_stand_for_a_value(random: np.random.Generator) -> None:
    level = random.integers(0, 20, N)
    y = np.array([3.5, 90.0, -4.0, 17.0, 2.0] * 4)[level] + level
    words = np.array([f"tariff {i}" for i in range(20)])[level]
    loose = np.where(random.random(N) < 0.1, "tariff 1", words)
    assert found(y, {"tariff": words, "loose": loose}) == {"tariff"}


def test_two_numbers_that_make_the_target(random: np.random.Generator) -> None:
    a, b, c, d = random.integers(0, 500, (4, N)).astype(float)
    assert found(a + b, {"a": a, "b": b, "c": c}) == {"a", "b"}
    assert found(a - c, {"a": a, "b": b, "c": c}) == {"a", "c"}
    assert found(c - a, {"a": a, "b": b, "c": c}) == {"a", "c"}
    assert not found(a + b + d, {"a": a, "b": b, "c": c})
    assert not found(a + b + random.normal(0, 5, N), {"a": a, "b": b, "c": c})


def test_products_and_quotients_that_are_the_target(random: np.random.Generator) -> None:
    price, amount, other = random.uniform(1, 90, (3, N))
    price, amount = price.round(2), amount.round()
    columns = {"price": price, "amount": amount, "other": other}
    assert found((price * amount).round(2), columns) == {"price", "amount"}
    assert found(price / amount, columns) == {"price", "amount"}
    assert found(amount / price, columns) == {"price", "amount"}
    assert not found(price * amount * random.normal(1, 0.02, N), columns)
    zeros = np.where(random.random(N) < 0.002, other, 0.0)
    assert not found(random.random(N), {"a": zeros, "b": zeros.copy()})


def test_a_weighted_sum_of_three_columns_is_the_target(random: np.random.Generator) -> None:
    fare, tip, tolls, other = random.gamma(2, 9, (4, N))
    tip[random.random(N) < 0.05] = np.nan
    total = np.where(np.isnan(tip), fare, (3.3 + fare + tip + tolls).round(2))
    columns = {"fare": fare, "tip": tip, "tolls": tolls, "other": other, "same": np.ones(N)}
    assert found(total, columns) == {"fare", "tip", "tolls"}
    assert not found(total + random.normal(0, 0.5, N), columns)


def test_a_column_that_is_filled_in_when_the_number_is_not_the_usual_one(random: np.random.Generator) -> None:
    damage = np.where(random.random(N) < 0.2, random.gamma(2, 900, N), 0.0)
    cause = np.where(damage > 0, "storm", None)
    often = np.where((damage > 0) & (random.random(N) < 0.5), "storm", None)
    assert found(damage, {"cause": cause, "often": often}) == {"cause"}


def test_a_sum_is_found_beside_missing_cells_and_rare_mistakes(random: np.random.Generator) -> None:
    a, b = random.random((2, N)) * 1000
    y = np.where(np.arange(N) % 400 == 7, 1.0, a + b)
    b[random.random(N) < 0.1] = np.nan
    assert found(y, {"a": a, "b": b}) == {"a", "b"}


def test_columns_of_zeros_do_not_add_up_to_a_target_of_zeros(random: np.random.Generator) -> None:
    y, a, b = (np.where(random.random(N) < 0.003, random.random(N), 0.0) for _ in range(3))
    assert not found(y, {"a": a, "b": b})
    y = np.where(random.random(N) < 0.1, random.random(N), 0.0)
    assert not found(y, {"a": a, "b": b})


def test_a_sum_of_few_whole_numbers_is_found_though_it_is_a_class(validate: Any, random: np.random.Generator) -> None:
    a, b = random.integers(0, 4, (2, 300))
    rows = "\n".join(f"{x},{y},{x + y}" for x, y in zip(a, b, strict=True))
    found = validate(f"a,b,points\n{rows}\n", {"target": "points", "leaks": "warn"})
    assert found.profile.task == "multiclass"
    assert [check.column for check in found.checks("leak")] == ["a", "b"]


def test_strong_estimators_are_honest(random: np.random.Generator) -> None:
    table = datasets.load_diabetes()
    assert not found(table.target.astype(float), dict(zip(table.feature_names, table.data.T, strict=True)))
    temperature = random.normal(20, 5, N)
    felt = temperature + random.normal(0, 0.3, N)
    riders = temperature * 30 + random.normal(0, 20, N)
    assert not found(riders, {"temperature": temperature, "felt": felt})
    yesterday = 100 + np.cumsum(random.normal(0, 1, N + 1))
    assert not found(yesterday[1:], {"yesterday": yesterday[:-1]})


def test_what_rises_with_time_is_no_leak() -> None:
    days = np.arange(N) * 86400.0
    assert not found(np.arange(N) ** 1.5, {"day": days}, dates=("day",))


def test_too_few_rows_tell_nothing() -> None:
    assert not found(np.arange(49.0), {"same": np.arange(49.0)})
    assert not found(np.arange(49) % 2, {"same": np.arange(49) % 2})


def test_a_thousand_numbers_are_paired_in_a_moment(random: np.random.Generator) -> None:
    columns = {f"x{i}": random.random(500) for i in range(1000)}
    assert found(columns["x17"] + columns["x901"], columns) == {"x17", "x901"}
