"""Delimited texts of every sane kind read back to the same cells, and nothing is read wrong in silence."""

from __future__ import annotations

import csv
import io
from typing import Any

import duckdb
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tidemill.data import csv_rows, reading
from tidemill.data.encoding import Encoding
from tidemill.errors import DataRefused

DELIMITERS = [",", ";", "\t", "|"]
LINE_ENDS = ["\n", "\r\n", "\r"]
#: Letters that make no valid UTF-8 when they are written as Latin-1 or Windows-1252.
WESTERN = st.text(st.sampled_from("abcdefgh ,;|\t\"'\\.-0123456789éüñø"), max_size=12)
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


def written(rows: list[list[str]], delimiter: str, line_end: str, quoting: int = csv.QUOTE_MINIMAL) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=line_end, quoting=quoting).writerows(rows)  # type: ignore[arg-type]
    return text.getvalue()


@st.composite
def tables(draw: st.DrawFn, cells: st.SearchStrategy[str]) -> list[list[str]]:
    columns = draw(st.integers(2, 5))
    header = [f"column name {'abcde'[i]}" for i in range(columns)]
    rows = draw(st.lists(st.lists(cells, min_size=columns, max_size=columns), min_size=1, max_size=8))
    # Empty rows at the end, and a text alone behind one, are what a spreadsheet leaves below a table.
    assume(sum(map(bool, map(str.strip, rows[-1]))) > 1)
    return [header, *rows]


def check_round_trip(
    read: Any, rows: list[list[str]], delimiter: str, line_end: str, quoting: int, encoding: str
) -> None:
    # Python 3.11's writer leaves a line end that is not its own without quotes.
    if any(mark in cell for row in rows for cell in row for mark in "\r\n"):
        quoting = csv.QUOTE_ALL
    data = written(rows, delimiter, line_end, quoting).encode(encoding)
    table = read(data)
    assert table.names == tuple(rows[0])
    assert table.cells == [tuple(row) for row in rows[1:]]
    assert table.reading.delimiter == delimiter


dialects = {
    "delimiter": st.sampled_from(DELIMITERS),
    "line_end": st.sampled_from(LINE_ENDS),
    "quoting": st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
}


@given(rows=tables(ANY_TEXT), encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]), **dialects)
@settings(max_examples=40, deadline=None)
def test_unicode_tables_read_back(
    read: Any, rows: list[list[str]], delimiter: str, line_end: str, quoting: int, encoding: str
) -> None:
    check_round_trip(read, rows, delimiter, line_end, quoting, encoding)


@given(rows=tables(WESTERN), encoding=st.sampled_from(["latin-1", "cp1252"]), **dialects)
@settings(max_examples=25, deadline=None)
def test_western_tables_read_back(
    read: Any, rows: list[list[str]], delimiter: str, line_end: str, quoting: int, encoding: str
) -> None:
    letters = [letter for row in rows for cell in row for letter in cell if letter.isalpha()]
    assume(sum(letter > "\x7f" for letter in letters) <= len(letters) / 4)
    check_round_trip(read, rows, delimiter, line_end, quoting, encoding)


@given(
    data=st.one_of(
        st.binary(max_size=200),
        st.text(st.sampled_from("ab1\",;|\t\n\r'\\ {}[]:"), max_size=80).map(str.encode),
        st.text(st.sampled_from('{}[]":,\\u0nultrefas 1\n'), max_size=60).map(lambda text: f'{{"a"{text}'.encode()),
    ),
    name=st.sampled_from(["t.csv", "t.tsv", "t.jsonl", "t.parquet", "t.csv.gz"]),
)
@settings(max_examples=80, deadline=None)
def test_any_bytes_are_a_table_or_refused(read: Any, data: bytes, name: str) -> None:
    try:
        table = read(data, name)
    except DataRefused:
        return
    assert table.cells
    assert len(set(table.names)) == len(table.names)
    assert all(len(row) == len(table.names) for row in table.cells)


