"""How a run ended, in one word and one sentence."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from datetime import datetime

from tidemill import errors, keys
from tidemill.contracts import (
    CandidateResult,
    Cost,
    Failure,
    ModelRef,
    Run,
    RunArtifacts,
    RunDocument,
    Source,
    Status,
)
from tidemill.spec import LOWER_IS_BETTER

#: Errors that are an answer to what was uploaded; any other one is a failure.
REFUSALS: dict[str, Status] = {
    errors.DataRefused.__name__: "REFUSED_DATA",
    errors.GateRefused.__name__: "REFUSED_BY_GATE",
    errors.ApprovalRejected.__name__: "REFUSED_BY_GATE",
    errors.PromotionFrozen.__name__: "REFUSED_BY_GATE",
    errors.RolloutConflict.__name__: "REFUSED_BY_GATE",
    errors.TrafficConflict.__name__: "REFUSED_BY_GATE",
    errors.RolledBack.__name__: "ROLLED_BACK",
}
#: Error names of a stage that took too long: the state's limit, the function's limit.
TIMEOUTS = frozenset({"States.Timeout", "Sandbox.Timedout"})
#: Error names of a function whose process ended on its own; running out of memory is the usual reason.
KILLED = frozenset({"Runtime.ExitError", "Runtime.OutOfMemory"})
APPROVAL = "approve"
#: Stages that may leave a rollout on record when they fail.
BEGINS_ROLLOUT = frozenset({"deploy", "rollout"})
#: What a run's version is, when it answers calls.
ALIASES: dict[Status, str] = {"LIVE": "champion", "ROLLING_OUT": "challenger"}


@dataclass(frozen=True)
class Outcome:
    """The end of a run."""

    status: Status
    reason: str  #: one sentence
    stage: str | None = None  #: the stage that ended it, when it did not go live


def outcome(failure: Failure | None, rolling_out: bool = False) -> Outcome:
    """The end of a run from what the state machine caught; None when every stage went well.

    `rolling_out` says that its version is let in step by step from now on: another end follows that of the rollout.

    The sentence of an error that Tidemill raises on purpose is that error's own. Any other
    error keeps its type and message. A Cause that is Lambda's JSON is taken apart, any
    other text is taken as it is.
    """
    if failure is None and rolling_out:
        return Outcome("ROLLING_OUT", "every gate passed, and the version is being let in step by step")
    if failure is None:
        return Outcome("LIVE", "every gate passed and the model is in service")
    if failure.error in TIMEOUTS and failure.stage == APPROVAL:
        return Outcome("REFUSED_BY_GATE", "nobody approved the release within its time limit", failure.stage)
    return Outcome(REFUSALS.get(failure.error, "FAILED"), _sentence(failure), failure.stage)


def _sentence(failure: Failure) -> str:
    message = _message(failure.cause)
    if failure.error in TIMEOUTS:
        return f"the {failure.stage} stage did not finish within its time limit"
    if failure.error in KILLED:
        return (
            f"the {failure.stage} stage was ended by the platform, most likely because it ran out of memory: {message}"
        )
    known = getattr(errors, failure.error, None)
    if isinstance(known, type) and issubclass(known, errors.TidemillError):
        return message or f"the {failure.stage} stage ended with {failure.error}"
    return f"the {failure.stage} stage failed: {failure.error}: {message}".rstrip(": ")


def _message(cause: str) -> str:
    try:
        document = json.loads(cause)
    except ValueError:
        return cause.strip()
    if isinstance(document, dict) and "errorMessage" in document:
        return str(document["errorMessage"]).strip()
    return cause.strip()


def document(
    run: Run, ended: Outcome, artifacts: RunArtifacts, now: datetime, *, endpoint: str, report: str, cost: Cost | None
) -> RunDocument:
    """The run's document from whatever its stages have left; what is missing stays empty.

    Parameters
    ----------
    endpoint
        where the project's champion is asked for predictions.
    report
        where the report lies.
    """
    evaluation = artifacts.evaluation
    described = evaluation or artifacts.profile
    version = artifacts.version
    return RunDocument(
        run_id=run.run_id,
        status=ended.status,
        reason=ended.reason,
        project=run.project,
        task=described.task if described else None,
        target=described.target if described else None,
        dataset=artifacts.dataset,
        checks=artifacts.checks,
        candidates=leaderboard(artifacts.candidates, evaluation.metric if evaluation else None),
        metric=evaluation.metric if evaluation else None,
        holdout=evaluation.holdout if evaluation else {},
        model=ModelRef(run.project, version, ALIASES.get(ended.status)) if version is not None else None,
        endpoint=endpoint if ended.status in ALIASES else None,
        report=report,
        cost=cost,
        seconds=(now - datetime.fromisoformat(run.started_at)).total_seconds(),
        stage=ended.stage,
        started_at=run.started_at,
        started_by=run.started_by,
        source=f"s3://{run.source.bucket}/{run.source.key}",
    )


def after_rollout(before: RunDocument, ended: Outcome, endpoint: str) -> RunDocument:
    """The document of a run whose rollout has ended.

    Parameters
    ----------
    before
        as it was when the rollout began; time and cost stay those of the training.
    endpoint
        where the project's champion is asked for predictions.
    """
    alias = ALIASES.get(ended.status)
    return dataclasses.replace(
        before,
        status=ended.status,
        reason=ended.reason,
        stage=ended.stage,
        model=dataclasses.replace(before.model, alias=alias) if before.model else None,
        endpoint=endpoint if alias else None,
    )


def run_of(document: RunDocument) -> Run:
    """The run that a document is about, as far as the document tells."""
    bucket, _, key = document.source.removeprefix("s3://").partition("/")
    source = Source(bucket, key, version_id="", etag="", size=0)
    retraining = keys.retraining_of(key.rpartition("/")[2])
    return Run(document.run_id, document.project, source, document.started_at, document.started_by, retraining)


def leaderboard(candidates: tuple[CandidateResult, ...], metric: str | None) -> tuple[CandidateResult, ...]:
    """Candidates with the best cross-validated mean first, those that could not be fitted last.

    Those of a later round come before those that left the search, since they were judged on more rows.

    Parameters
    ----------
    metric
        the metric that decides; None leaves the order as it is.
    """

    def place(candidate: CandidateResult) -> tuple[bool, int, float]:
        spread = candidate.cv.get(metric or "")
        if spread is None:
            return True, 0, 0.0
        return False, -candidate.round, spread.mean if metric in LOWER_IS_BETTER else -spread.mean

    return tuple(sorted(candidates, key=place))
