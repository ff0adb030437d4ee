"""Bodies of requests to an API, as they were sent.

LocalStack reads a body as a form when its content type says so, before it knows for whom the request is, and hands the
API what it makes of the form again: a JSON document that `curl -d` sends arrives percent-encoded. API Gateway hands on
what it got.
"""

from __future__ import annotations

from werkzeug.wrappers import Request

#: Where LocalStack has the APIs.
ADDRESS = "/_aws/execute-api/"


def install() -> None:
    """Let no request to an API be read as a form."""
    wanted = vars(Request)["want_form_data_parsed"].fget

    def want_form_data_parsed(request: Request) -> bool:
        return not request.path.startswith(ADDRESS) and bool(wanted(request))

    Request.want_form_data_parsed = property(want_form_data_parsed)  # type: ignore[assignment, method-assign]
