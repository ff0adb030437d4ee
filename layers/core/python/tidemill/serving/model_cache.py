"""Models kept in memory: an alias is believed for some seconds, a loaded version for good.

A model version is immutable, so what is loaded stays right; only where an alias points, and
what else is looked up with it, can change. When the registry or the store does not answer,
what served last goes on serving, and the alias is looked up again after the same number of seconds.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from tidemill.errors import NotFound, StorageError


class Pointer(Protocol):
    """What is looked up for an alias."""

    @property
    def version(self) -> int:
        """The version that it points to."""


M = TypeVar("M")
P = TypeVar("P", bound=Pointer)

#: Versions kept in memory: a champion, a challenger, and two that were just asked for.
CAPACITY = 4


@dataclass(frozen=True)
class _Believed(Generic[P]):
    pointer: P
    at: float


class ModelCache(Generic[P, M]):
    """Loaded models by name and version, and where aliases point.

    Parameters
    ----------
    look_up
        (model, alias) -> where the alias points, or None when it points nowhere; may raise StorageError.
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
        look_up: Callable[[str, str], P | None],
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
        self._believed: dict[tuple[str, str], _Believed[P]] = {}
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
        """The model that an alias points to. Raises NotFound and StorageError as `pointer` and `by_version` do."""
        return self.by_version(name, self.pointer(name, alias).version)

    def pointer(self, name: str, alias: str) -> P:
        """Where an alias points. It follows a move only when the new version can be loaded.

        Raises
        ------
        NotFound
            there is no such model, or it has no such alias.
        StorageError
            the registry does not answer, and this alias has not been looked up before.
        """
        key = (name, alias)
        known = self._believed.get(key)
        if known is not None and self._clock() - known.at < self._alias_seconds:
            return known.pointer
        try:
            found = self._look_up(name, alias)
            if found is None:
                self._believed.pop(key, None)
                raise NotFound(f"there is no model {name!r} with a version labelled {alias!r}")
            if known is not None and found.version != known.pointer.version:
                self.by_version(name, found.version)
        except StorageError as error:
            if known is None:
                raise
            found = known.pointer
            self._warn(f"{alias} of {name} could not be refreshed, version {found.version} goes on serving: {error}")
        self._believed[key] = _Believed(found, self._clock())
        return found
