"""One training run as the command sees it: watch it, and read what it made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.errors import TidemillError
from tidemill_cli import run_records
from tidemill_cli.run_records import RunView
from tidemill_cli.session import Session

if TYPE_CHECKING:
    from rich.console import Console


def watch(session: Session, run_id: str, console: Console, through_approval: bool = False) -> RunView:
    """Show a run's progress until it has ended, or waits for a person, and read what it made.

    Raises
    ------
    RunDidNotStart
        it never began.
    TidemillError
        the execution ended without concluding the run; the message is the state machine's.
    """
    from tidemill.aws import executions
    from tidemill_cli import follow

    def asked() -> bool:
        return session.registry.run(run_id).status == "WAITING_FOR_APPROVAL"

    execution = executions.arn(session.output("TrainingStateMachine"), run_id)
    with follow.shown(console, follow.TRAINING) as show:
        ended = follow.follow(session.executions, execution, show, None if through_approval else asked)
    record = session.registry.run(run_id)
    if record.document is None and not ended.waits:
        raise TidemillError(run_records.unconcluded(run_id, ended.execution))
    return run_records.read(session, record)
