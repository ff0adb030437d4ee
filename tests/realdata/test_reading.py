"""The real tables of ../shared/data: shapes as their index says, but for remarks around tables, which the index counts
as rows; the types and cells of the messy ones; and verdicts that a person would give.

`wide` is how many columns more than the index the reader sees: it keeps a row number that
the header does not name as a column of its own.
"""

from __future__ import annotations

import csv
import shutil
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tidemill import spec as specs
from tidemill.data import column_types, validation
from tidemill.data.reading import Table, read_table
from tidemill.data.validation import Outcome
from tidemill.errors import DataRefused

DATA = Path(__file__).parents[2].parent / "shared" / "data"
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"the real tables are not in {DATA}"),
]

#: file: (rows, columns) as the index of the tables says, and the delimiter.
SHAPES = {
    "telco_churn": (7043, 21, ","),
    "adult_census": (48842, 15, ","),
    "titanic_full": (1309, 14, ","),
    "german_credit_nohdr": (1000, 21, ","),
    "pima_diabetes": (768, 9, ","),
    "sms_spam": (5574, 2, ","),
    "penguins": (344, 7, ","),
    "california_housing": (20640, 10, ","),
    "bike_hour": (17379, 17, ","),
    "wine_red": (1599, 12, ";"),
    "wine_white": (4898, 12, ";"),
    "auto_mpg": (398, 9, ","),
    "nyc_taxi_trips": (6433, 14, ","),
    "bike_day": (731, 16, ","),
    "german_credit_drift1": (1000, 24, ","),
    "german_credit_drift2": (1000, 24, ","),
    "german_credit_drift3": (1000, 24, ","),
    "german_credit_drift6": (1000, 23, ","),
    "mall_customers": (200, 5, ","),
    "wholesale_customers": (440, 12, ","),
    "messy_airquality_eu": (9358, 17, ";"),
    "messy_superstore": (9994, 21, ","),
    "messy_chipotle_tsv": (4622, 5, "\t"),
    "messy_spanish_latin1": (114, 8, ","),
    "messy_utf16le": (327, 19, ","),
    "messy_utf8_bom_tiny": (2, 3, ","),
    "messy_locale_numbers": (1, 3, ","),
    "pollock_source": (83, 9, ","),
    "pollock_file_preamble": (83, 9, ","),
    "pollock_file_record_delimiter_0xD": (83, 9, ","),
    "pollock_file_no_header": (83, 9, ","),
    "spectrum_newlines": (3, 3, ","),
    "spectrum_quotes_and_newlines": (2, 2, ","),
    "spectrum_escaped_quotes": (2, 2, ","),
    "spectrum_comma_in_quotes": (1, 5, ","),
    "spectrum_utf8": (2, 3, ","),
    # The index counts the columns that the header names; the reader names the row number too.
    "occupancy_train": (8143, 8, ","),
    "occupancy_test1": (2665, 8, ","),
    "occupancy_test2": (9752, 8, ","),
}
NO_HEADER = {"german_credit_nohdr", "messy_airquality_eu", "pollock_file_no_header"}
#: Lines above and below the table.
ABOVE, BELOW = {"pollock_file_preamble": 2}, {"messy_spanish_latin1": 2}
REFUSED = {
    "messy_duplicate_headers": "the column 'id' 3 times",
    "messy_ragged_structure": "line 5 has 6 fields where 3 are expected",
    "messy_csvkit_bad": "line 2 has 4 fields where 3 are expected",
    "messy_null_byte": "NUL character in line 2",
    "messy_empty": "only empty lines",
    "messy_zero_bytes": "is empty (0 bytes)",
    "messy_header_only": "a header of 9 columns but no rows",
}


def opened(name: str, work: Path) -> Table:
    return read_table(DATA / f"{name}.csv", f"{name}.csv", work, 10**9)


def test_every_table_of_the_index_is_in_this_test() -> None:
    assert {path.stem for path in DATA.glob("*.csv")} == SHAPES.keys() | REFUSED.keys()


@pytest.mark.parametrize("name", SHAPES)
def test_tables_read_to_the_cells_that_the_csv_module_sees(name: str, tmp_path: Path) -> None:
    rows, columns, delimiter = SHAPES[name]
    with closing((table := opened(name, tmp_path)).connection) as connection:
        assert (table.rows, len(table.names), table.reading.delimiter) == (rows, columns, delimiter)
        assert table.reading.header == (name not in NO_HEADER)
        cells = connection.execute("SELECT * FROM raw ORDER BY rowid").fetchall()
    with (DATA / f"{name}.csv").open(encoding=table.reading.encoding, newline="") as file:
        expected = [tuple(row) for row in csv.reader(file, delimiter=delimiter) if row]
    first = ABOVE.get(name, 0) + int(table.reading.header)
    assert cells == expected[first : first + rows]
    assert len(expected) - first - rows == BELOW.get(name, 0)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_table_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataRefused) as caught:
        opened(name, tmp_path)
    assert REFUSED[name] in str(caught.value)


