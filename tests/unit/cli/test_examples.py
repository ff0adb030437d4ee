"""The example tables: the same bytes everywhere, of the kind that they say, and drifted where they say so."""

import csv
import hashlib
import io

import pytest
from sklearn.datasets import load_breast_cancer

from tidemill_cli import churn_generator, example_tables


def rows(data):
    return list(csv.DictReader(io.StringIO(data.decode())))


def share(table, column, value):
    return sum(row[column] == value for row in table) / len(table)


def test_files_are_written_and_listed(world, tmp_path):
    code, out, _ = world.tidemill("examples", tmp_path / "tables")
    assert code == 0
    names = ["churn.csv", "churn_drifted_month.csv", "breast_cancer.csv", "diabetes.csv", "wine.csv"]
    assert out.splitlines() == [str(tmp_path / "tables" / name) for name in names]
    assert all((tmp_path / "tables" / name).stat().st_size > 10_000 for name in names)


@pytest.mark.parametrize(
    ("make", "sha256"),
    [
        (churn_generator.customers, "8223b906c3845d3d"),
        (churn_generator.drifted_month, "2e1c731603602a89"),
    ],
)
def test_generator_always_gives_these_bytes(make, sha256):
    assert hashlib.sha256(make()).hexdigest()[:16] == sha256


def test_generator_takes_rows_and_seed():
    assert len(rows(churn_generator.customers(rows=10))) == 10
    assert churn_generator.customers(rows=10) != churn_generator.customers(rows=10, seed=7)


def test_customers_have_what_real_tables_have():
    table = rows(churn_generator.customers())
    assert list(table[0]) == list(churn_generator.COLUMNS)
    assert len({row["customer_id"] for row in table}) == len(table)
    assert 0.2 < share(table, "Churn", "Yes") < 0.3
    for column in ("payment_method", "support_calls", "total_charges"):
        assert 0 < share(table, column, "") < 0.1
    assert {len(row["signup_date"]) for row in table} == {10}


def test_later_month_has_drifted():
    before, after = rows(churn_generator.customers()), rows(churn_generator.drifted_month())
    assert not {row["customer_id"] for row in before} & {row["customer_id"] for row in after}
    assert share(after, "contract", "month-to-month") > share(before, "contract", "month-to-month") + 0.1
    assert share(before, "payment_method", "wallet") == 0 < share(after, "payment_method", "wallet")

    def mean_charges(table):
        return sum(float(row["monthly_charges"]) for row in table) / len(table)

    assert mean_charges(after) > 1.1 * mean_charges(before)

    def newcomers_leave(table):
        newcomers = [row for row in table if int(row["tenure"]) < 4 and row["contract"] == "month-to-month"]
        return share(newcomers, "Churn", "Yes")

    assert newcomers_leave(after) < newcomers_leave(before) - 0.2


def test_bundled_tables_are_scikit_learns():
    tumours = rows(example_tables.breast_cancer())
    original = load_breast_cancer()
    assert len(tumours) == 569
    assert float(tumours[0]["mean_radius"]) == original.data[0, 0]
    assert {row["diagnosis"] for row in tumours} == {"benign", "malignant"}
    patients = rows(example_tables.diabetes())
    assert len(patients) == 442
    assert patients[0]["age"] == "59"
    assert patients[0]["progression"] == "151"
    wines = rows(example_tables.wine())
    assert len(wines) == 178
    assert wines[0]["alcohol"] == "14.23"
    assert {row["cultivar"] for row in wines} == {"first", "second", "third"}
