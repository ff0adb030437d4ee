"""Features that a prediction looks up by the row's key, instead of getting them from the caller.

What is looked up is what training joined: the same values, under the names
`<set>__<column>`, missing where the set has no row for the key. A value that the caller
gives himself wins, row by row.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tidemill.contracts import ColumnType, FeatureSetRef, Signature
from tidemill.errors import InputRefused
from tidemill.serving.missing_values import MissingValues

#: The longest key, as UTF-8; DynamoDB takes 2,048 bytes, the set's name among them.
MAX_KEY_BYTES = 1024

#: (feature set, keys) -> the set's columns by key; a key that it does not have is left out.
LookUp = Callable[[str, Sequence[str]], Mapping[str, Mapping[str, Any]]]


def entity(value: Any, kind: ColumnType) -> str | None:
    """A key as feature sets write it; None when it is missing.

    Parameters
    ----------
    value
        a raw value: text, a number, true or false, or None.
    kind
        the type of the set's key: with integer, "7.0" and 7.0 mean "7".

    Raises
    ------
    InputRefused
        the value is something else.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return _whole(value.strip(), kind) or None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, numbers.Integral):
        return str(int(value))
    if isinstance(value, numbers.Real):
        number = float(value)
        if math.isnan(number):
            return None
        return str(int(number)) if number.is_integer() else repr(number)
    raise InputRefused(f"a key must be text or a whole number, not {value!r}")


def _whole(text: str, kind: ColumnType) -> str:
    plain = text.isdecimal() and text.isascii() and (text == "0" or text[0] != "0")
    if kind != "integer" or plain or "_" in text:
        return text
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if number.is_integer() else text


def feature(feature_set: str, column: str) -> str:
    """The name of a joined column."""
    return f"{feature_set}__{column}"


class FeatureLookup:
    """The lookups of one model; made once from its signature and kept.

    Parameters
    ----------
    look_up
        asks for the rows of entities; raises LookupFailed.
    """

    def __init__(self, signature: Signature, look_up: LookUp) -> None:
        self._feature_sets = signature.feature_sets
        self._look_up = look_up
        self._missing = MissingValues(signature.missing_values, signature.real_values)

    def completed(self, columns: Mapping[str, Sequence[Any]]) -> dict[str, Sequence[Any]]:
        """What was given, and what was looked up where it was not.

        Parameters
        ----------
        columns
            raw values by column, of the same length; missing is None.

        Raises
        ------
        InputRefused
            neither a set's key nor any of its features is given, or a key is no text or number.
        LookupFailed
            the rows cannot be asked for.
        """
        made = dict(columns)
        for ref in self._feature_sets:
            if ref.key in columns:
                made |= self._looked_up(ref, columns)
            elif ref.columns and columns.keys().isdisjoint(ref.columns):
                raise InputRefused(
                    f"{ref.key} is missing: the model looks features of {ref.name} up by it (or give "
                    f"{', '.join(ref.columns[:3])}{', ...' if len(ref.columns) > 3 else ''})"
                )
        return made

    def _looked_up(self, ref: FeatureSetRef, columns: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        mentioned = [ref.key, *(name for name in ref.columns if name in columns)]
        given = self._missing.taken_out({name: columns[name] for name in mentioned})
        rows = len(given[ref.key])
        if any(len(values) != rows for values in given.values()):
            return {}  # the encoder says which column has too few values
        given = {name: [None] * rows for name in ref.columns} | given
        incomplete = [any(given[name][row] is None for name in ref.columns) for row in range(rows)]
        keys = [
            entity(value, ref.key_type) if wanted else None
            for value, wanted in zip(given[ref.key], incomplete, strict=True)
        ]
        asked = sorted({key for key in keys if key is not None and _fits(key)})
        found = self._look_up(ref.name, asked) if asked else {}
        stored = [found.get(key, {}) if key is not None else {} for key in keys]
        made = {}
        for name in ref.columns:
            column = name.removeprefix(feature(ref.name, ""))
            looked_up = self._missing.taken_out({name: [row.get(column) for row in stored]})[name]
            made[name] = [other if own is None else own for own, other in zip(given[name], looked_up, strict=True)]
        return made


def _fits(key: str) -> bool:
    return len(key.encode(errors="replace")) <= MAX_KEY_BYTES
