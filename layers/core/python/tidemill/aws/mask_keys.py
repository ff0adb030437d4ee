"""The secret that personal data is masked with: one for the stack, made once."""

from __future__ import annotations

from collections.abc import Callable

from tidemill import keys
from tidemill.aws import stack_secrets
from tidemill.aws.objects import Objects


def made(bucket: str, objects: Objects, draw: Callable[[int], bytes]) -> bytes:
    """The secret, as `stack_secrets.made` gives it. Raises StorageError."""
    return stack_secrets.made(bucket, keys.mask_key(), objects, draw)
