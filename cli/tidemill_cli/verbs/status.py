"""tidemill status"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from tidemill_cli import display, figures
from tidemill_cli.session import Session, pass_session

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tidemill.aws.registry import RunRecord

RUNS = 5


@dataclass(frozen=True)
class Deployed:
    """A function of the stack."""

    name: str
    memory_mb: int
    timeout: int
    state: str
    modified: str


@dataclass(frozen=True)
class Report:
    """What `tidemill status --json` prints.

    Attributes
    ----------
    running
        whether the endpoint answers
    pid
        of the emulator, None when it does not run or is not ours
    emulator
        the same in words, such as `ministack, process 11` or a container
    log
        the file or the command that shows what it printed
    stack_status
        CloudFormation's word, None when the stack is not deployed
    current
        whether what is deployed is what the checkout holds; None when `tidemill up` did not deploy it
    problem
        why a thing is not known, one sentence
    """

    running: bool
    endpoint: str | None
    pid: int | None
    emulator: str | None
    log: str | None
    stack: str
    stack_status: str | None
    current: bool | None
    api: str | None
    bucket: str | None
    functions: list[Deployed]
    runs: list[RunRecord]
    problem: str | None

    @property
    def usable(self) -> bool:
        """Whether a table can be uploaded now."""
        return self.running and self.problem is None


@click.command(short_help="Whether the stack runs, and what is in it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def command(session: Session, as_json: bool) -> int:
    """Show whether the stack runs, where it is, its functions and the newest runs.

    The exit code is 0 when it runs and is deployed, otherwise 1.

    \b
    Examples:
      tidemill status
      tidemill status --json
      tidemill up --port 5000 && tidemill status
    """
    report = _report(session)
    if as_json:
        display.document(report)
    else:
        _show(report)
    return 0 if report.usable else 1


def _report(session: Session) -> Report:
    from tidemill_cli import run_records
    from tidemill_cli.local.lifecycle import LocalStack
    from tidemill_cli.stack import StackError, state_dir

    local = LocalStack(state_dir(), stack_name=session.stack_name)
    record = local.record()
    known: dict[str, Any] = {
        "running": False,
        "endpoint": None,
        "pid": None,
        "emulator": None,
        "log": None,
        "stack": session.stack_name,
        "stack_status": None,
        "current": None,
        "api": None,
        "bucket": None,
        "functions": [],
        "runs": [],
        "problem": None,
    }
    try:
        stack = session.stack
        known["endpoint"] = stack.endpoint or f"AWS in {stack.region}"
        if record is not None and record.endpoint == stack.endpoint:
            known["current"] = local.is_current()
            if record.own:
                emulator = local.emulator
                known.update(pid=emulator.pid(), emulator=emulator.running(), log=emulator.log_shown_by)
        known["stack_status"] = stack.status()
        known["running"] = True
        known["api"], known["bucket"] = session.output("ApiUrl"), session.data_bucket
        known["functions"] = _functions(session)
        known["runs"] = [run_records.current(session, record) for record in session.registry.runs(limit=RUNS)]
    except StackError as error:
        known["problem"] = str(error)
    return Report(**known)


def _functions(session: Session) -> list[Deployed]:
    resources = session.stack.client("cloudformation").describe_stack_resources(StackName=session.stack_name)
    client = session.stack.client("lambda")
    functions = []
    for resource in resources["StackResources"]:
        if resource["ResourceType"] == "AWS::Lambda::Function":
            found = client.get_function_configuration(FunctionName=resource["PhysicalResourceId"])
            functions.append(
                Deployed(
                    resource["LogicalResourceId"],
                    found["MemorySize"],
                    found["Timeout"],
                    found.get("State", "Active"),
                    found["LastModified"],
                )
            )
    return sorted(functions, key=lambda function: function.name)


def _show(report: Report) -> None:
    console = display.console()
    stack = f"{report.stack}: {report.stack_status or 'not deployed'}" if report.running else report.stack
    if report.running and report.current is not None:
        stack += ", as in the checkout" if report.current else "; the checkout has changed since: `tidemill up`"
    where: list[tuple[str, str]] = [
        ("running", "yes" if report.running else "no"),
        ("endpoint", report.endpoint or "-"),
        ("emulator", f"{report.emulator or 'not running'}, its log is {report.log}" if report.log else "-"),
        ("stack", stack),
        ("API", report.api or "-"),
        ("bucket", report.bucket or "-"),
    ]
    console.print(display.paragraph("Stack", display.pairs(where)))
    if report.functions:
        console.print(display.paragraph("Functions", _function_table(report.functions)))
    if report.runs:
        rows = [
            (run.run_id[:8], run.project, display.coloured(run.status), figures.moment(run.started_at))
            for run in report.runs
        ]
        console.print(display.paragraph("Newest runs", display.table(("run", "project", "status", "started"), rows)))
    if report.problem:
        click.echo(f"{report.problem[0].upper()}{report.problem[1:]}.", err=True)


def _function_table(functions: list[Deployed]) -> RenderableType:
    rows = [
        (function.name, f"{function.memory_mb:,} MB", f"{function.timeout} s", function.state) for function in functions
    ]
    return display.table(("function", "memory", "timeout", "state"), rows, right=("memory", "timeout"))
