"""What TensorFlow Serving's URLs do: each view reads a call, asks the endpoint and gives the body of the answer.

Beside its own verb there is KServe's `:explain`, which `/explain/{model}` stands for, too.
"""

from __future__ import annotations

import json

from tidemill.contracts import to_json
from tidemill.serving import tensorflow
from tidemill.serving.calls import Call
from tidemill.serving.endpoint import Endpoint
from tidemill.serving.traffic import Assignment, routing_key


def post(endpoint: Endpoint, call: Call) -> str:
    """`POST ...:predict` or `POST ...:explain`. Raises InputRefused, NotFound, StorageError."""
    return (explain if tensorflow.verb(**call.path) == "explain" else predict)(endpoint, call)


def explain(endpoint: Endpoint, call: Call, verb: str = "explain") -> str:
    """`POST ...:explain`: what each input adds to each row's score, as the version sees it that answers the caller's
    key, else as the champion does. Raises InputRefused, NotFound, StorageError."""
    target = tensorflow.target(verb, **call.path)
    key = routing_key(call.key)
    served, assignment = endpoint.serve(endpoint.assign(target.model, target.version, target.label, key, None))
    call.is_about(target.model, assignment.version)
    request = tensorflow.decode(call.body, served.signature.accepted)
    columns = served.completed(served.masked(request.columns))
    return json.dumps({"explanations": to_json(served.explain(columns))})


def explain_model(endpoint: Endpoint, call: Call) -> str:
    """`POST /explain/{model}`. Raises InputRefused, NotFound, StorageError."""
    return explain(endpoint, call, verb="")


def predict(endpoint: Endpoint, call: Call) -> str:
    """`POST ...:predict`. Raises InputRefused, NotFound, LookupFailed, StorageError."""
    target = tensorflow.target("predict", **call.path)
    key = routing_key(call.key)
    assignment = endpoint.assign(target.model, target.version, target.label, key, call.id)
    if target.version is None:  # what an alias points to exists; that it cannot be read is to be recorded, too
        _is_for(call, assignment)
    served, assignment = endpoint.serve(assignment)
    _is_for(call, assignment)
    request = tensorflow.decode(call.body, served.signature.accepted)
    columns = served.completed(served.masked(request.columns))
    prediction = served.predict(columns, request.confidence)
    body = tensorflow.encode(prediction, served.signature, request.by_row)
    endpoint.record(columns, prediction, served.signature, assignment, call.id, call.time, call.began)
    return body


def _is_for(call: Call, assignment: Assignment) -> None:
    call.is_about(assignment.model, assignment.version)
    call.recorded_for = assignment


def status(endpoint: Endpoint, call: Call) -> str:
    """`GET` of a model, one of its versions or labels. Raises InputRefused, NotFound, StorageError."""
    target = tensorflow.target("", **call.path)
    versions = endpoint.available(target.model, target.version, target.label)
    call.is_about(target.model, versions[0] if len(versions) == 1 else None)
    return tensorflow.status(versions)


def metadata(endpoint: Endpoint, call: Call) -> str:
    """`GET .../metadata`. Raises InputRefused, NotFound, StorageError."""
    target = tensorflow.target("", **call.path)
    served = endpoint.find(target.model, target.version, target.label)
    call.is_about(target.model, served.facts.version)
    return tensorflow.metadata(served.signature, served.facts.version, served.facts.metric, served.facts.value)


#: (what follows a path of `tensorflow.PATHS`, HTTP method, view)
_VIEWS = (("", "POST", post), ("", "GET", status), ("/metadata", "GET", metadata))
#: (path, HTTP method, view)
ROUTES = (
    *((path + suffix, method, view) for path in tensorflow.PATHS for suffix, method, view in _VIEWS),
    ("/explain/{model}", "POST", explain_model),
)
