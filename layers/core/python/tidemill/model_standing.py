"""How a model stands at a moment: what is in service, who gets the traffic, what watching has found and decided.

Made from what the registry has stored, without looking at any prediction; `/metrics` is written from it. Standard
library only.
"""

from __future__ import annotations

from dataclasses import dataclass

from tidemill.contracts import Status, Task
from tidemill.monitoring_contracts import Decision, MonitorPoint, Retraining, WatchState
from tidemill.release_contracts import Rollout, Traffic


@dataclass(frozen=True)
class Champion:
    """The version in service, as it was registered."""

    version: int
    task: Task
    metric: str  #: the deciding one
    value: float  #: of the metric, on the holdout
    created_at: str


@dataclass(frozen=True)
class LastRun:
    """The newest training run of the model's project."""

    status: Status
    started_at: str
    seconds: float | None  #: null while it runs
    usd: float | None  #: null while it runs


@dataclass(frozen=True)
class ModelStanding:
    """Everything that dashboards are told of a model."""

    model: str
    champion: Champion | None = None
    frozen: bool = False
    traffic: Traffic | None = None
    rollout: Rollout | None = None  #: the newest, under way or ended
    watch: WatchState | None = None
    #: Newest first, of the versions that answer now or get copies; several of each version.
    points: tuple[MonitorPoint, ...] = ()
    decisions: tuple[Decision, ...] = ()  #: of the last 24 hours
    retrainings: tuple[Retraining, ...] = ()  #: of the last 30 days
    approvals: int = 0  #: releases that wait for people
    last_run: LastRun | None = None
