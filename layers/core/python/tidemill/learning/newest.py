"""A new model and the one in service on the newest predictions whose outcome has come, beside the old holdout.

The holdout is drawn from the training table and so looks as the past did; production may have moved on. Both models
are asked about each row as it was sent. Rows that the new model was fitted on would flatter it and are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tidemill.contracts import ChampionComparison, Interval, Signature
from tidemill.errors import InputRefused
from tidemill.learning import splits
from tidemill.learning.comparison import InService, compare, other_answers
from tidemill.learning.rows import Rows, outcomes
from tidemill.rules import bootstrap
from tidemill.rules.copies import are_copies
from tidemill.rules.gates import LEAST_NEWEST_ROWS
from tidemill.rules.metrics import all_of
from tidemill.serving.missing_values import MissingValues
from tidemill.serving.scoring import Model

#: Newest predictions that are looked at.
MOST_ROWS = 5000


@dataclass(frozen=True)
class Recent:
    """What a new model is judged by beside its holdout.

    Parameters
    ----------
    rows
        predictions whose outcome is known: `inputs` as they were sent, and `actual`, a class or a number.
    fitted
        gives the rows that the new model was fitted on; not asked when there are too few others.
    """

    rows: Sequence[Mapping[str, Any]]
    fitted: Callable[[], Rows]


@dataclass(frozen=True)
class Newest:
    """Both models on the newest rows, as far as there are enough of them."""

    rows: int = 0  #: that the new model was not fitted on, and that both models can be asked about
    metrics: dict[str, Interval] = field(default_factory=dict)  #: of the new model; empty when there are too few rows
    champion: ChampionComparison | None = None


def judge(metric: str, model: Model, champion: InService, recent: Recent, seed: int) -> Newest:
    """Judge both models on rows of production, as far as both can be asked about them."""
    if other_answers(champion.model.signature, model.signature):
        return Newest()
    told = [(row["inputs"], _target(row["actual"], model.signature)) for row in recent.rows]
    known = [(inputs, target) for inputs, target in told if target is not None]
    inputs, target = [row for row, _ in known], np.array([target for _, target in known], dtype=np.float64)
    fits = _fits(model, inputs) & _fits(champion.model, inputs)
    inputs, target = [row for row, fit in zip(inputs, fits, strict=True) if fit], target[fits]
    if len(target) < LEAST_NEWEST_ROWS:
        return Newest(len(target))
    encoded = _encoded(model, inputs)
    fresh = ~_seen(Rows(encoded, target), recent.fitted())
    rows = Rows({name: values[fresh] for name, values in encoded.items()}, target[fresh])
    if len(rows) < LEAST_NEWEST_ROWS:
        return Newest(len(rows))
    asked = _encoded(champion.model, [row for row, new in zip(inputs, fresh, strict=True) if new])
    happened = outcomes(rows, model.predict(rows.columns), model.signature)
    measured = bootstrap.intervals(all_of(model.signature.task), happened, seed)
    metrics = {name: item for name, item in measured.items() if not np.isnan(item.value)}
    if metric not in metrics:  # rows of one class
        return Newest(len(rows))
    said = champion.model.predict(asked)
    return Newest(len(rows), metrics, compare(metric, happened, rows, said, champion, model.signature, seed))


def _target(actual: Any, signature: Signature) -> float | None:
    """What happened as rows have it; None when the models do not know of it."""
    if signature.classes:
        return float(signature.classes.index(str(actual))) if str(actual) in signature.classes else None
    return float(actual) if isinstance(actual, int | float) and np.isfinite(actual) else None


def _fits(model: Model, inputs: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """(n,) bool: the rows that a model can be asked about."""
    try:
        _encoded(model, inputs)
    except InputRefused:
        if len(inputs) == 1:
            return np.zeros(1, dtype=bool)
        half = len(inputs) // 2
        return np.concatenate([_fits(model, inputs[:half]), _fits(model, inputs[half:])])
    return np.ones(len(inputs), dtype=bool)


def _encoded(model: Model, inputs: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """The rows as the model's graph takes them. Raises InputRefused."""
    signature = model.signature
    columns = {item.name: [row.get(item.name) for row in inputs] for item in signature.inputs}
    return model.encoder.encode(MissingValues(signature.missing_values, signature.real_values).taken_out(columns))


def _seen(rows: Rows, train: Rows) -> np.ndarray:
    """(n,) bool: the rows that equal one of the training rows, unless that is a coincidence of few possible values."""
    both = {name: np.concatenate([values, train.columns[name]]) for name, values in rows.columns.items()}
    hashes = splits.hashes(both | {"": np.concatenate([rows.target, train.target])}, 0)
    own, fitted = hashes[: len(rows)], hashes[len(rows) :]
    if not are_copies(len(fitted), len(np.unique(fitted))):
        return np.zeros(len(rows), dtype=bool)
    seen: np.ndarray = np.isin(own, fitted)
    return seen
