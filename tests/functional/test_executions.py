"""Starting, watching and answering executions: against moto, and against answers as the service gives them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from tidemill.aws import clients, executions
from tidemill.aws.executions import Executions
from tidemill.aws.functions import Configuration
from tidemill.contracts import DatasetRef
from tidemill.errors import NotFound, StorageError

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:training"
EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:training:ab12"
AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture
def stub(aws: None) -> Iterator[tuple[Executions, Stubber]]:
    """Executions over a client that gives the answers it is told to."""
    client = boto3.client("stepfunctions")
    with Stubber(client) as stubber:
        yield Executions(client), stubber
        stubber.assert_no_pending_responses()


def test_a_name_is_started_once(aws: None, machines: dict[str, str]) -> None:
    found = Executions(clients.stepfunctions())
    first = found.start(machines["training"], "ab12", {"run": DatasetRef("d1", 1, 2)})
    assert first == executions.arn(machines["training"], "ab12")
    assert found.start(machines["training"], "ab12", {"run": DatasetRef("d1", 1, 2)}) == first
    client = boto3.client("stepfunctions")
    (one,) = client.list_executions(stateMachineArn=machines["training"])["executions"]
    described = client.describe_execution(executionArn=one["executionArn"])
    assert json.loads(described["input"]) == {"run": {"version": "d1", "rows": 1, "columns": 2}}


def test_a_name_that_was_used_before_is_left_alone(stub: tuple[Executions, Stubber]) -> None:
    found, stubber = stub
    stubber.add_client_error("start_execution", "ExecutionAlreadyExists", "there is one", 400)
    assert found.start(MACHINE, "ab12", {}) == EXECUTION


def test_a_start_that_is_refused_is_a_storage_error(stub: tuple[Executions, Stubber]) -> None:
    found, stubber = stub
    stubber.add_client_error("start_execution", "ThrottlingException", "rate exceeded", 400)
    with pytest.raises(StorageError, match=r"start ab12 of .*: ThrottlingException: rate exceeded"):
        found.start(MACHINE, "ab12", {})


def test_an_execution_is_described_with_its_error(stub: tuple[Executions, Stubber]) -> None:
    found, stubber = stub
    stubber.add_response(
        "describe_execution",
        {
            "executionArn": EXECUTION,
            "stateMachineArn": MACHINE,
            "status": "FAILED",
            "startDate": AT,
            "stopDate": AT,
            "error": "RunFailed",
            "cause": "no",
        },
    )
    described = found.describe(EXECUTION)
    assert (described.status, described.ended_at, described.error, described.cause) == ("FAILED", AT, "RunFailed", "no")


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        ("describe_execution", lambda found: found.describe(EXECUTION)),
        ("stop_execution", lambda found: found.stop(EXECUTION, "enough")),
        ("get_execution_history", lambda found: found.progress(EXECUTION)),
        ("describe_state_machine_for_execution", lambda found: found.usage(EXECUTION, AT, Configuration)),
    ],
)
def test_an_unknown_execution_is_named(
    stub: tuple[Executions, Stubber], operation: str, action: Callable[[Executions], Any]
) -> None:
    found, stubber = stub
    stubber.add_client_error(operation, "ExecutionDoesNotExist", "none", 400)
    with pytest.raises(NotFound, match=EXECUTION):
        action(found)


@pytest.mark.parametrize("code", ["TaskDoesNotExist", "TaskTimedOut", "InvalidToken"])
def test_a_task_that_no_longer_waits_is_told_apart(stub: tuple[Executions, Stubber], code: str) -> None:
    found, stubber = stub
    stubber.add_client_error("send_task_success", code, "", 400)
    stubber.add_client_error("send_task_failure", code, "", 400)
    with pytest.raises(NotFound, match="no longer waits"):
        found.succeed("token", {})
    with pytest.raises(NotFound, match="no longer waits"):
        found.fail("token", "ApprovalRejected", "no")


def test_answers_reach_the_task(stub: tuple[Executions, Stubber]) -> None:
    found, stubber = stub
    stubber.add_response("send_task_success", {}, {"taskToken": "t1", "output": '{"approved_by": "bob"}'})
    stubber.add_response("send_task_failure", {}, {"taskToken": "t2", "error": "ApprovalRejected", "cause": "no"})
    found.succeed("t1", {"approved_by": "bob"})
    found.fail("t2", "ApprovalRejected", "no")


def history(*events: dict[str, Any]) -> dict[str, Any]:
    """Events as the service numbers them."""
    return {"events": [event | {"id": number, "timestamp": AT} for number, event in enumerate(events, 1)]}


def test_a_long_history_is_read_to_its_end(stub: tuple[Executions, Stubber]) -> None:
    found, stubber = stub
    entered = {"type": "TaskStateEntered", "stateEnteredEventDetails": {"name": "Validate"}}
    exited = {"type": "TaskStateExited", "stateExitedEventDetails": {"name": "Validate"}}
    first = {"executionArn": EXECUTION, "maxResults": 1000}
    stubber.add_response("get_execution_history", history(entered) | {"nextToken": "more"}, first)
    stubber.add_response("get_execution_history", history(exited), first | {"nextToken": "more"})
    (step,) = found.progress(EXECUTION)
    assert (step.name, step.state) == ("Validate", "succeeded")


def test_usage_finds_the_functions_in_the_definition(stub: tuple[Executions, Stubber]) -> None:
    found, stubber = stub
    definition = {"States": {"Validate": {"Type": "Task", "Arguments": {"FunctionName": "arn:validate"}}}}
    machine = {"stateMachineArn": MACHINE, "name": "training", "roleArn": "r" * 20, "updateDate": AT}
    stubber.add_response("describe_state_machine_for_execution", machine | {"definition": json.dumps(definition)})
    scheduled = {"region": "us-east-1", "resourceType": "lambda", "resource": "invoke", "parameters": "{}"}
    stubber.add_response(
        "get_execution_history",
        history(
            {"type": "TaskStateEntered", "stateEnteredEventDetails": {"name": "Validate"}},
            {"type": "TaskScheduled", "taskScheduledEventDetails": scheduled},
        ),
    )
    asked = list[str]()

    def configuration(function: str) -> Configuration:
        asked.append(function)
        return Configuration(2048, "arm64")

    used = found.usage(EXECUTION, AT.replace(second=17), configuration)
    assert asked == ["arn:validate"]
    assert (used["validate"].gb_seconds, used["validate"].invocations) == (20.0, 1)


def test_a_distributed_map_is_counted_by_its_children(stub: tuple[Executions, Stubber]) -> None:
    found, stubber = stub
    entered = {"type": "MapStateEntered", "stateEnteredEventDetails": {"name": "Score"}}
    stubber.add_response("get_execution_history", history(entered))
    run = {"mapRunArn": "arn:map", "executionArn": EXECUTION, "stateMachineArn": MACHINE, "startDate": AT}
    stubber.add_response("list_map_runs", {"mapRuns": [run]})
    zero = dict.fromkeys(("timedOut", "aborted", "resultsWritten"), 0)
    counts = zero | {"total": 40, "pending": 10, "running": 5, "succeeded": 24, "failed": 1}
    described = {
        "mapRunArn": "arn:map",
        "executionArn": EXECUTION,
        "status": "RUNNING",
        "startDate": AT,
        "maxConcurrency": 5,
        "toleratedFailurePercentage": 0.0,
        "toleratedFailureCount": 0,
        "itemCounts": counts,
        "executionCounts": counts,
    }
    stubber.add_response("describe_map_run", described)
    (step,) = found.progress(EXECUTION)
    assert (step.total, step.begun, step.done, step.failed) == (40, 30, 24, 1)
