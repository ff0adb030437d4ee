"""The registry's table: reading and writing items of string keys, transactions, and the audit log.

`aws/registry.py` says what the table holds; each record's module knows its own keys, and builds on `RegistryTable`.
"""

from __future__ import annotations

import hashlib
import itertools
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from tidemill.aws.faults import cancellations, code, translated
from tidemill.contracts import dumps, from_json, loads, to_json

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

R = TypeVar("R")

INDEX = "gsi1"
#: How often a transaction is tried that other writers disturb.
ATTEMPTS = 12
CONDITION_FAILED = "ConditionalCheckFailedException"
#: Reasons of a cancelled transaction that mean: another writer was faster, read again.
DISTURBED = frozenset({"ConditionalCheckFailed", "TransactionConflict"})

Item = dict[str, Any]


@dataclass(frozen=True)
class AuditEvent:
    """Who did what, when and why. `subject` is the project or model."""

    subject: str
    action: str  #: register, deploy, rollback, approve, reject, ...
    actor: str
    at: str
    reason: str
    run_id: str | None = None
    version: int | None = None
    alias: str | None = None
    before: int | None = None  #: the version that the alias pointed to
    revision: int | None = None  #: the alias's count of moves


class RegistryTable:
    """One table.

    Parameters
    ----------
    dynamodb
        a DynamoDB client.
    table
        the table's name.
    sleep
        waits between two tries of a transaction that others disturbed; seconds.
    """

    def __init__(self, dynamodb: DynamoDBClient, table: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._sleep = sleep

    # --- the audit log -------------------------------------------------------------------------

    def record(self, event: AuditEvent) -> None:
        """Append an event to the audit log; the same event twice is one. Raises StorageError."""
        self._put(audit_item(event), event)

    def audit(self, subject: str) -> list[AuditEvent]:
        """The audit events of a project or model, oldest first. Raises StorageError."""
        return list(self._records(AuditEvent, f"AUDIT#{subject}"))

    def audit_all(self, limit: int = 50) -> list[AuditEvent]:
        """The newest audit events of everything, newest first. Raises StorageError."""
        newest = itertools.islice(self._listing("AUDIT", newest_first=True, page=limit), limit)
        return [from_json(AuditEvent, item) for item in newest]

    # --- the table -----------------------------------------------------------------------------

    def _item(self, key: Item) -> Item | None:
        with translated(f"read {key['pk']} from table {self._table}"):
            answer = self._dynamodb.get_item(TableName=self._table, Key=pack(key), ConsistentRead=True)
        return unpack(answer["Item"]) if "Item" in answer else None

    def _get(self, cls: type[R], key: Item) -> R | None:
        item = self._item(key)
        return from_json(cls, item) if item else None

    def _put(self, key: Item, record: Any) -> None:
        with translated(f"write {key['pk']} to table {self._table}"):
            self._dynamodb.put_item(TableName=self._table, Item=pack(key | to_json(record)))

    def _put_new(self, key: Item, record: Any) -> bool:
        with translated(f"write {key['pk']} to table {self._table}"):
            try:
                self._dynamodb.put_item(
                    TableName=self._table,
                    Item=pack(key | to_json(record)),
                    ConditionExpression="attribute_not_exists(pk)",
                )
            except ClientError as error:
                if code(error) == CONDITION_FAILED:
                    return False
                raise
        return True

    def _records(self, cls: type[R], pk: str, sk_prefix: str = "", newest_first: bool = False) -> Iterator[R]:
        condition, values = "pk = :pk", {":pk": pk}
        if sk_prefix:
            condition, values = f"{condition} AND begins_with(sk, :sk)", values | {":sk": sk_prefix}
        for item in self._query(
            KeyConditionExpression=condition,
            ExpressionAttributeValues=pack(values),
            ConsistentRead=True,
            ScanIndexForward=not newest_first,
        ):
            yield from_json(cls, item)

    def _listing(self, gsi1pk: str, newest_first: bool = False, page: int = 100) -> Iterator[Item]:
        return self._query(
            IndexName=INDEX,
            KeyConditionExpression="gsi1pk = :pk",
            ExpressionAttributeValues=pack({":pk": gsi1pk}),
            ScanIndexForward=not newest_first,
            PaginationConfig={"PageSize": page},
        )

    def _query(self, **arguments: Any) -> Iterator[Item]:
        with translated(f"query table {self._table}"):
            for page in self._dynamodb.get_paginator("query").paginate(TableName=self._table, **arguments):
                yield from map(unpack, page["Items"])

    def _put_action(self, key: Item, record: Any, new: bool = False) -> dict[str, Any]:
        put: dict[str, Any] = {"TableName": self._table, "Item": pack(key | to_json(record))}
        if new:
            put["ConditionExpression"] = "attribute_not_exists(pk)"
        return {"Put": put}

    def _audit_action(self, event: AuditEvent) -> dict[str, Any]:
        return self._put_action(audit_item(event), event)

    def _transact(self, action: str, *actions: Any) -> bool:
        """Write all or nothing; False when a condition failed or another writer was in the way."""
        with translated(action):
            try:
                self._dynamodb.transact_write_items(TransactItems=actions)
            except ClientError as error:
                if set(cancellations(error)) & DISTURBED:
                    return False
                raise
        return True

    # --- documents: records that hold more than plain values -----------------------------------

    def _document(self, cls: type[R], key: Item) -> R | None:
        """The record under a key, or None."""
        item = self._item(key)
        return loads(cls, item["document"]) if item else None

    def _documents(self, cls: type[R], pk: str, sk_prefix: str = "", newest_first: bool = False) -> Iterator[R]:
        """The records of a partition, in the order of their sort keys."""
        for record in self._records(_Stored, pk, sk_prefix, newest_first):
            yield loads(cls, record.document)

    def _put_document(self, key: Item, record: Any) -> None:
        """Write a record whatever was there."""
        self._put(key, _stored(record))

    def _swap(self, action: str, key: Item, record: Any, revision: int | None, event: AuditEvent | None) -> bool:
        """Replace a record that has still the revision that was read, with an audit event in the same transaction.

        Parameters
        ----------
        action
            what is being done, for error messages.
        record
            with a field `revision`, one more than before.
        revision
            of the record that was read; None when there was none.

        Returns
        -------
        False when another writer was faster: read again.
        """
        put = self._put_action(key, _stored(record) | {"revision": record.revision}, new=revision is None)
        if revision is not None:
            put["Put"] |= {
                "ConditionExpression": "revision = :revision",
                "ExpressionAttributeValues": pack({":revision": revision}),
            }
        return self._transact(action, put, *([self._audit_action(event)] if event else []))


@dataclass(frozen=True)
class _Stored:
    document: str


def _stored(record: Any) -> Item:
    return {"document": dumps(record).decode()}


def audit_item(event: AuditEvent) -> Item:
    when = f"{event.at}#{hashlib.sha256(dumps(event)).hexdigest()[:16]}"
    return {"pk": f"AUDIT#{event.subject}", "sk": when, "gsi1pk": "AUDIT", "gsi1sk": when}


def pack(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _value(value) for name, value in item.items() if value is not None}


def _value(value: str | bool | int | float) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"BOOL": value}
    return {"S": value} if isinstance(value, str) else {"N": repr(value)}


def unpack(item: Mapping[str, Any]) -> Item:
    return {name: _plain(*next(iter(value.items()))) for name, value in item.items()}


def _plain(kind: str, value: Any) -> Any:
    if kind == "N":
        return int(value) if value.lstrip("-").isdigit() else float(value)
    return value


@contextmanager
def unless_it_fails() -> Iterator[None]:
    """Let a write be without effect when its condition does not hold."""
    try:
        yield
    except ClientError as error:
        if code(error) != CONDITION_FAILED:
            raise


def backoff(who: str, attempt: int) -> float:
    """Seconds to wait; growing, and different for different writers, so that they stop meeting."""
    spread = zlib.crc32(who.encode()) / 2**32
    return float(min(1.0, 0.02 * 2**attempt) * (0.5 + spread))
