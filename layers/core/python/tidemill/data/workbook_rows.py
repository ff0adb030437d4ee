"""The rows of a sheet of an Excel workbook (.xlsx), row by row, so that memory stays flat.

Values are those that the workbook stores: formulas are not computed and macros not run. A
workbook is a zip archive of XML; what unpacks to too much, defines entities, or has
formulas whose values were never stored is refused.
"""

from __future__ import annotations

import itertools
import re
import zipfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from tidemill.data import header as headers
from tidemill.data import remarks
from tidemill.errors import DataRefused
from tidemill.spec import Reading

#: Rows from which header and width are decided.
SAMPLE_ROWS = 1000
#: The texts of a workbook are in memory all at once, and each of their bytes takes several there.
MAX_TEXTS = 256 << 20
MAX_PARTS = 10_000
BLOCK = 1 << 20
#: A cell with a formula that has no value beside it, and the longest piece of such a cell.
_NO_VALUE = re.compile(rb"(?:</f>|<f\b[^>]*/>)\s*(?:<v\s*/>|<v>\s*</v>)?\s*</c>")
_OVERLAP = 256
SAVE_AS_CSV = "save the sheet as CSV and upload that"


@dataclass(frozen=True)
class Sheet:
    """A sheet whose table is known; `names` has one name per cell of a row."""

    path: Path
    title: str
    skip: int  #: rows above the rows of data
    header: bool
    left: int  #: empty columns before the table
    names: tuple[str, ...]
    sample: tuple[tuple[str, ...], ...]  #: the first rows of data
    assumptions: tuple[str, ...]

    def rows(self, notes: list[str], texts: set[str]) -> Iterator[list[str]]:
        """The cells of each row as text, "" where empty. Names of columns that hold texts go to `texts` at the end.

        Raises
        ------
        DataRefused
            a row has a value outside the table's columns.
        """
        right = self.left + len(self.names)
        written: set[int] = set()
        empty = errors = 0
        with _opened(self.path) as workbook:
            for number, values in enumerate(workbook[self.title].iter_rows(values_only=True), 1):
                if number <= self.skip:
                    continue
                if all(value is None for value in values):
                    empty += 1
                    continue
                yield from ([""] * len(self.names) for _ in range(empty))
                empty = 0
                if any(value is not None for value in (*values[: self.left], *values[right:])):
                    raise DataRefused(
                        f"row {number} of the sheet {self.title!r} has a value beside the table's columns: "
                        "leave nothing but the table on the sheet"
                    )
                row = []
                for i, value in enumerate(values[self.left : right]):
                    if isinstance(value, str):
                        written.add(i)
                        if value.startswith("#") and value in ERRORS:
                            errors, value = errors + 1, None
                    row.append(_text(value))
                yield row + [""] * (len(self.names) - len(row))
        texts.update(self.names[i] for i in written)
        if errors:
            notes.append(f"{errors:,} cells hold errors of formulas, such as #DIV/0!: they count as missing")


#: What Excel stores where a formula failed.
ERRORS = frozenset({"#DIV/0!", "#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!", "#SPILL!", "#CALC!"})


def open_sheet(path: Path, expected: Collection[str], options: Reading, max_bytes: int) -> Sheet:
    """Find the table in a workbook.

    Parameters
    ----------
    expected
        column names known from elsewhere, which tell a header.
    options
        the spec's, about sheet and header.
    max_bytes
        a workbook that unpacks to more is refused.

    Raises
    ------
    DataRefused
        the workbook is damaged or unsafe, has no such sheet, or no table on it.
    """
    _check_parts(path, max_bytes)
    with _opened(path) as workbook:
        titles = [sheet.title for sheet in workbook.worksheets if sheet.sheet_state == "visible"]
        if options.sheet is not None and options.sheet not in workbook.sheetnames:
            raise DataRefused(
                f"the workbook has no sheet {options.sheet!r}, which reading.sheet of the spec names: "
                f"it has {', '.join(map(repr, workbook.sheetnames[:20]))}"
            )
        for title in [options.sheet] if options.sheet is not None else titles:
            beginning = [
                (number, [_text(value) for value in values])
                for number, values in enumerate(_first_rows(workbook[title]), 1)
            ]
            filled = [(number, row) for number, row in beginning if any(cell.strip() for cell in row)]
            if len(filled) > 1 or (filled and options.sheet is not None):
                part = workbook[title]._worksheet_path.lstrip("/")
                break
        else:
            raise DataRefused(f"the workbook has no sheet with a table: {SAVE_AS_CSV}")
    _check_formulas(path, part, title)
    return _table(path, title, filled, len(titles), expected, options)


