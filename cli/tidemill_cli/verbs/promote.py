"""tidemill promote"""

from __future__ import annotations

import dataclasses
import secrets
from typing import TYPE_CHECKING, get_args

import click

from tidemill import spec
from tidemill.contracts import field_types
from tidemill.release_contracts import Rollout
from tidemill_cli import display, figures
from tidemill_cli.session import Session, pass_session

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tidemill.aws.promotion import Strategy

STRATEGIES = get_args(field_types(spec.RolloutOptions)["strategy"])
#: Signal's verdict -> how it is marked, as checks are.
MARKS = {"good": "pass", "wait": "warn", "stop": "refuse"}


@click.command(short_help="Put a version in service, at once or step by step.")
@click.argument("model")
@click.option("--version", type=click.IntRange(min=1), help="The version; without it the newest rollout is shown.")
@click.option(
    "--strategy",
    type=click.Choice(STRATEGIES),
    help="How it takes over the calls. [default: as the project's spec says]",
)
@click.option("--reason", default="promoted by hand", show_default=True, help="Why, for the audit log.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def command(
    session: Session, model: str, version: int | None, strategy: Strategy | None, reason: str, as_json: bool
) -> None:
    """Make a version the champion of MODEL, whichever run has made it and however that ended, unless people have been
    asked about it and have not approved it.

    The spec's field rollout says how: all at once, or step by step, each step watched, and taken back by itself when
    the version does worse. `tidemill rollback` undoes it in either case.

    \b
    Examples:
      tidemill promote churn
      tidemill promote churn --version 3
      tidemill promote churn --version 3 --strategy canary --reason "the audit is over"
    """
    if version is None:
        _show(session, model, as_json)
        return
    from tidemill.aws import project_specs

    declared = spec.parse(project_specs.document(session.artifact_bucket, session.objects, model)).rollout
    done = session.releases.promote(
        model,
        version,
        dataclasses.replace(declared, strategy=strategy or declared.strategy),
        secrets.token_hex(16),
        session.actor,
        reason,
        session.now(),
    )
    if as_json:
        display.document(done)
    elif done.rollout:
        click.echo(f"{model}: version {version} is being let in step by step.")
        click.echo(f"See how far it has come with: tidemill promote {model}", err=True)
    else:
        before = "" if done.before is None else f", version {done.before} is not"
        click.echo(f"{model}: version {version} is in service now{before}.")


def _show(session: Session, model: str, as_json: bool) -> None:
    """The rollout that is under way, or else the newest one."""
    session.registry.versions(model)
    newest = session.releases.records.current_rollout(model) or next(
        iter(session.releases.records.rollouts(model, limit=1)), None
    )
    if as_json:
        display.document({"model": model, "rollout": newest, "freeze": session.releases.records.freeze(model)})
    elif newest is None:
        click.echo(f"No version of {model} has been let in step by step.", err=True)
    else:
        console = display.console()
        console.print(display.paragraph(f"Version {newest.version} of {model}: {newest.state}", _facts(newest)))
        if newest.signals:
            lines = [display.judged(MARKS[one.verdict], one.sentence, one.name) for one in newest.signals]
            console.print(display.paragraph("What was seen at the newest look", *lines))
        console.print(display.paragraph("What has happened", *_history(newest)))


def _facts(rollout: Rollout) -> RenderableType:
    steps = " -> ".join(f"{step:.0%}" for step in rollout.plan.steps)
    now = f"step {rollout.step + 1} of {len(rollout.plan.steps)}"
    return display.pairs(
        [
            ("asked for by", f"{rollout.by}: {rollout.reason}"),
            ("champion", f"version {rollout.champion}"),
            ("steps", f"{steps}, each for {figures.seconds(rollout.plan.bake_seconds)}"),
            ("now", "copies of calls, answered to nobody" if rollout.state == "SHADOW" else now),
        ]
    )


def _history(rollout: Rollout) -> list[RenderableType]:
    from rich.text import Text

    return [Text(line) for line in rollout.history]
