"""Lambda functions: calling one and waiting for its answer, and how it is configured."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidemill.aws.faults import translated
from tidemill.contracts import Architecture
from tidemill.errors import FunctionFailed

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


@dataclass(frozen=True)
class Configuration:
    """What a function's time is priced by."""

    memory_mb: int
    architecture: Architecture


class Functions:
    """The functions of an account, by name or ARN."""

    def __init__(self, client: LambdaClient) -> None:
        self._lambda = client

    def invoke(self, function: str, payload: Any) -> Any:
        """Call a function with a JSON value and return the JSON value it answers with.

        Raises
        ------
        FunctionFailed
            the function raised, ended or ran out of time; the message is its own error.
        StorageError
            the service refused the call, or did not answer in time.
        """
        with translated(f"invoke {function}"):
            answer = self._lambda.invoke(FunctionName=function, Payload=json.dumps(payload).encode())
            body = answer["Payload"].read()
        result = json.loads(body or b"null")
        if "FunctionError" in answer:
            raise FunctionFailed(f"{function} failed: {_message(result)}")
        return result

    def start(self, function: str, payload: Any) -> None:
        """Call a function with a JSON value and wait for nothing but that the call is taken. Raises StorageError."""
        with translated(f"start {function}"):
            self._lambda.invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps(payload).encode())

    def configuration(self, function: str) -> Configuration:
        """Memory and architecture of a function. Raises StorageError."""
        with translated(f"read the configuration of {function}"):
            answer = self._lambda.get_function_configuration(FunctionName=function)
        architectures = answer.get("Architectures") or ["x86_64"]
        return Configuration(answer["MemorySize"], architectures[0])


def _message(result: Any) -> str:
    if isinstance(result, dict) and "errorMessage" in result:
        return f"{result.get('errorType', 'Error')}: {result['errorMessage']}"
    return str(result)
