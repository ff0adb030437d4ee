"""Freezes, rollouts, and what people say about a release, in the registry's table.

Nobody else knows these keys; `aws/registry_table.py` says what the table is:

==================  ==============  ================  ================  ==================
record              pk              sk                gsi1pk            gsi1sk
==================  ==============  ================  ================  ==================
freeze              MODEL#<model>   FREEZE
rollout under way   MODEL#<model>   ROLLOUT
rollout             ROLLOUT#<id>    ROLLOUT           ROLLOUTS#<model>  <started_at>#<id>
terms of approval   RUN#<run>       TERMS
vote                RUN#<run>       VOTE#<person>
==================  ==============  ================  ================  ==================

A model has one rollout at a time: beginning one writes it together with the record of what is under way, on the
condition that nothing is. That is given up only when the rollout has ended and its traffic has been put back, so that a
step that was interrupted in between is finished before the next rollout begins. Reads are strongly consistent, but for
the listing of rollouts.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tidemill.aws.faults import translated
from tidemill.aws.registry_table import ATTEMPTS, AuditEvent, Item, RegistryTable, backoff, pack, unless_it_fails
from tidemill.contracts import dumps, loads
from tidemill.errors import NotFound, PromotionFrozen, RolloutConflict, StorageError
from tidemill.release_contracts import Freeze, Rollout, Vote

#: States of a rollout that goes on.
UNDER_WAY = frozenset({"SHADOW", "BAKING"})


@dataclass(frozen=True)
class ApprovalTerms:
    """What is asked for before a release, and the newest token of the task that waits for it."""

    run_id: str
    started_by: str  #: who may not decide
    approvers: int  #: how many different people must approve
    people: tuple[str, ...]  #: who may decide; anybody else when empty
    token: str  #: another one after each reminder
    asked_at: str  #: the first time
    ends_at: str  #: then it is refused
    times: int = 1  #: how often people have been asked


class ReleaseRecords(RegistryTable):
    """Freezes, rollouts, terms of approvals, votes."""

    # --- freezes -------------------------------------------------------------------------------

    def freeze(self, model: str) -> Freeze | None:
        """Whether the model's champion may be replaced; None when nobody has ever said. Raises StorageError."""
        return self._document(Freeze, _freeze_key(model))

    def set_freeze(self, model: str, frozen: bool, actor: str, reason: str, at: str) -> Freeze:
        """Freeze a model's promotions, or let them go on, with an audit event in the same transaction.

        Saying what is so already changes nothing: who said it first stays on record. Raises StorageError.
        """
        for attempt in range(ATTEMPTS):
            current = self.freeze(model)
            if current is not None and current.frozen == frozen:
                return current
            revision = current.revision if current else None
            new = Freeze(model, frozen, at, actor, reason, (revision or 0) + 1)
            event = AuditEvent(model, "freeze" if frozen else "unfreeze", actor, at, reason, revision=new.revision)
            if self._swap(f"freeze model {model}", _freeze_key(model), new, revision, event):
                return new
            self._sleep(backoff(f"{actor} {frozen}", attempt))
        raise StorageError(f"could not freeze model {model}: others keep writing it; try again")

    def refuse_if_frozen(self, model: str, version: int) -> None:
        """Raises PromotionFrozen when the model's champion may not be replaced, StorageError."""
        freeze = self.freeze(model)
        if freeze is not None and freeze.frozen:
            raise PromotionFrozen(
                f"promotions of {model} are frozen by {freeze.by} since {freeze.at} ({freeze.reason}): let them go on "
                f"with `tidemill freeze {model} --off`, then `tidemill promote {model} --version {version}`"
            )

    # --- rollouts ------------------------------------------------------------------------------

    def begin_rollout(self, rollout: Rollout) -> Rollout:
        """Write a rollout as the one that is under way, and return it; one that has begun before is left as it is.

        Raises
        ------
        RolloutConflict
            another rollout of the model is under way.
        StorageError
            the table did not answer.
        """
        for attempt in range(ATTEMPTS):
            known = self.known_rollout(rollout.id)
            if known is not None:
                return known
            self.refuse_if_rolling_out(rollout.model, rollout.version)
            under_way = self._put_action(_under_way_key(rollout.model), {"rollout": rollout.id})
            under_way["Put"] |= {
                "ConditionExpression": "attribute_not_exists(pk) OR rollout = :none",
                "ExpressionAttributeValues": pack({":none": ""}),
            }
            event = AuditEvent(
                rollout.model,
                "begin rollout",
                rollout.by,
                rollout.started_at,
                rollout.reason,
                rollout.run_id,
                rollout.version,
                before=rollout.champion,
            )
            put = self._put_action(_rollout_item(rollout), _stored_rollout(rollout), new=True)
            if self._transact(f"begin a rollout of {rollout.model}", put, under_way, self._audit_action(event)):
                return rollout
            self._sleep(backoff(rollout.id, attempt))
        raise StorageError(f"could not begin a rollout of model {rollout.model}: others keep writing it; try again")

    def known_rollout(self, rollout_id: str) -> Rollout | None:
        """One rollout, or None when it has not begun. Raises StorageError."""
        return self._document(Rollout, _rollout_key(rollout_id))

    def rollout(self, rollout_id: str) -> Rollout:
        """One rollout. Raises NotFound, StorageError."""
        found = self.known_rollout(rollout_id)
        if found is None:
            raise NotFound(f"there is no rollout {rollout_id!r}")
        return found

    def current_rollout(self, model: str) -> Rollout | None:
        """The rollout that is under way, or that has ended and whose traffic is still to be put back; else None.

        Raises StorageError.
        """
        item = self._item(_under_way_key(model))
        return self.rollout(item["rollout"]) if item and item["rollout"] else None

    def refuse_if_rolling_out(self, model: str, version: int) -> None:
        """Raises RolloutConflict when a rollout of the model is under way, StorageError."""
        current = self.current_rollout(model)
        if current is not None:
            raise RolloutConflict(
                f"version {current.version} of {model} is being rolled out (by {current.by}, since "
                f"{current.started_at}): wait for its end or end it with `tidemill rollback {model}`, then "
                f"`tidemill promote {model} --version {version}`"
            )

    def rollouts(self, model: str, limit: int = 20) -> list[Rollout]:
        """The newest rollouts of a model, newest first. Raises StorageError."""
        newest = itertools.islice(self._listing(f"ROLLOUTS#{model}", newest_first=True, page=limit), limit)
        return [loads(Rollout, item["document"]) for item in newest]

    def swap_rollout(self, new: Rollout, event: AuditEvent | None = None) -> bool:
        """Replace a rollout that has still the revision before `new.revision`.

        Returns
        -------
        False when another writer was faster: read again. Raises StorageError.
        """
        return self._swap(f"write rollout {new.id} of {new.model}", _rollout_item(new), new, new.revision - 1, event)

    def clear_rollout(self, rollout: Rollout) -> None:
        """Let the next rollout of the model begin; once more changes nothing. Raises StorageError."""
        with translated(f"end rollout {rollout.id} of {rollout.model}"), unless_it_fails():
            self._dynamodb.put_item(
                TableName=self._table,
                Item=pack(_under_way_key(rollout.model) | {"rollout": ""}),
                ConditionExpression="rollout = :id",
                ExpressionAttributeValues=pack({":id": rollout.id}),
            )

    # --- approvals -----------------------------------------------------------------------------

    def put_terms(self, terms: ApprovalTerms) -> None:
        """Keep what is asked for before a release. Raises StorageError."""
        self._put_document(_terms_key(terms.run_id), terms)

    def terms(self, run_id: str) -> ApprovalTerms | None:
        """What is asked for before a release; None when nothing is, or by an older version. Raises StorageError."""
        return self._document(ApprovalTerms, _terms_key(run_id))

    def add_vote(self, run_id: str, model: str, version: int, vote: Vote) -> bool:
        """Record what a person says, with an audit event in the same transaction; False when they have said something.

        Raises StorageError.
        """
        said = f"{vote.decision} through {vote.through}" + (f": {vote.reason}" if vote.reason else "")
        event = AuditEvent(model, "vote", vote.person, vote.at, said, run_id, version)
        put = self._put_action(_vote_key(run_id, vote.person), {"document": dumps(vote).decode()}, new=True)
        for attempt in range(ATTEMPTS):
            if self._transact(f"record a vote about run {run_id}", put, self._audit_action(event)):
                return True
            if self._item(_vote_key(run_id, vote.person)):
                return False
            self._sleep(backoff(vote.person, attempt))
        raise StorageError(f"could not record a vote about run {run_id}: others keep writing it; try again")

    def votes(self, run_id: str) -> tuple[Vote, ...]:
        """What people have said about a release, oldest first. Raises StorageError."""
        return _in_order(list(self._documents(Vote, f"RUN#{run_id}", "VOTE#")))


