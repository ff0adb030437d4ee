"""tidemill rollback"""

from __future__ import annotations

import click

from tidemill_cli import display
from tidemill_cli.session import Session, pass_session


@click.command(short_help="Put the version before back in service.")
@click.argument("model")
@click.option("--reason", default="rolled back by hand", show_default=True, help="Why, for the audit log.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def command(session: Session, model: str, reason: str, as_json: bool) -> None:
    """Undo the last deployment of MODEL: the version before it answers again within seconds.

    A second rollback undoes the deployment before. Nothing is deleted.

    \b
    Examples:
      tidemill rollback churn --reason "too many false alarms since Tuesday"
    """
    before, now = session.registry.rollback(model, session.actor, reason, session.now())
    if as_json:
        display.document({"model": model, "alias": "champion", "before": before, "now": now})
    else:
        click.echo(f"{model}: version {now} is in service again, version {before} is not.")
