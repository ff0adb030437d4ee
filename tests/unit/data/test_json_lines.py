"""JSON Lines: one object a line, each key a column."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.errors import DataRefused


def test_objects_become_rows_in_the_order_of_first_appearance(read: Any) -> None:
    table = read('{"a": 1, "b": "x"}\n\n{"b": null, "c": true, "a": 2.50}\n', "t.jsonl")
    assert table.names == ("a", "b", "c")
    assert table.cells == [("1", "x", ""), ("2.50", "", "true")]
    assert table.reading.format == "jsonl"
    assert "1 of 2 objects have other keys" in table.reading.assumptions[0]


def test_the_content_decides_not_the_name(read: Any) -> None:
    assert read('{"a": 1}\n{"a": 2}\n', "table.csv").reading.format == "jsonl"
    assert read('{"a": 1}\n{"a": 2}\n'.encode("utf-16"), "table.csv").reading.format == "jsonl"


def test_no_digit_is_lost(read: Any) -> None:
    table = read('{"a": 12345678901234567890, "b": 0.10000000000000000001, "c": NaN}\n')
    assert table.cells == [("12345678901234567890", "0.10000000000000000001", "NaN")]


def test_nested_values_are_text_with_an_assumption(read: Any) -> None:
    table = read('{"a": {"z": 1, "y": [2]}, "b": 1}\n{"a": null, "b": 2}\n')
    assert table.cells[0][0] == '{"y": ["2"], "z": "1"}'
    assert table.reading.assumptions == ("the column 'a' holds nested JSON values: they were read as text",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"a": 1}, {"a": 2}', "object 3 of the list is not a JSON object: write one JSON object a line"),
        ('[{"a": 1} {"a": 2}]', "a comma is missing or too many before object 2"),
        ('[{"a": 1},, {"a": 2}]', "object 2 of the list is not a JSON object"),
        ('[{"a": 1}, 7]', "object 2 of the list is not a JSON object"),
        ('[{"a": 1}] {"a": 2}', "more text behind the list"),
        ("[]", "the file holds no values"),
        ('{\n "a": 1\n}\n', "line 1 is not a JSON object"),
        ('{"a": 1}\n{"a": 2\n', "line 2 is not a JSON object"),
        ('{"a": 1}\n[1, 2]\n', "line 2 is not a JSON object"),
        ('{"a": 1, "a": 2}\n', "line 1 is not a JSON object"),
        ("[1, 2]\n[3, 4]\n", "line 1 is not a JSON object"),
        ('{"a": 1}\n{"A": 2}\n', "'a' and 'A' differ in upper and lower case only"),
        ('{"": 1}\n', "a key without a name"),
        ("{}\n{}\n", "the file holds no values"),
        ('{"a": "\\ud800"}\n', "half a character"),
        ('{"a": "x\\u0000y"}\n', "a NUL"),
        ('{"a": ' + "[" * 100_000 + "\n", "line 1 is not a JSON object"),
    ],
)
def test_what_is_not_one_object_a_line_is_refused(read: Any, text: str, message: str) -> None:
    with pytest.raises(DataRefused) as caught:
        read(text, "table.jsonl")
    assert message in str(caught.value)


def test_a_name_that_promises_json_holds_it_to_that(read: Any) -> None:
    with pytest.raises(DataRefused, match="not a JSON object"):
        read("a,b\n1,2\n", "table.jsonl")


def test_a_list_of_objects_reads_as_one_object_a_line_does(read: Any) -> None:
    rows = [{"a": i, "b": f"x{i}", "c": None, "d": [i]} for i in range(20_000)]
    lines = read("\n".join(map(json.dumps, rows)))
    for text in (json.dumps(rows), json.dumps(rows, indent=2), "\n " + json.dumps(rows, separators=(",", ":")) + "\n"):
        table = read(text, "table.json")
        assert (table.names, table.cells) == (lines.names, lines.cells)
        assert table.reading.format == "json"
        assert table.numeric == {"a", "c", "d"}


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
)


@given(rows=st.lists(st.fixed_dictionaries({"one": scalars, "two": scalars}), min_size=1, max_size=6))
@settings(max_examples=25, deadline=None)
def test_scalars_read_back(read: Any, rows: list[dict[str, object]]) -> None:
    text = "".join(json.dumps(row, ensure_ascii=len(rows) % 2 == 0) + "\n" for row in rows)
    table = read(text, "t.jsonl")

    def cell(value: object) -> str:
        return "" if value is None else value if isinstance(value, str) else json.dumps(value)

    assert table.cells == [tuple(cell(row[name]) for name in table.names) for row in rows]
