"""The HTTP API for releases and monitoring as API Gateway calls it, on real records."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any

import boto3
import pytest

from tidemill import keys
from tidemill.aws import approvals, links
from tidemill.aws.monitoring_records import MonitoringRecords
from tidemill.aws.objects import Objects
from tidemill.aws.registry import Registry
from tidemill.aws.release_records import ApprovalTerms, ReleaseRecords
from tidemill.contracts import DatasetRef, Run
from tidemill.errors import StorageError
from tidemill.monitoring_contracts import Decision, Finding, MonitorPoint

from .conftest import ARTIFACTS, TABLE

CALL_ID = "8a0c9e5f-1111-2222-3333-444455556666"
CALL = "8a0c9e5f111122223333444455556666"
URL = "https://abc.execute-api.us-east-1.amazonaws.com/api"
AT = "2026-03-04T06:00:00Z"


@dataclass
class Reply:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: str

    @property
    def document(self) -> Any:
        assert self.headers["content-type"] == "application/json"
        return json.loads(self.body)


@dataclass
class Machines:
    """State machines that note what they are told."""

    started: list[tuple[str, str, Any]] = field(default_factory=list)
    answered: list[tuple[str, ...]] = field(default_factory=list)

    def start(self, machine: str, name: str, value: Any) -> str:
        self.started.append((machine, name, value))
        return f"{machine}:{name}"

    def succeed(self, token: str, output: Any) -> None:
        self.answered.append(("succeed", token))

    def fail(self, token: str, error: str, cause: str) -> None:
        self.answered.append(("fail", token, error, cause))


class Functions(list[tuple[str, Any]]):
    """Functions that note what they are called with."""

    def start(self, function: str, payload: Any) -> None:
        self.append((function, payload))


@dataclass
class Api:
    """The handler, over the stack's records."""

    module: ModuleType
    key: dict[str, Any]  #: of ann@example.com
    machines: Machines
    functions: Functions

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        identity: dict[str, str] | None = None,
        call_id: str = CALL_ID,
        **parameters: str,
    ) -> Reply:
        """One call with ann's key unless told otherwise; `path` is the route's."""
        sent = {"x-api-key": self.key["value"]} if headers is None else headers
        event = {
            "path": path.format(**parameters),
            "httpMethod": method,
            "headers": sent,
            "multiValueHeaders": {name: [value] for name, value in sent.items()},
            "queryStringParameters": query,
            "multiValueQueryStringParameters": {name: [value] for name, value in query.items()} if query else None,
            "pathParameters": parameters or None,
            "stageVariables": None,
            "requestContext": {"resourcePath": path, "httpMethod": method, "identity": identity or {}},
            "body": body if isinstance(body, str | None) else json.dumps(body),
            "isBase64Encoded": False,
        }
        answered = self.module.handler(event, SimpleNamespace(aws_request_id=call_id))
        return Reply(answered["statusCode"], answered["headers"], answered["body"])

    def churn(self, method: str, action: str, body: Any = None, **more: Any) -> Reply:
        """A call about model churn."""
        return self.call(method, f"/models/{{model}}/{action}", body, model="churn", **more)

    def link(self, objects: Objects, run_id: str, person: str = "bob@example.com", until: str = "2099-01-01") -> str:
        """The token of a link."""
        url = links.make(ARTIFACTS, objects, run_id, person, until, URL, lambda size: bytes(size))
        return url.rpartition("/")[2]

    def open(self, token: str, query: dict[str, str] | None = None) -> Reply:
        """A link as a browser follows it: without a key."""
        return self.call("GET", "/decide/{token}", query=query, headers={}, token=token)

    def press(self, token: str, form: str, call_id: str = CALL_ID) -> Reply:
        """A button of the link's page."""
        sent = {"content-type": "application/x-www-form-urlencoded"}
        return self.call("POST", "/decide/{token}", form, headers=sent, call_id=call_id, token=token)


