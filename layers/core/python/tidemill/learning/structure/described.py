"""What a model without a target found on the holdout, for people: who is in a cluster, what a component stands for,
what makes a row strange. Numbers and short texts for the charts and sentences of the report. numpy only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tidemill.serving.features import DATE_PARTS
from tidemill.serving.scoring import Model

#: Points of a scatter plot.
_POINTS = 1000
#: Levels of a category that are told of, and the share of the rows that one needs.
_LEVELS = 6
_SHARE = 0.02
#: Strange rows that are told of, columns of each, and bins of the scores.
_STRANGEST = 10
_COLUMNS = 3
_BINS = 40


@dataclass(frozen=True)
class Trait:
    """A number of each row: a column's value, or whether it has a level."""

    column: str
    level: str | None  #: None of a number or date
    values: np.ndarray  #: (n,) float64, NaN where the cell is empty
    date: bool = False  #: days since 1970


def traits(model: Model, columns: Mapping[str, np.ndarray]) -> list[Trait]:
    """What can be said of rows: their numbers and dates, and the frequent levels of their categories."""
    found = []
    for field in model.signature.inputs:
        names = model.encoder.encoded_names[field.name]
        values = columns[names[0]]
        if field.type == "date":
            days = columns[names[DATE_PARTS.index("epoch_days")]]
            found.append(Trait(field.name, None, days.astype(np.float64), date=True))
        elif values.dtype != object:
            found.append(Trait(field.name, None, values.astype(np.float64)))
        else:
            counts = Counter(values.tolist())
            frequent = sorted(
                (level for level in counts if counts[level] >= _SHARE * len(values)),
                key=lambda level: (-counts[level], level),
            )
            found += [Trait(field.name, level, (values == level).astype(np.float64)) for level in frequent[:_LEVELS]]
    return found


def clusters(model: Model, columns: Mapping[str, np.ndarray], labels: np.ndarray, space: np.ndarray) -> dict[str, Any]:
    """`clusters` {names, rows}, `map` {x, y, group, explained}, `profiles` {traits}.

    A profile has column, level and date of one trait, its mean over all rows, its means by cluster, and how far these
    are from it in standard deviations (distance).
    """
    names = list(model.signature.classes)
    counts = [int((labels == name).sum()) for name in names]
    profiles = []
    for trait in traits(model, columns):
        mean, spread = _mean(trait.values), float(np.nanstd(trait.values)) if np.isfinite(trait.values).any() else 0.0
        if mean is None or spread <= 0:
            continue
        means = [_mean(trait.values[labels == name]) for name in names]
        apart = [None if one is None else (one - mean) / spread for one in means]
        profiles.append(_said(trait) | {"mean": mean, "means": means, "distance": apart})
    return {
        "clusters": {"names": names, "rows": counts},
        "map": _map(space, labels.tolist()),
        "profiles": {"traits": profiles},
    }


def components(model: Model, columns: Mapping[str, np.ndarray], found: np.ndarray, space: np.ndarray) -> dict[str, Any]:
    """`components` {shares}, `map` {x, y, explained}, `loadings` {traits: {column, level, date, correlations}}.

    Shares are of the holdout's variance; correlations are of each component with a trait.
    """
    whole = float(space.var(axis=0).sum())
    shares = (found.var(axis=0) / whole if whole > 0 else np.zeros(found.shape[1])).tolist()
    loadings = []
    for trait in traits(model, columns):
        values = np.where(
            np.isnan(trait.values), np.nanmedian(trait.values) if np.isfinite(trait.values).any() else 0.0, trait.values
        )
        loadings.append(_said(trait) | {"correlations": [_correlation(values, one) for one in found.T]})
    kept = _sample(len(found))
    second = found[kept, 1] if found.shape[1] > 1 else np.zeros(len(kept))
    return {
        "components": {"shares": shares},
        "map": {"x": found[kept, 0].tolist(), "y": second.tolist(), "explained": shares[:2]},
        "loadings": {"traits": loadings},
    }


