"""tidemill features"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from tidemill import keys
from tidemill.contracts import Concluded
from tidemill_cli import display, figures, uploads
from tidemill_cli.session import Session, pass_session

if TYPE_CHECKING:
    from rich.text import Text

    from tidemill.aws.registry import FeatureSetRecord

REFUSED = 2


@click.group(
    invoke_without_command=True, short_help="Feature sets that projects share: list them, put tables, look up."
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
@pass_session
@click.pass_context
def command(context: click.Context, session: Session, as_json: bool) -> None:
    """List the shared feature sets.

    A feature set is a table with a key, such as customers by customer_id. Every project may join
    it to its own table; a prediction looks it up by the key alone.

    \b
    Examples:
      tidemill features
      tidemill features put customers customers.csv --key customer_id --time as_of
      tidemill features show customers 1042
    """
    if context.invoked_subcommand is not None:
        return
    found = session.registry.feature_sets()
    if as_json:
        display.document(found)
    elif not found:
        click.echo("There is no feature set yet: `tidemill features put NAME FILE --key COLUMN` makes one.", err=True)
    else:
        now = datetime.fromisoformat(session.now())
        columns = ("feature set", "key", "time", "entities", "rows", "columns", "age", "version")
        rows = [_cells(record, now) for record in found]
        display.console().print(display.table(columns, rows, right=("entities", "rows", "columns")))


@command.command("put", short_help="Add a table to a feature set, and make the set if there is none.")
@click.argument("name")
@click.argument("file", type=uploads.TABLE)
@click.option("--key", metavar="COLUMN", help="The column that names the entity; needed for a new set.")
@click.option(
    "--time", metavar="COLUMN", help="The column that says since when a row is known; a set with one keeps its history."
)
@click.option(
    "--personal-data",
    type=click.Choice(["warn", "drop", "refuse"]),
    help="What happens to columns of personal data. [default: warn]",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout, everything else on stderr.")
@pass_session
def put(
    session: Session,
    name: str,
    file: Path,
    key: str | None,
    time: str | None,
    personal_data: Literal["warn", "drop", "refuse"] | None,
    as_json: bool,
) -> None:
    """Upload FILE to the feature set NAME and wait until predictions can look it up.

    With a time, its rows are added to those that the set has, and one with the same key and time
    replaces the earlier one. Without a time, the table replaces the whole set.

    \b
    Examples:
      tidemill features put customers customers.csv --key customer_id --time as_of
      tidemill features put customers june.csv
      aws s3 cp june.csv "s3://$(tidemill bucket)/features/customers/"

    Exit codes: 0 the table is stored, 2 it was refused, 1 anything else.
    """
    from tidemill_cli import feature_sets

    feature_sets.declare(session, keys.check_project(name), key, time, personal_data)
    stderr = display.console(error=True)
    uploaded = uploads.upload(session, file, keys.features(name, file.name))
    stderr.print(f"{file} is uploaded to {uploaded.place}; run {uploaded.run_id}")
    result = feature_sets.watch(session, uploaded.run_id, stderr)
    if isinstance(result, Concluded):
        if as_json:
            display.document(result)
        click.echo(f"{click.style(result.status, fg='red', bold=True)}: {result.reason}", err=True)
        raise click.exceptions.Exit(REFUSED if result.status == "REFUSED_DATA" else 1)
    for warning in result.warnings:
        click.echo(f"! {warning}", err=True)
    if as_json:
        display.document(result)
    else:
        click.echo(
            f"{name} has {result.rows:,} rows of {result.entities:,} entities (version {result.version}); "
            f"{result.written:,} changed for predictions"
        )


@command.command("show", short_help="What predictions look up for one entity.")
@click.argument("name")
@click.argument("key")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def show(session: Session, name: str, key: str, as_json: bool) -> None:
    """Show the newest features of the entity KEY in the feature set NAME.

    \b
    Examples:
      tidemill features show customers 1042
      tidemill features show customers 1042 --json
    """
    from tidemill_cli import feature_sets

    row = feature_sets.row(session, name, key)
    if as_json:
        display.document({"feature_set": name, "key": key, "known_since": row.at, "values": row.values})
        return
    known = [] if row.at is None else [("known since", str(row.at))]
    values = [(column, json.dumps(value, ensure_ascii=False)) for column, value in row.values.items()]
    display.console().print(display.pairs([*known, *values]))


def _cells(record: FeatureSetRecord, now: datetime) -> Sequence[str | Text]:
    from rich.text import Text

    return (
        Text(record.name, "bold"),
        record.key,
        record.time or "-",
        f"{record.entities:,}",
        f"{record.rows:,}",
        str(record.columns),
        figures.seconds((now - datetime.fromisoformat(record.at)).total_seconds()),
        record.version,
    )
