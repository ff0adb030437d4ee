"""One batch scoring as the command does it: upload the table, watch, and read how it ended."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tidemill.contracts import Concluded, Merged, from_json
from tidemill.errors import TidemillError
from tidemill_cli.session import Session

if TYPE_CHECKING:
    from rich.console import Console


def watch(session: Session, run_id: str, console: Console) -> Merged | Concluded:
    """Show the progress until the table is scored, or refused.

    Raises
    ------
    RunDidNotStart
        it never began.
    TidemillError
        it failed; the message is the state machine's.
    """
    from tidemill.aws import executions
    from tidemill_cli import follow

    execution = executions.arn(session.output("ScoringStateMachine"), run_id)
    with follow.shown(console, follow.SCORING) as show:
        ended = follow.follow(session.executions, execution, show).execution
    if ended.status != "SUCCEEDED":
        cause = f": {ended.error}: {ended.cause}" if ended.error else ""
        raise TidemillError(f"the scoring run {run_id} ended as {ended.status}{cause}")
    result = json.loads(ended.output)
    return from_json(Concluded, result) if "status" in result else from_json(Merged, result)
