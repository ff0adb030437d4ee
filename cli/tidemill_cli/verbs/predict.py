"""tidemill predict"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tidemill.contracts import Signature
from tidemill_cli import display, figures
from tidemill_cli.session import Session, pass_session

if TYPE_CHECKING:
    from tidemill_cli.prediction_api import Answer
    from tidemill_cli.rows_file import Rows

#: Rows of one request when a file is sent.
BATCH_ROWS = 500
#: What is explained of a row when there is no target.
SCORES = {"clustering": "distance to its cluster's centre", "anomaly_detection": "anomaly score"}


@click.command(short_help="Ask a model over HTTP.")
@click.argument("model")
@click.option("--row", "rows", metavar="JSON", multiple=True, help="One row as a JSON object; may be given again.")
@click.option(
    "--file",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A CSV file of rows with a header line.",
)
@click.option("--typical", is_flag=True, help="Ask with a typical row, and show it: a template for --row.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the rows of --file with their predictions go. [default: stdout]",
)
@click.option(
    "--confidence",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="SHARE",
    help="Also give the interval, or the set of classes, that is right so often, such as 0.9.",
)
@click.option("--explain", is_flag=True, help="Say what each input adds to the score instead; at most 20 rows.")
@click.option("--version", type=click.IntRange(min=1), help="Which version to ask. [default: the champion]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def command(
    session: Session,
    model: str,
    rows: tuple[str, ...],
    file: Path | None,
    typical: bool,
    out: Path | None,
    confidence: float | None,
    explain: bool,
    version: int | None,
    as_json: bool,
) -> None:
    """Ask MODEL for predictions, over HTTP as any application does.

    Cells of a file are read as the model's signature says; an empty cell is a missing value,
    and columns that are no inputs (the id, the target) are left aside. For files of more
    than some thousand rows, or of another kind than CSV in UTF-8, use `tidemill score`. What
    the inputs are is told by `tidemill model NAME`.

    \b
    Examples:
      tidemill predict churn --typical
      tidemill predict churn --row '{"tenure": 3, "contract": "month-to-month"}'
      tidemill predict churn --row '{"tenure": 3, "contract": "month-to-month"}' --explain
      tidemill predict churn --file rows.csv --confidence 0.9 --out predictions.csv
      tidemill predict churn --file rows.csv --version 1 --json
    """
    if bool(rows) + (file is not None) + typical != 1:
        raise click.UsageError("give the rows by one of --row, --file and --typical")
    if out is not None and (file is None or as_json):
        raise click.UsageError("--out goes with --file, and not with --json")
    if explain and (file is not None or confidence is not None):
        raise click.UsageError("--explain goes with --row or --typical, and not with --confidence")
    if file is not None:
        _predict_file(session, model, file, out, confidence, version, as_json)
        return
    instances = [_typical_row(session, model, version)] if typical else [_row(text) for text in rows]
    if explain:
        _explain(session, model, instances, version, as_json)
        return
    answer = session.api.predict(model, instances, version, confidence)
    if as_json:
        display.document(_document(model, [answer]))
        return
    signature = session.api.describe(model, answer.version).signature
    for prediction in answer.predictions:
        click.echo(words(prediction, signature, confidence))
    click.echo(f"model {model}, version {answer.version}, prediction {answer.prediction_id}", err=True)


def _explain(session: Session, model: str, instances: list[dict[str, Any]], version: int | None, as_json: bool) -> None:
    answer = session.api.explain(model, instances, version)
    if as_json:
        display.document({"model": model, "version": answer.version, "explanations": answer.predictions})
        return
    signature = session.api.describe(model, answer.version).signature
    target = signature.target or SCORES.get(signature.task, "the score")
    for said in answer.predictions:
        what = f"probability of {target} {said['of']}" if said["of"] else target
        click.echo(f"{what}: {figures.number(said['score'])}, usually {figures.number(said['base'])}")
        rows = [(name, figures.signed(value)) for name, value in said["contributions"].items()]
        display.console().print(display.table(("input", "adds"), rows, right=("adds",)))
    click.echo(f"model {model}, version {answer.version}", err=True)


def _predict_file(
    session: Session,
    model: str,
    file: Path,
    out: Path | None,
    confidence: float | None,
    version: int | None,
    as_json: bool,
) -> None:
    from tidemill_cli import rows_file

    rows = rows_file.read(file)
    described = session.api.describe(model, version)
    aside = rows_file.unknown_columns(rows, described.signature)
    if aside:
        click.echo(f"left aside, being no inputs of {model}: {', '.join(aside)}", err=True)
    # One version answers all batches, also when the alias moves between two of them.
    instances = rows_file.instances(rows, described.signature)
    answers = _in_batches(session, model, described.version, instances, file, confidence)
    if as_json:
        display.document(_document(model, answers))
        return
    _write(rows, described.signature, answers, out)
    if out is not None:
        click.echo(f"{len(rows.cells):,} rows predicted by model {model}, version {described.version}: {out}", err=True)


def _in_batches(
    session: Session,
    model: str,
    version: int,
    instances: list[dict[str, Any]],
    file: Path,
    confidence: float | None,
) -> list[Answer]:
    from tidemill_cli.prediction_api import PredictionFailed, RowsRefused
    from tidemill_cli.rows_file import WAY_OUT

    answers = []
    for start in range(0, len(instances), BATCH_ROWS):
        batch = instances[start : start + BATCH_ROWS]
        try:
            answers.append(session.api.predict(model, batch, version, confidence))
        except PredictionFailed as error:
            whole = len(batch) == len(instances)
            where = "" if whole else f"rows {start + 1:,} to {start + len(batch):,} of {file}, counted from there: "
            way_out = f", {WAY_OUT}" if isinstance(error, RowsRefused) else ""
            raise PredictionFailed(f"{where}{error}{way_out}") from error
    return answers


def _write(rows: Rows, signature: Signature, answers: list[Answer], out: Path | None) -> None:
    from tidemill_cli import rows_file

    text = rows_file.scored(rows, signature, [value for answer in answers for value in answer.predictions])
    if out is None:
        click.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8", newline="")


def _typical_row(session: Session, model: str, version: int | None) -> dict[str, Any]:
    signature = session.api.describe(model, version).signature
    row = {field.name: field.example for field in signature.inputs}
    click.echo(f"--row {shlex.quote(json.dumps(row, ensure_ascii=False))}", err=True)
    return row


def _row(text: str) -> dict[str, Any]:
    try:
        row = json.loads(text)
    except ValueError as error:
        raise click.UsageError(f"--row is not valid JSON: {error}") from error
    if not isinstance(row, dict):
        raise click.UsageError('--row must be a JSON object of inputs, such as {"tenure": 3}')
    return row


def _document(model: str, answers: list[Answer]) -> dict[str, Any]:
    return {
        "model": model,
        "version": answers[0].version,
        "prediction_ids": [answer.prediction_id for answer in answers],
        "predictions": [value for answer in answers for value in answer.predictions],
    }


def words(prediction: Any, signature: Signature, confidence: float | None = None) -> str:
    """A prediction as a person reads it, for a classifier with the probability of each class, the likeliest first.

    `confidence` is what was asked for, where it is known.
    """
    match signature.task:
        case "clustering":
            return f"cluster {prediction['cluster']}  (distance {figures.number(prediction['distance'], 4)})"
        case "anomaly_detection":
            said = signature.classes[bool(prediction["anomaly"])]
            return f"{said}  (stranger than {prediction['score']:.1%} of the training rows)"
        case "dimensionality_reduction":
            return f"components: {', '.join(figures.number(value, 4) for value in prediction['components'])}"
    if not signature.classes:
        value = prediction["value"] if isinstance(prediction, dict) else prediction
        return f"{signature.target}: {figures.number(value, 6)}{_certainty(prediction, confidence)}"
    shares = sorted(zip(prediction["probabilities"], signature.classes, strict=True), reverse=True)
    said = ", ".join(f"{name} {share:.1%}" for share, name in shares)
    return f"{signature.target}: {prediction['label']}  ({said}){_certainty(prediction, confidence)}"


def _certainty(prediction: Any, confidence: float | None) -> str:
    """What a prediction says about how sure it is."""
    if not isinstance(prediction, dict):
        return ""
    said = ""
    promised = "; " if confidence is None else f"; with {100 * confidence:.6g}% confidence: "
    if "low" in prediction:
        said += f"{promised}{figures.number(prediction['low'], 6)} to {figures.number(prediction['high'], 6)}"
    if "set" in prediction:
        said += promised + (" or ".join(prediction["set"]) or "none of the classes")
    if prediction.get("review"):
        said += ", to be reviewed"
    return said
