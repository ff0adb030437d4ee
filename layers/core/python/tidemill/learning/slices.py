"""The model on parts of the holdout: the levels of sensitive columns, and the worst parts that can be found.

Parts are levels of texts and ranges of numbers, of one column or of two. A part is worse when
its rows' losses are larger than the other rows' (Welch's test, with the false discovery rate of
all parts looked at held at 5%: Benjamini and Hochberg, 1995) and when the whole 95% interval of
the deciding metric lies on the worse side of the holdout's value. One column is preferred to two,
as in SliceFinder (Chung et al., Slice Finder: Automated Data Slicing for Model Validation, 2019):
a pair is told only when it is worse than the rest of either column's part. numpy only.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tidemill.contracts import ColumnProfile, InputField, Interval, SliceMetrics
from tidemill.errors import SpecError
from tidemill.learning.rows import Rows
from tidemill.rules import bootstrap
from tidemill.rules.metrics import Outcomes, improvement
from tidemill.serving import features
from tidemill.spec import LOWER_IS_BETTER

#: A part must have this many rows, and this share of them, to be looked at.
LEAST_ROWS = 30
LEAST_SHARE = 0.02
#: Worst parts that are listed.
LISTED = 5
#: Levels of a sensitive column, and of any other one; the most frequent.
SENSITIVE_LEVELS = 20
_LEVELS = 8
#: A number of at most so many different values has levels, any other one has ranges between these quantiles.
_DISTINCT = 6
_QUANTILES = (0.25, 0.5, 0.75)
#: Rows that parts are searched on, columns that are combined, and parts whose metric is measured.
_SEARCHED_ROWS = 20_000
_COMBINED_COLUMNS = 60
_MEASURED = 12
_RESAMPLES = 300
_FALSE_DISCOVERIES = 0.05
#: A pair must be worse than the rest of each of its columns' parts by this many standard errors.
_BEYOND = 3.0
#: Two parts that share more of their rows than this are the same finding.
_OVERLAP = 0.5

_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True)
class Part:
    """Some rows: those of one level or range of a column."""

    column: str
    level: str
    mask: np.ndarray  #: (n,) bool


# --- sensitive columns -------------------------------------------------------------------------


def sensitive_columns(
    names: Sequence[str], target: str | None, columns: Sequence[ColumnProfile], raw: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The values by which rows are compared: numbers as float32, texts as str, dates by their year, float32.

    Raises
    ------
    SpecError
        the table has no such column, or it is the target.
    """
    kinds = {column.name: column.type for column in columns}
    found = {}
    for name in names:
        if name not in kinds:
            close = difflib.get_close_matches(name, kinds, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(kinds)}"
            raise SpecError(f"the table has no column {name!r}, which spec.sensitive names: {hint}")
        if name == target:
            raise SpecError(f"spec.sensitive names {name!r}, which is the target: name columns to compare rows by")
        kind = kinds[name]
        field = InputField(name, "category" if kind in ("text", "empty") else kind, required=False)
        encoder = features.Encoder([field])
        encoded = encoder.encode({name: raw[name]})
        part = features.DATE_PARTS.index("year") if kind == "date" else 0
        found[name] = encoded[encoder.encoded_names[name][part]]
    return found


def by_level(extra: Mapping[str, np.ndarray], metric: str, outcomes: Outcomes, seed: int) -> tuple[SliceMetrics, ...]:
    """The model on each level of the sensitive columns, the most frequent first."""
    return tuple(
        _measure(metric, outcomes, [part], seed, sensitive=True)
        for name, values in extra.items()
        for part in parts(name, values, SENSITIVE_LEVELS)
        if part.mask.any()
    )


# --- parts of a column -------------------------------------------------------------------------


def parts(name: str, values: np.ndarray, most: int) -> list[Part]:
    """The parts that a column divides the rows into; of many levels the most frequent ones.

    Parameters
    ----------
    values
        (n,) float, of which a few values are levels and many become ranges between quartiles, or text.
    """
    if values.dtype == object:
        levels, codes = np.unique(values.astype(str), return_inverse=True)
        counts = np.bincount(codes)
        frequent = np.argsort(-counts, kind="stable")[:most]
        return [Part(name, str(levels[code]) or "missing", codes == code) for code in frequent]
    missing = np.isnan(values)
    present = values[~missing].astype(np.float64)
    found = []
    if len(distinct := np.unique(present)) <= _DISTINCT:
        found += [Part(name, _shown(value), values == value) for value in distinct]
    else:
        edges = np.unique(np.quantile(present, _QUANTILES, method="nearest"))
        # Where most values are the smallest one, they are one part and all others the other.
        edges = edges[edges > distinct[0]] if edges[-1] > distinct[0] else distinct[1:2]
        edges = edges if len(edges) else distinct[1:2]  # nearly all rows have the smallest value
        bins = np.where(missing, -1, np.searchsorted(edges, np.where(missing, 0, values), side="right"))
        found += [Part(name, label, bins == place) for place, label in enumerate(_ranges(edges))]
    return [*found, Part(name, "missing", missing)] if missing.any() else found