# --- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b,c\n1,2,3\n1,2,3,4\n", "line 3 has 4 fields where 3 are expected"),
        ("a,b,c\n1,2,3\n1,2\n1,2,3\n", "line 3 has 2 fields where 3 are expected"),
        ("Report of May\n1,2,3\n4,5,6\n", "line 1 has 1 fields but most rows have 3: begin the file with a header"),
        (
            "PREAMBLE,,,\n7,8,9,0\n1,2,3,4\n",
            "the first line of the table names only 1 of 4 columns: delete what stands",
        ),
        ("a,b,c\n1,2,3\n4,5,6\n7\n", "line 4 has 1 fields where 3 are expected"),
        ("name,b,c\nAnn,2,3\nBob,5,6\nJim\n", "line 4 has 1 fields where 3 are expected"),
        ('a,b\n1,"x\n2,y\n', "is within a quote that is never closed"),
        ('a,b\n1,"x" y\n"2, 3",z\n', 'more text behind its closing quote: write a quote within a cell as ""'),
        ("id,name,id\n1,a,2\n", "the column 'id' 2 times: give each column a name of its own"),
        ("Age,age\n1,2\n", "'Age' and 'age' differ in upper and lower case only"),
        ("a;b,c\n1;2,3\n", "both the comma and the semicolon could be the delimiter"),
        ("a,b\nx,y\nx,y,z\n" + "x,y\n" * 9, "line 3 has 3 fields where 2 are expected"),
        ("a,b\n1,2,3\n1,5,6\n", "the header has 2 names but each row 3 fields: name every column"),
        ("a,b\n1.5,2,3\n2.5,5,6\n", "the header has 2 names but each row 3 fields"),
        ("a,b\n1,2,3\n", "the header has 2 names but each row 3 fields"),
        (
            ",".join(f"c{i}" for i in range(1001)) + "\n" + ",".join("1" * 1001) + "\n",
            "1,001 columns, more than the 1,000",
        ),
        ("a,b\n1," + "x" * 140_000 + "\n", "a cell of more than 131,072 characters"),
    ],
)
def test_a_table_that_cannot_be_read_for_certain_is_refused(read: Any, text: str, message: str) -> None:
    with pytest.raises(DataRefused) as caught:
        read(text)
    assert message in str(caught.value)


def test_a_row_that_breaks_the_table_far_behind_the_beginning_is_found(read: Any) -> None:
    rows = ["a,b"] + [f"{i},some text to fill the line" for i in range(60_000)]
    rows[50_000] += ",more"
    with pytest.raises(DataRefused, match="line 50001 has 3 fields where 2 are expected"):
        read("\n".join(rows))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("имя,город\nАнна,Москва\n".encode("cp1251"), "neither UTF-8 nor in a western European encoding"),
        ("名前,年齢\n太郎,3\n".encode("shift_jis"), "neither UTF-8 nor in a western European encoding"),
        ("name,city\nZoë,Zürich\nJosé,Málaga\n".encode() + b"x,\xff\n", "UTF-8 with damaged characters"),
        ("a,b\n1,2\n".encode("utf-16")[:-1], "begins as UTF-16 but cannot be decoded"),
        (b"\xef\xbb\xbfa,b\n1,\xff\n", "begins as UTF-8 but cannot be decoded near line 1"),
        (b"name,a\nx,caf\xe9 \x81 and more letters\n", "neither UTF-8 nor in a western European encoding"),
    ],
)
def test_letters_are_never_guessed(read: Any, data: bytes, message: str) -> None:
    with pytest.raises(DataRefused) as caught:
        read(data)
    assert message in str(caught.value)


# --- what is assumed ---------------------------------------------------------------------------


def test_western_letters_are_read_with_an_assumption(read: Any) -> None:
    table = read("name,city\nJosé,Málaga\nAnn,Bristol\n".encode("latin-1"))
    assert table.cells[0] == ("José", "Málaga")
    assert table.reading.encoding == "cp1252"
    assert "read as Windows-1252" in table.reading.assumptions[0]


