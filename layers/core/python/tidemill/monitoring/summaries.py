"""Captures to summaries: what production sent and was answered, counted over the bins of the stored profile.

Values are read by the serving room's own rules, so that a value means here what it meant in training and to the model.
Summaries of the same version are added: an hour is counted once, and a window is a sum. Counts are exact, in whatever
order parts come and are added. Sums of numbers are exact but for rounding; examples of values and of error messages
are exact as long as there are no more different ones than are kept, afterwards they are the most frequent ones of the
parts.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any

import numpy as np

from tidemill.contracts import (
    Capture,
    ColumnConstraints,
    ColumnProfile,
    ColumnType,
    DataContract,
    InputField,
    Profile,
    Signature,
    TopValue,
    instant,
)
from tidemill.errors import InputRefused
from tidemill.monitoring import recorded
from tidemill.monitoring.recorded import Group
from tidemill.monitoring.reference import chosen_of, outputs_of
from tidemill.monitoring_contracts import LATENCY_EDGES, ColumnSummary, Reference, SampledRow, Summary
from tidemill.rules import output_bins
from tidemill.rules.drift import known_counts
from tidemill.serving.features import encode
from tidemill.serving.missing_values import MissingValues
from tidemill.serving.prediction import Prediction

#: Rows of the sample of a summary.
SAMPLE_ROWS = 500
#: Examples of unseen and unreadable values of a column, and their length.
EXAMPLES, EXAMPLE_LENGTH = 5, 40
#: Error messages of a summary, and their length.
FAULTS, FAULT_LENGTH = 10, 200

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LARGEST = float(np.finfo(np.float32).max)
_ABSENT = object()
_NUMBERS = frozenset({int, float, type(None)})
_TEXTS = frozenset({str, type(None)})


def summarize(
    captures: Iterable[Capture],
    profile: Profile,
    signature: Signature,
    reference: Reference | None,
    constraints: DataContract | None,
) -> list[Summary]:
    """Count captures, one summary for each version, and one for its answers that nobody got.

    What was asked of a version by its number is left out, and a prediction that was recorded twice counts once.

    Parameters
    ----------
    profile
        of the table that the model was trained on; its bins are counted over.
    signature
        of the model; says how values are read and which columns there are.
    reference
        of the model version; None when it has none, and then outputs are not counted.
    constraints
        the project's data contract; None when there is none.
    """
    columns = _columns(profile, signature, constraints)
    return [_summary(group, rows, columns, signature, reference) for group, rows in recorded.grouped(captures).items()]


def merge(one: Summary, other: Summary) -> Summary:
    """The sum of two summaries of the same version. Raises ValueError when they are of different ones."""
    return merged((one, other))


def merged(parts: Iterable[Summary]) -> Summary:
    """The sum of at least one summary, all of the same version.

    Raises
    ------
    ValueError
        there is none, or they are of different models, versions, or kinds of answers.
    """
    items = list(parts)
    if len({(item.model, item.version, item.shadow) for item in items}) != 1:
        raise ValueError("summaries are added when there are some, of one model, version and kind of answers")
    sample = {row.hash: row for item in items for row in item.sample}
    columns: dict[str, list[ColumnSummary]] = {}
    for item in items:
        for column in item.columns:
            columns.setdefault(column.name, []).append(column)
    return Summary(
        model=items[0].model,
        version=items[0].version,
        start=min(item.start for item in items),
        end=max(item.end for item in items),
        shadow=items[0].shadow,
        rows=sum(item.rows for item in items),
        requests=sum(item.requests for item in items),
        statuses=added(item.statuses for item in items),
        faults=_most((fault for item in items for fault in item.faults), FAULTS),
        latency=added_up(item.latency for item in items),
        latency_total=math.fsum(item.latency_total for item in items),
        columns=tuple(_merged_column(columns[name]) for name in sorted(columns)),
        outputs=added_counts(item.outputs for item in items),
        labels=added(item.labels for item in items),
        output_total=math.fsum(item.output_total for item in items),
        scale_total=math.fsum(item.scale_total for item in items),
        scale_rows=sum(item.scale_rows for item in items),
        reviews=sum(item.reviews for item in items),
        last_at=max(item.last_at for item in items),
        sample=tuple(sample[key] for key in sorted(sample)[:SAMPLE_ROWS]),
        chosen=added_counts(item.chosen for item in items),
    )


# --- adding counts -----------------------------------------------------------------------------


def added(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Sums by name, in the order of the names."""
    total: Counter[str] = Counter()
    for item in counts:
        total.update(item)
    return {name: total[name] for name in sorted(total)}


