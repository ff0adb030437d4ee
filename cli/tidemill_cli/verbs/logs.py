"""tidemill logs"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from tidemill_cli import display, figures
from tidemill_cli.session import Session, pass_session

if TYPE_CHECKING:
    from rich.text import Text

    from tidemill_cli.run_logs import Line

#: Without a run, the lines of this time are shown.
RECENT_SECONDS = 3600
#: Between two looks at the logs while they are followed.
POLL_SECONDS = 2.0
#: A function's clock may be behind; lines before a run's begin by this much are looked at too.
EARLIER_MS = 60_000
LEVELS = {"DEBUG": "dim", "INFO": "", "WARNING": "yellow", "ERROR": "red", "CRITICAL": "red"}


@click.command(short_help="What the stages of a run logged.")
@click.argument("run", required=False)
@click.option("--stage", metavar="NAME", help="Only this stage: intake, validate, prepare, train, evaluate, ...")
@click.option("--follow", is_flag=True, help="Go on until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print the lines as a JSON array, as they were written.")
@pass_session
def command(session: Session, run: str | None, stage: str | None, follow: bool, as_json: bool) -> None:
    """Show the log lines of RUN (an id or its first characters; by default the newest run).

    With --stage and without RUN, the stage's lines of the last hour are shown, whatever they
    were about: the place to look when an upload starts no run.

    \b
    Examples:
      tidemill logs
      tidemill logs 3f2a91c0 --stage train
      tidemill logs --stage intake
      tidemill logs --stage predict --follow
    """
    if follow and as_json:
        raise click.UsageError("--follow and --json do not go together")
    from tidemill_cli import run_logs, run_records

    groups = run_logs.choose(run_logs.groups(session), stage)
    if run is None and stage is not None:
        run_id, since = None, int((time.time() - RECENT_SECONDS) * 1000)
    else:
        record = run_records.find(session, run)
        run_id, since = record.run_id, figures.epoch_ms(record.started_at) - EARLIER_MS
    lines = run_logs.lines(session, groups, run_id, since)
    if as_json:
        display.document([{"at": line.at, "stage": line.stage, "line": line.fields or line.text} for line in lines])
        return
    console = display.console()
    seen: set[Line] = set()
    while True:
        for line in lines:
            if line not in seen:
                console.print(_formatted(line), soft_wrap=True)
        seen.update(lines)
        if not follow:
            break
        time.sleep(POLL_SECONDS)
        lines = run_logs.lines(session, groups, run_id, since)
    if not lines:
        click.echo("No line was logged, or it has not arrived yet.", err=True)


def _formatted(line: Line) -> Text:
    from rich.text import Text

    from tidemill_cli import run_logs

    at = datetime.fromtimestamp(line.at / 1000, UTC)
    fields = line.fields
    level = str(fields.get("level", ""))
    text = run_logs.words(fields) if fields else line.text
    return Text.assemble((f"{at:%H:%M:%S} ", "dim"), f"{line.stage:9} ", (text, LEVELS.get(level, "")))
