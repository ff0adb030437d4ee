"""Who somebody is: the IAM caller of the command, the owner of an API key for HTTP. The only place that says it.

A key of API Gateway belongs to whom it is named after, so a person or program that is to act under its own name gets
a key of its own in the stack's usage plan.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from tidemill.aws.faults import code, translated
from tidemill.errors import NotAllowed
from tidemill.permissions import NOBODY

if TYPE_CHECKING:
    from mypy_boto3_apigateway import APIGatewayClient


@dataclass(frozen=True)
class Person:
    """Somebody who does something with a model."""

    name: str  #: for the audit log: an ARN, the name of an API key, an e-mail address
    also: tuple[str, ...] = ()  #: other names of the same person, such as the one that S3 gives to who uploads

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that a rule about people may mean."""
        return (self.name, *self.also)


def caller(sts: Any) -> Person:
    """Whose credentials the command has. S3 calls the same principal `AWS:<user id>` in its events.

    Raises
    ------
    StorageError
        the credentials are not good, or the service did not answer.
    """
    with translated("find out whose credentials these are"):
        answer = sts.get_caller_identity()
    return Person(answer["Arn"], (f"AWS:{answer['UserId']}",))


class ApiKeys:
    """The keys of API Gateway, by id and by value; what was once looked up is remembered, as neither ever changes.

    Parameters
    ----------
    apigateway
        an API Gateway client.
    """

    def __init__(self, apigateway: APIGatewayClient) -> None:
        self._apigateway = apigateway
        self._owners: dict[str, Person] = {}
        self._values: dict[str, str] = {}

    def value(self, key_id: str) -> str:
        """What is sent as the key with this id. Raises StorageError."""
        if key_id not in self._values:
            with translated(f"read the API key {key_id}"):
                answer = self._apigateway.get_api_key(apiKey=key_id, includeValue=True)
            self._values[key_id] = answer["value"]
        return self._values[key_id]

    def owner(self, identity: Mapping[str, Any], sent: str) -> Person:
        """Whose key a request came with.

        API Gateway has checked the key and says which one it was; an emulator may say nothing, and the key is then
        found by its value.

        Parameters
        ----------
        identity
            `requestContext.identity` of the event.
        sent
            the header `x-api-key`.

        Raises
        ------
        NotAllowed
            there is no such key.
        StorageError
            API Gateway did not answer.
        """
        known_by = str(identity.get("apiKeyId") or sent)
        if not known_by:
            raise NotAllowed("the request has no x-api-key: send the key that the stack's output ApiKeyId names")
        if known_by not in self._owners:
            name = self._name_of_id(known_by) if identity.get("apiKeyId") else self._name_of_value(known_by)
            # What rules and schedules start is nobody's; a key that is called so is somebody's all the same.
            self._owners[known_by] = Person(f"API key {name}" if name == NOBODY else name)
        return self._owners[known_by]

    def _name_of_id(self, key_id: str) -> str:
        with translated(f"read the name of API key {key_id}"):
            try:
                return self._apigateway.get_api_key(apiKey=key_id)["name"]
            except ClientError as error:
                if code(error) == "NotFoundException":
                    raise NotAllowed("the API key of this request has been deleted: ask for another one") from error
                raise

    def _name_of_value(self, value: str) -> str:
        with translated("look through the API keys"):
            for page in self._apigateway.get_paginator("get_api_keys").paginate(includeValues=True):
                for key in page["items"]:
                    if key.get("value") == value and key.get("enabled", True):
                        return key["name"]
        raise NotAllowed("the x-api-key of this request belongs to nobody: ask for one that is in use")
