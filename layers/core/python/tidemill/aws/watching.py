"""Which models are looked at now: a look is claimed in the registry, so that a model has one at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tidemill.aws import project_specs
from tidemill.aws.monitoring_records import MonitoringRecords
from tidemill.aws.objects import Objects
from tidemill.aws.registry import CHAMPION, Registry
from tidemill.errors import ContractError, NotFound
from tidemill.monitoring_contracts import Due, WatchState

SCHEDULE, HAND = "schedule", "hand"


@dataclass(frozen=True)
class Watching:
    """The looks at the models in service.

    Parameters
    ----------
    bucket
        the artifact bucket.
    """

    bucket: str
    objects: Objects
    registry: Registry
    records: MonitoringRecords

    def due(self, is_due: Callable[[Any, str | None, str], bool], now: str) -> Iterator[Due]:
        """The models in service whose next look has come, each claimed. Raises StorageError.

        Parameters
        ----------
        is_due
            (spec as plain data, last look or None, now) -> whether.
        """
        for model in self.registry.models():
            if self.registry.alias(model, CHAMPION) is None:
                continue
            state = self.records.watch_state(model)
            if is_due(self._spec(model), state.looked_at if state else None, now) and self._claim(model, state, now):
                yield Due(model, now, SCHEDULE)

    def asked_for(self, model: str, now: str) -> Due:
        """A look at one model, due or not.

        Raises
        ------
        NotFound
            it has no version in service.
        StorageError
            the table did not answer.
        """
        if self.registry.alias(model, CHAMPION) is None:
            raise NotFound(f"there is no model {model!r} in service to look at: train it first")
        self._claim(model, self.records.watch_state(model), now)
        return Due(model, now, HAND, force=True)

    def _claim(self, model: str, state: WatchState | None, now: str) -> bool:
        if state is None:
            return self.records.swap_watch_state(WatchState(model, now), None)
        claimed = dataclasses.replace(state, looked_at=now, revision=state.revision + 1)
        return self.records.swap_watch_state(claimed, state.revision)

    def _spec(self, model: str) -> Any:
        try:
            return project_specs.document(self.bucket, self.objects, model)
        except ContractError:
            return None  # whoever looks says so
