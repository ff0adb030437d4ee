"""tidemill models"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from tidemill_cli import display, figures
from tidemill_cli.session import Session, pass_session

if TYPE_CHECKING:
    from rich.text import Text

    from tidemill.aws.registry import Registry, VersionRecord


@dataclass(frozen=True)
class Listed:
    """A registered model in the list."""

    name: str
    task: str  #: of the version in service, else of the newest
    champion: VersionRecord | None  #: the version in service
    versions: int


@click.command(short_help="The registered models.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
@pass_session
def command(session: Session, as_json: bool) -> None:
    """List the registered models with the version in service.

    \b
    Examples:
      tidemill models
      tidemill models --json
    """
    found = [_listed(session.registry, name) for name in session.registry.models()]
    if as_json:
        display.document(found)
    elif not found:
        click.echo("There is no model yet: `tidemill train FILE --project NAME` makes one.", err=True)
    else:
        columns = ("model", "task", "in service", "quality", "made (UTC)", "versions")
        display.console().print(display.table(columns, map(_cells, found), right=("versions",)))


def _listed(registry: Registry, name: str) -> Listed:
    versions = registry.versions(name)
    champion = registry.alias(name, "champion")
    serving = next((record for record in versions if record.version == champion), None)
    return Listed(name, (serving or versions[0]).task, serving, len(versions))


def _cells(model: Listed) -> Sequence[str | Text]:
    from rich.text import Text

    serving = model.champion
    if serving is None:
        return Text(model.name, "bold"), model.task, Text("none", "yellow"), "-", "-", str(model.versions)
    return (
        Text(model.name, "bold"),
        model.task,
        f"version {serving.version}",
        f"{serving.metric} {figures.metric(serving.value)}",
        figures.moment(serving.created_at),
        str(model.versions),
    )
