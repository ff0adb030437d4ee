"""tidemill actuals"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tidemill import keys, spec
from tidemill_cli import display, uploads
from tidemill_cli.session import Session, pass_session

if TYPE_CHECKING:
    from tidemill.monitoring_contracts import ActualsUpload

REFUSED = 2
#: Seconds between two looks for what the file brought, and how many looks there are.
POLL_SECONDS, LOOKS = 1.0, 300


@click.command(short_help="Tell what the true outcomes of predictions were.")
@click.argument("file", type=uploads.TABLE)
@click.option("--model", required=True, metavar="NAME", help="The model that made the predictions.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout, everything else on stderr.")
@pass_session
def command(session: Session, file: Path, model: str, as_json: bool) -> None:
    """Upload FILE with true outcomes of MODEL's predictions, and say what of it can be used.

    FILE is any table that training takes. Each row names a prediction, in `prediction_id`
    (every answer has it in x-tidemill-prediction-id), or an entity, in the column that the spec
    names as monitor.key; and what happened, in the target's column or in `actual`. It may come
    late, in parts, and again: of several outcomes of a prediction the last upload counts.

    \b
    Examples:
      tidemill actuals outcomes.csv --model churn
      aws s3 cp outcomes.csv "s3://$(tidemill bucket)/actuals/churn/"

    \b
    Exit codes: 0 some rows can be used, 2 the file was refused, 1 anything else.
    """
    uploaded = uploads.upload(session, file, keys.actuals(keys.check_project(model), file.name))
    brought = wait(lambda: session.monitoring.upload(uploaded.run_id), time.sleep)
    if brought is None:
        raise click.ClickException(
            f"{uploaded.place} has not been read within {POLL_SECONDS * LOOKS / 60:g} minutes: "
            "`tidemill logs --stage actuals` may say why"
        )
    if as_json:
        display.document(brought)
    if not brought.rows:
        click.echo(f"{click.style('REFUSED', fg='red', bold=True)}: {'; '.join(brought.problems)}", err=True)
        raise click.exceptions.Exit(REFUSED)
    click.echo(f"{file} is uploaded to {uploaded.place}", err=True)
    for problem in brought.problems:
        click.echo(f"! {problem}", err=True)
    if not as_json:
        click.echo(
            f"{brought.rows - brought.refused:,} of {brought.rows:,} outcomes ({brought.actual_column}) are kept; they "
            f"are joined to predictions by {brought.by_column} at the next look at the model"
        )
        days = _label_days(session, model)
        click.echo(
            f"One whose prediction is not known waits for it, up to {days:g} days: after a look, "
            f"`tidemill monitor {model}` says how many do"
        )
        click.echo(f"Look now:  tidemill monitor {model} --look", err=True)


def _label_days(session: Session, model: str) -> float:
    from tidemill.aws import project_specs

    return spec.parse(project_specs.document(session.artifact_bucket, session.objects, model)).monitor.label_days


def wait(read: Callable[[], ActualsUpload | None], sleep: Callable[[float], None]) -> ActualsUpload | None:
    """What an upload brought, once it is on record; None when it takes too long. Raises what `read` raises."""
    for _ in range(LOOKS):
        brought = read()
        if brought is not None:
            return brought
        sleep(POLL_SECONDS)
    return None
