"""How far one look at a model has come, kept in the registry while others look at the same time.

A part is in the totals before it is written: the state that gets the part's sums names it among those that have begun,
in one write. So a part is in them if it is written or has begun, and who finds one that is neither adds it, unless the
state has changed since it was looked for. Whoever stops in between, and wherever, each part is added once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Protocol

from tidemill.monitoring import totals
from tidemill.monitoring_contracts import Due, HourPart, Summary, WatchState


class Records(Protocol):
    """What is needed of `aws.monitoring_records.MonitoringRecords`; both raise StorageError."""

    def watch_state(self, model: str) -> WatchState | None:
        """How far watching has come."""

    def swap_watch_state(self, state: WatchState, revision: int | None) -> bool:
        """Write it in place of the revision that was read; False when somebody else was faster."""


class Progress:
    """The state as this look has read or written it last; read before anything is listed.

    Raises StorageError.
    """

    def __init__(self, due: Due, records: Records) -> None:
        self._due, self._records = due, records
        self.state = self._read()
        self._found = frozenset(self.state.begun)
        self._added: set[HourPart] = set()
        self._is_newer = False  #: than what was listed

    def add(self, part: HourPart, summaries: Iterable[Summary], is_written: Callable[[], bool]) -> None:
        """Add a part to the totals, if it is not in them. Raises StorageError.

        Parameters
        ----------
        part
            was not written when it was looked for. It is to be written now, before the next one is added.
        is_written
            looks for it again.
        """
        new = list(summaries)
        while part not in self.state.begun:
            if self._is_newer and is_written():
                return
            begun = (*(one for one in self.state.begun if one not in self._added), part)
            if self._swap(totals=totals.counted(self.state.totals, new), begun=begun):
                break
            self.state, self._is_newer = self._read(), True
        self._added.add(part)

    def end(self, **changes: Any) -> bool:
        """Write what else has changed, when all parts that had begun at first are written. Raises StorageError.

        Returns
        -------
        False when somebody else has written meanwhile: nothing has been changed.
        """
        begun = tuple(one for one in self.state.begun if one not in self._added and one not in self._found)
        return self._swap(begun=begun, **changes)

    def _read(self) -> WatchState:
        state = self._records.watch_state(self._due.model)
        return state or WatchState(self._due.model, self._due.at, revision=0)

    def _swap(self, **changes: Any) -> bool:
        before = self.state.revision
        state = replace(self.state, **changes, revision=before + 1)
        if not self._records.swap_watch_state(state, before or None):
            return False
        self.state = state
        return True