def test_utf16_needs_no_byte_order_mark(read: Any) -> None:
    for codec in ("utf-16-le", "utf-16-be"):
        table = read("name,city\nJosé,Málaga\n".encode(codec))
        assert table.cells == [("José", "Málaga")]
        assert table.reading.assumptions


def test_a_file_without_a_header_gets_names(read: Any) -> None:
    table = read("A11,6,1169\nA12,48,5951\nA11,12,2096\nA12,42,7882\n")
    assert table.names == ("column_1", "column_2", "column_3")
    assert len(table.cells) == 4
    assert not table.reading.header
    assert "has no header" in table.reading.assumptions[0]


def test_names_known_from_elsewhere_tell_the_header(read: Any) -> None:
    text = "2019,2021\n5,6\n7,8\n"
    assert not read(text).reading.header
    assert read(text, expected=("2021",)).names == ("2019", "2021")


def test_numbers_that_count_up_are_names(read: Any) -> None:
    assert read("country,2010,2011,2012\nAT,5,6,7\nBE,8,9,1\n").names == ("country", "2010", "2011", "2012")


def test_words_above_words_are_a_header(read: Any) -> None:
    table = read("type,text\nham,see you later\nham,ok then\nspam,win a prize\n")
    assert table.names == ("type", "text")
    assert not table.reading.assumptions


def test_a_row_number_that_the_header_does_not_name(read: Any) -> None:
    table = read('"date","light"\n"1","2015-02-04",426\n"2","2015-02-05",429\n')
    assert table.names == ("row_number", "date", "light")
    assert table.cells == [("1", "2015-02-04", "426"), ("2", "2015-02-05", "429")]
    assert table.row_number == "row_number"
    assert "one field more than the header" in table.reading.assumptions[0]


def test_a_delimiter_at_the_end_of_each_row_is_no_column(read: Any) -> None:
    table = read("a,b\n1,2,\n3,4,\n")
    assert (table.names, table.cells) == (("a", "b"), [("1", "2"), ("3", "4")])
    assert "delimiter that the header lacks" in table.reading.assumptions[0]
    table = read("a,b,\n1,2\n3,4\n")
    assert (table.names, table.cells) == (("a", "b"), [("1", "2"), ("3", "4")])
    assert "delimiter that the rows lack" in table.reading.assumptions[0]


def test_columns_without_a_name_get_one(read: Any) -> None:
    table = read("a,,column_2,\n1,2,3,\n4,5,6,\n")
    assert table.names == ("a", "column_2_", "column_2", "column_4")
    assert "leaves 2 columns unnamed" in table.reading.assumptions[0]


def test_empty_lines_are_passed_over_and_counted(read: Any) -> None:
    table = read("\na,b\n\n1,2\n   \n3,4\n\n\n")
    assert table.cells == [("1", "2"), ("3", "4")]
    assert table.reading.assumptions == ("5 empty lines were passed over",)


def test_other_ways_of_quoting(read: Any) -> None:
    escaped = read('a,b\n1,"say \\"hi\\", now"\n2,"x"\n')
    assert escaped.cells[0] == ("1", 'say "hi", now')
    assert "escaped with a backslash" in escaped.reading.assumptions[0]
    single = read("'a','b'\n'1','x, y'\n'2','z'\n")
    assert (single.names, single.cells[0]) == (("a", "b"), ("1", "x, y"))
    unquoted = read('a\tb\n1\t5" wide\n2\t"tall\n')
    assert unquoted.cells == [("1", '5" wide'), ("2", '"tall')]
    assert "does not quote cells" in unquoted.reading.assumptions[0]


def test_decimal_commas_do_not_hide_the_semicolon(read: Any) -> None:
    table = read("1,5;2,5;3,5\n1,7;2,8;3,9\n1,1;2,2;3,3\n")
    assert table.reading.delimiter == ";"
    assert table.cells[0] == ("1,5", "2,5", "3,5")


