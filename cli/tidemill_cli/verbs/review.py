"""tidemill review"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from tidemill_cli import display, figures
from tidemill_cli.session import Session, pass_session

if TYPE_CHECKING:
    from tidemill.aws.registry import ReviewRecord


@click.command(short_help="Predictions that a person should look at.")
@click.argument("model")
@click.argument("prediction_id", required=False)
@click.option("--actual", metavar="VALUE", help="What is true: the class, or the number.")
@click.option("--answered", is_flag=True, help="List those that were answered.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many are listed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_session
def command(
    session: Session,
    model: str,
    prediction_id: str | None,
    actual: str | None,
    answered: bool,
    limit: int,
    as_json: bool,
) -> None:
    """List the predictions of MODEL that it was not sure of, show one, or say what was true of it.

    Predictions come here when the project's spec has review_below and they are less sure than that.

    \b
    Examples:
      tidemill review churn
      tidemill review churn 8a0c9e5f-1b2c
      tidemill review churn 8a0c9e5f-1b2c --actual Yes
    """
    if prediction_id is None:
        if actual is not None:
            raise click.UsageError(
                "--actual says what is true of one prediction: name it, as in `tidemill review M ID`"
            )
        _list(session, model, answered, limit, as_json)
        return
    if actual is None:
        record = session.registry.review(model, prediction_id)
    else:
        record = session.registry.answer_review(model, prediction_id, actual, session.actor, session.now())
    if as_json:
        display.document(_plain(record))
        return
    click.echo(f"Version {record.version} of {record.model} said {record.prediction} at {record.at}.")
    for name, value in json.loads(record.inputs).items():
        click.echo(f"  {name}: {json.dumps(value, ensure_ascii=False)}")
    if record.actual is None:
        click.echo(f"Say what is true:  tidemill review {model} {record.prediction_id} --actual VALUE", err=True)
    else:
        click.echo(f"{record.by} said at {record.answered_at} that {record.actual} is true.")


def _list(session: Session, model: str, answered: bool, limit: int, as_json: bool) -> None:
    session.registry.versions(model)
    records = session.registry.reviews(model, "ANSWERED" if answered else "OPEN", limit)
    if as_json:
        display.document([_plain(record) for record in records])
        return
    if not records:
        click.echo(f"No prediction of {model} {'was answered' if answered else 'waits for a review'}.", err=True)
        return
    columns = ("prediction", "at (UTC)", "version", "said", "actual")
    rows = [
        (record.prediction_id, figures.moment(record.at), str(record.version), _said(record), record.actual or "-")
        for record in records
    ]
    display.console().print(display.table(columns, rows, right=("version",)))


def _said(record: ReviewRecord) -> str:
    prediction = json.loads(record.prediction)
    return str(prediction.get("label", prediction.get("value"))) if isinstance(prediction, dict) else str(prediction)


def _plain(record: ReviewRecord) -> dict[str, object]:
    """The record with its inputs and prediction as JSON values."""
    return vars(record) | {"inputs": json.loads(record.inputs), "prediction": json.loads(record.prediction)}
