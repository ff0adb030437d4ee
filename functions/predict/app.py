"""The HTTP endpoint: TensorFlow Serving's `:predict`, status and metadata behind API Gateway."""

import functools
import importlib
import time

from chalice.app import Chalice, Response

from tidemill import keys, settings
from tidemill.aws import clients, quick
from tidemill.aws.objects import Objects
from tidemill.aws.online_features import OnlineFeatures
from tidemill.aws.queues import Queue
from tidemill.aws.registry import Registry
from tidemill.aws.traffic_records import TrafficRecords
from tidemill.serving.calls import Call, View, answer
from tidemill.serving.endpoint import Endpoint
from tidemill.serving.tensorflow_views import ROUTES

app = handler = Chalice(app_name="predict", configure_logs=False)
app.api.binary_types = []  # every answer is text; without the list Chalice compares no content types with it

#: Made when there is something to say, which a cold start has not.
logger = functools.cache(lambda: importlib.import_module("aws_lambda_powertools").Logger(service="predict"))


@functools.cache
def endpoint() -> Endpoint:
    """The process's endpoint; what it is connected to is made with the first call."""
    config, ambient = settings.load(settings.PredictSettings), settings.ambient()
    read = functools.partial(Objects(quick.s3(ambient, clients.QUICK)).get, config.artifact_bucket)
    dynamodb = quick.dynamodb(ambient, clients.QUICK)
    return Endpoint(
        registry=Registry(dynamodb, config.table),
        read=lambda model, version, file: read(keys.model(model, version, file)),
        send=Queue(quick.sqs(ambient, clients.ONE_TRY), config.capture_queue).send,
        warn=lambda sentence: logger().warning(sentence),
        alias_seconds=config.alias_seconds,
        clock=time.monotonic,
        read_mask_key=lambda: read(keys.mask_key()),
        look_up=OnlineFeatures(dynamodb, config.features_table).look_up,
        read_traffic=TrafficRecords(dynamodb, config.table).traffic,
    )


def serve(path: str, method: str, view: View) -> None:
    """Let Chalice route a method of a path to a view."""

    def respond(**parameters: str) -> Response:
        request = app.current_request
        key = request.headers.get("x-tidemill-key")
        call = Call(parameters, request.raw_body, app.lambda_context.aws_request_id, time.time(), key)
        status, body = answer(view, endpoint, call, lambda sentence: logger().exception(sentence))
        return Response(body, call.headers, status)

    app.route(path, methods=[method], content_types=["*/*"], name=f"{method} {path}")(respond)


for path, method, view in ROUTES:
    serve(path, method, view)
