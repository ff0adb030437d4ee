"""New captures to parts of their hours: each capture file is counted once, whoever looks and however often.

An hour's parts are a log. A look reads which files the newest part knows, counts the others as the next part, and
claims its number before it writes; a look that was stopped in between has left its claim, and the next look counts
that part first. So what a part holds follows from the claims alone, and counting it twice leaves the same. `Progress`
has it added to the totals once.
"""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import ceil
from typing import Protocol

from tidemill.contracts import Capture, DataContract, Profile, Signature
from tidemill.monitoring import recorded
from tidemill.monitoring.capture_index import Index, build
from tidemill.monitoring.progress import Progress
from tidemill.monitoring.summaries import summarize
from tidemill.monitoring_contracts import HourPart, PartClaim, Reference, Summary

#: Captures that one call counts, about, and values in one part: what memory holds.
CALL_ROWS, PART_VALUES = 200_000, 5_000_000
#: Summaries of one version that a part has at most.
PIECES = 100


@dataclass(frozen=True)
class Material:
    """What captures of a version are counted by."""

    profile: Profile
    signature: Signature
    reference: Reference | None
    constraints: DataContract | None


@dataclass(frozen=True)
class Counted:
    """What one call has counted."""

    captures: int = 0
    more: bool = False  #: whether it stopped early


class Versions(Protocol):
    """What is needed of `aws.version_files.VersionFiles`, which says what each does; all raise StorageError."""

    def profile(self, model: str, version: int) -> Profile:
        """Of the table that a version was trained on."""

    def signature(self, model: str, version: int) -> Signature:
        """Of a version."""

    def reference(self, model: str, version: int) -> Reference | None:
        """A version on its holdout."""

    def constraints(self, project: str) -> DataContract | None:
        """What uploads are held to."""


def materials(model: str, versions: Versions, champion: int) -> Callable[[int], Material]:
    """Gives what captures of each version are counted by, read once; calls that no version got (version 0) are counted
    by what the champion was made with."""

    @functools.cache
    def material(version: int) -> Material:
        if version == 0:
            return material(champion)
        return Material(
            versions.profile(model, version),
            versions.signature(model, version),
            versions.reference(model, version),
            constraints,
        )

    constraints = versions.constraints(model)
    return material


class StoredFile(Protocol):
    """An object as a listing knows it."""

    @property
    def key(self) -> str:
        """Its key."""


class Files(Protocol):
    """What is needed of `aws.monitoring_files.MonitoringFiles`, which says what each does; all raise StorageError."""

    def capture_files(self, model: str, first: str, last: str) -> Mapping[str, Sequence[StoredFile]]:
        """Capture files by hour."""

    def captures(self, files: Iterable[str]) -> Iterator[tuple[str, list[Capture]]]:
        """The captures in files."""

    def capture_keys(self, model: str, hour: str, names: Iterable[str]) -> list[str]:
        """The keys of capture files."""

    def parts(self, model: str, first: str, last: str) -> Mapping[str, Sequence[HourPart]]:
        """Parts by hour."""

    def claim_of(self, model: str, part: HourPart) -> PartClaim:
        """Which capture files a part counts."""

    def claim_part(self, model: str, part: HourPart, claim: PartClaim) -> bool:
        """Begin a part; False when another look has."""

    def put_part(self, model: str, part: HourPart, summaries: Sequence[Summary], index: bytes) -> None:
        """Keep what a part has counted."""

    def indexes(self, model: str, parts: Iterable[HourPart]) -> Iterator[tuple[HourPart, bytes]]:
        """The indexes of parts."""


