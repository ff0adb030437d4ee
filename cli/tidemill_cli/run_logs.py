"""Log lines of the stages' functions, found by the id of a run.

Each function has a log group; every line that a stage writes holds the run's id, as
structured JSON. What the runtime itself writes, such as the traceback of an error,
holds only the id of the invocation: it is found by the ids in the run's own lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from tidemill.aws.faults import code, translated
from tidemill.errors import NotFound
from tidemill_cli.session import Session

FUNCTION = "AWS::Lambda::Function"
SUFFIX = "Function"
#: Fields that a formatted line shows in places of their own, or that say nothing to a reader.
SHOWN_APART = frozenset(
    {"level", "message", "timestamp", "service", "location", "run_id", "exception", "exception_name", "stack_trace"}
)
INVOCATION = "function_request_id"
RUNTIME = frozenset(
    {"cold_start", "function_name", "function_memory_size", "function_arn", INVOCATION, "xray_trace_id"}
)


@dataclass(frozen=True)
class Line:
    """One log event."""

    at: int  #: milliseconds since 1970, UTC
    stage: str
    text: str

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of a structured line; of any other, none."""
        try:
            document = json.loads(self.text)
        except ValueError:
            return {}
        return document if isinstance(document, dict) else {}


def groups(session: Session) -> dict[str, str]:
    """Stage -> log group of its function, of the deployed stack. Raises StorageError."""
    pages = session.stack.client("cloudformation").get_paginator("list_stack_resources")
    found = {}
    with translated(f"list the resources of the stack {session.stack_name}"):
        for page in pages.paginate(StackName=session.stack_name):
            for resource in page["StackResourceSummaries"]:
                name = resource["LogicalResourceId"]
                if resource["ResourceType"] == FUNCTION and name.endswith(SUFFIX):
                    found[name.removesuffix(SUFFIX).lower()] = f"/aws/lambda/{resource['PhysicalResourceId']}"
    return found


def choose(found: Mapping[str, str], stage: str | None) -> dict[str, str]:
    """The groups to look in. Raises NotFound naming the stages when there is no such one."""
    if stage is None:
        return dict(found)
    if stage.lower() not in found:
        raise NotFound(f"there is no stage {stage!r}: the stages are {', '.join(sorted(found))}")
    return {stage.lower(): found[stage.lower()]}


def lines(session: Session, groups: Mapping[str, str], run_id: str | None, since: int) -> list[Line]:
    """The lines in order of time.

    Parameters
    ----------
    groups
        stage -> log group
    run_id
        only lines of this run, and of the invocations that worked for it; None for all lines
    since
        milliseconds since 1970, UTC

    Raises
    ------
    StorageError
        the service refused, or did not answer in time.
    """
    found: list[Line] = []
    for stage, group in groups.items():
        if run_id is None:
            found += _events(session, stage, group, since, "")
            continue
        own = [line for line in _events(session, stage, group, since, f'"{run_id}"') if run_id in line.text]
        invocations = {str(line.fields[INVOCATION]) for line in own if INVOCATION in line.fields}
        found += own
        known = {(line.at, line.text) for line in own}
        for invocation in sorted(invocations):
            more = _events(session, stage, group, since, f'"{invocation}"')
            found += [line for line in more if invocation in line.text and (line.at, line.text) not in known]
    return sorted(found, key=lambda line: line.at)


def _events(session: Session, stage: str, group: str, since: int, pattern: str) -> Iterator[Line]:
    asked: dict[str, Any] = {"logGroupName": group, "startTime": since}
    if pattern:
        asked["filterPattern"] = pattern
    with translated(f"read the log group {group}"):
        try:
            for page in session.stack.client("logs").get_paginator("filter_log_events").paginate(**asked):
                for event in page["events"]:
                    yield Line(event["timestamp"], stage, event["message"].rstrip())
        except ClientError as error:
            # A function that was never called has no group yet.
            if code(error) != "ResourceNotFoundException":
                raise


def words(fields: Mapping[str, Any]) -> str:
    """The message of a structured line with its further fields, and the traceback below."""
    message = fields.get("message", "")
    said = message if isinstance(message, str) else json.dumps(message)
    further = _further(fields)
    traceback = fields.get("exception") or ""
    return said + (f"  {further}" if further else "") + (f"\n{traceback}" if traceback else "")


def _further(fields: Mapping[str, Any]) -> str:
    named: Iterable[tuple[str, Any]] = fields.items()
    return " ".join(f"{name}={value}" for name, value in named if name not in SHOWN_APART | RUNTIME)
