"""Messages to an SQS queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.aws.faults import translated

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class Queue:
    """One queue, by its URL."""

    def __init__(self, sqs: SQSClient, url: str) -> None:
        self._sqs = sqs
        self._url = url

    def send(self, message: str) -> None:
        """Put a message into the queue; at most 256 KiB. Raises StorageError."""
        with translated(f"send a message to {self._url}"):
            self._sqs.send_message(QueueUrl=self._url, MessageBody=message)
