"""Say how a run ended, whatever has happened in it: document, cost, report, quarantine, event, notification."""

import functools
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger

from tidemill import keys, settings
from tidemill.aws.conclusion import Conclusion
from tidemill.contracts import Concluded, Failure, FeatureSetRun, Run, ScoringRun, from_json, instant, to_json
from tidemill.release_contracts import RolloutRequest
from tidemill.reports import run_report, summary
from tidemill.rules import outcomes, prices
from tidemill.rules.outcomes import Outcome
from tidemill.settings import ConcludeSettings

logger = Logger(service="conclude")
#: What may be concluded, by its name in the event.
KINDS: dict[str, Any] = {"run": Run, "rollout": RolloutRequest, "scoring": ScoringRun, "features": FeatureSetRun}


def conclude(run: Run, ended: Outcome, execution: str, api_url: str, conclusion: Conclusion, now: datetime) -> None:
    """End a training run. It is recorded before anything is told, so that it is never lost."""
    found, at = conclusion.collect(run), instant(now)
    endpoint = f"{api_url}/v1/models/{run.project}:predict"
    report = f"s3://{conclusion.bucket}/{keys.run_report(run.run_id)}"
    usage = conclusion.usage(execution, now)
    cost = prices.cost(usage) if usage else None
    document = outcomes.document(run, ended, found, now, endpoint=endpoint, report=report, cost=cost)
    conclusion.record(document)
    if ended.status == "REFUSED_DATA":
        conclusion.quarantine(run, ended.reason, at)
    if ended.stage == outcomes.APPROVAL:
        conclusion.close_approval(run, at)
    if ended.stage in outcomes.BEGINS_ROLLOUT:
        conclusion.end_rollout(run, ended.reason, at)
    html = run_report.render(document, found)
    subject, message = summary.headline(document, found.evaluation), summary.text(document, found.evaluation)
    conclusion.publish(document, html, subject, message)


def conclude_rollout(request: RolloutRequest, ended: Outcome, api_url: str, conclusion: Conclusion) -> None:
    """End the training run whose version has been let in or taken back; a promotion by hand has no such run."""
    before = conclusion.rolling_out(request.run_id)
    if before is None:
        return
    document = outcomes.after_rollout(before, ended, f"{api_url}/v1/models/{request.model}:predict")
    found = conclusion.collect(outcomes.run_of(document))
    conclusion.enter(document)
    html = run_report.render(document, found)
    subject, message = summary.headline(document, found.evaluation), summary.text(document, found.evaluation)
    conclusion.publish(document, html, subject, message)
    conclusion.record(document)  # last: as long as the document says ROLLING_OUT, the next try does all of this again


@functools.cache
def connection(config: ConcludeSettings) -> Conclusion:
    """Everything that a conclusion needs, connected once in a process."""
    return Conclusion.connect(config.artifact_bucket, config.table, config.event_bus, config.topic, logger.warning)


def handler(event: dict[str, Any], _context: object) -> Any:
    """{"run": Run, "failure": Failure or null, "rolling_out": bool, "execution": ARN}, {"rollout": RolloutRequest,
    "failure": Failure or null}, {"scoring": ScoringRun, "failure": Failure} or {"features": FeatureSetRun, "failure":
    Failure} -> Concluded. Raises StorageError."""
    config, now = settings.load(ConcludeSettings), datetime.now(UTC)
    failure = from_json(Failure, event["failure"]) if event.get("failure") else None
    ended = outcomes.outcome(failure, event.get("rolling_out", False))
    name, kind = next(item for item in KINDS.items() if item[0] in event)
    run: Run | RolloutRequest | ScoringRun | FeatureSetRun = from_json(kind, event[name])
    logger.append_keys(run_id=run.run_id)
    if isinstance(run, Run):
        conclude(run, ended, event["execution"], config.api_url, connection(config), now)
    elif isinstance(run, RolloutRequest):
        conclude_rollout(run, ended, config.api_url, connection(config))
    else:
        connection(config).refuse(run, ended.reason, ended.status == "REFUSED_DATA", instant(now))
    logger.info("concluded", status=ended.status, reason=ended.reason, stage=ended.stage)
    return to_json(Concluded(run.run_id, ended.status, ended.reason))