def ended(rollout: Rollout, state: Literal["PROMOTED", "ROLLED_BACK"], sentence: str, at: str) -> Rollout:
    """The rollout as it is when it has ended, to be swapped in."""
    return dataclasses.replace(
        rollout,
        state=state,
        history=(*rollout.history, f"{at}: {sentence}"),
        ended_at=at,
        revision=rollout.revision + 1,
    )


def _in_order(votes: Sequence[Vote]) -> tuple[Vote, ...]:
    return tuple(sorted(votes, key=lambda vote: (vote.at, vote.person)))


def _freeze_key(model: str) -> Item:
    return {"pk": f"MODEL#{model}", "sk": "FREEZE"}


def _under_way_key(model: str) -> Item:
    return {"pk": f"MODEL#{model}", "sk": "ROLLOUT"}


def _rollout_key(rollout_id: str) -> Item:
    return {"pk": f"ROLLOUT#{rollout_id}", "sk": "ROLLOUT"}


def _rollout_item(rollout: Rollout) -> Item:
    listing = {"gsi1pk": f"ROLLOUTS#{rollout.model}", "gsi1sk": f"{rollout.started_at}#{rollout.id}"}
    return _rollout_key(rollout.id) | listing


def _stored_rollout(rollout: Rollout) -> Item:
    return {"document": dumps(rollout).decode(), "revision": rollout.revision}


def _terms_key(run_id: str) -> Item:
    return {"pk": f"RUN#{run_id}", "sk": "TERMS"}


def _vote_key(run_id: str, person: str) -> Item:
    return {"pk": f"RUN#{run_id}", "sk": f"VOTE#{person}"}