def added_up(counts: Iterable[Sequence[int]]) -> tuple[int, ...]:
    """Sums bin by bin; those without bins add nothing. Raises ValueError when the bins are not the same ones."""
    binned = [item for item in counts if item]
    return tuple(map(sum, zip(*binned, strict=True)))


def added_counts(counts: Iterable[Mapping[str, Sequence[int]]]) -> dict[str, tuple[int, ...]]:
    """Sums by name and bin. Raises ValueError when the bins are not the same ones."""
    items = list(counts)
    names = sorted({name for item in items for name in item})
    return {name: added_up(item.get(name, ()) for item in items) for name in names}


def hours(captures: Iterable[Capture]) -> tuple[str, str]:
    """Beginning of the first hour and end of the last one of at least one capture, UTC."""
    times = [capture.at for capture in captures]
    last = datetime.fromisoformat(f"{max(times)[:13]}:00:00+00:00")
    return f"{min(times)[:13]}:00:00Z", instant(last + timedelta(hours=1))


def _most(values: Iterable[TopValue], limit: int) -> tuple[TopValue, ...]:
    total: Counter[str] = Counter()
    for item in values:
        total[item.value] += item.count
    return _top(total, limit)


def _top(counts: Mapping[str, int], limit: int) -> tuple[TopValue, ...]:
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:limit]
    return tuple(TopValue(value, count) for value, count in ranked)


def _merged_column(parts: Sequence[ColumnSummary]) -> ColumnSummary:
    return ColumnSummary(
        name=parts[0].name,
        rows=sum(part.rows for part in parts),
        missing=sum(part.missing for part in parts),
        absent=sum(part.absent for part in parts),
        counts=added_up(part.counts for part in parts),
        total=math.fsum(part.total for part in parts),
        squares=math.fsum(part.squares for part in parts),
        out_of_range=sum(part.out_of_range for part in parts),
        unseen=sum(part.unseen for part in parts),
        unreadable=sum(part.unreadable for part in parts),
        breaches=sum(part.breaches for part in parts),
        examples=_most((example for part in parts for example in part.examples), EXAMPLES),
    )


# --- one group of captures ---------------------------------------------------------------------


def _summary(
    group: Group, rows: list[Capture], columns: Sequence[_Column], signature: Signature, reference: Reference | None
) -> Summary:
    start, end = hours(rows)
    calls = [capture for capture in rows if recorded.is_first_row(capture)]
    answered = [capture for capture in rows if recorded.is_answered(capture)]
    # A row that was too large to be recorded has no inputs, and a refused one may have none.
    inputs = [capture.inputs for capture in rows if capture.inputs]
    latencies = np.array([call.ms for call in calls if call.ms is not None], dtype=np.float64)
    places = np.searchsorted(LATENCY_EDGES, latencies, side="left")
    known = [item for item in answered if recorded.has_form(item.prediction, signature)]
    said = recorded.predictions([item.prediction for item in known], signature) if known else None
    outputs = {} if said is None else outputs_of(said, signature)
    edges = reference.edges if reference is not None else ()
    scales = [item.scale for item in answered if item.scale is not None]
    # Of many classes no single probability stands for the prediction.
    total = math.fsum(next(iter(outputs.values())).tolist()) if len(outputs) == 1 else 0.0
    return Summary(
        model=rows[0].model,
        version=group.version,
        start=start,
        end=end,
        shadow=group.shadow,
        rows=len(answered),
        requests=len(calls),
        statuses=added([Counter(str(call.status) for call in calls)]),
        faults=_top(Counter(call.error[:FAULT_LENGTH] for call in calls if call.error), FAULTS),
        latency=tuple(np.bincount(places, minlength=len(LATENCY_EDGES) + 1).tolist()),
        latency_total=math.fsum(latencies.tolist()),
        columns=tuple(map(_Column.count, columns, _by_column(inputs, [column.name for column in columns]))),
        outputs={name: output_bins.count(values, edges) for name, values in outputs.items()} if edges else {},
        labels=_labels(said),
        output_total=total,
        scale_total=math.fsum(scales),
        scale_rows=len(scales),
        reviews=sum(capture.review for capture in answered),
        last_at=max(capture.at for capture in rows),
        sample=_sample(answered),
        chosen=chosen_of(said, signature, edges) if said is not None and edges else {},
    )


