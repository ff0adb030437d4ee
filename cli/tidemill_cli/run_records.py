"""Finding a run by what a person types, and reading what it has made so far."""

from __future__ import annotations

import dataclasses
import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from tidemill import keys
from tidemill.contracts import CandidateResult, Check, Evaluation, ModelRef, RunDocument, Status
from tidemill.errors import ContractError, NotFound
from tidemill_cli.session import Session

if TYPE_CHECKING:
    from tidemill.aws.executions import Execution
    from tidemill.aws.registry import RunRecord

T = TypeVar("T")

RUN_ID = re.compile(r"[0-9a-f]{32}")
#: What the registry says of a run that has not been concluded.
UNDER_WAY = frozenset({"RUNNING", "WAITING_FOR_APPROVAL"})
#: How many of the newest runs an abbreviated id is looked for in.
SEARCHED = 10_000


@dataclass(frozen=True)
class RunView:
    """A run with its details. Of a run that goes on, `document` holds what is known by now."""

    document: RunDocument
    evaluation: Evaluation | None


def find(session: Session, text: str | None) -> RunRecord:
    """The run with this id, or the one whose id begins like this, or the newest one.

    Raises
    ------
    NotFound
        there is no such run, or several begin like this.
    """
    if text is None:
        newest = session.registry.runs(limit=1)
        if not newest:
            raise NotFound("there is no run yet: `tidemill train FILE --project NAME` starts one")
        return newest[0]
    text = text.lower()
    if RUN_ID.fullmatch(text):
        return session.registry.run(text)
    found = [record for record in session.registry.runs(limit=SEARCHED) if record.run_id.startswith(text)]
    if not found:
        raise NotFound(f"there is no run whose id begins with {text!r}: `tidemill runs` lists them")
    if len(found) > 1:
        some = ", ".join(record.run_id[:12] for record in found[:4])
        raise NotFound(f"{len(found)} runs begin with {text!r} ({some}, ...): give more characters")
    return found[0]


def current(session: Session, record: RunRecord) -> RunRecord:
    """The record as it is: FAILED when the run is under way for the registry, but its execution has ended; LIVE when
    its version is in service, however the run had ended.

    An execution that was stopped, or that went down with the emulator, concludes nothing, and the registry is not told.
    Nor is it told that a version is put in service by hand.
    """
    from tidemill.aws import executions

    if record.document is not None:
        return _served(session, record)
    if record.status not in UNDER_WAY:
        return record
    try:
        execution = session.executions.describe(executions.arn(session.output("TrainingStateMachine"), record.run_id))
    except NotFound:  # registered, and about to be started
        return record
    if execution.status == "RUNNING":
        return record
    record = session.registry.run(record.run_id)  # it may have been concluded since it was read
    if record.document is not None:
        return record
    return dataclasses.replace(record, status="FAILED", reason=unconcluded(record.run_id, execution))


def _served(session: Session, record: RunRecord) -> RunRecord:
    """The record of a run that has ended, LIVE when its version is the champion."""
    if record.model is None or record.version is None or record.status == "LIVE":
        return record
    if session.registry.alias(record.model, "champion") != record.version:
        return record
    reason = f"its version is in service; the run had ended as {record.status}: {record.reason}"
    return dataclasses.replace(record, status="LIVE", reason=reason, stage=None)


def unconcluded(run_id: str, execution: Execution) -> str:
    """What is said of a run whose execution ended without concluding it."""
    cause = f"{execution.error}: {execution.cause}" if execution.error else "no cause is known"
    return (
        f"run {run_id} ended as {execution.status} without being concluded ({cause}): "
        f"look at `tidemill logs {run_id[:8]}`"
    )


def read(session: Session, record: RunRecord) -> RunView:
    """The run's document and evaluation, or what there is of them."""
    record = current(session, record)
    objects, bucket, run_id = session.objects, session.artifact_bucket, record.run_id
    evaluation = _made(session, Evaluation, keys.run_evaluation(run_id))
    if record.document is not None:
        return RunView(_as_it_is(objects.get_contract(RunDocument, bucket, record.document), record), evaluation)
    folder = posixpath.dirname(keys.run_candidate(run_id, "any")) + "/"
    candidates = [objects.get_contract(CandidateResult, bucket, head.key) for head in objects.list(bucket, folder)]
    waiting = record.status == "WAITING_FOR_APPROVAL"
    document = dataclasses.replace(
        bare(run_id, record.status, record.reason, record.project, record.source),
        reason=f"a person has to decide: tidemill approve {run_id[:8]}" if waiting else record.reason,
        dataset=session.registry.dataset_of_run(record.project, run_id),
        checks=_made(session, tuple[Check, ...], keys.run_checks(run_id)) or (),
        candidates=tuple(candidates),
        started_at=record.started_at,
        started_by=record.started_by,
    )
    if evaluation is not None:
        document = dataclasses.replace(
            document,
            task=evaluation.task,
            target=evaluation.target,
            metric=evaluation.metric,
            holdout=evaluation.holdout,
        )
    if waiting:
        approval = session.registry.approval(run_id)
        document = dataclasses.replace(document, model=ModelRef(approval.model, approval.version, None))
    return RunView(document, evaluation)


def _as_it_is(document: RunDocument, record: RunRecord) -> RunDocument:
    """The document of a run that has ended, with what has become of its version since."""
    if document.status == record.status or document.model is None:
        return document
    model = dataclasses.replace(document.model, alias="champion" if record.status == "LIVE" else document.model.alias)
    return dataclasses.replace(document, status=record.status, reason=record.reason, stage=record.stage, model=model)


def _made(session: Session, cls: type[T], key: str) -> T | None:
    """What a stage has written, or None when it has not, or nothing that can be read."""
    try:
        return session.objects.get_contract(cls, session.artifact_bucket, key)
    except (NotFound, ContractError):
        return None


def bare(run_id: str, status: Status, reason: str, project: str, source: str) -> RunDocument:
    """The document of a run of which nothing else is known."""
    return RunDocument(
        run_id=run_id,
        status=status,
        reason=reason,
        project=project,
        task=None,
        target=None,
        dataset=None,
        checks=(),
        candidates=(),
        metric=None,
        holdout={},
        model=None,
        endpoint=None,
        report=None,
        cost=None,
        seconds=0.0,
        source=source,
    )
