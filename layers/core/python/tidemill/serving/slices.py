"""Slices of a table to score: rows as they were uploaded, beside the same rows as the model takes them.

`plan` cuts them, `score` turns each into a piece of the scored table. A piece is CSV
text of the uploaded columns followed by the prediction's; only the first has the header,
so the pieces in their order are the whole table. Cutting needs no onnxruntime.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tidemill.contracts import Signature
from tidemill.errors import DataRefused
from tidemill.serving import columns, outputs
from tidemill.serving.features import Encoder

if TYPE_CHECKING:
    from tidemill.serving.scoring import Model

_ORIGINAL = "original:"
_ENCODED = "encoded:"
#: Beyond it a number is missing to the model, which takes float32.
_LARGEST = float(np.finfo(np.float32).max)


class Cutter:
    """Makes slices for one signature."""

    def __init__(self, signature: Signature) -> None:
        self._required = [field.name for field in signature.inputs if field.required]
        self._encoder = Encoder(signature.inputs)

    def cut(self, original: Mapping[str, np.ndarray], raw: Mapping[str, np.ndarray], start: int) -> bytes:
        """The bytes of a slice.

        Parameters
        ----------
        original
            the uploaded columns as text, object arrays of shape (rows,); "" where a cell is empty.
        raw
            the signature's inputs of the same rows, as `Encoder.encode` takes them.
        start
            index of the first row in the table, from 0.

        Raises
        ------
        DataRefused
            a cell is empty that the model needs, as the endpoint refuses such a row; names column and row, from 1.
        """
        for name in self._required:
            missing = _missing(raw[name])
            if missing.any():
                raise DataRefused(
                    f"{name} is empty in row {start + int(missing.argmax()) + 1}: the model needs it in every row, "
                    "since it never was missing in training; fill it in, or take the row out"
                )
        return columns.save(
            {_ORIGINAL + name: values for name, values in original.items()}
            | {_ENCODED + name: values for name, values in self._encoder.encode(raw).items()}
        )


def score(packed: bytes, model: Model, header: bool) -> bytes:
    """Score a slice; returns its piece of the scored table, CSV in UTF-8.

    Parameters
    ----------
    packed
        what `Cutter.cut` gave.
    header
        whether the piece begins with the line of column names.
    """
    stored = columns.load(packed)
    original = _with_prefix(stored, _ORIGINAL)
    predicted = outputs.by_name(model.predict(_with_prefix(stored, _ENCODED)), model.signature)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    if header:
        writer.writerow([*original, *prediction_names(original, model.signature)])
    writer.writerows(zip(*(values.tolist() for values in original.values()), *predicted.values(), strict=True))
    return text.getvalue().encode()


def prediction_names(original: Iterable[str], signature: Signature) -> list[str]:
    """Names of the prediction's columns; one that the table has already gets `_2`, `_3`, ... behind it."""
    taken = set(original)
    names = []
    for name in outputs.names(signature):
        free, number = name, 1
        while free in taken:
            number += 1
            free = f"{name}_{number}"
        taken.add(free)
        names.append(free)
    return names


def _missing(values: np.ndarray) -> np.ndarray:
    if values.dtype == object:
        return np.array([value is None or value == "" for value in values.tolist()], dtype=bool)
    held: np.ndarray = np.abs(values) <= _LARGEST
    return ~held


def _with_prefix(stored: Mapping[str, Any], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): values for name, values in stored.items() if name.startswith(prefix)}
