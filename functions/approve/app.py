"""Show people what a run has made and ask them to release it; the state machine waits for this task's token."""

import dataclasses
import functools
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from aws_lambda_powertools import Logger

from tidemill import keys, permissions, settings, spec
from tidemill.aws import approvals, clients, links
from tidemill.aws.conclusion import RunPapers
from tidemill.aws.events import Topic
from tidemill.aws.release_records import ApprovalTerms, ReleaseRecords
from tidemill.contracts import Registered, Run, RunArtifacts, RunDocument, from_json, instant
from tidemill.reports import invitation, run_report
from tidemill.rules import outcomes, prices

logger = Logger(service="approve")


@dataclass(frozen=True)
class Desk:
    """What asking needs."""

    papers: RunPapers
    records: ReleaseRecords
    topic: Topic
    api_url: str


def ask(run: Run, registered: Registered, token: str, execution: str, desk: Desk, now: datetime) -> None:
    """Keep the token where the answer finds it, show the report, tell people; once more reminds them."""
    desk.papers.registry.version(registered.model, registered.version)
    document, found = show(run, execution, desk, now)
    terms = terms_of(run, registered, token, desk, now)
    standing = approvals.ask(
        desk.papers.registry, desk.records, desk.papers.executions, terms, registered.model, registered.version
    )
    if standing.approval.state != "PENDING":
        return
    desk.papers.registry.set_status(run.run_id, "WAITING_FOR_APPROVAL")
    said = functools.partial(
        invitation.message, document, found.evaluation, standing.missing, terms.people, terms.ends_at
    )
    link = functools.partial(links.make, desk.papers.bucket, desk.papers.objects, run.run_id)
    sign = functools.partial(link, until=terms.ends_at, api_url=desk.api_url, draw=os.urandom)
    subject, open_to_all = invitation.subject(document, terms.times), permissions.anybody(run.started_by, terms.people)
    desk.topic.notify(subject, said(sign(person=permissions.READER) if open_to_all else ""))
    for person in set(permissions.single(terms.people)) - {run.started_by, *(vote.person for vote in standing.votes)}:
        desk.topic.notify(subject, said(sign(person=person)), person)


def show(run: Run, execution: str, desk: Desk, now: datetime) -> tuple[RunDocument, RunArtifacts]:
    """Write the run's document and report as far as they go, for whoever decides."""
    found = desk.papers.collect(run)
    usage = desk.papers.usage(execution, now)
    report = f"s3://{desk.papers.bucket}/{keys.run_report(run.run_id)}"
    waiting = outcomes.Outcome("WAITING_FOR_APPROVAL", "every gate passed; people have to decide")
    cost = prices.cost(usage) if usage else None
    document = outcomes.document(run, waiting, found, now, endpoint="", report=report, cost=cost)
    desk.papers.show(document, run_report.render(document, found))
    return document, found


def terms_of(run: Run, registered: Registered, token: str, desk: Desk, now: datetime) -> ApprovalTerms:
    """What was asked for before, with the new token; the first time, what the run's spec says."""
    if before := desk.records.terms(run.run_id):
        return dataclasses.replace(before, token=token, times=before.times + (token != before.token))
    asked = spec.parse(json.loads(desk.papers.objects.get(desk.papers.bucket, keys.run_spec(run.run_id)))).approval
    until = now + timedelta(hours=registered.approval_hours or 0.0)
    return ApprovalTerms(run.run_id, run.started_by, asked.approvers, asked.people, token, instant(now), instant(until))


@functools.cache
def connection(config: settings.ApproveSettings) -> Desk:
    """Everything that asking needs, connected once in a process."""
    papers = RunPapers.of_stack(config.artifact_bucket, config.table, logger.warning)
    records = ReleaseRecords(clients.dynamodb(), config.table)
    return Desk(papers, records, Topic(clients.sns(), config.topic), config.api_url)


def handler(event: dict[str, Any], _context: object) -> None:
    """{"run": Run, "registered": Registered, "token": text, "execution": ARN} -> nothing. Raises NotFound,
    StorageError."""
    run, registered = from_json(Run, event["run"]), from_json(Registered, event["registered"])
    logger.append_keys(run_id=run.run_id)
    ask(
        run,
        registered,
        event["token"],
        event["execution"],
        connection(settings.load(settings.ApproveSettings)),
        datetime.now(UTC),
    )
    logger.info("asked for approval", model=registered.model, version=registered.version)
