"""Telling an address of the user's: a JSON document by POST."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from typing import Any

from tidemill.contracts import dumps
from tidemill.errors import StorageError

#: Seconds without a byte of the answer, and how often a post is tried.
TIMEOUT, TRIES = 5.0, 2
#: Statuses that another try may change.
PASSING = frozenset({408, 429, 500, 502, 503, 504})


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirected POST would arrive as a GET without its document, and look like a success."""

    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirects)


def post(url: str, document: Any, timeout: float = TIMEOUT, tries: int = TRIES) -> None:
    """Post a contract as JSON; a try that did not arrive is repeated at once.

    Parameters
    ----------
    url
        begins with https://, as the spec demands.
    timeout
        seconds without a byte of the answer.

    Raises
    ------
    StorageError
        nobody took it; the message says what was answered.
    """
    request = urllib.request.Request(  # noqa: S310 - the spec lets no other scheme in
        url, dumps(document), {"content-type": "application/json", "user-agent": "tidemill"}, method="POST"
    )
    problem = ""
    for _ in range(tries):
        try:
            with _OPENER.open(request, timeout=timeout):
                return
        except urllib.error.HTTPError as error:
            problem = f"it answered {error.code}"
            error.close()
            if error.code not in PASSING:
                break
        except (OSError, http.client.HTTPException) as error:
            problem = str(error) or type(error).__name__
    raise StorageError(f"the webhook {_without_secret(url)} was not told: {problem}")


def _without_secret(url: str) -> str:
    """Scheme and host: the rest of a webhook's address is often its password."""
    return "/".join(url.split("/")[:3])