POLLOCK = {
    "DATE": ("date", "day/month/year", "2018-01-28"),
    "TIME": ("number", "HH:MM:SS", 0.0),
    "Qty": ("integer", "", 2),
    "PRODUCTID": ("category", "", "MG-8769"),
    "Price": ("number", "$1234.5", 74.69),
    "ProductDescription": ("text", "", None),
    "Comments": ("empty", "", None),
}
#: file: column: type, format, and what the first row holds (None: missing, or not looked at).
TYPED: dict[str, dict[str, tuple[str, str, Any]]] = {
    "messy_airquality_eu": {
        "column_1": ("date", "day/month/year", "2004-03-10"),
        "column_2": ("number", "HH.MM.SS", 18.0),
        "column_3": ("number", "1234,5", 2.6),
        "column_4": ("integer", "", 1360),
        "column_13": ("number", "1234,5", 13.6),
        "column_15": ("number", "1234,5", 0.7578),
        "column_17": ("empty", "", None),
    },
    "messy_superstore": {
        "Row ID": ("integer", "", 1),
        "Order Date": ("date", "month/day/year", "2018-11-08"),
        "Ship Date": ("date", "month/day/year", "2018-11-11"),
        "Postal Code": ("integer", "", 42420),
        "Sales": ("number", "", 261.96),
        "Region": ("category", "", "South"),
    },
    "messy_chipotle_tsv": {
        "order_id": ("integer", "", 1),
        "item_name": ("category", "", "Chips and Fresh Tomato Salsa"),
        "choice_description": ("text", "", None),
        "item_price": ("number", "$1234.5", 2.39),
    },
    "messy_spanish_latin1": {
        "GF_ID": ("integer", "", 1),
        "GF": ("category", "", "Gobierno"),
        "Gasto total 2011": ("number", "1,234.5", 229932.5),
        "Descripción": ("text", "", None),
    },
    "messy_utf16le": {
        "Organisation_code": ("category", "", "5C1"),
        "Reporting_period": ("category", "", "2010-11"),
        "Part_II_patients": ("integer", "1,234.5", 2),
        "Discharges_from_SCT": ("integer", "", 1),
    },
    "messy_utf8_bom_tiny": {"foo": ("integer", "", 1), "bar": ("integer", "", 2), "baz": ("category", "", "3")},
    "messy_locale_numbers": {
        "a": ("number", "1234,5", 1.7),
        "b": ("integer", "1.234,5", 200_000_000),
        "c": ("empty", "", None),
    },
    "pollock_source": POLLOCK,
    "pollock_file_preamble": POLLOCK,
    "pollock_file_record_delimiter_0xD": POLLOCK,
    "pollock_file_no_header": {
        f"column_{i}": list(POLLOCK.values())[k] for i, k in ((1, 0), (2, 1), (3, 2), (4, 3), (5, 4), (7, 5), (9, 6))
    },
    "spectrum_newlines": {"a": ("category", "", "1"), "b": ("integer", "", 2), "c": ("integer", "", 3)},
    "spectrum_quotes_and_newlines": {"a": ("integer", "", 1), "b": ("category", "", 'ha \n"ha" \nha')},
    "spectrum_escaped_quotes": {"a": ("integer", "", 1), "b": ("category", "", 'ha "ha" ha')},
    "spectrum_comma_in_quotes": {"city": ("category", "", "Anytown, WW"), "zip": ("category", "", "08123")},
    "spectrum_utf8": {"a": ("integer", "", 1), "c": ("category", "", "3")},
}
#: file: what its reading says, besides what is said of its columns.
SAID = {
    "messy_airquality_eu": "the file has no header: the columns were named column_1 to column_17",
    "messy_spanish_latin1": "2 lines below the table were passed over, the first of them 'Fuente: Presupuesto",
    "pollock_file_preamble": "2 lines above the table were passed over, the first of them 'PREAMBLE'",
    "pollock_file_no_header": "the file has no header",
}


def test_every_messy_table_is_typed_or_refused() -> None:
    messy = {name for name in SHAPES.keys() | REFUSED.keys() if name.startswith(("messy_", "spectrum_", "pollock_"))}
    assert messy == TYPED.keys() | REFUSED.keys()


@pytest.mark.parametrize("name", TYPED)
def test_messy_tables_have_the_right_types_and_values(name: str, tmp_path: Path) -> None:
    with closing((table := opened(name, tmp_path)).connection) as connection:
        column_types.create_cells(connection, len(table.names), ())
        columns = {column.name: column for column in column_types.infer(table, {})}
        for column, (kind, form, first) in TYPED[name].items():
            found = columns[column]
            assert (column, found.type, found.format) == (column, kind, form)
            value = found.date.iso(found.value()) if found.date else found.value()
            cell = connection.execute(f"SELECT {value} FROM cells ORDER BY rowid LIMIT 1").fetchall()[0][0]
            assert kind == "text" or cell == first
        said = (*table.reading.assumptions, *column_types.assumptions(list(columns.values())))
    assert any(SAID.get(name, "") in sentence for sentence in said) or name not in SAID


