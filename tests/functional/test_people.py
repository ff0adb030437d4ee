"""Who somebody is, by IAM and by API key."""

from __future__ import annotations

from typing import Any

import boto3
import pytest

from tidemill.aws.people import ApiKeys, Person, caller
from tidemill.errors import NotAllowed, StorageError


@pytest.fixture
def key(aws: None) -> dict[str, Any]:
    """The key of ann@example.com, among others."""
    client = boto3.client("apigateway")
    client.create_api_key(name="tidemill", value="t" * 30, enabled=True)
    client.create_api_key(name="former", value="f" * 30, enabled=False)
    return dict(client.create_api_key(name="ann@example.com", value="a" * 30, enabled=True))


class Counted:
    """A client that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0
        self._client = boto3.client("apigateway")

    def __getattr__(self, name: str) -> Any:
        self.calls += 1
        return getattr(self._client, name)


def test_the_caller_of_the_command_has_an_arn_and_the_name_that_s3_gives(aws: None) -> None:
    person = caller(boto3.client("sts"))
    assert person.name.startswith("arn:aws:sts::123456789012:")
    user_id = boto3.client("sts").get_caller_identity()["UserId"]
    assert person.names == (person.name, f"AWS:{user_id}")


def test_a_key_belongs_to_whom_it_is_named_after(key: dict[str, Any]) -> None:
    client = Counted()
    keys = ApiKeys(client)  # type: ignore[arg-type]
    assert keys.owner({"apiKeyId": key["id"]}, "a" * 30) == Person("ann@example.com")
    asked = client.calls
    assert keys.owner({"apiKeyId": key["id"]}, "a" * 30).name == "ann@example.com"
    assert client.calls == asked


def test_what_the_gateway_says_counts_more_than_what_was_sent(key: dict[str, Any]) -> None:
    assert ApiKeys(boto3.client("apigateway")).owner({"apiKeyId": key["id"]}, "t" * 30).name == "ann@example.com"


def test_a_gateway_that_does_not_say_the_key_is_no_obstacle(key: dict[str, Any]) -> None:
    assert ApiKeys(boto3.client("apigateway")).owner({}, "a" * 30).name == "ann@example.com"


def test_a_key_named_like_who_starts_what_nobody_has_asked_for_is_somebodys(key: dict[str, Any]) -> None:
    assert ApiKeys(boto3.client("apigateway")).owner({}, "t" * 30).names == ("API key tidemill",)


@pytest.mark.parametrize(
    ("identity", "sent", "words"),
    [
        ({}, "", "has no x-api-key"),
        ({}, "z" * 30, "belongs to nobody"),
        ({}, "f" * 30, "belongs to nobody"),
        ({"apiKeyId": "nosuchkey0"}, "z" * 30, "has been deleted"),
    ],
)
def test_a_key_of_nobody_is_refused(key: dict[str, Any], identity: dict[str, str], sent: str, words: str) -> None:
    with pytest.raises(NotAllowed, match=words):
        ApiKeys(boto3.client("apigateway")).owner(identity, sent)


def test_the_value_of_the_key_of_the_stack(key: dict[str, Any]) -> None:
    client = Counted()
    keys = ApiKeys(client)  # type: ignore[arg-type]
    assert [keys.value(key["id"]), keys.value(key["id"])] == ["a" * 30] * 2
    assert client.calls == 1
    with pytest.raises(StorageError, match="NotFoundException"):
        keys.value("nosuchkey0")
