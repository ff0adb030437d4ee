"""Captures as monitoring reads them: which of them count, and what the model said in them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tidemill.contracts import Capture, Signature
from tidemill.serving.prediction import ANOMALY, NORMAL, Prediction

#: Every row of a call but its first one ends so.
_LATER_ROW = re.compile(r"-[1-9]\d{0,5}")


class Group(NamedTuple):
    """What is counted together: answers of one version, those that somebody got or those that nobody did."""

    version: int
    shadow: bool


def group_of(capture: Capture) -> Group:
    """Which group a capture belongs to."""
    return Group(capture.version, capture.why == "shadow")


def is_watched(capture: Capture) -> bool:
    """Whether a capture is production's: what was asked of a version by its number is somebody's trial."""
    if capture.why == "version":
        return False
    # Captures of former times do not say why; an answer without an alias was asked for by number.
    return capture.alias is not None or capture.why in ("split", "shadow") or capture.status >= 400


def is_answered(capture: Capture) -> bool:
    """Whether there is a prediction."""
    return capture.status < 400 and capture.prediction is not None


def is_first_row(capture: Capture) -> bool:
    """Whether a capture stands for its call: of a call with several rows, the first one does."""
    # A message that was too old to carry latencies has none in any row.
    return capture.ms is not None or not _LATER_ROW.search(capture.prediction_id[-7:])


def grouped(captures: Iterable[Capture]) -> dict[Group, list[Capture]]:
    """The captures that count, by group, each prediction once: queues may deliver a message twice."""
    groups: dict[Group, dict[str, Capture]] = {}
    for capture in captures:
        if is_watched(capture):
            groups.setdefault(group_of(capture), {}).setdefault(capture.prediction_id, capture)
    return {group: list(groups[group].values()) for group in sorted(groups)}


def id_hash(prediction_id: str) -> int:
    """64 bits of a prediction id or an entity's key: the same ones everywhere and always."""
    return int.from_bytes(hashlib.blake2b(prediction_id.encode("utf-8", "replace"), digest_size=8).digest(), "big")


def has_form(said: Any, signature: Signature) -> bool:
    """Whether a captured prediction is one that a model with the signature makes."""
    if signature.task in ("binary", "multiclass"):
        probabilities = said.get("probabilities") if isinstance(said, dict) else None
        return isinstance(probabilities, list) and len(probabilities) == len(signature.classes)
    if signature.task == "regression":
        return _is_number(said.get("value") if isinstance(said, dict) else said)
    named = said if isinstance(said, dict) else {}
    if signature.task == "dimensionality_reduction":
        return bool(named.get("components"))
    return _is_number(named.get("distance" if signature.task == "clustering" else "score"))


def predictions(said: Sequence[Any], signature: Signature) -> Prediction:
    """Captured predictions, as `serving.outputs.by_row` gave them, in the form that the model gave them in.

    Parameters
    ----------
    said
        n JSON values, all of which `has_form`.
    """
    if signature.task in ("binary", "multiclass"):
        probabilities = np.array([item["probabilities"] for item in said], dtype=np.float64)
        labels = np.array([item["label"] for item in said], dtype=object)
        return Prediction(labels=labels, probabilities=probabilities.reshape(-1, len(signature.classes)))
    if signature.task == "regression":
        return Prediction(values=_floats([item["value"] if isinstance(item, dict) else item for item in said]))
    if signature.task == "dimensionality_reduction":
        return Prediction(components=np.array([item["components"] for item in said], dtype=np.float64))
    if signature.task == "clustering":
        labels = np.array([item["cluster"] for item in said], dtype=object)
        return Prediction(labels=labels, values=_floats([item["distance"] for item in said]))
    labels = np.array([ANOMALY if item["anomaly"] else NORMAL for item in said], dtype=object)
    return Prediction(labels=labels, values=_floats([item["score"] for item in said]))


def _floats(values: Sequence[Any]) -> np.ndarray:
    return np.array(values, dtype=np.float64)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
