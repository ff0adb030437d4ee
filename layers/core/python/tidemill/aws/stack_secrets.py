"""Secrets that belong to the stack: drawn once, kept in the artifact bucket, read by who needs them."""

from __future__ import annotations

from collections.abc import Callable

from tidemill.aws.objects import Objects
from tidemill.errors import NotFound

SECRET_BYTES = 32


def made(bucket: str, key: str, objects: Objects, draw: Callable[[int], bytes]) -> bytes:
    """The secret under a key; when there is none yet it is drawn and kept, by whoever comes first.

    Parameters
    ----------
    bucket
        the artifact bucket.
    draw
        gives as many random bytes.

    Raises
    ------
    StorageError
        it can be neither read nor written.
    """
    try:
        return objects.get(bucket, key)
    except NotFound:
        objects.put_new(bucket, key, draw(SECRET_BYTES))
        return objects.get(bucket, key)
