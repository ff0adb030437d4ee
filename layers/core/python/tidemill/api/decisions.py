"""The page behind a signed link: the run's report first, then yes or no, once."""

from __future__ import annotations

from typing import cast
from urllib.parse import parse_qs

from tidemill import keys
from tidemill.api.approvals import Say, vote
from tidemill.api.calls import Answer, Request
from tidemill.api.stack import Stack
from tidemill.aws import approvals, links
from tidemill.aws.approvals import Standing
from tidemill.aws.links import Link
from tidemill.aws.people import Person
from tidemill.errors import ApprovalConflict, ContractError
from tidemill.reports import decision_page
from tidemill.reports.decision_page import Asked, Before

HTML = "text/html; charset=utf-8"
#: A link's page is for one person, and its address is a secret.
PRIVATE = {"cache-control": "no-store", "referrer-policy": "no-referrer", "x-robots-tag": "noindex"}


def show(stack: Stack, request: Request) -> Answer:
    """`GET /decide/{token}`: what is asked; with `?report=1` the run's report, which the page shows in a frame.

    Raises NotAllowed, NotFound, ApprovalConflict, StorageError.
    """
    link = links.read(stack.bucket, stack.objects, request.path["token"], request.at)
    if "report" in request.query:
        return page(stack.objects.get(stack.bucket, keys.run_report(link.run_id)).decode())
    if (stuck := to_hand_on(stack, link)) is not None:
        return page(decision_page.decided(before(stuck)))
    refuse_used(stack, link)
    return page(decision_page.question(asked(stack, link)))


def decide(stack: Stack, request: Request) -> Answer:
    """`POST /decide/{token}`: the form of the page. Raises as `show` does, and ContractError."""
    link = links.read(stack.bucket, stack.objects, request.path["token"], request.at)
    decision, reason = form(request)
    if decision == "reject" and not reason.strip():
        refuse_used(stack, link)
        problem = "A refusal needs a reason: whoever trained the model must know what to do about it."
        return page(decision_page.question(asked(stack, link), problem), 400)
    with stack.used_links.once(link, request.at, request.id):
        standing = vote(stack, link.run_id, Person(link.person), decision, reason, request.at, "link")
    if standing.again:
        return page(decision_page.handed_on(before(standing)))
    return page(decision_page.thanks(decision, standing.approval.model, standing.approval.version, standing.missing))


def failed(status: int, message: str) -> Answer:
    """An error for people."""
    return page(decision_page.failed(message, passing=status >= 500), status)


def page(html: str, status: int = 200) -> Answer:
    """A page that is kept nowhere."""
    return Answer(html, status, HTML, PRIVATE)


def refuse_used(stack: Stack, link: Link) -> None:
    """Raises ApprovalConflict when the link has been used or the release been decided about, NotFound, StorageError."""
    if used_at := stack.used_links.used_at(link):
        raise ApprovalConflict(f"this link has been used, at {used_at}: each decides once")
    standing = _standing(stack, link)
    if standing.approval.state != "PENDING":
        by, at = standing.approval.by, standing.approval.at
        raise ApprovalConflict(f"this release is {standing.approval.state.lower()} already, by {by} at {at}")


def to_hand_on(stack: Stack, link: Link) -> Standing | None:
    """The decision about the link's run, when the run has not been told of it. Raises NotFound, StorageError."""
    standing = _standing(stack, link)
    waits = not standing.approval.handed_on and stack.releases.registry.run(link.run_id).document is None
    return standing if waits else None


def before(standing: Standing) -> Before:
    """What was decided, by whom and when."""
    approval = standing.approval
    return Before(approvals.DECISIONS[approval.state], approval.model, approval.version, approval.by, approval.at)


def asked(stack: Stack, link: Link) -> Asked:
    """What the page asks. Raises NotFound, StorageError."""
    standing = _standing(stack, link)
    model, number = standing.approval.model, standing.approval.version
    version = stack.releases.registry.version(model, number)
    return Asked(
        model=model,
        version=number,
        champion=stack.releases.registry.alias(model, "champion"),
        run_id=link.run_id,
        person=link.person,
        until=min(filter(None, (link.until, standing.ends_at))),
        metric=version.metric,
        value=version.value,
        created_by=version.created_by,
        votes=standing.votes,
        missing=standing.missing,
        rollout=stack.spec_of(keys.run_spec(link.run_id)).rollout,
        has_report=stack.objects.exists(stack.bucket, keys.run_report(link.run_id)),
    )


def form(request: Request) -> tuple[Say, str]:
    """Decision and reason of a sent form. Raises ContractError."""
    fields = parse_qs(request.body.decode(errors="replace"), max_num_fields=20)
    decision, reason = fields.get("decision", [""])[0], fields.get("reason", [""])[0]
    if decision not in ("approve", "reject"):
        raise ContractError("decision must be approve or reject: go back to the page and press one of its buttons")
    return cast(Say, decision), reason


def _standing(stack: Stack, link: Link) -> Standing:
    return approvals.standing(stack.releases.registry, stack.releases.records, link.run_id)
