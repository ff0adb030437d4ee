"""The online table: the newest row of every entity of every shared feature set, in DynamoDB.

An item's key `entity` is `<set>#<key>`. Its `values` are one JSON object, so that numbers
and texts come back exactly as they were stored, whatever DynamoDB's own numbers hold; `at`
says since when they are known, in a set that has times.
"""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidemill.aws.faults import translated
from tidemill.errors import LookupFailed, StorageError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

#: Items of one request, as DynamoDB takes them.
READ_ITEMS, WRITE_ITEMS = 100, 25
#: How often what DynamoDB left undone is asked for again; while somebody waits, and in a batch.
READ_ATTEMPTS, WRITE_ATTEMPTS = 4, 12


@dataclass(frozen=True)
class OnlineRow:
    """What is looked up for an entity."""

    values: dict[str, Any]  #: by the set's columns; missing ones are left out
    at: str | float | None  #: since when they are known


class OnlineFeatures:
    """Reads and writes the online table.

    Parameters
    ----------
    sleep
        waits before what DynamoDB left undone is asked for again; seconds.
    """

    def __init__(self, dynamodb: DynamoDBClient, table: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._sleep = sleep

    def look_up(self, feature_set: str, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The values of entities; one that the set does not have is left out. Raises LookupFailed."""
        try:
            return {key: row.values for key, row in self.rows(feature_set, keys).items()}
        except StorageError as error:
            raise LookupFailed(
                f"the features of {feature_set} cannot be looked up at the moment: try again in a few seconds, or give "
                "them with the request"
            ) from error

    def rows(self, feature_set: str, keys: Sequence[str]) -> dict[str, OnlineRow]:
        """The rows of different entities; one that the set does not have is left out. Raises StorageError."""
        found = {}
        for some in _pieces(keys, READ_ITEMS):
            for item in self._read([{"entity": {"S": f"{feature_set}#{key}"}} for key in some]):
                key = item["entity"]["S"].partition("#")[2]
                found[key] = OnlineRow(json.loads(item["values"]["S"]), json.loads(item["at"]["S"]))
        return found

    def write(self, feature_set: str, batch: bytes) -> int:
        """Write a batch of changes, as `ingest` packs them; returns how many. Writing it again changes nothing.

        Raises
        ------
        StorageError
            DynamoDB refused, or left some of it undone again and again.
        """
        lines = [json.loads(line) for line in gzip.decompress(batch).splitlines()]
        for some in _pieces(lines, WRITE_ITEMS):
            self._write([_request(f"{feature_set}#{key}", at, values) for key, at, values in some])
        return len(lines)

    def _read(self, keys: list[dict[str, Any]]) -> Iterator[Mapping[str, Any]]:
        for attempt in range(READ_ATTEMPTS):
            with translated(f"read table {self._table}"):
                answer = self._dynamodb.batch_get_item(RequestItems={self._table: {"Keys": keys}})
            yield from answer["Responses"].get(self._table, ())
            left = answer.get("UnprocessedKeys", {}).get(self._table)
            if not left:
                return
            keys = list(left["Keys"])
            self._sleep(0.05 * 2**attempt)
        raise StorageError(f"could not read table {self._table}: it is asked too much at the moment")

    def _write(self, requests: list[Any]) -> None:
        for attempt in range(WRITE_ATTEMPTS):
            with translated(f"write table {self._table}"):
                answer = self._dynamodb.batch_write_item(RequestItems={self._table: requests})
            requests = answer.get("UnprocessedItems", {}).get(self._table, [])
            if not requests:
                return
            self._sleep(min(10.0, 0.05 * 2**attempt))
        raise StorageError(f"could not write table {self._table}: it takes no more at the moment")


def _request(entity: str, at: Any, values: Mapping[str, Any] | None) -> dict[str, Any]:
    if values is None:
        return {"DeleteRequest": {"Key": {"entity": {"S": entity}}}}
    texts = {"entity": entity, "at": json.dumps(at), "values": json.dumps(values, ensure_ascii=False, sort_keys=True)}
    return {"PutRequest": {"Item": {name: {"S": text} for name, text in texts.items()}}}


def _pieces(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
