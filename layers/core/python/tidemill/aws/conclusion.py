"""What a run has left, and what ends it: collect that, record it, keep its papers, tell the world."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, cast

from tidemill import keys
from tidemill.aws import clients
from tidemill.aws.events import RUN_CONCLUDED, EventBus, Topic
from tidemill.aws.executions import Executions
from tidemill.aws.functions import Functions
from tidemill.aws.objects import Objects
from tidemill.aws.promotion import Releases
from tidemill.aws.quarantine import quarantine
from tidemill.aws.registry import Registry
from tidemill.aws.retraining_records import RetrainingRecords
from tidemill.contracts import (
    CandidateResult,
    Check,
    DataContract,
    Evaluation,
    FeatureSetRun,
    Lineage,
    Profile,
    Run,
    RunArtifacts,
    RunDocument,
    ScoringRun,
    Signature,
    StageUsage,
    to_json,
)
from tidemill.errors import ApprovalConflict, ContractError, NotFound, StorageError

T = TypeVar("T")


@dataclass(frozen=True)
class RunPapers:
    """What the stages of runs have left.

    None of it is needed: what is missing or cannot be read counts as missing, so that every run can be shown and
    concluded.

    Parameters
    ----------
    bucket
        the artifact bucket.
    warn
        takes a sentence about what is there but cannot be read.
    """

    bucket: str
    objects: Objects
    registry: Registry
    executions: Executions
    functions: Functions
    warn: Callable[[str], object]

    @staticmethod
    def of_stack(bucket: str, table: str, warn: Callable[[str], object]) -> RunPapers:
        """With the process's own clients."""
        return RunPapers(
            bucket,
            Objects(clients.s3()),
            Registry(clients.dynamodb(), table),
            Executions(clients.stepfunctions()),
            Functions(clients.lambda_()),
            warn,
        )

    def collect(self, run: Run) -> RunArtifacts:
        """Everything that the run's stages have left. Raises StorageError."""
        version = self.registry.version_of_run(run.project, run.run_id)
        folder = posixpath.dirname(keys.run_candidate(run.run_id, "any")) + "/"
        candidates = [self._read(CandidateResult, head.key) for head in self.objects.list(self.bucket, folder)]
        return RunArtifacts(
            dataset=self.registry.dataset_of_run(run.project, run.run_id),
            profile=self._read(Profile, keys.run_profile(run.run_id)),
            checks=(
                *(self._read(tuple[Check, ...], keys.run_checks(run.run_id)) or ()),
                *(self._read(tuple[Check, ...], keys.run_join_checks(run.run_id)) or ()),
            ),
            contract=self._read(DataContract, keys.run_contract(run.run_id)),
            candidates=tuple(candidate for candidate in candidates if candidate),
            evaluation=self._read(Evaluation, keys.run_evaluation(run.run_id)),
            features=self._read(dict[str, Any], keys.run_features(run.run_id)),
            signature=self._read(Signature, keys.run_signature(run.run_id)),
            version=version,
            lineage=self._read(Lineage, keys.model(run.project, version, "lineage.json")) if version else None,
            retraining=self._retraining(run),
        )

    def _retraining(self, run: Run) -> dict[str, Any] | None:
        """Why the run was started, when nobody uploaded its table."""
        if run.retraining is None:
            return None
        found = RetrainingRecords.beside(self.registry).retraining(run.project, run.retraining)
        return cast(dict[str, Any], to_json(found))

    def usage(self, execution: str, until: datetime) -> dict[str, StageUsage]:
        """What each stage of an execution has used until now, by its name; empty when that cannot be read."""
        try:
            return self.executions.usage(execution, until, self.functions.configuration)
        except (NotFound, StorageError) as error:
            self.warn(f"the cost of the run is not known: {error}")
            return {}

    def show(self, document: RunDocument, report: str) -> None:
        """Keep document and report of a run that goes on, for whoever decides about it. Raises StorageError."""
        self.objects.put_contract(self.bucket, keys.run_document(document.run_id), document)
        self.objects.put(self.bucket, keys.run_report(document.run_id), report.encode())

    def _read(self, cls: type[T], key: str) -> T | None:
        try:
            return self.objects.get_contract(cls, self.bucket, key)
        except NotFound:
            return None
        except ContractError as error:
            self.warn(f"{key} cannot be read: {error}")
            return None


