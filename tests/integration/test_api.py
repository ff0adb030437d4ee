"""The HTTP API on the emulator, IAM enforced: what needs a key and what needs none; dashboards in a real Prometheus."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import urllib3

from tidemill import keys
from tidemill.aws import links
from tidemill.aws.objects import Objects
from tidemill_cli.stack import Stack

from ..prometheus_server import running, without_data
from ..watched_model import WatchedModel

pytestmark = pytest.mark.integration

MODEL = "dashboards"
UNTIL = "2099-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def objects(stack: Stack) -> Objects:
    return Objects(stack.client("s3"))


@pytest.fixture(scope="module")
def watched(stack: Stack, objects: Objects) -> WatchedModel:
    """A model with records of everything; the schedule leaves it alone."""
    objects.put(stack.outputs["ArtifactBucket"], keys.project_spec(MODEL), b'{"monitor": {"enabled": false}}')
    return WatchedModel(stack.client("dynamodb"), stack.outputs["Table"], MODEL, datetime.now(UTC))


@pytest.fixture(scope="module")
def key(stack: Stack) -> str:
    answer = stack.client("apigateway").get_api_key(apiKey=stack.outputs["ApiKeyId"], includeValue=True)
    return str(answer["value"])


@pytest.fixture
def looks(watched: WatchedModel) -> Iterator[None]:
    """The model is looked at again and again while the test runs."""
    stopped = threading.Event()

    def look() -> None:
        while not stopped.wait(0.5):
            watched.look()

    looking = threading.Thread(target=look)
    looking.start()
    yield
    stopped.set()
    looking.join()


def call(stack: Stack, method: str, path: str, body: str | None = None, **headers: str) -> urllib3.BaseHTTPResponse:
    url = stack.outputs["ApiUrl"] + path
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return urllib3.request(method, url, body=body, headers=sent, timeout=30, retries=False)


@pytest.mark.parametrize("path", [f"/models/{MODEL}/monitor", f"/models/{MODEL}/traffic", "/approvals"])
def test_nothing_is_told_without_a_key(stack: Stack, watched: WatchedModel, path: str) -> None:
    assert call(stack, "GET", path).status == 403


def test_points_and_releases_are_told(stack: Stack, watched: WatchedModel, key: str) -> None:
    points = call(stack, "GET", f"/models/{MODEL}/monitor?limit=1", x_api_key=key)
    assert points.status == 200, points.data
    assert [point["end"] for point in points.json()["points"]] == [watched.now]
    rollout = call(stack, "GET", f"/models/{MODEL}/rollout", x_api_key=key)
    assert (rollout.status, rollout.json()["under_way"]) == (200, True)
    assert call(stack, "GET", "/models/nosuch/rollout", x_api_key=key).status == 404


def test_what_is_done_is_recorded_under_the_name_of_the_key(stack: Stack, watched: WatchedModel, key: str) -> None:
    body = json.dumps({"reason": "audit"})
    frozen = call(stack, "POST", f"/models/{MODEL}/freeze", body, x_api_key=key)
    assert (frozen.status, frozen.json()["by"]) == (200, f"API key {stack.name}"), frozen.data
    promoted = call(stack, "POST", f"/models/{MODEL}/promote", '{"version": 2}', x_api_key=key)
    assert promoted.status == 409
    assert "frozen" in promoted.json()["error"]
    assert call(stack, "POST", f"/models/{MODEL}/freeze", '{"frozen": false}', x_api_key=key).status == 200


def test_a_link_needs_no_key_and_shows_the_report(stack: Stack, watched: WatchedModel, objects: Objects) -> None:
    bucket = stack.outputs["ArtifactBucket"]
    objects.put(bucket, keys.run_report(watched.run), b"<!doctype html>the report")
    url = links.make(bucket, objects, watched.run, "bob", UNTIL, stack.outputs["ApiUrl"], secrets.token_bytes)
    path = url.removeprefix(stack.outputs["ApiUrl"])
    page = call(stack, "GET", path)
    assert page.status == 200, page.data
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert f"Release version 2 of {MODEL}?" in page.data.decode()
    assert call(stack, "GET", f"{path}?report=1").data == b"<!doctype html>the report"
    assert call(stack, "GET", f"{path}x").status == 403
    assert "needs a reason" in call(stack, "POST", path, "decision=reject&reason=").data.decode()


def test_metrics_need_the_key_of_the_stack(stack: Stack, watched: WatchedModel, key: str) -> None:
    assert call(stack, "GET", "/metrics").status == 403
    assert call(stack, "GET", "/metrics", authorization="Bearer wrong").status == 403
    scraped = call(stack, "GET", "/metrics", authorization=f"Bearer {key}")
    assert (scraped.status, scraped.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert f'tidemill_model_info{{model="{MODEL}",version="1"' in scraped.data.decode()


def test_every_query_of_the_dashboards_returns_data(stack: Stack, looks: None, key: str, tmp_path: Path) -> None:
    address = urlsplit(stack.outputs["ApiUrl"])
    with running(tmp_path, address.netloc, key, f"{address.path}/metrics") as prometheus:
        assert without_data(prometheus, MODEL, seconds=90) == []
        assert [rule["lastError"] for rule in prometheus.rules() if rule["health"] != "ok"] == []
