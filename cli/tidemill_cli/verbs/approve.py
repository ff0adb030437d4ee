"""tidemill approve"""

from __future__ import annotations

import click

from tidemill_cli import display, figures
from tidemill_cli.session import Session, pass_session


@click.command(short_help="Let a model that waits for a person go live.")
@click.argument("run", required=False)
@click.option("--reason", default="", help="Why, for the audit log.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def command(session: Session, run: str | None, reason: str, as_json: bool) -> None:
    """Approve the model of RUN (an id or its first characters): it is deployed at once.

    Without RUN, what waits for a decision is listed. Look at a run with `tidemill run` first.
    Projects ask for an approval by the spec's field approval.mode.

    \b
    Examples:
      tidemill approve
      tidemill approve 3f2a91c0 --reason "quality agreed with the credit team"
    """
    if run is None:
        _list(session, as_json)
        return
    from tidemill.aws import approvals
    from tidemill_cli import run_records

    run_id = run_records.find(session, run).run_id
    decided = approvals.approve(session.registry, session.executions, run_id, session.actor, reason, session.now())
    if as_json:
        display.document(display.without(decided, "token"))
        return
    click.echo(f"Version {decided.version} of {decided.model} is approved and will be deployed now.")
    click.echo(f"Watch it with: tidemill run {decided.run_id[:8]} --follow", err=True)


def _list(session: Session, as_json: bool) -> None:
    waiting = session.registry.pending_approvals()
    if as_json:
        display.document([display.without(one, "token") for one in waiting])
    elif not waiting:
        click.echo("Nothing waits for a decision.", err=True)
    else:
        rows = [(one.run_id[:8], one.model, str(one.version), figures.moment(one.requested_at)) for one in waiting]
        display.console().print(display.table(("run", "model", "version", "since (UTC)"), rows, right=("version",)))
