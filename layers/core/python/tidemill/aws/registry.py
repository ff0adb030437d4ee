"""The registry: projects, datasets, runs, models, versions, aliases, approvals and the audit log.

One DynamoDB table with the string keys `pk` and `sk`, and one index, `gsi1`, with the
string keys `gsi1pk` and `gsi1sk` and all attributes projected. Nobody else knows these keys:

=================  ===============  =========================  ======================  ===================
record             pk               sk                         gsi1pk                  gsi1sk
=================  ===============  =========================  ======================  ===================
project            PROJECT#<name>   PROJECT                    PROJECTS                <name>
accepted dataset   PROJECT#<name>   DATASET#<at>#<run>
feature set        FEATURES#<name>  FEATURES                   FEATURE_SETS            <name>
version of a set   FEATURES#<name>  VERSION#<at>#<run>
turn of a set      FEATURES#<name>  TURN
run                RUN#<run>        RUN                        RUNS#<project>          <started_at>#<run>
approval           RUN#<run>        APPROVAL                   APPROVALS#<listing>     <requested_at>#<run>
registered model   MODEL#<name>     MODEL                      MODELS                  <name>
version of a run   MODEL#<name>     RUN#<run>
model version      MODEL#<name>     VERSION#<6 digits>
alias              MODEL#<name>     ALIAS#<alias>
review             MODEL#<name>     REVIEW#<prediction id>     REVIEWS#<state>#<name>  <at>#<prediction id>
audit event        AUDIT#<subject>  <at>#<hash of the event>   AUDIT                   <at>#<hash>
=================  ===============  =========================  ======================  ===================

The listing of an approval is its state, and HAND_ON of one that was decided and that its run has not been told of.

Reads of single records are strongly consistent; listings through the index may miss what
was written in the last moment. Model versions and audit events are only ever added. A
version's number comes from the model's counter in the same transaction that writes the
version, so numbers have no gaps; an alias moves in one transaction with its audit event.
Times and ids are passed in.
"""

from __future__ import annotations

import dataclasses
import heapq
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from botocore.exceptions import ClientError

from tidemill.aws.faults import code, translated
from tidemill.aws.registry_table import (
    ATTEMPTS,
    CONDITION_FAILED,
    AuditEvent,
    Item,
    RegistryTable,
    backoff,
    pack,
    unless_it_fails,
    unpack,
)
from tidemill.contracts import Capture, DatasetRef, Run, RunDocument, Status, Task, from_json, to_json
from tidemill.errors import AliasConflict, ApprovalConflict, ImmutableVersion, NotFound, StorageError

CHAMPION = "champion"
#: What the audit log calls a decision about a release.
VERBS = {"APPROVED": "approve", "REJECTED": "reject", "EXPIRED": "expire"}

#: The listing of decisions that their runs have not been told of.
HAND_ON = "HAND_ON"

ApprovalState = Literal["PENDING", "APPROVED", "REJECTED", "EXPIRED"]
ReviewState = Literal["OPEN", "ANSWERED"]


@dataclass(frozen=True)
class RunRecord:
    """A training run as listings show it; the whole is in the object `document`."""

    run_id: str
    project: str
    status: Status
    started_at: str
    started_by: str
    source: str  #: s3://bucket/key of the upload
    reason: str = ""
    stage: str | None = None  #: the stage that ended the run, when it did not go live
    document: str | None = None  #: key of the RunDocument in the artifact bucket, when the run has ended
    task: Task | None = None
    target: str | None = None
    dataset_version: str | None = None
    model: str | None = None
    version: int | None = None
    metric: str | None = None
    value: float | None = None  #: of the metric, on the holdout
    usd: float | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class DatasetRecord:
    """A table that a run accepted."""

    project: str
    version: str
    rows: int
    columns: int
    run_id: str
    at: str


@dataclass(frozen=True)
class FeatureSetRecord:
    """What a shared feature set holds: one of its versions, or the current one."""

    name: str
    key: str  #: the column that names the entity
    version: str
    rows: int
    columns: int
    entities: int  #: different keys
    run_id: str
    at: str  #: when the table that made the version was uploaded
    time: str | None = None  #: the column that says since when a row is known


