"""How a training run ends, whatever has happened in it: document, cost, report, quarantine, event, notification."""

from __future__ import annotations

from datetime import datetime

from tidemill.aws.conclusion import Conclusion
from tidemill.contracts import Run, RunArtifacts, RunDocument, instant
from tidemill.release_contracts import RolloutRequest
from tidemill.reports import run_report, summary
from tidemill.rules import outcomes
from tidemill.rules.outcomes import Outcome
from tidemill.stages import run_documents


def conclude(run: Run, ended: Outcome, execution: str, api_url: str, conclusion: Conclusion, now: datetime) -> None:
    """End a training run. It is recorded before anything is told, so that it is never lost.

    Raises NotFound, TrafficConflict, StorageError.
    """
    at = instant(now)
    document, found = run_documents.document(run, ended, execution, _endpoint(api_url, run.project), conclusion, now)
    conclusion.record(document)
    if ended.status == "REFUSED_DATA":
        conclusion.quarantine(run, ended.reason, at)
    if ended.stage == outcomes.APPROVAL:
        conclusion.close_approval(run, at)
    if ended.stage in outcomes.BEGINS_ROLLOUT:
        conclusion.end_rollout(run, ended.reason, at)
    _tell(document, found, conclusion)


def conclude_rollout(request: RolloutRequest, ended: Outcome, api_url: str, conclusion: Conclusion) -> None:
    """End the training run whose version has been let in or taken back; a promotion by hand has no such run.

    Raises StorageError.
    """
    before = conclusion.rolling_out(request.run_id)
    if before is None:
        return
    document = outcomes.after_rollout(before, ended, _endpoint(api_url, request.model))
    found = conclusion.collect(outcomes.run_of(document))
    conclusion.enter(document)
    _tell(document, found, conclusion)
    conclusion.record(document)  # last: as long as the document says ROLLING_OUT, the next try does all of this again


def _endpoint(api_url: str, model: str) -> str:
    return f"{api_url}/v1/models/{model}:predict"


def _tell(document: RunDocument, found: RunArtifacts, conclusion: Conclusion) -> None:
    html = run_report.render(document, found)
    subject, message = summary.headline(document, found.evaluation), summary.text(document, found.evaluation)
    conclusion.publish(document, html, subject, message)
