"""What the predictions rest on, on the holdout: permutation importance, and effect curves of the columns that matter.

Needs numpy and a served model only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np

from tidemill.contracts import Effect, Importance, InputField, Signature
from tidemill.learning.rows import Rows, outcomes
from tidemill.rules.metrics import improvement, score
from tidemill.serving.features import DATE_PARTS
from tidemill.serving.scoring import Model

#: Rows and repeats of the permutation importance.
_IMPORTANCE_ROWS = 2000
_IMPORTANCE_REPEATS = 3
#: Rows, columns and values of the effect curves.
_EFFECT_ROWS = 200
_EFFECT_COLUMNS = 8
_EFFECT_VALUES = 12
#: Where the middle 95% of a column's values begins and ends: what lies outside is too rare to be drawn.
_EFFECT_RANGE = (0.025, 0.975)
#: Classes whose probability is drawn, of a task of many.
_EFFECT_CLASSES = 3
#: The middle 80% of the rows' own curves.
_BAND = (0.1, 0.9)
_EPOCH = date(1970, 1, 1)


def importance(metric: str, model: Model, holdout: Rows, seed: int) -> tuple[Importance, ...]:
    """Permutation importance (Breiman, Random Forests, 2001): the metric's loss when a raw column is shuffled."""
    generator = np.random.default_rng(seed)
    sample = generator.permutation(len(holdout))[:_IMPORTANCE_ROWS]
    columns = {name: values[sample] for name, values in holdout.columns.items()}
    rows = Rows(columns, holdout.target[sample])

    def measure(changed: dict[str, np.ndarray]) -> float:
        return score([metric], outcomes(rows, model.predict(columns | changed), model.signature))[metric]

    whole = measure({})
    found = []
    for field in model.signature.inputs:
        losses = []
        for _ in range(_IMPORTANCE_REPEATS):
            order = generator.permutation(len(rows))
            shuffled = {name: columns[name][order] for name in model.encoder.encoded_names[field.name]}
            losses.append(improvement(metric, whole, measure(shuffled)))
        found.append(Importance(field.name, float(np.mean(losses)), float(np.std(losses))))
    return tuple(sorted(found, key=lambda item: -item.mean))


# --- effect curves -----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Grid:
    """The values that a column is set to, in words and as the graph takes them."""

    field: InputField
    values: tuple[Any, ...]
    encoded: Mapping[str, np.ndarray]  #: each of shape (values,)


def effects(model: Model, holdout: Rows, ranked: Sequence[Importance], seed: int) -> tuple[Effect, ...]:
    """How the prediction follows each of the most important columns, the others left as they are.

    The mean over a sample of the holdout is the partial dependence (Friedman, Greedy Function Approximation, 2001);
    the band is the middle 80% of the sample's individual curves (Goldstein et al., Peeking Inside the Black Box, 2015).
    Free text and masked columns, whose values say nothing, have no curve. A task of many classes has curves of the
    few classes that follow the columns most, the same ones for each column.

    Parameters
    ----------
    ranked
        the columns, the most important first; those without importance are left out.
    """
    fields = {field.name: field for field in model.signature.inputs}
    grids = [
        grid
        for item in ranked
        if item.mean > 0 and (grid := _grid(fields[item.feature], model.encoder.encoded_names, holdout.columns))
    ][:_EFFECT_COLUMNS]
    if not grids:
        return ()
    sample = np.sort(np.random.default_rng(seed).permutation(len(holdout))[:_EFFECT_ROWS])
    rows = {name: values[sample] for name, values in holdout.columns.items()}
    # All columns' rows go through the graph together: (grid, value, row), the row fastest.
    changed = [
        {
            name: np.repeat(grid.encoded[name], len(sample))
            if name in grid.encoded
            else np.tile(column, len(grid.values))
            for name, column in rows.items()
        }
        for grid in grids
    ]
    predicted = model.predict({name: np.concatenate([part[name] for part in changed]) for name in rows})
    said = predicted.values[:, None] if predicted.values is not None else predicted.probabilities
    assert said is not None
    ends = np.cumsum([len(grid.values) * len(sample) for grid in grids])
    curves = [
        part.reshape(len(grid.values), len(sample), -1)
        for grid, part in zip(grids, np.split(said, ends[:-1]), strict=True)
    ]
    outputs = _outputs(curves, model.signature)
    return tuple(
        _effect(grid, part[:, :, output], model.signature.classes[output] if model.signature.classes else "")
        for grid, part in zip(grids, curves, strict=True)
        for output in outputs
    )


