"""tidemill score"""

from __future__ import annotations

from pathlib import Path

import click

from tidemill import keys
from tidemill.contracts import Concluded, Merged
from tidemill_cli import display, uploads
from tidemill_cli.session import Session, pass_session

REFUSED = 2


@click.command(short_help="Score a table of any size, through the bucket.")
@click.argument("file", type=uploads.TABLE)
@click.option("--model", required=True, metavar="NAME", help="The model; its champion scores the table.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the scored table goes. [default: <name>.scored.csv in this folder]",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout, everything else on stderr.")
@pass_session
def command(session: Session, file: Path, model: str, out: Path | None, as_json: bool) -> None:
    """Upload FILE to be scored, wait, and download the table with its predictions.

    FILE is any table that training takes; columns that the model does not use are kept. The
    result is CSV: the uploaded columns, then `prediction` and for a classifier
    `probability_<class>` for each class, row for row what the endpoint answers. Without a
    target: `prediction` with `distance` (clusters) or `score` (anomalies), or `component_1`, ...

    \b
    Examples:
      tidemill score customers.csv --model churn
      tidemill score customers.parquet --model churn --out scored.csv
      aws s3 cp customers.csv "s3://$(tidemill bucket)/score/churn/"

    \b
    Exit codes: 0 the table is scored, 2 it was refused, 1 anything else.
    """
    from tidemill_cli import scoring

    if out is not None and not out.absolute().parent.is_dir():
        raise click.BadParameter(f"the folder {out.parent} does not exist: make it first", param_hint="--out")
    stderr = display.console(error=True)
    uploaded = uploads.upload(session, file, keys.to_score(keys.check_project(model), file.name))
    stderr.print(f"{file} is uploaded to {uploaded.place}; run {uploaded.run_id}")
    try:
        result = scoring.watch(session, uploaded.run_id, stderr)
    except KeyboardInterrupt:
        place = f"s3://{session.data_bucket}/{keys.scored(model, file.name)}"
        stderr.print(f"\nThe scoring goes on without us; its result will be {place}")
        raise
    if isinstance(result, Concluded):
        if as_json:
            display.document(result)
        click.echo(f"{click.style(result.status, fg='red', bold=True)}: {result.reason}", err=True)
        raise click.exceptions.Exit(REFUSED if result.status == "REFUSED_DATA" else 1)
    _deliver(session, result, out or Path(f"{Path(result.key).stem}.scored.csv"), as_json)


def _deliver(session: Session, merged: Merged, out: Path, as_json: bool) -> None:
    if merged.absent:
        click.echo(f"! the table has no column {', '.join(merged.absent)}: taken as missing in every row", err=True)
    session.objects.download(merged.bucket, merged.key, out, merged.version_id)
    if as_json:
        place = f"s3://{merged.bucket}/{merged.key}"
        display.document({"rows": merged.rows, "version": merged.version, "object": place, "file": str(out)})
    else:
        click.echo(f"{merged.rows:,} rows scored by version {merged.version}: {out}")
