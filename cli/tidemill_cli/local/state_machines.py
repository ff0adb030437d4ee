"""What MiniStack's Step Functions leave out of JSONata definitions, put back in.

Three things differ from AWS: a TimeoutSeconds that is an expression, the fields of a Distributed Map,
and a function that fails before it has handed its task token on, which leaves the task waiting.
Runs in MiniStack's interpreter and replaces private functions of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]
PRIVATE_NAMES = (
    "_ExecutionError",
    "_apply_jsonata_output",
    "_apply_jsonata_template",
    "_call_lambda",
    "_execute_task",
    "_jsonata_state_field",
    "_run_distributed_map",
    "_state_query_language",
    "_task_tokens",
)
#: The fields of a Distributed Map that may hold expressions and are read before its items are known.
MAP_FIELDS = ("ItemReader", "MaxConcurrency")


def install() -> None:
    """Replace MiniStack's functions by ones that do the missing part and call them."""
    from ministack.services import stepfunctions  # type: ignore[import-not-found]

    execute_task = stepfunctions._execute_task
    run_distributed_map = stepfunctions._run_distributed_map
    call_lambda = stepfunctions._call_lambda

    def task(state: Json, given: Any, execution: Json, context: Json) -> Any:
        if isinstance(state.get("TimeoutSeconds"), str):
            seconds = stepfunctions._jsonata_state_field(state, "TimeoutSeconds", "number", given, context)
            state = {**state, "TimeoutSeconds": seconds}
        return execute_task(state, given, execution, context)

    def distributed_map(state: Json, given: Any, effective: Any, iterator: Json, execution: Json, context: Json) -> Any:
        if stepfunctions._state_query_language(state, context) != "JSONata":
            return run_distributed_map(state, given, effective, iterator, execution, context)
        known = {
            field: stepfunctions._apply_jsonata_template(state[field], given, context)
            for field in MAP_FIELDS
            if field in state
        }
        results, following = run_distributed_map({**state, **known}, given, effective, iterator, execution, context)
        output = stepfunctions._apply_jsonata_output(state, given, context, result=results, default=results)
        return output, following

    def call(function: str, event: Any) -> Any:
        try:
            return call_lambda(function, event)
        except stepfunctions._ExecutionError as error:
            for token in _texts(event):
                waiting = stepfunctions._task_tokens.get(token)
                if waiting is not None:
                    waiting["error"] = {"Error": error.error, "Cause": error.cause}
                    waiting["event"].set()
            raise

    stepfunctions._execute_task = task
    stepfunctions._run_distributed_map = distributed_map
    stepfunctions._call_lambda = call


def _texts(event: Any) -> Iterator[str]:
    """The texts in the fields of an event, one of which may be a task token."""
    if isinstance(event, dict):
        yield from (value for value in event.values() if isinstance(value, str))
