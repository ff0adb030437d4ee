"""Asking people, what they may say, and what becomes of it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import pytest

from tidemill import keys
from tidemill.aws import approvals, clients, links
from tidemill.aws.objects import Objects
from tidemill.aws.people import Person
from tidemill.aws.registry import Registry
from tidemill.aws.release_records import ReleaseRecords
from tidemill.contracts import Registered, Run, RunDocument, to_json
from tidemill.errors import ApprovalConflict, ContractError, NotAllowed, NotFound, StorageError

from .conftest import OneAtATime

ARTIFACTS = "tidemill-artifacts"
#: Before the time to decide is up, which is counted from now.
AT = "2026-03-04T06:00:00Z"
BOB, EVE, ADA = Person("bob"), Person("eve"), Person("arn:aws:iam::1:user/ada", ("AWS:AIDAEXAMPLE",))
EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:training:none"


@pytest.fixture
def records(table: str) -> ReleaseRecords:
    client: Any = OneAtATime(clients.dynamodb())
    return ReleaseRecords(client, table, sleep=lambda _: None)


@pytest.fixture
def waiting(
    stage: Callable[..., ModuleType], trained: Run, objects: Objects, registry: Registry, topic: str
) -> Callable[..., None]:
    """Runs the approve stage with a task token, after the register stage; the spec's `approval` is given."""
    environment = {
        "artifact_bucket": ARTIFACTS,
        "table": "tidemill",
        "topic": topic,
        "api_url": "https://api.test/v1",
    }

    def ask(token: str, started_by: str = trained.started_by, **approval: Any) -> None:
        run = dataclasses.replace(trained, started_by=started_by)
        declared = {"approval": {"mode": "manual"} | approval}
        objects.put(ARTIFACTS, keys.run_spec(trained.run_id), json.dumps(declared).encode())
        registered = stage("register", **environment).handler({"run": to_json(trained)}, None)
        event = {"run": to_json(run), "registered": registered, "token": token, "execution": EXECUTION}
        stage("approve", **environment).handler(event, None)

    return ask


class Tasks:
    """Tasks of a state machine that wait for their tokens; the others have timed out."""

    def __init__(self, *waiting: str) -> None:
        self.waiting = set(waiting)
        self.answers: list[Any] = []

    def succeed(self, token: str, output: Any) -> None:
        self._answer(token, "succeed", output)

    def fail(self, token: str, error: str, cause: str) -> None:
        self._answer(token, "fail", error, cause)

    def _answer(self, token: str, *answer: Any) -> None:
        if token not in self.waiting:
            raise NotFound("the run no longer waits for an answer")
        self.answers.append((token, *answer))


@pytest.fixture
def decide(registry: Registry, records: ReleaseRecords, trained: Run) -> Callable[..., approvals.Standing]:
    """A person's word about the release."""

    def say(tasks: Tasks, person: Person, decision: str = "approve", reason: str = "looks right", at: str = AT) -> Any:
        say = approvals.approve if decision == "approve" else approvals.reject
        return say(registry, records, tasks, trained.run_id, person, reason, at)  # type: ignore[arg-type]

    return say


# --- asking --------------------------------------------------------------------------------------


def test_people_see_the_report_before_they_are_asked(
    waiting: Callable[..., None], trained: Run, registry: Registry, objects: Objects, inbox: Any
) -> None:
    waiting("token-1", approvers=2)
    (approval,) = registry.pending_approvals()
    assert (approval.run_id, approval.model, approval.version) == (trained.run_id, "churn", 1)
    assert registry.run(trained.run_id).status == "WAITING_FOR_APPROVAL"
    report = objects.get(ARTIFACTS, keys.run_report(trained.run_id)).decode()
    assert "Waiting for approval" in report
    document = objects.get_contract(RunDocument, ARTIFACTS, keys.run_document(trained.run_id))
    assert (document.status, document.holdout["roc_auc"].value) == ("WAITING_FOR_APPROVAL", 0.845)
    (message,) = inbox.read()
    assert "/decide/" not in message["Message"]
    assert message["Subject"] == "Tidemill: churn version 1 waits for approval"
    for said in (
        "2 more people must approve",
        f"tidemill approve {trained.run_id}",
        keys.run_report(trained.run_id),
        "measured on 20 rows",
    ):
        assert said in message["Message"]


