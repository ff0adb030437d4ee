"""One way to turn a service's refusal into an error of ours.

Callers look at the service's code for the cases they expect (a missing key, a lost
condition); everything else leaves through `translated` as StorageError, with the code
in the message and the original error as its cause.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from tidemill.errors import StorageError


def code(error: ClientError) -> str:
    """The service's own code of an error, such as `NoSuchKey` or `ConditionalCheckFailedException`."""
    return str(error.response.get("Error", {}).get("Code", "Unknown"))


def cancellations(error: ClientError) -> list[str]:
    """Why each action of a cancelled DynamoDB transaction failed, in their order; `None` for those that did not."""
    reasons = error.response.get("CancellationReasons", [])
    return [str(reason.get("Code", "None")) for reason in reasons]


@contextmanager
def translated(action: str) -> Iterator[None]:
    """Turn what a service answers into StorageError.

    Parameters
    ----------
    action
        what was being done, for the message: "read s3://bucket/key".

    Raises
    ------
    StorageError
        the service refused, or could not be reached in time.
    """
    try:
        yield
    except ClientError as error:
        message = error.response.get("Error", {}).get("Message", "no message")
        raise StorageError(f"could not {action}: {code(error)}: {message}") from error
    except BotoCoreError as error:
        raise StorageError(f"could not {action}: {error}") from error
