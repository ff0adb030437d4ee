"""TensorFlow Serving's REST protocol: decoding of requests, encoding of answers, nothing else.

The request formats are those of its REST API, `instances` (by row) and `inputs` (by
column); a model has one signature, `serving_default`. Three things go beyond it: an
instance may be a plain list of values in the order of the model's inputs; a missing
value is `null`, `NaN` or, by row, left out; and `confidence` beside them asks for
intervals or prediction sets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from tidemill.contracts import InputField, Signature, to_json
from tidemill.errors import InputRefused, RequestTooLarge
from tidemill.serving import outputs
from tidemill.serving.prediction import Prediction

#: What one request may hold. Lambda carries 6 MB in and out, the body as an escaped string in it.
MAX_BODY_BYTES = 5_000_000
MAX_ROWS = 10_000

#: Where a model, one of its versions or what an alias points to is asked. A verb ends the last parameter of a POST.
PATHS = ("/v1/models/{model}", "/v1/models/{model}/versions/{version}", "/v1/models/{model}/labels/{label}")

#: `:explain` is KServe's; it takes what `:predict` takes.
VERBS = ("predict", "explain")
SIGNATURE_NAME = "serving_default"
EXPECTED = 'send {"instances": [{"<input>": <value>, ...}, ...]} or {"inputs": {"<input>": [<value>, ...], ...}}'
DTYPES = {"integer": "DT_INT64", "number": "DT_FLOAT"}


@dataclass(frozen=True)
class Target:
    """The model that a URL means; version and label are None when the URL names none."""

    model: str
    version: int | None
    label: str | None


@dataclass(frozen=True)
class Request:
    """The rows of a request, as raw values by column."""

    columns: dict[str, list[Any]]
    rows: int
    by_row: bool  #: the format of the request, which the answer has too
    confidence: float | None = None  #: of the intervals or sets that are wanted beside the predictions


def target(verb: str, model: str, version: str | None = None, label: str | None = None) -> Target:
    """Read the path parameters of a URL, the last of which ends in the verb: `churn:predict`, `3:predict`.

    Parameters
    ----------
    verb
        what must follow the colon; empty when nothing may.
    model, version, label
        the parameters as API Gateway gives them, percent-encoded or not; at most one of version and label.

    Raises
    ------
    InputRefused
        the verb is another one, or the version is no whole number from 1.
    """
    last = next(part for part in (version, label, model) if part is not None)
    name, _, given = unquote(last).partition(":")
    model = name if last is model else unquote(model)
    if given != verb:
        raise InputRefused(_wrong_verb(given, verb, model))
    if version is not None and not (name.isdecimal() and name.isascii() and 0 < int(name) < 1_000_000):
        raise InputRefused(f"the version must be a whole number from 1, not {name!r}")
    return Target(model, int(name) if version is not None else None, name if label is not None else None)


def verb(model: str, version: str | None = None, label: str | None = None) -> str:
    """The verb that a URL ends in; empty when there is none."""
    last = next(part for part in (version, label, model) if part is not None)
    return unquote(last).partition(":")[2]


def _wrong_verb(given: str, verb: str, model: str) -> str:
    if not verb:
        return f"the verb {given!r} needs POST: GET answers without a verb, as in GET /v1/models/{model}"
    wrong = f"the verb {given!r} is not known" if given else "the URL has no verb"
    return f"{wrong}: accepted are {', '.join(f':{verb}' for verb in VERBS)}, as in POST /v1/models/{model}:predict"


def decode(body: bytes, inputs: Sequence[InputField]) -> Request:
    """Read the body of a `:predict` request.

    Only the form is checked here; names and types of the values are checked where they are encoded.

    Raises
    ------
    RequestTooLarge
        there are more bytes or rows than MAX_BODY_BYTES, MAX_ROWS.
    InputRefused
        the body is not a request of this protocol; the message says what is wrong and what is accepted.
    """
    document = _parse(body)
    name = document.get("signature_name") or SIGNATURE_NAME
    if name != SIGNATURE_NAME:
        raise InputRefused(f"signature_name {name!r} is not known: the model has one signature, {SIGNATURE_NAME!r}")
    if ("instances" in document) == ("inputs" in document):
        both = "the body has both instances and inputs" if "instances" in document else "the body has no instances"
        raise InputRefused(f"{both}: {EXPECTED}")
    if "instances" in document:
        columns, rows = _by_row(document["instances"], inputs)
    else:
        columns, rows = _by_column(document["inputs"], inputs)
    return Request(columns, rows, "instances" in document, _confidence(document))


def _confidence(document: Mapping[str, Any]) -> float | None:
    given = document.get("confidence")
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise InputRefused(f"confidence must be a number between 0 and 1 such as 0.9, not {given!r}")
    return float(given)


def encode(prediction: Prediction, signature: Signature, by_row: bool) -> str:
    """The body of an answer, in the format of its request.

    Raises
    ------
    RequestTooLarge
        the answer would have more than MAX_BODY_BYTES.
    """
    answer: dict[str, Any] = (
        {"predictions": outputs.by_row(prediction, signature)}
        if by_row
        else {"outputs": outputs.by_column(prediction, signature)}
    )
    body = json.dumps(answer)
    if len(body) > MAX_BODY_BYTES:
        raise RequestTooLarge(
            f"the answer would have {len(body):,} bytes, at most {MAX_BODY_BYTES:,} can be sent: "
            "ask for fewer rows at a time, or upload a file to be scored"
        )
    return body


def status(versions: Sequence[int]) -> str:
    """The body of a status answer: every version that there is can be asked, so it is available."""
    good = {"error_code": "OK", "error_message": ""}
    states = [{"version": str(version), "state": "AVAILABLE", "status": good} for version in versions]
    return json.dumps({"model_version_status": states})


def metadata(signature: Signature, version: int, metric: str, value: float) -> str:
    """The body of a metadata answer: TensorFlow's signature_def, and the signature as it was learned.

    Parameters
    ----------
    metric, value
        the metric that decided, on the holdout.
    """
    definition = {
        "inputs": {
            item.name: _tensor(item.name, DTYPES.get(item.type, "DT_STRING"), -1) for item in signature.accepted
        },
        "outputs": _outputs(signature),
        "method_name": "tensorflow/serving/predict",
    }
    answer = {
        "model_spec": {"name": signature.model, "signature_name": "", "version": str(version)},
        "metadata": {
            "signature_def": {"signature_def": {SIGNATURE_NAME: definition}},
            "tidemill": to_json(signature) | {"version": version, "metric": metric, "value": value},
        },
    }
    return json.dumps(answer)


def _outputs(signature: Signature) -> dict[str, Any]:
    """The outputs of TensorFlow's signature_def, by the names that an answer gives them."""
    match signature.task:
        case "regression":
            shapes: dict[str, tuple[str, tuple[int, ...]]] = {"value": ("DT_FLOAT", ())}
        case "clustering":
            shapes = {"cluster": ("DT_STRING", ()), "distance": ("DT_FLOAT", ())}
        case "anomaly_detection":
            shapes = {"anomaly": ("DT_BOOL", ()), "score": ("DT_FLOAT", ())}
        case "dimensionality_reduction":
            shapes = {"components": ("DT_FLOAT", (signature.components,))}
        case _:
            shapes = {"label": ("DT_STRING", ()), "probabilities": ("DT_FLOAT", (len(signature.classes),))}
    return {name: _tensor(name, dtype, -1, *shape) for name, (dtype, shape) in shapes.items()}


