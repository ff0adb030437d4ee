"""The secret that personal data is masked with: one for the stack, made once."""

from __future__ import annotations

from collections.abc import Callable

from tidemill import keys
from tidemill.aws.objects import Objects
from tidemill.errors import NotFound

KEY_BYTES = 32


def made(bucket: str, objects: Objects, draw: Callable[[int], bytes]) -> bytes:
    """The secret; when there is none yet it is drawn and kept, by whoever comes first.

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
        return objects.get(bucket, keys.mask_key())
    except NotFound:
        objects.put_new(bucket, keys.mask_key(), draw(KEY_BYTES))
        return objects.get(bucket, keys.mask_key())
