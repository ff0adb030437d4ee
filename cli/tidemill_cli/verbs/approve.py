"""tidemill approve"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tidemill_cli import display, figures
from tidemill_cli.session import Session, pass_session

if TYPE_CHECKING:
    from tidemill.aws.approvals import Standing


@click.command(short_help="Let a model that waits for a person go live.")
@click.argument("run", required=False)
@click.option("--reason", default="", help="Why, for the audit log.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def command(session: Session, run: str | None, reason: str, as_json: bool) -> None:
    """Approve the model of RUN (an id or its first characters): when as many people as the project asks for have, it
    is deployed.

    Without RUN, what waits for a decision is listed, each with the command that approves it. Look at a run with
    `tidemill run` or `tidemill open` first.
    Projects ask for an approval by the spec's field approval.mode. Nobody decides about a run of their own, and
    everybody once. A decision that its run could not be told of is listed, too: approving it once more tells the run.

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
    standing = approvals.approve(
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
    elif standing.again:
        at = figures.moment(decided.at)
        click.echo(f"Version {decided.version} of {decided.model} was approved by {decided.by} at {at} (UTC) already.")
        click.echo("If its run still waited, it has been told once more.")
    elif standing.missing:
        people = "1 more person" if standing.missing == 1 else f"{standing.missing} more people"
        click.echo(f"Your approval of version {decided.version} of {decided.model} is recorded: {people} must approve.")
    else:
        click.echo(f"Version {decided.version} of {decided.model} is approved and will be deployed now.")
        click.echo(f"Watch it with: tidemill run {decided.run_id[:8]} --follow", err=True)


def _list(session: Session, as_json: bool) -> None:
    from tidemill.aws import approvals

    waiting = approvals.waiting(session.registry, session.releases.records)
    if as_json:
        display.document([display.decision(one) for one in waiting])
    elif not waiting:
        click.echo("Nothing waits for a decision.", err=True)
    else:
        columns = ("run", "model", "version", "since (UTC)", "approved", "until (UTC)")
        rows = [
            (
                one.approval.run_id[:8],
                one.approval.model,
                str(one.approval.version),
                figures.moment(one.approval.requested_at),
                _come(one),
                figures.moment(one.ends_at) if one.ends_at else "",
            )
            for one in waiting
        ]
        display.console().print(display.table(columns, rows, right=("version",)))
        for one in waiting:
            named, run = f"version {one.approval.version} of {one.approval.model}", one.approval.run_id[:8]
            if one.approval.state == "REJECTED":
                click.echo(f'Tell the run of {named} with: tidemill reject {run} --reason "as decided"', err=True)
            else:
                click.echo(f"Approve {named} with: tidemill approve {run}", err=True)


def _come(standing: Standing) -> str:
    """How far a decision has come."""
    if standing.approval.handed_on:
        return f"{standing.needed - standing.missing} of {standing.needed}"
    return f"{standing.approval.state}, and the run does not know"
