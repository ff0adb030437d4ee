"""One batch scoring as the command does it: upload the table, watch, and read how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.contracts import Concluded, Merged, from_json
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
    from tidemill_cli import follow

    result = follow.result(session, "ScoringStateMachine", run_id, follow.SCORING, console)
    return from_json(Concluded, result) if "status" in result else from_json(Merged, result)
