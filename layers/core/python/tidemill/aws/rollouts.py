"""What a look at a rollout reads, changes and tells."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from tidemill import keys
from tidemill.aws import clients
from tidemill.aws.events import EventBus, Topic
from tidemill.aws.monitoring_files import MonitoringFiles, hour_of
from tidemill.aws.objects import Objects
from tidemill.aws.promotion import Releases, audit_event
from tidemill.aws.registry import CHAMPION
from tidemill.aws.release_records import UNDER_WAY
from tidemill.contracts import Capture, Evaluation, Profile, Signature
from tidemill.errors import NotFound, PromotionFrozen, StorageError
from tidemill.monitoring_contracts import Reference
from tidemill.release_contracts import Freeze, Rollout, RolloutRequest

#: What the bus is told when a rollout begins, goes a step on, or ends; the detail is the Rollout.
ROLLOUT_CHANGED = "Rollout changed"
#: Captures that one look reads at most, the newest ones: enough for every test, and a bound of its time.
MOST_CAPTURES = 200_000
#: True outcomes that one look reads at most.
MOST_OUTCOMES = 50_000


class Evidence(NamedTuple):
    """What `monitoring.rollout_evidence.observed` takes."""

    captures: list[Capture]
    outcomes: list[dict[str, Any]]
    profile: Profile
    signature: Signature
    reference: Reference | None


@dataclass(frozen=True)
class Rollouts:
    """The rollouts of all models.

    Parameters
    ----------
    bucket
        the artifact bucket.
    warn
        takes a sentence about what could not be told to anybody; a rollout goes on without.
    """

    bucket: str
    objects: Objects
    releases: Releases
    bus: EventBus
    topic: Topic
    warn: Callable[[str], object]

    @classmethod
    def connect(cls, bucket: str, table: str, bus: str, topic: str, warn: Callable[[str], object]) -> Rollouts:
        """With the process's own clients; `bus` is a name or ARN, `topic` an ARN."""
        return cls(
            bucket,
            Objects(clients.s3()),
            Releases.connect(table),
            EventBus(clients.eventbridge(), bus),
            Topic(clients.sns(), topic),
            warn,
        )

    # --- what there is -------------------------------------------------------------------------

    def known(self, rollout_id: str, at: str) -> Rollout | None:
        """The rollout, with traffic and alias as its record says; None when it has not begun.

        Whoever asked for it has written the record; that it has begun is told by the first look.

        Raises NotFound, TrafficConflict, StorageError.
        """
        found = self.releases.records.known_rollout(rollout_id)
        if found is None:
            return None
        settled = self.releases.settle(found, at)
        if found.revision == 1:
            self._tell(settled)
        return settled

    def champion(self, model: str) -> int | None:
        """The version in service. Raises StorageError."""
        return self.releases.registry.alias(model, CHAMPION)

    def freeze(self, model: str) -> Freeze | None:
        """Whether the model's promotions are frozen. Raises StorageError."""
        return self.releases.records.freeze(model)

    def spec(self, request: RolloutRequest) -> bytes:
        """The spec that says how: the run's own, or the project's when a person asks; {} when none is declared.

        Raises StorageError.
        """
        own = request.id == request.run_id
        key = keys.run_spec(request.run_id) if own else keys.project_spec(request.model)
        try:
            return self.objects.get(self.bucket, key)
        except NotFound:
            return b"{}"

    def found_better(self, rollout: Rollout) -> bool:
        """Whether the version did better than this champion when it was evaluated: on the holdout or newest outcomes.

        Raises ContractError, StorageError.
        """
        try:
            evaluation = self.objects.get_contract(
                Evaluation, self.bucket, keys.model(rollout.model, rollout.version, "evaluation.json")
            )
        except NotFound:
            return False
        judged = [one for one in (evaluation.newest, evaluation.champion) if one and one.version == rollout.champion]
        return any(one.difference.low > 0 for one in judged)

    def evidence(self, rollout: Rollout, at: str) -> Evidence:
        """What both versions have answered since the step began, and what was true since the rollout did.

        Raises NotFound, ContractError, StorageError.
        """
        files = MonitoringFiles(self.bucket, self.objects)
        # A champion of former times has no reference; the new version has.
        version = (
            rollout.champion if rollout.champion and self._reference(rollout, rollout.champion) else rollout.version
        )
        return Evidence(
            list(itertools.islice(self._captures(files, rollout, at), MOST_CAPTURES)),
            files.newest_labelled(rollout.model, MOST_OUTCOMES, hour_of(rollout.started_at), hour_of(at), shadow=True),
            self.objects.get_contract(Profile, self.bucket, keys.model(rollout.model, version, "profile.json")),
            self.objects.get_contract(Signature, self.bucket, keys.model(rollout.model, version, "signature.json")),
            self._reference(rollout, version),
        )

    def _reference(self, rollout: Rollout, version: int) -> Reference | None:
        try:
            return self.objects.get_contract(
                Reference, self.bucket, keys.model(rollout.model, version, "reference.json")
            )
        except NotFound:
            return None

    def _captures(self, files: MonitoringFiles, rollout: Rollout, at: str) -> Iterator[Capture]:
        """Captures of both versions since the step began, those of the newest files first."""
        by_hour = files.capture_files(rollout.model, hour_of(rollout.step_started_at), hour_of(at))
        newest = [
            head.key
            for hour in sorted(by_hour, reverse=True)
            for head in sorted(by_hour[hour], key=lambda head: head.modified_at, reverse=True)
            if head.modified_at >= rollout.step_started_at
        ]
        for _, captures in files.captures(newest):
            for capture in captures:
                if capture.at >= rollout.step_started_at and capture.version in (rollout.champion, rollout.version):
                    yield capture

    # --- what becomes of it --------------------------------------------------------------------

    def begin(self, rollout: Rollout) -> Rollout:
        """Begin a rollout, and tell; of a model that is frozen, it ends at once and says why.

        Raises
        ------
        RolloutConflict, TrafficConflict
            nothing has begun.
        AliasConflict, NotFound, StorageError
        """
        try:
            self.releases.records.refuse_if_frozen(rollout.model, rollout.version)
            begun = self.releases.begin(rollout)
        except PromotionFrozen as error:
            kept = self.releases.records.begin_rollout(rollout)
            begun = self.releases.take_back(kept, str(error), "tidemill", rollout.started_at)
        self._tell(begun)
        return begun

    def move(self, before: Rollout, new: Rollout, sentence: str, at: str) -> Rollout:
        """Write how the rollout goes on and make it so; tell when it is another step, or has ended.

        Returns
        -------
        The rollout as it is now, which somebody else may have ended.

        Raises NotFound, TrafficConflict, StorageError.
        """
        event = audit_event(new, "roll back", "tidemill", sentence, at) if new.state == "ROLLED_BACK" else None
        now = self.releases.move(new, event, at)
        if (now.state, now.step) != (before.state, before.step):
            self._tell(now)
        return now

    def take_back(self, request: RolloutRequest, sentence: str, at: str) -> None:
        """End a rollout that cannot go on, if it has begun. Raises NotFound, TrafficConflict, StorageError."""
        ended = self.releases.give_up(request.id, sentence, at)
        if ended is not None:
            self._tell(ended)

    def _tell(self, rollout: Rollout) -> None:
        """Tell the bus; of the end of a rollout that a person asked for people, too: of others the run's end tells."""
        try:
            self.bus.publish(ROLLOUT_CHANGED, rollout)
            if rollout.id != rollout.run_id and rollout.state not in UNDER_WAY:
                self.topic.notify(_subject(rollout), _message(rollout))
        except StorageError as error:
            self.warn(f"nobody was told of rollout {rollout.id}: {error}")


def _subject(rollout: Rollout) -> str:
    done = "is the champion now" if rollout.state == "PROMOTED" else "was taken back"
    return f"Tidemill: {rollout.model} version {rollout.version} {done}"


def _message(rollout: Rollout) -> str:
    lines = [f"{rollout.by} asked for it: {rollout.reason}", "", *rollout.history, ""]
    return "\n".join([*lines, f"Rollout: {rollout.id}", f"Look at it: tidemill model {rollout.model}"]) + "\n"
