"""Reports of runs, downloaded to where the command keeps its state."""

from __future__ import annotations

from pathlib import Path

from tidemill import keys
from tidemill.errors import NotFound
from tidemill_cli.session import Session


def download(session: Session, run_id: str) -> Path:
    """The path of a run's report on this machine. Raises NotFound when the run has none yet."""
    from tidemill_cli.stack import state_dir

    path = state_dir() / "reports" / f"{run_id}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        session.objects.download(session.artifact_bucket, keys.run_report(run_id), path)
    except NotFound as error:
        raise NotFound(
            f"run {run_id} has no report yet: it is written when the run ends; "
            f"`tidemill run {run_id[:8]}` shows how far it is"
        ) from error
    return path
