"""One prediction through the deployed predict function, before a model version goes into service."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

from tidemill.contracts import InputField, Signature
from tidemill.errors import FunctionFailed, SmokePredictionFailed

RESOURCE = "/v1/models/{model}/versions/{version}"


def smoke_prediction(invoke: Callable[[Any], Any], signature: Signature, version: int) -> Any:
    """Ask a model version for one prediction and return it.

    The row is made from the signature's typical values.

    Parameters
    ----------
    invoke
        takes an event as API Gateway sends it and gives the function's answer.

    Raises
    ------
    SmokePredictionFailed
        the answer is no prediction of finite numbers by this version; the message says what came instead.
    """
    row = {item.name: _typical(item) for item in signature.inputs}
    asked = f"version {version} of model {signature.model!r}"
    try:
        answer = invoke(request(signature.model, version, {"instances": [row]}))
    except FunctionFailed as error:
        raise SmokePredictionFailed(f"{asked} could not be asked for a prediction: {error}") from error
    if not isinstance(answer, dict) or answer.get("statusCode") != 200:
        status = answer.get("statusCode") if isinstance(answer, dict) else answer
        body = answer.get("body") if isinstance(answer, dict) else ""
        raise SmokePredictionFailed(f"{asked} answered a typical row with status {status}: {body}")
    served = {name.lower(): value for name, value in (answer.get("headers") or {}).items()}.get("x-tidemill-version")
    if served != str(version):
        raise SmokePredictionFailed(f"{asked} was asked for a prediction, but version {served} answered")
    predictions = json.loads(answer["body"]).get("predictions")
    numbers = list(_numbers(predictions))
    if not isinstance(predictions, list) or len(predictions) != 1 or not numbers:
        raise SmokePredictionFailed(f"{asked} answered one row with {answer['body']}, not with one prediction")
    if not all(map(math.isfinite, numbers)):
        raise SmokePredictionFailed(f"{asked} predicted {answer['body']} for a typical row, which is no finite number")
    return predictions[0]


def request(model: str, version: int, body: Any) -> dict[str, Any]:
    """The event that API Gateway's REST proxy sends for a `:predict` of a model version."""
    path = f"/v1/models/{quote(model)}/versions/{version}:predict"
    headers = {"Accept": "application/json", "Content-Type": "application/json", "User-Agent": "tidemill-deploy"}
    return {
        "resource": RESOURCE,
        "path": path,
        "httpMethod": "POST",
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": {"model": model, "version": f"{version}:predict"},
        "stageVariables": None,
        "requestContext": {
            "resourcePath": RESOURCE,
            "httpMethod": "POST",
            "path": path,
            "stage": "smoke",
            "requestId": f"smoke-{model}-{version}",
            "identity": {"sourceIp": "127.0.0.1", "userAgent": headers["User-Agent"]},
        },
        "body": json.dumps(body),
        "isBase64Encoded": False,
    }


def _typical(item: InputField) -> Any:
    if item.example is not None:
        return item.example
    return item.categories[0] if item.categories else item.minimum


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _numbers(item)
    elif value is None:  # what JSON makes of a number that is none
        yield math.nan
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield float(value)
