"""What people say about a release: recorded first, then told to the run that waits for it.

The run waits by a task token, which is another one after each reminder. A decision is written before the token is
read, and a new token is written before it is looked whether somebody has decided; so whichever comes first, one of the
two hands the decision on. When the one that should could not, everybody who repeats the decision does.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from tidemill import permissions
from tidemill.aws.executions import Executions
from tidemill.aws.people import Person
from tidemill.aws.registry import ApprovalRecord, Registry, VersionRecord
from tidemill.aws.release_records import ApprovalTerms, ReleaseRecords
from tidemill.errors import ApprovalConflict, ApprovalRejected, ContractError, NotAllowed, NotFound
from tidemill.release_contracts import Vote

Through = Literal["cli", "api", "link"]
#: State of an approval that was decided by people -> what they say for it.
DECISIONS: dict[str, Literal["approve", "reject"]] = {"APPROVED": "approve", "REJECTED": "reject"}


@dataclass(frozen=True)
class Standing:
    """How far the decision about a release has come."""

    approval: ApprovalRecord
    votes: tuple[Vote, ...]  #: oldest first
    needed: int  #: how many people must approve
    ends_at: str  #: when it is refused if they have not; empty when nobody said
    again: bool = False  #: whether it was decided before somebody said so once more, and was handed on again

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


def waiting(registry: Registry, records: ReleaseRecords) -> list[Standing]:
    """What waits for people, oldest first; then what is decided and has not reached its run, which still waits for it.

    Raises StorageError.
    """
    stuck = [one for one in registry.approvals_to_hand_on() if registry.run(one.run_id).document is None]
    return [standing(registry, records, one.run_id) for one in (*registry.pending_approvals(), *stuck)]


def refuse_unreleased_of(registry: Registry, model: str, versions: Iterable[int]) -> None:
    """Refuse to let callers have a version that people were asked about and have not approved.

    Versions that there are not are nobody's to refuse. Raises NotAllowed, NotFound when there is no such model,
    StorageError.
    """
    for record in registry.versions(model):
        if record.version in set(versions):
            refuse_unreleased(registry, record)


def refuse_unreleased(registry: Registry, version: VersionRecord) -> None:
    """Refuse a version that the run which made it has asked people about, unless they have approved it.

    Raises NotAllowed, StorageError.
    """
    try:
        approval = registry.approval(version.run_id)
    except NotFound:
        return
    named, run = f"version {version.version} of {version.model}", version.run_id
    if approval.state == "PENDING":
        raise NotAllowed(f"{named} waits for people to approve it: `tidemill approve {run}` does, and it goes live")
    if approval.state == "REJECTED":
        raise NotAllowed(
            f"{named} was refused by {approval.by} at {approval.at} ({approval.reason}): that stays, and "
            f"`tidemill approve {run}` cannot undo it; train a new version and have that approved"
        )
    if approval.state == "EXPIRED":
        raise NotAllowed(
            f"{named} was not approved in time: train a new version, and approve that one with `tidemill approve`"
        )


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
    if found.approval.state in DECISIONS:
        with suppress(NotFound):  # whoever decided has told it by now
            _hand_on(registry, records, executions, terms)
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
    """Say yes to a release; when as many as are asked for have, the run goes on.

    Whoever says it of a release that is approved already tells the run once more, if that still waits: so a decision
    that could not be handed on at its time is not lost.

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
    return _say(registry, records, executions, run_id, person, Vote(person.name, "approve", at, reason, through))


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

    Repeating it does what repeating `approve` does. Raises as that does, and ContractError when no reason is given.
    """
    if not reason.strip():
        raise ContractError("a refusal needs a reason: whoever trained the model must know what to do about it")
    return _say(registry, records, executions, run_id, person, Vote(person.name, "reject", at, reason, through))


def _say(
    registry: Registry, records: ReleaseRecords, executions: Executions, run_id: str, person: Person, vote: Vote
) -> Standing:
    approval = registry.approval(run_id)
    if approval.state in DECISIONS:
        return _again(registry, records, executions, approval, person, vote)
    terms = _vote(registry, records, approval, person, vote)
    _decide(registry, records, terms, vote)
    if registry.approval(run_id).state in DECISIONS:
        _hand_on(registry, records, executions, terms)
    found = standing(registry, records, run_id)
    if DECISIONS.get(found.approval.state, vote.decision) != vote.decision:
        raise ApprovalConflict(already(found.approval))
    return found


def _vote(
    registry: Registry, records: ReleaseRecords, approval: ApprovalRecord, person: Person, vote: Vote
) -> ApprovalTerms:
    """Record a vote, after making sure that it may be given."""
    terms, run_id = _terms(registry, records, approval), approval.run_id
    permissions.may_decide(person.names, terms.started_by, terms.people)
    earlier = _own(records.votes(run_id), person)
    if earlier is None and approval.state != "PENDING":
        raise ApprovalConflict(already(approval))
    if earlier is None and terms.ends_at and vote.at > terms.ends_at:
        raise ApprovalConflict(f"the time to decide about run {run_id} was up at {terms.ends_at}: train it again")
    if earlier is None and not records.add_vote(run_id, approval.model, approval.version, vote):
        earlier = _own(records.votes(run_id), person)
    if earlier is not None and earlier.decision != vote.decision:
        raise ApprovalConflict(
            f"{earlier.person} has said {earlier.decision} about run {run_id} at {earlier.at}: that stays"
        )
    return terms


def _decide(registry: Registry, records: ReleaseRecords, terms: ApprovalTerms, newest: Vote) -> None:
    """Write what follows from the votes, if anything does: one refusal counts before all approvals."""
    votes = records.votes(terms.run_id)
    refusal = next((vote for vote in votes if vote.decision == "reject"), None)
    if refusal is None and sum(vote.decision == "approve" for vote in votes) < terms.approvers:
        return
    state: Literal["APPROVED", "REJECTED"] = "REJECTED" if refusal else "APPROVED"
    said = refusal or newest
    try:
        registry.decide_approval(terms.run_id, state, said.person, said.reason, said.at)
    except ApprovalConflict:  # two people were the last one at the same moment
        if registry.approval(terms.run_id).state != state:
            raise


def _again(
    registry: Registry,
    records: ReleaseRecords,
    executions: Executions,
    approval: ApprovalRecord,
    person: Person,
    vote: Vote,
) -> Standing:
    """Hand on what was decided before, whoever asks for it: that decides nothing."""
    try:
        _hand_on(registry, records, executions, _terms(registry, records, approval))
        waited = True
    except NotFound:
        waited = False
    found = dataclasses.replace(standing(registry, records, approval.run_id), again=True)
    same = DECISIONS[approval.state] == vote.decision
    if same and (waited or _own(found.votes, person) is not None):
        return found
    raise ApprovalConflict(already(approval) + (", and the run has been told so once more" if waited else ""))


def _hand_on(registry: Registry, records: ReleaseRecords, executions: Executions, terms: ApprovalTerms) -> None:
    """Tell a run what was decided, by its newest token: read after the decision was written. Raises NotFound when it
    no longer waits."""
    approval = registry.approval(terms.run_id)
    token = (records.terms(terms.run_id) or terms).token
    if approval.state == "APPROVED":
        executions.succeed(token, {"approved_by": approval.by})
    else:
        executions.fail(token, ApprovalRejected.__name__, f"{approval.by} refused the release: {approval.reason}")
    registry.note_handed_on(terms.run_id)


def already(approval: ApprovalRecord) -> str:
    """By whom a release was decided about, and when; the begin of a sentence."""
    return f"run {approval.run_id} is {approval.state} already, by {approval.by} at {approval.at}"


def _own(votes: Sequence[Vote], person: Person) -> Vote | None:
    """What a person has said before."""
    return next((one for one in votes if one.person in person.names), None)


def _terms(registry: Registry, records: ReleaseRecords, approval: ApprovalRecord) -> ApprovalTerms:
    """The terms of an approval; of one that an older version asked for, those of that version."""
    terms = records.terms(approval.run_id)
    if terms is not None:
        return terms
    started_by = registry.run(approval.run_id).started_by
    return ApprovalTerms(approval.run_id, started_by, 1, (), approval.token, approval.requested_at, ends_at="")
