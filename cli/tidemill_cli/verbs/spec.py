"""tidemill spec"""

from __future__ import annotations

from pathlib import Path

import click

from tidemill import keys
from tidemill import spec as specs
from tidemill.errors import NotFound
from tidemill_cli import display
from tidemill_cli.session import Session, pass_session


@click.command(short_help="Check, keep or show a project's spec.")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--project", metavar="NAME", help="Keep FILE as the project's spec; without FILE, print that.")
@pass_session
def command(session: Session, file: Path | None, project: str | None) -> None:
    """Check FILE, a spec in YAML or JSON; with --project keep it as the project's spec, or without FILE print that.

    What is kept holds from the next training and the next look at the model on. Without both, the JSON Schema of a
    spec is printed, for editors.

    \b
    Examples:
      tidemill spec spec.yaml
      tidemill spec spec.yaml --project churn
      tidemill spec --project churn
      tidemill spec > spec.schema.json
    """
    from tidemill_cli import project_spec

    if file is not None:
        declared = project_spec.read_file(file)
        if project is None:
            click.echo(f"{file} is a valid spec; it declares {', '.join(declared) or 'nothing: all defaults'}.")
        else:
            change = project_spec.declare(session, keys.check_project(project), declared, None)
            said = change.sentence if change else f"the spec of {project} says that already"
            click.echo(f"{said[0].upper()}{said[1:]}.")
    elif project is not None:
        stored = project_spec.stored(session, keys.check_project(project))
        if stored is None:
            raise NotFound(f"project {project!r} has no spec: every field has its default")
        display.document(stored)
    else:
        display.document(specs.json_schema())
