"""True outcomes to the predictions they are about: found by the hours' indexes, the newest hour first.

An outcome names a prediction, or an entity, and then it is about the newest prediction for that entity that was made
before the outcome was known: before its own time, or else before it was uploaded. Of several outcomes of a prediction
the one that was uploaded last counts; the ledger keeps them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

import numpy as np

from tidemill.contracts import Capture
from tidemill.monitoring import labelled
from tidemill.monitoring.capture_index import Index, key_hash, key_text
from tidemill.monitoring.hour_parts import Material
from tidemill.monitoring.recorded import group_of, id_hash
from tidemill.monitoring_contracts import HourPart, Labelled


@dataclass(frozen=True)
class Outcome:
    """One entry of the ledger."""

    actual: str | float
    ledger: str  #: key of its file, in the order of uploads
    limit: str  #: predictions made later are not meant; UTC
    id: str | None = None  #: of the prediction
    key: str | None = None  #: of the entity, when there is no id

    @property
    def entry(self) -> dict[str, Any]:
        """As an entry of the ledger."""
        named = {"id": self.id} if self.id is not None else {"key": self.key}
        return named | {"actual": self.actual, "at": self.limit}


@dataclass
class Found:
    """Predictions of one hour and their outcomes."""

    #: Capture file -> line -> its outcome.
    outcomes: dict[str, dict[int, Outcome]] = field(default_factory=dict)

    def add(self, file: str, row: int, outcome: Outcome) -> None:
        """Take an outcome of a recorded prediction, unless a later one is known."""
        rows = self.outcomes.setdefault(file, {})
        before = rows.get(row)
        if before is None or outcome.ledger >= before.ledger:
            rows[row] = outcome


class Files(Protocol):
    """What is needed of `aws.monitoring_files.MonitoringFiles`, which says what each does; all raise StorageError."""

    def captures(self, files: Iterable[str]) -> Iterator[tuple[str, list[Capture]]]:
        """The captures in files."""

    def parts(self, model: str, first: str, last: str) -> Mapping[str, Sequence[HourPart]]:
        """Parts by hour."""

    def indexes(self, model: str, parts: Iterable[HourPart]) -> Iterator[tuple[HourPart, bytes]]:
        """The indexes of parts."""

    def labelled_rows(self, model: str, hour: str) -> list[dict[str, Any]]:
        """What is known of an hour."""

    def put_labelled(
        self, model: str, hour: str, counted: Sequence[Labelled], rows: Sequence[Mapping[str, Any]]
    ) -> None:
        """Keep what is known of an hour."""


def outcomes(ledger: str, entries: Iterable[Mapping[str, Any]], uploaded_at: str) -> list[Outcome]:
    """The outcomes in a ledger file."""
    return [
        Outcome(
            actual=entry["actual"],
            ledger=ledger,
            limit=entry.get("at") or uploaded_at,
            id=entry.get("id"),
            key=None if entry.get("id") is not None else key_text(entry.get("key")),
        )
        for entry in entries
    ]


# --- finding the predictions -------------------------------------------------------------------


class Search:
    """Looks for the predictions of outcomes.

    An outcome that names a prediction is found when the answer that was given is; copies for a challenger have its id,
    and lie in the same hour or in a later one.
    """

    def __init__(self, wanted: Sequence[Outcome]) -> None:
        self._by_id: dict[int, Outcome] = {}
        self._by_key: dict[int, list[Outcome]] = {}
        for outcome in sorted(wanted, key=lambda outcome: outcome.ledger):
            if outcome.id is not None:
                self._by_id[id_hash(outcome.id)] = outcome
            elif outcome.key is not None:
                self._by_key.setdefault(key_hash(outcome.key), []).append(outcome)
        self._pending_ids = set(self._by_id)

    @property
    def is_done(self) -> bool:
        """Whether everything has been found."""
        return not self._pending_ids and not self._by_key

    @property
    def unfound(self) -> list[Outcome]:
        """What has not been found."""
        return [
            *(self._by_id[number] for number in sorted(self._pending_ids)),
            *(outcome for left in self._by_key.values() for outcome in left),
        ]

    def look(self, indexes: Sequence[Index]) -> Found:
        """Look through all parts of one hour; hours come newest first."""
        found = Found()
        chosen = self._newest_of_keys(indexes)
        wanted = {number: self._by_id[number] for number in self._pending_ids} | chosen
        if not wanted:
            return found
        numbers = np.fromiter(wanted, dtype=np.uint64, count=len(wanted))
        for index in indexes:
            for place in np.flatnonzero(np.isin(index.ids, numbers) & index.answered).tolist():
                number = int(index.ids[place])
                found.add(index.files[index.file[place]], int(index.row[place]), wanted[number])
                if not index.shadows[place]:
                    self._pending_ids.discard(number)
        return found

    def _newest_of_keys(self, indexes: Sequence[Index]) -> dict[int, Outcome]:
        """Id of the hour's newest prediction for each key that has one -> its outcome; these keys are done."""
        keys = np.fromiter(self._by_key, dtype=np.uint64, count=len(self._by_key))
        made: dict[int, list[tuple[int, int]]] = {}
        for index in indexes if len(keys) else ():
            for place in np.flatnonzero(np.isin(index.keys, keys) & index.answered & ~index.shadows).tolist():
                made.setdefault(int(index.keys[place]), []).append((int(index.times[place]), int(index.ids[place])))
        chosen: dict[int, Outcome] = {}
        for key, predictions in made.items():
            left = []
            for outcome in self._by_key[key]:
                limit = int(datetime.fromisoformat(outcome.limit).timestamp())
                before = [(time, number) for time, number in predictions if time <= limit]
                if before:
                    chosen[max(before)[1]] = outcome
                else:
                    left.append(outcome)
            if left:
                self._by_key[key] = left
            else:
                del self._by_key[key]
        return chosen


