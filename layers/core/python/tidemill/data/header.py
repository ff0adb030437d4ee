"""Whether the first row of a delimited text names the columns or is data already.

Each column votes. Its first cell speaks for a header when it differs in kind from the
cells below (text above numbers, or a word that none of the recurring values below is),
and for data when it is of the same kind (a number above numbers) or one of the values
below. Without any vote the first row is a header, as usual.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Sequence

from tidemill.errors import DataRefused

#: Rows that vote.
SAMPLE_ROWS = 1000
#: Kinds that a column name hardly has. A cell of none of them is text.
KINDS = {
    "number": re.compile(r"[-+]?[$€£]?\s?(\d[\d.,]*|[.,]\d+)([eE][-+]?\d+)?\s?[%$€£]?"),
    "date": re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ]\d{1,2}:\d{2}.*)?"),
    "time": re.compile(r"\d{1,2}[:.]\d{2}([:.]\d{2})?(\s?[APap][Mm])?"),
    "boolean": re.compile(r"true|false", re.IGNORECASE),
    "address": re.compile(r"https?://\S+|\S+@\S+\.\S+"),
}


def clearness(first: Sequence[str], rows: Sequence[Sequence[str]], expected: Collection[str] = ()) -> int:
    """By how many columns' votes the first row is a header rather than data; negative when it is data."""
    names = [cell.strip() for cell in first]
    if any(name in expected for name in names):
        return len(names)
    return sum(_vote(name, [row[i].strip() for row in rows[:SAMPLE_ROWS]]) for i, name in enumerate(names))


def is_header(first: Sequence[str], rows: Sequence[Sequence[str]], expected: Collection[str] = ()) -> bool:
    """Whether the first row is a header.

    Parameters
    ----------
    first
        cells of the first row.
    rows
        rows that follow.
    expected
        column names that are known from elsewhere (spec, signature, an earlier table); one among the cells decides.
    """
    return _counts_up([cell.strip() for cell in first]) or clearness(first, rows, expected) >= 0


def _counts_up(names: Sequence[str]) -> bool:
    """Whether the numbers among the names count up by one, such as years or a data frame's default names."""
    numbers = [int(name) for name in names if re.fullmatch(r"\d{1,4}", name)]
    others = [name for name in names if KINDS["number"].fullmatch(name)]
    steps = [b - a for a, b in itertools.pairwise(numbers)]
    return len(numbers) >= 3 and len(numbers) == len(others) and set(steps) == {1}


def _vote(name: str, values: Sequence[str]) -> int:
    """1 for a header, -1 for data, 0 for neither."""
    values = [value for value in values if value]
    if not name or not values:
        return 0
    kind = kind_of(name)
    same = sum(kind_of(value) == kind for value in values)
    if kind != "text":
        return -1 if same > 0.5 * len(values) else 0
    if name in values:
        return -1
    recurring = len(set(values)) < 0.5 * len(values)
    return 1 if same < 0.1 * len(values) or recurring else 0


def kind_of(cell: str) -> str:
    """What a cell holds by its look: one of `KINDS`, or text."""
    return next((kind for kind, pattern in KINDS.items() if pattern.fullmatch(cell)), "text")


def names_of(first: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[list[str], list[str]]:
    """Column names from a header, and what was assumed for unnamed ones.

    Raises
    ------
    DataRefused
        two columns have the same name, or most columns have none although they hold data.
    """
    names = [cell.strip() for cell in first]
    unnamed = [i for i, name in enumerate(names) if not name]
    filled = [i for i in unnamed if any(row[i].strip() for row in rows)]
    if len(names) > 2 and len(filled) > len(names) / 2:
        raise DataRefused(
            f"the first line of the table names only {len(names) - len(unnamed)} of {len(names)} columns: "
            "delete what stands above the header, or name every column"
        )
    taken = {name.casefold() for name in names}
    for i in unnamed:
        names[i] = free(f"column_{i + 1}", taken)
        taken.add(names[i].casefold())
    problem = repetition(names)
    if problem:
        raise DataRefused(problem)
    if not unnamed:
        return names, []
    shown = ", ".join(names[i] for i in unnamed)
    return names, [f"the header leaves {len(unnamed)} columns unnamed: they were named {shown}"]


def free(name: str, taken: set[str]) -> str:
    """The name, with underscores behind it until no other column has it; `taken` are the others, case-folded."""
    while name.casefold() in taken:
        name += "_"
    return name


def repetition(names: Sequence[str]) -> str | None:
    """What is wrong when two names are the same, or differ in case only, which most programs cannot tell apart."""
    seen: dict[str, str] = {}
    for position, name in enumerate(names):
        other = seen.setdefault(name.casefold(), name)
        if name in names[:position]:
            return f"the header has the column {name!r} {names.count(name)} times: give each column a name of its own"
        if other != name:
            return f"the columns {other!r} and {name!r} differ in upper and lower case only: rename one of them"
    return None
