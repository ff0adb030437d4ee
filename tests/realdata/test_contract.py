"""The data contract and drift on the real tables: quiet on parts of one table, loud where the world has changed."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tidemill import spec as specs
from tidemill.contracts import Check
from tidemill.data import validation
from tidemill.data.validation import Outcome

DATA = Path(__file__).parents[2].parent / "shared" / "data"
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"the real tables are not in {DATA}"),
]


def validate(table: bytes, target: str, before: Outcome | None = None) -> Outcome:
    with tempfile.TemporaryDirectory() as work:
        return validation.validate(
            fetch=lambda to: to.write_bytes(table) and None,
            size=len(table),
            name="table.csv",
            spec=specs.parse({"target": target}),
            previous=before.profile if before else None,
            work=Path(work),
            max_bytes=10**9,
            suggested=before.suggested if before else None,
        )


def findings(first: bytes, second: bytes, target: str) -> tuple[list[Check], Outcome]:
    """What the second table breaks of the first one's contract, and where it is spread otherwise."""
    before = validate(first, target)
    assert before.suggested
    after = validate(second, target, before)
    asked = [check for check in after.checks if check.name.startswith("contract_") or check.name == "drift"]
    return [check for check in asked if check.verdict != "pass"], after


def read(name: str) -> bytes:
    return (DATA / f"{name}.csv").read_bytes()


def parts(name: str, share: float, seed: int) -> tuple[bytes, bytes]:
    head, *rows = (DATA / f"{name}.csv").read_text(encoding="utf-8-sig").splitlines()
    random.Random(seed).shuffle(rows)
    cut = int(len(rows) * share)
    first, second = ("\n".join([head, *part]).encode() for part in (rows[:cut], rows[cut:]))
    return first, second


@pytest.mark.parametrize(
    ("name", "target"),
    [("telco_churn", "Churn"), ("adult_census", "income"), ("california_housing", "median_house_value")],
)
@pytest.mark.parametrize("share", [0.5, 0.97])
def test_parts_of_one_table_are_not_warned_of(name: str, target: str, share: float) -> None:
    found, _ = findings(*parts(name, share, seed=1), target)
    assert found == []


@pytest.mark.parametrize(
    ("first", "second", "target", "columns"),
    [
        ("wine_red", "wine_white", "quality", {"chlorides", "total sulfur dioxide", "volatile acidity", "density"}),
        ("occupancy_train", "occupancy_test2", "Occupancy", {"Temperature", "Humidity", "CO2", "HumidityRatio"}),
    ],
)
def test_another_world_is_drift(first: str, second: str, target: str, columns: set[str]) -> None:
    found, after = findings(read(first), read(second), target)
    assert {check.name for check in found} == {"drift"}
    assert columns <= {check.column for check in found}
    assert after.accepted


def test_the_next_year_of_a_growing_business_is_drift() -> None:
    head, *rows = (DATA / "bike_day.csv").read_text().splitlines()
    years = ["\n".join([head, *(row for row in rows if f",{year}-" in row)]).encode() for year in (2011, 2012)]
    found, _ = findings(*years, "cnt")
    (cnt,) = [check for check in found if check.column == "cnt"]
    assert cnt.name == "drift"
    assert "the share of values below 5202 fell from 94.0% to 35.5%" in cnt.detail


def test_gaps_and_a_missing_column_are_found() -> None:
    found, after = findings(read("german_credit_drift1"), read("german_credit_drift6"), "label")
    assert [(check.name, check.column) for check in found if check.verdict == "refuse"] == [
        ("contract_missing_column", "predictionDate")
    ]
    gaps = {check.column for check in found if check.name == "contract_completeness"}
    assert {"duration_months", "credit_amount", "age_years"} <= gaps
    assert len(gaps) == 7
    assert after.accepted is None
    new, accepted = findings(read("german_credit_drift6"), read("german_credit_drift1"), "label")
    assert [(check.name, check.column, check.verdict) for check in new] == [
        ("contract_extra_column", "predictionDate", "warn")
    ]
    assert accepted.accepted


def test_numbers_that_got_a_decimal_point_and_shorter_dates_are_no_breach() -> None:
    found, _ = findings(read("german_credit_drift1"), read("german_credit_drift3"), "label")
    assert [check.name for check in found if check.name == "contract_type"] == []


def test_another_table_is_refused() -> None:
    found, after = findings(read("telco_churn"), read("adult_census").replace(b"income", b"Churn", 1), "Churn")
    assert {check.name for check in found} >= {"contract_missing_column", "contract_extra_column"}
    assert after.accepted is None


def suggested(name: str, target: str) -> dict[str, Any]:
    contract = validate(read(name), target).suggested
    assert contract
    return {column.name: column for column in contract.columns}


def test_what_real_tables_suggest() -> None:
    telco = suggested("telco_churn", "Churn")
    assert telco["InternetService"].values == ("DSL", "Fiber optic", "No")
    assert telco["customerID"].unique
    assert telco["TotalCharges"].completeness == 0.99
    assert telco["tenure"].minimum == 0
    adult = suggested("adult_census", "income")
    assert adult["workclass"].completeness == 0.93
    assert "Private" in adult["workclass"].values
    titanic = suggested("titanic_full", "survived")
    assert titanic["boat"].optional
    assert titanic["cabin"].completeness == 0.19
    assert titanic["body"].completeness is None
    assert titanic["name"].values is None
