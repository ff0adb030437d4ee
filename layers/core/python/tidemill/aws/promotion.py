"""Putting a version into service by hand, taking it back, and freezing that; and what a rollout does to a model.

The record of a rollout says what is meant to be, and `settle` makes it so: traffic, alias, the turn of the next
rollout. Each of these changes nothing when it is so already, so that whatever was interrupted is finished by the next
look.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tidemill import rollout_plan
from tidemill.aws import approvals, clients
from tidemill.aws.executions import Executions
from tidemill.aws.registry import CHAMPION, Registry
from tidemill.aws.registry_table import AuditEvent
from tidemill.aws.release_records import UNDER_WAY, ReleaseRecords, ended
from tidemill.aws.traffic_records import TrafficRecords, described
from tidemill.errors import AliasConflict, ContractError, TrafficConflict
from tidemill.release_contracts import Freeze, Rollout, RolloutRequest, Share, Traffic
from tidemill.spec import RolloutOptions

CHALLENGER = "challenger"
Strategy = Literal["all_at_once", "canary", "linear"]


@dataclass(frozen=True)
class Promotion:
    """What came of asking for a version in service."""

    model: str
    version: int
    before: int | None  #: the champion until now
    rollout: str | None  #: id of the rollout that lets it in; null when it is in service already


@dataclass(frozen=True)
class Rollback:
    """What came of taking a version back."""

    model: str
    before: int  #: the version that is out of service now, or was on its way in
    now: int | None  #: the one that answers
    rollout: str | None  #: id of the rollout that was ended; null when a promotion was undone


@dataclass(frozen=True)
class Releases:
    """The releases of all models.

    Parameters
    ----------
    machine
        ARN of the rollout state machine; empty where none is started.
    """

    registry: Registry
    records: ReleaseRecords
    traffic: TrafficRecords
    executions: Executions
    machine: str

    @classmethod
    def connect(cls, table: str, machine: str = "") -> Releases:
        """With the process's own clients."""
        dynamodb = clients.dynamodb()
        return cls(
            Registry(dynamodb, table),
            ReleaseRecords(dynamodb, table),
            TrafficRecords(dynamodb, table),
            Executions(clients.stepfunctions()),
            machine,
        )

    # --- by hand -------------------------------------------------------------------------------

    def promote(
        self, model: str, version: int, options: RolloutOptions, id: str, actor: str, reason: str, at: str
    ) -> Promotion:
        """Put a version into service, at once or by a rollout.

        A rollout is on record before its state machine is started, so that whoever comes next sees it: a rollback ends
        it, a freeze holds it.

        Parameters
        ----------
        options
            how; all_at_once moves the champion right now, unless there is to be a shadow.
        id
            of the rollout, if there is to be one: 32 hex characters.

        Raises
        ------
        NotFound
            there is no such model or version.
        ContractError
            the version is in service already.
        NotAllowed
            people have not released what the version's run has made, or have refused it.
        PromotionFrozen, RolloutConflict, TrafficConflict
            the model's promotions are frozen; a rollout is under way; a person has spread the model's calls.
        AliasConflict
            somebody moved the champion at the same moment.
        StorageError
            the table did not answer; or the state machine, and then the rollout has ended.
        """
        made = self.registry.version(model, version)
        self.records.refuse_if_frozen(model, version)
        approvals.refuse_unreleased(self.registry, made)
        self.records.refuse_if_rolling_out(model, version)
        before = self.registry.alias(model, CHAMPION)
        if before == version:
            raise ContractError(f"version {version} of {model} is the champion already: name another version")
        plan = rollout_plan.plan(options)
        if before is None or not rollout_plan.is_gradual(plan):
            self.registry.move_alias(
                model, CHAMPION, version, before, actor, reason, at, action="promote", run_id=made.run_id
            )
            return Promotion(model, version, before, None)
        request = RolloutRequest(id, model, version, made.run_id, actor, reason, options.strategy)
        try:
            self.begin(rollout_plan.begun(request, plan, before, at))
            self.executions.start(self.machine, id, {"rollout": request})
        except BaseException as error:  # also of a command that is interrupted
            self.give_up(id, f"the rollout could not be started: {error}", at)
            raise
        return Promotion(model, version, before, id)

    def rollback(self, model: str, actor: str, reason: str, at: str) -> Rollback:
        """End the rollout that is under way; without one, put the champion before back.

        Raises
        ------
        NotFound
            there is neither a rollout nor a champion before.
        AliasConflict
            somebody moved the champion at the same moment.
        StorageError
        """
        current = self.records.current_rollout(model)
        if current is None:
            before, now = self.registry.rollback(model, actor, reason, at)
            return Rollback(model, before, now, None)
        stopped = self.take_back(current, f"{actor} took it back: {reason}", actor, at)
        if stopped.state == "PROMOTED":  # it was let in at the same moment
            before, now = self.registry.rollback(model, actor, reason, at)
            return Rollback(model, before, now, None)
        return Rollback(model, stopped.version, self.registry.alias(model, CHAMPION), stopped.id)

    def freeze(self, model: str, frozen: bool, actor: str, reason: str, at: str) -> Freeze:
        """Keep the model's champion from being replaced, or let it be replaced again.

        A rollout that is under way holds meanwhile; it can be taken back, and so can the champion.
        Raises NotFound when there is no such model, StorageError.
        """
        self.registry.versions(model)
        return self.records.set_freeze(model, frozen, actor, reason, at)

    # --- rollouts ------------------------------------------------------------------------------

    def begin(self, rollout: Rollout) -> Rollout:
        """Begin a rollout: make its version the challenger, and give it what the first step says.

        Doing it again changes nothing.

        Raises
        ------
        RolloutConflict
            another one is under way.
        TrafficConflict
            a person has spread the model's calls.
        AliasConflict
            somebody moved the challenger at the same moment.
        NotFound, StorageError
        """
        traffic = self.traffic.traffic(rollout.model)
        if traffic is not None and traffic.rollout is None and (traffic.shares or traffic.shadow_version is not None):
            raise TrafficConflict(
                f"the calls of {rollout.model} are spread by {traffic.by} ({described(traffic)}), which a rollout "
                f"would end: end it with `tidemill traffic {rollout.model} --clear`, then "
                f"`tidemill promote {rollout.model} --version {rollout.version}`"
            )
        begun = self.records.begin_rollout(rollout)
        if begun.state in UNDER_WAY:
            self.registry.move_alias(
                begun.model,
                CHALLENGER,
                begun.version,
                self.registry.alias(begun.model, CHALLENGER),
                begun.by,
                begun.reason,
                begun.started_at,
                run_id=begun.run_id,
            )
        return self.settle(begun, rollout.started_at)

    def move(self, new: Rollout, event: AuditEvent | None, at: str) -> Rollout:
        """Write how a rollout goes on, and make it so.

        Parameters
        ----------
        new
            with a revision one higher than the one that was read.

        Returns
        -------
        The rollout as it is now; as somebody else has written it, when they were faster.
        """
        if not self.records.swap_rollout(new, event):
            new = self.records.rollout(new.id)
        return self.settle(new, at)

    def take_back(self, rollout: Rollout, sentence: str, actor: str, at: str) -> Rollout:
        """End a rollout whose version is not to be let in; one that has ended stays so. Raises StorageError."""
        while rollout.state in UNDER_WAY:
            new = ended(rollout, "ROLLED_BACK", sentence, at)
            if self.records.swap_rollout(new, audit_event(new, "roll back", actor, sentence, at)):
                rollout = new
            else:
                rollout = self.records.rollout(rollout.id)
        return self.settle(rollout, at)

    def give_up(self, rollout_id: str, sentence: str, at: str) -> Rollout | None:
        """End a rollout that cannot go on, if it has begun, and return it. Raises NotFound, StorageError."""
        known = self.records.known_rollout(rollout_id)
        return self.take_back(known, sentence, "tidemill", at) if known is not None else None

    def settle(self, rollout: Rollout, at: str) -> Rollout:
        """Make traffic and alias what the rollout's record says.

        Returns
        -------
        The rollout; taken back, when the champion was moved by somebody else in the meantime.

        Raises
        ------
        NotFound, TrafficConflict, StorageError
        """
        current = self.records.current_rollout(rollout.model)
        if current is None or current.id != rollout.id:  # it has been settled, and others have followed
            return rollout
        if rollout.state == "PROMOTED":
            try:
                self._move_champion(rollout, at)
            except AliasConflict as error:
                taken = ended(rollout, "ROLLED_BACK", f"the champion was moved meanwhile: {error}", at)
                return self.move(taken, audit_event(taken, "roll back", "tidemill", str(error), at), at)
        self._spread(rollout, at)
        if rollout.state not in UNDER_WAY:
            self.records.clear_rollout(rollout)
        return rollout

    def _move_champion(self, rollout: Rollout, at: str) -> None:
        self.registry.move_alias(
            rollout.model,
            CHAMPION,
            rollout.version,
            rollout.champion,
            rollout.by,
            f"rolled out: {rollout.reason}",
            at,
            action="promote",
            run_id=rollout.run_id,
        )

    def _spread(self, rollout: Rollout, at: str) -> None:
        current = self.traffic.traffic(rollout.model)
        wanted = _wanted(rollout)
        if rollout.state not in UNDER_WAY and (current is None or current.rollout != rollout.id):
            return  # put back before
        if current is not None and _spreads_alike(current, wanted):
            return
        expected = current.revision if current else None
        reason = f"rollout of version {rollout.version}: {rollout.state}"
        self.traffic.set_traffic(wanted, expected, rollout.by, reason, at, rollout=rollout.id)


def audit_event(rollout: Rollout, action: str, actor: str, reason: str, at: str) -> AuditEvent:
    """What the audit log says of a rollout's version. `action` is no move of an alias."""
    return AuditEvent(
        rollout.model, action, actor, at, reason, rollout.run_id, rollout.version, before=rollout.champion
    )


def _wanted(rollout: Rollout) -> Traffic:
    """How the calls are spread in the rollout's state."""
    if rollout.state == "SHADOW":
        return Traffic(
            rollout.model,
            shadow_version=rollout.version,
            shadow_fraction=rollout.plan.shadow_fraction,
            rollout=rollout.id,
        )
    if rollout.state == "BAKING":
        share = Share(rollout.version, rollout.plan.steps[rollout.step])
        return Traffic(rollout.model, (share,), rollout=rollout.id)
    return Traffic(rollout.model)


def _spreads_alike(one: Traffic, other: Traffic) -> bool:
    return (one.shares, one.shadow_version, one.shadow_fraction, one.rollout) == (
        other.shares,
        other.shadow_version,
        other.shadow_fraction,
        other.rollout,
    )
