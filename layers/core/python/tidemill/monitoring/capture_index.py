"""Where predictions have been recorded, by the hashes of their ids and keys: how true outcomes find them."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from tidemill.contracts import Capture, Signature
from tidemill.monitoring.recorded import group_of, id_hash, is_answered, is_watched

#: Entries of the file; numpy has arguments of its own that an array may not be named like.
_FILES, _ENTRY = "files", "of:"
_ARRAYS = {
    "ids": np.uint64,
    "keys": np.uint64,
    "times": np.int64,
    "versions": np.int32,
    "shadows": np.bool_,
    "answered": np.bool_,
    "file": np.int32,
    "row": np.int32,
}
#: Mixes version and kind of answer into an id's hash; odd, so that different ones stay different.
_MIX = np.uint64(0x9E3779B97F4A7C15)
_WHOLE = re.compile(r"(-?\d+)\.0+")


@dataclass(frozen=True)
class Index:
    """`index.npz`: the captures that one part of an hour has counted, each answer once, n of them."""

    files: tuple[str, ...]  #: keys of capture files
    ids: np.ndarray  #: (n,) uint64: hashes of prediction ids
    keys: np.ndarray  #: (n,) uint64: hashes of the entities' keys; 0: none
    times: np.ndarray  #: (n,) int64: seconds since 1970
    versions: np.ndarray  #: (n,) int32
    shadows: np.ndarray  #: (n,) bool: answers that nobody got
    answered: np.ndarray  #: (n,) bool: whether there is a prediction
    file: np.ndarray  #: (n,) int32: index in `files`
    row: np.ndarray  #: (n,) int32: line in the file

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def answers(self) -> np.ndarray:
        """(n,) uint64: a hash of id, version and kind of answer; the same for what was recorded twice."""
        kinds = self.versions.astype(np.uint64) * np.uint64(2) + self.shadows
        mixed: np.ndarray = self.ids ^ (kinds * _MIX)
        return mixed

    def only(self, chosen: np.ndarray) -> Index:
        """Some of the rows, by a mask or by places."""
        return Index(self.files, *(getattr(self, name)[chosen] for name in _ARRAYS))

    def save(self) -> bytes:
        """The bytes of an .npz file; the same index gives the same bytes."""
        buffer = io.BytesIO()
        entries = {_ENTRY + name: getattr(self, name) for name in _ARRAYS}
        entries[_FILES] = np.frombuffer(json.dumps(self.files).encode(), dtype=np.uint8)
        np.savez_compressed(buffer, allow_pickle=False, **entries)
        return buffer.getvalue()

    @classmethod
    def load(cls, data: bytes) -> Index:
        """The index that `save` wrote."""
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            return cls(tuple(json.loads(file[_FILES].tobytes())), *(file[_ENTRY + name] for name in _ARRAYS))


def build(captures: Mapping[str, Sequence[Capture]], key: str | None, known: Iterable[Index] = ()) -> Index:
    """Index captures, each answer once.

    Parameters
    ----------
    captures
        by the keys of their files.
    key
        the input that names the entity; None: the caller's routing key does.
    known
        what has been indexed of the same hour before; it is left out.
    """
    rows = [
        (place, row, capture)
        for place, found in enumerate(captures.values())
        for row, capture in enumerate(found)
        if is_watched(capture)
    ]
    groups = [group_of(capture) for _, _, capture in rows]
    found: dict[str, Sequence[Any]] = {
        "ids": [id_hash(capture.prediction_id) for _, _, capture in rows],
        "keys": [key_hash(entity(capture, key)) for _, _, capture in rows],
        "times": _seconds([capture.at for _, _, capture in rows]),
        "versions": [group.version for group in groups],
        "shadows": [group.shadow for group in groups],
        "answered": [is_answered(capture) for _, _, capture in rows],
        "file": [place for place, _, _ in rows],
        "row": [row for _, row, _ in rows],
    }
    whole = Index(tuple(captures), *(np.array(found[name], dtype=kind) for name, kind in _ARRAYS.items()))
    _, first = np.unique(whole.answers, return_index=True)
    once = whole.only(np.sort(first))
    before = [index.answers for index in known]
    return once.only(~np.isin(once.answers, np.concatenate(before))) if before else once


# --- entities ----------------------------------------------------------------------------------


def key_input(key: str | None, signature: Signature) -> str | None:
    """The input that names the entity a prediction is about; None when only the caller's routing key can.

    Parameters
    ----------
    key
        the spec's `monitor.key`; without one it is the key that the model's features are looked up by.
    """
    if key is None:
        return next((field.name for field in signature.keys), None)
    return key if any(field.name == key for field in signature.accepted) else None


def entity(capture: Capture, key: str | None) -> str | None:
    """The key of the entity that a prediction is about, as text, or None."""
    return key_text(capture.key if key is None else capture.inputs.get(key))


def key_text(value: Any) -> str | None:
    """A key as text, a whole number the same whether it is 12, 12.0 or "12"; None when it is none."""
    if value is None or isinstance(value, list | dict):
        return None
    text = (str(value).lower() if isinstance(value, bool) else str(value)).strip()
    whole = _WHOLE.fullmatch(text)
    return (whole[1] if whole else text) or None


def key_hash(text: str | None) -> int:
    """64 bits of a key, never 0; 0 of none."""
    return 0 if text is None else id_hash(text) or 1


def _seconds(times: Sequence[str]) -> list[int]:
    """Seconds since 1970 of times in UTC with whole seconds; thousands of captures share one."""
    known = {text: int(datetime.fromisoformat(text).timestamp()) for text in set(times)}
    return [known[text] for text in times]