def _ranges(edges: np.ndarray) -> list[str]:
    shown = [_shown(edge) for edge in edges]
    middle = [f"{low} to under {high}" for low, high in pairwise(shown)]
    return [f"under {shown[0]}", *middle, f"{shown[-1]} or more"]


def _shown(value: float) -> str:
    """A number of the data: four significant digits, a year without a comma."""
    value = float(value)
    if abs(value) >= 1000:
        return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.0f}"
    return f"{value:.4g}"


def _date_parts(name: str, encoded: Mapping[str, np.ndarray]) -> list[Part]:
    """A date by its year, month, weekday and hour.

    Parameters
    ----------
    encoded
        part of the date (`serving.features.DATE_PARTS`) -> (n,) float32.
    """
    found = []
    for unit in ("year", "hour"):
        present = encoded[unit][~np.isnan(encoded[unit])]
        if len(np.unique(present)) > 1:
            found += [Part(name, f"{unit} {one.level}", one.mask) for one in parts(name, encoded[unit], _LEVELS)]
    for unit, words, first in (("month", _MONTHS, 1), ("weekday", _WEEKDAYS, 0)):
        found += [Part(name, word, encoded[unit] == first + place) for place, word in enumerate(words)]
    return found


# --- the worst parts ---------------------------------------------------------------------------


def worst(
    inputs: Sequence[InputField],
    encoded_names: Mapping[str, Sequence[str]],
    rows: Rows,
    metric: str,
    outcomes: Outcomes,
    whole: Interval,
    seed: int,
) -> tuple[SliceMetrics, ...]:
    """The parts of the holdout on which the model is clearly worse than on all of it, the worst first.

    Parameters
    ----------
    inputs
        the model's inputs, the most important first; masked ones, whose levels say nothing, are left out.
    encoded_names
        raw column -> its columns in the rows.
    whole
        the deciding metric on all rows.
    """
    losses = _losses(metric, outcomes)
    kept = np.sort(np.random.default_rng(seed).permutation(len(rows))[:_SEARCHED_ROWS])
    least = max(LEAST_ROWS * len(kept) / len(rows), LEAST_SHARE * len(kept))
    whole_parts = [
        part
        for field in inputs
        if not field.masked and field.type != "text"
        for part in _parts_of(field, {name: rows.columns[name] for name in encoded_names[field.name]}, encoded_names)
    ]
    candidates = [part for part in whole_parts if least <= part.mask[kept].sum() <= len(kept) - least]
    if not candidates:
        return ()
    order = {name: place for place, name in enumerate(dict.fromkeys(field.name for field in inputs))}
    found: list[tuple[float, SliceMetrics]] = []
    masks: list[np.ndarray] = []
    for _, chosen in zip(
        range(_MEASURED), _suspects(candidates, losses[kept], kept, least, order, masks), strict=False
    ):
        measured = _measure(metric, outcomes, chosen, seed)
        if measured.metric is None:
            continue
        best = measured.metric.low if metric in LOWER_IS_BETTER else measured.metric.high
        if (gap := improvement(metric, whole.value, best)) > 0:
            found.append((gap, measured))
            masks.append(_intersection(chosen)[kept])
    return tuple(measured for _, measured in sorted(found, key=lambda item: -item[0])[:LISTED])


def _parts_of(
    field: InputField, columns: Mapping[str, np.ndarray], encoded_names: Mapping[str, Sequence[str]]
) -> list[Part]:
    if field.type == "date":
        return _date_parts(
            field.name,
            {unit: columns[name] for unit, name in zip(features.DATE_PARTS, encoded_names[field.name], strict=True)},
        )
    return parts(field.name, columns[encoded_names[field.name][0]], _LEVELS)


def _suspects(
    candidates: Sequence[Part],
    losses: np.ndarray,
    kept: np.ndarray,
    least: float,
    order: Mapping[str, int],
    taken: list[np.ndarray],
) -> Iterable[list[Part]]:
    """Parts whose losses are larger than the others', the clearest first, none that says the same as one in `taken`."""
    table = np.stack([part.mask[kept] for part in candidates]).astype(np.float64)
    places = [order[part.column] for part in candidates]
    counts, totals, squares = (table @ values for values in (np.ones(len(kept)), losses, losses**2))
    combined = [index for index, place in enumerate(places) if place < _COMBINED_COLUMNS]
    first, second = (np.array(combined)[side] for side in np.triu_indices(len(combined), 1))
    different = np.array(places)[first] != np.array(places)[second]
    first, second = first[different], second[different]
    both = [(table * values) @ table.T for values in (np.ones(len(kept)), losses, losses**2)]
    shared = both[0][first, second]
    large = (shared >= least) & (shared < np.minimum(counts[first], counts[second]))
    first, second = first[large], second[large]
    single, pair = np.stack([counts, totals, squares]), np.stack([sums[first, second] for sums in both])
    everything = np.array([len(kept), losses.sum(), (losses**2).sum()])[:, None]
    sums = np.concatenate([single, pair], axis=1)
    gap, error = _gap(sums, everything)
    clear = _discoveries(np.array([math.erfc(z / math.sqrt(2)) / 2 for z in gap / error]))
    # A pair says more than its columns only when it is worse than the rest of either of them.
    beyond = np.min([np.divide(*_gap(pair, single[:, parent])) for parent in (first, second)], axis=0)
    clear[len(candidates) :] &= beyond > _BEYOND
    keys = [*((index,) for index in range(len(candidates))), *zip(first.tolist(), second.tolist(), strict=True)]
    # The end of the gap's interval nearest to none ranks, so that a small part does not lead by luck.
    for index in sorted(np.flatnonzero(clear), key=lambda index: -(gap[index] - 1.96 * error[index])):
        mask = np.logical_and.reduce([table[place] > 0 for place in keys[index]])
        if not any(_overlap(mask, other) > _OVERLAP for other in taken):
            yield [candidates[place] for place in keys[index]]


