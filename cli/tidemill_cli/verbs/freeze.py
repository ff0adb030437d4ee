"""tidemill freeze"""

from __future__ import annotations

import click

from tidemill_cli import display
from tidemill_cli.session import Session, pass_session


@click.command(short_help="Keep a model's champion from being replaced.")
@click.argument("model")
@click.option("--off", is_flag=True, help="Let it be replaced again.")
@click.option("--reason", default="", help="Why, for the audit log and for whoever wants to promote.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def command(session: Session, model: str, off: bool, reason: str, as_json: bool) -> None:
    """Freeze the promotions of MODEL: no version takes the champion's place, by a run or by hand.

    Runs go on and end as REFUSED_BY_GATE before they deploy; a rollout that is under way holds where it is. A rollback
    is always possible. A rule of the spec may freeze, too.

    \b
    Examples:
      tidemill freeze churn --reason "the audit looks at version 3 until Friday"
      tidemill freeze churn --off --reason "the audit is over"
    """
    if not off and not reason.strip():
        raise click.UsageError("--reason is missing: whoever wants to promote must know why it is frozen")
    said = session.releases.freeze(model, not off, session.actor, reason, session.now())
    if as_json:
        display.document(said)
    elif said.frozen:
        click.echo(f"{model}: promotions are frozen by {said.by} since {said.at}: {said.reason}")
    else:
        click.echo(f"{model}: promotions are not frozen.")
