"""tidemill monitor"""

from __future__ import annotations

import click

from tidemill import keys
from tidemill_cli import display
from tidemill_cli.session import Session, pass_session
from tidemill_cli.times import Moment

#: Windows that are read, at most.
WINDOWS = 200
#: Stages of a look at a model.
STAGES = {
    "Watch": "find which models are due",
    "Models": "count what is new, compare it with the release, decide",
}


@click.command(short_help="See how a model in production does, and what was decided.")
@click.argument("model")
@click.option("--look", is_flag=True, help="Look now, and wait for what is found.")
@click.option("--since", type=Moment(), help="Only windows since then: 36h, 7d, 2026-03-04.")
@click.option("--open", "open_report", is_flag=True, help="Open the report, with pictures, in a browser.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def command(session: Session, model: str, look: bool, since: str | None, open_report: bool, as_json: bool) -> None:
    """Show what was last seen of MODEL, since when, and what was decided about it.

    A model in service is looked at on schedule, as its spec says under `monitor`; --look does
    it at once. Only what is new is counted, so looking often costs little.

    \b
    Examples:
      tidemill monitor churn
      tidemill monitor churn --look --open
      tidemill monitor churn --since 7d --json
    """
    from tidemill_cli import monitor_view, reports

    keys.check_project(model)
    if look:
        _look(session, model)
    version = session.registry.alias(model, "champion")
    points = session.monitoring.points(model, version, WINDOWS, since or "", shadow=False)
    seen = monitor_view.Seen(
        model, version, tuple(reversed(points)), tuple(session.monitoring.decisions(model, WINDOWS, since or ""))
    )
    if as_json:
        display.document(
            {"model": model, "version": version, "points": list(seen.points), "decisions": list(seen.decisions)}
        )
    else:
        monitor_view.show(display.console(), seen)
    if open_report:
        path = reports.download_monitor(session, model)
        click.echo(path, err=as_json)
        reports.show(path)


def _look(session: Session, model: str) -> None:
    """Have the model looked at now. Raises TidemillError with the state machine's words when that fails."""
    import uuid

    from tidemill_cli import follow

    name = f"by-hand-{uuid.uuid4().hex}"
    session.executions.start(session.output("MonitoringStateMachine"), name, {"model": model})
    follow.result(session, "MonitoringStateMachine", name, STAGES, display.console(error=True))