# --- one model ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Joining:
    """Joins outcomes to the predictions of one model.

    Parameters
    ----------
    material
        gives what predictions of a version are counted by.
    """

    model: str
    files: Files
    material: Callable[[int], Material]

    def join(self, wanted: Sequence[Outcome], first: str, last: str) -> tuple[int, list[Outcome]]:
        """Look through the hours from the last one back to the first until everything is found.

        A day is listed at a time, and only the hours with a found prediction are written.

        Returns
        -------
        How many predictions have got an outcome, or another one; and the outcomes whose predictions were not found.

        Raises
        ------
        StorageError, NotFound, ContractError
        """
        search = Search(wanted)
        joined = 0
        for day in _days(first, last):
            if search.is_done:
                break
            parts = self.files.parts(self.model, max(first, f"{day}T00"), min(last, f"{day}T23"))
            for hour in sorted(parts, reverse=True):
                if not search.is_done:
                    indexes = [Index.load(data) for _, data in self.files.indexes(self.model, parts[hour])]
                    found = search.look(indexes)
                    joined += self._write(hour, found) if found.outcomes else 0
        return joined, search.unfound

    def _write(self, hour: str, found: Found) -> int:
        """Put the outcomes beside their predictions; returns how many are new or changed."""
        rows = {(row["id"], row["version"], row["shadow"]): row for row in self.files.labelled_rows(self.model, hour)}
        changed = 0
        for file, captures in self.files.captures(sorted(found.outcomes)):
            for place, outcome in found.outcomes[file].items():
                capture = captures[place]
                group = group_of(capture)
                actual = labelled.outcome(outcome.actual, self.material(group.version).signature)
                key = (capture.prediction_id, group.version, group.shadow)
                before = rows.get(key)
                # A project may have predicted something else in former times.
                if actual is not None and (before is None or outcome.ledger > before["ledger"]):
                    changed += before is None or before["actual"] != actual
                    rows[key] = _row(capture, actual, outcome.ledger)
        if changed:
            ordered = sorted(rows.values(), key=lambda row: (row["at"], row["id"], row["version"], row["shadow"]))
            self.files.put_labelled(self.model, hour, self._counted(ordered), ordered)
        return changed

    def _counted(self, rows: Sequence[Mapping[str, Any]]) -> list[Labelled]:
        actuals = {row["id"]: row["actual"] for row in rows}
        versions: dict[int, list[Capture]] = {}
        for row in rows:
            versions.setdefault(row["version"], []).append(capture_of(self.model, row))
        counted = []
        for version, captures in sorted(versions.items()):
            material = self.material(version)
            counted += labelled.count(captures, actuals, material.signature, material.reference)
        return counted


def capture_of(model: str, row: Mapping[str, Any]) -> Capture:
    """The recorded prediction of a row of an hour's labelled predictions."""
    return Capture(
        prediction_id=row["id"],
        at=row["at"],
        model=model,
        version=row["version"],
        inputs=row["inputs"],
        prediction=row["output"],
        alias=row["alias"],
        why="shadow" if row["shadow"] else "champion",
        scale=row["scale"],
    )


def _row(capture: Capture, actual: str | float, ledger: str) -> dict[str, Any]:
    group = group_of(capture)
    return {
        "at": capture.at,
        "id": capture.prediction_id,
        "version": group.version,
        "shadow": group.shadow,
        "alias": capture.alias,
        "inputs": capture.inputs,
        "output": capture.prediction,
        "scale": capture.scale,
        "actual": actual,
        "ledger": ledger,
    }


def _days(first: str, last: str) -> Iterator[str]:
    """The days from that of the last hour back to that of the first."""
    day, earliest = datetime.fromisoformat(last[:10]), datetime.fromisoformat(first[:10])
    while day >= earliest:
        yield day.strftime("%Y-%m-%d")
        day -= timedelta(days=1)