@pytest.fixture(scope="module")
def validated() -> Callable[..., Outcome]:
    """Validates a table by a spec; each combination once."""
    known: dict[str, Outcome] = {}

    def validating(name: str, **spec: Any) -> Outcome:
        key = f"{name}{spec}"
        if key not in known:
            with tempfile.TemporaryDirectory() as work:
                path = DATA / f"{name}.csv"
                known[key] = validation.validate(
                    fetch=lambda to: shutil.copy(path, to) and None,
                    size=path.stat().st_size,
                    name=path.name,
                    spec=specs.parse(spec),
                    previous=None,
                    work=Path(work),
                    max_bytes=10**9,
                )
        return known[key]

    return validating


TARGETS = {
    "telco_churn": ("Churn", "binary"),
    "adult_census": ("income", "binary"),
    "titanic_full": ("survived", "binary"),
    "pima_diabetes": ("Outcome", "binary"),
    "sms_spam": ("type", "binary"),
    "penguins": ("species", "multiclass"),
    "california_housing": ("median_house_value", "regression"),
    "bike_hour": ("cnt", "regression"),
    "bike_day": ("cnt", "regression"),
    "wine_red": ("quality", "multiclass"),
    "wine_white": ("quality", "multiclass"),
    "auto_mpg": ("mpg", "regression"),
    "nyc_taxi_trips": ("fare", "regression"),
    "german_credit_drift1": ("label", "binary"),
    "german_credit_nohdr": ("column_21", "binary"),
    "occupancy_train": ("Occupancy", "binary"),
    "messy_superstore": ("Profit", "regression"),
    "wholesale_customers": ("Channel", "binary"),
}
LEAKS = {
    "titanic_full": {"boat", "body"},
    "bike_hour": {"casual", "registered"},
    "bike_day": {"casual", "registered"},
}
IDS = {
    "telco_churn": {"customerID"},
    "titanic_full": {"name"},
    "bike_hour": {"instant"},
    "bike_day": {"instant"},
    "german_credit_drift1": {"id"},
    "occupancy_train": {"row_number"},
    "messy_superstore": {"Row ID"},
}


@pytest.mark.parametrize("name", TARGETS)
def test_no_honest_column_is_taken_for_a_leak_or_an_id(validated: Any, name: str) -> None:
    target, task = TARGETS[name]
    profile = validated(name, target=target).profile
    assert profile.task == task
    by_role = {role: {c.name for c in profile.columns if c.role == role} for role in ("leak", "id")}
    assert by_role == {"leak": LEAKS.get(name, set()), "id": IDS.get(name, set())}


@pytest.mark.parametrize("name", TARGETS)
def test_real_tables_are_accepted(validated: Any, name: str) -> None:
    assert validated(name, target=TARGETS[name][0]).accepted


@pytest.mark.parametrize(
    ("name", "rows"),
    [("adult_census", 52), ("sms_spam", 414), ("wine_red", 240), ("wine_white", 937), ("telco_churn", 0)],
)
def test_duplicate_rows_are_as_many_as_the_index_says(validated: Any, name: str, rows: int) -> None:
    assert validated(name, target=TARGETS[name][0]).profile.duplicate_rows == rows


@pytest.mark.parametrize(
    ("name", "column", "kind", "missing"),
    [
        ("telco_churn", "TotalCharges", "number", 11),
        ("adult_census", "workclass", "category", 2799),
        ("adult_census", "occupation", "category", 2809),
        ("adult_census", "native-country", "category", 857),
        ("california_housing", "total_bedrooms", "integer", 207),
        ("auto_mpg", "horsepower", "integer", 6),
        ("messy_superstore", "Postal Code", "integer", 11),
        ("messy_superstore", "Order Date", "date", 0),
        ("bike_hour", "dteday", "date", 0),
        ("nyc_taxi_trips", "pickup", "date", 0),
        ("occupancy_train", "date", "date", 0),
        ("german_credit_drift1", "predictionDate", "date", 0),
        ("titanic_full", "age", "number", 263),
        ("titanic_full", "cabin", "category", 1014),
        ("sms_spam", "text", "text", 0),
    ],
)
def test_types_and_missing_cells(validated: Any, name: str, column: str, kind: str, missing: int) -> None:
    profile = validated(name, target=TARGETS[name][0]).profile
    found = next(c for c in profile.columns if c.name == column)
    assert (found.type, found.missing) == (kind, missing)
