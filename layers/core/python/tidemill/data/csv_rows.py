"""The rows of a delimited text file, every one proven to fit the dialect."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tidemill.data import dialect as dialects
from tidemill.data import header as headers
from tidemill.data import remarks
from tidemill.data.dialect import Dialect
from tidemill.data.encoding import Encoding
from tidemill.errors import DataRefused
from tidemill.spec import Reading

#: Characters from which the dialect is decided.
SAMPLE = 1 << 20
#: Bytes that are looked at together.
BLOCK = 1 << 20
#: Bytes that are looked at again with the next block; more blanks than that are not found beside a quote.
OVERLAP = 256
#: How a row number that the header does not name is called.
ROW_NUMBER = "row_number"


@dataclass(frozen=True)
class Regular:
    """What is known of a regular text's rows."""

    delimiters: int
    quoted: bool  #: whether cells may hold delimiters


@dataclass(frozen=True)
class CsvText:
    """A delimited text file whose dialect is known; `names` has one name per cell of a row."""

    path: Path
    codec: str
    dialect: Dialect
    header: bool
    names: tuple[str, ...]
    assumptions: tuple[str, ...]

    def regular(self) -> Regular | None:
        """What proves that duckdb's reader gives the rows that `rows` gives, or an error; None when it may not.

        It ignores blanks around quotes, empty lines and a last quote that is not closed, which `rows` does not; so a
        text is regular when it has none of them. It also ignores one empty field too many at the end of a row; so the
        delimiters are counted.
        """
        dialect = self.dialect
        if (
            dialect.delimiter is None
            or dialect.fields < 2
            or dialect.quoting not in (dialects.DOUBLED, dialects.UNQUOTED)
            or dialect.layout not in ("plain", "row_number")
            or self.codec not in ("utf-8", "utf-8-sig")
            or (self.codec == "utf-8-sig" and not (self.header or dialect.skip))
            or any("\n" in cell or "\r" in cell for cell in dialect.first)
        ):
            return None
        mark = dialect.delimiter.encode()
        blanks = b"".join(blank for blank in (b" ", b"\t") if blank != mark)
        beside_quote = [pair for blank in blanks for pair in (bytes([blank]) + b'"', b'"' + bytes([blank]))]
        ends = re.escape(mark) + rb"\r\n"
        outside = re.compile(rb'[%b][%b]+"|"[%b]+[%b]|"[%b]+$' % (ends, blanks, blanks, ends, blanks))
        quotes, delimiters, seen = 0, 0, b"\n"
        with self.path.open("rb") as file:
            while block := file.read(BLOCK):
                if block.endswith(b"\r"):
                    block += file.read(1)
                quotes += block.count(b'"')
                delimiters += block.count(mark)
                seen = seen[-OVERLAP:] + block
                if b"\n\n" in seen or b"\n\r" in seen or seen.count(b"\r") != seen.count(b"\r\n"):
                    return None
                if dialect.quoting.quote and any(pair in seen for pair in beside_quote) and outside.search(seen):
                    return None
        if quotes % 2 and dialect.quoting.quote:
            return None
        with _lines(self.path, self.codec) as lines:
            before = "".join(itertools.islice(lines, dialect.skip + self.header))
        return Regular(delimiters - before.count(dialect.delimiter), bool(quotes and dialect.quoting.quote))

    def rows(self, notes: list[str]) -> Iterator[list[str]]:
        """The cells of each row in the file's order; sentences about what was passed over go to `notes` at the end.

        Raises
        ------
        DataRefused
            a row has too few or too many fields, or a quote is wrong; the message names the line.
        """
        fields, width, skip = self.dialect.fields, len(self.names), self.dialect.skip
        trailing = self.dialect.layout == "trailing"
        to_skip, blank, last_blank = int(self.header), 0, 0
        #: Rows of another width, which may be remarks below the table: line, cells, whether it is set apart.
        tail: list[tuple[int, list[str], bool]] = []
        with _lines(self.path, self.codec) as lines:
            reader = dialects.reader(itertools.islice(lines, skip, None), self.dialect.delimiter, self.dialect.quoting)
            previous: list[str] = []
            try:
                for row in reader:
                    if len(row) == fields and not to_skip and not tail:
                        previous = row
                        if trailing and row.pop().strip():
                            raise dialects.ragged(skip + reader.line_num, fields, width)
                        yield row
                    elif dialects.is_blank(row):
                        blank += 1
                        last_blank = reader.line_num
                    elif to_skip:
                        to_skip -= 1
                    else:
                        apart = last_blank == reader.line_num - 1 or not any(cell.strip() for cell in previous)
                        tail.append((skip + reader.line_num, row, apart))
                        if len(tail) > remarks.MAX_REMARKS or len(row) > fields:
                            break
            except csv.Error as error:
                raise DataRefused(dialects.explain(error, skip + reader.line_num)) from error
        if tail:
            first_column = [row[0] for row in self.dialect.sample]
            if remarks.below([row[1:] for row in tail], fields, first_column) < len(tail):
                raise dialects.ragged(tail[0][0], len(tail[0][1]), fields)
            first = next((cell.strip() for _, row, _ in tail for cell in row if cell.strip()), "")
            notes.append(remarks.sentence("below", len(tail), first))
        if blank:
            notes.append(f"{blank:,} empty lines were passed over")


def open_csv(
    path: Path, encoding: Encoding, prefer_tab: bool, expected: Collection[str], options: Reading | None = None
) -> CsvText:
    """Find dialect and header of a delimited text file.

    Parameters
    ----------
    path
        of the uncompressed file.
    prefer_tab
        whether the file's name says that tabs split it.
    expected
        column names known from elsewhere, which tell a header.
    options
        the spec's, about the delimiter and the header.

    Raises
    ------
    DataRefused
        it is no table, or cannot be read with certainty.
    """
    options = options or Reading()
    with _lines(path, encoding.codec) as lines:
        sample, whole = _beginning(lines)
    dialect = dialects.decide(sample, whole, prefer_tab, options.delimiter, options.header, expected)
    assumptions = [*([encoding.assumption] if encoding.assumption else []), *dialect.assumptions]
    header = options.header == "yes" or dialect.layout != "plain"
    if options.header == "auto":
        header = header or headers.is_header(dialect.first, dialect.sample, expected)
    elif options.header == "no" and dialect.layout != "plain":
        raise DataRefused(
            "reading.header of the spec says no, but the first row has not as many fields as the others: correct it"
        )
    if header:
        names, notes = headers.names_of(*_named_cells(dialect))
        assumptions += notes
    else:
        names = [f"column_{i + 1}" for i in range(dialect.fields)]
        if options.header == "auto":
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