def test_each_person_who_is_named_gets_a_link_of_their_own(waiting: Callable[..., None], inbox: Any) -> None:
    waiting("token-1", people=["bob@example.org", "arn:aws:iam::1:user/*", "AWS:AIDAEXAMPLE"])
    to_all, to_bob = inbox.read()
    assert ("MessageAttributes" in to_all, "/decide/" in to_all["Message"]) == (False, False)
    assert to_bob["MessageAttributes"]["person"]["Value"] == "bob@example.org"
    assert "https://api.test/v1/decide/" in to_bob["Message"]


def test_a_reminder_has_a_link_of_its_own(waiting: Callable[..., None], objects: Objects, inbox: Any) -> None:
    for token in ("token-1", "token-2"):
        waiting(token, people=["bob@example.org"])
    said = [message["Message"] for message in inbox.read() if "MessageAttributes" in message]
    tokens = [text.partition("/decide/")[2].split()[0] for text in said]
    first, second = (links.read(ARTIFACTS, objects, token, AT) for token in tokens)
    assert first.nonce != second.nonce
    assert first.person == second.person == "bob@example.org"


def test_a_run_that_nobody_started_may_be_decided_by_every_reader(
    waiting: Callable[..., None], decide: Callable[..., Any], trained: Run, inbox: Any
) -> None:
    """Of a person's run that cannot be said: the reader may be that person."""
    waiting("token-1", started_by="tidemill")
    (message,) = inbox.read()
    assert "https://api.test/v1/decide/" in message["Message"]


def test_a_reminder_says_so_and_leaves_out_who_has_voted(
    waiting: Callable[..., None], decide: Callable[..., Any], inbox: Any
) -> None:
    people = {"approvers": 2, "people": ["bob", "eve"]}
    waiting("token-1", **people)
    inbox.read()
    decide(Tasks("token-1"), BOB)
    waiting("token-2", **people)
    to_all, to_eve = inbox.read()
    assert to_all["Subject"] == "Tidemill, reminder 1: churn version 1 waits for approval"
    assert "1 more person must approve" in to_all["Message"]
    assert to_eve["MessageAttributes"]["person"]["Value"] == "eve"


def test_nothing_is_asked_about_a_version_that_does_not_exist(
    stage: Callable[..., ModuleType], waiting: Callable[..., None], trained: Run, registry: Registry, inbox: Any
) -> None:
    event = {
        "run": to_json(trained),
        "registered": to_json(Registered("churn", 9, 72.0)),
        "token": "t",
        "execution": EXECUTION,
    }
    environment = {"artifact_bucket": ARTIFACTS, "table": "tidemill", "topic": "none", "api_url": "https://api.test"}
    with pytest.raises(NotFound):
        stage("approve", **environment).handler(event, None)
    assert (registry.pending_approvals(), inbox.read()) == ([], [])


def test_a_topic_that_does_not_answer_fails_the_stage_but_the_request_is_kept(
    waiting: Callable[..., None], registry: Registry, topic: str
) -> None:
    clients.sns().delete_topic(TopicArn=topic)
    with pytest.raises(StorageError):
        waiting("token-1")
    assert len(registry.pending_approvals()) == 1


# --- deciding ------------------------------------------------------------------------------------


def test_an_approval_lets_the_run_go_on(
    waiting: Callable[..., None], decide: Callable[..., Any], registry: Registry
) -> None:
    waiting("token-1")
    tasks = Tasks("token-1")
    for _ in range(2):
        assert decide(tasks, BOB).approval.state == "APPROVED"
    assert tasks.answers == [("token-1", "succeed", {"approved_by": "bob"})] * 2
    said = [(event.action, event.actor) for event in registry.audit("churn")]
    assert (said.count(("vote", "bob")), said.count(("approve", "bob"))) == (1, 1)
    with pytest.raises(ApprovalConflict, match="APPROVED already, by bob"):
        decide(tasks, EVE, "reject", "no")