@dataclass(frozen=True)
class VersionRecord:
    """An immutable version of a registered model."""

    model: str
    version: int
    run_id: str
    onnx_sha256: str
    dataset_version: str
    task: Task
    metric: str
    value: float  #: of the metric, on the holdout
    created_at: str
    created_by: str


@dataclass(frozen=True)
class AliasRecord:
    """Where an alias points. `revision` counts its moves, from 1."""

    model: str
    alias: str
    version: int
    revision: int
    at: str
    by: str


@dataclass(frozen=True)
class ApprovalRecord:
    """A release that waits for a person, or waited."""

    run_id: str
    model: str
    version: int
    state: ApprovalState
    token: str  #: the state machine's task token
    requested_at: str
    by: str = ""
    at: str = ""
    reason: str = ""
    handed_on: bool = True  #: whether the run has been told; false from the decision until then


@dataclass(frozen=True)
class ReviewRecord:
    """A prediction that the model was not sure of, waiting for a person's answer, or answered."""

    model: str
    prediction_id: str
    version: int
    at: str  #: of the prediction
    inputs: str  #: JSON object
    prediction: str  #: JSON value
    state: ReviewState = "OPEN"
    actual: str | None = None  #: what the person says is true
    by: str = ""
    answered_at: str = ""


class Registry(RegistryTable):
    """Projects, datasets, runs, models, versions, aliases, approvals and reviews."""

    # --- projects and datasets -----------------------------------------------------------------

    def projects(self) -> list[str]:
        """Names of the projects, sorted. Raises StorageError."""
        return [item["name"] for item in self._listing("PROJECTS")]

    def put_dataset(self, project: str, dataset: DatasetRef, run_id: str, at: str) -> None:
        """Record a table that a run accepted. `at` is the run's start. Raises StorageError."""
        record = DatasetRecord(project, dataset.version, dataset.rows, dataset.columns, run_id, at)
        self._put({"pk": f"PROJECT#{project}", "sk": f"DATASET#{at}#{run_id}"}, record)

    def datasets(self, project: str) -> Iterator[DatasetRecord]:
        """The project's accepted tables, newest first; one table may be accepted by several runs."""
        return self._records(DatasetRecord, f"PROJECT#{project}", "DATASET#", newest_first=True)

    def latest_dataset(self, project: str, except_run: str = "") -> DatasetRecord | None:
        """The newest accepted table, not counting what `except_run` accepted.

        A run passes its own id, so that validating twice compares with the same predecessor.
        """
        return next((record for record in self.datasets(project) if record.run_id != except_run), None)

    def dataset_of_run(self, project: str, run_id: str) -> DatasetRef | None:
        """The table that a run accepted, or None when it accepted none. Raises StorageError."""
        accepted = (record for record in self.datasets(project) if record.run_id == run_id)
        return next((DatasetRef(record.version, record.rows, record.columns) for record in accepted), None)

    # --- feature sets --------------------------------------------------------------------------

    def feature_sets(self) -> list[FeatureSetRecord]:
        """The shared feature sets as they are now, by name. Raises StorageError."""
        return [from_json(FeatureSetRecord, item) for item in self._listing("FEATURE_SETS")]

    def feature_set(self, name: str) -> FeatureSetRecord | None:
        """A shared feature set as it is now, or None when no table of it has been taken in. Raises StorageError."""
        return self._get(FeatureSetRecord, _feature_set_key(name, "FEATURES"))

    def feature_set_versions(self, name: str) -> list[FeatureSetRecord]:
        """Everything that the set has held, newest first. Raises StorageError."""
        return list(self._records(FeatureSetRecord, f"FEATURES#{name}", "VERSION#", newest_first=True))

    def take_turn(self, name: str, run_id: str, now: str, until: str) -> tuple[str, ...] | None:
        """Let a run be the only one that writes the feature set; None when it is another one's turn.

        A run may take its own turn again, and anybody one that has run out.

        Parameters
        ----------
        until
            when the turn runs out, in case that nobody ends it.

        Returns
        -------
        The versions that earlier turns began to write and did not finish.

        Raises
        ------
        StorageError
        """
        with translated(f"take the turn of feature set {name}"):
            try:
                answer = self._dynamodb.update_item(
                    TableName=self._table,
                    Key=pack(_feature_set_key(name, "TURN")),
                    UpdateExpression="SET holder = :run, #until = :until",
                    ConditionExpression="attribute_not_exists(holder) OR holder = :run OR #until < :now",
                    ExpressionAttributeNames={"#until": "until"},
                    ExpressionAttributeValues=pack({":run": run_id, ":now": now, ":until": until}),
                    ReturnValues="ALL_NEW",
                )
            except ClientError as error:
                if code(error) == CONDITION_FAILED:
                    return None
                raise
        return tuple(sorted(unpack(answer["Attributes"]).get("begun", ())))

    def begin_version(self, name: str, version: str) -> None:
        """Note that a version of the feature set is about to be written to the online table. Raises StorageError."""
        with translated(f"note a version of feature set {name}"):
            self._dynamodb.update_item(
                TableName=self._table,
                Key=pack(_feature_set_key(name, "TURN")),
                UpdateExpression="ADD begun :version",
                ExpressionAttributeValues={":version": {"SS": [version]}},
            )

    def publish_feature_set(self, record: FeatureSetRecord) -> None:
        """Make a version the current one and end the run's turn; once more changes nothing. Raises StorageError."""
        key = _feature_set_key(record.name, f"VERSION#{record.at}#{record.run_id}")
        listing = {"gsi1pk": "FEATURE_SETS", "gsi1sk": record.name}
        self._put(key, record)
        self._put(_feature_set_key(record.name, "FEATURES") | listing, record)
        self._end_turn(record.name, record.run_id, "REMOVE holder, #until, begun")

    def give_up_turn(self, name: str, run_id: str) -> None:
        """End the turn of a run that has failed, if it is its turn; what it began stays noted. Raises StorageError."""
        self._end_turn(name, run_id, "REMOVE holder, #until")

    def _end_turn(self, name: str, run_id: str, expression: str) -> None:
        with translated(f"end the turn of feature set {name}"), unless_it_fails():
            self._dynamodb.update_item(
                TableName=self._table,
                Key=pack(_feature_set_key(name, "TURN")),
                UpdateExpression=expression,
                ConditionExpression="holder = :run",
                ExpressionAttributeNames={"#until": "until"},
                ExpressionAttributeValues=pack({":run": run_id}),
            )

    # --- runs ----------------------------------------------------------------------------------

    def start_run(self, run: Run) -> bool:
        """Record a run, and its project when that is new. False when the run is known already. Raises StorageError."""
        self._put(
            {"pk": f"PROJECT#{run.project}", "sk": "PROJECT", "gsi1pk": "PROJECTS", "gsi1sk": run.project},
            {"name": run.project},
        )
        record = RunRecord(
            run_id=run.run_id,
            project=run.project,
            status="RUNNING",
            started_at=run.started_at,
            started_by=run.started_by,
            source=f"s3://{run.source.bucket}/{run.source.key}",
        )
        return self._put_new(_run_item(record), record)

    def set_status(self, run_id: str, status: Status) -> None:
        """Say what a run is doing, such as waiting for an approval. Raises NotFound, StorageError."""
        with translated(f"update run {run_id}"):
            try:
                self._dynamodb.update_item(
                    TableName=self._table,
                    Key=pack(_run_key(run_id)),
                    UpdateExpression="SET #status = :status",
                    ConditionExpression="attribute_exists(pk)",
                    ExpressionAttributeNames={"#status": "status"},
                    ExpressionAttributeValues=pack({":status": status}),
                )
            except ClientError as error:
                if code(error) == CONDITION_FAILED:
                    raise NotFound(f"there is no run {run_id!r}") from error
                raise

    def finish_run(self, document: RunDocument, key: str) -> RunRecord:
        """Record how a run ended, and return that; `key` is where its document lies. Raises StorageError."""
        record = RunRecord(
            run_id=document.run_id,
            project=document.project,
            status=document.status,
            started_at=document.started_at,
            started_by=document.started_by,
            source=document.source,
            reason=document.reason,
            stage=document.stage,
            document=key,
            task=document.task,
            target=document.target,
            dataset_version=document.dataset.version if document.dataset else None,
            model=document.model.name if document.model else None,
            version=document.model.version if document.model else None,
            metric=document.metric,
            value=document.holdout[document.metric].value if document.metric in document.holdout else None,
            usd=document.cost.usd if document.cost else None,
            seconds=document.seconds,
        )
        self._put(_run_item(record), record)
        return record

    def run(self, run_id: str) -> RunRecord:
        """One run. Raises NotFound, StorageError."""
        record = self._get(RunRecord, _run_key(run_id))
        if record is None:
            raise NotFound(f"there is no run {run_id!r}")
        return record

    def runs(self, project: str | None = None, limit: int = 50) -> list[RunRecord]:
        """The newest runs, newest first, of one project or of all. Raises StorageError."""
        projects = self.projects() if project is None else [project]
        listings = [self._listing(f"RUNS#{name}", newest_first=True, page=limit) for name in projects]
        newest = heapq.merge(*listings, key=lambda item: str(item["gsi1sk"]), reverse=True)
        return [from_json(RunRecord, item) for item in itertools.islice(newest, limit)]

    # --- models and versions -------------------------------------------------------------------

    def models(self) -> list[str]:
        """Names of the registered models, sorted. Raises StorageError."""
        return [item["name"] for item in self._listing("MODELS")]

    def create_version(
        self,
        model: str,
        run_id: str,
        *,
        onnx_sha256: str,
        dataset_version: str,
        task: Task,
        metric: str,
        value: float,
        at: str,
        actor: str,
    ) -> int:
        """Register what a run made as the model's next version, and return its number.

        A run has one version however often this is called, and concurrent runs get
        consecutive numbers: counter, version and audit event are one transaction on the
        condition that the counter has not moved.

        Raises
        ------
        ImmutableVersion
            the run has registered a version with another content before.
        StorageError
            the table did not answer, or others kept registering versions all the time.
        """
        for attempt in range(ATTEMPTS):
            registered = self._item(_version_of_run_key(model, run_id))
            if registered:
                return _same_content(registered, model, run_id, onnx_sha256)
            counter = self._item(_model_key(model))
            latest = int(counter["latest"]) if counter else None
            record = VersionRecord(
                model=model,
                version=(latest or 0) + 1,
                run_id=run_id,
                onnx_sha256=onnx_sha256,
                dataset_version=dataset_version,
                task=task,
                metric=metric,
                value=value,
                created_at=at,
                created_by=actor,
            )
            event = AuditEvent(model, "register", actor, at, f"run {run_id}", run_id=run_id, version=record.version)
            if self._transact(
                f"register version {record.version} of model {model}",
                self._count(model, latest),
                self._put_action(_version_key(model, record.version), record, new=True),
                self._put_action(
                    _version_of_run_key(model, run_id),
                    {"version": record.version, "onnx_sha256": onnx_sha256},
                    new=True,
                ),
                self._audit_action(event),
            ):
                return record.version
            self._sleep(backoff(run_id, attempt))
        raise StorageError(
            f"could not register run {run_id} as a version of model {model}: other runs register versions of it "
            "all the time; run the step again"
        )

    def version_of_run(self, model: str, run_id: str) -> int | None:
        """The version that a run has registered, or None. Raises StorageError."""
        registered = self._item(_version_of_run_key(model, run_id))
        return int(registered["version"]) if registered else None

    def version(self, model: str, number: int) -> VersionRecord:
        """One version of a model. Raises NotFound, StorageError."""
        record = self._get(VersionRecord, _version_key(model, number))
        if record is None:
            raise NotFound(f"model {model!r} has no version {number}")
        return record

    def versions(self, model: str) -> list[VersionRecord]:
        """All versions of a model, newest first. Raises NotFound when there is no such model, StorageError."""
        records = list(self._records(VersionRecord, f"MODEL#{model}", "VERSION#", newest_first=True))
        if not records:
            raise NotFound(f"there is no model {model!r}")
        return records

    # --- aliases -------------------------------------------------------------------------------

    def alias(self, model: str, alias: str) -> int | None:
        """The version that an alias points to, or None when it points nowhere. Raises StorageError."""
        record = self._get(AliasRecord, _alias_key(model, alias))
        return record.version if record else None

    def aliases(self, model: str) -> dict[str, int]:
        """All aliases of a model. Raises StorageError."""
        records = self._records(AliasRecord, f"MODEL#{model}", "ALIAS#")
        return {record.alias: record.version for record in records}

    def move_alias(
        self,
        model: str,
        alias: str,
        version: int,
        expected: int | None,
        actor: str,
        reason: str,
        at: str,
        action: Literal["deploy", "promote", "rollback"] = "deploy",
        run_id: str | None = None,
    ) -> None:
        """Point an alias to another version, with an audit event in the same transaction.

        Moving it to where it points already changes nothing, so a step may run twice.

        Parameters
        ----------
        expected
            the version that the caller believes the alias points to; None when to none.

        Raises
        ------
        AliasConflict
            the alias points somewhere else by now.
        NotFound
            the model has no such version.
        StorageError
            the table did not answer.
        """
        self.version(model, version)
        for attempt in range(ATTEMPTS):
            current = self._get(AliasRecord, _alias_key(model, alias))
            before = current.version if current else None
            if before == version:
                return
            if before != expected:
                raise _conflict(model, alias, expected, before)
            record = AliasRecord(model, alias, version, current.revision + 1 if current else 1, at, actor)
            event = AuditEvent(model, action, actor, at, reason, run_id, version, alias, before, record.revision)
            put = self._put_action(_alias_key(model, alias), record, new=current is None)
            if current:
                put["Put"] |= {
                    "ConditionExpression": "revision = :revision",
                    "ExpressionAttributeValues": pack({":revision": current.revision}),
                }
            if self._transact(f"move {alias} of model {model}", put, self._audit_action(event)):
                return
            self._sleep(backoff(f"{actor} {version}", attempt))
        raise StorageError(f"could not move {alias} of model {model}: others keep writing it; try again")

    def rollback_target(self, model: str, alias: str = CHAMPION) -> int:
        """The version that a rollback of the alias would bring back.

        The moves of an alias are a stack: a deployment or promotion puts a version on
        it, a rollback takes the top off. So one rollback undoes the last deployment, the
        next one the deployment before, and none brings back what was rolled back.

        Raises
        ------
        NotFound
            nothing was deployed before the version in service.
        """
        moves = [event for event in self.audit(model) if event.alias == alias and event.version is not None]
        stack: list[int] = []
        for event in sorted(moves, key=lambda event: event.revision or 0):
            if event.action == "rollback":
                stack.pop()
            elif event.version is not None:
                stack.append(event.version)
        if len(stack) < 2:
            raise NotFound(f"model {model!r} had no other {alias} before: there is nothing to roll back to")
        return stack[-2]

    def rollback(self, model: str, actor: str, reason: str, at: str, alias: str = CHAMPION) -> tuple[int, int]:
        """Point the alias to the version before; returns (version before, version now).

        Raises
        ------
        NotFound
            there is no such version.
        AliasConflict
            somebody moved the alias at the same moment.
        """
        current = self.alias(model, alias)
        if current is None:
            raise NotFound(f"model {model!r} has no {alias}: there is nothing to roll back")
        target = self.rollback_target(model, alias)
        self.move_alias(model, alias, target, current, actor, reason, at, action="rollback")
        return current, target

    # --- approvals -----------------------------------------------------------------------------

    def put_approval(self, run_id: str, model: str, version: int, token: str, at: str) -> None:
        """Record that a run waits for a person; a repeated request replaces the token. Raises StorageError."""
        record = ApprovalRecord(run_id, model, version, "PENDING", token, at)
        self._put(_approval_item(record), record)

    def approval(self, run_id: str) -> ApprovalRecord:
        """The approval of a run. Raises NotFound, StorageError."""
        record = self._get(ApprovalRecord, _approval_key(run_id))
        if record is None:
            raise NotFound(f"run {run_id!r} has not asked for an approval")
        return record

    def pending_approvals(self) -> list[ApprovalRecord]:
        """Approvals that wait for a person, oldest first. Raises StorageError."""
        return [from_json(ApprovalRecord, item) for item in self._listing("APPROVALS#PENDING")]

    def approvals_to_hand_on(self) -> list[ApprovalRecord]:
        """Decisions that their runs have not been told of, oldest request first. Raises StorageError."""
        return [from_json(ApprovalRecord, item) for item in self._listing(f"APPROVALS#{HAND_ON}")]

    def note_handed_on(self, run_id: str) -> ApprovalRecord:
        """Record that a run has been told what was decided; once more changes nothing.

        Raises NotFound, StorageError.
        """
        decided = dataclasses.replace(self.approval(run_id), handed_on=True)
        self._put(_approval_item(decided), decided)
        return decided

    def decide_approval(
        self, run_id: str, state: Literal["APPROVED", "REJECTED", "EXPIRED"], actor: str, reason: str, at: str
    ) -> ApprovalRecord:
        """Record a decision about a release, with an audit event in the same transaction.

        A run has to be told of its approval or rejection: `note_handed_on` says that it has been. The same person may
        say the same again; that changes nothing.

        Raises
        ------
        NotFound
            the run has not asked for an approval.
        ApprovalConflict
            the release was decided about before; the message says by whom and how.
        StorageError
            the table did not answer.
        """
        for attempt in range(ATTEMPTS):
            pending = self.approval(run_id)
            if (pending.state, pending.by) == (state, actor):
                return pending
            if pending.state != "PENDING":
                raise ApprovalConflict(f"run {run_id} is {pending.state} already, by {pending.by} at {pending.at}")
            decided = dataclasses.replace(
                pending, state=state, by=actor, at=at, reason=reason, handed_on=state == "EXPIRED"
            )
            event = AuditEvent(pending.model, VERBS[state], actor, at, reason, run_id, version=pending.version)
            put = self._put_action(_approval_item(decided), decided)
            put["Put"] |= {
                "ConditionExpression": "#state = :pending",
                "ExpressionAttributeNames": {"#state": "state"},
                "ExpressionAttributeValues": {":pending": {"S": "PENDING"}},
            }
            if self._transact(f"record the decision about run {run_id}", put, self._audit_action(event)):
                return decided
            self._sleep(backoff(run_id, attempt))
        raise StorageError(f"could not record the decision about run {run_id}: others keep writing it; try again")

    # --- the review queue ----------------------------------------------------------------------

    def open_review(self, capture: Capture) -> bool:
        """Put a recorded prediction into its model's review queue; False when it was there before, answered or not.

        Raises StorageError.
        """
        inputs = json.dumps(to_json(capture.inputs), ensure_ascii=False)
        prediction = json.dumps(to_json(capture.prediction), ensure_ascii=False)
        record = ReviewRecord(capture.model, capture.prediction_id, capture.version, capture.at, inputs, prediction)
        return self._put_new(_review_item(record), record)

    def reviews(self, model: str, state: ReviewState = "OPEN", limit: int = 50) -> list[ReviewRecord]:
        """A model's reviews in one state, those of the oldest predictions first. Raises StorageError."""
        found = itertools.islice(self._listing(f"REVIEWS#{state}#{model}", page=limit), limit)
        return [from_json(ReviewRecord, item) for item in found]

    def review(self, model: str, prediction_id: str) -> ReviewRecord:
        """One review. Raises NotFound, StorageError."""
        record = self._get(ReviewRecord, _review_key(model, prediction_id))
        if record is None:
            raise NotFound(f"no prediction {prediction_id!r} of model {model!r} is or was to be reviewed")
        return record

    def reviews_starting(self, model: str, start: str) -> list[ReviewRecord]:
        """A model's reviews, open or answered, whose prediction ids begin like this. Raises StorageError."""
        key = _review_key(model, start)
        return list(self._records(ReviewRecord, key["pk"], key["sk"]))

    def answer_review(self, model: str, prediction_id: str, actual: str, actor: str, at: str) -> ReviewRecord:
        """Record what was true of a reviewed prediction; a later answer replaces an earlier one, in the audit log both
        are kept.

        Raises NotFound, StorageError.
        """
        answered = dataclasses.replace(
            self.review(model, prediction_id), state="ANSWERED", actual=actual, by=actor, answered_at=at
        )
        event = AuditEvent(model, "review", actor, at, f"{prediction_id} was {actual}", version=answered.version)
        if not self._transact(
            f"record the answer to prediction {prediction_id}",
            self._put_action(_review_item(answered), answered),
            self._audit_action(event),
        ):
            raise StorageError(f"could not record the answer to prediction {prediction_id}: try again")
        return answered

    # --- the table -----------------------------------------------------------------------------

    def _count(self, model: str, latest: int | None) -> dict[str, Any]:
        """Move the model's counter on, on the condition that it still stands at `latest`."""
        listing = {":name": model, ":models": "MODELS", ":next": (latest or 0) + 1}
        return {
            "Update": {
                "TableName": self._table,
                "Key": pack(_model_key(model)),
                "UpdateExpression": "SET latest = :next, #name = :name, gsi1pk = :models, gsi1sk = :name",
                "ConditionExpression": "attribute_not_exists(pk)" if latest is None else "latest = :latest",
                "ExpressionAttributeNames": {"#name": "name"},
                "ExpressionAttributeValues": pack(listing | {":latest": latest}),
            }
        }


