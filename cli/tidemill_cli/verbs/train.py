"""tidemill train"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tidemill import keys
from tidemill.contracts import RunDocument
from tidemill.errors import TidemillError
from tidemill_cli import display, uploads
from tidemill_cli.session import Session, pass_session

if TYPE_CHECKING:
    from tidemill_cli.project_spec import Change

#: What the command's exit code says of a run's status; any other status is 1.
EXIT_CODES = {"LIVE": 0, "ROLLING_OUT": 0, "REFUSED_DATA": 2, "REFUSED_BY_GATE": 3}
#: Statuses of runs that say nothing for the spec they were started with.
NOTHING_CAME = frozenset({"REFUSED_DATA", "FAILED"})
GOES_ON = "the run goes on by itself"


@click.command(short_help="Upload a table, train on it, put the model behind the endpoint.")
@click.argument("file", type=uploads.TABLE)
@click.option("--project", required=True, metavar="NAME", help="The project; its model has the same name.")
@click.option("--target", metavar="COLUMN", help="The column to predict; kept in the project's spec.")
@click.option(
    "--spec",
    "spec_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A spec in YAML or JSON; replaces the project's.",
)
@click.option("--follow/--no-follow", default=True, help="Wait for the result, or only upload. [default: follow]")
@click.option("--json", "as_json", is_flag=True, help="Print the run's document on stdout, everything else on stderr.")
@pass_session
def command(
    session: Session,
    file: Path,
    project: str,
    target: str | None,
    spec_file: Path | None,
    follow: bool,
    as_json: bool,
) -> None:
    """Upload FILE to the project and follow the run that it starts.

    FILE is a table: CSV with any usual delimiter and encoding, TSV, JSON, Parquet or an
    Excel workbook, gzipped or not. Without a spec the target
    is a column named like one (target, label, y, ...); where there is none, rows are clustered.

    A spec that --target or --spec changed is taken back when the data is refused or the run fails.

    The command only uploads and watches: the run goes on when it is interrupted, and the
    same happens when any S3 client puts the file under incoming/NAME/ in the bucket.

    \b
    Examples:
      tidemill train customers.csv --project churn --target Churn
      tidemill train customers.csv --project churn --spec spec.yaml --json > run.json
      aws s3 cp customers.csv "s3://$(tidemill bucket)/incoming/churn/"

    \b
    Exit codes:
      0  the model is live, or is being let in step by step
      2  the data was refused
      3  a gate, or a person, refused the model
      1  anything else: an error, a model that waits for a person's approval
    With --no-follow: 0 when the table is uploaded.
    """
    document = _train(session, file, keys.check_project(project), target, spec_file, follow, as_json)
    if follow:
        raise click.exceptions.Exit(EXIT_CODES.get(document.status, 1))


def _train(
    session: Session,
    file: Path,
    project: str,
    target: str | None,
    spec_file: Path | None,
    follow: bool,
    as_json: bool,
) -> RunDocument:
    from tidemill_cli import project_spec, run_records, run_summary, training

    run_id = source = ""
    change = None
    stderr = display.console(error=True)
    try:
        document = project_spec.read_file(spec_file) if spec_file else None
        if document is not None or target is not None:
            change = project_spec.declare(session, project, document, target)
            if change:
                stderr.print(change.sentence)
        uploaded = uploads.upload(session, file, keys.incoming(project, file.name))
        run_id, source = uploaded.run_id, uploaded.place
        stderr.print(f"{file} is uploaded to {source}; run {run_id}")
        if not follow:
            started = run_records.bare(run_id, "RUNNING", GOES_ON, project, source)
            if as_json:
                display.document(started)
            else:
                stderr.print(f"Come back with: tidemill run {run_id[:8]} --follow")
            return started
        view = training.watch(session, run_id, stderr)
    except TidemillError as error:
        if change and not run_id:
            _take_back(session, change)
        if as_json:
            display.document(run_records.bare(run_id, "FAILED", str(error), project, source))
        raise
    except KeyboardInterrupt:
        if run_id:
            stderr.print(f"\nThe run goes on without us. Come back with: tidemill run {run_id[:8]} --follow")
            if as_json:
                display.document(run_records.bare(run_id, "RUNNING", GOES_ON, project, source))
        raise
    # Before the outcome, so that the last line on stderr says why.
    if change and view.document.status in NOTHING_CAME:
        _take_back(session, change)
    if as_json:
        display.document(view.document)
        run_summary.say_outcome(view.document)
    else:
        run_summary.show(view)
    return view.document


def _take_back(session: Session, change: Change) -> None:
    from tidemill_cli import project_spec

    if said := project_spec.take_back(session, change):
        click.echo(said, err=True)
