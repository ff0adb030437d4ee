"""Which version answers a call, and which one gets a copy: decided by hashes, so that nothing has to be remembered.

A key's hash is a place between 0 and 1. The first share reaches from 0 upwards, the second from 1 downwards, the third
begins where the first ends, and so on; the champion has what is left between. So the same key goes to the same version
as long as the shares stay; when a share grows, no key leaves it; and of two shares neither takes keys from the other.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from tidemill.errors import InputRefused

if TYPE_CHECKING:
    from tidemill.release_contracts import Traffic, Why

#: The longest routing key, in characters.
MAX_KEY = 256
_BITS = 53  # what a float holds exactly


class Assignment(NamedTuple):
    """Which version answers a call, and why."""

    model: str
    version: int
    why: Why
    alias: str | None = None  #: what was asked for; None when a version was, by its number
    key: str | None = None  #: the caller's routing key
    experiment: str = ""  #: name of the A/B test that the call takes part in
    shadow: int | None = None  #: the version that gets a copy
    unloadable: int | None = None  #: the version that should have answered, and could not be loaded


def assign(traffic: Traffic | None, champion: int, key: str) -> tuple[int, Why]:
    """The version that answers a call, and why.

    Parameters
    ----------
    traffic
        how the model's calls are spread; None: not at all.
    champion
        the version that gets what the shares leave.
    key
        the caller's routing key, or the call's id.
    """
    if traffic is None or not traffic.shares:
        return champion, "champion"
    at = place(traffic.model, key)
    low, high = 0.0, 1.0
    for index, share in enumerate(traffic.shares):
        if index % 2:
            high -= share.weight
            taken = at >= high
        else:
            low += share.weight
            taken = at < low
        if taken:
            return (share.version, "split") if share.version != champion else (champion, "champion")
    return champion, "champion"


def copied(traffic: Traffic | None, answered: int, call: str) -> int | None:
    """The version that gets a copy of a call, or None.

    Parameters
    ----------
    answered
        the version that answers; it needs no copy.
    call
        the call's id, so that a caller with a routing key is neither always nor never copied.
    """
    if traffic is None or traffic.shadow_version in (None, answered):
        return None
    # Another salt than above: the copies are a sample of every version's calls.
    return traffic.shadow_version if place(f"{traffic.model}\0shadow", call) < traffic.shadow_fraction else None


def place(salt: str, key: str) -> float:
    """Where a key lies, from 0 to below 1; keys are spread evenly, and for another salt quite differently."""
    digest = hashlib.sha256(f"{salt}\0{key}".encode(errors="surrogatepass")).digest()
    return (int.from_bytes(digest[:8]) >> (64 - _BITS)) / (1 << _BITS)


def routing_key(header: str | None) -> str | None:
    """The caller's key from the header `x-tidemill-key`; None when there is none.

    Raises
    ------
    InputRefused
        it is too long.
    """
    key = (header or "").strip()
    if len(key) > MAX_KEY:
        raise InputRefused(f"the header x-tidemill-key has {len(key)} characters, at most {MAX_KEY} are accepted")
    return key or None
