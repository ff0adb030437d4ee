"""tidemill monitor"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tidemill import keys
from tidemill.errors import NotFound
from tidemill_cli import display
from tidemill_cli.session import Session, pass_session
from tidemill_cli.times import Moment

if TYPE_CHECKING:
    from tidemill_cli import monitor_view

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
    session.registry.versions(model)  # refuses a model that there is not
    if look:
        _look(session, model)
    seen = _seen(session, model, since or "")
    state = session.monitoring.watch_state(model)
    unfound = state.unfound if state else 0
    if as_json:
        display.document(
            {
                "model": model,
                "version": seen.version,
                "points": list(seen.points),
                "decisions": list(seen.decisions),
                "waiting_outcomes": unfound,
            }
        )
    else:
        monitor_view.show(display.console(), seen)
        if unfound:
            wait = (
                "1 outcome waits for its prediction"
                if unfound == 1
                else f"{unfound:,} outcomes wait for their predictions"
            )
            click.echo(f"{wait}: no answer of the model that has been counted has the id or the key")
    if open_report:
        path = reports.download_monitor(session, model)
        about = reports.subject(path)
        click.echo(f"{about}: {path}" if about else path, err=as_json)
        reports.show(path)


def _seen(session: Session, model: str, since: str) -> monitor_view.Seen:
    """What is known of the version in service; before the first look at it, of the version that was looked at last."""
    from tidemill_cli import monitor_view

    version = session.registry.alias(model, "champion")
    found = session.monitoring.points(model, version, WINDOWS, since, shadow=False)
    points, decisions = tuple(reversed(found)), tuple(session.monitoring.decisions(model, WINDOWS, since))
    if points or version is None:
        return monitor_view.Seen(model, version, points, decisions)
    moves = [event for event in session.registry.audit(model) if (event.alias, event.version) == ("champion", version)]
    others = session.monitoring.points(model, None, WINDOWS, since, shadow=False)
    before = tuple(one for one in reversed(others) if one.version == others[0].version)
    return monitor_view.Seen(model, version, (), decisions, max((one.at for one in moves), default=None), before)


def _look(session: Session, model: str) -> None:
    """Have the model looked at now.

    Raises NotFound when no version is in service, TidemillError with the state machine's words when the look fails.
    """
    import uuid

    from tidemill_cli import follow

    if session.registry.alias(model, "champion") is None:
        raise NotFound(
            f"model {model!r} has no version in service to look at: "
            f"`tidemill promote {model} --version N` puts one there"
        )
    name = f"by-hand-{uuid.uuid4().hex}"
    session.executions.start(session.output("MonitoringStateMachine"), name, {"model": model})
    follow.result(session, "MonitoringStateMachine", name, STAGES, display.console(error=True))
