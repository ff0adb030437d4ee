"""The Runtime API calls of AWS's runtime client in plain Python.

awslambdaric makes them in a compiled module of this name, which exists for Linux only. Elsewhere this
folder is the last one on a function's path, so that this module takes its place.
"""

from __future__ import annotations

import http.client
import os

_RUNTIME = "/2018-06-01/runtime/invocation"
_HEADERS = (
    "Lambda-Runtime-Aws-Request-Id",
    "Lambda-Runtime-Trace-Id",
    "Lambda-Runtime-Invoked-Function-Arn",
    "Lambda-Runtime-Client-Context",
    "Lambda-Runtime-Cognito-Identity",
    "Content-Type",
)
_connection = http.client.HTTPConnection(os.environ.get("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001"))
_user_agent = ""


def initialize_client(user_agent: str) -> None:
    """Remember how the client calls itself."""
    global _user_agent
    _user_agent = user_agent


def next() -> tuple[bytes, dict[str, str | int | None]]:
    """Wait for the next invocation: its event and its headers, the deadline as a number of milliseconds."""
    answer, body = _call("GET", f"{_RUNTIME}/next", None, {})
    headers: dict[str, str | int | None] = {name: answer.getheader(name) for name in _HEADERS}
    headers["Lambda-Runtime-Deadline-Ms"] = int(answer.getheader("Lambda-Runtime-Deadline-Ms") or 0)
    return body, headers


def post_invocation_result(
    request_id: str, result: bytes, content_type: str, _invocation_id: str | None = None
) -> None:
    """Hand over what the handler returned."""
    _call("POST", f"{_RUNTIME}/{request_id}/response", result, {"Content-Type": content_type})


def post_error(request_id: str, error: str, _xray_fault: str, _invocation_id: str | None = None) -> None:
    """Hand over what the handler raised."""
    _call("POST", f"{_RUNTIME}/{request_id}/error", error.encode(), {"Content-Type": "application/json"})


def _call(
    method: str, path: str, body: bytes | None, headers: dict[str, str]
) -> tuple[http.client.HTTPResponse, bytes]:
    _connection.request(method, path, body, {"User-Agent": _user_agent, **headers})
    answer = _connection.getresponse()
    content = answer.read()
    if answer.status >= 300:
        raise RuntimeError(f"{path} was answered with status {answer.status}")
    return answer, content
