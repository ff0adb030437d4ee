"""What a candidate says of the training rows, each from a fit without the row's fold, as an .npz file."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import numpy as np

from tidemill.learning.target_transform import TargetTransform
from tidemill.serving import columns

_TRANSFORM = "transform"
_VALUE = "value"
_TREES = "trees"
_PROBABILITY = "probability:"


@dataclass(frozen=True)
class OutOfFold:
    """Out-of-fold predictions of n training rows.

    Parameters
    ----------
    predicted
        (n,) values, or (n, classes) probabilities, float64; NaN for rows that were only learned from or not seen.
    transform
        of the target, in which the candidate learns.
    trees
        that early stopping found for gradient boosting; 0 when there was nothing to find.
    """

    predicted: np.ndarray
    transform: TargetTransform = field(default_factory=TargetTransform)
    trees: int = 0

    @property
    def known(self) -> np.ndarray:
        """(n,) bool: the rows that have a prediction."""
        known: np.ndarray = ~np.isnan(self.predicted if self.predicted.ndim == 1 else self.predicted[:, 0])
        return known

    def save(self) -> bytes:
        """The bytes of an .npz file; the same predictions give the same bytes."""
        trees = {_TREES: np.array([self.trees], dtype=np.int64)}
        if self.predicted.ndim == 1:
            transform = np.array(dataclasses.astuple(self.transform), dtype=np.float64)
            return columns.save({_VALUE: self.predicted, _TRANSFORM: transform} | trees)
        said = {f"{_PROBABILITY}{code}": item.copy() for code, item in enumerate(self.predicted.T)}
        return columns.save(said | trees)

    @classmethod
    def load(cls, data: bytes) -> OutOfFold:
        """The predictions that `save` wrote."""
        entries = columns.load(data)
        trees = int(entries.pop(_TREES)[0])
        if _VALUE not in entries:
            return cls(np.column_stack(list(entries.values())), trees=trees)
        log, *numbers = entries[_TRANSFORM].tolist()
        return cls(entries[_VALUE], TargetTransform(bool(log), *numbers), trees)
