"""Releases that wait for people: what waits, and what the owner of an API key says about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from tidemill.api.calls import Answer, Request, body_of, document
from tidemill.api.stack import Stack
from tidemill.aws import approvals
from tidemill.aws.approvals import Standing, Through
from tidemill.aws.people import Person
from tidemill.contracts import to_json

Say = Literal["approve", "reject"]


@dataclass(frozen=True)
class Decide:
    """Body of `POST /approvals/{run}`."""

    decision: Say
    reason: str = ""


def waiting(stack: Stack, _request: Request) -> Answer:
    """`GET /approvals`: what waits for people, oldest first; then what is decided and has not reached its run."""
    found = approvals.waiting(stack.releases.registry, stack.releases.records)
    return document({"approvals": [told(one) for one in found]})


def one(stack: Stack, request: Request) -> Answer:
    """`GET /approvals/{run}`: how far the decision about a run's release has come."""
    return document(told(approvals.standing(stack.releases.registry, stack.releases.records, request.path["run"])))


def decide(stack: Stack, request: Request) -> Answer:
    """`POST /approvals/{run}`: say yes or no to a release."""
    person, asked = stack.person(request), body_of(Decide, request)
    return document(told(vote(stack, request.path["run"], person, asked.decision, asked.reason, request.at, "api")))


def vote(stack: Stack, run_id: str, person: Person, decision: Say, reason: str, at: str, through: Through) -> Standing:
    """Record what a person says. Raises as `aws.approvals.approve` does."""
    say = approvals.approve if decision == "approve" else approvals.reject
    releases = stack.releases
    return say(releases.registry, releases.records, releases.executions, run_id, person, reason, at, through)


def told(standing: Standing) -> dict[str, Any]:
    """What may be told of a decision: everything but the run's task token."""
    approval: dict[str, Any] = to_json(standing.approval)
    del approval["token"]
    return approval | {
        "needed": standing.needed,
        "missing": standing.missing,
        "ends_at": standing.ends_at,
        "again": standing.again,
        "votes": to_json(standing.votes),
    }
