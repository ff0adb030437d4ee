"""Asking people to release what a run has made: they get its report, and those who are named a link of their own."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from tidemill import keys, permissions, spec
from tidemill.aws import approvals, links
from tidemill.aws.conclusion import RunPapers
from tidemill.aws.events import Topic
from tidemill.aws.release_records import ApprovalTerms, ReleaseRecords
from tidemill.contracts import Registered, Run, RunArtifacts, RunDocument, instant
from tidemill.reports import invitation, run_report
from tidemill.rules.outcomes import Outcome
from tidemill.stages import run_documents


@dataclass(frozen=True)
class Desk:
    """What asking needs.

    Parameters
    ----------
    api_url
        where the links lead to.
    draw
        gives as many random bytes.
    """

    papers: RunPapers
    records: ReleaseRecords
    topic: Topic
    api_url: str
    draw: Callable[[int], bytes]


def ask(run: Run, registered: Registered, token: str, execution: str, desk: Desk, now: datetime) -> None:
    """Keep the token where the answer finds it, show the report, tell people; once more reminds them.

    Raises
    ------
    NotFound
        there is no such version.
    SpecError, StorageError
    """
    desk.papers.registry.version(registered.model, registered.version)
    document, found = _show(run, execution, desk, now)
    terms = _terms(run, registered, token, desk, now)
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
    sign = functools.partial(link, until=terms.ends_at, api_url=desk.api_url, draw=desk.draw)
    subject, open_to_all = invitation.subject(document, terms.times), permissions.anybody(run.started_by, terms.people)
    desk.topic.notify(subject, said(sign(person=permissions.READER) if open_to_all else ""))
    for person in set(permissions.single(terms.people)) - {run.started_by, *(vote.person for vote in standing.votes)}:
        desk.topic.notify(subject, said(sign(person=person)), person)


def _show(run: Run, execution: str, desk: Desk, now: datetime) -> tuple[RunDocument, RunArtifacts]:
    """Write the run's document and report as far as they go, for whoever decides."""
    waiting = Outcome("WAITING_FOR_APPROVAL", "every gate passed; people have to decide")
    document, found = run_documents.document(run, waiting, execution, "", desk.papers, now)
    desk.papers.show(document, run_report.render(document, found))
    return document, found


def _terms(run: Run, registered: Registered, token: str, desk: Desk, now: datetime) -> ApprovalTerms:
    """What was asked for before, with the new token; the first time, what the run's spec says."""
    if before := desk.records.terms(run.run_id):
        return dataclasses.replace(before, token=token, times=before.times + (token != before.token))
    asked = spec.parse(json.loads(desk.papers.objects.get(desk.papers.bucket, keys.run_spec(run.run_id)))).approval
    until = now + timedelta(hours=registered.approval_hours or 0.0)
    return ApprovalTerms(run.run_id, run.started_by, asked.approvers, asked.people, token, instant(now), instant(until))
