"""Rows that are equal in everything that is used: copies of one row, or a coincidence of few possible values."""

from __future__ import annotations

#: From this share of different rows on, equal ones are copies. A table of a few categories has fewer: split by what
#: its rows hold, its holdout would be a few kinds of rows and no picture of the rest.
DIFFERENT = 0.5


def are_copies(rows: int, different: int) -> bool:
    """Whether equal rows belong on one side of every split, when so many of the rows are different."""
    return different >= DIFFERENT * rows
