"""What is done about a decision: people told, reviews opened, a training started, promotions frozen."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from tidemill.aws import clients, webhook
from tidemill.aws.events import EventBus, Topic
from tidemill.aws.functions import Functions
from tidemill.aws.monitoring_files import MonitoringFiles, hour_of
from tidemill.aws.monitoring_records import MonitoringRecords
from tidemill.aws.objects import Objects
from tidemill.aws.registry import Registry
from tidemill.aws.release_records import ReleaseRecords
from tidemill.aws.retraining import Policy, Retrainings
from tidemill.aws.retraining_records import RetrainingRecords
from tidemill.contracts import Capture
from tidemill.errors import NotFound, StorageError, TidemillError
from tidemill.monitoring_contracts import BEGUN, ActionName, Decision, MonitorPoint

MONITOR_FINDING = "Monitor finding"
#: Findings of one event: EventBridge takes entries of 256 KB.
EVENT_FINDINGS = 100
#: Predictions that one decision puts into the review queue, and the capture files of the window that are looked
#: through for them, the newest ones.
REVIEWS, REVIEW_FILES = 20, 50
#: Who acts.
ACTOR = "tidemill"


@dataclass(frozen=True)
class Case:
    """A decision with what is needed to act on it."""

    decision: Decision
    points: Sequence[MonitorPoint]  #: of the version
    policy: Policy  #: of trainings
    webhook: str | None  #: address that alerts are posted to, too
    words: tuple[str, str]  #: subject and text of an alert
    sureness: Callable[[Capture], float | None]  #: how sure a recorded prediction is, None when that cannot be told


@dataclass(frozen=True)
class Actions:
    """Acts on decisions, one by one; what fails is said in the decision, and stops nothing else.

    Parameters
    ----------
    warn
        takes a sentence for the log.
    """

    records: MonitoringRecords
    releases: ReleaseRecords
    registry: Registry
    files: MonitoringFiles
    retrainings: Retrainings
    bus: EventBus
    topic: Topic
    warn: Callable[[str], object]

    @classmethod
    def connect(
        cls, bucket: str, table: str, bus: str, topic: str, retrain_function: str, warn: Callable[[str], object]
    ) -> Actions:
        """With the process's own clients; `bus` is a name or ARN, `topic` an ARN."""
        dynamodb = clients.dynamodb()
        registry, files = Registry(dynamodb, table), MonitoringFiles(bucket, Objects(clients.s3()))
        return cls(
            MonitoringRecords(dynamodb, table),
            ReleaseRecords(dynamodb, table),
            registry,
            files,
            Retrainings(
                RetrainingRecords(dynamodb, table), registry, files, Functions(clients.lambda_()), retrain_function
            ),
            EventBus(clients.eventbridge(), bus),
            Topic(clients.sns(), topic),
            warn,
        )

    def expected_usd(self, model: str, version: int, otherwise: float) -> float:
        """What the run of a version has cost; `otherwise` when that is not known. Raises StorageError."""
        try:
            usd = self.registry.run(self.registry.version(model, version).run_id).usd
        except NotFound:
            return otherwise
        return otherwise if usd is None else usd

    def act(self, case: Case, before: Decision | None) -> Decision | None:
        """Do what a decision says, and keep what became of it.

        It is kept before it is done, on the condition that nobody else does it, so that two looks at the same time act
        once; and again afterwards, so that what could not be done does not count as done.

        Parameters
        ----------
        before
            the decision as it was kept, when it was taken before.

        Returns
        -------
        The decision as it is kept now; None when somebody else is about it.

        Raises
        ------
        StorageError
            the table did not answer.
        """
        decision = case.decision
        if not decision.acted:
            return decision if self.records.claim_decision(decision, before) else None
        if not self.records.claim_decision(replace(decision, acted=False, reason=BEGUN), before):
            return None
        try:
            done = self._methods[decision.action](case)
        except TidemillError as error:
            done = replace(decision, acted=False, reason=f"it could not be done: {error}")
        self.records.amend_decision(done)
        return done

    # --- one method for each action ------------------------------------------------------------

    @property
    def _methods(self) -> dict[ActionName, Callable[[Case], Decision]]:
        return {
            "warn": self._warn,
            "alert": self._alert,
            "review": self._review,
            "retrain": self._retrain,
            "freeze": self._freeze,
        }

    def _warn(self, case: Case) -> Decision:
        self.warn(f"{case.decision.model} version {case.decision.version}: {case.decision.reason}")
        return case.decision

    def _alert(self, case: Case) -> Decision:
        """Tell people, the company's programs, and the webhook; it is done when somebody has heard of it."""
        decision = case.decision
        problems = [problem for tell in self._ways(case) if (problem := _problem(tell))]
        for problem in problems:
            self.warn(problem)
        if not problems:
            return decision
        failed = "; ".join(problems)
        if len(problems) == sum(1 for _ in self._ways(case)):
            return replace(decision, acted=False, reason=f"nobody was told: {failed}")
        return replace(decision, problem=f"not everybody was told: {failed}")

    def _ways(self, case: Case) -> Iterator[Callable[[], object]]:
        decision = case.decision
        event = replace(decision, findings=decision.findings[:EVENT_FINDINGS])
        yield lambda: self.topic.notify(*case.words)
        yield lambda: self.bus.publish(MONITOR_FINDING, event)
        address = case.webhook
        if address is not None:
            yield lambda: webhook.post(address, {"text": "\n".join(case.words), "decision": event})

    def _review(self, case: Case) -> Decision:
        """Put the predictions of the window that the model was least sure of into the review queue."""
        decision = case.decision
        unsure = heapq.nsmallest(REVIEWS, self._captures(case), key=lambda one: (one[0], one[1].prediction_id))
        opened = sum(self.registry.open_review(capture) for _, capture in unsure)
        if not opened:
            why = "each of them is in the queue" if unsure else "the model does not say how sure it is of them"
            return replace(
                decision, acted=False, reason=f"no prediction of the window could be put up for review: {why}"
            )
        return replace(decision, reason=f"{decision.reason}; {opened} predictions are put up for review")

    def _captures(self, case: Case) -> Iterator[tuple[float, Capture]]:
        decision = case.decision
        start = min((one.start for one in case.points if one.end == decision.point), default=decision.point)
        by_hour = self.files.capture_files(decision.model, hour_of(start), hour_of(decision.point))
        newest = [head.key for heads in by_hour.values() for head in heads][-REVIEW_FILES:]
        for _, captures in self.files.captures(newest):
            for one in captures:
                is_ours = one.version == decision.version and one.alias is not None and one.why != "shadow"
                if is_ours and start <= one.at <= decision.point and (sure := case.sureness(one)) is not None:
                    yield sure, one

    def _retrain(self, case: Case) -> Decision:
        asked, problem = self.retrainings.by_rule(case.decision, case.points, case.policy)
        if problem is not None:
            return replace(case.decision, acted=False, reason=f"no training was started: {problem}")
        return replace(case.decision, retraining=asked.id)

    def _freeze(self, case: Case) -> Decision:
        decision = case.decision
        self.releases.set_freeze(decision.model, True, ACTOR, decision.reason, decision.at)
        return decision


def _problem(tell: Callable[[], object]) -> str:
    try:
        tell()
    except StorageError as error:
        return str(error)
    return ""
