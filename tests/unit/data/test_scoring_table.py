"""A table to score is parsed by the signature's types and keeps what was uploaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tidemill import spec as specs
from tidemill.contracts import ColumnType, InputField, Signature
from tidemill.data.parquet import load_columns
from tidemill.data.scoring_table import ScoringTable, read_scoring_table
from tidemill.errors import DataRefused
from tidemill.learning import preparation
from tidemill.serving import features

SIGNATURE = Signature(
    model="churn",
    task="binary",
    target="churn",
    inputs=(
        InputField("tenure", "integer"),
        InputField("charges", "number", required=False),
        InputField("plan", "category"),
        InputField("paperless", "boolean", required=False),
        InputField("since", "date", required=False),
    ),
    classes=("no", "yes"),
    missing_values=("-999",),
)
ROWS = (
    "id,since,tenure,plan,paperless,charges,churn\n"
    "007,2024-01-31 10:00,1, basic ,True,29.85,no\n"
    "008,,2.5,007,no,-999,yes\n"
    '009,2024-02-01,3,"a, b",, ,no\n'
)


@pytest.fixture
def scoring(tmp_path: Path) -> Callable[..., Any]:
    def reading(text: str | bytes, signature: Signature = SIGNATURE, name: str = "rows.csv") -> Any:
        upload = tmp_path / "upload"
        upload.write_bytes(text.encode() if isinstance(text, str) else text)
        work = tmp_path / "work"
        work.mkdir()
        return read_scoring_table(upload, name, signature, work, 10**6, bytes)

    return reading


def test_raw_columns_follow_the_signature_and_originals_stay(scoring: Any) -> None:
    with scoring(ROWS) as table:
        assert isinstance(table, ScoringTable)
        assert (table.rows, table.columns[0], table.reading.delimiter) == (3, "id", ",")
        (batch,) = table.batches(10)
    assert batch.start == 0
    assert list(batch.raw) == ["tenure", "charges", "plan", "paperless", "since"]
    assert batch.raw["tenure"].dtype == np.float64
    assert batch.raw["tenure"].tolist() == [1, 2.5, 3]
    assert batch.raw["charges"][0] == 29.85
    assert np.isnan(batch.raw["charges"][1:]).all()
    assert batch.raw["plan"].tolist() == ["basic", "007", "a, b"]
    assert batch.raw["paperless"].tolist() == ["true", "false", None]
    assert batch.raw["since"].tolist() == ["2024-01-31T10:00:00", None, "2024-02-01T00:00:00"]
    assert batch.original["id"].tolist() == ["007", "008", "009"]
    assert batch.original["plan"].tolist() == [" basic ", "007", "a, b"]
    assert batch.original["charges"].tolist() == ["29.85", "-999", " "]
    assert batch.original["churn"].tolist() == ["no", "yes", "no"]
    assert list(batch.original) == list(table.columns)


def test_a_batch_is_ready_to_be_encoded(scoring: Any) -> None:
    with scoring(ROWS) as table:
        (batch,) = table.batches(10)
    encoded = features.encode(SIGNATURE.inputs, batch.raw)
    assert encoded["tenure"].dtype == np.float32
    assert encoded["plan"].tolist() == ["basic", "007", "a, b"]


def test_batches_keep_the_order_of_the_file(scoring: Any) -> None:
    text = "tenure,plan\n" + "".join(f"{i * 7919 % 5003},p{i}\n" for i in range(5003))
    with scoring(text) as table:
        batches = list(table.batches(1000))
    assert [batch.start for batch in batches] == [0, 1000, 2000, 3000, 4000, 5000]
    assert [len(batch.raw["tenure"]) for batch in batches] == [1000] * 5 + [3]
    plans = np.concatenate([batch.raw["plan"] for batch in batches])
    assert plans.tolist() == [f"p{i}" for i in range(5003)]
    assert np.concatenate([batch.raw["tenure"] for batch in batches])[5000] == 5000 * 7919 % 5003


def test_optional_columns_may_be_absent(scoring: Any) -> None:
    with scoring("plan,tenure\nbasic,1\n") as table:
        (batch,) = table.batches(10)
    assert list(batch.raw) == ["tenure", "plan"]


def test_one_row_of_numbers_finds_its_header_by_the_signature(scoring: Any) -> None:
    signature = Signature("m", "regression", "y", (InputField("2019", "number"), InputField("2021", "number")))
    with scoring("2019,2021\n5,6\n", signature) as table:
        assert table.rows == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("plan,Tenure\nbasic,1\n", "no column 'tenure', which the model needs: did you mean to name 'Tenure' so?"),
        ("tenure,plan\n1,a\nmany,b\n", "the column 'tenure' must hold a number, not 'many' (row 2)"),
        ("tenure,plan,since\n1,a,2024-01-31\n2,b,soon\n", "the column 'since' must hold a date such as"),
        ("tenure,plan,paperless\n1,a,maybe\n", "not 'maybe' (row 1)"),
        ("tenure,plan\n1,a\n2,NA\n", "the column 'plan' has no value in row 2, and the model needs it there"),
        ("tenure,plan\n-999,a\n", "the column 'tenure' has no value in row 1"),
        ("tenure,plan,since\n1,a,1/2/2024\n", "can be read as day/month/year or as month/day/year"),
        ("tenure,plan\n1,a,b\n", "the header has 2 names but each row 3 fields"),
        ("", "is empty"),
    ],
)
def test_what_does_not_fit_the_signature_is_named(scoring: Any, text: str, message: str) -> None:
    with pytest.raises(DataRefused) as caught, scoring(text):
        pass
    assert message in str(caught.value)


def test_json_lines_and_parquet_are_read_the_same_way(scoring: Any, tmp_path: Path) -> None:
    import duckdb

    rows = '{"tenure": 1, "plan": "basic", "paperless": true}\n{"tenure": 2.5, "plan": "007", "paperless": null}\n'
    with scoring(rows, name="rows.jsonl") as table:
        (from_json,) = table.batches(10)
    path = tmp_path / "rows.parquet"
    query = "SELECT * FROM (VALUES (1.0, 'basic', true), (2.5, '007', NULL)) AS t(tenure, plan, paperless)"
    duckdb.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
    (tmp_path / "work").rename(tmp_path / "done")
    with scoring(path.read_bytes()) as table:
        (from_parquet,) = table.batches(10)
    for name in ("tenure", "plan", "paperless"):
        assert from_json.raw[name].tolist() == from_parquet.raw[name].tolist()


# --- cells are read as the training table's were -------------------------------------------------


def signature_of(**formats: tuple[ColumnType, str]) -> Signature:
    inputs = tuple(InputField(name, kind, format=form) for name, (kind, form) in formats.items())
    return Signature("m", "regression", "y", inputs, real_values=("NA",), reading={"delimiter": ";", "header": "yes"})


@pytest.mark.parametrize(
    ("kind", "form", "cell", "expected"),
    [
        ("number", "1.234,5", "1.234", 1234),
        ("number", "1.234,5", "1234,5", 1234.5),
        ("integer", "1234,5", "0,25", 0.25),
        ("number", "1,234.5", "1,234", 1234),
        ("number", "", "1.234", 1.234),
        ("number", "$1,234.5", "$1,234.50", 1234.5),
        ("number", "$1234.5", "2.5", 2.5),
        ("number", "1234.5 kg", "12 kg", 12),
        ("number", "1234.5%", "12 %", 0.12),
        ("number", "HH.MM.SS", "18.30.00", 18.5),
        ("date", "day/month/year", "3/4/2026", "2026-04-03"),
        ("date", "month/day/year", "3/4/2026", "2026-03-04"),
        ("date", "month/day/year", "2026-03-04", "2026-03-04"),
        ("date", "yearmonthday", "20260304", "2026-03-04"),
        ("category", "10-20", "20-30", "20-30"),
        ("category", "", "NA", "NA"),
    ],
)
def test_one_row_is_read_as_the_training_table_was(
    scoring: Any, kind: ColumnType, form: str, cell: str, expected: object
) -> None:
    with scoring(f"x\n{cell}\n", signature_of(x=(kind, form))) as table:
        (batch,) = table.batches(10)
    assert batch.raw["x"].tolist() == [expected]
    assert batch.original["x"].tolist() == [cell]


@pytest.mark.parametrize(
    ("form", "cell", "message"),
    [
        ("1234,5", "1.5", "the column 'x' must hold a number written like 1234,5, not '1.5' (row 1)"),
        ("1234.5%", "0.12", "the column 'x' must hold a number written like 1234.5%, not '0.12' (row 1)"),
        ("$1234.5", "€5", "the column 'x' must hold a number written like $1234.5, not '€5' (row 1)"),
    ],
)
def test_a_cell_in_another_form_is_refused(scoring: Any, form: str, cell: str, message: str) -> None:
    with pytest.raises(DataRefused) as caught, scoring(f"x\n{cell}\n", signature_of(x=("number", form))):
        pass
    assert message in str(caught.value)


def plain_numbers(*names: str) -> Signature:
    """Of a model whose training table, a workbook, had numbers as numbers."""
    return Signature("m", "regression", "y", tuple(InputField(name, "number") for name in names))


def test_a_form_that_the_training_table_did_not_have_is_found_out_from_the_column(scoring: Any) -> None:
    text = "Umsatz (€);Kunden;Anteil\n646,85 €;1.234;0,5\n1.646,85 €;2.000;1\n;17;\n"
    fields = (InputField("Umsatz (€)", "number", required=False), InputField("Anteil", "number", required=False))
    signature = Signature("m", "regression", "y", (*fields, InputField("Kunden", "integer")))
    with scoring(text, signature) as table:
        (batch,) = table.batches(10)
    assert batch.raw["Umsatz (€)"][:2].tolist() == [646.85, 1646.85]
    assert batch.raw["Anteil"][:2].tolist() == [0.5, 1]
    assert batch.raw["Kunden"].tolist() == [1234, 2000, 17]
    assert batch.original["Umsatz (€)"].tolist() == ["646,85 €", "1.646,85 €", ""]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ("1,234 €", "not '1,234 €' (row 1); the column can be read with a decimal point or a decimal comma"),
        ("1,234 €", "or set reading.decimal in the spec"),
        ("50 %", "not '50 %' (row 1); the training table had plain numbers: write them like 1234.5"),
        ("646,85 €;1\n12.5", "not '646,85 €' (row 1); the training table had plain numbers"),
    ],
)
def test_a_form_that_is_not_certain_is_refused(scoring: Any, cells: str, message: str) -> None:
    with (
        pytest.raises(DataRefused) as caught,
        scoring(f"x;n\n{cells};1\n", plain_numbers("x")),
    ):
        pass
    assert message in str(caught.value)


def test_the_spec_decides_what_the_file_does_not(scoring: Any) -> None:
    signature = plain_numbers("x")
    fields = (*signature.inputs, InputField("on", "date"))
    options = {"decimal": "comma", "dates": "day_first"}
    with scoring("x;on\n1,234 €;1/2/2024\n", replace(signature, inputs=fields, reading=options)) as table:
        (batch,) = table.batches(10)
    assert (batch.raw["x"].tolist(), batch.raw["on"].tolist()) == ([1.234], ["2024-02-01"])


def test_numbers_of_json_and_parquet_have_no_form(scoring: Any) -> None:
    signature = signature_of(x=("number", "1.234,5"), z=("number", "1234.5%"))
    with scoring('{"x": 1.234, "z": 0.12}\n', signature, "rows.jsonl") as table:
        (batch,) = table.batches(10)
    assert (batch.raw["x"].tolist(), batch.raw["z"].tolist()) == ([1.234], [0.12])


def test_a_file_of_one_row_means_what_it_meant_in_the_training_table(validate: Any, scoring: Any) -> None:
    cells = {"price": "1.{:03d},50 €", "weight": "{} kg", "rate": "{} %", "on": "{}/3/2024", "at": "18.{:02d}.00"}
    rows = [";".join(cell.format(1 + i % 28) for cell in cells.values()) + f";{i % 2}" for i in range(60)]
    found = validate("\n".join([";".join(cells) + ";y", *rows]), {"target": "y", "reading": {"delimiter": ";"}})
    profile, accepted = found.profile, found.outcome.accepted
    assert accepted
    assert [column.format for column in profile.columns[:5]] == [
        *("1.234,5 €", "1234,5 kg", "1234,5 %", "day/month/year", "HH.MM.SS")
    ]
    raw = load_columns(found.table, list(found.types), found.types)
    plan = preparation.prepare(
        "m", specs.parse({"target": "y", "reading": {"delimiter": ";"}}), profile, accepted, raw
    ).plan
    signature = plan.signature()
    assert signature.reading == {"delimiter": ";"}
    with scoring(";".join(cells) + "\n" + rows[1].rpartition(";")[0], signature) as table:
        (batch,) = table.batches(1)
    assert {name: values.tolist() for name, values in batch.raw.items()} == {
        name: raw[name][1:2].tolist() for name in cells
    }
