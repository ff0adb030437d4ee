"""What a candidate says of the training rows, each from a fit without the row's fold, as an .npz file."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import numpy as np

from tidemill.learning.target_transform import TargetTransform
from tidemill.serving import columns

_TRANSFORM = "transform"
_VALUE = "value"
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
    """

    predicted: np.ndarray
    transform: TargetTransform = field(default_factory=TargetTransform)

    @property
    def known(self) -> np.ndarray:
        """(n,) bool: the rows that have a prediction."""
        known: np.ndarray = ~np.isnan(self.predicted if self.predicted.ndim == 1 else self.predicted[:, 0])
        return known

    def save(self) -> bytes:
        """The bytes of an .npz file; the same predictions give the same bytes."""
        if self.predicted.ndim == 1:
            transform = np.array(dataclasses.astuple(self.transform), dtype=np.float64)
            return columns.save({_VALUE: self.predicted, _TRANSFORM: transform})
        return columns.save({f"{_PROBABILITY}{code}": item.copy() for code, item in enumerate(self.predicted.T)})

    @classmethod
    def load(cls, data: bytes) -> OutOfFold:
        """The predictions that `save` wrote."""
        entries = columns.load(data)
        if _VALUE not in entries:
            return cls(np.column_stack(list(entries.values())))
        log, *numbers = entries[_TRANSFORM].tolist()
        return cls(entries[_VALUE], TargetTransform(bool(log), *numbers))