# --- keys and values of items ------------------------------------------------------------------


def _run_key(run_id: str) -> Item:
    return {"pk": f"RUN#{run_id}", "sk": "RUN"}


def _run_item(record: RunRecord) -> Item:
    listing = {"gsi1pk": f"RUNS#{record.project}", "gsi1sk": f"{record.started_at}#{record.run_id}"}
    return _run_key(record.run_id) | listing


def _feature_set_key(name: str, record: str) -> Item:
    return {"pk": f"FEATURES#{name}", "sk": record}


def _approval_key(run_id: str) -> Item:
    return {"pk": f"RUN#{run_id}", "sk": "APPROVAL"}


def _approval_item(record: ApprovalRecord) -> Item:
    name = record.state if record.handed_on else HAND_ON
    listing = {"gsi1pk": f"APPROVALS#{name}", "gsi1sk": f"{record.requested_at}#{record.run_id}"}
    return _approval_key(record.run_id) | listing


def _review_key(model: str, prediction_id: str) -> Item:
    return {"pk": f"MODEL#{model}", "sk": f"REVIEW#{prediction_id}"}


def _review_item(record: ReviewRecord) -> Item:
    listing = {"gsi1pk": f"REVIEWS#{record.state}#{record.model}", "gsi1sk": f"{record.at}#{record.prediction_id}"}
    return _review_key(record.model, record.prediction_id) | listing


