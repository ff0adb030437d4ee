"""A person's decision about a release: recorded first, then told to the run that waits for it."""

from __future__ import annotations

from tidemill.aws.executions import Executions
from tidemill.aws.registry import ApprovalRecord, Registry
from tidemill.errors import ApprovalRejected


def approve(
    registry: Registry, executions: Executions, run_id: str, actor: str, reason: str, at: str
) -> ApprovalRecord:
    """Let a run go on. Repeating one's own decision tells the run again.

    Raises
    ------
    NotFound
        the run has not asked for an approval, or no longer waits.
    ApprovalConflict
        the release was decided about before.
    StorageError
        the registry or the state machine did not answer.
    """
    approval = registry.decide_approval(run_id, "APPROVED", actor, reason, at)
    executions.succeed(approval.token, {"approved_by": actor})
    return approval


def reject(registry: Registry, executions: Executions, run_id: str, actor: str, reason: str, at: str) -> ApprovalRecord:
    """Refuse a release; the run ends as REFUSED_BY_GATE. Raises as `approve` does."""
    approval = registry.decide_approval(run_id, "REJECTED", actor, reason, at)
    executions.fail(approval.token, ApprovalRejected.__name__, f"{actor} refused the release: {reason}")
    return approval
