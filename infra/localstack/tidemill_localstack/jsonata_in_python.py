"""JSONata for Step Functions by `jsonata-python`, in the place of a Java library that LocalStack would download."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jsonata import Jsonata
from localstack.services.stepfunctions.asl.eval import states, variable_store
from localstack.services.stepfunctions.asl.jsonata import jsonata
from localstack.services.stepfunctions.asl.utils.encoding import to_json_str


def install() -> None:
    """Replace the evaluation, and the writing of variables, which forgets to escape texts."""
    jsonata._eval_jsonata = evaluate
    for module in (jsonata, states, variable_store):
        module.encode_jsonata_variable_declarations = declarations


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


def declarations(bindings: Mapping[str, Any]) -> str:
    """Assignments of values to variables, to stand before an expression."""
    return "".join(f"{name}:={to_json_str(value)};" for name, value in bindings.items())
