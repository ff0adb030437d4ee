"""tidemill review"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import click

from tidemill import keys
from tidemill.contracts import Signature
from tidemill.errors import InputRefused, NotFound
from tidemill_cli import display, figures
from tidemill_cli.session import Session, pass_session

if TYPE_CHECKING:
    from tidemill.aws.registry import ReviewRecord

#: Classes that a refusal names.
SHOWN_CLASSES = 20


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
    The first characters of a prediction's id are enough when no other one begins like that.

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
    record = _find(session, model, prediction_id)
    place = keys.model(model, record.version, "signature.json")
    signature = session.objects.get_contract(Signature, session.artifact_bucket, place)
    if actual is not None:
        _check_actual(actual, signature, record.version)
        if record.actual is not None:
            before = f"was {record.actual!r}, said by {record.by} at {figures.moment(record.answered_at)}"
            click.echo(f"This replaces the earlier answer: {before}.", err=True)
        record = session.registry.answer_review(model, record.prediction_id, actual, session.actor, session.now())
    if as_json:
        display.document(_plain(record))
        return
    click.echo(f"Version {record.version} of {record.model} said at {figures.moment(record.at)} (UTC):")
    click.echo(f"  {_in_words(record, signature)}")
    click.echo("It was asked with:")
    for name, value in json.loads(record.inputs).items():
        click.echo(f"  {name}: {json.dumps(value, ensure_ascii=False)}")
    if record.actual is None:
        click.echo(f"Say what is true:  tidemill review {model} {record.prediction_id} --actual VALUE", err=True)
    else:
        click.echo(f"{record.by} said at {figures.moment(record.answered_at)} that {record.actual} is true.")


def _find(session: Session, model: str, text: str) -> ReviewRecord:
    """The review of the prediction with this id, or of the only one whose id begins like this."""
    found = session.registry.reviews_starting(model, text)
    for record in found:
        if record.prediction_id == text:
            return record
    if len(found) > 1:
        some = ", ".join(record.prediction_id for record in found[:4])
        more = ", ..." if len(found) > 4 else ""
        raise NotFound(f"{len(found)} predictions begin with {text!r} ({some}{more}): give more characters")
    return found[0] if found else session.registry.review(model, text)


def _check_actual(actual: str, signature: Signature, version: int) -> None:
    """Refuse an answer that cannot be true of this model."""
    asked = f"version {version} of {signature.model}"
    if signature.classes and actual not in signature.classes:
        named = ", ".join(signature.classes[:SHOWN_CLASSES])
        more = f" and {len(signature.classes) - SHOWN_CLASSES} more" if len(signature.classes) > SHOWN_CLASSES else ""
        raise InputRefused(f"{asked} has no class {actual!r}: --actual must be one of {named}{more}")
    if signature.task == "regression" and not _is_number(actual):
        raise InputRefused(f"{asked} predicts a number: --actual must be one, such as 12.5, not {actual!r}")


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text)) and "_" not in text
    except ValueError:
        return False


def _in_words(record: ReviewRecord, signature: Signature) -> str:
    from tidemill_cli.verbs.predict import words

    prediction = json.loads(record.prediction)
    if isinstance(prediction, dict):
        prediction.pop("review", None)  # that it is to be reviewed is known here
    return words(prediction, signature)


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
    said = prediction.get("label", prediction.get("value")) if isinstance(prediction, dict) else prediction
    return figures.number(said) if isinstance(said, float) else str(said)


def _plain(record: ReviewRecord) -> dict[str, object]:
    """The record with its inputs and prediction as JSON values."""
    return vars(record) | {"inputs": json.loads(record.inputs), "prediction": json.loads(record.prediction)}
