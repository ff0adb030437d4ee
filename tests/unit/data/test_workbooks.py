"""A sheet of a workbook reads like the CSV file it could be saved as; what is unsafe or unclear is refused."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from collections.abc import Sequence
from typing import Any

import openpyxl
import pytest

from tidemill.errors import DataRefused

ROWS = [["name", "age", "since", "member"], ["ada", 36, dt.date(2024, 1, 31), True], ["alan", 41.5, None, False]]


def workbook(sheets: dict[str, Sequence[Sequence[Any]]], hidden: Sequence[str] = ()) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(list(row))
        sheet.sheet_state = "hidden" if title in hidden else "visible"
    data = io.BytesIO()
    book.save(data)
    return data.getvalue()


def changed(data: bytes, part: str, old: bytes, new: bytes) -> bytes:
    """The workbook with a piece of one of its parts replaced."""
    source, target = zipfile.ZipFile(io.BytesIO(data)), io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in source.namelist():
            content = source.read(name)
            if name == part:
                assert old in content
                content = content.replace(old, new, 1)
            archive.writestr(name, content)
    return target.getvalue()


def test_a_sheet_reads_as_text_cells(read: Any) -> None:
    table = read(workbook({"people": ROWS}), "people.csv")
    assert table.names == ("name", "age", "since", "member")
    assert table.cells == [("ada", "36", "2024-01-31", "true"), ("alan", "41.5", "", "false")]
    assert (table.reading.format, table.reading.header, table.reading.assumptions) == ("xlsx", True, ())
    assert table.numeric == {"age", "since", "member"}


def test_kinds_of_cells(read: Any) -> None:
    moments = [dt.datetime.fromisoformat(text) for text in ("2024-01-31T10:30", "2024-01-31")]
    rows = [["when", "clock", "big", "text"]]
    rows += [[moment, dt.time(18, 30), 1e22, "00123"] for moment in moments]
    table = read(workbook({"s": rows}))
    assert table.cells == [
        ("2024-01-31T10:30:00", "18:30:00", "1e+22", "00123"),
        ("2024-01-31", "18:30:00", "1e+22", "00123"),
    ]


def test_percents_are_the_fractions_that_excel_stores(validate: Any) -> None:
    rows = [["rate", "y"], *([0.12 + i / 1000, i % 2] for i in range(60))]
    found = validate(workbook({"s": rows}), {"target": "y"}, name="t.xlsx")
    assert found.types["rate"] == "number"
    assert found.column("rate").minimum == 0.12


def test_the_commas_of_texts_say_nothing_about_numbers(validate: Any) -> None:
    rows = [("weight", "price", "y"), *((1.125 + i, f"{i},85 €", i % 2) for i in range(60))]
    found = validate(workbook({"s": rows}), {"target": "y"}, name="t.xlsx")
    assert (found.column("price").maximum, found.column("weight").maximum) == (59.85, 60.125)


def test_titles_sums_and_empty_columns_around_a_table(read: Any) -> None:
    rows = [["Report of May"], [], [None, "id", "amount"], [None, 1, 2.5], [None, 2, 3.5], [], [None, "Source: us"]]
    table = read(workbook({"s": rows}))
    assert table.names == ("id", "amount")
    assert table.cells == [("1", "2.5"), ("2", "3.5")]
    assert any(
        "above the table were passed over, the first of them 'Report of May'" in a for a in table.reading.assumptions
    )
    assert any("below the table" in a and "Source: us" in a for a in table.reading.assumptions)


def test_the_first_visible_sheet_with_a_table_is_read_unless_the_spec_names_one(read: Any) -> None:
    data = workbook({"old": [["x"], [9]], "cover": [["A title"]], "data": ROWS, "more": [["b"], [1]]}, hidden=["old"])
    table = read(data)
    assert table.names[0] == "name"
    assert "the workbook has 3 sheets: 'data' was read" in table.reading.assumptions[0]
    assert read(data, sheet="more").cells == [("1",)]
    assert read(data, sheet="old").cells == [("9",)]
    with pytest.raises(
        DataRefused, match=r"no sheet 'dat', which reading.sheet of the spec names: it has 'old', 'cover'"
    ):
        read(data, sheet="dat")


def test_errors_of_formulas_are_missing_and_said(read: Any) -> None:
    data = workbook({"s": [["a", "b"], [1, "x"], [2, "y"]]})
    data = changed(
        data, "xl/worksheets/sheet1.xml", b'<c r="A3" t="n"><v>2</v></c>', b'<c r="A3" t="e"><v>#DIV/0!</v></c>'
    )
    table = read(data)
    assert table.cells == [("1", "x"), ("", "y")]
    assert "1 cells hold errors of formulas" in table.reading.assumptions[0]


def test_a_formula_has_the_value_that_was_stored_with_it(read: Any) -> None:
    cell = b'<c r="A3" t="n"><v>2</v></c>'
    data = workbook({"s": [["a", "b"], [1, "x"], [2, "y"]]})
    computed = changed(data, "xl/worksheets/sheet1.xml", cell, b'<c r="A3"><f>A2+1</f><v>2</v></c>')
    assert read(computed).cells[1] == ("2", "y")
    never = changed(data, "xl/worksheets/sheet1.xml", cell, b'<c r="A3"><f>A2+1</f><v></v></c>')
    with pytest.raises(DataRefused, match="the sheet 's' has formulas without stored values: open the workbook"):
        read(never)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (workbook({"s": [[]]}), "no sheet with a table"),
        (workbook({"s": [["a", "b"]]}), "no sheet with a table"),
        (workbook({"s": [["a", "a"], [1, 2]]}), "the column 'a' 2 times"),
        (
            workbook({"s": [["a", "b"], *([i, i] for i in range(1500)), [1, 2, 3]]}),
            "row 1502 of the sheet 's' has a value",
        ),
        (changed(workbook({"s": ROWS}), "xl/worksheets/sheet1.xml", b"</row>", b""), "the workbook cannot be read"),
        (
            changed(workbook({"s": ROWS}), "xl/workbook.xml", b"<workbook", b'<!DOCTYPE a [<!ENTITY b "c">]><workbook'),
            "defines XML entities",
        ),
        (workbook({"s": ROWS})[:-40], "damaged zip archive or workbook"),
    ],
)
def test_what_is_no_table_is_refused(read: Any, data: bytes, message: str) -> None:
    with pytest.raises(DataRefused) as caught:
        read(data, "t.xlsx")
    assert message in str(caught.value)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(read: Any) -> None:
    data = io.BytesIO(workbook({"s": ROWS}))
    with zipfile.ZipFile(data, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/zeros.bin", bytes(10**7))
    with pytest.raises(DataRefused, match="unpacks to more than"):
        read(data.getvalue(), "t.xlsx", max_bytes=10**6)
