"""tidemill rollback"""

from __future__ import annotations

import click

from tidemill.contracts import to_json
from tidemill_cli import display
from tidemill_cli.session import Session, pass_session


@click.command(short_help="Put the version before back in service.")
@click.argument("model")
@click.option("--reason", default="rolled back by hand", show_default=True, help="Why, for the audit log.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def command(session: Session, model: str, reason: str, as_json: bool) -> None:
    """End the rollout of MODEL that is under way; without one, undo its last deployment: the version before it
    answers again within seconds.

    A second rollback undoes the deployment before. Nothing is deleted. This is always possible, also when promotions
    are frozen.

    \b
    Examples:
      tidemill rollback churn --reason "too many false alarms since Tuesday"
    """
    done = session.releases.rollback(model, session.actor, reason, session.now())
    if as_json:
        display.document({"model": model, "alias": "champion"} | to_json(done))
    elif done.rollout:
        click.echo(f"{model}: version {done.before} is not let in any more, version {done.now} answers everything.")
    else:
        click.echo(f"{model}: version {done.now} is in service again, version {done.before} is not.")
