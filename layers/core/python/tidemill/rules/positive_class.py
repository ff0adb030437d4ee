"""Which of two classes the scores of a binary task are about, when the spec does not say it."""

from __future__ import annotations

from collections.abc import Mapping

#: What the class that a score is about is usually called, in some languages.
USUAL_NAMES = frozenset({"1", "true", "yes", "y", "t", "positive", "pos", "ja", "oui", "si", "sí", "sì", "sim", "tak"})


def choose(rows: Mapping[str, int], previous: str | None = None) -> tuple[str, str]:
    """The class, and why.

    Parameters
    ----------
    rows
        of each class; two classes.
    previous
        the class of the project's previous version: it is kept, so that metrics and scores mean the same.
    """
    if previous in rows:
        return str(previous), "as in the previous version"
    named = [name for name in rows if name.lower() in USUAL_NAMES]
    if len(named) == 1:
        return named[0], "it is named like it"
    return min(rows, key=lambda name: (rows[name], -sorted(rows).index(name))), "it is the rarer one"
