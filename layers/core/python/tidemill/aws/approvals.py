"""What people say about a release: recorded first, then told to the run that waits for it.

The run waits by a task token, which is another one after each reminder. A decision is written before the token is
read, and a new token is written before it is looked whether somebody has decided; so whichever comes first, one of the
two hands the decision on.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from tidemill import permissions
from tidemill.aws.executions import Executions
from tidemill.aws.people import Person
from tidemill.aws.registry import ApprovalRecord, Registry
from tidemill.aws.release_records import ApprovalTerms, ReleaseRecords
from tidemill.errors import ApprovalConflict, ApprovalRejected, ContractError, NotFound
from tidemill.release_contracts import Vote

Through = Literal["cli", "api", "link"]


@dataclass(frozen=True)
class Standing:
    """How far the decision about a release has come."""

    approval: ApprovalRecord
    votes: tuple[Vote, ...]  #: oldest first
    needed: int  #: how many people must approve
    ends_at: str  #: when it is refused if they have not; empty when nobody said

    @property
    def missing(self) -> int:
        """How many more people must approve; 0 when it is decided."""
        approved = sum(vote.decision == "approve" for vote in self.votes)
        return max(0, self.needed - approved) if self.approval.state == "PENDING" else 0


def standing(registry: Registry, records: ReleaseRecords, run_id: str) -> Standing:
    """How far the decision about a run's release has come. Raises NotFound when it has not asked, StorageError."""
    approval = registry.approval(run_id)
    terms = _terms(registry, records, approval)
    return Standing(approval, records.votes(run_id), terms.approvers, terms.ends_at)


def ask(
    registry: Registry, records: ReleaseRecords, executions: Executions, terms: ApprovalTerms, model: str, version: int
) -> Standing:
    """Record that a run waits for people, or that it waits with another token.

    When they have decided since the token before, the new one is answered at once.

    Raises
    ------
    StorageError
        the registry or the state machine did not answer.
    """
    records.put_terms(terms)
    try:
        registry.approval(terms.run_id)
    except NotFound:
        registry.put_approval(terms.run_id, model, version, terms.token, terms.asked_at)
    found = standing(registry, records, terms.run_id)
    if found.approval.state in ("APPROVED", "REJECTED"):
        with suppress(NotFound):  # whoever decided has told it by now
            _tell(executions, found.approval, terms.token)
    return found


def approve(
    registry: Registry,
    records: ReleaseRecords,
    executions: Executions,
    run_id: str,
    person: Person,
    reason: str,
    at: str,
    through: Through = "cli",
) -> Standing:
    """Say yes to a release; when as many as are asked for have, the run goes on. Repeating it tells the run again.

    Raises
    ------
    NotAllowed
        the person started the run, or is not among those who may decide.
    NotFound
        the run has not asked for an approval, or no longer waits.
    ApprovalConflict
        the release was decided about before, the person has said something else, or time is up.
    StorageError
        the registry or the state machine did not answer.
    """
    terms = _vote(registry, records, run_id, person, Vote(person.name, "approve", at, reason, through))
    now = standing(registry, records, run_id)
    if now.approval.state == "PENDING" and now.missing == 0:
        try:
            registry.decide_approval(run_id, "APPROVED", person.name, reason, at)
        except ApprovalConflict:  # two people were the last one at the same moment
            if registry.approval(run_id).state != "APPROVED":
                raise
    return _told(registry, records, executions, terms)


def reject(
    registry: Registry,
    records: ReleaseRecords,
    executions: Executions,
    run_id: str,
    person: Person,
    reason: str,
    at: str,
    through: Through = "cli",
) -> Standing:
    """Refuse a release, whatever others have said; the run ends as REFUSED_BY_GATE.

    Raises as `approve` does, and ContractError when no reason is given.
    """
    if not reason.strip():
        raise ContractError("a refusal needs a reason: whoever trained the model must know what to do about it")
    terms = _vote(registry, records, run_id, person, Vote(person.name, "reject", at, reason, through))
    registry.decide_approval(run_id, "REJECTED", person.name, reason, at)
    return _told(registry, records, executions, terms)


def _vote(registry: Registry, records: ReleaseRecords, run_id: str, person: Person, vote: Vote) -> ApprovalTerms:
    """Record a vote, after making sure that it may be given."""
    approval = registry.approval(run_id)
    terms = _terms(registry, records, approval)
    permissions.may_decide(person.names, terms.started_by, terms.people)
    earlier = next((one for one in records.votes(run_id) if one.person in person.names), None)
    if earlier is None and approval.state == "PENDING" and terms.ends_at and vote.at > terms.ends_at:
        raise ApprovalConflict(f"the time to decide about run {run_id} was up at {terms.ends_at}: train it again")
    if earlier is None and approval.state != "PENDING":
        raise ApprovalConflict(f"run {run_id} is {approval.state} already, by {approval.by} at {approval.at}")
    if earlier is None and not records.add_vote(run_id, approval.model, approval.version, vote):
        earlier = next(one for one in records.votes(run_id) if one.person == person.name)
    if earlier is not None and earlier.decision != vote.decision:
        raise ApprovalConflict(
            f"{earlier.person} has said {earlier.decision} about run {run_id} at {earlier.at}: that stays"
        )
    return terms


def _told(registry: Registry, records: ReleaseRecords, executions: Executions, terms: ApprovalTerms) -> Standing:
    """Tell the run what was decided, if anything was; its token is read after the decision was written."""
    found = standing(registry, records, terms.run_id)
    if found.approval.state in ("APPROVED", "REJECTED"):
        newest = records.terms(terms.run_id) or terms
        _tell(executions, found.approval, newest.token)
    return found


def _tell(executions: Executions, approval: ApprovalRecord, token: str) -> None:
    if approval.state == "APPROVED":
        executions.succeed(token, {"approved_by": approval.by})
    else:
        executions.fail(token, ApprovalRejected.__name__, f"{approval.by} refused the release: {approval.reason}")


def _terms(registry: Registry, records: ReleaseRecords, approval: ApprovalRecord) -> ApprovalTerms:
    """The terms of an approval; of one that an older version asked for, those of that version."""
    terms = records.terms(approval.run_id)
    if terms is not None:
        return terms
    started_by = registry.run(approval.run_id).started_by
    return ApprovalTerms(approval.run_id, started_by, 1, (), approval.token, approval.requested_at, ends_at="")