def test_one_column_is_a_table_when_nothing_could_split_it(read: Any) -> None:
    table = read('text\nhello\n""\nworld\n')
    assert table.cells == [("hello",), ("",), ("world",)]
    with pytest.raises(DataRefused, match="line 2 has 2 fields"):
        read("text\nhello, you\nworld\nx\ny\n")


def test_names_are_trimmed_and_cells_are_not(read: Any) -> None:
    table = read("a , b\n 1, x \n")
    assert table.names == ("a", "b")
    assert table.cells == [(" 1", " x ")]


def test_a_file_without_line_ends_is_refused_before_it_fills_the_memory(read: Any) -> None:
    with pytest.raises(DataRefused, match="line 1 has more than 16,777,216 characters"):
        read("1,2," * 5_000_000)


# --- what is no row of the table ---------------------------------------------------------------

ROWS = "id,name,amount\n1,x,2.5\n2,y,3.5\n3,z,4.5\n"


@pytest.mark.parametrize(
    ("above", "said"),
    [
        ("Report of May\n", "1 line above the table was passed over, 'Report of May'"),
        (
            "Report of May\n\nall regions\n\n",
            "3 lines above the table were passed over, the first of them 'Report of May'",
        ),
        ("Report,,\n,,\n", "2 lines above the table were passed over, the first of them 'Report'"),
        ("# made by hand, in May\n", "1 line above the table was passed over, '# made by hand'"),
        ("Report\nfrom,2026-01-01\nto,2026-02-01\n", "3 lines above the table were passed over"),
    ],
)
def test_lines_above_the_table_are_passed_over_and_quoted(read: Any, above: str, said: str) -> None:
    for text in (ROWS, ROWS.replace(",", ";")):
        table = read((above if "," in text else above.replace(",", ";")) + text)
        assert table.names == ("id", "name", "amount")
        assert table.cells == [("1", "x", "2.5"), ("2", "y", "3.5"), ("3", "z", "4.5")]
        assert any(said.replace(",,", ";;") in assumption for assumption in table.reading.assumptions)


@pytest.mark.parametrize(
    ("below", "said"),
    [
        (",,\n,,\n", "2 lines below the table were passed over"),
        ("Source: the office\n", "1 line below the table was passed over, 'Source: the office'"),
        ("\nas of May\n", "1 line below the table was passed over, 'as of May'"),
        (
            ",,\nSource: the office,,\n",
            "2 lines below the table were passed over, the first of them 'Source: the office'",
        ),
        ("Total,,10.5\n", "1 line below the table was passed over, 'Total'"),
        ("(3 rows affected)\n", "1 line below the table was passed over, '(3 rows affected)'"),
    ],
)
def test_lines_below_the_table_are_passed_over_and_quoted(read: Any, below: str, said: str) -> None:
    table = read(ROWS + below)
    assert table.cells == [("1", "x", "2.5"), ("2", "y", "3.5"), ("3", "z", "4.5")]
    assert any(said in assumption for assumption in table.reading.assumptions)


def test_rows_with_one_cell_are_rows(read: Any) -> None:
    sparse = "name,a,b,c\nann,,,\nbob,1,,\n" + "jim,,2,\n" * 5 + "sue,,,\n"
    assert len(read(sparse).cells) == 8
    assert read(ROWS + "4,,\n").cells[-1] == ("4", "", "")


def test_the_first_line_may_name_the_delimiter(read: Any) -> None:
    table = read("sep=;\na;b,c\n1;2,3\n")
    assert (table.names, table.cells) == (("a", "b,c"), [("1", "2,3")])


def test_delimiters_escaped_with_a_backslash(read: Any) -> None:
    table = read("name,path\nDoe\\, John,C:\\temp\nAnn,\\N\n")
    assert table.cells == [("Doe, John", "C:\\temp"), ("Ann", "\\N")]
    assert "delimiters within cells are escaped with a backslash" in table.reading.assumptions[0]


