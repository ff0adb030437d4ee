"""How a delimited text is split into cells, decided from its beginning and proven on all of it.

Every combination of delimiter and quoting is tried on the beginning with Python's csv
module, which also reads the whole file later. One must split all lines into equally
many fields; when none does the file is refused at the first line that does not fit,
and when several do it is refused as ambiguous, since a guess would be silent. Remarks above
and below the table (`remarks`) are no lines of it.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tidemill.data import remarks
from tidemill.errors import DataRefused

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
#: The longest cell in characters: the csv module's own limit.
MAX_CELL = 131_072
#: How the rows relate to the first one. `row_number`: each row begins with a field that the header does not name.
#: `trailing`: each row ends with a delimiter that the header lacks. `short`: the header alone ends with one.
Layout = Literal["plain", "row_number", "trailing", "short"]


@dataclass(frozen=True)
class Quoting:
    """A way to put delimiters and line ends into cells."""

    quote: str | None
    assumption: str | None = None


DOUBLED = Quoting('"')
ESCAPED = Quoting('"', "quotes within cells are escaped with a backslash")
ESCAPED_DELIMITERS = Quoting('"', "delimiters within cells are escaped with a backslash")
SINGLE = Quoting("'", "cells are quoted with ' instead of \"")
UNQUOTED = Quoting(None, 'the character " does not quote cells here: it was read as it stands')
#: Tried in this order: the first is the usual one, and each other only when the ones before it do not fit.
QUOTINGS = (DOUBLED, ESCAPED, ESCAPED_DELIMITERS, SINGLE, UNQUOTED)
#: Texts with these delimiters are often written without any quoting.
UNQUOTED_DELIMITERS = ("\t", "|")


@dataclass(frozen=True)
class Dialect:
    """Delimiter, quoting and layout of a text; `delimiter` is None when there is one column."""

    delimiter: str | None
    quoting: Quoting
    layout: Layout
    fields: int  #: of a row, as the text has them
    first: tuple[str, ...]  #: the first row's cells
    sample: tuple[tuple[str, ...], ...]  #: the following rows of the beginning
    assumptions: tuple[str, ...] = ()
    skip: int = 0  #: lines above the table


def reader(lines: Iterable[str], delimiter: str | None, quoting: Quoting) -> Any:
    """Python's csv reader for a dialect: an iterator of rows with the property `line_num`.

    Lines keep their ends. Raises csv.Error where the text breaks the dialect.
    """
    if quoting == ESCAPED:
        # The module is strict about doubled quotes only.
        lines = (re.sub(r'\\(["\\])', lambda match: "\\" if match[1] == "\\" else '""', line) for line in lines)
    if quoting == ESCAPED_DELIMITERS:
        # Other backslashes stand for themselves; the module would take them off.
        kept = (delimiter or ",", '"', "\\")
        lines = (re.sub(r"\\(.)", lambda m: m[0] if m[1] in kept else "\\\\" + m[1], line) for line in lines)
    return csv.reader(
        lines,
        escapechar="\\" if quoting == ESCAPED_DELIMITERS else None,
        delimiter=delimiter or ",",
        quotechar=quoting.quote,
        quoting=csv.QUOTE_MINIMAL if quoting.quote else csv.QUOTE_NONE,
        strict=True,
    )


def decide(
    sample: str,
    whole: bool,
    prefer_tab: bool = False,
    delimiter: str | None = None,
    header: str = "auto",
    expected: Collection[str] = (),
) -> Dialect:
    """The dialect of a text.

    Parameters
    ----------
    sample
        the text's beginning, of whole lines.
    whole
        whether that is all of it.
    prefer_tab
        whether the file's name says that tabs split it.
    delimiter, header
        of the spec's `reading`.
    expected
        column names that are known from elsewhere.

    Raises
    ------
    DataRefused
        no dialect splits every line into equally many fields, or several do, or not the delimiter of the spec.
    """
    lines = re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", sample)
    named = re.fullmatch(r'"?sep=(.)"?\s*', lines[0], re.IGNORECASE) if lines else None
    skip = int(named is not None)
    marks = [delimiter] if delimiter else [named[1]] if named else list(DELIMITERS)

    def trial(mark: str, quoting: Quoting) -> _Trial:
        return _Trial(lines, skip, mark, quoting, whole, header, expected)

    usual = [trial(mark, DOUBLED) for mark in marks]
    for quoting in QUOTINGS:
        if quoting == ESCAPED_DELIMITERS and "\\" not in sample:
            continue
        trials = usual if quoting == DOUBLED else [trial(mark, quoting) for mark in marks]
        fitting = [trial for trial in trials if trial.layout is not None]
        if quoting == ESCAPED_DELIMITERS:
            fitting = [trial for trial in fitting if f"\\{trial.delimiter}" in sample]
        if quoting == DOUBLED and any(trial.has_wrapped_column("'") for trial in fitting):
            single = [trial(found.delimiter, SINGLE) for found in fitting]
            fitting = [trial for trial in single if trial.layout is not None] or fitting
        if quoting == SINGLE:
            fitting = [trial for trial in fitting if trial.begins_with_wrapped_cell]
        if quoting == UNQUOTED:
            fitting = [t for t in fitting if t.delimiter in UNQUOTED_DELIMITERS and not t.has_wrapped_cell('"')]
        fitting = [trial for trial in fitting if trial.layout == "plain"] or fitting
        fitting = [trial for trial in fitting if trial.skip == skip] or fitting
        if fitting:
            return (_certain(fitting, prefer_tab) if len(fitting) > 1 else fitting[0]).dialect()
    others = {*DELIMITERS} - {delimiter}
    if delimiter and usual[0].rows and len(usual[0].rows[0][1]) == 1 and others & {*usual[0].rows[0][1][0]}:
        raise DataRefused(f"reading.delimiter of the spec says {delimiter!r}, which splits no line: correct it")
    return _one_column(usual, delimiter)


class _Trial:
    """The beginning of a text, split in one way."""

    def __init__(
        self,
        lines: Sequence[str],
        skip: int,
        delimiter: str,
        quoting: Quoting,
        whole: bool,
        header: str,
        expected: Collection[str],
    ) -> None:
        self.delimiter = delimiter
        self.quoting = quoting
        self.skip = skip
        self.above: str | None = None
        self._lines = lines
        self.rows: list[tuple[int, list[str]]] = []
        self.error: str | None = None
        rows = reader(lines[skip:], delimiter, quoting)
        try:
            for row in rows:
                if not is_blank(row):
                    self.rows.append((skip + rows.line_num, row))
        except csv.Error as error:
            # The last row of a beginning may be cut within a quoted cell; the whole text is read strictly later.
            if whole or skip + rows.line_num < len(lines) or not self.rows:
                self.error = explain(error, skip + rows.line_num)
        if whole and len(self.rows) > 2:
            self.rows = self._without_below()
        self.layout = None if self.error else self._layout()
        if self.layout not in ("trailing", "short") and not self.error:
            self._pass_over(remarks.above(self.rows, header, expected))

    def _without_below(self) -> list[tuple[int, list[str]]]:
        """The rows without remarks of another width below them."""
        width = Counter(len(row) for _, row in self.rows).most_common(1)[0][0]
        tail: list[tuple[list[str], bool]] = []
        for (before, previous), (line, row) in itertools.pairwise(self.rows[-remarks.MAX_REMARKS :]):
            tail.append((row, line - before > 1 or not any(cell.strip() for cell in previous)))
        while tail and len(tail[0][0]) == width:
            tail.pop(0)
        left = len(self.rows) - remarks.below(tail, width, [row[0] for _, row in self.rows[1:]])
        return self.rows[:left]

    def _pass_over(self, count: int) -> None:
        """Take the first rows, which stand above the table, away."""
        if count == 0:
            return
        self.above = next((cell.strip() for _, row in self.rows[:count] for cell in row if cell.strip()), "")
        self.skip = self.rows[count - 1][0]
        self.rows = self.rows[count:]
        self.layout = self._layout()

    def _layout(self) -> Layout | None:
        widths = [len(row) for _, row in self.rows]
        if not widths or widths[0] < 2:
            return None
        rest = set(widths[1:])
        if rest <= {widths[0]}:
            return "plain"
        if rest == {widths[0] + 1}:
            return "trailing" if all(not row[-1].strip() for _, row in self.rows[1:]) else "row_number"
        if rest == {widths[0] - 1} and not self.rows[0][1][-1].strip():
            return "short"
        return None

    def has_wrapped_cell(self, mark: str) -> bool:
        """Whether a cell begins and ends with the mark."""
        return any(_is_wrapped(cell, mark) for _, row in self.rows for cell in row)

    @property
    def begins_with_wrapped_cell(self) -> bool:
        """Whether the first row has a cell within the quotes, which hardly any but this quoting gives it."""
        line = self._lines[self.rows[0][0] - 1].rstrip("\r\n")
        return any(_is_wrapped(cell, self.quoting.quote or "") for cell in line.split(self.delimiter))

    def has_wrapped_column(self, mark: str) -> bool:
        """Whether the cells of a column, its header too, all begin and end with the mark, empty ones apart."""
        columns = itertools.zip_longest(*(row for _, row in self.rows), fillvalue="")
        return any(any(cells) and all(_is_wrapped(cell, mark) for cell in cells if cell) for cells in columns)

    @property
    def inner_commas_are_decimal(self) -> bool:
        """Whether cells hold commas, and only between two digits."""
        cells = "\n".join(cell for _, row in self.rows for cell in row if "," in cell)
        return bool(cells) and len(re.findall(r"\d,(?=\d)", cells)) == cells.count(",")

    def dialect(self) -> Dialect:
        assert self.layout is not None
        assumptions = [self.quoting.assumption] if self.quoting.assumption else []
        if self.above is not None:
            assumptions.append(remarks.sentence("above", self.skip, self.above))
        if self.layout == "trailing":
            assumptions.append("every row ends with a delimiter that the header lacks: it was taken off")
        if self.layout == "short":
            assumptions.append("the header ends with a delimiter that the rows lack: it was taken off")
        fields = len(self.rows[1][1]) if len(self.rows) > 1 else len(self.rows[0][1])
        return Dialect(
            delimiter=self.delimiter,
            quoting=self.quoting,
            layout=self.layout,
            fields=fields,
            first=tuple(self.rows[0][1]),
            sample=tuple(tuple(row) for _, row in self.rows[1:]),
            assumptions=tuple(assumptions),
            skip=self.skip,
        )

    def refusal(self) -> DataRefused:
        """Where the text breaks this way of splitting it."""
        if self.error:
            return DataRefused(self.error)
        header = len(self.rows[0][1])
        usual, _ = Counter(len(row) for _, row in self.rows).most_common(1)[0]
        line, row = next((line, row) for line, row in self.rows if len(row) != usual)
        if line == self.rows[0][0]:
            return DataRefused(
                f"line {line} has {header} fields but most rows have {usual}: "
                "begin the file with a header that names each column"
            )
        return ragged(line, len(row), usual)


def _is_wrapped(cell: str, mark: str) -> bool:
    return len(cell) > 1 and cell[0] == mark == cell[-1]


def is_blank(row: Sequence[str]) -> bool:
    """Whether a row is an empty line, which says nothing."""
    return not row or (len(row) == 1 and not row[0].strip())


def ragged(line: int, fields: int, expected: int) -> DataRefused:
    """The refusal of a row that has too few or too many fields."""
    return DataRefused(
        f"line {line} has {fields} fields where {expected} are expected: "
        'give every row as many fields as the header, and put " around cells that hold the delimiter'
    )


def explain(error: csv.Error, line: int) -> str:
    """The csv module's complaint as a sentence with the way out."""
    text = str(error)
    if "field larger" in text:
        problem = f"has a cell of more than {MAX_CELL:,} characters, perhaps since a quote is never closed"
    elif "unexpected end" in text:
        problem = "is within a quote that is never closed"
    elif "expected after" in text:
        problem = 'has a cell with more text behind its closing quote: write a quote within a cell as ""'
    else:
        problem = f"cannot be split into cells ({text})"
    return f"line {line} {problem}"