def _by_column(inputs: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[list[Any]]:
    """The values of each column, row by row, `_ABSENT` where a row does not have the field."""
    if len(names) < 2:
        return [[row.get(name, _ABSENT) for row in inputs] for name in names]
    try:
        # Three times as fast as column by column; nearly always no field is absent.
        found = list(map(list, zip(*map(itemgetter(*names), inputs), strict=True)))
    except KeyError:
        return [[row.get(name, _ABSENT) for row in inputs] for name in names]
    return found or [[] for _ in names]


def _labels(said: Prediction | None) -> dict[str, int]:
    return {} if said is None or said.labels is None else added([Counter(map(str, said.labels.tolist()))])


def _sample(answered: Sequence[Capture]) -> tuple[SampledRow, ...]:
    """The rows with the smallest hashes: what two parts sampled is enough to sample both together."""
    usable = [capture for capture in answered if capture.inputs]
    hashes = np.array([recorded.id_hash(capture.prediction_id) >> 11 for capture in usable], dtype=np.int64)
    found = {int(hashes[place]): usable[place] for place in np.argsort(hashes, kind="stable")[:SAMPLE_ROWS]}
    return tuple(SampledRow(number, capture.inputs, capture.prediction) for number, capture in found.items())


# --- one column --------------------------------------------------------------------------------


def _columns(profile: Profile, signature: Signature, constraints: DataContract | None) -> list[_Column]:
    """The columns that a caller may send, in the order of their names."""
    profiles = {column.name: column for column in profile.columns}
    asked = {column.name: column for column in constraints.columns} if constraints is not None else {}
    missing = MissingValues(signature.missing_values, signature.real_values)
    fields = {field.name: field for field in signature.accepted}
    return [
        _Column(fields[name], profiles[name], asked.get(name), missing, bool(signature.missing_values))
        for name in sorted(fields)
        if name in profiles
    ]


@dataclass(frozen=True)
class _Column:
    """Counts the values of one column; a value is JSON, or `_ABSENT` where a call did not have the field."""

    field: InputField
    profile: ColumnProfile
    asked: ColumnConstraints | None
    missing: MissingValues
    declared_missing: bool  #: whether the signature names values that mean missing: numbers may be among them

    @property
    def name(self) -> str:
        return self.field.name

    def count(self, values: list[Any]) -> ColumnSummary:
        absent = values.count(_ABSENT)
        if absent:
            values = [None if value is _ABSENT else value for value in values]
        if self.field.type in ("integer", "number"):
            return self._of_numbers(values, absent)
        if self.field.type == "date":
            return self._of_dates(values, absent)
        return self._of_texts(values, absent)

    # --- numbers and dates ---------------------------------------------------------------------

    def _of_numbers(self, values: list[Any], absent: int) -> ColumnSummary:
        unreadable: Counter[str] = Counter()
        if not set(map(type, values)) <= _NUMBERS or self.declared_missing:
            values = self.missing.taken_out({self.name: values})[self.name]
            for place, value in enumerate(values):
                if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
                    unreadable[_shown(value)] += 1
                    values[place] = None
        try:
            numbers = np.array(values, dtype=np.float64)
        except OverflowError:  # a whole number that no float holds
            numbers = np.array([value if value is None or abs(value) <= _LARGEST else None for value in values], float)
        # As in serving, what float32 cannot hold is missing; NaN compares as false.
        present = numbers[np.abs(numbers) <= _LARGEST]
        return self._numeric(present, np.ones(len(present)), len(values), absent, unreadable)

    def _of_dates(self, values: list[Any], absent: int) -> ColumnSummary:
        unreadable: Counter[str] = Counter()
        seconds, weights = [], []
        for value, rows in self._different(values):
            if value is None or value == "":
                continue
            moment = _moment(value)
            if moment is None:
                unreadable[_shown(value)] += rows
            else:
                seconds.append((moment - _EPOCH).total_seconds())
                weights.append(rows)
        present, often = np.array(seconds, dtype=np.float64), np.array(weights, dtype=np.float64)
        return self._numeric(present, often, len(values), absent, unreadable)

    def _numeric(
        self, present: np.ndarray, often: np.ndarray, rows: int, absent: int, unreadable: Counter[str]
    ) -> ColumnSummary:
        """From different numbers, shape (n,), and how often each occurs."""
        readable, low, high = int(often.sum()), self.profile.minimum, self.profile.maximum
        return ColumnSummary(
            name=self.name,
            rows=rows,
            missing=rows - readable - unreadable.total(),
            absent=absent,
            counts=self._binned(present, often),
            total=float(present @ often),
            squares=float(present**2 @ often),
            out_of_range=_how_often(often, _outside(present, low, high)),
            unreadable=unreadable.total(),
            breaches=self._breaches_of_numbers(present, often),
            examples=self._examples(unreadable),
        )

    def _binned(self, present: np.ndarray, often: np.ndarray) -> tuple[int, ...]:
        histogram = self.profile.histogram
        if histogram is None:
            return ()
        edges = np.array(histogram.edges)
        places = np.searchsorted(edges, present, side="right")
        places[present == edges[-1]] = len(edges) - 1  # the last bin has both its edges
        counts = np.bincount(places, often, minlength=len(edges) + 1)
        return tuple(counts.astype(np.int64).tolist())

    def _breaches_of_numbers(self, present: np.ndarray, often: np.ndarray) -> int:
        if self.asked is None or self.field.type == "date":
            return 0
        bad = _outside(present, self.asked.minimum, self.asked.maximum)
        if self._domain is not None:
            bad |= ~np.isin(present, [number for text in self._domain if (number := _number(text)) is not None])
        return _how_often(often, bad)

    # --- texts ---------------------------------------------------------------------------------

    def _of_texts(self, values: list[Any], absent: int) -> ColumnSummary:
        unreadable: Counter[str] = Counter()
        held: Counter[str] = Counter()
        for value, rows in self._different(values):
            text = self._text(value)
            if text is None:
                unreadable[_shown(value)] += rows
            elif text:
                held[text] += rows
        known = {value.value: held[value.value] for value in self.profile.top}
        unknown = Counter({text: rows for text, rows in held.items() if text not in known})
        all_known = bool(known) and self.profile.distinct == len(known)
        domain = self._domain
        return ColumnSummary(
            name=self.name,
            rows=len(values),
            missing=len(values) - held.total() - unreadable.total(),
            absent=absent,
            counts=(*known.values(), unknown.total()) if known_counts(self.profile) else (),
            unseen=unknown.total() if all_known else 0,
            unreadable=unreadable.total(),
            breaches=0 if domain is None else sum(rows for text, rows in held.items() if text not in domain),
            examples=self._examples(unreadable + unknown if all_known else unreadable),
        )

    def _text(self, value: Any) -> str | None:
        """The text that the model is given, as it was read in training; "" is missing, None is unreadable."""
        kind: ColumnType = "boolean" if self.field.type == "boolean" else "category"
        if type(value) is str and kind == "category" and value.isascii():
            return value
        try:
            (encoded,) = encode([InputField(self.name, kind, required=False)], {self.name: [value]})[self.name]
        except InputRefused:
            return None
        return str(encoded)

    def _different(self, values: list[Any]) -> list[tuple[Any, int]]:
        """The different values, with what means missing taken out, and how often each occurs."""
        if not set(map(type, values)) <= _TEXTS:
            # 1, 1.0 and true are equal in Python.
            typed = Counter((type(value), value) for value in map(_plain, values))
            counted = [(value, rows) for (_, value), rows in typed.items()]
        else:
            counted = list(Counter(values).items())
        cleaned = self.missing.taken_out({self.name: [value for value, _ in counted]})[self.name]
        return [(value, rows) for value, (_, rows) in zip(cleaned, counted, strict=True)]

    # --- what the contract asks, what is shown -------------------------------------------------

    @functools.cached_property
    def _domain(self) -> frozenset[str] | None:
        """The only values that may occur; of a domain that need not hold for all rows, single ones break nothing."""
        asked = self.asked
        return frozenset(asked.values) if asked is not None and asked.values and asked.coverage == 1.0 else None

    def _examples(self, values: Counter[str]) -> tuple[TopValue, ...]:
        if self.field.masked or self.profile.personal_data is not None:
            return ()
        shown: Counter[str] = Counter()
        for value, rows in values.items():
            shown[value[:EXAMPLE_LENGTH]] += rows
        return _top(shown, EXAMPLES)


@dataclass(frozen=True)
class _Nested:
    """A list or object where a value should be; no column holds such."""

    text: str

    def __str__(self) -> str:
        return self.text


def _plain(value: Any) -> Any:
    return _Nested(str(value)) if isinstance(value, list | dict) else value


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _moment(value: Any) -> datetime | None:
    """A date as serving reads it, in UTC; None when it is none."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _outside(values: np.ndarray, low: float | None, high: float | None) -> np.ndarray:
    """(n,) bool: which values are below or above the bounds that there are."""
    below = values < low if low is not None else np.zeros(len(values), dtype=bool)
    above = values > high if high is not None else np.zeros(len(values), dtype=bool)
    outside: np.ndarray = below | above
    return outside


def _how_often(often: np.ndarray, chosen: np.ndarray) -> int:
    return int(often[chosen].sum())
