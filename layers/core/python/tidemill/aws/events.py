"""What the rest of a company hears of: events on an EventBridge bus, notifications by SNS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidemill.aws.faults import translated
from tidemill.contracts import dumps
from tidemill.errors import StorageError

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sns.type_defs import MessageAttributeValueTypeDef

SOURCE = "tidemill"
RUN_CONCLUDED = "Training run concluded"
#: SNS takes subjects of at most 100 ASCII characters, in one line.
SUBJECT_CHARACTERS = 100


class EventBus:
    """One event bus, by name or ARN."""

    def __init__(self, events: EventBridgeClient, bus: str) -> None:
        self._events = events
        self._bus = bus

    def publish(self, detail_type: str, detail: Any) -> None:
        """Put an event with a contract as its detail. Raises StorageError."""
        with translated(f"publish {detail_type!r} on {self._bus}"):
            answer = self._events.put_events(
                Entries=[
                    {
                        "Source": SOURCE,
                        "DetailType": detail_type,
                        "Detail": dumps(detail).decode(),
                        "EventBusName": self._bus,
                    }
                ]
            )
        if answer["FailedEntryCount"]:
            entry = answer["Entries"][0]
            raise StorageError(
                f"could not publish {detail_type!r} on {self._bus}: {entry['ErrorCode']}: {entry['ErrorMessage']}"
            )


class Topic:
    """One SNS topic, by ARN."""

    def __init__(self, sns: SNSClient, arn: str) -> None:
        self._sns = sns
        self._arn = arn

    def notify(self, subject: str, message: str, person: str = "") -> None:
        """Send a notification to the topic's subscribers.

        Parameters
        ----------
        person
            whom it is for, when not for everybody: the message attribute `person`, by which subscriptions filter.

        Raises
        ------
        StorageError
        """
        line = " ".join(subject.encode("ascii", "replace").decode().split())
        given: dict[str, MessageAttributeValueTypeDef] = {}
        if person:
            given["person"] = {"DataType": "String", "StringValue": person}
        with translated(f"notify {self._arn}"):
            self._sns.publish(
                TopicArn=self._arn, Subject=line[:SUBJECT_CHARACTERS], Message=message, MessageAttributes=given
            )
