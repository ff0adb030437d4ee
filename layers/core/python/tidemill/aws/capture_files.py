"""Messages of the capture queue to files of recorded predictions, one for each model and hour of a batch.

Those that the model marked go to the review queue, too.
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
        What was asked of a version by its number, such as a deployment's trial, is nobody's case.
    warn
        takes a sentence about what could not be read or written.
    """
    groups: dict[Group, dict[str, list[Capture]]] = defaultdict(lambda: defaultdict(list))
    failed = []
    for message in messages:
        try:
            for capture in contracts.loads(tuple[Capture, ...], message["body"]):
                groups[keys.check_project(capture.model), capture.at[:13]][message["messageId"]].append(capture)
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
                    if capture.review and capture.alias is not None:
                        review(capture)
            except StorageError as error:
                warn(str(error))
                failed += ids
    return sorted(set(failed))


def _lines(captures: Iterable[Capture]) -> bytes:
    return "".join(json.dumps(to_json(item), sort_keys=True, ensure_ascii=False) + "\n" for item in captures).encode()
