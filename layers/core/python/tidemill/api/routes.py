"""The routes of the HTTP API beside the predictions'."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tidemill.api import approvals, decisions, metrics, models
from tidemill.api.calls import Answer, Request, json_error
from tidemill.api.stack import Stack


class Route(NamedTuple):
    """What a method of a path does."""

    path: str
    method: str
    view: Callable[[Stack, Request], Answer]
    failed: Callable[[int, str], Answer] = json_error


ROUTES = (
    Route("/metrics", "GET", metrics.scrape),
    Route("/models/{model}/monitor", "GET", models.points),
    Route("/models/{model}/monitor", "POST", models.look),
    Route("/models/{model}/monitor/report", "GET", models.report),
    Route("/models/{model}/rollout", "GET", models.rollout),
    Route("/models/{model}/promote", "POST", models.promote),
    Route("/models/{model}/rollback", "POST", models.rollback),
    Route("/models/{model}/freeze", "POST", models.freeze),
    Route("/models/{model}/retrain", "POST", models.retrain),
    Route("/models/{model}/traffic", "GET", models.traffic),
    Route("/models/{model}/traffic", "POST", models.spread),
    Route("/approvals", "GET", approvals.waiting),
    Route("/approvals/{run}", "GET", approvals.one),
    Route("/approvals/{run}", "POST", approvals.decide),
    Route("/decide/{token}", "GET", decisions.show, decisions.failed),
    Route("/decide/{token}", "POST", decisions.decide, decisions.failed),
)