def _outputs(curves: Sequence[np.ndarray], signature: Signature) -> list[int]:
    """The value, the positive class, or the few classes that follow the columns most."""
    classes = signature.classes
    if not classes:
        return [0]
    if len(classes) == 2:
        return [classes.index(signature.positive_class) if signature.positive_class in classes else 1]
    reach = np.sum([np.ptp(part.mean(axis=1), axis=0) for part in curves], axis=0)
    return sorted(np.argsort(-reach, kind="stable")[:_EFFECT_CLASSES].tolist())


def _effect(grid: _Grid, curves: np.ndarray, of: str) -> Effect:
    """The effect from predictions of shape (values, rows)."""
    low, high = np.quantile(curves, _BAND, axis=1)
    return Effect(
        feature=grid.field.name,
        values=grid.values,
        mean=tuple(curves.mean(axis=1).tolist()),
        low=tuple(low.tolist()),
        high=tuple(high.tolist()),
        of=of,
    )


def _grid(
    field: InputField, encoded_names: Mapping[str, Sequence[str]], columns: Mapping[str, np.ndarray]
) -> _Grid | None:
    """The values to draw a column at; None when there are fewer than two."""
    names = encoded_names[field.name]
    if field.type == "text" or field.masked:
        return None
    if field.type == "date":
        parts = {unit: columns[name] for unit, name in zip(DATE_PARTS, names, strict=True)}
        moments = parts["epoch_days"].astype(np.float64) * 24 + parts["hour"]
        # Whole dates that occur, so that year, month and weekday of a value belong together.
        places = _places(moments)
        shown: tuple[Any, ...] = tuple(_date(moments[place], bool(parts["hour"].any())) for place in places)
        encoded = {name: columns[name][places] for name in names}
    else:
        values = columns[names[0]]
        if values.dtype == object:
            levels, counts = np.unique(values.astype(str), return_counts=True)
            frequent = levels[np.argsort(-counts, kind="stable")[:_EFFECT_VALUES]].astype(object)
            shown, encoded = tuple(frequent.tolist()), {names[0]: frequent}
        else:
            places = _places(values)
            encoded = {names[0]: values[places]}
            shown = tuple(float(str(value)) for value in values[places])  # float32's own digits, no more
    return _Grid(field, shown, encoded) if len(shown) > 1 else None


def _places(values: np.ndarray) -> np.ndarray:
    """Rows with values spread evenly over the middle of those that occur: all when they are few, else quantiles."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    ordered = ordered[~np.isnan(ordered)]
    if not len(ordered):
        return np.zeros(0, dtype=np.int64)
    first = np.unique(ordered, return_index=True)[1]
    if len(first) > _EFFECT_VALUES:
        steps = np.linspace(*_EFFECT_RANGE, _EFFECT_VALUES) * (len(ordered) - 1)
        first = np.unique(np.searchsorted(ordered, ordered[np.round(steps).astype(np.int64)]))
    places: np.ndarray = order[first]
    return places


def _date(hours: float, with_hour: bool) -> str:
    days, hour = divmod(int(hours), 24)
    day = (_EPOCH + timedelta(days=days)).isoformat()
    return f"{day}T{hour:02d}:00" if with_hour else day