def _model_key(model: str) -> Item:
    return {"pk": f"MODEL#{model}", "sk": "MODEL"}


def _version_key(model: str, number: int) -> Item:
    return {"pk": f"MODEL#{model}", "sk": f"VERSION#{number:06d}"}


def _version_of_run_key(model: str, run_id: str) -> Item:
    return {"pk": f"MODEL#{model}", "sk": f"RUN#{run_id}"}


def _alias_key(model: str, alias: str) -> Item:
    return {"pk": f"MODEL#{model}", "sk": f"ALIAS#{alias}"}


def _conflict(model: str, alias: str, expected: int | None, actual: int | None) -> AliasConflict:
    def named(version: int | None) -> str:
        return "no version" if version is None else f"version {version}"

    return AliasConflict(
        f"{alias} of model {model!r} points to {named(actual)} by now, not to {named(expected)}: "
        "somebody else moved it; look at it again and repeat"
    )


def _same_content(registered: Item, model: str, run_id: str, onnx_sha256: str) -> int:
    version = int(registered["version"])
    if registered["onnx_sha256"] != onnx_sha256:
        raise ImmutableVersion(
            f"run {run_id} has registered another graph as version {version} of model {model!r} before: "
            "a version never changes; upload the table again to start a new run"
        )
    return version
