"""Numbers as people write them become numbers when a whole column is written in one form, and the report says which."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.data import number_formats
from tidemill.data.number_formats import ClockForm, NumberForm
from tidemill.data.parquet import load_columns


def table(cells: list[str], delimiter: str = ",", other: str = "7") -> str:
    """A table of the column `x`, its cells repeated, beside another feature and a target."""
    lines = [delimiter.join((f'"{cells[i % len(cells)]}"', other, f"{i // 4 % 2}")) for i in range(60)]
    return "\n".join([delimiter.join(("x", "other", "target")), *lines]) + "\n"


def values(found: Any, cells: list[str]) -> list[float]:
    return load_columns(found.table, ["x"], {"x": "number"})["x"][: len(cells)].tolist()


@pytest.mark.parametrize(
    ("cells", "kind", "expected", "form"),
    [
        (["1,5", "-2,25", "3"], "number", [1.5, -2.25, 3], "1234,5"),
        (["1.234,5", "12", "1.234.567"], "number", [1234.5, 12, 1234567], "1.234,5"),
        (["1,234.5", "0.25", "1,234,567"], "number", [1234.5, 0.25, 1234567], "1,234.5"),
        (["1 234,5", "1\u00a0234\u202f567", "7"], "number", [1234.5, 1234567, 7], "1 234,5"),
        (["1'234.5", "1’234", "9"], "number", [1234.5, 1234, 9], "1'234.5"),
        (["200.000.000", "1.000.000"], "integer", [2e8, 1e6], "1.234,5"),
        (["1,5e3", "2,5E-1"], "number", [1500, 0.25], "1234,5"),
        (["$2.39 ", "$1,003.39", "-$5", "$-6"], "number", [2.39, 1003.39, -5, -6], "$1,234.5"),
        (["2,39 €", "1.003,39€", "−5 €"], "number", [2.39, 1003.39, -5], "1.234,5 €"),
        (["EUR 12", "EUR 1200"], "integer", [12, 1200], "EUR1234.5"),
        (["12.50 USD", "9 USD"], "number", [12.5, 9], "1234.5 USD"),
        (["£(12.50)", "£9"], "category", [], ""),
        (["(£12.50)", "£9"], "number", [-12.5, 9], "£1234.5"),
        (["(1,234)", "1,234,567", "5"], "integer", [-1234, 1234567, 5], "1,234.5"),
        (["12%", "7.5 %", "-100%"], "number", [0.12, 0.075, -1], "1234.5%"),
        (["12 kg", "3.5 kg"], "number", [12, 3.5], "1234.5 kg"),
        (["3.5GB", "512GB"], "number", [3.5, 512], "1234.5GB"),
        (["5 years", "1 year"], "integer", [5, 1], "1234.5 year"),
        (["90 km/h", "112 km/h"], "integer", [90, 112], "1234.5 km/h"),
        (["18.00.00", "07.30.36"], "number", [18, 7.51], "HH.MM.SS"),
        (["0:00", "18:30", "7:15:00"], "number", [0, 18.5, 7.25], "HH:MM:SS"),
        (["12:30 AM", "6:45 pm"], "number", [0.5, 18.75], "HH:MM:SS PM"),
    ],
)
def test_a_column_of_one_form_holds_numbers(
    validate: Any, cells: list[str], kind: str, expected: list[float], form: str
) -> None:
    found = validate(table(cells), {"target": "target"})
    assert (found.types["x"], found.column("x").format) == (kind, form)
    if expected:
        assert values(found, expected) == pytest.approx(expected, rel=1e-12)
        assert any("the column 'x' holds" in said for said in found.profile.reading.assumptions)
        assert not [check for check in found.checks("mixed_values") if check.verdict == "warn"]


@pytest.mark.parametrize(
    "cells",
    [
        ["12A", "13A"],
        ["1st", "2nd"],
        ["10.1.2.3", "10.1.2.4"],
        ["555 123 456", "555 321 654"],
        ["(1)", "(2)"],
        ["1.2.3", "1.2.4"],
        ["007,5", "008,5"],
        ["12 Main St", "13 High St"],
    ],
)
def test_codes_are_no_numbers(validate: Any, cells: list[str]) -> None:
    found = validate(table(cells), {"target": "target"})
    assert (found.types["x"], found.column("x").format) == ("category", "")


def test_one_cell_of_another_form_keeps_the_column_text_and_says_so(validate: Any) -> None:
    found = validate(table(["$1.50"] * 29 + ["free"]), {"target": "target"})
    assert found.types["x"] == "category"
    assert "holds numbers except for 2 cells such as 'free'" in found.check("mixed_values").detail
    found = validate(table(["512 MB", "3 GB"]), {"target": "target"})
    assert "'x' holds numbers in several units (GB, MB)" in found.check("mixed_values").detail
    found = validate(table(["$5", "€6"]), {"target": "target"})
    assert "in several units ($, €)" in found.check("mixed_values").detail


def test_ranges_are_categories_and_said(validate: Any) -> None:
    found = validate(table(["0-9", "10-19", "20+"]), {"target": "target"})
    assert (found.types["x"], found.column("x").format) == ("category", "10-20")
    assert "the column 'x' holds ranges of numbers: they were kept as categories" in found.profile.reading.assumptions


# --- points and commas that can mean two things ------------------------------------------------


@pytest.mark.parametrize(
    ("text", "spec", "expected", "why"),
    [
        (table(["1,234", "12,500"]), {}, [1234, 12500], "mark thousands, as usual in a file with this delimiter"),
        (table(["1,234", "12,500"], ";"), {}, [1.234, 12.5], "mark decimals, as usual in a file with this delimiter"),
        (table(["1,234", "12,500"], ";", "2.5"), {}, [1234, 12500], "mark thousands, as in the other columns"),
        (table(["1,234", "12,500"], ",", '"2,5"'), {}, [1.234, 12.5], "mark decimals, as in the other columns"),
        (table(["1.234", "12.500"], ";", "2,5"), {}, [1234, 12500], "mark thousands, as in the other columns"),
        (table(["1.234", "12.500"], ";"), {}, [1.234, 12.5], "mark decimals, as usual"),
        (table(["1,234", "12,500"]), {"decimal": "comma"}, [1.234, 12.5], "as reading.decimal of the spec says"),
        (table(["1.234", "12.500"]), {"decimal": "comma"}, [1234, 12500], "as reading.decimal of the spec says"),
    ],
)
def test_what_decides_between_decimals_and_thousands(
    validate: Any, text: str, spec: dict[str, str], expected: list[float], why: str
) -> None:
    found = validate(text, {"target": "target", "reading": spec})
    assert values(found, expected) == expected
    assert any(why in said for said in found.profile.reading.assumptions)


@pytest.mark.parametrize("cells", [["0,757", "1,234"], ["1,234", "1,5"], ["1234", "1,234"]])
def test_a_column_may_prove_its_decimal_comma(validate: Any, cells: list[str]) -> None:
    found = validate(table(cells), {"target": "target"})
    assert values(found, cells) == [float(cell.replace(",", ".")) for cell in cells]


def test_plain_decimals_are_never_taken_for_thousands(validate: Any) -> None:
    found = validate(table(["1.234", "12.5"], ";", "2,5"), {"target": "target"})
    assert values(found, ["", ""]) == [1.234, 12.5]
    assert not any("could mark" in said for said in found.profile.reading.assumptions)


@pytest.mark.parametrize(
    ("cells", "reading", "message"),
    [
        (["1.5", "2.25"], {"decimal": "comma"}, "reading.decimal of the spec says comma, but 'x' holds '1.5'"),
        (["1,5", "2,25"], {"decimal": "point"}, "reading.decimal of the spec says point, but 'x' holds '1,5'"),
        (
            ["1/31/2024"],
            {"dates": "day_first"},
            "reading.dates of the spec says day_first, but 'x' holds dates as month",
        ),
    ],
)
def test_a_column_that_contradicts_the_spec_is_refused(
    validate: Any, cells: list[str], reading: dict[str, str], message: str
) -> None:
    check = validate(table(cells), {"target": "target", "reading": reading}).check("declared_type")
    assert (check.verdict, check.column) == ("refuse", "x")
    assert message in check.detail


def test_the_spec_may_declare_the_type_of_formatted_numbers(validate: Any) -> None:
    found = validate(table(["$5", "$6"]), {"target": "target", "columns": {"x": "number"}})
    assert (found.types["x"], values(found, ["", ""])) == ("number", [5, 6])
    found = validate(table(["$5", "$6"]), {"target": "target", "columns": {"x": "category"}})
    assert (found.types["x"], found.column("x").format) == ("category", "")


# --- forms ---------------------------------------------------------------------------------------

FORMS = st.builds(
    lambda marks, affix: NumberForm(*marks, *affix),
    st.sampled_from([(".", ""), (".", ","), (".", " "), (".", "'"), (",", ""), (",", "."), (",", " "), (",", "'")]),
    st.sampled_from([("", ""), ("$", ""), ("", " €"), ("", "%"), ("", " kg"), ("CHF", ""), ("R$", ""), ("", "km/h")]),
)


def written(number: int, decimals: int, form: NumberForm) -> str:
    text = f"{abs(number) / 10**decimals:,.{decimals}f}"
    text = text.translate({ord(","): form.thousands, ord("."): form.decimal})
    return f"{'-' if number < 0 else ''}{form.before}{text}{form.after}"


@given(FORMS, st.lists(st.tuples(st.integers(-(10**9), 10**9), st.integers(0, 4)), min_size=1, max_size=5))
@settings(max_examples=60, deadline=None)
def test_what_is_written_in_a_form_reads_back(form: NumberForm, numbers: list[tuple[int, int]]) -> None:
    texts = [written(number, decimals, form) for number, decimals in numbers]
    share = 100 if form.is_percent else 1
    for reader in (form, number_formats.named(form.example)):
        assert reader is not None
        with duckdb.connect() as connection:
            rows = connection.execute(f"SELECT {reader.sql('t')} FROM (SELECT unnest(?) AS t)", [texts]).fetchall()
        assert [row[0] for row in rows] == [pytest.approx(n / 10**d / share, rel=1e-12) for n, d in numbers]


def test_an_example_names_its_form() -> None:
    assert number_formats.named("HH.MM.SS") == ClockForm(".", False)
    assert number_formats.named("1.234,5 kg") == NumberForm(",", ".", "", " kg", lenient=True)
    assert number_formats.named("10-20") is None
    assert number_formats.named("") is None