@dataclass(frozen=True)
class Counting:
    """Counts the captures of one model.

    Parameters
    ----------
    material
        gives what captures of a version are counted by; version 0 stands for calls that no version got.
    key
        the input that names the entity, as `capture_index.key_input` says it.
    piece_rows
        when windows are counted by rows: a summary is cut into pieces of about so many, in the order of time.
    """

    model: str
    files: Files
    progress: Progress
    material: Callable[[int], Material]
    key: str | None
    piece_rows: int | None = None

    def count(self, first: str, last: str, most: int = CALL_ROWS) -> Counted:
        """Count what is new in the hours from the first to the last one, the oldest first.

        Parameters
        ----------
        first
            `2026-03-04T05`; empty: from the beginning.
        most
            captures after which no further file is begun; it is about as many as memory holds.

        Raises
        ------
        StorageError, NotFound, ContractError
        """
        counted = Counted()
        parts = self.files.parts(self.model, first, last)
        with _uncollected():
            for hour, found in self.files.capture_files(self.model, first, last).items():
                names = sorted(_name(file.key) for file in found)
                counted = self._hour(counted, hour, names, list(parts.get(hour, ())), most)
                if counted.more:
                    break
        return counted

    def _hour(self, counted: Counted, hour: str, names: Sequence[str], parts: list[HourPart], most: int) -> Counted:
        """Count what is new in one hour."""
        for place, part in enumerate(parts):
            if not part.counted:
                claim = self.files.claim_of(self.model, part)
                captures = dict(self.files.captures(self.files.capture_keys(self.model, hour, claim.files)))
                counted = self._write(counted, part, captures, parts[:place])
                parts[place] = replace(part, counted=True)
        known: frozenset[str] = frozenset()
        if parts:
            claim = self.files.claim_of(self.model, parts[-1])
            known = frozenset((*claim.files, *claim.earlier))
        new = [name for name in names if name not in known]
        if not new or counted.captures >= most:
            return replace(counted, more=counted.more or bool(new))
        captures = self._read(hour, new, most - counted.captures)
        taken = tuple(_name(key) for key in captures)
        part = HourPart(hour, len(parts))
        if not self.files.claim_part(self.model, part, PartClaim(taken, tuple(sorted(known)))):
            # Another look is at work here: what it leaves is for the next call.
            return replace(counted, more=True)
        return replace(self._write(counted, part, captures, parts), more=len(taken) < len(new))

    def _read(self, hour: str, names: Sequence[str], most: int) -> dict[str, list[Capture]]:
        """Captures by file, until there are enough."""
        read: dict[str, list[Capture]] = {}
        rows = values = 0
        for key, captures in self.files.captures(self.files.capture_keys(self.model, hour, names)):
            read[key] = captures
            rows += len(captures)
            values += sum(len(capture.inputs) for capture in captures)
            if rows >= most or values >= PART_VALUES:
                break
        return read

    def _write(
        self, counted: Counted, part: HourPart, captures: Mapping[str, list[Capture]], earlier: Sequence[HourPart]
    ) -> Counted:
        """Count a claimed part: add it to the totals, then write it."""
        known = [Index.load(data) for _, data in self.files.indexes(self.model, earlier)]
        index = build(captures, self.key, known)
        files = list(captures.values())
        rows = [files[file][row] for file, row in zip(index.file.tolist(), index.row.tolist(), strict=True)]
        summaries = self._summaries(rows)
        self.progress.add(part, summaries, lambda: self._is_written(part))
        self.files.put_part(self.model, part, summaries, index.save())
        return replace(counted, captures=counted.captures + len(rows))

    def _is_written(self, part: HourPart) -> bool:
        return replace(part, counted=True) in self.files.parts(self.model, part.hour, part.hour).get(part.hour, ())

    def _summaries(self, rows: Iterable[Capture]) -> list[Summary]:
        found = []
        for group, captures in recorded.grouped(rows).items():
            material = self.material(group.version)
            for piece in self._pieces(captures):
                found += summarize(
                    piece, material.profile, material.signature, material.reference, material.constraints
                )
        return found

    def _pieces(self, captures: list[Capture]) -> list[list[Capture]]:
        if self.piece_rows is None:
            return [captures]
        # The rows of a call have one time, and their ids' order is theirs.
        in_order = sorted(captures, key=lambda capture: (capture.at, capture.prediction_id))
        size = max(self.piece_rows, ceil(len(in_order) / PIECES))
        return [in_order[start : start + size] for start in range(0, len(in_order), size)]


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the collector of reference cycles: there are none in captures, and it would look through hundreds of
    thousands of them again and again, which takes a third of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _name(key: str) -> str:
    """A capture file's name in its hour."""
    return key.rpartition("/")[2].removesuffix(".jsonl.gz")