@dataclass(frozen=True)
class Conclusion(RunPapers):
    """The end of runs."""

    releases: Releases
    bus: EventBus
    topic: Topic

    @classmethod
    def connect(cls, bucket: str, table: str, bus: str, topic: str, warn: Callable[[str], object]) -> Conclusion:
        """With the process's own clients; `bus` is a name or ARN, `topic` an ARN."""
        return cls(
            bucket,
            Objects(clients.s3()),
            Registry(clients.dynamodb(), table),
            Executions(clients.stepfunctions()),
            Functions(clients.lambda_()),
            warn,
            Releases.connect(table),
            EventBus(clients.eventbridge(), bus),
            Topic(clients.sns(), topic),
        )

    def rolling_out(self, run_id: str) -> RunDocument | None:
        """The document of a run whose version is being let in; None when it has come to an end. Raises StorageError."""
        document = self._read(RunDocument, keys.run_document(run_id))
        return document if document is not None and document.status == "ROLLING_OUT" else None

    def enter(self, document: RunDocument) -> None:
        """Say in the registry how a run has ended. Raises StorageError."""
        self.registry.finish_run(document, keys.run_document(document.run_id))

    def record(self, document: RunDocument) -> None:
        """Keep the run's document, in the bucket and in the registry. Raises StorageError."""
        self.objects.put_contract(self.bucket, keys.run_document(document.run_id), document)
        self.enter(document)

    def quarantine(self, run: Run | ScoringRun | FeatureSetRun, reason: str, at: str) -> None:
        """Move the run's upload out of the way. Raises StorageError."""
        quarantine(self.objects, run.source, keys.parse_upload(run.source.key), reason, at, run.run_id)

    def refuse(self, run: ScoringRun | FeatureSetRun, reason: str, quarantined: bool, at: str) -> None:
        """Say why a table was not scored or taken in, and move it out of the way when it was refused.

        Raises StorageError.
        """
        if isinstance(run, FeatureSetRun):
            self.registry.give_up_turn(run.feature_set, run.run_id)
        if quarantined:
            self.quarantine(run, reason, at)
        what = "scored" if isinstance(run, ScoringRun) else f"taken into the feature set {run.feature_set}"
        self.topic.notify(f"{run.source.key} was not {what}", f"{reason}\n\nRun: {run.run_id}\n")

    def end_rollout(self, run: Run, reason: str, at: str) -> None:
        """End the rollout that a run has begun and that nothing goes on with; of other runs nothing happens.

        Raises NotFound, TrafficConflict, StorageError.
        """
        self.releases.give_up(run.run_id, f"the rollout could not go on: {reason}", at)

    def close_approval(self, run: Run, at: str) -> None:
        """Close a request for approval that nobody answered; a person's decision stays. Raises StorageError."""
        with suppress(NotFound, ApprovalConflict):  # no request was recorded, or a person decided: nothing is open
            self.registry.decide_approval(run.run_id, "EXPIRED", "tidemill", "the run ended before anybody decided", at)

    def publish(self, document: RunDocument, report: str, subject: str, message: str) -> None:
        """Keep the report, also with the model version that the run made; then tell bus and topic.

        Raises StorageError.
        """
        self.objects.put(self.bucket, keys.run_report(document.run_id), report.encode())
        if document.model:
            key = keys.model(document.model.name, document.model.version, "report.html")
            self.objects.put(self.bucket, key, report.encode())
        self.bus.publish(RUN_CONCLUDED, self.registry.run(document.run_id))
        self.topic.notify(subject, message)
