"""Reports of runs and of models in production, downloaded to where the command keeps its state."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from pathlib import Path

import click

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


def download_monitor(session: Session, model: str) -> Path:
    """The path of a model's monitor report on this machine. Raises NotFound when nobody has looked at the model."""
    from tidemill_cli.stack import state_dir

    path = state_dir() / "reports" / f"monitor-{model}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        session.objects.download(session.artifact_bucket, keys.monitor_report(model), path)
    except NotFound as error:
        raise NotFound(
            f"there is no monitor report of {model} yet: `tidemill monitor {model} --look` looks at it now"
        ) from error
    return path


def subject(path: Path) -> str:
    """What a monitor report is about, by its title: `churn version 2 · Steady`; empty when it does not say."""
    found = re.search(r"<title>(.*?) · Tidemill</title>", path.read_text(errors="replace"))
    return html.unescape(found[1]) if found else ""


def show(path: Path) -> None:
    """Open a report in a browser; where there is none nothing happens."""
    opener = shutil.which("xdg-open")
    if opener is None:
        click.launch(path.as_uri())
        return
    # Without a browser it complains about each that it has looked for.
    quiet = subprocess.DEVNULL
    subprocess.Popen([opener, path.as_uri()], stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)
