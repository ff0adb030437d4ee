"""The price of a run from what its stages used."""

from __future__ import annotations

import dataclasses

import pytest

from tidemill.contracts import StageUsage
from tidemill.rules.prices import PRICES, cost, price

ONE_GIGABYTE_SECOND = StageUsage(invocations=0, seconds=1.0, memory_mb=1024, architecture="x86_64", transitions=0)


def test_lambda_time_is_priced_by_memory_and_architecture() -> None:
    assert price(ONE_GIGABYTE_SECOND).usd == pytest.approx(0.0000166667)
    assert price(dataclasses.replace(ONE_GIGABYTE_SECOND, architecture="arm64")).usd == pytest.approx(0.0000133334)
    big = price(dataclasses.replace(ONE_GIGABYTE_SECOND, seconds=10.0, memory_mb=3072))
    assert big.gb_seconds == pytest.approx(30.0)
    assert big.usd == pytest.approx(30 * 0.0000166667)


@pytest.mark.parametrize(
    ("field", "usd_per_million"),
    [
        ("invocations", 0.20),
        ("transitions", 25.0),
        ("table_writes", 0.625),
        ("table_reads", 0.125),
        ("s3_puts", 5.0),
        ("s3_gets", 0.40),
        ("queue_requests", 0.40),
    ],
)
def test_a_million_of_each_costs_its_list_price(field: str, usd_per_million: float) -> None:
    nothing = dataclasses.replace(ONE_GIGABYTE_SECOND, seconds=0.0)
    assert price(dataclasses.replace(nothing, **{field: 1_000_000})).usd == pytest.approx(usd_per_million)


def test_a_run_costs_the_sum_of_its_stages_and_names_the_table() -> None:
    usage = StageUsage(2, 30.0, 2048, "arm64", 3, s3_puts=4, s3_gets=5, table_writes=1, table_reads=2)
    total = cost({"train": usage, "validate": ONE_GIGABYTE_SECOND})
    assert set(total.by_stage) == {"train", "validate"}
    assert total.usd == pytest.approx(price(usage).usd + price(ONE_GIGABYTE_SECOND).usd)
    assert total.by_stage["train"].requests == 12
    assert total.by_stage["train"].transitions == 3
    assert total.prices_of == f"{PRICES.date}, us-east-1"


def test_a_run_that_used_nothing_known_costs_nothing() -> None:
    assert cost({}).usd == 0
