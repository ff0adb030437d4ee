"""Raw values to the inputs of a model's graph: the one code path of training and serving.

Numbers become float32 (missing is NaN), booleans and categories become str (missing is
""), free text becomes its different words, in lower case and with one space between two
of them, and a date, which ONNX cannot parse, becomes the numbers in `DATE_PARTS`. A number
that float32 cannot hold counts as missing; half of a surrogate pair, which no text in
UTF-8 can hold, becomes "?".
"""

from __future__ import annotations

import difflib
import math
import numbers
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any

import numpy as np

from tidemill.contracts import InputField
from tidemill.errors import InputRefused

#: The float32 columns of a date, in UTC: whole days since 1970-01-01, and the parts (Monday is 0; seconds are a
#: fraction of the minute).
DATE_PARTS = ("epoch_days", "year", "month", "day", "weekday", "hour", "minute", "day_of_year")
#: So many different words of a text are kept; a batch of rows takes memory for as many words as its longest text.
MAX_WORDS = 256

_EPOCH = date(1970, 1, 1).toordinal()
_NUMBERS = frozenset({int, float, type(None)})
_LARGEST = float(np.finfo(np.float32).max)
#: One NaN object, so that `in` finds it by identity.
_NAN = math.nan
_BOOLEANS = {"true": "true", "false": "false", "1": "true", "0": "false", "yes": "true", "no": "false", "": ""}
#: A word, or a sign that stands alone, such as a currency's.
_WORD = re.compile(r"\w+|[^\w\s]")
_DIGIT = re.compile(r"\d")

Columns = Mapping[str, Sequence[Any] | np.ndarray]


class Encoder:
    """Encodes rows for one model; made once from its signature's inputs and kept.

    Parameters
    ----------
    inputs
        the raw columns of the signature.
    """

    def __init__(self, inputs: Sequence[InputField]) -> None:
        self._fields = {field.name: field for field in inputs}
        taken = set(self._fields)
        #: Raw column -> its columns in the graph.
        self.encoded_names = {field.name: _encoded_names(field, taken) for field in inputs}
        self._plan = [
            (field.name, field.required, _encoder_of(field), self.encoded_names[field.name]) for field in inputs
        ]

    def encode(self, columns: Columns) -> dict[str, np.ndarray]:
        """The graph's inputs, each of shape (rows,), float32 or object of str.

        Parameters
        ----------
        columns
            raw values by column, all of the same length; an optional column may be absent.

        Raises
        ------
        InputRefused
            a column is unknown, a required one is missing, or a value has the wrong type; names field and row.
        """
        rows = _rows(columns)
        if not columns.keys() <= self._fields.keys():
            raise _unknown(next(name for name in columns if name not in self._fields), self._fields)
        encoded: dict[str, np.ndarray] = {}
        for name, required, encoder, names in self._plan:
            values = columns.get(name)
            if values is None:
                if required:
                    raise InputRefused(f"{name} is missing: the model needs it")
                values = [None] * rows
            arrays = encoder(name, required, values)
            if len(arrays) == 1:  # nearly always, and a fifth of the time less
                encoded[names[0]] = arrays[0]
            else:
                encoded |= zip(names, arrays, strict=True)
        return encoded


def encode(inputs: Sequence[InputField], columns: Columns) -> dict[str, np.ndarray]:
    """Encode once; who encodes again and again keeps an `Encoder`. Raises InputRefused."""
    return Encoder(inputs).encode(columns)


def _encoded_names(field: InputField, taken: set[str]) -> tuple[str, ...]:
    if field.type != "date":
        return (field.name,)
    names = []
    for part in DATE_PARTS:
        name = f"{field.name}__{part}"
        while name in taken:
            name += "_"
        taken.add(name)
        names.append(name)
    return tuple(names)


def _rows(columns: Columns) -> int:
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        first, rows = next(iter(lengths.items()))
        other = next(name for name, length in lengths.items() if length != rows)
        raise InputRefused(f"{other} has {lengths[other]} values but {first} has {rows}: give as many for each")
    if not lengths:
        raise InputRefused("there are no values: give at least one field")
    return next(iter(lengths.values()))


def _unknown(name: str, fields: Iterable[str]) -> InputRefused:
    known = list(fields)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"the fields are {', '.join(known)}"
    return InputRefused(f"the model has no field {name!r}: {hint}")


# --- one encoder per kind of column ------------------------------------------------------------

_ColumnEncoder = Callable[[str, bool, Any], Sequence[np.ndarray]]


