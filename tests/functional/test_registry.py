"""The registry against moto's DynamoDB, races included."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from tidemill.aws.registry import DatasetRecord, Registry
from tidemill.aws.registry_table import AuditEvent
from tidemill.contracts import Capture, Cost, DatasetRef, Interval, ModelRef, Run, RunDocument, Source
from tidemill.errors import AliasConflict, ApprovalConflict, ImmutableVersion, NotFound, StorageError

AT = "2026-03-04T05:06:07Z"


def run(number: int, project: str = "churn", at: str = AT) -> Run:
    source = Source("tidemill-data", f"incoming/{project}/a.csv", "v1", "e1", 10)
    return Run(f"{number:032x}", project, source, at, "AWS:AIDAEXAMPLE")


def create(registry: Registry, run_id: str, model: str = "churn", sha: str = "ab") -> int:
    return registry.create_version(
        model,
        run_id,
        onnx_sha256=sha,
        dataset_version="d1",
        task="binary",
        metric="roc_auc",
        value=0.84,
        at=AT,
        actor="ada",
    )


def concluded(of: Run, **changes: Any) -> RunDocument:
    document = RunDocument(
        run_id=of.run_id,
        status="LIVE",
        reason="",
        project=of.project,
        task="binary",
        target="Churn",
        dataset=DatasetRef("d1", 100, 5),
        checks=(),
        candidates=(),
        metric="roc_auc",
        holdout={"roc_auc": Interval(0.84, 0.82, 0.86)},
        model=ModelRef("churn", 1, "champion"),
        endpoint="https://api/v1/models/churn:predict",
        report="s3://b/report.html",
        cost=Cost(0.0012, {}),
        seconds=42.5,
        started_at=of.started_at,
        started_by=of.started_by,
        source="s3://tidemill-data/incoming/churn/a.csv",
    )
    return dataclasses.replace(document, **changes)


# --- runs --------------------------------------------------------------------------------------


def test_a_run_starts_once_and_makes_its_project(registry: Registry) -> None:
    assert registry.start_run(run(1)) is True
    assert registry.start_run(run(1)) is False
    assert registry.projects() == ["churn"]
    record = registry.run(run(1).run_id)
    assert (record.status, record.project, record.source) == (
        "RUNNING",
        "churn",
        "s3://tidemill-data/incoming/churn/a.csv",
    )


def test_a_repeated_start_does_not_undo_the_end(registry: Registry) -> None:
    registry.start_run(run(1))
    registry.finish_run(concluded(run(1)), "runs/1/run.json")
    registry.start_run(run(1))
    assert registry.run(run(1).run_id).status == "LIVE"


def test_a_finished_run_carries_its_numbers(registry: Registry) -> None:
    registry.start_run(run(1))
    registry.finish_run(concluded(run(1)), "runs/1/run.json")
    registry.finish_run(concluded(run(1)), "runs/1/run.json")
    (record,) = registry.runs()
    assert (record.model, record.version, record.metric, record.value) == ("churn", 1, "roc_auc", 0.84)
    assert (record.usd, record.seconds, record.document) == (0.0012, 42.5, "runs/1/run.json")


def test_a_run_that_failed_early_is_listed_without_numbers(registry: Registry) -> None:
    registry.start_run(run(1))
    document = concluded(
        run(1), status="REFUSED_DATA", reason="no rows", stage="validate", metric=None, holdout={}, model=None
    )
    registry.finish_run(dataclasses.replace(document, cost=None, dataset=None), "runs/1/run.json")
    record = registry.run(run(1).run_id)
    assert (record.status, record.reason, record.stage, record.value) == ("REFUSED_DATA", "no rows", "validate", None)


def test_the_status_of_a_run_can_be_set_and_an_unknown_run_is_named(registry: Registry) -> None:
    registry.start_run(run(1))
    registry.set_status(run(1).run_id, "WAITING_FOR_APPROVAL")
    assert registry.run(run(1).run_id).status == "WAITING_FOR_APPROVAL"
    with pytest.raises(NotFound, match="no run 'ffff'"):
        registry.set_status("ffff", "RUNNING")
    with pytest.raises(NotFound, match="no run 'ffff'"):
        registry.run("ffff")


def test_the_newest_runs_come_first_across_projects(registry: Registry) -> None:
    for number, project in enumerate(["churn", "houses", "churn", "bikes", "churn"]):
        registry.start_run(run(number, project, f"2026-03-04T05:06:0{number}Z"))
    assert [r.project for r in registry.runs(limit=3)] == ["churn", "bikes", "churn"]
    assert [r.started_at[-3:-1] for r in registry.runs("churn")] == ["04", "02", "00"]
    assert registry.runs("nobody") == []


# --- datasets ----------------------------------------------------------------------------------


def test_the_latest_dataset_is_the_one_before_the_run_itself(registry: Registry) -> None:
    assert registry.latest_dataset("churn") is None
    registry.put_dataset("churn", DatasetRef("d1", 100, 5), "run1", "2026-03-01T00:00:00Z")
    registry.put_dataset("churn", DatasetRef("d2", 110, 6), "run2", "2026-03-02T00:00:00Z")
    registry.put_dataset("churn", DatasetRef("d2", 110, 6), "run2", "2026-03-02T00:00:00Z")
    latest, before = registry.latest_dataset("churn"), registry.latest_dataset("churn", except_run="run2")
    assert latest == DatasetRecord("churn", "d2", 110, 6, "run2", "2026-03-02T00:00:00Z")
    assert before == DatasetRecord("churn", "d1", 100, 5, "run1", "2026-03-01T00:00:00Z")
    assert [record.version for record in registry.datasets("churn")] == ["d2", "d1"]
    assert registry.dataset_of_run("churn", "run1") == DatasetRef("d1", 100, 5)
    assert registry.dataset_of_run("churn", "run3") is None


# --- versions ----------------------------------------------------------------------------------


def test_versions_count_from_one_and_a_run_has_one_version(registry: Registry) -> None:
    assert [create(registry, "run1"), create(registry, "run2"), create(registry, "run1")] == [1, 2, 1]
    assert create(registry, "run3", model="houses") == 1
    assert [record.version for record in registry.versions("churn")] == [2, 1]
    assert registry.models() == ["churn", "houses"]
    assert registry.version("churn", 2).run_id == "run2"
    assert (registry.version_of_run("churn", "run2"), registry.version_of_run("churn", "run9")) == (2, None)
    assert [(event.action, event.version) for event in registry.audit("churn")].count(("register", 1)) == 1


def test_a_version_never_changes(registry: Registry) -> None:
    create(registry, "run1", sha="ab")
    with pytest.raises(ImmutableVersion, match="version 1 of model 'churn'"):
        create(registry, "run1", sha="cd")
    assert registry.version("churn", 1).onnx_sha256 == "ab"


def test_what_does_not_exist_is_named(registry: Registry) -> None:
    with pytest.raises(NotFound, match="no model 'churn'"):
        registry.versions("churn")
    create(registry, "run1")
    with pytest.raises(NotFound, match="model 'churn' has no version 7"):
        registry.version("churn", 7)
    with pytest.raises(NotFound, match="no version 7"):
        registry.move_alias("churn", "champion", 7, None, "ada", "", AT)


def together(count: int, action: Callable[[int], Any]) -> list[Any]:
    """Let threads begin at the same moment; an error counts as its answer."""
    barrier = threading.Barrier(count)

    def one(number: int) -> Any:
        barrier.wait()
        try:
            return action(number)
        except Exception as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_runs_that_register_at_the_same_moment_get_numbers_without_gaps(registry: Registry) -> None:
    assert sorted(together(8, lambda number: create(registry, f"run{number}"))) == list(range(1, 9))
    assert len(registry.versions("churn")) == 8


def test_one_run_that_registers_many_times_at_once_has_one_version(registry: Registry) -> None:
    assert together(6, lambda _: create(registry, "run1")) == [1] * 6
    assert create(registry, "run2") == 2


# --- aliases -----------------------------------------------------------------------------------


@pytest.fixture
def four(registry: Registry) -> Registry:
    """A model with four versions and no alias."""
    for number in range(1, 5):
        create(registry, f"run{number}")
    return registry


def deploy(registry: Registry, version: int, at: str = AT) -> None:
    before = registry.alias("churn", "champion")
    registry.move_alias("churn", "champion", version, before, "ada", f"run{version} passed", at)


def test_an_alias_moves_with_an_audit_event(four: Registry) -> None:
    assert four.alias("churn", "champion") is None
    deploy(four, 1)
    deploy(four, 2)
    assert four.alias("churn", "champion") == 2
    assert four.aliases("churn") == {"champion": 2}
    moves = [event for event in four.audit("churn") if event.alias]
    assert {(event.revision, event.before, event.version, event.actor, event.reason) for event in moves} == {
        (1, None, 1, "ada", "run1 passed"),
        (2, 1, 2, "ada", "run2 passed"),
    }


def test_a_move_that_happened_already_changes_nothing(four: Registry) -> None:
    for _ in range(2):
        four.move_alias("churn", "champion", 1, None, "ada", "", AT)
    assert len([event for event in four.audit("churn") if event.alias]) == 1


@pytest.mark.parametrize("expected", [None, 2])
def test_a_move_on_a_wrong_belief_is_a_conflict_and_leaves_no_trace(four: Registry, expected: int | None) -> None:
    deploy(four, 1)
    with pytest.raises(AliasConflict, match="points to version 1 by now"):
        four.move_alias("churn", "champion", 3, expected, "bob", "", AT)
    assert four.alias("churn", "champion") == 1
    assert not [event for event in four.audit("churn") if event.actor == "bob"]


def test_of_writers_at_the_same_moment_one_wins(four: Registry) -> None:
    answers = together(4, lambda i: four.move_alias("churn", "champion", i + 1, None, f"writer{i}", "", AT))
    assert answers.count(None) == 1
    assert sum(isinstance(answer, AliasConflict) for answer in answers) == 3
    (move,) = [event for event in four.audit("churn") if event.alias]
    assert move.version == four.alias("churn", "champion") == answers.index(None) + 1


def test_a_move_between_reading_and_writing_is_a_conflict(four: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    deploy(four, 1)
    client = boto3.client("dynamodb")
    late = Registry(client, "tidemill", sleep=lambda seconds: None)
    write = client.transact_write_items

    def overtaken(**arguments: Any) -> Any:
        deploy(four, 2)
        return write(**arguments)

    monkeypatch.setattr(client, "transact_write_items", overtaken)
    with pytest.raises(AliasConflict, match="version 2 by now, not to version 1"):
        late.move_alias("churn", "champion", 3, 1, "bob", "", AT)
    assert four.alias("churn", "champion") == 2


def test_rollbacks_undo_deployments_one_by_one(four: Registry) -> None:
    for version in (1, 2, 3):
        deploy(four, version)
    assert four.rollback_target("churn") == 2
    assert four.rollback("churn", "ada", "bad answers", AT) == (3, 2)
    assert four.rollback("churn", "ada", "bad answers", AT) == (2, 1)
    with pytest.raises(NotFound, match="nothing to roll back to"):
        four.rollback("churn", "ada", "bad answers", AT)
    deploy(four, 4)
    assert four.rollback("churn", "ada", "bad answers", AT) == (4, 1)
    assert four.alias("churn", "champion") == 1


def test_a_promotion_of_an_old_version_can_be_undone(four: Registry) -> None:
    for version in (1, 2):
        deploy(four, version)
    four.move_alias("churn", "champion", 1, 2, "ada", "the old one was better", AT, action="promote")
    assert four.rollback("churn", "ada", "no, it was not", AT) == (1, 2)


def test_there_is_nothing_to_roll_back_without_a_champion(four: Registry) -> None:
    with pytest.raises(NotFound, match="no champion"):
        four.rollback("churn", "ada", "", AT)


# --- approvals and audit -----------------------------------------------------------------------


def test_a_decision_is_recorded_once(four: Registry) -> None:
    four.put_approval("run1", "churn", 1, "token1", AT)
    four.put_approval("run1", "churn", 1, "token2", AT)
    assert [(a.run_id, a.token) for a in four.pending_approvals()] == [("run1", "token2")]
    decided = four.decide_approval("run1", "APPROVED", "bob", "looks right", AT)
    assert (decided.state, decided.by, decided.reason, decided.token) == ("APPROVED", "bob", "looks right", "token2")
    assert four.decide_approval("run1", "APPROVED", "bob", "again", AT).reason == "looks right"
    with pytest.raises(ApprovalConflict, match="APPROVED already, by bob"):
        four.decide_approval("run1", "REJECTED", "eve", "no", AT)
    assert four.pending_approvals() == []
    assert [event.actor for event in four.audit("churn") if event.action == "approve"] == ["bob"]


def test_of_two_approvers_at_the_same_moment_one_decides(four: Registry) -> None:
    four.put_approval("run1", "churn", 1, "token", AT)
    states: list[Any] = ["APPROVED", "REJECTED"]
    answers = together(2, lambda i: four.decide_approval("run1", states[i], f"person{i}", "", AT))
    assert sum(isinstance(answer, ApprovalConflict) for answer in answers) == 1
    assert four.approval("run1").by in ("person0", "person1")


def test_a_run_that_asked_nobody_is_named(registry: Registry) -> None:
    with pytest.raises(NotFound, match="'run1' has not asked"):
        registry.approval("run1")


def test_the_audit_log_keeps_everything_in_order(registry: Registry) -> None:
    for minute in (3, 1, 2):
        at = f"2026-03-04T05:0{minute}:00Z"
        for _ in range(2):
            registry.record(AuditEvent("churn", "note", "ada", at, f"minute {minute}"))
    registry.record(AuditEvent("houses", "note", "ada", AT, "other"))
    assert [event.reason for event in registry.audit("churn")] == ["minute 1", "minute 2", "minute 3"]
    assert [event.subject for event in registry.audit_all(limit=2)] == ["houses", "churn"]


# --- what the service refuses ------------------------------------------------------------------


def test_throttling_is_a_storage_error_with_the_services_code(aws: None) -> None:
    client = boto3.client("dynamodb")
    with Stubber(client) as stub:
        stub.add_client_error("get_item", "ProvisionedThroughputExceededException", "slow down", 400)
        with pytest.raises(StorageError, match="ProvisionedThroughputExceededException: slow down"):
            Registry(client, "tidemill").alias("churn", "champion")


def cancelled(code: str) -> dict[str, Any]:
    return {
        "service_error_code": "TransactionCanceledException",
        "service_message": f"Transaction cancelled [{code}]",
        "modeled_fields": {"CancellationReasons": [{"Code": code}, {"Code": "None"}]},
    }


def test_a_transaction_that_others_disturb_is_tried_again_and_waits_longer_each_time(aws: None) -> None:
    client, waits = boto3.client("dynamodb"), list[float]()
    with Stubber(client) as stub:
        for answer in ("TransactionConflict", "TransactionConflict", ""):
            stub.add_response("get_item", {})
            stub.add_response("get_item", {})
            if answer:
                stub.add_client_error("transact_write_items", **cancelled(answer))
            else:
                stub.add_response("transact_write_items", {})
        assert create(Registry(client, "tidemill", sleep=waits.append), "run1") == 1
        stub.assert_no_pending_responses()
    assert 0 < waits[0] < waits[1]


def test_a_transaction_that_fails_for_another_reason_is_not_tried_again(aws: None) -> None:
    client = boto3.client("dynamodb")
    with Stubber(client) as stub:
        stub.add_response("get_item", {})
        stub.add_response("get_item", {})
        stub.add_client_error("transact_write_items", **cancelled("ValidationError"))
        with pytest.raises(StorageError, match="register version 1 of model churn: TransactionCanceledException"):
            create(Registry(client, "tidemill"), "run1")


def test_endless_disturbance_ends_as_a_storage_error(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_transact", lambda *_: False)
    with pytest.raises(StorageError, match="other runs register"):
        create(registry, "run1")


# --- the review queue --------------------------------------------------------------------------


def unsure(number: int) -> Capture:
    at = f"2026-03-04T05:06:{number:02d}Z"
    return Capture(f"p{number}", at, "churn", 3, {"tenure": None, "plan": "Ü"}, {"label": "Yes"}, "champion", True)


def test_reviews_wait_oldest_first_and_are_there_once(registry: Registry) -> None:
    assert [registry.open_review(unsure(number)) for number in (2, 1, 2)] == [True, True, False]
    first, second = registry.reviews("churn")
    assert (first.prediction_id, second.prediction_id) == ("p1", "p2")
    assert json.loads(first.inputs) == {"tenure": None, "plan": "Ü"}
    assert [record.prediction_id for record in registry.reviews("churn", limit=1)] == ["p1"]
    assert registry.reviews("houses") == []


def test_an_answered_review_leaves_the_queue_and_stays_answered(registry: Registry) -> None:
    registry.open_review(unsure(1))
    registry.answer_review("churn", "p1", "No", "ada", AT)
    assert registry.reviews("churn") == []
    assert not registry.open_review(unsure(1))
    (answered,) = registry.reviews("churn", "ANSWERED")
    assert (answered.actual, answered.by, answered.answered_at) == ("No", "ada", AT)
    assert [(event.action, event.actor) for event in registry.audit("churn")] == [("review", "ada")]


def test_a_later_answer_replaces_the_first_and_both_are_in_the_audit_log(registry: Registry) -> None:
    registry.open_review(unsure(1))
    registry.answer_review("churn", "p1", "No", "ada", AT)
    registry.answer_review("churn", "p1", "Yes", "bob", "2026-03-04T06:00:00Z")
    assert registry.review("churn", "p1").actual == "Yes"
    assert [event.reason for event in registry.audit("churn")] == ["p1 was No", "p1 was Yes"]


def test_reviews_are_found_by_the_first_characters_of_their_ids_answered_or_not(registry: Registry) -> None:
    for number in (1, 12, 2):
        registry.open_review(unsure(number))
    registry.answer_review("churn", "p12", "No", "ada", AT)
    assert [record.prediction_id for record in registry.reviews_starting("churn", "p1")] == ["p1", "p12"]
    assert registry.reviews_starting("houses", "p1") == []


def test_a_prediction_that_nobody_doubted_cannot_be_answered(registry: Registry) -> None:
    with pytest.raises(NotFound, match="no prediction 'p9' of model 'churn'"):
        registry.answer_review("churn", "p9", "No", "ada", AT)
