"""Every run is concluded, whatever it has left behind."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pytest

from tidemill import keys, rollout_plan
from tidemill.aws.conclusion import Conclusion
from tidemill.aws.functions import Configuration
from tidemill.aws.objects import Objects
from tidemill.aws.promotion import Releases
from tidemill.aws.registry import Registry
from tidemill.contracts import Refusal, Run, RunDocument, StageUsage, to_json
from tidemill.errors import StorageError
from tidemill.release_contracts import RolloutPlan, RolloutRequest
from tidemill.reports import run_report
from tidemill.rules.outcomes import outcome
from tidemill.stages import conclude as stages

DATA, ARTIFACTS = "tidemill-data", "tidemill-artifacts"
EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:training:none"
API = "https://abc.execute-api.us-east-1.amazonaws.com/v1"


@pytest.fixture
def environment(topic: str, bus: str) -> dict[str, str]:
    return {"artifact_bucket": ARTIFACTS, "table": "tidemill", "topic": topic, "event_bus": bus, "api_url": API}


@pytest.fixture
def conclude(
    stage: Callable[..., ModuleType], objects: Objects, registry: Registry, environment: dict[str, str]
) -> ModuleType:
    return stage("conclude", **environment)


def failure(stage: str, error: str, message: str) -> dict[str, str]:
    cause = json.dumps({"errorMessage": message, "errorType": error, "stackTrace": []})
    return {"stage": stage, "error": error, "cause": cause}


def document(objects: Objects, run: Run) -> RunDocument:
    return objects.get_contract(RunDocument, ARTIFACTS, keys.run_document(run.run_id))


@pytest.fixture
def live(stage: Callable[..., ModuleType], trained: Run, registry: Registry, environment: dict[str, str]) -> Run:
    """A run whose model was registered and deployed."""
    stage("register", **environment).handler({"run": to_json(trained)}, None)
    registry.move_alias("churn", "champion", 1, None, "ada", "", trained.started_at)
    return trained


def test_a_live_run_has_its_document_report_event_and_notification(
    conclude: ModuleType, live: Run, objects: Objects, registry: Registry, inbox: Any
) -> None:
    for _ in range(2):
        answer = conclude.handler({"run": to_json(live), "failure": None, "execution": EXECUTION}, None)
        assert (answer["run_id"], answer["status"]) == (live.run_id, "LIVE")
    written = document(objects, live)
    assert (written.status, written.stage, written.task, written.target) == ("LIVE", None, "binary", "Churn")
    assert written.model is not None
    assert to_json(written.model) == {"name": "churn", "version": 1, "alias": "champion"}
    assert written.endpoint == f"{API}/v1/models/churn:predict"
    assert written.report == f"s3://{ARTIFACTS}/runs/{live.run_id}/report.html"
    assert [candidate.name for candidate in written.candidates] == ["boosting", "linear", "baseline"]
    assert written.dataset is not None
    assert written.dataset.version == "d1"
    assert written.seconds > 0
    report = objects.get(ARTIFACTS, keys.run_report(live.run_id))
    assert report.lower().startswith(b"<!doctype html>")
    assert objects.get(ARTIFACTS, keys.model("churn", 1, "report.html")) == report
    record = registry.run(live.run_id)
    assert (record.status, record.model, record.version, record.value) == ("LIVE", "churn", 1, 0.845)
    assert objects.exists(DATA, live.source.key)
    told = inbox.read()
    (event, *_), (message, *_) = [m for m in told if "detail" in m], [m for m in told if "Subject" in m]
    assert (event["source"], event["detail-type"]) == ("tidemill", "Training run concluded")
    assert (event["detail"]["run_id"], event["detail"]["status"]) == (live.run_id, "LIVE")
    assert "churn version 1 is live" in message["Subject"]
    assert "/v1/models/churn:predict" in message["Message"]


def test_refused_data_goes_to_quarantine_with_the_reason(
    conclude: ModuleType, uploaded: Run, objects: Objects, registry: Registry
) -> None:
    refused = failure("validate", "DataRefused", "the table has 1 row, at least 50 are needed")
    for _ in range(2):
        answer = conclude.handler({"run": to_json(uploaded), "failure": refused, "execution": EXECUTION}, None)
        assert answer["status"] == "REFUSED_DATA"
        assert answer["reason"] == "the table has 1 row, at least 50 are needed"
    assert [head.key for head in objects.list(DATA, "")] == [
        "quarantine/churn/telco.csv",
        "quarantine/churn/telco.csv.reason.json",
    ]
    assert objects.get(DATA, "quarantine/churn/telco.csv") == b"tenure,Churn\n3,Yes\n"
    reason = objects.get_contract(Refusal, DATA, "quarantine/churn/telco.csv.reason.json")
    assert (reason.reason, reason.run_id) == (answer["reason"], uploaded.run_id)
    assert reason.source == f"s3://{DATA}/incoming/churn/telco.csv"
    written = document(objects, uploaded)
    assert (written.stage, written.model, written.endpoint, written.dataset) == ("validate", None, None, None)
    assert registry.run(uploaded.run_id).status == "REFUSED_DATA"


def test_an_upload_that_replaced_the_refused_one_stays(conclude: ModuleType, uploaded: Run, objects: Objects) -> None:
    objects.put(DATA, uploaded.source.key, b"a better table")
    refused = failure("validate", "DataRefused", "no")
    conclude.handler({"run": to_json(uploaded), "failure": refused, "execution": EXECUTION}, None)
    assert objects.get(DATA, uploaded.source.key) == b"a better table"
    assert objects.get(DATA, "quarantine/churn/telco.csv") == b"tenure,Churn\n3,Yes\n"


def test_a_gate_that_refuses_leaves_the_upload_and_shows_what_was_measured(
    conclude: ModuleType, trained: Run, objects: Objects
) -> None:
    refused = failure("evaluate", "GateRefused", "roc_auc 0.845 is below the minimum 0.9")
    answer = conclude.handler({"run": to_json(trained), "failure": refused, "execution": EXECUTION}, None)
    assert answer["status"] == "REFUSED_BY_GATE"
    written = document(objects, trained)
    assert (written.reason, written.stage) == ("roc_auc 0.845 is below the minimum 0.9", "evaluate")
    assert (written.metric, written.holdout["roc_auc"].value, written.model) == ("roc_auc", 0.845, None)
    assert objects.exists(DATA, trained.source.key)


def test_a_run_that_left_nothing_or_broken_files_is_concluded_all_the_same(
    conclude: ModuleType, uploaded: Run, objects: Objects, registry: Registry
) -> None:
    objects.put(ARTIFACTS, keys.run_profile(uploaded.run_id), b"{ this is no JSON")
    objects.put(ARTIFACTS, keys.run_evaluation(uploaded.run_id), b'{"task": "unknown"}')
    killed = failure("train", "Runtime.ExitError", "signal: killed")
    answer = conclude.handler({"run": to_json(uploaded), "failure": killed, "execution": EXECUTION}, None)
    assert answer["status"] == "FAILED"
    assert "ran out of memory" in answer["reason"]
    written = document(objects, uploaded)
    assert (written.task, written.checks, written.candidates, written.cost) == (None, (), (), None)
    assert registry.run(uploaded.run_id).stage == "train"
    assert objects.exists(ARTIFACTS, keys.run_report(uploaded.run_id))


@pytest.mark.parametrize(
    ("state", "cause"), [("EXPIRED", "nobody decided about the release within 72 hours"), ("REJECTED", "bob refused")]
)
def test_an_approval_is_not_left_open(
    conclude: ModuleType, trained: Run, registry: Registry, state: Any, cause: str
) -> None:
    registry.put_approval(trained.run_id, "churn", 1, "token", trained.started_at)
    if state == "REJECTED":
        registry.decide_approval(trained.run_id, "REJECTED", "bob", "no", trained.started_at)
    rejected = {"stage": "approve", "error": "ApprovalRejected", "cause": cause}
    answer = conclude.handler({"run": to_json(trained), "failure": rejected, "execution": EXECUTION}, None)
    assert (answer["status"], answer["reason"]) == ("REFUSED_BY_GATE", cause)
    assert registry.approval(trained.run_id).state == state
    assert registry.pending_approvals() == []


ROLLOUT = {"model": "churn", "version": 1, "by": "ada", "reason": "better"}


@pytest.mark.parametrize(
    ("caught", "status", "alias", "subject"),
    [
        (None, "LIVE", "champion", "churn version 1 is live"),
        (
            {"stage": "rollout", "error": "RolledBack", "cause": "version 1 was taken back: it failed"},
            "ROLLED_BACK",
            None,
            "churn version 1 was let in and taken back",
        ),
        (
            {"stage": "rollout", "error": "PromotionFrozen", "cause": "promotions of churn are frozen by bob"},
            "REFUSED_BY_GATE",
            None,
            "churn version 1 passed every gate and was not let in",
        ),
    ],
)
def test_a_run_that_is_rolled_out_is_concluded_twice(
    conclude: ModuleType,
    live: Run,
    objects: Objects,
    registry: Registry,
    inbox: Any,
    caught: Any,
    status: str,
    alias: str | None,
    subject: str,
) -> None:
    first = {"run": to_json(live), "failure": None, "rolling_out": True, "execution": EXECUTION}
    assert conclude.handler(first, None)["status"] == "ROLLING_OUT"
    before = document(objects, live)
    assert before.model is not None
    assert (before.status, before.model.alias) == ("ROLLING_OUT", "challenger")
    assert before.endpoint == f"{API}/v1/models/churn:predict"
    assert b"Rolling out" in objects.get(ARTIFACTS, keys.run_report(live.run_id))
    told = inbox.read()
    assert any("is being let in step by step" in message.get("Subject", "") for message in told)
    last = {"rollout": ROLLOUT | {"id": live.run_id, "run_id": live.run_id}, "failure": caught}
    for _ in range(2):
        assert conclude.handler(last, None)["status"] == status
    after = document(objects, live)
    assert after.model is not None
    assert (after.status, after.model.alias, after.seconds) == (status, alias, before.seconds)
    assert (after.endpoint is None) == (alias is None)
    assert (registry.run(live.run_id).status, registry.run(live.run_id).value) == (status, 0.845)
    assert objects.get(ARTIFACTS, keys.model("churn", 1, "report.html")) == objects.get(
        ARTIFACTS, keys.run_report(live.run_id)
    )
    told = inbox.read()
    assert [event["detail"]["status"] for event in told if "detail" in event] == [status]
    (message,) = [message for message in told if "Subject" in message]
    assert subject in message["Subject"]
    if caught:
        assert caught["cause"].lower() in message["Message"].lower()


@pytest.mark.parametrize("stage_name", ["deploy", "rollout"])
def test_a_rollout_that_nothing_goes_on_with_is_ended(
    conclude: ModuleType, live: Run, registry: Registry, stage_name: str
) -> None:
    releases = Releases.connect("tidemill")
    request = RolloutRequest(live.run_id, "churn", 1, live.run_id, "ada", "better")
    releases.begin(rollout_plan.begun(request, RolloutPlan((0.1, 1.0), 60), None, live.started_at))
    caught = failure(stage_name, "StepFunctions.ExecutionLimitExceeded", "too many executions")
    answer = conclude.handler({"run": to_json(live), "failure": caught, "execution": EXECUTION}, None)
    ended = releases.records.rollout(live.run_id)
    assert (answer["status"], ended.state) == ("FAILED", "ROLLED_BACK")
    assert "too many executions" in ended.history[-1]
    assert releases.records.current_rollout("churn") is None


def test_a_promotion_by_hand_leaves_the_run_that_made_the_version_as_it_ended(
    conclude: ModuleType, live: Run, objects: Objects, inbox: Any
) -> None:
    conclude.handler({"run": to_json(live), "failure": None, "execution": EXECUTION}, None)
    inbox.read()
    by_hand = {"rollout": ROLLOUT | {"id": "e" * 32, "run_id": live.run_id}}
    failure = {"stage": "rollout", "error": "RolledBack", "cause": "it failed"}
    assert conclude.handler(by_hand | {"failure": failure}, None)["status"] == "ROLLED_BACK"
    assert (document(objects, live).status, inbox.read()) == ("LIVE", [])


def test_a_refused_scoring_goes_to_quarantine_and_a_failed_one_stays(
    conclude: ModuleType, objects: Objects, inbox: Any
) -> None:
    objects.put(DATA, "score/churn/new.csv", b"x")
    head = objects.head(DATA, "score/churn/new.csv")
    source = {"bucket": DATA, "key": head.key, "version_id": head.version_id, "etag": head.etag, "size": 1}
    run = {"run_id": "ab" * 16, "model": "churn", "source": source, "started_at": "2026-03-04T05:06:07Z"}
    event = {"scoring": run | {"started_by": "ada"}, "execution": EXECUTION}
    failed = conclude.handler(event | {"failure": failure("score", "States.Timeout", "")}, None)
    assert (failed["status"], objects.exists(DATA, "score/churn/new.csv")) == ("FAILED", True)
    refused = conclude.handler(event | {"failure": failure("plan", "DataRefused", "no column tenure")}, None)
    assert (refused["status"], refused["reason"]) == ("REFUSED_DATA", "no column tenure")
    assert not objects.exists(DATA, "score/churn/new.csv")
    assert objects.get_contract(Refusal, DATA, "quarantine/churn/new.csv.reason.json").run_id == "ab" * 16
    assert [message["Subject"] for message in inbox.read()] == ["score/churn/new.csv was not scored"] * 2


class Machine:
    """Executions that used something, or cannot say what."""

    def __init__(self, answers: bool) -> None:
        self.answers = answers

    def usage(self, execution: str, until: datetime, configuration: Callable[[str], Configuration]) -> Any:
        if not self.answers:
            raise StorageError("could not read execution: AccessDeniedException")
        used = configuration("train")
        return {"train": StageUsage(3, 100.0, used.memory_mb, used.architecture, 4)}


class Memory:
    """Functions of 3 GB."""

    def configuration(self, function: str) -> Configuration:
        return Configuration(3072, "x86_64")


@pytest.mark.parametrize("answers", [True, False])
def test_the_cost_comes_from_the_history_and_may_be_unknown(
    conclude: ModuleType, live: Run, objects: Objects, environment: dict[str, str], answers: bool
) -> None:
    warnings = list[str]()
    connected = Conclusion.connect(ARTIFACTS, "tidemill", environment["event_bus"], environment["topic"], print)
    machine: Any = Machine(answers)
    memory: Any = Memory()
    conclusion = dataclasses.replace(connected, executions=machine, functions=memory, warn=warnings.append)
    now = datetime(2026, 3, 4, 5, 7, 7, tzinfo=UTC)
    stages.conclude(live, outcome(None), EXECUTION, API, conclusion, now)
    written = document(objects, live)
    assert written.seconds == 60
    if answers:
        assert written.cost is not None
        assert written.cost.by_stage["train"].gb_seconds == 300
        assert written.cost.usd == pytest.approx(300 * 0.0000166667 + 3 * 0.2e-6 + 4 * 25e-6)
        assert warnings == []
    else:
        assert written.cost is None
        assert warnings == ["the cost of the run is not known: could not read execution: AccessDeniedException"]


def test_a_run_is_recorded_before_anything_that_may_fail_is_tried(
    conclude: ModuleType, live: Run, objects: Objects, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> str:
        raise RuntimeError("the report cannot be drawn")

    monkeypatch.setattr(run_report, "render", fails)
    with pytest.raises(RuntimeError):
        conclude.handler({"run": to_json(live), "failure": None, "execution": EXECUTION}, None)
    assert document(objects, live).status == "LIVE"
    assert registry.run(live.run_id).status == "LIVE"
