"""tidemill contract"""

from __future__ import annotations

from collections.abc import Iterable

import click

from tidemill import keys
from tidemill import spec as specs
from tidemill.contracts import ColumnConstraints, DataContract
from tidemill.errors import NotFound
from tidemill_cli import display
from tidemill_cli.session import Session, pass_session

#: Values of a domain that the table names.
VALUES = 6


@click.command(short_help="What the uploads of a project are held to.")
@click.argument("project")
@click.option("--why", is_flag=True, help="Say of each constraint why it was suggested.")
@click.option("--json", "as_json", is_flag=True, help="Print the contract as JSON.")
@pass_session
def command(session: Session, project: str, why: bool, as_json: bool) -> None:
    """Show the data contract of PROJECT: what its uploads are held to, column by column.

    The first accepted upload suggests it; `contract` in the project's spec replaces what was
    suggested. What is shown is what the next upload is held to.

    \b
    Examples:
      tidemill contract churn
      tidemill contract churn --why
      tidemill contract churn --json
    """
    from tidemill_cli import project_spec

    declared = specs.parse(project_spec.stored(session, keys.check_project(project))).contract
    try:
        suggested = session.objects.get_contract(DataContract, session.artifact_bucket, keys.data_contract(project))
    except NotFound:
        suggested = DataContract("", "", 0, ())
    held = declared.replacing(suggested)
    if not held.columns:
        raise NotFound(f"project {project!r} has no data contract yet: its first accepted upload makes one")
    if as_json:
        display.document(held)
        return
    origin = (
        f"suggested by dataset version {held.dataset_version} of {held.rows:,} rows"
        if held.dataset_version
        else "as the spec declares them; the first accepted upload suggests more"
    )
    changed = f"; the spec changes {', '.join(declared.columns)}" if held.dataset_version and declared.columns else ""
    console = display.console()
    console.print(f"{project} asks for {len(held.columns)} columns, {origin}{changed}.\n")
    if why:
        for column in held.columns:
            console.print(display.paragraph(column.name, display.pairs(_reasons(column))))
    else:
        columns = ("column", "type", "filled in", "values", "")
        console.print(display.table(columns, map(_cells, held.columns)))


def _cells(column: ColumnConstraints) -> tuple[str, ...]:
    least = column.completeness
    filled = "any share" if not least else "every row" if least == 1 else f"{least:.0%} of rows"
    more = ("unique" if column.unique else "", "may be missing" if column.optional else "")
    return column.name, column.type or "any", filled, _values(column), ", ".join(filter(None, more))


def _values(column: ColumnConstraints) -> str:
    if column.values is not None:
        more = len(column.values) - VALUES
        named = ", ".join(column.values[:VALUES]) + (f" and {more} more" if more > 0 else "")
        return named if column.coverage == 1 else f"{named} in at least {column.coverage * 100:g}% of rows"
    if column.minimum is not None and column.maximum is not None:
        return f"{column.minimum:g} to {column.maximum:g}"
    if column.minimum is not None:
        return f"at least {column.minimum:g}"
    return "any" if column.maximum is None else f"at most {column.maximum:g}"


def _reasons(column: ColumnConstraints) -> Iterable[tuple[str, str]]:
    return column.reasons.items() or [("nothing", "is asked of it")]
