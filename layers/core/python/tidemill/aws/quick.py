"""The calls that a prediction waits for, signed and sent with the standard library.

Importing botocore and reading its descriptions of three services takes as long as the
rest of the predict function's cold start together. The clients here have the few methods
that a prediction needs; each takes and gives what botocore's does, and fails
with botocore's exceptions, so that `Objects`, `Registry` and `Queue` don't know the
difference. Any other method is botocore's own, loaded when it is first asked for.

Requests are signed with Signature Version 4, as the AWS General Reference describes it.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import io
import json
import re
import select
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from botocore.exceptions import ClientError, EndpointConnectionError

from tidemill.aws import clients
from tidemill.aws.clients import Limits

_ALGORITHM = "AWS4-HMAC-SHA256"
_KEY, _SECRET, _TOKEN = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"
_THROTTLED = frozenset({"ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded"})


def s3(environment: Mapping[str, str], limits: Limits) -> Any:
    """A client with a quick `get_object`; botocore's own where the environment holds no credentials."""
    return _S3("s3", environment, limits) if _KEY in environment else clients.s3(limits)


def dynamodb(environment: Mapping[str, str], limits: Limits) -> Any:
    """A client with quick `get_item` and `batch_get_item`; botocore's own where no credentials are set."""
    return _DynamoDB("dynamodb", environment, limits) if _KEY in environment else clients.dynamodb(limits)


def sqs(environment: Mapping[str, str], limits: Limits) -> Any:
    """A client with a quick `send_message`; botocore's own where the environment holds no credentials."""
    return _SQS("sqs", environment, limits) if _KEY in environment else clients.sqs(limits)


def signed(
    method: str,
    host: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    service: str,
    region: str,
    environment: Mapping[str, str],
    at: float,
) -> dict[str, str]:
    """The headers of a request with its signature.

    Parameters
    ----------
    path
        percent-encoded, without a query.
    headers
        lower-case names; all of them are signed.
    environment
        credentials under the names that Lambda gives them.
    at
        seconds since 1970.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))
    payload = hashlib.sha256(body).hexdigest()
    sent = {**headers, "host": host, "x-amz-date": stamp}
    if service == "s3":
        sent["x-amz-content-sha256"] = payload
    if environment.get(_TOKEN):
        sent["x-amz-security-token"] = environment[_TOKEN]
    names = ";".join(sorted(sent))
    lines = "".join(f"{name}:{sent[name]}\n" for name in sorted(sent))
    request = "\n".join((method, path, "", lines, names, payload))
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    text = "\n".join((_ALGORITHM, stamp, scope, hashlib.sha256(request.encode()).hexdigest()))
    key = b"AWS4" + environment[_SECRET].encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    credential = f"{environment[_KEY]}/{scope}"
    sent["authorization"] = f"{_ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}"
    return sent


class _Client:
    """Requests to one service, over a connection that is kept."""

    def __init__(
        self,
        service: str,
        environment: Mapping[str, str],
        limits: Limits,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._service = service
        self._environment = environment
        self._limits = limits
        self._now = now
        self._sleep = sleep
        self._region = environment.get("AWS_REGION") or environment["AWS_DEFAULT_REGION"]
        given = environment.get(f"AWS_ENDPOINT_URL_{service.upper()}") or environment.get("AWS_ENDPOINT_URL")
        suffix = "amazonaws.com.cn" if self._region.startswith("cn-") else "amazonaws.com"
        self._endpoint = given or f"https://{service}.{self._region}.{suffix}"
        self._given = given is not None
        self._connections: dict[str, http.client.HTTPConnection] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(getattr(clients, self._service)(self._limits), name)

    def _json(self, operation: str, target: str, asked: Mapping[str, Any]) -> Any:
        """A call of a service that speaks JSON."""
        headers = {"content-type": "application/x-amz-json-1.0", "x-amz-target": f"{target}.{operation}"}
        body = json.dumps(asked).encode()
        return json.loads(self._ask(operation, "POST", urlsplit(self._endpoint).netloc, "/", headers, body))

    def _ask(self, operation: str, method: str, host: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
        """The body of a good answer. Raises ClientError, EndpointConnectionError."""
        for attempt in range(1, self._limits.attempts + 1):
            last = attempt == self._limits.attempts
            try:
                status, answer = self._send(method, host, path, headers, body)
            except (OSError, http.client.HTTPException) as error:
                self._connections.pop(host, None)
                if last:
                    raise EndpointConnectionError(endpoint_url=self._endpoint, error=error) from error
            else:
                if status < 300:
                    return answer
                error_code, message = _refusal(status, answer)
                if last or not (status >= 500 or status == 429 or error_code in _THROTTLED):
                    raise ClientError({"Error": {"Code": error_code, "Message": message}}, operation)
            self._sleep(0.05 * attempt)
        raise AssertionError("limits allow no attempt")

    def _send(self, method: str, host: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        sent = signed(method, host, path, headers, body, self._service, self._region, self._environment, self._now())
        connection = self._connected(host)
        connection.request(method, path, body or None, sent)
        response = connection.getresponse()
        return response.status, response.read()

    def _connected(self, host: str) -> http.client.HTTPConnection:
        kept = self._connections.get(host)
        # A function may have slept for minutes; an idle connection that can be read from has been closed meanwhile.
        if kept is not None and kept.sock is not None and not select.select([kept.sock], [], [], 0)[0]:
            return kept
        secure = self._endpoint.startswith("https:")
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(host, timeout=self._limits.connect)
        connection.connect()
        connection.sock.settimeout(self._limits.read)
        self._connections[host] = connection
        return connection


class _DynamoDB(_Client):
    def get_item(self, **asked: Any) -> Any:
        """GetItem."""
        return self._json("GetItem", "DynamoDB_20120810", asked)

    def batch_get_item(self, **asked: Any) -> Any:
        """BatchGetItem."""
        return self._json("BatchGetItem", "DynamoDB_20120810", asked)


class _SQS(_Client):
    def send_message(self, **asked: Any) -> Any:
        """SendMessage."""
        return self._json("SendMessage", "AmazonSQS", asked)


class _S3(_Client):
    def get_object(self, **asked: Any) -> Any:
        """GetObject, of the newest version and as a whole."""
        bucket, path = asked["Bucket"], "/" + quote(asked["Key"], safe="/~")
        host = urlsplit(self._endpoint).netloc
        host, path = (host, f"/{bucket}{path}") if self._given else (f"{bucket}.{host}", path)
        return {"Body": io.BytesIO(self._ask("GetObject", "GET", host, path, {}, b""))}


def _refusal(status: int, answer: bytes) -> tuple[str, str]:
    """Code and message of a refusal: XML from S3, JSON from the others, nothing from what stands between."""
    text = answer.decode(errors="replace")
    if found := re.search(r"<Code>(.*?)</Code>(?:.*?<Message>(.*?)</Message>)?", text, re.DOTALL):
        return found[1], found[2] or "no message"
    try:
        document = json.loads(text)
        return str(document["__type"]).rpartition("#")[2], str(document.get("message") or document.get("Message"))
    except (ValueError, KeyError, TypeError):
        return str(status), text[:200]