def _tensor(name: str, dtype: str, *shape: int) -> dict[str, Any]:
    dimensions = [{"size": str(size), "name": ""} for size in shape]
    return {"dtype": dtype, "tensor_shape": {"dim": dimensions, "unknown_rank": False}, "name": name}


def _constant(name: str) -> None:
    """`NaN` is a missing value; JSON itself has no word for it, nor for the infinities."""
    if name != "NaN":
        raise InputRefused(f"the body holds {name}, which is no value that a model takes: leave it out or send null")


_DECODER = json.JSONDecoder(parse_constant=_constant)


def _parse(body: bytes) -> Mapping[str, Any]:
    if len(body) > MAX_BODY_BYTES:
        raise RequestTooLarge(
            f"the body has {len(body):,} bytes, at most {MAX_BODY_BYTES:,} are accepted: "
            "send fewer rows at a time, or upload a file to be scored"
        )
    if not body.strip():
        raise InputRefused(f"the body is empty: {EXPECTED}")
    try:
        document = _DECODER.decode(body.decode())
    except (ValueError, RecursionError) as error:
        raise InputRefused(f"the body is not valid JSON: {error}") from error
    if not isinstance(document, Mapping):
        raise InputRefused(f"the body must be a JSON object: {EXPECTED}")
    return document


def _check_rows(rows: int, where: str) -> None:
    if rows == 0:
        raise InputRefused(f"{where} is empty: send at least one row")
    if rows > MAX_ROWS:
        raise RequestTooLarge(
            f"{where} has {rows:,} rows, at most {MAX_ROWS:,} are accepted: "
            "send fewer rows at a time, or upload a file to be scored"
        )


def _by_row(instances: Any, inputs: Sequence[InputField]) -> tuple[dict[str, list[Any]], int]:
    if not isinstance(instances, list):
        raise InputRefused("instances must be a list with one object for each row")
    _check_rows(len(instances), "instances")
    order = [item.name for item in inputs]
    rows = [_row(instance, order, number) for number, instance in enumerate(instances)]
    given = dict.fromkeys(name for row in rows for name in row)
    known = [name for name in order if name in given]
    # One unknown name is enough to be refused; a column for each of thousands would fill the memory.
    unknown = next(([name] for name in given if name not in order), [])
    return {name: [row.get(name) for row in rows] for name in known + unknown or order[:1]}, len(rows)


def _row(instance: Any, order: Sequence[str], number: int) -> Mapping[str, Any]:
    if isinstance(instance, Mapping):
        return instance
    values = instance if isinstance(instance, list) else [instance]
    if len(values) != len(order):
        raise InputRefused(
            f"instances[{number}] must be an object of inputs, or a list of {len(order)} values in the order of the "
            f"signature, but it has {len(values)}: {', '.join(order)}"
        )
    return dict(zip(order, values, strict=True))


def _by_column(inputs: Any, fields: Sequence[InputField]) -> tuple[dict[str, list[Any]], int]:
    if isinstance(inputs, list) and len(fields) == 1:
        inputs = {fields[0].name: inputs}
    if not isinstance(inputs, Mapping) or not inputs:
        raise InputRefused("inputs must be an object with a list of values, one for each row, for each input")
    rows = None
    for name, values in inputs.items():
        if not isinstance(values, list):
            raise InputRefused(f"inputs.{name} must be a list with one value for each row")
        _check_rows(len(values), f"inputs.{name}")
        if rows is not None and len(values) != rows:
            raise InputRefused(f"inputs.{name} has {len(values)} values, but {next(iter(inputs))} has {rows}")
        rows = len(values)
    assert rows is not None
    return dict(inputs), rows
