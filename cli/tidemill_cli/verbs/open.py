"""tidemill open"""

from __future__ import annotations

import click

from tidemill.errors import NotFound
from tidemill_cli.session import Session, pass_session


@click.command(short_help="Open a run's report in a browser.")
@click.argument("run", required=False)
@click.option("--browser/--no-browser", default=True, help="Open it, or only download it. [default: browser]")
@pass_session
def command(session: Session, run: str | None, browser: bool) -> None:
    """Download the report of RUN (by default of the newest run that has one), open it, and print its path.

    The report is one HTML file that needs no network; send it to whoever should read it.

    \b
    Examples:
      tidemill open
      tidemill open 3f2a91c0 --no-browser
    """
    from tidemill_cli import reports, run_records

    if run is None:
        ended = (record for record in session.registry.runs(limit=50) if record.document is not None)
        record = next(ended, None)
        if record is None:
            raise NotFound("no run has ended yet, so there is no report")
    else:
        record = run_records.find(session, run)
    path = reports.download(session, record.run_id)
    click.echo(path)
    if browser:
        reports.show(path)
