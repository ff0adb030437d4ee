"""HTTP calls: what a view gets, what it gives, and what becomes of what it raises.

An error has one shape, `{"error": "..."}`, or is a page where people look at pages. What a service of AWS says stays in
the log: names of buckets and tables are nobody's business outside.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tidemill.contracts import from_json, to_json
from tidemill.errors import (
    AliasConflict,
    ApprovalConflict,
    ContractError,
    NotAllowed,
    NotFound,
    PromotionFrozen,
    RolloutConflict,
    StorageError,
    TidemillError,
    TrafficConflict,
)

T = TypeVar("T")
S = TypeVar("S")

CONFLICTS = (AliasConflict, ApprovalConflict, PromotionFrozen, RolloutConflict, TrafficConflict)
#: The first that fits.
STATUSES: tuple[tuple[type[TidemillError] | tuple[type[TidemillError], ...], int], ...] = (
    (ContractError, 400),
    (NotAllowed, 403),
    (NotFound, 404),
    (CONFLICTS, 409),
)


@dataclass(frozen=True)
class Request:
    """One HTTP call."""

    path: Mapping[str, str]  #: path parameters
    query: Mapping[str, str]
    headers: Mapping[str, str]  #: by lower-case names
    body: bytes
    identity: Mapping[str, Any]  #: `requestContext.identity` of the event
    id: str  #: 32 hex characters, of this call alone
    at: str  #: UTC, ISO 8601, with Z

    @property
    def model(self) -> str:
        """The model that the path names."""
        return self.path["model"]


@dataclass(frozen=True)
class Answer:
    """What goes out."""

    body: str
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


def document(value: Any, status: int = 200) -> Answer:
    """A contract, or plain data of contracts, as JSON."""
    return Answer(json.dumps(to_json(value), ensure_ascii=False), status)


def json_error(status: int, message: str) -> Answer:
    """An error for programs."""
    return document({"error": message}, status)


def answer(
    view: Callable[[S, Request], Answer],
    stack: Callable[[], S],
    request: Request,
    fault: Callable[[str], object],
    failed: Callable[[int, str], Answer] = json_error,
) -> Answer:
    """The answer to a call.

    Parameters
    ----------
    view
        gives a good answer, or raises.
    stack
        connects what the view works with.
    fault
        takes a sentence for the log when the failure is ours; called while the error is being handled.
    failed
        makes the answer of a status and a sentence.
    """
    try:
        return view(stack(), request)
    except StorageError:
        fault("answered 503: a service did not answer as agreed")
        return failed(503, "the stack cannot do this at the moment: try again in a few seconds")
    except TidemillError as error:
        for kinds, status in STATUSES:
            if isinstance(error, kinds):
                return failed(status, str(error))
        fault("answered 500")
    except Exception:
        fault("answered 500")
    return failed(500, "the call failed for a reason that is not in the request: the log has the details")


def body_of(cls: type[T], request: Request) -> T:
    """The call's JSON object; an empty body is an object without fields.

    Raises
    ------
    ContractError
        it is no JSON object, or a field is missing, unknown or of another type; the message names it.
    """
    try:
        fields = json.loads(request.body or b"{}")
    except ValueError as error:
        raise ContractError(f"the body is not valid JSON: {error}") from error
    if not isinstance(fields, dict):
        raise ContractError("the body must be a JSON object, such as {}")
    known = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    for name in fields:
        if name not in known:
            raise ContractError(f"{name!r} is not known here: accepted are {', '.join(known)}")
    return from_json(cls, fields, "the body")


def query_number(request: Request, name: str, default: int, most: int) -> int:
    """A whole number of the query, from 1. Raises ContractError naming it."""
    text = request.query.get(name, str(default))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= most:
        raise ContractError(f"{name} must be a whole number from 1 to {most}, not {text!r}")
    return int(text)
