"""A table of true outcomes: which prediction or entity each row is about, and what happened.

Any file that a training table may be is read. A row that cannot be used is left out and counted; a file of which no
row can be used is refused.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tidemill import spec
from tidemill.contracts import SUPERVISED, Signature, from_json
from tidemill.data import dates
from tidemill.data.column_types import Column, create_cells, infer
from tidemill.data.reading import Table, read_table
from tidemill.errors import DataRefused
from tidemill.serving.masking import token

PREDICTION_ID = "prediction_id"
#: Names of columns besides those that model and spec know: of outcomes, of times, and of the callers' routing keys.
ACTUAL_NAMES = ("actual", "label")
TIME_NAMES = ("at", "time", "timestamp")
ROUTING_KEY = "key"
#: Classes that a refusal names, and characters of a value that it quotes.
SHOWN_CLASSES, SHOWN_LENGTH = 10, 40
#: Rows that are in Python's memory at a time.
BLOCK = 10_000

_TRUTH = {"true": True, "1": True, "yes": True, "anomaly": True}
_TRUTH |= {"false": False, "0": False, "no": False, "normal": False}


@dataclass(frozen=True)
class Actuals:
    """What a file brought."""

    by_column: str  #: the column that rows are matched by
    actual_column: str
    rows: int  #: of the file
    #: Each `id` or `key`, `actual` (a class's name, or a number), and `at`, UTC, when the file says so.
    entries: tuple[dict[str, Any], ...]
    refused: int  #: rows that cannot be used
    problems: tuple[str, ...]  #: why, in sentences


def read_actuals(
    path: Path,
    name: str,
    signature: Signature,
    key: str | None,
    work: Path,
    max_bytes: int,
    mask_key: Callable[[], bytes],
) -> Actuals:
    """Read an uploaded file of true outcomes.

    Parameters
    ----------
    path
        the uploaded file in any format that a training table may have.
    name
        the upload's file name, a hint only.
    signature
        of the model in service; outcomes are its target's.
    key
        the column that names the entity, as the project's spec says it.
    work
        an empty folder for intermediate files.
    max_bytes
        a larger file is refused.
    mask_key
        gives the secret that personal data is masked with; called when the key is masked.

    Raises
    ------
    DataRefused
        the file is no usable table, has no column to match by or no outcomes, or none of its rows can be used; one
        sentence with the way out.
    """
    if signature.task not in (*SUPERVISED, "anomaly_detection"):
        raise DataRefused(
            f"the model {signature.model!r} predicts nothing that comes true ({signature.task}): actuals are for "
            "models with a target and for those that find anomalies"
        )
    declared = [*([key] if key else []), *(field.name for field in signature.keys), ROUTING_KEY]
    outcomes = [*([signature.target] if signature.target else []), *ACTUAL_NAMES]
    options = from_json(spec.Reading, signature.reading)
    table = read_table(path, name, work, max_bytes, {PREDICTION_ID, *declared, *outcomes, *TIME_NAMES}, options)
    with closing(table.connection):
        create_cells(table.connection, len(table.names), signature.missing_values, signature.real_values)
        columns = infer(table, {}, options)
        found = _Found(_named(columns, [PREDICTION_ID]), _named(columns, declared), _named(columns, outcomes), None)
        by, actual = found.id or found.key, found.actual
        if by is None:
            raise DataRefused(
                f"the table has no column {' or '.join(map(repr, [PREDICTION_ID, *declared]))} that says which "
                f"prediction a row is about: it has {_listed(table)}. Every answer carries its id in "
                "x-tidemill-prediction-id; for a key of your own set monitor.key in the spec"
            )
        if actual is None:
            raise DataRefused(
                f"the table has no column {' or '.join(map(repr, outcomes))} that says what happened: it has "
                f"{_listed(table)}"
            )
        found = replace(found, time=_time(table, _named(columns, TIME_NAMES)))
        rows = _Rows(signature, found, _masked(found.key, signature, mask_key))
        entries = tuple(rows.read(table))
        problems = tuple(rows.sentences())
        if not entries:
            raise DataRefused(f"none of the {table.rows:,} rows can be used: {'; '.join(problems)}")
        return Actuals(by.name, actual.name, table.rows, entries, table.rows - len(entries), problems)


@dataclass(frozen=True)
class _Found:
    """The columns of the table that mean something."""

    id: Column | None
    key: Column | None
    actual: Column | None
    time: Column | None


def _named(columns: Sequence[Column], names: Collection[str]) -> Column | None:
    """The first column with one of the names, in the order of the names; upper and lower case are the same."""
    exact = {column.name: column for column in columns}
    folded = {column.name.strip().casefold(): column for column in reversed(columns)}
    return next((exact.get(n) or folded[n.casefold()] for n in names if n in exact or n.casefold() in folded), None)


def _listed(table: Table) -> str:
    return ", ".join(table.names[:30])


def _time(table: Table, column: Column | None) -> Column | None:
    """The column of times; where its cells have no form in common, those in ISO 8601 are read."""
    if column is None or column.type == "empty" or column.date is not None:
        return column if column is not None and column.date is not None else None
    return replace(column, type="date", date=dates.style(table.connection, column.cell, dates.ISO))


def _masked(column: Column | None, signature: Signature, mask_key: Callable[[], bytes]) -> Callable[[str], str]:
    """What the model's captures have in place of a key: the key, or a token when it is personal data."""
    if column is None or not any(field.masked and field.name == column.name for field in signature.accepted):
        return str
    secret, name = mask_key(), column.name
    return lambda text: token(secret, name, text)