def _encoder_of(field: InputField) -> _ColumnEncoder:
    if field.type in ("integer", "number"):
        return _encode_numbers
    if field.type == "date":
        return _encode_dates
    if field.type == "text":
        return _encode_words
    return _encode_booleans if field.type == "boolean" else _encode_texts


def _encode_numbers(name: str, required: bool, values: Sequence[Any] | np.ndarray) -> Sequence[np.ndarray]:
    if isinstance(values, np.ndarray) and values.dtype.kind in "fiu":
        held = np.where(np.abs(values) <= _LARGEST, values, np.nan).astype(np.float32)
        if required and np.isnan(held).any():
            raise _missing(name, int(np.isnan(held).argmax()), len(held))
        return (held,)
    if not _NUMBERS.issuperset(map(type, values)):
        for row, value in enumerate(values):
            if value is not None and (not isinstance(value, numbers.Real) or isinstance(value, bool)):
                raise _refused(name, "a number", value, row, len(values))
    clean = [value if value is not None and -_LARGEST <= value <= _LARGEST else _NAN for value in values]
    if required and _NAN in clean:
        raise _missing(name, clean.index(_NAN), len(clean))
    return (np.array(clean, dtype=np.float32),)


def _encode_texts(name: str, required: bool, values: Sequence[Any]) -> Sequence[np.ndarray]:
    clean = [
        value if type(value) is str and value.isascii() else _text(name, value, row, len(values))
        for row, value in enumerate(values)
    ]
    if required and "" in clean:
        raise _missing(name, clean.index(""), len(clean))
    return (np.array(clean, dtype=object),)


def _encode_words(name: str, required: bool, values: Sequence[Any]) -> Sequence[np.ndarray]:
    (texts,) = _encode_texts(name, required, values)
    return (np.array([words(text) for text in texts], dtype=object),)


def words(text: str) -> str:
    """The different words of a text in their order, at most `MAX_WORDS`, with a space between two of them.

    Lower case, compatible characters as one (NFKC), and every digit a 0: numbers of a length are one word.
    """
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    found = dict.fromkeys(_WORD.findall(_DIGIT.sub("0", plain.lower())))
    return " ".join(islice(found, MAX_WORDS))


def _encode_booleans(name: str, required: bool, values: Sequence[Any]) -> Sequence[np.ndarray]:
    (texts,) = _encode_texts(name, required, values)
    clean = [_BOOLEANS.get(text.lower()) for text in texts]
    if None in clean:
        row = clean.index(None)
        raise _refused(name, "true or false", texts[row], row, len(clean))
    return (np.array(clean, dtype=object),)


def _text(name: str, value: Any, row: int, rows: int) -> str:
    if value is None:
        return ""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, numbers.Integral):
        return str(int(value))
    if isinstance(value, numbers.Real):
        number = float(value)
        return "" if math.isnan(number) else str(int(number)) if number.is_integer() else repr(number)
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    raise _refused(name, "text", value, row, rows)


def _encode_dates(name: str, required: bool, values: Sequence[Any]) -> Sequence[np.ndarray]:
    parts = []
    for row, value in enumerate(values):
        if value is None or value == "":
            if required:
                raise _missing(name, row, len(values))
            parts.append((_NAN,) * len(DATE_PARTS))
        else:
            parts.append(_date_parts(name, value, row, len(values)))
    return tuple(np.array(parts, dtype=np.float32).reshape(-1, len(DATE_PARTS)).T.copy())


def _date_parts(name: str, value: Any, row: int, rows: int) -> tuple[float, ...]:
    accepted = "a date such as 2026-01-31 or 2026-01-31T12:00:00Z"
    if not isinstance(value, str):
        raise _refused(name, accepted, value, row, rows)
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _refused(name, accepted, value, row, rows) from error
    day = moment.toordinal()
    minute = moment.minute + moment.second / 60
    of_year = day - date(moment.year, 1, 1).toordinal() + 1
    return day - _EPOCH, moment.year, moment.month, moment.day, moment.weekday(), moment.hour, minute, of_year


def _refused(name: str, accepted: str, value: Any, row: int, rows: int) -> InputRefused:
    shown = str(value).lower() if isinstance(value, bool) else repr(value)
    return InputRefused(f"{name} must be {accepted}, not {shown[:100]}{_where(row, rows)}")


def _missing(name: str, row: int, rows: int) -> InputRefused:
    return InputRefused(f"{name} is missing: the model needs it{_where(row, rows)}")


def _where(row: int, rows: int) -> str:
    return "" if rows == 1 else f" (row {row + 1})"
