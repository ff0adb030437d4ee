"""Messages of the capture queue to files of recorded predictions, one for each model and hour of a batch.

Those that the model marked go to the review queue, too, and copies for a challenger to the shadow queue.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tidemill import contracts, keys
from tidemill.aws.objects import Objects
from tidemill.contracts import Capture, to_json
from tidemill.errors import ContractError, StorageError

#: Model and hour: `2026-03-04T05`.
Group = tuple[str, str]


def write(
    messages: Iterable[Mapping[str, Any]],
    bucket: str,
    objects: Objects,
    review: Callable[[Capture], object],
    copy: Callable[[str], object],
    warn: Callable[[str], object],
) -> list[str]:
    """Write a batch of SQS messages, and return the ids of those that could not be written.

    A file's name comes from the ids of the messages in it and its bytes from their
    content, so that a batch that is delivered again overwrites its own files.

    Parameters
    ----------
    messages
        records of an SQS event; each body is a JSON array of Capture.
    review
        takes a marked prediction that an alias answered, and again when its batch comes again; raises StorageError.
        What was asked of a version by its number, such as a deployment's trial, is nobody's case, and neither is what
        a challenger said to a copy.
    copy
        takes the body of a message with predictions that a challenger gets a copy of, again when its batch comes again;
        raises StorageError, which costs the copy only.
    warn
        takes a sentence about what could not be read or written.
    """
    groups: dict[Group, dict[str, list[Capture]]] = defaultdict(lambda: defaultdict(list))
    failed = []
    copies = {}
    for message in messages:
        try:
            for capture in contracts.loads(tuple[Capture, ...], message["body"]):
                groups[keys.check_project(capture.model), capture.at[:13]][message["messageId"]].append(capture)
                if capture.shadow is not None:
                    copies[message["messageId"]] = message["body"]
        except ContractError as error:
            warn(f"message {message['messageId']} is no list of captures: {error}")
            failed.append(message["messageId"])
    for (model, _), by_message in groups.items():
        ids = sorted(set(by_message) - set(failed))
        captures = [capture for message_id in ids for capture in by_message[message_id]]
        if captures:
            name = hashlib.sha256("\n".join(ids).encode()).hexdigest()[:32]
            key = keys.captures(model, captures[0].at, name)
            try:
                objects.put(bucket, key, gzip.compress(_lines(captures), mtime=0))
                for capture in captures:
                    if capture.review and capture.alias is not None and capture.why != "shadow":
                        review(capture)
            except StorageError as error:
                warn(str(error))
                failed += ids
    _hand_on([body for message_id, body in copies.items() if message_id not in failed], copy, warn)
    return sorted(set(failed))


def _hand_on(bodies: Iterable[str], copy: Callable[[str], object], warn: Callable[[str], object]) -> None:
    """Send copies; after the first one that cannot be sent the rest of the batch is not tried."""
    for body in bodies:
        try:
            copy(body)
        except StorageError as error:
            warn(f"predictions were recorded, but the challenger gets no copies of them: {error}")
            return


def _lines(captures: Iterable[Capture]) -> bytes:
    return "".join(json.dumps(to_json(item), sort_keys=True, ensure_ascii=False) + "\n" for item in captures).encode()
