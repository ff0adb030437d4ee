"""What a column holds is decided from all of its cells."""

from __future__ import annotations

from typing import Any

import pytest

from tidemill.data.parquet import load_columns


def table(cells: list[str], rows: int = 60) -> str:
    """A table of the column `x`, its cells repeated, beside another feature and a target."""
    lines = [f'"{cells[i % len(cells)]}",{i % 7},{i // 4 % 2}' for i in range(rows)]
    return "x,other,target\n" + "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "2", "-3"], "integer"),
        (["1.0", "2.0", "3"], "integer"),
        (["1", "2.5", "-3e2", ".5", "+7"], "number"),
        (["29.85", " ", "108.15"], "number"),
        (["1", "?", "2", "NA", "n/a", "NaN", "null", "None", "-", ""], "integer"),
        (["true", "False", "TRUE"], "boolean"),
        (["Yes", "No"], "category"),
        (["01234", "98765"], "category"),
        (["0", "0.5", "-0.25"], "number"),
        (["12345678901234567890", "12345678901234567891"], "category"),
        (["1e300", "1"], "integer"),
        (["1_000", "2_000"], "category"),
        (["0x1F", "0x2A"], "category"),
        (["1,5", "2,5"], "number"),
        (["$2.39 ", "$3.39 "], "number"),
        (["2024-01-31", "2024-02-01"], "date"),
        (["2024-01-31 10:11:12", "2024-01-31T10:11:12.5Z"], "date"),
        (["2024-01", "2024-02"], "date"),
        (["31.01.2024", "01.02.2024"], "date"),
        (["31/01/2024", "01/02/2024"], "date"),
        (["11/8/2018", "11/18/2018"], "date"),
        (["11/8/2018", "10/9/2018"], "category"),
        (["31-Jan-2024", "1 March 2024"], "date"),
        (["Jan 31, 2024", "March 1, 2024"], "date"),
        (["2024-02-30", "2024-02-01"], "category"),
        (["18.00.00", "19.00.00"], "number"),
        (["31-Jan-24", "1 March 25"], "date"),
        (["Jan 2024", "March 2024"], "date"),
        (["1/31/24", "2/1/24"], "date"),
        (["31.12.24", "01.02.25"], "date"),
        (["10.11.12", "01.02.03"], "category"),
        (["20240131", "20240201", "20240301"], "integer"),
        (["", "NA"], "empty"),
        (["a"], "category"),
    ],
)
def test_types(validate: Any, cells: list[str], kind: str) -> None:
    assert validate(table(cells), {"target": "target"}).types["x"] == kind


def test_long_texts_that_differ_are_text_and_levels_are_categories(validate: Any) -> None:
    words = ["go", "to", "the", "market", "and", "buy", "fresh", "bread"]
    different = [" ".join(words[(i * k) % 8] for k in range(1, 10)) + f" {i}" for i in range(60)]
    assert validate(table(different), {"target": "target"}).types["x"] == "text"
    assert validate(table(different[:5]), {"target": "target"}).types["x"] == "category"


def test_one_odd_cell_in_the_last_row_counts(validate: Any) -> None:
    rows = [f"{i % 100},{i % 2}" for i in range(20_000)]
    rows[-1] = "unknown,1"
    found = validate("x,target\n" + "\n".join(rows), {"target": "target"})
    assert found.types["x"] == "category"
    check = found.check("mixed_values")
    assert check.verdict == "warn"
    assert "holds numbers except for 1 cells such as 'unknown'" in check.detail


def test_missing_words_of_the_spec(validate: Any) -> None:
    text = table(["1", "-200", "-200.0", "unknown", "5"])
    found = validate(text, {"target": "target", "missing_values": ["-200", "unknown"]})
    assert found.types["x"] == "integer"
    assert found.column("x").missing == 36
    assert found.column("x").minimum == 1