def _gap(inside: np.ndarray, whole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """By how much each part's mean loss is above that of the whole's other rows, and its standard error (Welch).

    Parameters
    ----------
    inside, whole
        (3, parts): the number of rows, the sum of their losses and the sum of their squares.
    """
    rest = whole - inside
    mean, squared_error = _mean_loss(inside)
    other_mean, other_squared_error = _mean_loss(rest)
    error = np.sqrt(squared_error + other_squared_error)
    return mean - other_mean, np.where(error > 0, error, np.inf)


def _mean_loss(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean loss of each part, and its squared standard error."""
    count, total, square = sums
    mean = total / count
    return mean, np.maximum(square / count - mean**2, 0) / np.maximum(count - 1, 1)


def _discoveries(chance: np.ndarray) -> np.ndarray:
    """Which of many tests hold when the share of false ones among them is kept small."""
    order = np.argsort(chance, kind="stable")
    good = np.flatnonzero(chance[order] <= _FALSE_DISCOVERIES * np.arange(1, len(chance) + 1) / len(chance))
    held = np.zeros(len(chance), dtype=bool)
    held[order[: good[-1] + 1 if len(good) else 0]] = True
    return held


def _overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Share of the smaller part's rows that are in both."""
    return float((one & other).sum() / max(min(one.sum(), other.sum()), 1))


def _losses(metric: str, outcomes: Outcomes) -> np.ndarray:
    """(n,): how wrong each row is, in the manner of the metric.

    For rankings it is the share of the other class that the row is on the wrong side of (the placement values of
    DeLong et al., 1988), whose mean does not depend on how frequent the classes are.
    """
    losses: np.ndarray
    if outcomes.values is not None:
        errors = np.abs(outcomes.values - outcomes.actual)
        losses = errors if metric in ("mae", "median_absolute_error") else errors**2
    elif metric in ("roc_auc", "average_precision"):
        scores, happened = outcomes.scores[:, outcomes.positive], outcomes.codes == outcomes.positive
        above, below = np.sort(scores[happened]), np.sort(scores[~happened])
        losses = np.where(happened, 1 - _share_below(below, scores), _share_below(above, scores))
    elif metric == "brier_score":
        losses = (outcomes.scores[:, outcomes.positive] - (outcomes.codes == outcomes.positive)) ** 2
    elif metric in ("log_loss", "roc_auc_ovr"):
        losses = -np.log(np.clip(outcomes.scores[np.arange(len(outcomes.actual)), outcomes.codes], 1e-6, 1.0))
    else:
        losses = (outcomes.predicted != outcomes.codes).astype(np.float64)
    return losses


def _share_below(ordered: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Share of the ordered scores below each score; of equal ones half."""
    left, right = (np.searchsorted(ordered, scores, side=side) for side in ("left", "right"))
    share: np.ndarray = (left + right) / (2 * max(len(ordered), 1))
    return share


def _intersection(chosen: Sequence[Part]) -> np.ndarray:
    mask: np.ndarray = np.logical_and.reduce([part.mask for part in chosen])
    return mask


def _measure(
    metric: str, outcomes: Outcomes, chosen: Sequence[Part], seed: int, sensitive: bool = False
) -> SliceMetrics:
    mask = _intersection(chosen)
    rows = outcomes.rows(mask)
    # Redraws of a handful of rows say nothing about other rows.
    enough = len(rows.actual) >= LEAST_ROWS
    interval = bootstrap.intervals([metric], rows, seed, _RESAMPLES)[metric] if enough else None
    first, second = chosen[0], chosen[1] if len(chosen) > 1 else None
    rate = true_rate = positives = None
    if outcomes.task == "binary":
        happened, labelled = rows.codes == rows.positive, rows.predicted == rows.positive
        positives = int(happened.sum())
        rate = float(labelled.mean())
        true_rate = float(labelled[happened].mean()) if positives else None
    return SliceMetrics(
        column=first.column,
        level=first.level,
        rows=int(mask.sum()),
        metric=None if interval is None or math.isnan(interval.value) else interval,
        sensitive=sensitive,
        positive_rate=rate,
        true_positive_rate=true_rate,
        positives=positives,
        and_column=second.column if second else None,
        and_level=second.level if second else None,
    )
