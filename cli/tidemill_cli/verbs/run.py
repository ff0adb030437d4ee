"""tidemill run"""

from __future__ import annotations

import click

from tidemill_cli import display
from tidemill_cli.session import Session, pass_session


@click.command(short_help="What a run found, made and cost.")
@click.argument("run", required=False)
@click.option("--follow", is_flag=True, help="Watch a run that goes on until it has ended, also through an approval.")
@click.option("--json", "as_json", is_flag=True, help="Print the run's document.")
@pass_session
def command(session: Session, run: str | None, follow: bool, as_json: bool) -> None:
    """Show a run: its data, checks, candidates, quality, gates, model and cost.

    RUN is its id or the first characters of it; without it the newest run is shown. Of a run
    that goes on, what is known by now is shown.

    \b
    Examples:
      tidemill run
      tidemill run 3f2a91c0
      tidemill run 3f2a91c0 --follow
      tidemill run 3f2a91c0 --json
    """
    from tidemill_cli import run_records, run_summary, training

    record = run_records.find(session, run)
    if follow and record.document is None:
        view = training.watch(session, record.run_id, display.console(error=True), through_approval=True)
    else:
        view = run_records.read(session, record)
    if as_json:
        display.document(view.document)
    else:
        run_summary.show(view)
