"""Following an execution: what it is doing, shown to whoever watches, until it ends or waits for a person.

In a terminal the stages are one table that is drawn again and again; in a pipe or a file
each stage is one line, written when it has ended.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from tidemill.errors import NotFound, TidemillError
from tidemill_cli import figures

if TYPE_CHECKING:
    from tidemill.aws.executions import Execution, Executions, Step
    from tidemill_cli.session import Session

#: State -> what happens in it, in the order of the training state machine.
TRAINING = {
    "Validate": "read and check the table",
    "Prepare": "decide roles and types, split off the holdout",
    "Train": "cross-validate the candidates",
    "Narrow": "keep the best for the next round",
    "Refit": "fit the best on all rows, export the model",
    "Evaluate": "measure it on the holdout, apply the gates",
    "Register": "keep it as a new version",
    "Approve": "people decide",
    "Deploy": "try the endpoint, put it in service",
    "Conclude": "write the report, count the cost",
    "RollOut": "let it in step by step",
}
SCORING = {
    "Plan": "read the table, cut it into slices",
    "Score": "predict the slices",
    "Merge": "put them together",
    "Conclude": "say what was wrong",
}
FEATURES = {
    "Ingest": "read and check the table, add it to the set",
    "Materialize": "write what changed for predictions",
    "Publish": "make it what trainings join",
    "Conclude": "say what was wrong",
}
#: States that a run may do without; they are shown when they are entered.
SOMETIMES = frozenset({"Approve", "Conclude", "RollOut"})
#: States that come between two rounds and are too short to be told of.
UNTOLD = frozenset({"Narrow"})

#: Seconds between two looks, and for how long a run may keep us waiting for its begin.
POLL_SECONDS = 0.4
START_SECONDS = 90.0


class RunDidNotStart(TidemillError):
    """Nothing began after the upload; the message says where to look."""


@dataclass(frozen=True)
class Ended:
    """How the following ended: with the execution, or at a state that waits for a person."""

    execution: Execution
    waits: bool


#: Shows steps; called again and again with all of them.
Watching = Callable[[Sequence["Step"]], None]


def follow(
    executions: Executions,
    execution: str,
    show: Watching,
    asked: Callable[[], bool] | None = None,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Ended:
    """Watch an execution until it has ended.

    Parameters
    ----------
    execution
        its ARN, also when it has not begun.
    asked
        whether a person has been asked; looked at while a state waits for one, and then the watching ends.
        None watches on until the person has decided.

    Raises
    ------
    RunDidNotStart
        it has not begun within START_SECONDS.
    StorageError
        the service does not answer.
    """
    deadline = clock() + START_SECONDS
    while True:
        try:
            current = executions.describe(execution)
        except NotFound as error:
            if clock() > deadline:
                raise RunDidNotStart(
                    f"the table is uploaded, but no run began within {START_SECONDS:.0f} s: "
                    "look at `tidemill logs --stage intake`, and at `tidemill status` for the stack"
                ) from error
            sleep(POLL_SECONDS)
            continue
        steps = executions.progress(execution)
        show(steps)
        if current.status != "RUNNING":
            return Ended(current, waits=False)
        if asked and steps and steps[-1].waits and steps[-1].state == "running" and asked():
            return Ended(current, waits=True)
        sleep(POLL_SECONDS)


def result(session: Session, machine: str, run_id: str, stages: Mapping[str, str], console: Console) -> Any:
    """Show the progress of a run until it has ended; what it gave.

    Parameters
    ----------
    machine
        the stack's output that names the state machine.

    Raises
    ------
    RunDidNotStart
        it never began.
    TidemillError
        it failed; the message is the state machine's.
    """
    from tidemill.aws import executions

    with shown(console, stages) as show:
        ended = follow(session.executions, executions.arn(session.output(machine), run_id), show).execution
    if ended.status != "SUCCEEDED":
        why = executions.told(ended.error, ended.cause)
        raise TidemillError(f"the run {run_id} ended as {ended.status}" + (f": {why}" if why else ""))
    return json.loads(ended.output)


@contextmanager
def shown(console: Console, stages: Mapping[str, str]) -> Iterator[Watching]:
    """What shows the steps on this console: a live table in a terminal, else a line for each stage that has ended."""
    if not console.is_terminal:
        yield _Lines(console, stages)
        return
    board = _Board(stages)
    with Live(board, console=console, refresh_per_second=10, transient=False):
        yield board.update


class _Lines:
    def __init__(self, console: Console, stages: Mapping[str, str]) -> None:
        self._console = console
        self._stages = stages
        self._said = 0
        self._width = max(map(len, stages)) + 2

    def __call__(self, steps: Sequence[Step]) -> None:
        told = [one for one in _timed(steps, self._stages) if one[0].name not in UNTOLD or one[0].state == "failed"]
        ended = [one for one in told if one[0].state != "running"]
        rounds = _rounds([step for step, _ in ended])
        for (step, seconds), number in list(zip(ended, rounds, strict=True))[self._said :]:
            outcome = "done" if step.state == "succeeded" else "failed"
            words = " · ".join(filter(None, (_round(number), outcome, _count(step), figures.seconds(seconds))))
            self._console.print(f"{step.name.lower():{self._width}}{words}")
        self._said = len(ended)


class _Board:
    """Draws the stages; time goes on between two looks at the execution."""

    def __init__(self, stages: Mapping[str, str]) -> None:
        self._stages = stages
        self._steps: Sequence[Step] = ()
        self._spinner = Spinner("dots", style="cyan")

    def update(self, steps: Sequence[Step]) -> None:
        """Take the newest steps."""
        self._steps = steps

    def __rich__(self) -> Table:
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 1))
        table.add_column(width=1)
        table.add_column()
        table.add_column(justify="right", min_width=8)
        table.add_column(overflow="ellipsis", no_wrap=True)
        timed = _timed(self._steps, self._stages)
        numbers = _rounds([step for step, _ in timed])
        for name, purpose in self._stages.items():
            # A state that is entered again is one line: its last round, and the seconds of all.
            entered = [(step, number) for (step, _), number in zip(timed, numbers, strict=True) if step.name == name]
            if name in UNTOLD and not any(step.state == "failed" for step, _ in entered):
                continue
            if entered:
                step, number = entered[-1]
                seconds = sum(seconds for one, seconds in timed if one.name == name)
                said = " · ".join(filter(None, (_round(number), _count(step), purpose)))
                table.add_row(self._mark(step), name, figures.seconds(seconds), Text(said, "dim"))
            elif name not in SOMETIMES:
                table.add_row("·", name, "", "", style="dim")
        return table

    def _mark(self, step: Step) -> RenderableType:
        if step.state == "running":
            return self._spinner
        return Text("✓", "green") if step.state == "succeeded" else Text("✗", "red")


def _timed(steps: Sequence[Step], stages: Mapping[str, str]) -> list[tuple[Step, float]]:
    """The steps worth showing with their seconds; one that was left by an error may have no end of its own."""
    now = datetime.now(UTC)
    ends = [step.ended_at or then.started_at for step, then in itertools.pairwise(steps)]
    ends += [steps[-1].ended_at or now] if steps else []
    return [
        (step, (end - step.started_at).total_seconds())
        for step, end in zip(steps, ends, strict=True)
        if step.name in stages
    ]


def _rounds(steps: Sequence[Step]) -> list[int]:
    """Of each step how often its state has been entered, itself counted."""
    return [sum(one.name == step.name for one in steps[: place + 1]) for place, step in enumerate(steps)]


def _round(number: int) -> str:
    """Which round of a state this is, from the second one on."""
    return f"round {number}" if number > 1 else ""


def _count(step: Step) -> str:
    """How many items of a Map are done."""
    items = step.items
    return f"{items[0]} of {items[1]}" if items else ""
