"""Leaks of the real tables: those that are there, and none where there are none; copies of rows; rows in time."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tidemill import spec as specs
from tidemill.contracts import SUPERVISED
from tidemill.data import parquet, validation
from tidemill.data.validation import Outcome
from tidemill.learning import preparation

DATA = Path(__file__).parents[2].parent / "shared" / "data"
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"the real tables are not in {DATA}"),
]


def validate(name: str, work: Path, **spec: str) -> Outcome:
    path = DATA / f"{name}.csv"
    return validation.validate(
        fetch=lambda to: shutil.copy(path, to) and None,
        size=path.stat().st_size,
        name=path.name,
        spec=specs.parse(spec),
        previous=None,
        work=work,
        max_bytes=10**9,
    )


def leaks(outcome: Outcome) -> set[str | None]:
    return {check.column for check in outcome.checks if check.name == "leak" and check.verdict != "pass"}


@pytest.mark.parametrize(
    ("name", "target", "columns", "evidence"),
    [
        ("bike_hour", "cnt", {"casual", "registered"}, "'casual' and 'registered' add up to the target 'cnt'"),
        ("bike_day", "cnt", {"casual", "registered"}, "add up to"),
        (
            "titanic_full",
            "survived",
            {"boat", "body"},
            "it is filled in for 121 rows, of which 100.0% are of one class",
        ),
    ],
)
def test_leaks_are_found_and_left_out(name: str, target: str, columns: set[str], evidence: str, tmp_path: Path) -> None:
    outcome = validate(name, tmp_path, target=target)
    assert leaks(outcome) == columns
    assert any(evidence in check.detail for check in outcome.checks)
    assert outcome.profile
    assert {column.name for column in outcome.profile.columns if column.role == "leak"} == columns


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("adult_census", "income"),
        ("telco_churn", "Churn"),
        ("california_housing", "median_house_value"),
        ("german_credit_nohdr", "column_21"),
        ("penguins", "species"),
        ("wine_red", "quality"),
        ("wine_white", "quality"),
        ("auto_mpg", "mpg"),
        ("pima_diabetes", "Outcome"),
        ("nyc_taxi_trips", "total"),
        ("nyc_taxi_trips", "tip"),
        ("occupancy_train", "Occupancy"),
        ("german_credit_drift1", "label"),
        ("messy_superstore", "Profit"),
        ("wholesale_customers", "Channel"),
    ],
)
def test_honest_columns_are_left_alone(name: str, target: str, tmp_path: Path) -> None:
    assert leaks(validate(name, tmp_path, target=target)) == set()


@pytest.mark.parametrize(("name", "target"), [("wine_white", "quality"), ("titanic_full", "survived")])
def test_copies_of_a_row_are_on_one_side(name: str, target: str, tmp_path: Path) -> None:
    outcome = validate(name, tmp_path, target=target)
    validated, profile = outcome.accepted_or_refused()
    assert validated.task in SUPERVISED
    assert any(check.name == "duplicate_rows" and "on one side" in check.detail for check in outcome.checks)
    types = preparation.needed(profile, target)
    raw = parquet.load_columns(tmp_path / validation.TABLE, list(types), types)
    prepared = preparation.prepare(name, specs.parse({"target": target}), profile, validated, raw)
    sides = [
        set(zip(*(np.nan_to_num(part.columns[c], nan=-1) if part.columns[c].dtype.kind == "f" else part.columns[c]
                  for c in sorted(part.columns)), part.target, strict=True))
        for part in (prepared.train, prepared.holdout)
    ]  # fmt: skip
    assert not sides[0] & sides[1]


@pytest.mark.parametrize(
    ("name", "target", "column"),
    [
        ("bike_hour", "cnt", "dteday"),
        ("occupancy_train", "Occupancy", "date"),
        ("auto_mpg", "mpg", "model_year"),
        ("telco_churn", "Churn", None),
        ("adult_census", "income", None),
        ("penguins", "species", None),
        ("wine_white", "quality", None),
        ("california_housing", "median_house_value", None),
        ("messy_superstore", "Sales", None),
    ],
)
def test_rows_that_lie_in_time_are_found(name: str, target: str, column: str | None, tmp_path: Path) -> None:
    (check,) = [check for check in validate(name, tmp_path, target=target).checks if check.name == "time_order"]
    assert (check.column, check.verdict) == (column, "warn" if column else "pass")
