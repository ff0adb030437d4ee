"""Executions of the state machines: starting, watching, and what each stage of one used.

A history is read as the list of its outermost states, one after the other, with the
Lambda tasks inside each. On AWS a Map brackets its iterations by MapStateStarted and
MapStateSucceeded (Failed, Aborted) and records the states entered inside; emulators may
record only the tasks, and close no state whose error was caught. Both read the same here:
outside a bracket an entered state is an outermost one, whatever came before.

Iterations run at the same time, and not every history says which end belongs to which
start. The sum of durations needs no pairs: it is the sum of the ends minus that of the starts.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, cast

from botocore.exceptions import ClientError

from tidemill.aws import metering
from tidemill.aws.faults import code, translated
from tidemill.aws.functions import Configuration
from tidemill.contracts import StageUsage, to_json
from tidemill.errors import NotFound

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

ExecutionStatus = Literal["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"]

#: States whose tasks count as another stage: the train function works for them.
STAGES = {"narrow": "train", "refit": "train"}
#: What states without a task (Choice, Pass, Fail) count as.
FLOW = "workflow"
_OPENED = frozenset({"MapStateStarted", "ParallelStateStarted"})
_CLOSED = frozenset(f"{kind}State{end}" for kind in ("Map", "Parallel") for end in ("Succeeded", "Failed", "Aborted"))
_TASK_FAILED = frozenset({"TaskFailed", "TaskTimedOut", "TaskStartFailed", "TaskSubmitFailed"})
_EXECUTION_ENDED = frozenset({"ExecutionFailed", "ExecutionTimedOut", "ExecutionAborted"})


@dataclass(frozen=True)
class Execution:
    """An execution as a whole. Error and cause are empty unless it failed."""

    arn: str
    status: ExecutionStatus
    started_at: datetime
    ended_at: datetime | None
    error: str
    cause: str
    output: str = ""  #: JSON; empty unless it succeeded


@dataclass
class Step:
    """One outermost state of an execution, for people who watch it."""

    name: str  #: as in the state machine
    started_at: datetime
    is_map: bool = False
    state: Literal["running", "succeeded", "failed"] = "running"
    ended_at: datetime | None = None
    waits: bool = False  #: for a task token, that is: for a person
    total: int | None = None  #: items of a Map, when the history tells
    begun: int = 0  #: tasks that were started, repeated ones included
    done: int = 0  #: tasks that ended well
    failed: int = 0  #: tasks that ended with an error, repeated ones included
    entered: int = 0  #: states that were entered inside
    iterations: int | None = None  #: of a Map that ended well, when the history tells
    starts: float = 0.0  #: sum of the tasks' starts, seconds since the state's
    ends: float = 0.0  #: sum of the tasks' ends, seconds since the state's start
    last_start: float = 0.0  #: seconds since the state's start
    requests: Counter[str] = field(default_factory=Counter)  #: what metered tasks say they have used

    @property
    def stage(self) -> str:
        """The stage that the state belongs to, as the folders in `functions/` are named."""
        return STAGES.get(self.name.lower(), self.name.lower())

    @property
    def items(self) -> tuple[int, int] | None:
        """How many items of a Map are done, and of how many; None of other states, and when it cannot be told.

        A history without iterations has tasks only. As long as there is one for an item, they are the items.
        """
        total = self.total or self.begun
        if not self.is_map or not total:
            return None
        if self.iterations is not None:
            return self.iterations, total
        if self.begun - self.failed <= total:
            return self.done, total
        return (total, total) if self.state == "succeeded" else None

    def seconds(self, now: datetime) -> float:
        """How long the state took, or has taken until now."""
        return ((self.ended_at or now) - self.started_at).total_seconds()

    def task_seconds(self, now: datetime) -> float:
        """How long the tasks took together, those that still run until now."""
        running = 0 if self.waits else self.begun - self.done - self.failed
        return self.ends + running * (now - self.started_at).total_seconds() - self.starts


def told(error: str, cause: str) -> str:
    """Why an execution failed, in a sentence; empty when nothing is known.

    The cause of a function's failure is Lambda's document of the error, with the stack of the call; a state machine may
    put words before it.
    """
    words, brace, rest = cause.partition("{")
    try:
        document = json.loads(brace + rest)
    except ValueError:
        document = None
    if isinstance(document, dict) and document.get("errorMessage"):
        return words + str(document["errorMessage"]).strip()
    return ": ".join(filter(None, (error, cause)))


class Executions:
    """The executions of Step Functions state machines."""

    def __init__(self, stepfunctions: SFNClient) -> None:
        self._stepfunctions = stepfunctions

    def start(self, machine: str, name: str, value: Any) -> str:
        """Start an execution and return its ARN; one that was started under this name before is left alone.

        Parameters
        ----------
        machine
            ARN of the state machine.
        value
            the input: a contract, or plain JSON data of contracts.

        Raises
        ------
        StorageError
            the service refused or did not answer.
        """
        with translated(f"start {name} of {machine}"):
            try:
                answer = self._stepfunctions.start_execution(
                    stateMachineArn=machine, name=name, input=json.dumps(to_json(value))
                )
            except ClientError as error:
                if code(error) == "ExecutionAlreadyExists":
                    return arn(machine, name)
                raise
        return answer["executionArn"]

    def describe(self, execution: str) -> Execution:
        """Status and times of an execution. Raises NotFound, StorageError."""
        with _existing(execution):
            answer = self._stepfunctions.describe_execution(executionArn=execution)
        return Execution(
            arn=execution,
            status=cast(ExecutionStatus, answer["status"]),
            started_at=answer["startDate"],
            ended_at=answer.get("stopDate"),
            error=answer.get("error", ""),
            cause=answer.get("cause", ""),
            output=answer.get("output", ""),
        )

    def stop(self, execution: str, cause: str) -> None:
        """Stop an execution that runs. Raises NotFound, StorageError."""
        with _existing(execution):
            self._stepfunctions.stop_execution(executionArn=execution, error="Stopped", cause=cause)

    def progress(self, execution: str) -> list[Step]:
        """The outermost states in the order they were entered. Raises NotFound, StorageError."""
        found = steps(self._history(execution))
        for step in found:
            if step.is_map and not step.begun:
                self._count_children(execution, step)
        return found

    def usage(
        self, execution: str, until: datetime, configuration: Callable[[str], Configuration]
    ) -> dict[str, StageUsage]:
        """What each stage has used, as the function `usage` tells it. Raises NotFound, StorageError."""
        with _existing(execution):
            answer = self._stepfunctions.describe_state_machine_for_execution(executionArn=execution)
        return usage(steps(self._history(execution)), json.loads(answer["definition"]), until, configuration)

    def succeed(self, token: str, output: Any) -> None:
        """End a task that waits for its token. Raises NotFound when it no longer waits, StorageError."""
        with _waiting():
            self._stepfunctions.send_task_success(taskToken=token, output=json.dumps(to_json(output)))

    def fail(self, token: str, error: str, cause: str) -> None:
        """End a task that waits for its token with an error name. Raises NotFound, StorageError."""
        with _waiting():
            self._stepfunctions.send_task_failure(taskToken=token, error=error, cause=cause)

    def _history(self, execution: str) -> Iterator[Mapping[str, Any]]:
        pages = self._stepfunctions.get_paginator("get_execution_history")
        with _existing(execution):
            for page in pages.paginate(executionArn=execution, PaginationConfig={"PageSize": 1000}):
                yield from cast(list[Mapping[str, Any]], page["events"])

    def _count_children(self, execution: str, step: Step) -> None:
        """A Distributed Map runs its items as executions of their own, which the history does not show."""
        with _existing(execution):
            for run in self._stepfunctions.list_map_runs(executionArn=execution)["mapRuns"]:
                counts = self._stepfunctions.describe_map_run(mapRunArn=run["mapRunArn"])["itemCounts"]
                step.total, step.done, step.failed = counts["total"], counts["succeeded"], counts["failed"]
                step.begun = counts["total"] - counts["pending"]


def arn(machine: str, name: str) -> str:
    """ARN of an execution from that of its state machine and its name."""
    return f"{machine.replace(':stateMachine:', ':execution:')}:{name}"


def steps(history: Iterable[Mapping[str, Any]]) -> list[Step]:
    """The outermost states of an execution's history, in the order they were entered.

    Parameters
    ----------
    history
        events as GetExecutionHistory gives them, oldest first.
    """
    found: list[Step] = []
    depth = 0
    for event in history:
        kind, at = event["type"], event["timestamp"]
        if kind in _OPENED:
            depth += 1
            found[-1].total = event.get("mapStateStartedEventDetails", {}).get("length", found[-1].total)
        elif kind == "MapIterationStarted":
            found[-1].iterations = found[-1].iterations or 0
        elif kind == "MapIterationSucceeded":
            found[-1].iterations = (found[-1].iterations or 0) + 1
        elif kind in _CLOSED:
            depth -= 1
            found[-1].state = "succeeded" if kind.endswith("Succeeded") else "failed"
        elif kind.endswith("StateEntered"):
            if depth:
                found[-1].entered += 1
            else:
                details = event["stateEnteredEventDetails"]
                is_map = kind == "MapStateEntered"
                found.append(Step(details["name"], at, is_map, total=_items(details) if is_map else None))
        elif kind.endswith("StateExited") and not depth:
            step = found[-1]
            step.ended_at = at
            if step.state == "running":
                step.state = "succeeded"
        elif kind in _EXECUTION_ENDED and found and found[-1].ended_at is None:
            found[-1].ended_at, found[-1].state = at, "failed"
        elif kind.startswith("Task"):
            _task(found[-1], kind, event, (at - found[-1].started_at).total_seconds())
    return found


def _items(details: Mapping[str, Any]) -> int | None:
    """How many items a Map has, where the history does not say it: its input has one list, or is one."""
    try:
        value = json.loads(details.get("input", "null"))
    except ValueError:  # a long input is cut off
        return None
    lists = [item for item in (value.values() if isinstance(value, dict) else [value]) if isinstance(item, list)]
    return len(lists[0]) if len(lists) == 1 else None


def _task(step: Step, kind: str, event: Mapping[str, Any], at: float) -> None:
    if kind == "TaskScheduled":
        step.waits = str(event["taskScheduledEventDetails"]["resource"]).endswith(".waitForTaskToken")
        step.begun += 1
        step.starts += at
        step.last_start = at
        step.state = "running"
        if step.waits:  # the function is done long before the person is: unless the history says when, it took no time
            step.ends += at
    elif kind == "TaskSubmitted" and step.waits:
        step.ends += at - step.last_start
    elif kind == "TaskSucceeded":
        step.done += 1
        step.ends += 0.0 if step.waits else at
        step.requests.update(_requests(event.get("taskSucceededEventDetails", {})))
    elif kind in _TASK_FAILED:
        step.failed += 1
        step.ends += 0.0 if step.waits else at
        step.state = "failed"


def _requests(details: Mapping[str, Any]) -> dict[str, int]:
    try:
        output = json.loads(details.get("output", "null"))
    except ValueError:  # a long output is cut off
        return {}
    return metering.read(output.get("Payload")) if isinstance(output, dict) else {}


def usage(
    found: Iterable[Step],
    definition: Mapping[str, Any],
    until: datetime,
    configuration: Callable[[str], Configuration],
) -> dict[str, StageUsage]:
    """What each stage has used, by its name.

    A transition is what Step Functions charges: every state entered, and every repetition of a task.

    Parameters
    ----------
    found
        the outermost states of an execution.
    definition
        the state machine they belong to; it names the function that each state calls.
    until
        tasks that still run are counted until then.
    configuration
        gives memory and architecture of a function.
    """
    stages: dict[str, StageUsage] = {}
    for step in found:
        function = next(_function_names(definition["States"][step.name]), None)
        name = step.stage if function else FLOW
        if name not in stages:
            configured = configuration(function) if function else Configuration(0, "arm64")
            stages[name] = StageUsage(0, 0.0, configured.memory_mb, configured.architecture, 0)
        used = stages[name]
        stages[name] = dataclasses.replace(
            used,
            invocations=used.invocations + step.begun,
            seconds=used.seconds + step.task_seconds(until),
            transitions=used.transitions + _transitions(step),
            **{kind: getattr(used, kind) + count for kind, count in step.requests.items()},
        )
    return stages


def _transitions(step: Step) -> int:
    return 1 + max(step.entered, step.begun) if step.is_map else max(1, step.begun)


def _function_names(state: Any) -> Iterator[str]:
    if isinstance(state, Mapping):
        for name, value in state.items():
            if name == "FunctionName":
                yield value
            else:
                yield from _function_names(value)
    elif isinstance(state, list):
        for item in state:
            yield from _function_names(item)


@contextmanager
def _existing(execution: str) -> Iterator[None]:
    with translated(f"read execution {execution}"):
        try:
            yield
        except ClientError as error:
            if code(error) == "ExecutionDoesNotExist":
                raise NotFound(f"there is no execution {execution}") from error
            raise


@contextmanager
def _waiting() -> Iterator[None]:
    with translated("answer a waiting task"):
        try:
            yield
        except ClientError as error:
            if code(error) in ("TaskDoesNotExist", "TaskTimedOut", "InvalidToken"):
                raise NotFound(
                    "the run no longer waits for an answer: it was decided, stopped, or ran out of time"
                ) from error
            raise
