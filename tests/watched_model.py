"""A model that has been watched and is being rolled out: records as the functions leave them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tidemill.aws.monitoring_records import MonitoringRecords
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


class WatchedModel:
    """A model with a champion and a version on its way in, whose versions answer more calls with each look.

    Parameters
    ----------
    dynamodb
        a client of where the table is.
    now
        Prometheus knows no other time than the machine's.
    """

    def __init__(self, dynamodb: Any, table: str, model: str, now: datetime) -> None:
        self.model = model
        self.now, self.yesterday = instant(now), instant(now - timedelta(days=1))
        self.registry = Registry(dynamodb, table)
        self.monitoring = MonitoringRecords(dynamodb, table)
        self._calls = 0
        self._register()
        TrafficRecords(dynamodb, table).set_traffic(
            Traffic(model, (Share(2, 0.1),), shadow_version=2, shadow_fraction=0.5), None, "ann", "canary", self.now
        )
        ReleaseRecords(dynamodb, table).begin_rollout(self._rollout())
        RetrainingRecords(dynamodb, table).begin(
            Retraining("b" * 32, model, self.now, "tidemill", "rule", "drift", "all"), self.registry, lambda past: None
        )
        self.monitoring.put_point(self._point())
        self.monitoring.put_decision(Decision("d" * 32, model, 1, self.now, "rule 1", "alert", True, "drift", self.now))

    def look(self) -> None:
        """More calls have been counted."""
        self._calls += 100
        latency = (0, 0, self._calls, *(0,) * 11)
        totals = Totals(self._calls, self._calls, self._calls // 50, self._calls // 25, latency, self._calls * 4.0)
        state = self.monitoring.watch_state(self.model)
        revision = state.revision if state else None
        new = WatchState(self.model, self.now, totals={"1": totals}, revision=(revision or 0) + 1)
        assert self.monitoring.swap_watch_state(new, revision)

    @property
    def run(self) -> str:
        """The run that made the version on its way in; it waits for people, too."""
        return f"{self.model}-{'c' * 32}"

    def _register(self) -> None:
        for number, run in enumerate((f"{self.model}-{'f' * 32}", self.run), 1):
            assert number == self.registry.create_version(
                self.model,
                run,
                onnx_sha256=str(number),
                dataset_version="d",
                task="binary",
                metric="roc_auc",
                value=0.84,
                at=self.now,
                actor="x",
            )
        self.registry.move_alias(self.model, "champion", 1, None, "x", "first", self.now)
        source = Source("data", f"incoming/{self.model}/t.csv", "", "e", 1)
        self.registry.start_run(Run(self.run, self.model, source, self.now, "ann"))
        self.registry.finish_run(self._concluded(), f"runs/{self.run}/run.json")
        self.registry.put_approval(self.run, self.model, 2, "token", self.now)

    def _rollout(self) -> Rollout:
        plan = RolloutPlan((0.1, 1.0), 60.0)
        now = self.now
        return Rollout(self.run, self.model, 2, 1, self.run, plan, "BAKING", 0, 0, now, now, "ann", "better")

    def _point(self) -> MonitorPoint:
        return MonitorPoint(
            self.model,
            1,
            self.yesterday,
            self.now,
            500,
            True,
            features=(_drift("tenure"), _drift("monthly")),
            prediction=_drift("Yes"),
            domain_auc=0.7,
            quality=(
                QualityFigure("roc_auc", "measured", 0.78, 0.74, 0.82, 200, 0.84),
                QualityFigure("roc_auc", "estimated", 0.8, 0.77, 0.83, 500, 0.84),
            ),
            service=ServiceFigures(510, 6, 4, 12.0, 40.0, 95.0, 0.004, self.now, 30.0, label_share=0.4),
            findings=(Finding("drift", "alert", "tenure", "tenure has moved"),),
            weighted_drift=0.3,
            usd=0.0001,
        )

    def _concluded(self) -> RunDocument:
        return RunDocument(
            run_id=self.run,
            status="LIVE",
            reason="",
            project=self.model,
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
            cost=Cost(0.002, {}),
            seconds=61.0,
            started_at=self.now,
            started_by="ann",
        )


def _drift(name: str) -> FeatureDrift:
    return FeatureDrift(name, 500, 0.4, 0.2, 0.5, "kolmogorov_smirnov", 0.3, 1e-9, 1e-8, 0.1, True, importance=0.6)