class _Rows:
    """Reads the rows, and counts those that cannot be used."""

    def __init__(self, signature: Signature, found: _Found, masked: Callable[[str], str]) -> None:
        self._signature = signature
        self._found = found
        self._masked = masked
        self._known: dict[str, str | float | None] = {}
        self._unnamed = 0
        self._missing = 0
        self._unfit: Counter[str] = Counter()
        self._first_unfit: dict[str, int] = {}
        self._untimely = 0
        self._first_untimely = ("", 0)

    def read(self, table: Table) -> Iterator[dict[str, Any]]:
        """The entries of the rows that can be used, in the file's order."""
        found = self._found
        assert found.actual is not None, "the file was refused without outcomes"
        number = found.actual.number is not None and self._signature.task == "regression"
        values = [
            "NULL" if found.id is None else found.id.cell,
            "NULL" if found.key is None else found.key.cell,
            f"({found.actual.as_double})::VARCHAR" if number else found.actual.cell,
            "NULL" if found.time is None else found.time.cell,
            "NULL" if found.time is None else _utc(found.time),
        ]
        answer = table.connection.execute(f"SELECT {', '.join(values)} FROM cells ORDER BY rowid")
        place = 0
        while block := answer.fetchmany(BLOCK):
            for row in block:
                place += 1
                entry = self._entry(place, *row)
                if entry is not None:
                    yield entry

    def _entry(
        self, place: int, prediction_id: str | None, key: str | None, text: str | None, time: str | None, at: str | None
    ) -> dict[str, Any] | None:
        if prediction_id is None and key is None:
            self._unnamed += 1
            return None
        if text is None:
            self._missing += 1
            return None
        if text not in self._known:
            self._known[text] = self._outcome(text)
        actual = self._known[text]
        if actual is None:
            self._unfit[text] += 1
            self._first_unfit.setdefault(text, place)
            return None
        if time is not None and at is None:
            self._untimely += 1
            if self._untimely == 1:
                self._first_untimely = (time, place)
            return None
        if prediction_id is not None:
            return {"id": prediction_id, "actual": actual}
        entry = {"key": self._masked(key or ""), "actual": actual}
        return entry if at is None else entry | {"at": at}

    def _outcome(self, text: str) -> str | float | None:
        """What a cell says, as the model's target has it; None when it is none of that."""
        number = _number(text)
        if self._signature.task == "regression":
            return number
        if self._signature.task == "anomaly_detection":
            normal, anomaly = self._signature.classes
            truth = _TRUTH.get(text.casefold())
            return None if truth is None else anomaly if truth else normal
        classes = self._signature.classes
        if text in classes:
            return text
        same = [name for name in classes if number is not None and _number(name) == number]
        same = same or [name for name in classes if name.casefold() == text.casefold()]
        return same[0] if len(same) == 1 else None

    def sentences(self) -> Iterator[str]:
        """Why rows cannot be used."""
        assert self._found.actual is not None, "the file was refused without outcomes"
        if self._unnamed:
            yield f"{_rows(self._unnamed)} no prediction id and no key"
        if self._missing:
            yield f"{_rows(self._missing)} no value in {self._found.actual.name!r}"
        if self._unfit:
            ((text, _),) = self._unfit.most_common(1)
            such = f"such as {text[:SHOWN_LENGTH]!r} in row {self._first_unfit[text]}"
            yield f"{_rows(self._unfit.total())} an outcome that {self._expected()}, {such}"
        if self._untimely and self._found.time is not None:
            text, place = self._first_untimely
            yield (
                f"{_rows(self._untimely)} no time that can be read in {self._found.time.name!r}, such as "
                f"{text[:SHOWN_LENGTH]!r} in row {place}: write times like 2026-01-31T12:00:00Z, or leave the column "
                "out"
            )

    def _expected(self) -> str:
        if self._signature.task == "regression":
            return "is no number"
        classes = self._signature.classes
        more = f" and {len(classes) - SHOWN_CLASSES} more" if len(classes) > SHOWN_CLASSES else ""
        return f"the model does not know (it knows {', '.join(classes[:SHOWN_CLASSES])}{more})"


def _utc(column: Column) -> str:
    """SQL that gives the times of a column as UTC with Z; of a day without a time of day, its end."""
    assert column.date is not None, "a column of times has a form"
    style = "%Y-%m-%dT%H:%M:%SZ" if column.date.clock else "%Y-%m-%dT23:59:59Z"
    return f"strftime({column.value()}, '{style}')"


def _rows(count: int) -> str:
    return "1 row has" if count == 1 else f"{count:,} rows have"


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in text else None
