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

from tidemill.contracts import ColumnType, FeatureSetRef, InputField
from tidemill.errors import InputRefused

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
    """
    if value is None:
        return None
    if isinstance(value, str):
        return _whole(value.strip(), kind) or None
    if hasattr(value, "item"):  # of numpy
        value = value.item()
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
    if kind != "integer" or (text.isdecimal() and text.isascii() and (text == "0" or text[0] != "0")):
        return text
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if number.is_integer() and "_" not in text else text


def feature(feature_set: str, column: str) -> str:
    """The name of a joined column."""
    return f"{feature_set}__{column}"


class FeatureLookup:
    """The lookups of one model; made once from its signature and kept.

    Parameters
    ----------
    feature_sets, keys, inputs
        the signature's.
    look_up
        asks the online table; raises LookupFailed.
    """

    def __init__(
        self,
        feature_sets: Sequence[FeatureSetRef],
        keys: Sequence[InputField],
        inputs: Sequence[InputField],
        look_up: LookUp,
    ) -> None:
        self._feature_sets = feature_sets
        self._look_up = look_up
        self._only_keys = {field.name for field in keys} - {field.name for field in inputs}

    def completed(self, columns: Mapping[str, Sequence[Any]]) -> dict[str, Sequence[Any]]:
        """The model's inputs: what was given, without columns that are keys only, and what was looked up.

        Parameters
        ----------
        columns
            raw values by column, of the same length; missing is None.

        Raises
        ------
        InputRefused
            neither a set's key nor any of its features is given, or a key is no text or number.
        LookupFailed
            the online table does not answer.
        """
        made = {name: values for name, values in columns.items() if name not in self._only_keys}
        for ref in self._feature_sets:
            given = [name for name in ref.columns if name in columns]
            if ref.key in columns:
                made |= self._looked_up(ref, columns[ref.key], columns)
            elif not given:
                raise InputRefused(
                    f"{ref.key} is missing: features of {ref.name} are looked up by it (or give "
                    f"{', '.join(ref.columns[:3])}{', ...' if len(ref.columns) > 3 else ''})"
                )
        return made

    def _looked_up(
        self, ref: FeatureSetRef, keys: Sequence[Any], columns: Mapping[str, Sequence[Any]]
    ) -> dict[str, list[Any]]:
        nothing = [None] * len(keys)
        given = {name: columns.get(name, nothing) for name in ref.columns}
        if any(len(values) != len(keys) for values in given.values()):
            return {}  # the encoder says which column has too many values
        incomplete = [any(values[row] is None for values in given.values()) for row in range(len(keys))]
        wanted = [entity(key, ref.key_type) if asked else None for key, asked in zip(keys, incomplete, strict=True)]
        asked = sorted(
            {key for key in wanted if key is not None and len(key.encode(errors="replace")) <= MAX_KEY_BYTES}
        )
        found = self._look_up(ref.name, asked) if asked else {}
        rows = [found.get(key, {}) if key is not None else {} for key in wanted]
        return {
            name: [
                row.get(name.removeprefix(feature(ref.name, ""))) if value is None else value
                for value, row in zip(given[name], rows, strict=True)
            ]
            for name in ref.columns
        }
