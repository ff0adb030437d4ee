"""Tokens in place of personal data: what a model knows of a masked column.

A token is a keyed hash of a value's text (HMAC-SHA256, RFC 2104), so that equal values of
one column have equal tokens, and nobody without the key can find a value by trying
candidates. A token stands for itself: what is masked already is not masked again.
"""

from __future__ import annotations

import hmac
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tidemill.contracts import InputField
from tidemill.errors import InputRefused
from tidemill.serving.missing_values import MissingValues

PREFIX = "masked:"
#: Hexadecimal digits of the hash: 64 bits, of which a billion values share none but by a chance of 1 in 37.
DIGITS = 16
#: A regular expression for a token, here and in SQL.
TOKEN = f"{PREFIX}[0-9a-f]{{{DIGITS}}}"

_TOKEN = re.compile(TOKEN)
_WHOLE = re.compile(r"(-?[0-9]+)\.0+")


def token(key: bytes, column: str, text: str) -> str:
    """The token of a value; one of a whole number is the same whether it is written as 12 or as 12.0.

    Parameters
    ----------
    column
        a text has another token in another column.
    text
        without blanks around it.
    """
    if _TOKEN.fullmatch(text):
        return text
    whole = _WHOLE.fullmatch(text)
    message = f"{column}\0{whole[1] if whole else text}".encode(errors="surrogatepass")
    return PREFIX + hmac.digest(key, message, "sha256").hex()[:DIGITS]


class Masking:
    """Masks the rows of requests for one model.

    Parameters
    ----------
    inputs
        of the signature.
    missing
        what means missing in them; it stays missing.
    key
        gives the secret; called when a value is to be masked, and raises StorageError.
    """

    def __init__(self, inputs: Sequence[InputField], missing: MissingValues, key: Callable[[], bytes]) -> None:
        self._names = frozenset(field.name for field in inputs if field.masked)
        self._missing = missing
        self._key = key

    def masked(self, columns: Mapping[str, Sequence[Any]]) -> Mapping[str, Sequence[Any]]:
        """Raw values by column, with tokens in the masked ones.

        Raises
        ------
        InputRefused
            a value that is to be masked is no text or number; it is not quoted.
        """
        if self._names.isdisjoint(columns):
            return columns
        found = {name: values for name, values in columns.items() if name in self._names}
        tokens = {
            name: [None if value is None else self._token(name, value, row) for row, value in enumerate(values)]
            for name, values in self._missing.taken_out(found).items()
        }
        return {**columns, **tokens}

    def _token(self, name: str, value: Any, row: int) -> str | None:
        if isinstance(value, bool):
            text = "true" if value else "false"
        elif isinstance(value, int):
            text = str(value)
        elif isinstance(value, float):
            if math.isnan(value):
                return None
            text = str(int(value)) if value.is_integer() else repr(value)
        elif isinstance(value, str):
            text = value
        else:
            raise InputRefused(f"{name} must be text or a number (row {row + 1})")
        return token(self._key(), name, text)
