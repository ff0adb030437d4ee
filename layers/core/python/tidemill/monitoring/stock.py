"""One look at what is new of a model: captures are counted, then true outcomes are joined to them.

Cost grows with what is new: of captures, the files that no part has counted; of outcomes, the ledger files that have
not been joined, and the hours back to the predictions that these are about. Outcomes whose predictions have not been
seen wait, and are tried again on the hours that may have got new captures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from tidemill.contracts import instant
from tidemill.monitoring import actuals_join, hour_parts
from tidemill.monitoring.actuals_join import Joining, Outcome, outcomes
from tidemill.monitoring.capture_index import key_input
from tidemill.monitoring.hour_parts import Counting, Versions, materials
from tidemill.monitoring.progress import Progress
from tidemill.monitoring_contracts import Due, LedgerFile, Summarized, WatchState, unjoined
from tidemill.spec import Monitor

#: Captures of an hour may come so many hours later; so many where somebody asks for a look by hand.
GRACE_HOURS, GRACE_HOURS_BY_HAND = 3, 48
#: Outcomes that one call joins, about.
CALL_OUTCOMES = 200_000
#: Ledger files that are tried again, at most: the newest ones.
WAITING = 1000
#: An answer's time comes from whoever gave it.
CLOCK_HOURS = 1


class Files(hour_parts.Files, actuals_join.Files, Protocol):
    """What is needed of `aws.monitoring_files.MonitoringFiles`, which says what each does; all raise StorageError."""

    def ledger_files(self, model: str) -> Sequence[LedgerFile]:
        """The files, in the order of their uploads."""

    def ledger(self, files: Iterable[str]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        """The entries of files."""

    def waiting(self, model: str, files: Iterable[str]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        """The entries of ledger files that still wait for their predictions."""

    def put_waiting(self, model: str, file: str, entries: Iterable[Mapping[str, Any]]) -> None:
        """Say which entries of a ledger file still wait."""


#: (predicted since, answered since) -> reviewed predictions as entries of a ledger, by the keys they would have there.
Answered = Callable[[str, str], Iterable[tuple[str, dict[str, Any]]]]


@dataclass(frozen=True)
class Stock:
    """Looks at what is new of one model.

    Parameters
    ----------
    label_days
        how long after a prediction its outcome may arrive.
    """

    progress: Progress
    counting: Counting
    joining: Joining
    files: Files
    answered: Answered
    label_days: float

    @classmethod
    def of(
        cls,
        progress: Progress,
        declared: Monitor,
        files: Files,
        versions: Versions,
        champion: int,
        answered: Answered,
    ) -> Stock:
        """Of a model.

        Parameters
        ----------
        progress
            of this look.
        declared
            what the project's spec says of watching.
        champion
            the version in service.
        answered
            gives what people have said of reviewed predictions.
        """
        model = progress.state.model
        material = materials(model, versions, champion)
        key = key_input(declared.key, material(champion).signature)
        counting = Counting(model, files, progress, material, key, declared.window.rows)
        return cls(progress, counting, Joining(model, files, material), files, answered, declared.label_days)

    def look(self, due: Due) -> Summarized:
        """Count and join what is new, or a part of it, and write how far that is.

        What another look has written meanwhile stays, and there is more: outcomes are joined once more then, which
        changes nothing where they have been.

        Raises StorageError, NotFound, ContractError.
        """
        now = due.at[:13]
        state = self.progress.state
        begun = [part.hour for part in state.begun]
        grace = GRACE_HOURS_BY_HAND if due.force else GRACE_HOURS
        first = min([_hours_before(state.hour, grace), *begun]) if state.hour else ""
        # A capture may be of an hour that has begun since the look did.
        last = max([_hours_before(now, -1), *begun])
        counted = self.counting.count(first, last)
        if counted.more:
            return Summarized(counted.captures, 0, True)
        state = self.progress.state
        oldest = _hours_before(now, 24 * self.label_days)
        retried = bool(state.begun) or due.force  # something was counted since the newest look that has ended
        again, waiting = (
            self._again(state.waiting, max(first, oldest), last)
            if retried
            else (0, Counter(dict.fromkeys(state.waiting, 0)))
        )
        mark, new = unjoined(state, self.files.ledger_files(self.joining.model))
        wanted, taken = self._read(new)
        since = _hours_before(state.hour or oldest, CLOCK_HOURS)
        reviewed = self._reviewed(f"{oldest}:00:00Z", f"{since}:00:00Z")
        joined, unfound = self.joining.join([*wanted, *reviewed], oldest, last)
        # What was answered is in the registry, and looked for again as long as it is new.
        answered = frozenset(reviewed)
        waiting.update(self._wait(outcome for outcome in unfound if outcome not in answered))
        kept = sorted(key for key in waiting if _uploaded_at(key)[:13] >= oldest)[-WAITING:]
        before = 0 if retried or not kept else state.unfound
        ended = self.progress.end(
            hour=max(state.hour, now),
            waiting=tuple(kept),
            unfound=before + sum(waiting[key] for key in kept),
            **_joined(state, mark, taken),
        )
        return Summarized(counted.captures, joined + again, more=not ended or len(taken) < len(new))

    # --- the ledger ----------------------------------------------------------------------------

    def _read(self, new: Sequence[LedgerFile]) -> tuple[list[Outcome], list[LedgerFile]]:
        """Outcomes of the first ledger files, until there are enough."""
        wanted: list[Outcome] = []
        taken: list[LedgerFile] = []
        for file, (key, entries) in zip(new, self.files.ledger(file.key for file in new), strict=False):
            wanted += outcomes(key, entries, _uploaded_at(key))
            taken.append(file)
            if len(wanted) >= CALL_OUTCOMES:
                break
        return wanted, taken

    def _again(self, waiting: Sequence[str], first: str, last: str) -> tuple[int, Counter[str]]:
        """Try the outcomes that wait once more; returns how many were joined, and how many of each file still wait."""
        entries = list(self.files.waiting(self.joining.model, waiting))
        wanted = [outcome for key, found in entries for outcome in outcomes(key, found, _uploaded_at(key))]
        joined, unfound = self.joining.join(wanted, first, last)
        if len(unfound) == len(wanted):
            return joined, Counter(outcome.ledger for outcome in wanted)
        return joined, self._wait(unfound)

    def _wait(self, unfound: Iterable[Outcome]) -> Counter[str]:
        """Let outcomes wait for their predictions; returns how many there are of each ledger file."""
        by_file: dict[str, list[dict[str, Any]]] = {}
        for outcome in unfound:
            by_file.setdefault(outcome.ledger, []).append(outcome.entry)
        for file, entries in by_file.items():
            self.files.put_waiting(self.joining.model, file, entries)
        return Counter({file: len(entries) for file, entries in by_file.items()})

    def _reviewed(self, predicted_since: str, answered_since: str) -> list[Outcome]:
        answered = self.answered(predicted_since, answered_since)
        return [outcome for key, entry in answered for outcome in outcomes(key, [entry], _uploaded_at(key))]


def _joined(state: WatchState, mark: str, taken: Sequence[LedgerFile]) -> dict[str, Any]:
    """How far the ledger has been joined: fields of the state. Files of the same second are told apart by name."""
    if not taken:
        return {}
    newest = taken[-1]
    beside = {file.key for file in taken[:-1] if file.modified_at == newest.modified_at}
    if mark == newest.modified_at:
        beside |= {state.ledger, *state.beside}
    return {"ledger": newest.key, "beside": tuple(sorted(beside))}


def _hours_before(hour: str, hours: float) -> str:
    """An hour so many hours before another one."""
    return instant(datetime.fromisoformat(f"{hour}:00:00+00:00") - timedelta(hours=hours))[:13]


def _uploaded_at(key: str) -> str:
    """When a ledger file was uploaded: its name begins with the time."""
    return key.rpartition("/")[2][: len("2026-03-04T05:06:07Z")]