def _table(
    path: Path,
    title: str,
    filled: Sequence[tuple[int, list[str]]],
    sheets: int,
    expected: Collection[str],
    options: Reading,
) -> Sheet:
    """The table of a sheet, from its first rows with their numbers."""
    right = max(len(row) for _, row in filled)
    rows = [(number, row + [""] * (right - len(row))) for number, row in filled]
    above = remarks.above(rows, options.header, expected)
    # A title may stand beside the columns of the table.
    used = [i for _, row in rows[above:] for i, cell in enumerate(row) if cell.strip()]
    left, right = min(used), max(used) + 1
    assumptions = []
    if options.sheet is None and sheets > 1:
        assumptions.append(
            f"the workbook has {sheets} sheets: {title!r} was read (reading.sheet of the spec names one)"
        )
    if above:
        first = next(cell for _, row in rows for cell in row if cell.strip())
        assumptions.append(remarks.sentence("above", rows[above][0] - 1, first.strip()))
    number, names = rows[above][0], rows[above][1][left:right]
    data = [row[left:right] for _, row in rows[above + 1 :]]
    header = options.header == "yes" or (options.header == "auto" and headers.is_header(names, data, expected))
    if header:
        names, notes = headers.names_of(names, data)
        assumptions += notes
    else:
        data.insert(0, names)
        names = [f"column_{i + 1}" for i in range(len(names))]
        if options.header == "auto":
            assumptions.append(f"the sheet has no header: the columns were named column_1 to column_{len(names)}")
    skip = number if header else number - 1
    return Sheet(path, title, skip, header, left, tuple(names), tuple(map(tuple, data)), tuple(assumptions))


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The workbook, for reading. Raises DataRefused when it is damaged."""
    try:
        # By its content, whatever the file is called.
        with path.open("rb") as file, closing(openpyxl.load_workbook(file, read_only=True, data_only=True)) as workbook:
            yield workbook
    except (InvalidFileException, KeyError, ValueError, TypeError, ParseError, zipfile.BadZipFile, EOFError) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise DataRefused(f"the workbook cannot be read ({reason}): {SAVE_AS_CSV}") from error


def _first_rows(sheet: Any) -> Iterator[Sequence[Any]]:
    sheet.reset_dimensions()  # what the file says of them may be wrong
    return itertools.islice(sheet.iter_rows(values_only=True), SAMPLE_ROWS)


def _check_parts(path: Path, max_bytes: int) -> None:
    """Refuse an archive that unpacks to too much, or whose XML defines entities. Raises DataRefused."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            if len(parts) > MAX_PARTS or sum(part.file_size for part in parts) > max_bytes:
                raise DataRefused(f"the workbook unpacks to more than {max_bytes:,} bytes: {SAVE_AS_CSV}")
            for part in parts:
                if part.filename.lower() == "xl/sharedstrings.xml" and part.file_size > MAX_TEXTS:
                    raise DataRefused(f"the workbook holds more than {MAX_TEXTS:,} bytes of texts: {SAVE_AS_CSV}")
                if part.filename.endswith((".xml", ".rels")):
                    with archive.open(part) as file:
                        if b"<!DOCTYPE" in (head := file.read(BLOCK)) or b"<!ENTITY" in head:
                            raise DataRefused(
                                f"the workbook defines XML entities, which no program needs: {SAVE_AS_CSV}"
                            )
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataRefused(f"the workbook is damaged or encrypted ({error}): {SAVE_AS_CSV}") from error


def _check_formulas(path: Path, part: str, title: str) -> None:
    """Refuse formulas whose values nobody has stored: they would be read as empty. Raises DataRefused."""
    behind = b""
    with zipfile.ZipFile(path) as archive, archive.open(part) as file:
        while block := file.read(BLOCK):
            if _NO_VALUE.search(behind + block):
                raise DataRefused(
                    f"the sheet {title!r} has formulas without stored values: open the workbook in a spreadsheet "
                    "program and save it there, or save the sheet as CSV"
                )
            behind = block[-_OVERLAP:]


def _text(value: Any) -> str:
    """A cell's value as the text that a CSV file would have."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    if isinstance(value, datetime):
        midnight = value.time() == time.min
        return value.date().isoformat() if midnight else value.isoformat(timespec="auto")
    if isinstance(value, timedelta):
        return repr(value / timedelta(hours=1))
    return str(value)
