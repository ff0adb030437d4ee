"""Batches to and from DynamoDB: what it leaves undone is asked for again, and not for ever."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tidemill.aws.online_features import READ_ATTEMPTS, WRITE_ATTEMPTS, OnlineFeatures
from tidemill.errors import LookupFailed, StorageError


class Table:
    """A table that does the first `share` items of a request and leaves the others undone."""

    def __init__(self, share: int) -> None:
        self.share = share
        self.items: dict[str, Any] = {}
        self.sizes: list[int] = []

    def batch_write_item(self, **asked: Any) -> dict[str, Any]:
        ((name, requests),) = asked["RequestItems"].items()
        self.sizes.append(len(requests))
        for request in requests[: self.share]:
            if "PutRequest" in request:
                item = request["PutRequest"]["Item"]
                self.items[item["entity"]["S"]] = item
            else:
                self.items.pop(request["DeleteRequest"]["Key"]["entity"]["S"], None)
        left = requests[self.share :]
        return {"UnprocessedItems": {name: left} if left else {}}

    def batch_get_item(self, **asked: Any) -> dict[str, Any]:
        ((name, wanted),) = asked["RequestItems"].items()
        self.sizes.append(len(wanted["Keys"]))
        done, left = wanted["Keys"][: self.share], wanted["Keys"][self.share :]
        found = [self.items[key["entity"]["S"]] for key in done if key["entity"]["S"] in self.items]
        return {"Responses": {name: found}, "UnprocessedKeys": {name: {"Keys": left}} if left else {}}


def packed(*lines: Any) -> bytes:
    return gzip.compress("".join(json.dumps(line) + "\n" for line in lines).encode())


def test_everything_is_written_and_read_in_pieces_that_the_service_takes() -> None:
    table, waits = Table(20), []
    online = OnlineFeatures(table, "t", sleep=waits.append)  # type: ignore[arg-type]
    rows = [[str(number), None, {"n": number / 3, "text": f"ü#{number}"}] for number in range(60)]
    assert online.write("s", packed(*rows)) == 60
    assert table.sizes == [25, 5, 25, 5, 10]
    assert all(wait > 0 for wait in waits)
    table.share, table.sizes = 60, []
    found = online.look_up("s", [str(number) for number in range(70)] + [f"x{number}" for number in range(60)])
    assert found == {key: values for key, _, values in rows}
    assert table.sizes == [100, 40, 30]


def test_a_key_may_hold_the_mark_between_set_and_key() -> None:
    online = OnlineFeatures(Table(25), "t")  # type: ignore[arg-type]
    online.write("s", packed(["a#b", "2026-01-01", {"n": 1}]))
    (row,) = online.rows("s", ["a#b"]).values()
    assert (row.values, row.at) == ({"n": 1}, "2026-01-01")


def test_a_key_without_values_is_deleted() -> None:
    table = Table(25)
    online = OnlineFeatures(table, "t")  # type: ignore[arg-type]
    online.write("s", packed(["a", None, {"n": 1}], ["b", None, {"n": 2}]))
    online.write("s", packed(["a", None, None], ["c", None, None]))
    assert set(table.items) == {"s#b"}


def test_a_table_that_does_nothing_is_not_asked_for_ever() -> None:
    table = Table(0)
    online = OnlineFeatures(table, "t", sleep=lambda seconds: None)  # type: ignore[arg-type]
    with pytest.raises(StorageError, match="could not write table t"):
        online.write("s", packed(["a", None, {"n": 1}]))
    assert len(table.sizes) == WRITE_ATTEMPTS
    table.sizes.clear()
    with pytest.raises(LookupFailed, match="the features of s cannot be looked up at the moment"):
        online.look_up("s", ["a"])
    assert len(table.sizes) == READ_ATTEMPTS


def test_a_refusal_of_the_service_is_a_failed_lookup() -> None:
    class Refusing:
        def batch_get_item(self, **_: Any) -> None:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "BatchGetItem")

    with pytest.raises(LookupFailed, match="features of s") as raised:
        OnlineFeatures(Refusing(), "t").look_up("s", ["a"])  # type: ignore[arg-type]
    assert "AccessDenied" in str(raised.value.__cause__)