def test_dates_are_canonical(validate: Any) -> None:
    for cells, first in [
        (["11/18/2018", "1/2/2018"], "2018-11-18"),
        (["18/11/2018 1:05 PM", "1/2/2018 0:00"], "2018-11-18T13:05:00"),
        (["2024-01-31T10:11:12.250+02:00", "2024-01-31T00:00:00Z"], "2024-01-31T08:11:12.250000Z"),
        (["2024-01-31 10:11:12 UTC", "2024-02-01 00:00:00 UTC"], "2024-01-31T10:11:12Z"),
        (["2024/1/3", "2024/12/31"], "2024-01-03"),
        (["2024-03", "2024-04"], "2024-03-01"),
    ]:
        found = validate(table(cells), {"target": "target"})
        assert load_columns(found.table, ["x"], {"x": "date"})["x"][0] == first


def test_ambiguous_dates_stay_text_and_say_so(validate: Any) -> None:
    found = validate(table(["11/8/2018", "10/9/2018"]), {"target": "target"})
    assert "day/month/year or as month/day/year" in found.check("ambiguous_dates").detail
    found = validate(table(["11/8/2018"]), {"target": "target", "columns": {"x": "date"}})
    assert found.check("declared_type").verdict == "refuse"
    assert "write them as ISO 8601" in found.check("declared_type").detail


def test_numbers_that_models_cannot_hold_are_missing_and_said(validate: Any) -> None:
    found = validate(table(["1", "inf", "1e39", "2", "3"]), {"target": "target"})
    assert found.types["x"] == "integer"
    assert found.column("x").missing == 24
    assert "24 values" in found.check("infinite_values").detail


@pytest.mark.parametrize(
    ("kind", "cells", "first"),
    [
        ("category", ["1", "2"], "1"),
        ("number", ["1", "2"], 1.0),
        ("boolean", ["Yes", "no", "1"], "true"),
        ("text", ["1", "2"], "1"),
        ("date", ["2024-01-31", ""], "2024-01-31"),
    ],
)
def test_the_spec_declares_types(validate: Any, kind: str, cells: list[str], first: object) -> None:
    found = validate(table(cells), {"target": "target", "columns": {"x": kind}})
    assert found.types["x"] == kind
    assert load_columns(found.table, ["x"], {"x": kind})["x"][0] == first


@pytest.mark.parametrize(
    ("kind", "bad", "message"),
    [
        ("number", "many", "the column 'x' must hold a number, not 'many' (row 3)"),
        ("integer", "2.5", "the column 'x' must hold a whole number, not '2.5' (row 3)"),
        ("boolean", "maybe", "the column 'x' must hold true or false (or yes, no, 1, 0), not 'maybe' (row 3)"),
        ("date", "soon", "not '1' (row 1)"),
    ],
)
def test_a_cell_that_does_not_fit_its_declared_type_is_named(validate: Any, kind: str, bad: str, message: str) -> None:
    found = validate(table(["1", "0", bad]), {"target": "target", "columns": {"x": kind}})
    check = found.check("declared_type")
    assert (check.verdict, check.column) == ("refuse", "x")
    assert message in check.detail
    assert found.profile
    assert found.outcome.accepted is None


def test_the_spec_names_words_that_are_values(validate: Any) -> None:
    found = validate(table(["NA", "-", "x", ""]), {"target": "target", "real_values": ["NA", "-"]})
    assert (found.column("x").distinct, found.column("x").missing) == (3, 15)
    assert validate(table(["NA", "-", "x", ""]), {"target": "target"}).column("x").missing == 45


def test_dates_that_a_person_must_decide(validate: Any) -> None:
    found = validate(table(["11/8/2018", "10/9/2018"]), {"target": "target", "reading": {"dates": "day_first"}})
    assert (found.types["x"], found.column("x").format) == ("date", "day/month/year")
    found = validate(table(["2010-11", "2011-12"]), {"target": "target"})
    assert "can be read as year-month or as two years" in found.check("ambiguous_dates").detail
    seconds = table(["1700000000", "1700086400"])
    assert validate(seconds, {"target": "target"}).types["x"] == "integer"
    found = validate(seconds, {"target": "target", "columns": {"x": "date"}})
    assert load_columns(found.table, ["x"], {"x": "date"})["x"][0] == "2023-11-14"
    days = table([f"202401{day:02d}" for day in range(1, 21)])
    assert validate(days, {"target": "target"}).column("x").format == "yearmonthday"
