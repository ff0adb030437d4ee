"""What watching reads and leaves in S3: captures, counts of hours, predictions whose outcome is known, the ledger.

The counts of an hour are a log of parts, `parts/000000`, `parts/000001`, ...: each says which capture files it has
counted, and is claimed by a write that only one can win, so that two looks at the same time count no file twice. What
is claimed and not counted, because whoever claimed it was stopped, is counted from the claim at the next look.

Packed files that are numpy's (`index.npz`) are bytes here; `monitoring/capture_index.py` reads them.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from typing import Any, Literal, TypeVar, cast

from tidemill import keys
from tidemill.aws.objects import Head, Objects
from tidemill.contracts import Capture, dumps, loads, to_json
from tidemill.errors import ContractError, NotFound
from tidemill.monitoring_contracts import HourPart, Labelled, PartClaim, Summary

R = TypeVar("R")

#: Objects that are read at a time.
READERS = 8

PartFile = Literal["files.json", "summary.json.gz", "index.npz"]

_FIELDS = frozenset(item.name for item in fields(Capture))
_HOUR = re.compile(r"/dt=(\d{4}-\d\d-\d\d)/hour=(\d\d)/")
_PART = re.compile(r"/parts/(\d{6})\.(files\.json|summary\.json\.gz|index\.npz)$")
_DIGITS = 6


def hour_of(at: str) -> str:
    """The hour of a time, as parts are named by: `2026-03-04T05`."""
    return at[:13]


class MonitoringFiles:
    """The files of one stack.

    Parameters
    ----------
    bucket
        the artifact bucket.
    """

    def __init__(self, bucket: str, objects: Objects) -> None:
        self._bucket = bucket
        self._objects = objects

    # --- captures ------------------------------------------------------------------------------

    def capture_files(self, model: str, first: str, last: str) -> dict[str, list[Head]]:
        """Capture files by hour, hours and files in order. Raises StorageError.

        Parameters
        ----------
        first, last
            hours, both included; an empty first one means from the beginning.
        """
        return self._by_hour("captures/", model, first, last)

    def captures(self, files: Iterable[str]) -> Iterator[tuple[str, list[Capture]]]:
        """The captures in files, by key, in the order of the keys given. Raises NotFound, StorageError, ContractError.

        Files are read some at a time, ahead of whoever takes them.
        """
        return self._read(files, _captures)

    # --- counts of hours -----------------------------------------------------------------------

    def parts(self, model: str, first: str, last: str) -> dict[str, list[HourPart]]:
        """What has been counted, by hour and in order. Raises StorageError.

        Parameters
        ----------
        first, last
            hours, both included; an empty first one means from the beginning.
        """
        found: dict[str, list[HourPart]] = {}
        for hour, heads in self._by_hour("monitor/", model, first, last).items():
            files: dict[int, set[str]] = {}
            for head in heads:
                if matched := _PART.search(head.key):
                    files.setdefault(int(matched[1]), set()).add(matched[2])
            parts = [
                HourPart(hour, number, {"summary.json.gz", "index.npz"} <= has) for number, has in sorted(files.items())
            ]
            if parts:
                found[hour] = parts
        return found

    def claim_of(self, model: str, part: HourPart) -> PartClaim:
        """Which capture files a part counts. Raises NotFound, StorageError, ContractError."""
        return self._objects.get_contract(PartClaim, self._bucket, self._part_key(model, part, "files.json"))

    def claim_part(self, model: str, part: HourPart, claim: PartClaim) -> bool:
        """Say that a part is about to be counted; False when another look has begun it. Raises StorageError."""
        return self._objects.put_new(self._bucket, self._part_key(model, part, "files.json"), dumps(claim))

    def capture_keys(self, model: str, hour: str, names: Iterable[str]) -> list[str]:
        """The keys of capture files by their names in the hour."""
        return [keys.captures(model, f"{hour}:00:00Z", name) for name in names]

    def put_part(self, model: str, part: HourPart, summaries: Sequence[Summary], index: bytes) -> None:
        """Keep what was counted. Raises StorageError."""
        packed = json.dumps(to_json(tuple(summaries)), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        self._objects.put(self._bucket, self._part_key(model, part, "index.npz"), index)
        self._objects.put(
            self._bucket, self._part_key(model, part, "summary.json.gz"), gzip.compress(packed.encode(), 6, mtime=0)
        )

    def indexes(self, model: str, parts: Iterable[HourPart]) -> Iterator[tuple[HourPart, bytes]]:
        """The indexes of parts that are counted, in the order given. Raises NotFound, StorageError."""
        found = {self._part_key(model, part, "index.npz"): part for part in parts if part.counted}
        return ((found[key], index) for key, index in self._read(found, _as_it_is))

    def summaries(self, model: str, parts: Iterable[HourPart]) -> Iterator[tuple[HourPart, tuple[Summary, ...]]]:
        """The summaries of parts that are counted, in the order given. Raises NotFound, StorageError, ContractError.

        A part has a summary for each version, and one for its answers that nobody got; when windows are counted by
        rows it has several, in the order of their time.
        """
        found = {self._part_key(model, part, "summary.json.gz"): part for part in parts if part.counted}
        return ((found[key], summaries) for key, summaries in self._read(found, _summaries))

    # --- predictions whose outcome is known ----------------------------------------------------

    def labelled_hours(self, model: str, first: str = "", last: str = "9999") -> dict[str, Head]:
        """Hours that have predictions whose outcome is known, in order, with what S3 knows of their counts.

        The head changes when labels have come. Raises StorageError.
        """
        heads = self._by_hour("monitor/", model, first, last)
        return {hour: head for hour, found in heads.items() for head in found if head.key.endswith("/labelled.json")}

    def labelled(self, model: str, hour: str) -> tuple[Labelled, ...]:
        """The hour's predictions whose outcome is known, counted by version; empty when there are none.

        Raises StorageError, ContractError.
        """
        key = keys.hour_labelled(model, hour, "labelled.json")
        try:
            return self._objects.get_contract(tuple[Labelled, ...], self._bucket, key)
        except NotFound:
            return ()

    def labelled_rows(self, model: str, hour: str) -> list[dict[str, Any]]:
        """The hour's predictions whose outcome is known, in the order of their times; empty when there are none.

        Returns
        -------
        Objects with the fields of `put_labelled`.

        Raises StorageError, ContractError.
        """
        key = keys.hour_labelled(model, hour, "labelled.jsonl.gz")
        try:
            return _json_lines(key, self._objects.get(self._bucket, key))
        except NotFound:
            return []

    def put_labelled(
        self, model: str, hour: str, counted: Sequence[Labelled], rows: Sequence[Mapping[str, Any]]
    ) -> None:
        """Keep an hour's predictions whose outcome is known, in place of what was known before. Raises StorageError.

        Parameters
        ----------
        rows
            at, id, version, shadow, alias, inputs, output (as captured), scale, actual, and ledger: the key of the
            file that the actual came with.
        """
        packed = gzip.compress(_lines(rows), 6, mtime=0)
        # The counts last: who has seen them change finds the rows.
        self._objects.put(self._bucket, keys.hour_labelled(model, hour, "labelled.jsonl.gz"), packed)
        self._objects.put_contract(self._bucket, keys.hour_labelled(model, hour, "labelled.json"), tuple(counted))

    def newest_labelled(
        self, model: str, limit: int, first: str = "", last: str = "9999", shadow: bool = False
    ) -> list[dict[str, Any]]:
        """The newest predictions whose outcome is known, newest first.

        Parameters
        ----------
        limit
            how many at most.
        first, last
            hours, both included; an empty first one means from the beginning.
        shadow
            whether answers that nobody got are wanted, too; they come behind the answer that was given.

        Returns
        -------
        Objects with the fields of `put_labelled`.

        Raises StorageError, ContractError.
        """
        rows: list[dict[str, Any]] = []
        for hour in sorted(self.labelled_hours(model, first, last), reverse=True):
            if len(rows) >= limit:
                break
            found = self.labelled_rows(model, hour)
            found.sort(key=lambda row: (row["at"], row["id"], not row["shadow"]), reverse=True)
            rows += [row for row in found if shadow or not row["shadow"]]
        return rows[:limit]

    # --- the ledger ----------------------------------------------------------------------------

    def ledger_files(self, model: str) -> list[Head]:
        """The files of true outcomes, in the order of their uploads. Raises StorageError."""
        return list(self._objects.list(self._bucket, keys.actuals_ledger_folder(model)))

    def put_ledger(self, model: str, at: str, upload: str, entries: Iterable[Mapping[str, Any]]) -> str:
        """Keep the true outcomes of an upload, and return the file's key; the same ones again leave the same.

        Parameters
        ----------
        entries
            each `id` or `key`, `actual` (text or number), and `at` when it is known since when it is true.

        Raises StorageError.
        """
        key = keys.actuals_ledger(model, at, upload)
        self._objects.put(self._bucket, key, gzip.compress(_lines(entries), 6, mtime=0))
        return key

    def ledger(self, files: Iterable[str]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        """The entries of ledger files, by key, in the order given. Raises NotFound, StorageError, ContractError."""
        return self._read(files, _json_lines)

    def put_waiting(self, model: str, file: str, entries: Iterable[Mapping[str, Any]]) -> None:
        """Keep the entries of a ledger file whose predictions have not been seen yet. Raises StorageError."""
        self._objects.put(self._bucket, keys.waiting_actuals(model, file), gzip.compress(_lines(entries), 6, mtime=0))

    def waiting(self, model: str, files: Iterable[str]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        """The waiting entries of ledger files, by the ledger file's key, in the order given.

        Raises NotFound, StorageError, ContractError.
        """
        found = {keys.waiting_actuals(model, file): file for file in files}
        return ((found[key], entries) for key, entries in self._read(found, _json_lines))

    # --- reading and listing -------------------------------------------------------------------

    def _part_key(self, model: str, part: HourPart, file: PartFile) -> str:
        return keys.hour_part(model, f"{part.hour}:00:00Z", f"{part.number:0{_DIGITS}d}", file)

    def _by_hour(self, root: str, model: str, first: str, last: str) -> dict[str, list[Head]]:
        folder = f"{root}{model}/"
        # A listing costs as much as a dozen reads, so it is one, from where it begins to matter to where it ends to.
        begin = f"{folder}dt={first[:10]}/hour={first[11:13]}" if first else ""
        found: dict[str, list[Head]] = {}
        for head in self._objects.list(self._bucket, f"{folder}dt=", begin):
            hour = _hour_in(head.key)
            if hour > last:
                break
            found.setdefault(hour, []).append(head)
        return found

    def _read(self, wanted: Iterable[str], parse: Callable[[str, bytes], R]) -> Iterator[tuple[str, R]]:
        """The objects under keys, parsed, in the order given; not all in memory at a time."""
        waiting = list(wanted)
        with ThreadPoolExecutor(READERS) as readers:
            for start in range(0, len(waiting), READERS):
                batch = waiting[start : start + READERS]
                for key, data in zip(
                    batch, readers.map(lambda k: self._objects.get(self._bucket, k), batch), strict=True
                ):
                    yield key, parse(key, data)


def _hour_in(key: str) -> str:
    matched = _HOUR.search(key)
    return f"{matched[1]}T{matched[2]}" if matched else ""


def _captures(key: str, data: bytes) -> list[Capture]:
    """The captures of a file; what a newer version has added to them is passed over.

    They are our own writing, so that their fields are not checked one by one, which would take most of the time.
    """
    found = _json_lines(key, data)
    known = [item if item.keys() <= _FIELDS else {k: v for k, v in item.items() if k in _FIELDS} for item in found]
    return [Capture(**item) for item in known]


def _summaries(key: str, data: bytes) -> tuple[Summary, ...]:
    return loads(tuple[Summary, ...], _unpacked(key, data))


def _as_it_is(_key: str, data: bytes) -> bytes:
    return data


def _lines(rows: Iterable[Mapping[str, Any]]) -> bytes:
    return "".join(json.dumps(to_json(row), ensure_ascii=False, sort_keys=True) + "\n" for row in rows).encode()


def _json_lines(key: str, data: bytes) -> list[dict[str, Any]]:
    lines = _unpacked(key, data).strip()
    try:
        # All lines at once: in JSON a line's end stands between values only.
        return cast(list[dict[str, Any]], json.loads(b"[" + lines.replace(b"\n", b",") + b"]"))
    except ValueError as error:
        raise ContractError(
            f"{key} does not hold JSON lines ({error}): delete it, or put back what was there"
        ) from error


def _unpacked(key: str, data: bytes) -> bytes:
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise ContractError(f"{key} is no gzip file ({error}): delete it, or put back what was there") from error
