"""The HTTP API for releases, monitoring and dashboards, behind API Gateway."""

import functools
from datetime import UTC, datetime

from aws_lambda_powertools import Logger
from chalice.app import Chalice, Response

from tidemill import settings
from tidemill.api.calls import Request, answer
from tidemill.api.routes import ROUTES, Route
from tidemill.api.stack import Stack
from tidemill.contracts import instant

logger = Logger(service="api")
app = handler = Chalice(app_name="api", configure_logs=False)
app.api.binary_types = []  # every answer is text; without the list Chalice compares no content types with it


@functools.cache
def stack() -> Stack:
    """The deployed stack; connected with the first call."""
    return Stack.connect(settings.load(settings.ApiSettings))


def serve(route: Route) -> None:
    """Let Chalice route a method of a path to its view."""

    def respond(**path: str) -> Response:
        asked = app.current_request
        request = Request(
            path=path,
            query=dict(asked.query_params or {}),
            headers={name.lower(): value for name, value in asked.headers.items()},
            body=asked.raw_body,
            identity=asked.context.get("identity") or {},
            id=app.lambda_context.aws_request_id.replace("-", ""),
            at=instant(datetime.now(UTC)),
        )
        given = answer(route.view, stack, request, logger.exception, route.failed)
        logger.info("answered", route=f"{route.method} {route.path}", status=given.status)
        return Response(given.body, {"content-type": given.content_type, **given.headers}, given.status)

    name = f"{route.method} {route.path}"
    app.route(route.path, methods=[route.method], content_types=["*/*"], name=name)(respond)


for each in ROUTES:
    serve(each)
