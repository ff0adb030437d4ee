"""Named columns as one .npz file: how encoded rows travel between stages.

A column is one-dimensional: float32 or float64 (missing is NaN), int64, or an object array
of str (missing is ""). Text is stored as codes and levels, so nothing is ever pickled, and
the same columns always give the same bytes.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping

import numpy as np

#: The entry with the columns' names; column i is the entry "i", text also has "i.levels" and "i.ends".
_NAMES = "names"


def save(columns: Mapping[str, np.ndarray]) -> bytes:
    """The bytes of an .npz file with the columns, each of shape (rows,), in their order.

    Raises
    ------
    TypeError
        a column is neither float32, float64, int64 nor text.
    """
    entries: dict[str, np.ndarray] = {_NAMES: _bytes(json.dumps(list(columns)))}
    for index, (name, values) in enumerate(columns.items()):
        if values.dtype == object:
            entries |= _pack_text(str(index), values)
        elif values.dtype in (np.float32, np.float64, np.int64):
            entries[str(index)] = values
        else:
            raise TypeError(f"column {name!r} must be float32, float64, int64 or text, not {values.dtype}")
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **entries)
    return file.getvalue()


def load(data: bytes) -> dict[str, np.ndarray]:
    """The columns that `save` wrote."""
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        names = json.loads(file[_NAMES].tobytes())
        return {
            name: _unpack_text(file, str(index)) if f"{index}.ends" in file else file[str(index)]
            for index, name in enumerate(names)
        }


def _pack_text(entry: str, values: np.ndarray) -> dict[str, np.ndarray]:
    texts = values.tolist()
    position = {text: code for code, text in enumerate(dict.fromkeys(texts))}
    encoded = [text.encode("utf-8", "surrogatepass") for text in position]
    return {
        entry: np.array([position[text] for text in texts], dtype=np.min_scalar_type(max(len(position) - 1, 0))),
        f"{entry}.levels": np.frombuffer(b"".join(encoded), dtype=np.uint8),
        f"{entry}.ends": np.cumsum([len(text) for text in encoded], dtype=np.int64),
    }


def _unpack_text(file: Mapping[str, np.ndarray], entry: str) -> np.ndarray:
    levels = file[f"{entry}.levels"].tobytes()
    ends = file[f"{entry}.ends"].tolist()
    starts = [0, *ends[:-1]]
    texts = [levels[a:b].decode("utf-8", "surrogatepass") for a, b in zip(starts, ends, strict=False)]
    values: np.ndarray = np.array(texts, dtype=object)[file[entry]]
    return values


def _bytes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), dtype=np.uint8)
