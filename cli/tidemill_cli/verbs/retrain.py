"""tidemill retrain"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, get_args

import click

from tidemill import keys, spec
from tidemill.contracts import field_types
from tidemill.monitoring_contracts import Retraining
from tidemill_cli import display
from tidemill_cli.session import Session, pass_session
from tidemill_cli.times import Moment

if TYPE_CHECKING:
    from tidemill_cli.run_records import RunView

DATA = get_args(field_types(spec.RetrainingOptions)["data"])
#: Seconds between two looks for the composed table, and how many looks there are.
POLL_SECONDS, LOOKS = 1.0, 600
#: There is nothing to train on.
REFUSED = 2


@click.command(short_help="Train again on what production has taught.")
@click.argument("model")
@click.option(
    "--data",
    type=click.Choice(DATA),
    help="What is trained on. [default: window with --since, else as the project's spec says]",
)
@click.option("--since", type=Moment(), help="Predictions from then on: 36h, 7d, 2026-03-04.")
@click.option(
    "--until", type=Moment(), help="Predictions from before then; with it a training of the past is made up for."
)
@click.option("--reason", default="asked for by hand", show_default=True, help="Why; it stands in the run's report.")
@click.option("--follow/--no-follow", default=False, help="Wait for the run, or only ask for it. [default: no-follow]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout, everything else on stderr.")
@pass_session
def command(
    session: Session,
    model: str,
    data: Literal["all", "window", "drifted_plus_old"] | None,
    since: str | None,
    until: str | None,
    reason: str,
    follow: bool,
    as_json: bool,
) -> None:
    """Compose a table for MODEL of its last uploaded one and of predictions whose outcome is known, and train on it.

    all: every row of that table, and every such prediction since. window: predictions alone.
    drifted_plus_old: predictions, and so many old rows that the new ones keep their share.
    Gates, approval and rollout are those of any run. Cooldown and budget are for trainings
    that nobody asks for by hand.

    \b
    Examples:
      tidemill retrain churn --reason "prices have changed" --follow
      tidemill retrain churn --data drifted_plus_old --since 7d
      tidemill retrain churn --since 2026-01-01 --until 2026-02-01

    \b
    Exit codes: 2 there is nothing to train on. With --follow those of `tidemill train`.
    """
    asked = session.retrainings.by_hand(
        Retraining(
            id=secrets.token_hex(16),
            model=keys.check_project(model),
            at=session.now(),
            by=session.actor,
            trigger="backfill" if until else "hand",
            reason=reason,
            data=data or ("window" if since else _declared(session, model)),
            start=since,
            end=until,
        )
    )
    click.echo("A table is being composed of what is known by now.", err=True)
    made = wait(lambda: session.retrainings.records.retraining(model, asked.id), time.sleep)
    if made.problem:
        if as_json:
            display.document(made)
        click.echo(f"{click.style('REFUSED', fg='red', bold=True)}: {made.problem}", err=True)
        raise click.exceptions.Exit(REFUSED)
    if made.run_id is None:
        raise click.ClickException(
            f"no run has started within {POLL_SECONDS * LOOKS / 60:g} minutes: see `tidemill logs --stage retrain`"
        )
    click.echo(
        f"{made.rows_new:,} predictions and {made.rows_old:,} rows of the last table: run {made.run_id}", err=True
    )
    if follow:
        _follow(session, made.run_id, as_json)
    elif as_json:
        display.document(made)
    else:
        click.echo(f"Come back with: tidemill run {made.run_id[:8]} --follow", err=True)


def wait(read: Callable[[], Retraining], sleep: Callable[[float], Any]) -> Retraining:
    """The retraining when its run has started, or when there is a problem; after a while as it is then.

    Raises what `read` raises.
    """
    for _ in range(LOOKS):
        made = read()
        if made.problem or (made.run_id and made.key):
            break
        sleep(POLL_SECONDS)
    return made


def _follow(session: Session, run_id: str, as_json: bool) -> None:
    from tidemill_cli import run_summary, training
    from tidemill_cli.verbs.train import EXIT_CODES

    view: RunView = training.watch(session, run_id, display.console(error=True))
    if as_json:
        display.document(view.document)
        run_summary.say_outcome(view.document)
    else:
        run_summary.show(view)
    raise click.exceptions.Exit(EXIT_CODES.get(view.document.status, 1))


def _declared(session: Session, model: str) -> Literal["all", "window", "drifted_plus_old"]:
    from tidemill.aws import project_specs

    return spec.parse(project_specs.document(session.artifact_bucket, session.objects, model)).retraining.data
