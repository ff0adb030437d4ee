"""Models kept in memory: an alias is believed for some seconds, a loaded version for good.

A model version is immutable, so what is loaded stays right; only where an alias points
can change. When the registry or the store does not answer, what served last goes on
serving, and the alias is looked up again after the same number of seconds.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from tidemill.errors import NotFound, StorageError

M = TypeVar("M")

#: Versions kept in memory: a champion, a challenger, and two that were just asked for.
CAPACITY = 4


@dataclass(frozen=True)
class _Pointer:
    version: int
    at: float


class ModelCache(Generic[M]):
    """Loaded models by name and version, and where aliases point.

    Parameters
    ----------
    look_up
        (model, alias) -> version, or None when the alias points nowhere; may raise StorageError.
    load
        (model, version) -> what is kept for it; raises NotFound when there is no such version, StorageError.
    alias_seconds
        how long a looked-up alias is believed.
    clock
        seconds, never going back.
    warn
        takes a sentence when an older answer had to do.
    """

    def __init__(
        self,
        look_up: Callable[[str, str], int | None],
        load: Callable[[str, int], M],
        alias_seconds: float,
        clock: Callable[[], float],
        warn: Callable[[str], object],
        capacity: int = CAPACITY,
    ) -> None:
        self._look_up = look_up
        self._load = load
        self._alias_seconds = alias_seconds
        self._clock = clock
        self._warn = warn
        self._capacity = capacity
        self._pointers: dict[tuple[str, str], _Pointer] = {}
        self._models: OrderedDict[tuple[str, int], M] = OrderedDict()

    def by_version(self, name: str, version: int) -> M:
        """The model of one version. Raises NotFound, StorageError."""
        key = (name, version)
        if key not in self._models:
            self._models[key] = self._load(name, version)
            if len(self._models) > self._capacity:
                self._models.popitem(last=False)
        self._models.move_to_end(key)
        return self._models[key]

    def by_alias(self, name: str, alias: str) -> M:
        """The model that an alias points to.

        Raises
        ------
        NotFound
            there is no such model, or it has no such alias.
        StorageError
            registry or store do not answer and nothing has been served under this alias yet.
        """
        key = (name, alias)
        known = self._pointers.get(key)
        if known is not None and self._clock() - known.at < self._alias_seconds:
            return self.by_version(name, known.version)
        try:
            version = self._look_up(name, alias)
            if version is None:
                self._pointers.pop(key, None)
                raise NotFound(f"there is no model {name!r} with a version labelled {alias!r}")
            model = self.by_version(name, version)
        except StorageError as error:
            if known is None:
                raise
            self._warn(f"{alias} of {name} could not be refreshed, version {known.version} goes on serving: {error}")
            version = known.version
            model = self.by_version(name, version)
        self._pointers[key] = _Pointer(version, self._clock())
        return model
