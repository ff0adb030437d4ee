"""The rows of a delimited text file, every one proven to fit the dialect."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tidemill.data import dialect as dialects
from tidemill.data import header as headers
from tidemill.data.dialect import Dialect
from tidemill.data.encoding import Encoding
from tidemill.errors import DataRefused

#: Characters from which the dialect is decided.
SAMPLE = 1 << 20
#: How a row number that the header does not name is called.
ROW_NUMBER = "row_number"


@dataclass(frozen=True)
class CsvText:
    """A delimited text file whose dialect is known; `names` has one name per cell of a row."""

    path: Path
    codec: str
    dialect: Dialect
    header: bool
    names: tuple[str, ...]
    assumptions: tuple[str, ...]

    def rows(self, notes: list[str]) -> Iterator[list[str]]:
        """The cells of each row in the file's order; sentences about what was passed over go to `notes` at the end.

        Raises
        ------
        DataRefused
            a row has too few or too many fields, or a quote is wrong; the message names the line.
        """
        fields, width = self.dialect.fields, len(self.names)
        trailing = self.dialect.layout == "trailing"
        to_skip, blank = int(self.header), 0
        with _lines(self.path, self.codec) as lines:
            reader = dialects.reader(lines, self.dialect.delimiter, self.dialect.quoting)
            try:
                for row in reader:
                    if len(row) == fields and not to_skip:
                        if trailing and row.pop().strip():
                            raise dialects.ragged(reader.line_num, fields, width)
                        yield row
                    elif dialects.is_blank(row):
                        blank += 1
                    elif to_skip:
                        to_skip -= 1
                    else:
                        raise dialects.ragged(reader.line_num, len(row), fields)
            except csv.Error as error:
                raise DataRefused(dialects.explain(error, reader.line_num)) from error
        if blank:
            notes.append(f"{blank:,} empty lines were passed over")


def open_csv(path: Path, encoding: Encoding, prefer_tab: bool, expected: Collection[str]) -> CsvText:
    """Find dialect and header of a delimited text file.

    Parameters
    ----------
    path
        of the uncompressed file.
    prefer_tab
        whether the file's name says that tabs split it.
    expected
        column names known from elsewhere, which tell a header.

    Raises
    ------
    DataRefused
        it is no table, or cannot be read with certainty.
    """
    with _lines(path, encoding.codec) as lines:
        sample, whole = _beginning(lines)
    dialect = dialects.decide(sample, whole, prefer_tab)
    assumptions = [*([encoding.assumption] if encoding.assumption else []), *dialect.assumptions]
    header = dialect.layout != "plain" or headers.is_header(dialect.first, dialect.sample, expected)
    if header:
        names, notes = headers.names_of(*_named_cells(dialect))
        assumptions += notes
    else:
        names = [f"column_{i + 1}" for i in range(dialect.fields)]
        assumptions.append(f"the file has no header: the columns were named column_1 to column_{len(names)}")
    if dialect.layout == "row_number":
        names.insert(0, headers.free(ROW_NUMBER, {name.casefold() for name in names}))
        assumptions.append(
            f"each row has one field more than the header: the first was taken as a row number, {names[0]!r}"
        )
    return CsvText(path, encoding.codec, dialect, header, tuple(names), tuple(assumptions))


def _named_cells(dialect: Dialect) -> tuple[list[str], list[list[str]]]:
    """The header's cells and the sample's cells below them."""
    first = list(dialect.first[:-1] if dialect.layout == "short" else dialect.first)
    offset = int(dialect.layout == "row_number")
    return first, [list(row[offset : offset + len(first)]) for row in dialect.sample]


@contextmanager
def _lines(path: Path, codec: str) -> Iterator[Iterator[str]]:
    """The file's lines with their ends, whether LF, CRLF or CR."""
    with path.open(encoding=codec, newline="") as file:
        yield file


def _beginning(lines: Iterator[str]) -> tuple[str, bool]:
    """Whole lines of about the first `SAMPLE` characters, and whether they are all of the file."""
    sample: list[str] = []
    size = 0
    for line in lines:
        sample.append(line)
        size += len(line)
        if size > SAMPLE:
            return "".join(sample), next(lines, None) is None
    return "".join(sample), True