def _certain(fitting: Sequence[_Trial], prefer_tab: bool) -> _Trial:
    """Of several delimiters that fit, the one that is certain. Raises DataRefused when none is."""
    tabs = [trial for trial in fitting if trial.delimiter == "\t"]
    if prefer_tab and tabs:
        return tabs[0]
    others = [trial for trial in fitting if trial.delimiter != ","]
    if len(others) == 1 and others[0].inner_commas_are_decimal:
        return others[0]
    names = " and the ".join(DELIMITERS[trial.delimiter] for trial in fitting)
    raise DataRefused(
        f"both the {names} could be the delimiter: name it as reading.delimiter in the spec, "
        'or put " around cells that hold one'
    )


def _one_column(trials: Sequence[_Trial], delimiter: str | None) -> Dialect:
    """A text without any delimiter has one column; with delimiters it is ragged. Raises DataRefused."""
    best = max(trials, key=lambda trial: sum(len(row) > 1 for _, row in trial.rows))
    if any(len(row) > 1 for _, row in best.rows):
        raise best.refusal()
    if best.error:
        raise DataRefused(best.error)
    if not best.rows:
        raise DataRefused("the file holds only empty lines: upload a table with a header and rows")
    return Dialect(
        delimiter, DOUBLED, "plain", 1, tuple(best.rows[0][1]), tuple(tuple(row) for _, row in best.rows[1:])
    )
