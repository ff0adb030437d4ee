"""`/metrics` for Prometheus, which not in every version can send other headers than Authorization."""

from __future__ import annotations

import hmac

from tidemill.api.calls import Answer, Request
from tidemill.api.stack import Stack
from tidemill.errors import NotAllowed
from tidemill.reports import metrics_text
from tidemill.version import code_version


def scrape(stack: Stack, request: Request) -> Answer:
    """`GET /metrics`: how every model stands. Raises NotAllowed, StorageError."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    sent = token.strip() if kind.lower() == "bearer" else request.headers.get("x-api-key", "")
    if not hmac.compare_digest(sent.encode(), stack.api_keys.value(stack.api_key_id).encode()):
        raise NotAllowed("/metrics needs the stack's API key: send it as `Authorization: Bearer <key>` or as x-api-key")
    text = metrics_text.render(stack.standings.all(request.at), code_version()[:12])
    return Answer(text, content_type=metrics_text.CONTENT_TYPE)
