"""Lines around a table that are no rows of it: titles and notes above the header, sums and sources below the rows.

They are passed over only where that is plain, and the reading says how many there were
and quotes the first.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence

from tidemill.data import header as headers

#: More lines than this are not looked at for a remark.
MAX_REMARKS = 40
#: Tables of two columns often have one cell in a row.
MIN_COLUMNS = 3
_BEGINNINGS = re.compile(
    r"sources?\b|notes?\b|footnotes?\b|disclaimer|copyright|©|\*|#|quellen?\b|hinweise?\b|fuente|nota|remarques?\b|"
    r"end of (file|report|table|data)|generated |exported |\(?[\d,.]+ (rows?|records?|results?)\b",
    re.IGNORECASE,
)
_SUMS = re.compile(r"(grand )?(sub)?(totals?|sum|summe|gesamt|total général|total general)( \(.*\))?:?", re.IGNORECASE)

Row = Sequence[str]


def above(rows: Sequence[tuple[int, Row]], header: str, expected: Collection[str]) -> int:
    """How many of the first rows stand above the table.

    Parameters
    ----------
    rows
        line numbers and cells of the beginning of a text; without what stands below the table.
    header
        the spec's `reading.header`: auto, yes or no.
    expected
        names of columns that are known from elsewhere.
    """
    width = _usual_width(rows)
    count = next((i for i, (_, row) in enumerate(rows) if len(row) == width and not _is_remark(row, width)), 0)
    if not 0 < count <= MAX_REMARKS:
        return 0
    first, rest = rows[count][1], [row for _, row in rows[count + 1 :]]
    if any(len(row) > width for _, row in rows[:count]) or any(len(row) != width for row in rest):
        return 0
    single = _is_remark(rows[0][1], width) or rows[count][0] - rows[count - 1][0] > 1
    if header == "no":
        return count if single else 0
    # A row that is not named by a plain header may be one itself: then nothing can be told.
    least = 1 if single or header == "yes" else max(2, width // 2)
    return count if headers.clearness(first, rest, expected) >= least else 0


def _usual_width(rows: Sequence[tuple[int, Row]]) -> int:
    """Of most rows, and of the more columns when there are as many."""
    widths = Counter(len(row) for _, row in rows)
    return max(widths, key=lambda width: (widths[width], width), default=0)


def _is_remark(row: Row, width: int) -> bool:
    """Whether a row above a table says one thing, or nothing."""
    filled = [cell for cell in row if cell.strip()]
    return (len(filled) <= 1 and (width >= MIN_COLUMNS or len(row) == 1)) or row[0].lstrip().startswith("#")


def below(tail: Sequence[tuple[Row, bool]], width: int, first_column: Sequence[str]) -> int:
    """How many of the last rows stand below the table.

    Parameters
    ----------
    tail
        the last rows, and whether an empty line or row stands before each.
    width
        how many cells a row of the table has.
    first_column
        cells of the table's first column, which tell whether a remark below them can be one.
    """
    kinds = Counter(headers.kind_of(cell.strip()) for cell in first_column if cell.strip())
    usual = kinds.most_common(1)[0][0] if kinds else "text"
    start = 0
    apart = False
    for position, (row, after_empty) in enumerate(tail):
        apart = apart or after_empty
        if not _is_below(row, width, apart, usual):
            start, apart = position + 1, False
        elif not any(cell.strip() for cell in row):
            apart = True
    return len(tail) - start


def _is_below(row: Row, width: int, apart: bool, usual: str) -> bool:
    filled = [cell.strip() for cell in row if cell.strip()]
    if not filled:
        return True
    if not row[0].strip() or headers.kind_of(filled[0]) != "text":
        return False
    if len(row) == width >= MIN_COLUMNS and _SUMS.fullmatch(filled[0]):
        return True
    if len(filled) > 1 or (len(row) == width < MIN_COLUMNS and not apart):
        return False
    return apart or usual != "text" or _BEGINNINGS.match(filled[0]) is not None


def sentence(where: str, lines: int, first: str) -> str:
    """What was passed over, for the report."""
    what = "1 line" if lines == 1 else f"{lines:,} lines"
    quoted = f", {'' if lines == 1 else 'the first of them '}{first[:80]!r}" if first else ""
    return f"{what} {where} the table {'was' if lines == 1 else 'were'} passed over{quoted}"
