"""Asking a person, and what becomes of the answer."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from tidemill.aws import approvals
from tidemill.aws.objects import Objects
from tidemill.aws.registry import Registry
from tidemill.contracts import Run, to_json
from tidemill.errors import ApprovalConflict, NotFound

AT = "2026-03-04T06:00:00Z"


@pytest.fixture
def waiting(
    stage: Callable[..., ModuleType], trained: Run, objects: Objects, registry: Registry, topic: str
) -> Callable[[str], None]:
    """Runs the approve stage with a task token, after the register stage."""
    environment = {"artifact_bucket": "tidemill-artifacts", "table": "tidemill", "topic": topic}
    registered = stage("register", **environment).handler({"run": to_json(trained)}, None)
    module = stage("approve", **environment)
    return lambda token: module.handler({"run": to_json(trained), "registered": registered, "token": token}, None)


class Task:
    """A task of a state machine that waits for its token."""

    def __init__(self) -> None:
        self.answers: list[Any] = []

    def succeed(self, token: str, output: Any) -> None:
        self.answers.append(("succeed", token, output))

    def fail(self, token: str, error: str, cause: str) -> None:
        self.answers.append(("fail", token, error, cause))


def test_the_request_is_kept_and_told(
    waiting: Callable[[str], None], trained: Run, registry: Registry, inbox: Any
) -> None:
    waiting("token-1")
    waiting("token-2")
    (approval,) = registry.pending_approvals()
    assert (approval.run_id, approval.model, approval.version, approval.token) == (
        trained.run_id,
        "churn",
        1,
        "token-2",
    )
    assert registry.run(trained.run_id).status == "WAITING_FOR_APPROVAL"
    message = inbox.read()[0]
    assert message["Subject"] == "Tidemill: churn version 1 waits for approval"
    assert f"tidemill approve {trained.run_id}" in message["Message"]
    assert "roc_auc 0.845" in message["Message"]


def test_an_approval_lets_the_run_go_on(waiting: Callable[[str], None], trained: Run, registry: Registry) -> None:
    waiting("token-1")
    task: Any = Task()
    for _ in range(2):
        approvals.approve(registry, task, trained.run_id, "bob", "looks right", AT)
    assert task.answers == [("succeed", "token-1", {"approved_by": "bob"})] * 2
    assert [event.actor for event in registry.audit("churn") if event.action == "approve"] == ["bob"]
    with pytest.raises(ApprovalConflict):
        approvals.reject(registry, task, trained.run_id, "eve", "no", AT)


def test_a_rejection_ends_the_run_with_its_reason(
    waiting: Callable[[str], None], trained: Run, registry: Registry
) -> None:
    waiting("token-1")
    task: Any = Task()
    approvals.reject(registry, task, trained.run_id, "bob", "too few rows", AT)
    assert task.answers == [("fail", "token-1", "ApprovalRejected", "bob refused the release: too few rows")]
    assert registry.approval(trained.run_id).state == "REJECTED"


def test_a_run_that_never_asked_cannot_be_approved(trained: Run, registry: Registry) -> None:
    task: Any = Task()
    with pytest.raises(NotFound, match="has not asked"):
        approvals.approve(registry, task, trained.run_id, "bob", "", AT)
    assert task.answers == []
