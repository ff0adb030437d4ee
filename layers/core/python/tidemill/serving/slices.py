"""Slices of a table to score: rows as they were uploaded, beside the same rows as the model takes them.

`plan` packs them, `score` turns each into a piece of the scored table. A piece is CSV
text of the uploaded columns followed by the prediction's; only the first has the header,
so the pieces in their order are the whole table. Packing needs no onnxruntime.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tidemill.contracts import Signature
from tidemill.serving import columns, outputs, uncertainty

if TYPE_CHECKING:
    from tidemill.serving.scoring import Model

_ORIGINAL = "original:"
_ENCODED = "encoded:"


def pack(original: Mapping[str, np.ndarray], encoded: Mapping[str, np.ndarray]) -> bytes:
    """The bytes of a slice.

    Parameters
    ----------
    original
        the uploaded columns as text, object arrays of shape (rows,); "" where a cell is empty.
    encoded
        the inputs of the model's graph, shape (rows,), as `features.Encoder.encode` gives them.
    """
    return columns.save(
        {_ORIGINAL + name: values for name, values in original.items()}
        | {_ENCODED + name: values for name, values in encoded.items()}
    )


def score(packed: bytes, model: Model, header: bool) -> bytes:
    """Score a slice; returns its piece of the scored table, CSV in UTF-8.

    Parameters
    ----------
    packed
        what `pack` gave.
    header
        whether the piece begins with the line of column names.
    """
    stored = columns.load(packed)
    original = _with_prefix(stored, _ORIGINAL)
    predicted = outputs.by_name(
        uncertainty.stated(model.predict(_with_prefix(stored, _ENCODED)), model.signature), model.signature
    )
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    if header:
        writer.writerow([*original, *prediction_names(original, model.signature)])
    writer.writerows(
        zip(*(values.tolist() for values in original.values()), *map(_cells, predicted.values()), strict=True)
    )
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


def _cells(values: list[Any]) -> list[Any]:
    """A column's values as CSV has them: true and false as in JSON."""
    return [str(value).lower() for value in values] if values and isinstance(values[0], bool) else values


def _with_prefix(stored: Mapping[str, Any], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): values for name, values in stored.items() if name.startswith(prefix)}
