"""Recording of predictions: from a request and its answer to the messages of the capture queue.

A message is a JSON array of `contracts.Capture`. One row is recorded under the request's
own id, several under `<id>-0`, `<id>-1`, ... in their order.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, fields, replace
from typing import Any

from tidemill.contracts import Capture, to_json
from tidemill.errors import StorageError
from tidemill.serving.traffic import Assignment

#: Characters of an error message that are recorded.
MAX_ERROR = 300
#: SQS takes messages of at most 256 KiB.
MESSAGE_BYTES = 256 * 1024
_ENCODER = json.JSONEncoder(allow_nan=False)
#: What a reader takes a field for that is left out.
_USUAL = {item.name: item.default for item in fields(Capture) if item.default is not MISSING}


def captures(
    columns: Mapping[str, Sequence[Any]],
    predictions: Sequence[Any],
    assignment: Assignment,
    *,
    prediction_id: str,
    at: str,
    ms: float | None = None,
    review: Sequence[bool] | None = None,
    scale: Sequence[float] | None = None,
) -> Iterator[Capture]:
    """One Capture for each row.

    Parameters
    ----------
    columns
        raw values as they were sent, by column; each as long as `predictions`.
    predictions
        one JSON value for each row.
    assignment
        which version has answered, and why.
    ms
        milliseconds that the call took; the first row has them.
    review
        whether each row is to be reviewed; None: none is.
    scale
        the model's own error scale of each row; None: it has none.
    """
    for row, prediction in enumerate(predictions):
        yield Capture(
            prediction_id=prediction_id if len(predictions) == 1 else f"{prediction_id}-{row}",
            at=at,
            model=assignment.model,
            version=assignment.version,
            inputs={name: values[row] for name, values in columns.items()},
            prediction=prediction,
            alias=assignment.alias,
            review=bool(review[row]) if review is not None else False,
            why=assignment.why,
            key=assignment.key,
            experiment=assignment.experiment,
            ms=ms if row == 0 else None,
            scale=scale[row] if scale is not None else None,
            shadow=assignment.shadow,
        )


def refusal(
    assignment: Assignment, *, prediction_id: str, at: str, ms: float | None, status: int, error: str
) -> Capture:
    """The Capture of a call that was refused or has failed. It holds no inputs: what they are is not known for sure."""
    return Capture(
        prediction_id=prediction_id,
        at=at,
        model=assignment.model,
        version=assignment.version,
        inputs={},
        prediction=None,
        alias=assignment.alias,
        why=assignment.why,
        key=assignment.key,
        experiment=assignment.experiment,
        status=status,
        error=error[:MAX_ERROR],
        ms=ms,
    )


def messages(recorded: Iterable[Capture], limit: int = MESSAGE_BYTES) -> Iterator[str]:
    """Pack captures, in their order, into as few JSON arrays of at most `limit` bytes as fit.

    A row that alone is larger is recorded without its inputs. The text is plain ASCII.
    """
    pending: list[str] = []
    size = 2
    for capture in recorded:
        text = _dumped(capture)
        if len(text) + 2 > limit:
            text = _dumped(replace(capture, inputs={}))
        if pending and size + len(text) > limit:
            yield f"[{','.join(pending)}]"
            pending, size = [], 2
        pending.append(text)
        size += len(text) + 1
    if pending:
        yield f"[{','.join(pending)}]"


def send(recorded: Iterable[Capture], put: Callable[[str], object], warn: Callable[[str], object]) -> None:
    """Send captures to the queue; a queue that does not answer costs the record, never the prediction.

    After the first message that cannot be sent the rest is not tried: each try takes time from the caller.

    Parameters
    ----------
    put
        takes one message; raises StorageError.
    warn
        takes a sentence when captures are lost.
    """
    for message in messages(recorded):
        try:
            put(message)
        except StorageError as error:
            warn(f"a prediction was answered but not recorded: {error}")
            return


def _dumped(capture: Capture) -> str:
    said = {name: value for name, value in vars(capture).items() if name not in _USUAL or value != _USUAL[name]}
    try:
        return _ENCODER.encode(said)
    except ValueError:
        return json.dumps(to_json(said))  # slower, but null where JSON has no word for a number