@pytest.fixture
def api(stage: Callable[..., ModuleType], objects: Objects, table: str) -> Api:
    gateway = boto3.client("apigateway")
    stack_key = gateway.create_api_key(name="tidemill", value="s" * 30, enabled=True)
    key = gateway.create_api_key(name="ann@example.com", value="a" * 30, enabled=True)
    module = stage(
        "api",
        artifact_bucket=ARTIFACTS,
        table=table,
        monitoring_state_machine="monitoring",
        rollout_state_machine="rollout",
        retrain_function="retrain",
        api_key_id=stack_key["id"],
    )
    machines, functions, stack = Machines(), Functions(), module.stack()
    connected = dataclasses.replace(
        stack,
        releases=dataclasses.replace(stack.releases, executions=machines),
        retrainings=dataclasses.replace(stack.retrainings, functions=functions),
    )
    module.stack = lambda: connected
    return Api(module, dict(key), machines, functions)


@pytest.fixture
def second(churn: int, registry: Registry) -> int:
    """Version 2 of churn, which is not in service."""
    return registry.create_version(
        "churn",
        "e" * 32,
        onnx_sha256="1",
        dataset_version="d",
        task="binary",
        metric="roc_auc",
        value=0.86,
        at=AT,
        actor="x",
    )


# --- who, and what is wrong --------------------------------------------------------------------


@pytest.mark.parametrize("identity", [None, {"apiKeyId": "set by the test"}], ids=["by value", "by id"])
def test_whoever_owns_the_key_has_done_it(api: Api, second: int, registry: Registry, identity: Any) -> None:
    identity = identity and {"apiKeyId": api.key["id"]}
    assert api.churn("POST", "promote", {"version": 2, "reason": "better"}, identity=identity).status == 200
    event = registry.audit("churn")[-1]
    assert (event.action, event.actor, event.reason) == ("promote", "ann@example.com", "better")


@pytest.mark.parametrize("action", ["promote", "rollback", "freeze", "retrain", "traffic", "monitor"])
def test_nobody_does_anything(api: Api, second: int, action: str) -> None:
    body = {"version": 2} if action == "promote" else {"reason": "x"} if action != "monitor" else None
    for headers in ({}, {"x-api-key": "z" * 30}):
        reply = api.churn("POST", action, body, headers=headers)
        assert reply.status == 403
        assert "x-api-key" in reply.document["error"]
    assert api.machines.started == api.functions == []


@pytest.mark.parametrize(
    ("method", "action"),
    [("GET", "monitor"), ("GET", "monitor/report"), ("GET", "rollout"), ("GET", "traffic")]
    + [("POST", action) for action in ("monitor", "promote", "rollback", "freeze", "retrain", "traffic")],
)
def test_a_model_that_there_is_not_is_404(api: Api, method: str, action: str) -> None:
    body = {"version": 2} if action == "promote" else {"reason": "x"} if action == "freeze" else None
    reply = api.churn(method, action, body)
    assert reply.status == 404
    assert "churn" in reply.document["error"]


@pytest.mark.parametrize(
    ("action", "body", "words"),
    [
        ("promote", "{", "not valid JSON"),
        ("promote", "[]", "must be a JSON object"),
        ("promote", {}, "version"),
        ("promote", {"version": "2"}, "version"),
        ("promote", {"version": 2, "stategy": "canary"}, "'stategy' is not known here: accepted are version, strategy"),
        ("promote", {"version": 2, "strategy": "bold"}, "strategy"),
        ("promote", {"version": 1}, "is the champion already"),
        ("freeze", {}, "reason is missing"),
        ("retrain", {"since": "yesterday"}, "since must be a time such as"),
        ("traffic", {"shares": {"two": 0.1}}, "must name versions by their numbers"),
        ("traffic", {"shares": {"2": 1.5}}, "at most 1"),
    ],
)
def test_a_body_that_does_not_fit_is_400_naming_the_field(
    api: Api, second: int, action: str, body: Any, words: str
) -> None:
    reply = api.churn("POST", action, body)
    assert reply.status == 400
    assert words in reply.document["error"]


