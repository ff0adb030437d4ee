"""JSONata for Step Functions by `jsonata-python`, in the place of a Java library that LocalStack would download."""

from __future__ import annotations

import json
from typing import Any

from jsonata import Jsonata
from localstack.services.stepfunctions.asl.jsonata import jsonata


def install() -> None:
    """Replace the evaluation."""
    jsonata._eval_jsonata = evaluate


def evaluate(expression: str) -> Any:
    """The value of an expression as JSON has it; None too where there is no value.

    Raises
    ------
    JSONataException
        the expression is wrong, or fails.
    """
    try:
        value = Jsonata(expression).evaluate(None)
    except Exception as error:
        raise jsonata.JSONataException("UNKNOWN", str(error)) from error
    return json.loads(json.dumps(value))
