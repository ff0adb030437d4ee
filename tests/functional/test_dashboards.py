"""Every query of every dashboard has data in a real Prometheus that scrapes the real function, over records in moto."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType, SimpleNamespace

import boto3
import pytest

from tidemill.aws.objects import Objects

from ..prometheus_server import running, without_data
from ..watched_model import WatchedModel
from .conftest import ARTIFACTS, TABLE

KEY = "s" * 30


@pytest.fixture
def address(stage: Callable[..., ModuleType], objects: Objects, table: str) -> Iterator[str]:
    """Host and port of a server whose answers are the function's; the model is looked at before each."""
    key = boto3.client("apigateway").create_api_key(name="tidemill", value=KEY, enabled=True)
    module = stage(
        "api",
        artifact_bucket=ARTIFACTS,
        table=table,
        monitoring_state_machine="monitoring",
        rollout_state_machine="rollout",
        retrain_function="retrain",
        api_key_id=key["id"],
    )
    watched = WatchedModel(boto3.client("dynamodb"), TABLE, "churn", datetime.now(UTC))

    class Gateway(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            watched.look()
            event = {
                "path": self.path,
                "httpMethod": "GET",
                "headers": dict(self.headers),
                "multiValueHeaders": {name: [value] for name, value in self.headers.items()},
                "multiValueQueryStringParameters": None,
                "pathParameters": None,
                "stageVariables": None,
                "requestContext": {"resourcePath": self.path, "httpMethod": "GET", "identity": {}},
                "body": None,
                "isBase64Encoded": False,
            }
            answer = module.handler(event, SimpleNamespace(aws_request_id="8a0c9e5f-1111-2222-3333-444455556666"))
            self.send_response(answer["statusCode"])
            self.send_header("content-type", answer["headers"]["content-type"])
            self.end_headers()
            self.wfile.write(answer["body"].encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Gateway) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        serving.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


def test_every_query_returns_data(address: str, tmp_path: Path) -> None:
    with running(tmp_path, address, KEY) as prometheus:
        assert without_data(prometheus, "churn", seconds=60) == []
        rules = prometheus.rules()
        assert len(rules) > 20
        assert [rule["lastError"] for rule in rules if rule["health"] != "ok"] == []