def test_as_many_different_people_as_the_spec_asks_for(
    waiting: Callable[..., None], decide: Callable[..., Any]
) -> None:
    waiting("token-1", approvers=2)
    tasks = Tasks("token-1")
    for _ in range(2):
        first = decide(tasks, BOB)
        assert (first.approval.state, first.missing, tasks.answers) == ("PENDING", 1, [])
    second = decide(tasks, EVE)
    assert (second.approval.state, second.missing) == ("APPROVED", 0)
    assert [(vote.person, vote.decision) for vote in second.votes] == [("bob", "approve"), ("eve", "approve")]
    assert len(tasks.answers) == 1


def test_the_last_two_people_at_the_same_moment(waiting: Callable[..., None], decide: Callable[..., Any]) -> None:
    waiting("token-1", approvers=2)
    tasks = Tasks("token-1")
    with ThreadPoolExecutor(2) as threads:
        standings = list(threads.map(lambda person: decide(tasks, person), (BOB, EVE)))
    assert "APPROVED" in {standing.approval.state for standing in standings}
    assert {answer[1] for answer in tasks.answers} == {"succeed"}


def test_whoever_started_the_run_does_not_decide(waiting: Callable[..., None], decide: Callable[..., Any]) -> None:
    waiting("token-1")
    tasks = Tasks("token-1")
    for decision in ("approve", "reject"):
        with pytest.raises(NotAllowed, match="user/ada started the run"):
            decide(tasks, ADA, decision)
    assert tasks.answers == []


def test_only_the_people_of_the_spec_decide(waiting: Callable[..., None], decide: Callable[..., Any]) -> None:
    waiting("token-1", people=["arn:aws:iam::1:user/*", "bob"])
    tasks = Tasks("token-1")
    for stranger in (EVE, Person("bobby"), Person("arn:aws:iam::2:user/carl")):
        with pytest.raises(NotAllowed, match=r"approval\.people"):
            decide(tasks, stranger)
    assert decide(tasks, Person("arn:aws:iam::1:user/carl")).approval.state == "APPROVED"


def test_one_refusal_ends_it_with_its_reason(
    waiting: Callable[..., None], decide: Callable[..., Any], registry: Registry, trained: Run
) -> None:
    waiting("token-1", approvers=3)
    tasks = Tasks("token-1")
    decide(tasks, BOB)
    with pytest.raises(ContractError, match="needs a reason"):
        decide(tasks, EVE, "reject", "  ")
    decide(tasks, EVE, "reject", "too few rows")
    assert tasks.answers == [("token-1", "fail", "ApprovalRejected", "eve refused the release: too few rows")]
    assert registry.approval(trained.run_id).state == "REJECTED"


def test_nobody_takes_their_word_back(waiting: Callable[..., None], decide: Callable[..., Any]) -> None:
    waiting("token-1", approvers=2)
    tasks = Tasks("token-1")
    decide(tasks, BOB)
    with pytest.raises(ApprovalConflict, match="bob has said approve"):
        decide(tasks, BOB, "reject", "changed my mind")
    assert tasks.answers == []


def test_a_word_that_comes_too_late(waiting: Callable[..., None], decide: Callable[..., Any]) -> None:
    waiting("token-1", timeout_hours=1)
    with pytest.raises(ApprovalConflict, match="time to decide"):
        decide(Tasks("token-1"), BOB, at="2999-01-01T00:00:00Z")


def test_a_run_that_never_asked_cannot_be_approved(decide: Callable[..., Any]) -> None:
    with pytest.raises(NotFound, match="has not asked"):
        decide(Tasks(), BOB)


# --- a decision that the run could not be told of -----------------------------------------------


class Away(Tasks):
    """A state machine that does not answer."""

    def _answer(self, token: str, *answer: Any) -> None:
        raise StorageError("could not answer a waiting task: AccessDenied")


