"""Signed links by which one person decides about one release, once, without credentials.

A link's last part is its token: what it is for as JSON, and an HMAC-SHA256 of that with a secret of the stack (RFC
2104), both in base64url. Nobody without the secret can make or change one. Whether a link has been used is in the
registry's table, beside the run's approval:

=========  =========  ============
record     pk         sk
=========  =========  ============
used link  RUN#<run>  LINK#<nonce>
=========  =========  ============

Looking at a link does not use it up: mail programs open links before people do.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tidemill import contracts, keys
from tidemill.aws import stack_secrets
from tidemill.aws.faults import translated
from tidemill.aws.objects import Objects
from tidemill.aws.registry_table import Item, RegistryTable, pack
from tidemill.errors import ApprovalConflict, ContractError, NotAllowed, NotFound

NONCE_BYTES = 12


@dataclass(frozen=True)
class Link:
    """What a link is good for."""

    run_id: str
    person: str  #: who decides with it
    until: str  #: UTC, ISO 8601, with Z
    nonce: str  #: 24 hex characters; no two links have the same


def make(
    bucket: str, objects: Objects, run_id: str, person: str, until: str, api_url: str, draw: Callable[[int], bytes]
) -> str:
    """The address of the page on which a person decides about a run.

    Parameters
    ----------
    bucket
        the artifact bucket, which has the secret; it is made when there is none.
    person
        who the decision counts for.
    until
        when the link stops being good: UTC, ISO 8601, with Z.
    draw
        gives as many random bytes.

    Raises
    ------
    StorageError
        the secret can be neither read nor written.
    """
    secret = stack_secrets.made(bucket, keys.link_key(), objects, draw)
    said = contracts.dumps(Link(run_id, person, until, draw(NONCE_BYTES).hex()))
    return f"{api_url}/decide/{_text(said)}.{_text(_signature(secret, said))}"


def read(bucket: str, objects: Objects, token: str, now: str) -> Link:
    """What a token is good for.

    Raises
    ------
    NotAllowed
        it was not made here, was changed or cut off on its way, or is too old.
    StorageError
        the secret cannot be read.
    """
    said, _, signature = token.partition(".")
    try:
        secret = objects.get(bucket, keys.link_key())
        document = _bytes(said)
        good = hmac.compare_digest(_signature(secret, document), _bytes(signature))
        link = contracts.loads(Link, document) if good else None
    except (NotFound, ValueError, ContractError):
        link = None
    if link is None:
        raise NotAllowed(
            "this link is not one of ours, or not whole: open it exactly as it came in the notification, "
            "or decide with `tidemill approve` or `tidemill reject`"
        )
    if now >= link.until:
        raise NotAllowed(
            f"this link was good until {link.until}: take the newest notification's, or decide with "
            f"`tidemill approve {link.run_id}` or `tidemill reject {link.run_id}`"
        )
    return link


class UsedLinks(RegistryTable):
    """Which links have been used."""

    def used_at(self, link: Link) -> str | None:
        """When a link was used, or None. Raises StorageError."""
        item = self._item(_key(link))
        return str(item["at"]) if item else None

    @contextmanager
    def once(self, link: Link, at: str, request: str) -> Iterator[None]:
        """A block that is run for a link once: who comes second, or at the same moment, is refused.

        A block that raises has not used the link.

        Parameters
        ----------
        request
            id of what the link came with. A write whose answer was lost is sent again, and finds itself there: that is
            how it knows itself.

        Raises
        ------
        ApprovalConflict
            the link has been used.
        StorageError
            the table did not answer.
        """
        if not self._put_new(_key(link), _Used(at, link.person, request)):
            used = self._item(_key(link)) or {}
            if used.get("request") != request:
                raise ApprovalConflict(
                    f"this link has been used, at {used.get('at')}: each decides once; see `tidemill run {link.run_id}`"
                )
        try:
            yield
        except BaseException:
            self._give_back(link)
            raise

    def _give_back(self, link: Link) -> None:
        with translated(f"give a link of run {link.run_id} back"):
            self._dynamodb.delete_item(TableName=self._table, Key=pack(_key(link)))


@dataclass(frozen=True)
class _Used:
    at: str
    person: str
    request: str


def _key(link: Link) -> Item:
    return {"pk": f"RUN#{link.run_id}", "sk": f"LINK#{link.nonce}"}


def _signature(secret: bytes, said: bytes) -> bytes:
    return hmac.digest(secret, said, "sha256")


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
