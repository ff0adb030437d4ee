"""DynamoDB and its streams by moto, in LocalStack's own process."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

from localstack.aws.api.dynamodb import DynamodbApi
from localstack.aws.api.dynamodbstreams import DynamodbstreamsApi
from localstack.services.moto import MotoFallbackDispatcher
from localstack.services.plugins import Service

#: One call at a time: moto checks a condition and writes in two steps, between which another thread may write.
_TURN = threading.Lock()


def tables() -> Service:
    """The service `dynamodb`; the provider leaves every operation to moto."""
    return Service.for_provider(DynamodbApi(), dispatch_table_factory=_dispatch_table)


def streams() -> Service:
    """The service `dynamodbstreams`."""
    return Service.for_provider(DynamodbstreamsApi(), dispatch_table_factory=_dispatch_table)


def _dispatch_table(provider: object) -> dict[str, Callable[..., Any]]:
    return {operation: _in_turn(handler) for operation, handler in MotoFallbackDispatcher(provider).items()}


def _in_turn(handler: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(handler)
    def handle(*arguments: Any, **named: Any) -> Any:
        with _TURN:
            return handler(*arguments, **named)

    return handle
