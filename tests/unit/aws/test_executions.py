"""Histories of executions, in the form that AWS gives and in the shorter one of emulators."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tidemill.aws.executions import arn, steps, told, usage
from tidemill.aws.functions import Configuration

DEFINITION = {
    "States": {
        "Validate": {"Type": "Task", "Arguments": {"FunctionName": "f-validate"}},
        "Train": {
            "Type": "Map",
            "ItemProcessor": {"States": {"TrainCandidate": {"Type": "Task", "Arguments": {"FunctionName": "f-train"}}}},
        },
        "Refit": {"Type": "Task", "Arguments": {"FunctionName": "f-train"}},
        "ApprovalNeeded": {"Type": "Choice"},
        "Approve": {"Type": "Task", "Arguments": {"FunctionName": "f-approve"}},
        "Conclude": {"Type": "Task", "Arguments": {"FunctionName": "f-conclude"}},
        "Failed": {"Type": "Fail"},
    }
}


def configuration(function: str) -> Configuration:
    return Configuration(3072, "x86_64") if function == "f-train" else Configuration(1024, "arm64")


def at(second: float) -> datetime:
    return datetime.fromtimestamp(1_772_600_000 + second, UTC)


def event(second: float, kind: str, **details: Any) -> dict[str, Any]:
    return {"type": kind, "timestamp": at(second), **details}


def entered(second: float, kind: str, name: str) -> dict[str, Any]:
    return event(second, f"{kind}StateEntered", stateEnteredEventDetails={"name": name})


def exited(second: float, kind: str, name: str) -> dict[str, Any]:
    return event(second, f"{kind}StateExited", stateExitedEventDetails={"name": name})


def scheduled(second: float, resource: str = "invoke") -> dict[str, Any]:
    return event(second, "TaskScheduled", taskScheduledEventDetails={"resourceType": "lambda", "resource": resource})


def task(start: float, end: float, ending: str = "TaskSucceeded") -> list[dict[str, Any]]:
    return [scheduled(start), event(start, "TaskStarted"), event(end, ending)]


def stage(name: str, start: float, end: float) -> list[dict[str, Any]]:
    return [entered(start, "Task", name), *task(start, end), exited(end, "Task", name)]


#: Three candidates, two at a time, with all the events that AWS records.
AWS_MAP = [
    entered(2, "Map", "Train"),
    event(2, "MapStateStarted", mapStateStartedEventDetails={"length": 3}),
    event(2, "MapIterationStarted", mapIterationStartedEventDetails={"name": "Train", "index": 0}),
    entered(2, "Task", "TrainCandidate"),
    scheduled(2),
    event(2, "MapIterationStarted", mapIterationStartedEventDetails={"name": "Train", "index": 1}),
    entered(2, "Task", "TrainCandidate"),
    scheduled(2),
    event(2, "TaskStarted"),
    event(2, "TaskStarted"),
    event(5, "TaskSucceeded"),
    exited(5, "Task", "TrainCandidate"),
    event(5, "MapIterationSucceeded", mapIterationSucceededEventDetails={"name": "Train", "index": 1}),
    event(5, "MapIterationStarted", mapIterationStartedEventDetails={"name": "Train", "index": 2}),
    entered(5, "Task", "TrainCandidate"),
    scheduled(5),
    event(5, "TaskStarted"),
    event(6, "TaskSucceeded"),
    exited(6, "Task", "TrainCandidate"),
    event(9, "TaskSucceeded"),
    exited(9, "Task", "TrainCandidate"),
    event(9, "MapStateSucceeded"),
    exited(9, "Map", "Train"),
]
#: The same as an emulator records it: tasks only.
SHORT_MAP = [
    item
    for item in AWS_MAP
    if item["type"].startswith("Task") and "State" not in item["type"] and item["type"] != "TaskStarted"
]
SHORT_MAP = [entered(2, "Map", "Train"), *SHORT_MAP, exited(9, "Map", "Train")]


@pytest.mark.parametrize("train", [AWS_MAP, SHORT_MAP], ids=["aws", "short"])
def test_each_stage_has_its_invocations_seconds_and_transitions(train: list[Any]) -> None:
    history = [event(0, "ExecutionStarted"), *stage("Validate", 0, 2), *train, *stage("Refit", 9, 12)]
    used = usage(steps(history), DEFINITION, at(100), configuration)
    assert (used["validate"].invocations, used["validate"].seconds, used["validate"].transitions) == (1, 2.0, 1)
    assert (used["validate"].memory_mb, used["validate"].architecture) == (1024, "arm64")
    # 3 + 7 + 1 seconds of candidates and 3 of the refit; the Map, three iterations and the refit
    assert (used["train"].invocations, used["train"].seconds, used["train"].transitions) == (4, 14.0, 5)
    assert (used["train"].memory_mb, used["train"].architecture) == (3072, "x86_64")


@pytest.mark.parametrize("train", [AWS_MAP, SHORT_MAP], ids=["aws", "short"])
def test_progress_lists_the_outermost_states_only(train: list[Any]) -> None:
    history = [*stage("Validate", 0, 2), *train, entered(9, "Task", "Refit"), scheduled(9)]
    validate, candidates, refit = steps(history)
    assert (validate.name, validate.state, validate.seconds(at(50))) == ("Validate", "succeeded", 2.0)
    assert (candidates.name, candidates.state, candidates.begun, candidates.done) == ("Train", "succeeded", 3, 3)
    assert (refit.name, refit.stage, refit.state, refit.seconds(at(50))) == ("Refit", "train", "running", 41.0)


def test_a_running_map_tells_how_many_of_how_many() -> None:
    (step,) = steps(AWS_MAP[:-6])
    assert (step.state, step.done, step.total) == ("running", 1, 3)


@pytest.mark.parametrize(
    ("text", "total"),
    [
        ('{"metric": "roc_auc", "candidates": [{}, {}, {}, {}]}', 4),
        ("[1, 2]", 2),
        ('{"a": [1], "b": [2]}', None),
        ('{"candidates": [{}, {"na', None),
    ],
)
def test_a_map_without_a_length_is_counted_by_its_input(text: str, total: int | None) -> None:
    details = {"name": "Train", "input": text}
    (step,) = steps([event(0, "MapStateEntered", stateEnteredEventDetails=details), scheduled(0)])
    assert step.total == total


def looks(models: int, done: int) -> list[Any]:
    """A Map with several tasks for each item, of which so many items are done."""
    details = {"name": "Models", "input": json.dumps({"due": [{}] * models})}
    history = [event(0, "MapStateEntered", stateEnteredEventDetails=details)]
    for item in range(done):
        history += [each for number in range(4) for each in task(item * 4 + number, item * 4 + number + 1)]
    return history


def test_items_of_several_tasks_are_not_counted_by_their_tasks() -> None:
    (step,) = steps(looks(2, 1))
    assert (step.done, step.total, step.items) == (4, 2, None)
    (step,) = steps([*looks(2, 2), exited(9, "Map", "Models")])
    assert step.items == (2, 2)


def test_items_are_counted_by_their_iterations_where_the_history_has_them() -> None:
    opened = event(0, "MapStateStarted", mapStateStartedEventDetails={"length": 2})
    begun = [event(0, "MapIterationStarted"), event(0, "MapIterationStarted")]
    first, *rest = looks(2, 2)
    (step,) = steps([first, opened, *begun, *rest[:6]])
    assert step.items == (0, 2)
    (step,) = steps([first, opened, *begun, *rest[:12], event(4, "MapIterationSucceeded")])
    assert step.items == (1, 2)


def test_a_repeated_task_of_an_item_does_not_hide_how_many_are_done() -> None:
    details = {"name": "Train", "input": "[1, 2]"}
    entry = event(0, "MapStateEntered", stateEnteredEventDetails=details)
    (step,) = steps([entry, *task(0, 1, "TaskFailed"), *task(1, 2), scheduled(2)])
    assert step.items == (1, 2)


@pytest.mark.parametrize(
    ("error", "cause", "expected"),
    [
        (
            "NotFound",
            '{"errorMessage": "there is no model", "errorType": "NotFound", "stackTrace": []}',
            "there is no model",
        ),
        ("LookFailed", 'monitor: {"errorMessage": "rows is a {word}"}', "monitor: rows is a {word}"),
        ("LookFailed", "summarize: no such bucket", "LookFailed: summarize: no such bucket"),
        ("Refused", '{"other": 1}', 'Refused: {"other": 1}'),
        ("", "", ""),
    ],
)
def test_why_an_execution_failed_is_a_sentence(error: str, cause: str, expected: str) -> None:
    assert told(error, cause) == expected


def test_a_running_task_counts_until_now() -> None:
    history = [*stage("Validate", 0, 2), entered(2, "Task", "Conclude"), scheduled(2)]
    assert usage(steps(history), DEFINITION, at(5), configuration)["conclude"].seconds == 3.0


def test_a_repeated_task_counts_each_time_and_what_ends_well_is_well() -> None:
    history = [entered(0, "Task", "Validate"), *task(0, 1, "TaskFailed"), *task(3, 5), exited(5, "Task", "Validate")]
    (step,) = steps(history)
    used = usage([step], DEFINITION, at(9), configuration)["validate"]
    assert step.state == "succeeded"
    assert (used.invocations, used.seconds, used.transitions) == (2, 3.0, 2)


@pytest.mark.parametrize("ending", ["TaskFailed", "TaskTimedOut", "TaskStartFailed", "TaskSubmitFailed"])
def test_a_failed_stage_is_followed_by_the_conclusion(ending: str) -> None:
    history = [
        entered(0, "Task", "Validate"),
        *task(0, 1, ending),
        exited(1, "Task", "Validate"),
        *stage("Conclude", 1, 2),
        entered(2, "Fail", "Failed"),
        event(2, "ExecutionFailed"),
    ]
    assert [(step.name, step.state) for step in steps(history)] == [
        ("Validate", "failed"),
        ("Conclude", "succeeded"),
        ("Failed", "failed"),
    ]


def test_a_map_that_failed_ends_its_bracket() -> None:
    history = [
        entered(0, "Map", "Train"),
        event(0, "MapStateStarted", mapStateStartedEventDetails={"length": 1}),
        entered(0, "Task", "TrainCandidate"),
        *task(0, 1, "TaskFailed"),
        event(1, "MapIterationFailed"),
        event(1, "MapStateFailed"),
        exited(1, "Map", "Train"),
        *stage("Conclude", 1, 2),
    ]
    assert [(step.name, step.state) for step in steps(history)] == [("Train", "failed"), ("Conclude", "succeeded")]


@pytest.mark.parametrize(("submitted", "seconds"), [([event(1.5, "TaskSubmitted")], 1.5), ([], 0.0)])
def test_waiting_for_a_person_costs_no_function_time(submitted: list[Any], seconds: float) -> None:
    waiting = [entered(0, "Task", "Approve"), scheduled(0, "invoke.waitForTaskToken"), *submitted]
    (step,) = steps(waiting)
    assert step.waits
    assert usage([step], DEFINITION, at(50), configuration)["approve"].seconds == seconds
    (step,) = steps([*waiting, event(7200, "TaskSucceeded"), exited(7200, "Task", "Approve")])
    assert usage([step], DEFINITION, at(9000), configuration)["approve"].seconds == seconds


def test_states_without_a_function_count_as_workflow() -> None:
    history = [entered(0, "Choice", "ApprovalNeeded"), exited(0, "Choice", "ApprovalNeeded")]
    used = usage(steps(history), DEFINITION, at(0), configuration)
    assert (used["workflow"].transitions, used["workflow"].invocations, used["workflow"].gb_seconds) == (1, 0, 0.0)


@pytest.mark.parametrize("ending", ["ExecutionTimedOut", "ExecutionAborted"])
def test_an_execution_that_was_ended_leaves_no_running_step(ending: str) -> None:
    (step,) = steps([entered(0, "Task", "Validate"), scheduled(0), event(4, ending)])
    assert (step.state, step.seconds(at(50))) == ("failed", 4.0)


def test_an_execution_is_found_by_its_name() -> None:
    machine = "arn:aws:states:us-east-1:123456789012:stateMachine:tidemill-training"
    assert arn(machine, "ab12") == "arn:aws:states:us-east-1:123456789012:execution:tidemill-training:ab12"
