"""What a challenger would have answered: copies of calls, taken from their captures, that nobody waits for.

A message of the shadow queue is a message of the capture queue: a JSON array of the captures of one call. The
challenger gets their inputs as they were recorded, so masked and completed with looked-up features, and its answers
are recorded under the ids and times of the originals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tidemill import contracts
from tidemill.contracts import Capture
from tidemill.errors import ContractError, StorageError
from tidemill.serving import captures, outputs
from tidemill.serving.endpoint import Endpoint
from tidemill.serving.refusals import refusal
from tidemill.serving.served import Served


class Shadow:
    """Answers copies in the challenger's place.

    Parameters
    ----------
    endpoint
        has the models.
    send
        takes a message of captures; raises StorageError.
    warn
        takes a sentence for the log.
    """

    def __init__(self, endpoint: Endpoint, send: Callable[[str], object], warn: Callable[[str], object]) -> None:
        self._endpoint = endpoint
        self._send = send
        self._warn = warn

    def answer(self, messages: Iterable[Mapping[str, Any]]) -> list[str]:
        """Answer a batch of SQS messages, and return the ids of those that have to come again.

        What a challenger refuses or fails at is its answer, and recorded with the status that a caller would have
        got. Again come only messages that cannot be read, or whose answers cannot be recorded.

        Parameters
        ----------
        messages
            records of an SQS event; each body is a JSON array of Capture. Rows that are for no challenger, or were too
            large to be recorded with their inputs, are left out.
        """
        failed = []
        loaded: dict[tuple[str, int], Served | Exception] = {}
        for message in messages:
            try:
                rows = contracts.loads(tuple[Capture, ...], message["body"])
                for challenger in sorted({row.shadow for row in rows if row.shadow is not None}):
                    copies = [row for row in rows if row.shadow == challenger and row.inputs]
                    for text in captures.messages(self._answers(copies, challenger, loaded)):
                        self._send(text)
            except (ContractError, StorageError) as error:
                self._warn(f"message {message['messageId']} comes again: {error}")
                failed.append(message["messageId"])
        return failed

    def _answers(
        self, copies: Sequence[Capture], challenger: int, loaded: dict[tuple[str, int], Served | Exception]
    ) -> list[Capture]:
        if not copies:
            return []
        first = replace(copies[0], version=challenger, why="shadow", shadow=None, review=False, scale=None)
        name = (first.model, challenger)
        if name not in loaded:
            loaded[name] = self._loaded(*name)  # once in a batch, also when it fails
        began = self._endpoint.clock()
        try:
            return _predicted(loaded[name], copies, first, lambda: self._since(began))
        except Exception as error:  # the answer of a challenger that cannot answer
            told = refusal(error)
            if told.logged:
                self._warn(f"version {challenger} of {first.model}, asked for a copy, {told.logged}: {error}")
            return [
                replace(
                    first,
                    inputs={},
                    prediction=None,
                    status=told.status,
                    error=told.recorded[: captures.MAX_ERROR],
                    ms=self._since(began),
                )
            ]

    def _loaded(self, model: str, version: int) -> Served | Exception:
        try:
            return self._endpoint.find(model, version, None)
        except Exception as error:
            return error

    def _since(self, began: float) -> float:
        return round((self._endpoint.clock() - began) * 1000, 3)


def _predicted(
    served: Served | Exception, copies: Sequence[Capture], first: Capture, milliseconds: Callable[[], float]
) -> list[Capture]:
    if isinstance(served, Exception):
        raise served
    accepted = [field.name for field in served.signature.accepted]
    given = {name: [row.inputs.get(name) for row in copies] for name in accepted}
    known = {name: values for name, values in given.items() if any(name in row.inputs for row in copies)}
    columns = served.completed(served.masked(known))
    prediction = served.predict(columns)
    said = outputs.by_row(prediction, served.signature)
    took = milliseconds()
    return [
        replace(
            first,
            prediction_id=copy.prediction_id,
            at=copy.at,
            inputs={name: values[row] for name, values in columns.items()},
            prediction=said[row],
            review=bool(prediction.review[row]) if prediction.review is not None else False,
            ms=took if row == 0 else None,
            scale=float(prediction.scale[row]) if prediction.scale is not None else None,
        )
        for row, copy in enumerate(copies)
    ]