@pytest.mark.parametrize(("decision", "verb"), [("approve", "succeed"), ("reject", "fail")])
@pytest.mark.parametrize("again", [BOB, EVE, ADA])
def test_whoever_repeats_a_decision_hands_it_on(
    waiting: Callable[..., None],
    decide: Callable[..., Any],
    registry: Registry,
    records: ReleaseRecords,
    decision: str,
    verb: str,
    again: Person,
) -> None:
    waiting("token-1")
    with pytest.raises(StorageError):
        decide(Away(), BOB, decision)
    (stuck,) = approvals.waiting(registry, records)
    assert (approvals.DECISIONS[stuck.approval.state], stuck.approval.by) == (decision, "bob")
    assert not stuck.approval.handed_on
    tasks = Tasks("token-1")
    found = decide(tasks, again, decision)
    assert (found.again, found.approval.handed_on, found.approval.by) == (True, True, "bob")
    assert [answer[:2] for answer in tasks.answers] == [("token-1", verb)]
    assert approvals.waiting(registry, records) == []
    assert decide(Tasks(), BOB, decision).again  # the run has gone on
    with pytest.raises(ApprovalConflict, match="already, by bob"):
        decide(Tasks(), EVE, decision)


def test_whoever_says_the_opposite_hands_on_what_was_decided_and_is_told(
    waiting: Callable[..., None], decide: Callable[..., Any]
) -> None:
    waiting("token-1")
    with pytest.raises(StorageError):
        decide(Away(), BOB)
    tasks = Tasks("token-1")
    with pytest.raises(ApprovalConflict, match=r"APPROVED already, by bob .*the run has been told so once more"):
        decide(tasks, EVE, "reject", "no")
    assert tasks.answers == [("token-1", "succeed", {"approved_by": "bob"})]


def test_a_refusal_that_was_only_half_written_counts_before_an_approval(
    waiting: Callable[..., None],
    decide: Callable[..., Any],
    registry: Registry,
    trained: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waiting("token-1")

    def away(*_: Any) -> None:
        raise StorageError("the table is away")

    with monkeypatch.context() as broken:
        broken.setattr(registry, "decide_approval", away)
        with pytest.raises(StorageError):
            decide(Tasks("token-1"), BOB, "reject", "too few rows")
    tasks = Tasks("token-1")
    with pytest.raises(ApprovalConflict, match="REJECTED already, by bob"):
        decide(tasks, EVE)
    assert tasks.answers == [("token-1", "fail", "ApprovalRejected", "bob refused the release: too few rows")]
    assert registry.approval(trained.run_id).state == "REJECTED"


def test_a_decision_about_a_run_that_has_ended_waits_for_nobody(
    waiting: Callable[..., None],
    decide: Callable[..., Any],
    registry: Registry,
    records: ReleaseRecords,
    objects: Objects,
    trained: Run,
) -> None:
    waiting("token-1")
    with pytest.raises(StorageError):
        decide(Away(), BOB)
    document = objects.get_contract(RunDocument, ARTIFACTS, keys.run_document(trained.run_id))
    registry.finish_run(dataclasses.replace(document, status="FAILED"), keys.run_document(trained.run_id))
    assert approvals.waiting(registry, records) == []


# --- the token changes with each reminder --------------------------------------------------------


def test_the_newest_token_is_answered(waiting: Callable[..., None], decide: Callable[..., Any]) -> None:
    waiting("token-1")
    waiting("token-2")
    tasks = Tasks("token-2")
    decide(tasks, BOB)
    assert tasks.answers == [("token-2", "succeed", {"approved_by": "bob"})]


def test_a_decision_between_two_reminders_is_handed_on_by_the_next(
    waiting: Callable[..., None],
    decide: Callable[..., Any],
    registry: Registry,
    records: ReleaseRecords,
    trained: Run,
    inbox: Any,
) -> None:
    waiting("token-1")
    with pytest.raises(NotFound):  # the first task has timed out, the second has not begun
        decide(Tasks(), BOB)
    terms = records.terms(trained.run_id)
    assert terms is not None
    inbox.read()
    tasks: Any = Tasks("token-2")
    found = approvals.ask(registry, records, tasks, dataclasses.replace(terms, token="token-2"), "churn", 1)
    assert found.approval.state == "APPROVED"
    assert tasks.answers == [("token-2", "succeed", {"approved_by": "bob"})]


def test_an_approval_that_an_older_version_asked_for(
    registry: Registry, trained: Run, decide: Callable[..., Any]
) -> None:
    registry.put_approval(trained.run_id, "churn", 1, "token-1", AT)
    tasks = Tasks("token-1")
    with pytest.raises(NotAllowed):
        decide(tasks, ADA)
    assert decide(tasks, BOB).approval.state == "APPROVED"