def anomalies(model: Model, columns: Mapping[str, np.ndarray], scores: np.ndarray, space: np.ndarray) -> dict[str, Any]:
    """`scores` {edges, counts, threshold, above}, `map` {x, y, group, explained}, `strangest` {rows}.

    A strange row has its score, and the columns by which it falls most when they have their usual value.
    """
    threshold = model.signature.threshold
    assert threshold is not None
    counts, edges = np.histogram(scores, bins=_BINS, range=(0.0, 1.0))
    above = scores >= threshold
    groups = np.where(above, "anomaly", "normal").tolist()
    order = np.argsort(-scores, kind="stable")[:_STRANGEST]
    usual = {field.name: _usual(model.encoder.encoded_names[field.name], columns) for field in model.signature.inputs}
    rows = [_strange(model, columns, usual, int(place), float(scores[place])) for place in order]
    return {
        "scores": {
            "edges": edges.tolist(),
            "counts": counts.tolist(),
            "threshold": threshold,
            "above": int(above.sum()),
        },
        "map": _map(space, groups),
        "strangest": {"rows": rows},
    }


# --- a strange row -----------------------------------------------------------------------------


def _usual(names: tuple[str, ...], columns: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The encoded columns of the row whose value is the middle one, or the most frequent text."""
    values = columns[names[0]]
    if values.dtype == object:
        return {names[0]: Counter(values.tolist()).most_common(1)[0][0]}
    present = np.flatnonzero(~np.isnan(values))
    if not len(present):
        return {name: columns[name][0] for name in names}
    place = present[np.argsort(values[present], kind="stable")[len(present) // 2]]
    return {name: columns[name][place] for name in names}


def _strange(
    model: Model, columns: Mapping[str, np.ndarray], usual: Mapping[str, Mapping[str, Any]], place: int, score: float
) -> dict[str, Any]:
    fields = list(model.signature.inputs)
    rows = {name: np.repeat(values[place : place + 1], len(fields)) for name, values in columns.items()}
    for row, field in enumerate(fields):
        for name, value in usual[field.name].items():
            rows[name][row] = value
    changed = model.predict(rows).values
    assert changed is not None
    falls = score - changed
    leading = [int(row) for row in np.argsort(-falls, kind="stable")[:_COLUMNS] if falls[row] > 0]
    said = []
    for row in leading:
        names = model.encoder.encoded_names[fields[row].name]
        own, other = columns[names[0]][place], usual[fields[row].name][names[0]]
        date = fields[row].type == "date"
        said.append(
            {
                "column": fields[row].name,
                "date": date,
                "value": _plain(own),
                "usual": _plain(other),
                "fall": float(falls[row]),
            }
        )
    return {"score": score, "columns": said}


def _plain(value: Any) -> Any:
    return value if isinstance(value, str) else None if np.isnan(value) else float(f"{float(value):.7g}")


# --- arithmetic --------------------------------------------------------------------------------


def _said(trait: Trait) -> dict[str, Any]:
    return {"column": trait.column, "level": trait.level, "date": trait.date}


def _mean(values: np.ndarray) -> float | None:
    present = values[~np.isnan(values)]
    return float(present.mean()) if len(present) else None


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one, other)[0, 1]) if np.ptp(one) > 0 and np.ptp(other) > 0 else 0.0


def _sample(rows: int) -> np.ndarray:
    return np.unique(np.linspace(0, rows - 1, min(rows, _POINTS)).astype(np.int64))


def _map(space: np.ndarray, groups: list[str]) -> dict[str, Any]:
    """The rows on the two directions in which they differ most, and the share of the variance that these show."""
    centred = space - space.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred / len(space))
    places = centred @ vectors[:, ::-1][:, :2]
    if places.shape[1] < 2:
        places = np.column_stack([places, np.zeros(len(places))])
    kept = _sample(len(space))
    whole = float(values.sum())
    shares = (values[::-1][:2] / whole).tolist() if whole > 0 else [0.0, 0.0]
    return {
        "x": places[kept, 0].tolist(),
        "y": places[kept, 1].tolist(),
        "group": [groups[place] for place in kept],
        "explained": shares,
    }
