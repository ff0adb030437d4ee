"""Every panel of every dashboard has data in a real Prometheus that scrapes the real function, over records in moto."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType, SimpleNamespace

import boto3
import pytest

from tidemill.aws.monitoring_records import MonitoringRecords
from tidemill.aws.objects import Objects
from tidemill.aws.registry import Registry
from tidemill.aws.release_records import ReleaseRecords
from tidemill.aws.retraining_records import RetrainingRecords
from tidemill.aws.traffic_records import TrafficRecords
from tidemill.contracts import Cost, DatasetRef, Run, RunDocument, Source, instant
from tidemill.monitoring_contracts import (
    Decision,
    FeatureDrift,
    Finding,
    MonitorPoint,
    QualityFigure,
    Retraining,
    ServiceFigures,
    Totals,
    WatchState,
)
from tidemill.release_contracts import Rollout, RolloutPlan, Share, Traffic

from ..prometheus_server import Prometheus, queries, running, without_data
from .conftest import ARTIFACTS, TABLE

KEY = "s" * 30
RUN = "c" * 32


def drift(name: str) -> FeatureDrift:
    return FeatureDrift(name, 500, 0.4, 0.2, 0.5, "kolmogorov_smirnov", 0.3, 1e-9, 1e-8, 0.1, True, importance=0.6)


def point(now: str, start: str) -> MonitorPoint:
    return MonitorPoint(
        "churn",
        1,
        start,
        now,
        500,
        True,
        features=(drift("tenure"), drift("monthly")),
        prediction=drift("prediction"),
        domain_auc=0.7,
        quality=(
            QualityFigure("roc_auc", "measured", 0.78, 0.74, 0.82, 200, 0.84),
            QualityFigure("roc_auc", "estimated", 0.8, 0.77, 0.83, 500, 0.84),
        ),
        service=ServiceFigures(510, 6, 4, 12.0, 40.0, 95.0, 0.004, now, 30.0, label_share=0.4),
        findings=(Finding("drift", "alert", "tenure", "tenure has moved"),),
        weighted_drift=0.3,
        usd=0.0001,
    )


class Watched:
    """Model churn, watched and rolled out, whose versions answer more calls with each look."""

    def __init__(self, registry: Registry, now: str, earlier: str) -> None:
        dynamodb = boto3.client("dynamodb")
        self.monitoring = MonitoringRecords(dynamodb, TABLE)
        self.now = now
        self.calls = 0
        self.monitoring.put_point(point(now, earlier))
        self.monitoring.put_decision(Decision("d" * 32, "churn", 1, now, "rule 1", "alert", True, "drift", now))
        TrafficRecords(dynamodb, TABLE).set_traffic(Traffic("churn", (Share(2, 0.1),)), None, "ann", "canary", now)
        plan = RolloutPlan((0.1, 1.0), 60.0)
        rollout = Rollout(RUN, "churn", 2, 1, RUN, plan, "BAKING", 0, 0, now, now, "ann", "better")
        ReleaseRecords(dynamodb, TABLE).begin_rollout(rollout)
        retraining = Retraining("b" * 32, "churn", now, "tidemill", "rule", "drift", "all")
        RetrainingRecords(dynamodb, TABLE).begin(retraining, registry, lambda past: None)
        registry.put_approval(RUN, "churn", 2, "token", now)
        registry.start_run(Run(RUN, "churn", Source("data", "incoming/churn/t.csv", "", "e", 1), now, "ann"))
        registry.finish_run(concluded(now), f"runs/{RUN}/run.json")

    def look(self) -> None:
        """More calls have been counted."""
        self.calls += 100
        latency = (0, 0, self.calls, *(0,) * 11)
        totals = Totals(self.calls, self.calls, self.calls // 50, self.calls // 25, latency, self.calls * 4.0)
        state = self.monitoring.watch_state("churn")
        revision = state.revision if state else None
        new = WatchState("churn", self.now, totals={"1": totals}, revision=(revision or 0) + 1)
        assert self.monitoring.swap_watch_state(new, revision)


def concluded(now: str) -> RunDocument:
    return RunDocument(
        run_id=RUN,
        status="LIVE",
        reason="",
        project="churn",
        task="binary",
        target="Churn",
        dataset=DatasetRef("d", 100, 2),
        checks=(),
        candidates=(),
        metric="roc_auc",
        holdout={},
        model=None,
        endpoint=None,
        report=None,
        cost=Cost(0.002, {}, "list"),
        seconds=61.0,
        started_at=now,
        started_by="ann",
    )


@pytest.fixture
def clock() -> tuple[str, str]:
    """Now and a day ago: Prometheus knows no other time than the machine's."""
    now = datetime.now(UTC)
    return instant(now), instant(now - timedelta(days=1))


@pytest.fixture
def address(
    stage: Callable[..., ModuleType], objects: Objects, registry: Registry, churn: int, clock: tuple[str, str]
) -> Iterator[str]:
    """Host and port of a server whose answers are the function's."""
    version = registry.create_version(
        "churn",
        RUN,
        onnx_sha256="1",
        dataset_version="d",
        task="binary",
        metric="roc_auc",
        value=0.86,
        at=clock[0],
        actor="x",
    )
    assert (churn, version) == (1, 2)
    key = boto3.client("apigateway").create_api_key(name="tidemill", value=KEY, enabled=True)
    module = stage(
        "api",
        artifact_bucket=ARTIFACTS,
        table=TABLE,
        monitoring_state_machine="monitoring",
        rollout_state_machine="rollout",
        retrain_function="retrain",
        api_key_id=key["id"],
    )
    watched = Watched(registry, *clock)

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
        assert_data(prometheus, "churn")
        assert prometheus.ask("label/model/values") == ["churn"]
        groups = prometheus.ask("rules")["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        assert rules
        assert all(rule["health"] == "ok" for rule in rules), [rule.get("lastError") for rule in rules]


def assert_data(prometheus: Prometheus, model: str) -> None:
    """Every query of the three dashboards returns data for the model."""
    every = {"operations": ".+", "business": ".+", "model": model}
    asked = [query for name, chosen in every.items() for query in queries(name, {"model": chosen})]
    assert len(asked) > 50
    assert without_data(prometheus, asked, seconds=60) == []
