"""The real tables of ../shared/data: which of their columns are taken for personal data, and no other one."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from tidemill.data import column_types, personal_data
from tidemill.data.reading import read_table
from tidemill.errors import DataRefused
from tidemill.spec import Spec

DATA = Path(__file__).parents[2].parent / "shared" / "data"
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"the real tables are not in {DATA}"),
]

#: Superstore's customers have postal codes; some have lost the zero that they began with. Their names are not
#: recognised. spectrum_comma_in_quotes is a directory of persons.
FOUND = {
    "messy_superstore.csv": {"Postal Code": "postal_address"},
    "spectrum_comma_in_quotes.csv": {"address": "postal_address", "zip": "postal_address"},
}


@pytest.mark.parametrize("path", sorted(DATA.glob("*.csv")), ids=lambda path: path.stem)
def test_what_is_found(path: Path) -> None:
    with tempfile.TemporaryDirectory() as work:
        try:
            table = read_table(path, path.name, Path(work), 10**9)
        except DataRefused:
            return
        with closing(table.connection):
            column_types.create_cells(table.connection, len(table.names), ())
            columns = column_types.infer(table, {}, Spec().reading)
            found = personal_data.recognise(table.connection, columns)
    assert {name: one.kind for name, one in found.items()} == FOUND.get(path.name, {})
