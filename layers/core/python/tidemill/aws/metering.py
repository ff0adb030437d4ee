"""Counting the requests that a process makes to S3, DynamoDB and SQS, because they are paid for.

A metered handler adds what it has used to its answer, under REQUESTS. The answers are in
the execution's history, where the end of a run finds and prices them.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

#: Where a handler's answer has its requests.
REQUESTS = "requests"
#: Kinds of requests: fields of StageUsage.
KINDS = ("s3_puts", "s3_gets", "table_writes", "table_reads", "queue_requests")

_FREE = frozenset({"DeleteObject", "AbortMultipartUpload"})
_S3_PUTS = frozenset(
    {
        "PutObject",
        "CopyObject",
        "CreateMultipartUpload",
        "UploadPart",
        "UploadPartCopy",
        "CompleteMultipartUpload",
        "ListObjectsV2",
    }
)
_used: Counter[str] = Counter()


def watch(client: Any) -> None:
    """Count what this client is asked to do."""
    client.meta.events.register("provide-client-params", _count)


def used() -> dict[str, int]:
    """What this process has used so far, by kind."""
    return dict(_used)


def metered(handler: Callable[[dict[str, Any], object], Any]) -> Callable[[dict[str, Any], object], Any]:
    """Let a handler that answers with an object say in it what it has used."""

    @functools.wraps(handler)
    def counting(event: dict[str, Any], context: object) -> Any:
        before = Counter(_used)
        answer = handler(event, context)
        return answer | {REQUESTS: dict(_used - before)}

    return counting


def _count(params: Mapping[str, Any], model: Any, **_: Any) -> None:
    name, count = _kind(model.service_model.service_name, model.name, params)
    if count:
        _used[name] += count


def _kind(service: str, operation: str, params: Mapping[str, Any]) -> tuple[str, int]:
    """What a call is paid as, and how often; items are taken to be small, of one unit each."""
    if service == "s3" and operation not in _FREE:
        return ("s3_puts" if operation in _S3_PUTS else "s3_gets"), 1
    if service == "dynamodb":
        if operation == "TransactWriteItems":  # a transaction prepares and commits each of its items
            return "table_writes", 2 * len(params["TransactItems"])
        return ("table_writes" if operation in ("PutItem", "UpdateItem") else "table_reads"), 1
    return "queue_requests", int(service == "sqs")


def read(answer: Any) -> dict[str, int]:
    """The requests that a metered handler has put into its answer, by kind; none when it is not metered."""
    requests = answer.get(REQUESTS) if isinstance(answer, Mapping) else None
    if not isinstance(requests, Mapping):
        return {}
    return {kind: requests[kind] for kind in KINDS if isinstance(requests.get(kind), int)}
