"""Values that mean missing in a call, as the same words do in a file.

A file's cells are trimmed and compared with these words when it is read, before anything
is encoded; what an application sends is treated alike, so that both get the same answer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tidemill.contracts import MISSING_WORDS


class MissingValues:
    """The words of one model.

    Parameters
    ----------
    declared
        the signature's, besides the usual ones; one that is a number means that number however written.
    real
        usual ones that are values in the model's table.
    """

    def __init__(self, declared: Sequence[str], real: Sequence[str] = ()) -> None:
        usual = frozenset(MISSING_WORDS) - {text.strip() for text in real}
        self._words = usual | {text.strip() for text in declared}
        self._numbers = frozenset(map(_number, declared)) - {None}

    def taken_out(self, columns: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        """The columns with trimmed texts, and None in place of what means missing."""
        return {name: [self._value(value) for value in values] for name, values in columns.items()}

    def _value(self, value: Any) -> Any:
        if type(value) is str:
            text = value.strip()
            return None if text in self._words or self._is_number(text) else text
        return None if self._is_number(value) else value

    def _is_number(self, value: Any) -> bool:
        return bool(self._numbers) and _number(value) in self._numbers


def _number(value: Any) -> float | None:
    """The value as a number; None when it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
