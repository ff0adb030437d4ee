"""A file of true outcomes: what its rows are about, what happened, and which rows cannot be used."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tidemill.contracts import InputField, Signature
from tidemill.data.actuals_table import Actuals, read_actuals
from tidemill.errors import DataRefused
from tidemill.serving.masking import token

CHURN = Signature("churn", "binary", "Churn", (InputField("customer", "category"),), ("No", "Yes"), "Yes")
PRICE = Signature("price", "regression", "price", (InputField("area", "number"),))
SECRET = b"s" * 32


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Actuals]:
    def reading(text: str, signature: Signature = CHURN, key: str | None = None, name: str = "file.csv") -> Actuals:
        upload = tmp_path / "upload"
        upload.write_text(text)
        with tempfile.TemporaryDirectory() as work:
            return read_actuals(upload, name, signature, key, Path(work), 10**6, lambda: SECRET)

    return reading


def test_outcomes_by_prediction_id(read: Callable[..., Actuals]) -> None:
    found = read("prediction_id,Churn,note\np1,Yes,x\np2, no ,y\np2,No,z\n")
    assert (found.by_column, found.actual_column, found.rows, found.refused) == ("prediction_id", "Churn", 3, 0)
    assert found.entries == (
        {"id": "p1", "actual": "Yes"},
        {"id": "p2", "actual": "No"},
        {"id": "p2", "actual": "No"},
    )


def test_columns_are_found_in_any_case_and_by_usual_names(read: Callable[..., Actuals]) -> None:
    found = read("Prediction_ID,LABEL\np1,Yes\n")
    assert (found.by_column, found.actual_column) == ("Prediction_ID", "LABEL")


@pytest.mark.parametrize(
    "text",
    [
        '{"prediction_id": "p1", "actual": "Yes"}\n{"prediction_id": "p2", "actual": "No"}\n',
        "prediction_id;actual\np1;Yes\np2;No\n",
        "prediction_id\tactual\np1\tYes\np2\tNo\n",
    ],
)
def test_every_form_of_a_table_is_read(read: Callable[..., Actuals], text: str) -> None:
    found = read(text, name="outcomes.txt")
    assert found.entries == ({"id": "p1", "actual": "Yes"}, {"id": "p2", "actual": "No"})


def test_outcomes_by_the_declared_key_with_times(read: Callable[..., Actuals]) -> None:
    found = read(
        "customer,Churn,at\n007,Yes,2026-01-31T10:00:00+01:00\n8,No,2026-02-01T09:00:00Z\n9,No,\n", key="customer"
    )
    assert found.by_column == "customer"
    assert found.entries == (
        {"key": "007", "actual": "Yes", "at": "2026-01-31T09:00:00Z"},
        {"key": "8", "actual": "No", "at": "2026-02-01T09:00:00Z"},
        {"key": "9", "actual": "No"},
    )


def test_a_day_without_a_time_ends_at_midnight(read: Callable[..., Actuals]) -> None:
    found = read("customer,Churn,time\n1,Yes,31.01.2026\n2,No,01.02.2026\n", key="customer")
    assert [entry["at"] for entry in found.entries] == ["2026-01-31T23:59:59Z", "2026-02-01T23:59:59Z"]


def test_the_prediction_id_goes_before_the_key_and_the_key_where_there_is_none(read: Callable[..., Actuals]) -> None:
    found = read("prediction_id,customer,Churn\np1,7,Yes\n,8,No\n,,No\n", key="customer")
    assert found.entries == ({"id": "p1", "actual": "Yes"}, {"key": "8", "actual": "No"})
    assert found.problems == ("1 row has no prediction id and no key",)


def test_the_key_that_features_are_looked_up_by_and_the_routing_key_are_known_undeclared(
    read: Callable[..., Actuals],
) -> None:
    signature = dataclasses.replace(CHURN, keys=(InputField("account", "integer"),))
    assert read("account,actual\n7,Yes\n", signature).entries == ({"key": "7", "actual": "Yes"},)
    assert read("key,actual\nabc,Yes\n").entries == ({"key": "abc", "actual": "Yes"},)


def test_a_key_that_is_masked_personal_data_becomes_its_token(read: Callable[..., Actuals]) -> None:
    signature = dataclasses.replace(CHURN, inputs=(InputField("customer", "category", masked=True),))
    (entry,) = read("customer,Churn\nada@example.org,Yes\n", signature, "customer").entries
    assert entry["key"] == token(SECRET, "customer", "ada@example.org")


def test_classes_may_be_written_as_other_numbers_or_in_other_case(read: Callable[..., Actuals]) -> None:
    numbers = dataclasses.replace(CHURN, classes=("0", "1"), positive_class="1")
    assert [e["actual"] for e in read("prediction_id,Churn\na,1.0\nb,0\n", numbers).entries] == ["1", "0"]
    both = dataclasses.replace(CHURN, classes=("YES", "Yes"))
    found = read("prediction_id,Churn\na,Yes\nb,yes\n", both)
    assert [e["actual"] for e in found.entries] == ["Yes"]


def test_anomalies_are_true_or_false(read: Callable[..., Actuals]) -> None:
    signature = Signature("pump", "anomaly_detection", None, (), ("normal", "anomaly"))
    found = read("prediction_id,actual\na,1\nb,false\nc,Anomaly\nd,perhaps\n", signature)
    assert [entry["actual"] for entry in found.entries] == ["anomaly", "normal", "anomaly"]


def test_values_are_numbers_however_they_are_written(read: Callable[..., Actuals]) -> None:
    assert [e["actual"] for e in read("prediction_id,price\na,12.5\nb,-3\n", PRICE).entries] == [12.5, -3.0]
    german = read('prediction_id;price\na;"1.234,50 €"\nb;"2,00 €"\n', PRICE)
    assert [entry["actual"] for entry in german.entries] == [1234.5, 2.0]


def test_rows_that_cannot_be_used_are_counted_and_told(read: Callable[..., Actuals]) -> None:
    found = read("prediction_id,Churn\na,Yes\nb,Maybe\nc,Maybe\nd,\n")
    assert (found.rows, found.refused, len(found.entries)) == (4, 3, 1)
    assert found.problems == (
        "1 row has no value in 'Churn'",
        "2 rows have an outcome that the model does not know (it knows No, Yes), such as 'Maybe' in row 2",
    )
    values = read("prediction_id,price\na,12.5\nb,cheap\nc,inf\n", PRICE)
    assert values.problems == ("2 rows have an outcome that is no number, such as 'cheap' in row 2",)


@pytest.mark.parametrize("by", ["prediction_id", "key"])
def test_a_row_whose_time_cannot_be_read_is_left_out_and_told(read: Callable[..., Actuals], by: str) -> None:
    found = read(f"{by},Churn,time\na,Yes,2026-01-31T09:00:00Z\nb,No,yesterday\nc,No,\n")
    assert [entry["id" if by == "prediction_id" else "key"] for entry in found.entries] == ["a", "c"]
    assert found.refused == 1
    assert found.problems == (
        "1 row has no time that can be read in 'time', such as 'yesterday' in row 2: write times like "
        "2026-01-31T12:00:00Z, or leave the column out",
    )


@pytest.mark.parametrize(
    ("text", "signature", "message"),
    [
        ("id,Churn\na,Yes\n", CHURN, "no column 'prediction_id' or 'key' that says which prediction.*it has id, Churn"),
        ("prediction_id,result\na,Yes\n", CHURN, "no column 'Churn' or 'actual' or 'label' that says what happened"),
        ("prediction_id,Churn\na,Maybe\n", CHURN, "none of the 1 rows can be used: 1 row has an outcome"),
        ("key,Churn,at\na,Yes,soon\n", CHURN, "no time that can be read in 'at', such as 'soon' in row 1: write times"),
        ("prediction_id,Churn,at\np1,Yes,yesterday\n", CHURN, "no time that can be read in 'at', such as 'yesterday'"),
        ("prediction_id,cluster\na,1\n", dataclasses.replace(CHURN, task="clustering"), "nothing that comes true"),
    ],
)
def test_a_file_that_says_nothing_is_refused_with_the_way_out(
    read: Callable[..., Actuals], text: str, signature: Signature, message: str
) -> None:
    with pytest.raises(DataRefused, match=message):
        read(text, signature)