# --- what the spec says ------------------------------------------------------------------------


def test_the_spec_says_how_a_file_is_read(read: Any) -> None:
    assert read("имя,город\nАнна,Москва\n".encode("cp1251"), encoding="cp1251").cells == [("Анна", "Москва")]
    assert read("a;b,c\n1;2,3\n4;5,6\n", delimiter=";").cells == [("1", "2,3"), ("4", "5,6")]
    assert read("x,y\nx,y\nz,y\n", header="yes").names == ("x", "y")
    named = read("id,amount\n1,2\n3,4\n", header="no")
    assert (named.names, named.cells[0]) == (("column_1", "column_2"), ("id", "amount"))
    assert not named.reading.assumptions


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoding": "latin-17"}, "reading.encoding of the spec names no text encoding 'latin-17'"),
        ({"encoding": "zip"}, "reading.encoding of the spec names no text encoding 'zip'"),
        (
            {"encoding": "ascii"},
            "reading.encoding of the spec says ascii, but the file cannot be decoded so near line 1",
        ),
        ({"delimiter": "|"}, "reading.delimiter of the spec says '|', which splits no line"),
    ],
)
def test_what_the_spec_says_must_fit_the_file(read: Any, options: dict[str, str], message: str) -> None:
    with pytest.raises(DataRefused) as caught:
        read("name,city\nJosé,Málaga\n", **options)
    assert message in str(caught.value)


# --- duckdb's reader ---------------------------------------------------------------------------

TRICKY = st.text(st.sampled_from('ab 1,;"\t\\\n\ré|'), max_size=6)


@st.composite
def texts(draw: st.DrawFn) -> str:
    """CSV of two columns, mostly well-formed: some cells quoted, some as they come."""
    end, mark = draw(st.sampled_from(["\n", "\r\n"])), draw(st.sampled_from(",;"))
    lines = [f"first{mark}second"]
    for row in draw(st.lists(st.lists(TRICKY, min_size=2, max_size=2), min_size=1, max_size=5)):
        ways = draw(st.tuples(*[st.sampled_from(["quoted", "plain", "plain", "as it is"])] * 2))
        cells = {
            "quoted": lambda cell: '"' + cell.replace('"', '""') + '"',
            "plain": lambda cell: "".join(c for c in cell if c.isalnum() or c == " "),
            "as it is": lambda cell: cell,
        }
        lines.append(mark.join(cells[way](cell) for way, cell in zip(ways, row, strict=True)))
    return end.join(lines) + draw(st.sampled_from([end, ""]))


@given(texts())
@settings(max_examples=300, deadline=None)
def test_what_duckdb_reads_is_what_the_csv_module_reads(tmp_path_factory: Any, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "either.csv"
    path.write_bytes(text.encode())
    try:
        table = csv_rows.open_csv(path, Encoding("utf-8"), False, ())
    except DataRefused:
        return
    regular = table.regular()
    if regular is None:
        return
    with duckdb.connect() as connection:
        if reading._copy(connection, table, regular) is not None:
            copied = connection.execute("SELECT * FROM raw ORDER BY rowid").fetchall()
            assert copied == [tuple(row) for row in table.rows([])]


def test_a_plain_file_is_read_by_duckdb_and_a_broken_one_refused_by_its_line(read: Any, monkeypatch: Any) -> None:
    rows = "a,b\n" + "".join(f'{i},"x, {i}"\n' for i in range(1000))
    with monkeypatch.context() as patch:
        patch.setattr(csv_rows.CsvText, "rows", None)
        assert read(rows).cells[999] == ("999", "x, 999")
    with pytest.raises(DataRefused, match="line 502 has 3 fields where 2 are expected"):
        read(rows.replace('500,"x, 500"', "500,x, 500"))