def test_a_service_that_does_not_answer_is_503_and_names_nothing(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise StorageError("could not read MODEL#churn from table tidemill-secret")

    monkeypatch.setattr(Registry, "versions", broken)
    reply = api.churn("GET", "rollout")
    assert reply.status == 503
    assert "secret" not in reply.body


def test_a_mistake_of_ours_is_500_and_says_nothing(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Registry, "versions", lambda *_: 1 / 0)
    reply = api.churn("GET", "rollout")
    assert reply.status == 500
    assert "division" not in reply.body


# --- watching ----------------------------------------------------------------------------------


def watched(count: int = 3) -> list[MonitorPoint]:
    """Keeps points of churn's first version, and a decision about each; oldest first."""
    records = MonitoringRecords(boto3.client("dynamodb"), TABLE)
    found = (Finding("drift", "alert", "tenure", "tenure has moved"),)
    points = [
        MonitorPoint(
            "churn", 1, f"2026-03-0{day}T00:00:00Z", f"2026-03-0{day + 1}T00:00:00Z", 500, True, findings=found
        )
        for day in range(1, count + 1)
    ]
    for number, point in enumerate(points):
        records.put_point(point)
        records.put_decision(
            Decision(f"{number:032x}", "churn", 1, point.end, "rule 1", "alert", True, "drift", point.end)
        )
    return points


def test_the_points_newest_first_with_what_was_decided_about_them(api: Api, churn: int) -> None:
    points = watched()
    reply = api.churn("GET", "monitor", query={"limit": "2"}).document
    assert [point["end"] for point in reply["points"]] == [points[2].end, points[1].end]
    assert [decision["point"] for decision in reply["decisions"]] == [points[2].end, points[1].end]
    assert reply["points"][0]["findings"][0]["subject"] == "tenure"
    missing = api.churn("GET", "monitor", query={"version": "77"})
    assert (missing.status, missing.document["error"]) == (404, "model 'churn' has no version 77")
    assert api.churn("GET", "monitor", query={"limit": "0"}).status == 400
    assert api.churn("GET", "monitor", query={"limit": "ten"}).status == 400


def test_a_look_is_started_once_for_a_call(api: Api, churn: int) -> None:
    reply = api.churn("POST", "monitor")
    assert (reply.status, reply.document["model"]) == (202, "churn")
    assert api.machines.started == [("monitoring", CALL, {"model": "churn"})]


def test_a_version_that_nobody_has_looked_at_has_no_points(api: Api, second: int) -> None:
    reply = api.churn("GET", "monitor", query={"version": "2"})
    assert (reply.status, reply.document["points"]) == (200, [])


def test_a_look_at_a_model_with_nothing_in_service_is_a_conflict(api: Api, registry: Registry) -> None:
    registry.create_version(
        "churn",
        "f" * 32,
        onnx_sha256="0",
        dataset_version="d",
        task="binary",
        metric="roc_auc",
        value=0.84,
        at=AT,
        actor="x",
    )
    reply = api.churn("POST", "monitor")
    assert reply.status == 409
    assert "no version in service" in reply.document["error"]
    assert api.machines.started == []


def test_the_report_is_a_page(api: Api, churn: int, objects: Objects) -> None:
    reply = api.churn("GET", "monitor/report")
    assert reply.status == 404
    assert "has not been looked at yet" in reply.document["error"]
    objects.put(ARTIFACTS, keys.monitor_report("churn"), "<!doctype html>Dürre".encode())
    reply = api.churn("GET", "monitor/report")
    assert (reply.status, reply.headers["content-type"], reply.body) == (
        200,
        "text/html; charset=utf-8",
        "<!doctype html>Dürre",
    )


# --- releases and traffic ----------------------------------------------------------------------


def test_a_version_is_promoted_and_taken_back(api: Api, second: int, registry: Registry) -> None:
    reply = api.churn("POST", "promote", {"version": 2})
    assert (reply.status, reply.document) == (200, {"model": "churn", "version": 2, "before": 1, "rollout": None})
    reply = api.churn("POST", "rollback", {"reason": "worse"})
    assert (reply.status, reply.document["before"], reply.document["now"]) == (200, 2, 1)
    assert registry.alias("churn", "champion") == 1
    assert api.churn("POST", "rollback", {}).status == 404


@pytest.mark.parametrize("declared", [True, False], ids=["by the spec", "by the call"])
def test_a_canary_is_a_rollout(api: Api, second: int, objects: Objects, declared: bool) -> None:
    if declared:
        objects.put(ARTIFACTS, keys.project_spec("churn"), b'{"rollout": {"strategy": "canary"}}')
    reply = api.churn("POST", "promote", {"version": 2} if declared else {"version": 2, "strategy": "canary"})
    assert (reply.status, reply.document["rollout"]) == (202, CALL)
    ((machine, name, value),) = api.machines.started
    assert (machine, name, value["rollout"].version, value["rollout"].by) == ("rollout", CALL, 2, "ann@example.com")
    shown = api.churn("GET", "rollout").document
    assert (shown["under_way"], shown["rollout"]["id"], shown["rollout"]["reason"]) == (True, CALL, "promoted by hand")
    taken = api.churn("POST", "rollback", {})
    assert (taken.status, taken.document["rollout"]) == (200, CALL)


def test_a_frozen_model_stays_as_it_is_until_it_is_let_go(api: Api, second: int, registry: Registry) -> None:
    assert api.churn("POST", "freeze", {"reason": "audit"}).document["frozen"] is True
    reply = api.churn("POST", "promote", {"version": 2})
    assert reply.status == 409
    assert "frozen by ann@example.com" in reply.document["error"]
    assert api.churn("GET", "rollout").document["freeze"]["reason"] == "audit"
    assert api.churn("POST", "freeze", {"frozen": False}).document["frozen"] is False
    assert api.churn("POST", "promote", {"version": 2}).status == 200


def test_without_a_rollout_there_is_none(api: Api, churn: int) -> None:
    assert api.churn("GET", "rollout").document == {
        "model": "churn",
        "rollout": None,
        "under_way": False,
        "freeze": None,
    }


def test_calls_are_spread(api: Api, second: int) -> None:
    assert api.churn("GET", "traffic").document == {"model": "churn", "champion": 1, "traffic": None}
    body = {"shares": {"2": 0.1}, "experiment": "tariff", "reason": "try"}
    assert api.churn("POST", "traffic", body).status == 200
    traffic = api.churn("GET", "traffic").document["traffic"]
    assert (traffic["shares"], traffic["experiment"]) == ([{"version": 2, "weight": 0.1}], "tariff")
    assert (traffic["by"], traffic["reason"]) == ("ann@example.com", "try")
    assert api.churn("POST", "traffic", {"shadow": {"version": 2, "fraction": 0.5}, "clear": True}).status == 200
    traffic = api.churn("GET", "traffic").document["traffic"]
    assert (traffic["shares"], traffic["shadow_version"], traffic["shadow_fraction"]) == ([], 2, 0.5)
    assert api.churn("POST", "traffic", {"shares": {"3": 0.1}}).status == 404


def test_a_training_is_asked_for(api: Api, churn: int, registry: Registry) -> None:
    assert api.churn("POST", "retrain", {}).status == 404  # no table has been accepted
    registry.put_dataset("churn", DatasetRef("d1", 100, 2), "f" * 32, AT)
    reply = api.churn("POST", "retrain", {"reason": "new tariff", "data": "window"})
    assert reply.status == 202
    ((function, payload),) = api.functions
    asked = payload["retraining"]
    assert (function, asked["id"], asked["by"], asked["trigger"]) == ("retrain", CALL, "ann@example.com", "hand")
    assert (asked["reason"], asked["data"]) == ("new tariff", "window")


def test_a_past_window_is_a_backfill(api: Api, churn: int, registry: Registry) -> None:
    registry.put_dataset("churn", DatasetRef("d1", 100, 2), "f" * 32, AT)
    reply = api.churn("POST", "retrain", {"since": "2026-01-01", "until": "2026-02-01T00:00:00+01:00"})
    assert reply.document["trigger"] == "backfill"
    assert (reply.document["start"], reply.document["end"]) == ("2026-01-01T00:00:00Z", "2026-01-31T23:00:00Z")


# --- approvals ---------------------------------------------------------------------------------


@pytest.fixture
def waiting(trained: Run, second: int, registry: Registry, objects: Objects, api: Api) -> str:
    """A run that waits for one of ann, bob and carl; version 2 of churn is what it made."""
    return ask(registry, api, trained.run_id)


def ask(registry: Registry, api: Api, run_id: str, approvers: int = 1) -> str:
    records = ReleaseRecords(boto3.client("dynamodb"), TABLE)
    people = ("ann@example.com", "bob@example.com", "carl@example.com")
    terms = ApprovalTerms(run_id, "AWS:AIDAEXAMPLE", approvers, people, "the task token", AT, "2099-01-01T00:00:00Z")
    approvals.ask(registry, records, api.machines, terms, "churn", 2)  # type: ignore[arg-type]
    return run_id


def test_what_waits_is_told_without_the_task_token(api: Api, waiting: str) -> None:
    listed = api.call("GET", "/approvals")
    single = api.call("GET", "/approvals/{run}", run=waiting)
    assert listed.document["approvals"] == [single.document]
    assert (single.document["run_id"], single.document["version"], single.document["missing"]) == (waiting, 2, 1)
    assert "task token" not in listed.body + single.body
    assert api.call("GET", "/approvals/{run}", run="0" * 32).status == 404


def test_the_owner_of_a_key_approves(api: Api, waiting: str) -> None:
    body = {"decision": "approve", "reason": "looks right"}
    reply = api.call("POST", "/approvals/{run}", body, run=waiting)
    assert (reply.status, reply.document["state"], reply.document["by"]) == (200, "APPROVED", "ann@example.com")
    assert [(vote["person"], vote["through"]) for vote in reply.document["votes"]] == [("ann@example.com", "api")]
    assert api.machines.answered == [("succeed", "the task token")]
    assert api.call("GET", "/approvals").document == {"approvals": []}
    assert api.call("POST", "/approvals/{run}", {"decision": "reject", "reason": "no"}, run=waiting).status == 409


def test_a_refusal_needs_a_reason_and_a_decision_is_one_of_two(api: Api, waiting: str) -> None:
    assert api.call("POST", "/approvals/{run}", {"decision": "reject"}, run=waiting).status == 400
    assert api.call("POST", "/approvals/{run}", {"decision": "maybe"}, run=waiting).status == 400
    assert api.machines.answered == []
    reply = api.call("POST", "/approvals/{run}", {"decision": "reject", "reason": "unfair"}, run=waiting)
    assert (reply.status, reply.document["state"]) == (200, "REJECTED")
    assert api.machines.answered[0][:3] == ("fail", "the task token", "ApprovalRejected")


def test_who_may_not_decide_does_not(api: Api, waiting: str) -> None:
    reply = api.call("POST", "/approvals/{run}", {"decision": "approve"}, run=waiting, headers={"x-api-key": "s" * 30})
    assert reply.status == 403
    assert "API key tidemill may not decide" in reply.document["error"]


# --- links -------------------------------------------------------------------------------------


def test_a_link_shows_what_is_asked_and_the_report_and_decides_once(api: Api, waiting: str, objects: Objects) -> None:
    objects.put(ARTIFACTS, keys.run_report(waiting), b"<!doctype html>the report")
    token = api.link(objects, waiting)
    for _ in range(2):  # mail programs open links, too
        shown = api.open(token)
        assert shown.status == 200
        assert shown.headers["content-type"] == "text/html; charset=utf-8"
        assert shown.headers["cache-control"] == "no-store"
        assert "Release version 2 of churn?" in shown.body
        assert "bob@example.com" in shown.body
        assert shown.body.index("<iframe") < shown.body.index("<form")
    source = re.search(r'<iframe src="\?(\w+)=(\w+)"', shown.body)
    assert source is not None
    assert api.open(token, {source[1]: source[2]}).body == "<!doctype html>the report"
    assert api.machines.answered == []
    pressed = api.press(token, "decision=approve&reason=")
    assert (pressed.status, api.machines.answered) == (200, [("succeed", "the task token")])
    assert "is approved" in pressed.body
    document = api.call("GET", "/approvals/{run}", run=waiting).document
    assert [(vote["person"], vote["through"]) for vote in document["votes"]] == [("bob@example.com", "link")]
    for reply in (api.open(token), api.press(token, "decision=reject&reason=no", "another-call")):
        assert reply.status == 409
        assert reply.headers["content-type"] == "text/html; charset=utf-8"
        assert "has been used" in reply.body
    assert len(api.machines.answered) == 1


def test_a_refusal_by_link_without_a_reason_asks_again(api: Api, waiting: str, objects: Objects) -> None:
    token = api.link(objects, waiting)
    again = api.press(token, "decision=reject&reason=+")
    assert again.status == 400
    assert "needs a reason" in again.body
    assert "<form" in again.body
    refused = api.press(token, "decision=reject&reason=unfair+to+pensioners")
    assert (refused.status, api.machines.answered[0][0]) == (200, "fail")
    assert "unfair to pensioners" in api.machines.answered[0][3]


def test_a_button_that_there_is_not_decides_nothing(api: Api, waiting: str, objects: Objects) -> None:
    assert api.press(api.link(objects, waiting), "decision=explode").status == 400
    assert api.press(api.link(objects, waiting), "").status == 400


@pytest.mark.parametrize("token", ["nonsense", "a.b"])
def test_a_link_that_is_none_of_ours_is_a_page_that_says_so(
    api: Api, waiting: str, objects: Objects, token: str
) -> None:
    for reply in (api.open(token), api.press(token, "decision=approve")):
        assert reply.status == 403
        assert "not one of ours" in reply.body
    old = api.link(objects, waiting, until="2020-01-01T00:00:00Z")
    assert api.open(old).status == 403
    assert api.machines.answered == []


def test_a_service_that_does_not_answer_leaves_the_link_good(
    api: Api, waiting: str, objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = api.link(objects, waiting)
    with monkeypatch.context() as broken:
        broken.setattr(ReleaseRecords, "add_vote", lambda *_: raising(StorageError("table tidemill-secret is away")))
        reply = api.press(token, "decision=approve")
    assert reply.status == 503
    assert "Not at the moment" in reply.body
    assert "secret" not in reply.body
    assert api.press(token, "decision=approve").status == 200


def raising(error: Exception) -> None:
    raise error


def test_a_link_for_who_may_not_decide_is_not_used_up(api: Api, waiting: str, objects: Objects) -> None:
    token = api.link(objects, waiting, person="mallory@example.com")
    for _ in range(2):
        reply = api.press(token, "decision=approve")
        assert reply.status == 403
        assert "may not decide" in reply.body


def test_of_two_people_the_first_is_told_that_one_more_is_needed(
    api: Api, trained: Run, second: int, registry: Registry, objects: Objects
) -> None:
    run_id = ask(registry, api, trained.run_id, approvers=2)
    first = api.link(objects, run_id)
    assert "1 more person must approve" in api.open(first).body
    assert "It waits for 1 more person" in api.press(first, "decision=approve").body
    assert api.machines.answered == []
    assert api.call("POST", "/approvals/{run}", {"decision": "approve"}, run=run_id).document["missing"] == 0
    assert api.machines.answered == [("succeed", "the task token")]


def test_a_link_about_what_was_decided_says_by_whom(api: Api, waiting: str, objects: Objects) -> None:
    api.call("POST", "/approvals/{run}", {"decision": "approve"}, run=waiting)
    reply = api.open(api.link(objects, waiting))
    assert reply.status == 409
    assert "approved already, by ann@example.com" in reply.body


def away(*_: Any) -> None:
    raise StorageError("could not answer a waiting task: AccessDenied")


@pytest.mark.parametrize("decision", ["approve", "reject"])
def test_a_decision_that_the_run_was_not_told_of_is_handed_on_by_the_next(
    api: Api, waiting: str, objects: Objects, monkeypatch: pytest.MonkeyPatch, decision: str
) -> None:
    body = {"decision": decision, "reason": "because"}
    with monkeypatch.context() as broken:
        broken.setattr(Machines, "succeed", away)
        broken.setattr(Machines, "fail", away)
        assert api.call("POST", "/approvals/{run}", body, run=waiting).status == 503
    (stuck,) = api.call("GET", "/approvals").document["approvals"]
    assert (stuck["run_id"], stuck["by"], stuck["handed_on"]) == (waiting, "ann@example.com", False)
    reply = api.call("POST", "/approvals/{run}", body, run=waiting)
    assert (reply.status, reply.document["again"], reply.document["handed_on"]) == (200, True, True)
    assert len(api.machines.answered) == 1
    assert api.call("GET", "/approvals").document == {"approvals": []}


@pytest.mark.parametrize(("decision", "said"), [("approve", "approved"), ("reject", "refused")])
def test_a_link_hands_on_what_was_decided_before(
    api: Api, waiting: str, objects: Objects, monkeypatch: pytest.MonkeyPatch, decision: str, said: str
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(Machines, "succeed", away)
        broken.setattr(Machines, "fail", away)
        api.call("POST", "/approvals/{run}", {"decision": decision, "reason": "because"}, run=waiting)
    token = api.link(objects, waiting)
    shown = api.open(token)
    assert (shown.status, f"is {said} already" in shown.body, "ann@example.com decided" in shown.body) == (
        200,
        True,
        True,
    )
    assert f'value="{decision}"' in shown.body
    pressed = api.press(token, f"decision={decision}&reason=handed+on")
    assert (pressed.status, "has been handed on to the run now" in pressed.body) == (200, True)
    assert len(api.machines.answered) == 1


@pytest.mark.parametrize("state", ["PENDING", "REJECTED"])
def test_a_version_that_people_have_not_approved_is_not_promoted(
    api: Api, second: int, registry: Registry, state: Any
) -> None:
    run_id = registry.version("churn", 2).run_id
    registry.put_approval(run_id, "churn", 2, "token", AT)
    if state != "PENDING":
        registry.decide_approval(run_id, state, "bob", "too few rows", AT)
    reply = api.churn("POST", "promote", {"version": 2})
    assert (reply.status, f"tidemill approve {run_id}" in reply.document["error"]) == (403, True)
    assert registry.alias("churn", "champion") == 1


def test_what_people_wrote_is_text_on_the_page(
    api: Api, trained: Run, second: int, registry: Registry, objects: Objects
) -> None:
    run_id = ask(registry, api, trained.run_id, approvers=2)
    body = {"decision": "approve", "reason": "<script>alert(1)</script>"}
    assert api.call("POST", "/approvals/{run}", body, run=run_id).status == 200
    assert "<script>alert" not in api.open(api.link(objects, run_id)).body


# --- metrics -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [{"Authorization": "Bearer " + "s" * 30}, {"authorization": "bearer " + "s" * 30}, {"x-api-key": "s" * 30}],
)
def test_prometheus_scrapes_with_the_key_of_the_stack(api: Api, churn: int, headers: dict[str, str]) -> None:
    watched(1)
    reply = api.call("GET", "/metrics", headers=headers)
    assert (reply.status, reply.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert 'tidemill_model_info{model="churn",version="1",task="binary",metric="roc_auc"} 1\n' in reply.body
    assert 'tidemill_window_predictions{model="churn",version="1",traffic="live"} 500\n' in reply.body


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer "},
        {"authorization": "Basic " + "s" * 30},
        {"x-api-key": "a" * 30},
        {"x-api-key": "ß"},
    ],
)
def test_nobody_else_does(api: Api, headers: dict[str, str]) -> None:
    reply = api.call("GET", "/metrics", headers=headers)
    assert reply.status == 403
    assert "Bearer" in reply.document["error"]
