"""tidemill runs"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from tidemill_cli import display, figures
from tidemill_cli.session import Session, pass_session

if TYPE_CHECKING:
    from tidemill.aws.registry import RunRecord


@click.command(short_help="The newest runs.")
@click.option("--project", metavar="NAME", help="Only the runs of this project.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
@pass_session
def command(session: Session, project: str | None, limit: int, as_json: bool) -> None:
    """List the newest runs, newest first.

    LIVE says that a run's version has gone live, by the run or later by hand; the one that answers calls now is
    marked as champion.

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
    champions = {name: session.registry.alias(name, "champion") for record in records if (name := record.model)}
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
            _model(record, champions),
            figures.usd(record.usd),
        )
        for record in records
    ]
    display.console().print(display.table(columns, rows, right=("time", "value", "cost")))


def _model(record: RunRecord, champions: Mapping[str, int | None]) -> str:
    """The version that a run has made, and whether it answers the calls."""
    if record.model is None or record.version is None:
        return "-"
    mark = " champion" if champions[record.model] == record.version else ""
    return f"{record.model}/{record.version}{mark}"
