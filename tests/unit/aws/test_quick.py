"""The quick clients: signed like botocore's, patient as told, failing with botocore's exceptions."""

from __future__ import annotations

import calendar
import http.client
import json
import time
from typing import Any
from urllib.parse import quote

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, EndpointConnectionError

from tidemill.aws import clients, quick
from tidemill.aws.clients import Limits

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7",
    "AWS_REGION": "eu-west-1",
}


@pytest.mark.parametrize("token", ["", "a/session+token=="])
@pytest.mark.parametrize(
    ("service", "method", "path", "headers", "body"),
    [
        ("s3", "GET", "/bucket/models/churn/3/model.onnx", {}, b""),
        ("s3", "GET", "/bucket/" + quote("models/a b/ü+~&=.onnx", safe="/~"), {}, b""),
        (
            "dynamodb",
            "POST",
            "/",
            {"content-type": "application/x-amz-json-1.0", "x-amz-target": "T.GetItem"},
            b'{"a":1}',
        ),
    ],
    ids=["object", "odd key", "JSON"],
)
def test_a_signature_is_botocore_s(
    token: str, service: str, method: str, path: str, headers: dict[str, str], body: bytes
) -> None:
    host = "service.example:4566"
    request = AWSRequest(method, f"http://{host}{path}", headers=dict(headers), data=body)
    credentials = Credentials(ENVIRONMENT["AWS_ACCESS_KEY_ID"], ENVIRONMENT["AWS_SECRET_ACCESS_KEY"], token or None)
    (S3SigV4Auth if service == "s3" else SigV4Auth)(credentials, service, "eu-west-1").add_auth(request)
    at = calendar.timegm(time.strptime(request.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ"))
    environment = ENVIRONMENT | ({"AWS_SESSION_TOKEN": token} if token else {})
    sent = quick.signed(method, host, path, headers, body, service, "eu-west-1", environment, at)
    assert sent["authorization"] == request.headers["Authorization"]
    assert {name: sent[name.lower()] for name in request.headers if name != "Authorization"} == {
        name: value for name, value in request.headers.items() if name != "Authorization"
    }


class Scripted(quick._DynamoDB):
    """Answers what it is told to, one after the other, and notes the waits."""

    def __init__(self, *answers: Any, attempts: int = 2) -> None:
        self.waits: list[float] = []
        self.asked: list[Any] = []
        self._answers = list(answers)
        super().__init__("dynamodb", ENVIRONMENT, Limits(1, 1, attempts), sleep=self.waits.append)

    def _send(self, method: str, host: str, path: str, headers: Any, body: bytes) -> tuple[int, bytes]:
        self.asked.append((method, host, path, json.loads(body)))
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


GOOD = (200, b'{"Item": {"a": {"S": "b"}}}')
REFUSED = (400, b'{"__type": "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException", "message": "no table"}')
THROTTLED = (400, b'{"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException", "message": "slowly"}')


def test_an_answer_is_what_the_service_says() -> None:
    client = Scripted(GOOD)
    assert client.get_item(TableName="t", Key={"pk": {"S": "x"}}) == {"Item": {"a": {"S": "b"}}}
    asked = {"TableName": "t", "Key": {"pk": {"S": "x"}}}
    assert client.asked == [("POST", "dynamodb.eu-west-1.amazonaws.com", "/", asked)]


@pytest.mark.parametrize(
    "first", [(500, b""), (503, b"busy"), (429, b""), THROTTLED, OSError(), http.client.BadStatusLine("")]
)
def test_what_may_pass_is_tried_again(first: Any) -> None:
    client = Scripted(first, GOOD)
    assert "Item" in client.get_item()
    assert client.waits == [0.05]


def test_a_refusal_is_not_tried_again_and_names_the_service_s_code() -> None:
    client = Scripted(REFUSED, GOOD)
    with pytest.raises(ClientError, match=r"ResourceNotFoundException.*GetItem.*no table"):
        client.get_item()
    assert len(client.asked) == 1


@pytest.mark.parametrize("attempts", [1, 3])
def test_no_more_is_tried_than_the_limits_allow(attempts: int) -> None:
    client = Scripted(*[OSError("down")] * 5, attempts=attempts)
    with pytest.raises(EndpointConnectionError, match=r"dynamodb\.eu-west-1"):
        client.get_item()
    assert len(client.asked) == attempts
    client = Scripted(*[(503, b"busy")] * 5, attempts=attempts)
    with pytest.raises(ClientError, match="503"):
        client.get_item()
    assert len(client.asked) == attempts


def test_an_s3_refusal_is_read_from_its_xml() -> None:
    xml = b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code><Message>The key does not exist.</Message></Error>'
    assert quick._refusal(404, xml) == ("NoSuchKey", "The key does not exist.")


@pytest.mark.parametrize(
    ("region", "given", "host", "path"),
    [
        ("eu-west-1", {}, "bucket.s3.eu-west-1.amazonaws.com", "/a%20b/c"),
        ("cn-north-1", {}, "bucket.s3.cn-north-1.amazonaws.com.cn", "/a%20b/c"),
        ("eu-west-1", {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}, "127.0.0.1:4566", "/bucket/a%20b/c"),
        ("eu-west-1", {"AWS_ENDPOINT_URL_S3": "http://s3.local"}, "s3.local", "/bucket/a%20b/c"),
    ],
)
def test_an_object_is_asked_for_where_it_is(region: str, given: dict[str, str], host: str, path: str) -> None:
    asked = []

    class S3(quick._S3):
        def _send(self, *request: Any) -> tuple[int, bytes]:
            asked.append(request[:3])
            return 200, b"data"

    client = S3("s3", ENVIRONMENT | {"AWS_REGION": region} | given, Limits(1, 1, 1))
    assert client.get_object(Bucket="bucket", Key="a b/c")["Body"].read() == b"data"
    assert asked == [("GET", host, path)]


def test_without_credentials_in_the_environment_botocore_finds_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert quick.s3({}, clients.QUICK) is clients.s3(clients.QUICK)
