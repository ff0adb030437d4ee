"""What a call is answered that cannot be answered with a prediction."""

from __future__ import annotations

from typing import NamedTuple

from tidemill.errors import InputRefused, LookupFailed, NotFound, RequestTooLarge, StorageError


class Refusal(NamedTuple):
    """HTTP status and message. From 500 on the failure is ours, and the log is to have it."""

    status: int
    message: str  #: for the caller
    recorded: str  #: for the captures
    logged: str = ""


def refusal(error: Exception) -> Refusal:
    """What the caller is told about an error; the record of it names the class of one that nobody expected."""
    match error:
        case RequestTooLarge():
            return _told(413, error)
        case InputRefused():
            return _told(400, error)
        case NotFound():
            return _told(404, error)
        case LookupFailed():
            return _told(503, error, "answered 503: features could not be looked up")
        case StorageError():
            message = "the model cannot be read at the moment: try again in a few seconds"
            return Refusal(503, message, message, "answered 503: nothing that could serve is in memory")
        case _:
            message = "the call failed for a reason that is not in the request: the log has the details"
            return Refusal(500, message, f"{message} ({type(error).__name__})", "answered 500")


def _told(status: int, error: Exception, logged: str = "") -> Refusal:
    return Refusal(status, str(error), str(error), logged)
