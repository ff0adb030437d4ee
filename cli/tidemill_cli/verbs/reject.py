"""tidemill reject"""

from __future__ import annotations

import click

from tidemill_cli import display, figures
from tidemill_cli.session import Session, pass_session


@click.command(short_help="Refuse a model that waits for a person.")
@click.argument("run")
@click.option("--reason", required=True, help="Why, for the audit log and the report.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def command(session: Session, run: str, reason: str, as_json: bool) -> None:
    """Refuse the model of RUN (an id or its first characters), whatever others say: the run ends as REFUSED_BY_GATE.

    \b
    Examples:
      tidemill reject 3f2a91c0 --reason "the holdout has no customers from the south"
    """
    from tidemill.aws import approvals
    from tidemill_cli import run_records

    run_id = run_records.find(session, run).run_id
    standing = approvals.reject(
        session.registry,
        session.releases.records,
        session.executions,
        run_id,
        session.person,
        reason,
        session.now(),
    )
    decided = standing.approval
    if as_json:
        display.document(display.decision(standing))
        return
    if standing.again:
        at = figures.moment(decided.at)
        click.echo(f"Version {decided.version} of {decided.model} was refused by {decided.by} at {at} (UTC) already.")
        click.echo("If its run still waited, it has been told once more.")
        return
    click.echo(f"Version {decided.version} of {decided.model} is rejected; what answered before goes on answering.")
