"""What scikit-learn says of the holdout, kept to prove the graph with and to tell how stable the model is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tidemill.serving import columns
from tidemill.serving.prediction import Prediction


@dataclass(frozen=True)
class Judged(Prediction):
    """A prediction without a target; `halves` is what models of two halves of the training rows say."""

    halves: np.ndarray | None = None  #: (n, 2) float64: clusters or scores

    def save(self) -> bytes:
        """The bytes of an .npz file."""
        entries = {name: getattr(self, name) for name in ("labels", "values") if getattr(self, name) is not None}
        for name, table in (("components", self.components), ("halves", self.halves)):
            if table is not None:
                entries |= {f"{name}:{place}": column.copy() for place, column in enumerate(table.T)}
        return columns.save(entries)

    @classmethod
    def load(cls, entries: dict[str, np.ndarray]) -> Judged:
        """What `save` wrote, its file already read."""

        def stacked(name: str) -> np.ndarray | None:
            parts = [values for key, values in entries.items() if key.startswith(f"{name}:")]
            return np.column_stack(parts) if parts else None

        return cls(
            labels=entries.get("labels"),
            values=entries.get("values"),
            components=stacked("components"),
            halves=stacked("halves"),
        )
