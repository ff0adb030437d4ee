"""tidemill runs"""

from __future__ import annotations

import click

from tidemill_cli import display, figures
from tidemill_cli.session import Session, pass_session


@click.command(short_help="The newest runs.")
@click.option("--project", metavar="NAME", help="Only the runs of this project.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
@pass_session
def command(session: Session, project: str | None, limit: int, as_json: bool) -> None:
    """List the newest runs, newest first.

    \b
    Examples:
      tidemill runs
      tidemill runs --project churn --limit 5 --json
    """
    from tidemill_cli import run_records

    records = [run_records.current(session, record) for record in session.registry.runs(project, limit)]
    if as_json:
        display.document(records)
        return
    if not records:
        click.echo("There is no run yet: `tidemill train FILE --project NAME` starts one.", err=True)
        return
    columns = ("run", "project", "status", "started (UTC)", "time", "metric", "value", "model", "cost")
    rows = [
        (
            record.run_id[:8],
            record.project,
            display.coloured(record.status),
            figures.moment(record.started_at),
            figures.seconds(record.seconds),
            record.metric or "-",
            figures.metric(record.value),
            f"{record.model}/{record.version}" if record.version else "-",
            figures.usd(record.usd),
        )
        for record in records
    ]
    display.console().print(display.table(columns, rows, right=("time", "value", "cost")))
