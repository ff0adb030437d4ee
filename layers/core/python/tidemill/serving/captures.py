"""Recording of predictions: from a request and its answer to the messages of the capture queue.

A message is a JSON array of `contracts.Capture`. One row is recorded under the request's
own id, several under `<id>-0`, `<id>-1`, ... in their order.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tidemill.contracts import Capture, to_json
from tidemill.errors import StorageError

#: SQS takes messages of at most 256 KiB.
MESSAGE_BYTES = 256 * 1024
_ENCODER = json.JSONEncoder(allow_nan=False)


def captures(
    columns: Mapping[str, Sequence[Any]],
    predictions: Sequence[Any],
    *,
    prediction_id: str,
    at: str,
    model: str,
    version: int,
    alias: str | None,
    review: Sequence[bool] | None = None,
) -> Iterator[Capture]:
    """One Capture for each row.

    Parameters
    ----------
    columns
        raw values as they were sent, by column; each as long as `predictions`.
    predictions
        one JSON value for each row.
    review
        whether each row is to be reviewed; None: none is.
    """
    for row, prediction in enumerate(predictions):
        yield Capture(
            prediction_id=prediction_id if len(predictions) == 1 else f"{prediction_id}-{row}",
            at=at,
            model=model,
            version=version,
            inputs={name: values[row] for name, values in columns.items()},
            prediction=prediction,
            alias=alias,
            review=bool(review[row]) if review is not None else False,
        )


def messages(recorded: Iterator[Capture], limit: int = MESSAGE_BYTES) -> Iterator[str]:
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


def send(recorded: Iterator[Capture], put: Callable[[str], object], warn: Callable[[str], object]) -> None:
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
    try:
        return _ENCODER.encode(vars(capture))
    except ValueError:
        return json.dumps(to_json(capture))  # slower, but null where JSON has no word for a number
