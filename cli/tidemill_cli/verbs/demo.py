"""tidemill demo"""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tidemill import keys
from tidemill.contracts import Lineage
from tidemill.errors import NotFound
from tidemill_cli import display
from tidemill_cli.session import Session, pass_session

if TYPE_CHECKING:
    from tidemill_cli.run_records import RunView

PROJECT = "churn"
#: A customer who came three months ago, pays much and has called often; the churn example's columns.
CUSTOMER: dict[str, Any] = {
    "tenure": 3,
    "contract": "month-to-month",
    "internet": "fibre",
    "payment_method": "electronic check",
    "paperless_billing": "yes",
    "senior": "no",
    "region": "south",
    "support_calls": 5,
    "monthly_charges": 94.5,
    "total_charges": 276.1,
    "signup_date": "2024-09-14",
}
#: The same customer with a contract for two years.
BOUND = CUSTOMER | {"contract": "two years", "support_calls": 1}


@click.command(short_help="From nothing to a prediction over HTTP, on this machine.")
@pass_session
def command(session: Session) -> None:
    """Start the local stack if it does not run, train on example customers, and ask the model.

    What is there already is used again: a stack that runs and has not changed is left as it
    is, and a model that was trained on the same table is asked at once.

    \b
    Examples:
      tidemill demo
      tidemill --endpoint aws demo
    """
    from tidemill_cli import run_summary

    _stack(session)
    table = _table()
    view = _live(session, table)
    if view is None:
        _say("Train on the example customers", f"{_command()} train {_shown(table)} --project {PROJECT} --target Churn")
        view = _train(session, table)
    else:
        _say(
            "A model of this very table is live already",
            f"{_command()} run {view.document.run_id[:8]}",
        )
    run_summary.show(view)
    if view.document.status != "LIVE":
        raise click.exceptions.Exit(1)
    _predict(session)
    _say("Read the report in a browser", f"{_command()} open")
    click.echo(f"  {_report(session, view)}")
    _next(table)


def _stack(session: Session) -> None:
    from tidemill_cli.stack import AWS
    from tidemill_cli.verbs import up

    if session.endpoint == AWS or session.profile:
        click.echo(f"The stack {session.stack_name} is deployed: {session.output('ApiUrl')}")
        return
    _say("Start the local stack, and deploy what has changed", f"{_command()} up")
    up.start(session)


def _table() -> Path:
    from tidemill_cli import example_tables
    from tidemill_cli.stack import state_dir

    return example_tables.write(state_dir() / "examples")[0]


def _live(session: Session, table: Path) -> RunView | None:
    """The run whose model answers now, when it was made from this very table."""
    from tidemill_cli import run_records

    version = session.registry.alias(PROJECT, "champion")
    if version is None:
        return None
    try:
        bucket = session.artifact_bucket
        lineage = session.objects.get_contract(Lineage, bucket, keys.model(PROJECT, version, "lineage.json"))
        source = lineage.source
        if session.objects.get(source.bucket, source.key, source.version_id) != table.read_bytes():
            return None
    except NotFound:
        return None
    return run_records.read(session, session.registry.run(lineage.run_id))


def _train(session: Session, table: Path) -> RunView:
    from tidemill_cli import project_spec, training, uploads

    project_spec.declare(session, PROJECT, None, "Churn")
    uploaded = uploads.upload(session, table, keys.incoming(PROJECT, table.name))
    return training.watch(session, uploaded.run_id, display.console(error=True))


def _predict(session: Session) -> None:
    from tidemill_cli.verbs.predict import words

    _say("Ask the endpoint, as any application can", "")
    url = f"{session.api.model_url(PROJECT)}:predict"
    body = json.dumps({"instances": [CUSTOMER]})
    click.echo(f"  curl -s {shlex.quote(url)} \\")
    click.echo(f'    -H "x-api-key: $({_command()} url --key)" \\')
    click.echo(f"    -d {shlex.quote(body)}\n")
    answer = session.api.predict(PROJECT, [CUSTOMER, BOUND])
    click.echo("  " + json.dumps({"predictions": answer.predictions[:1]}) + "\n")
    signature = session.api.describe(PROJECT, answer.version).signature
    for about, prediction in zip(
        ("new, monthly contract, 5 calls", "the same, two years, 1 call"), answer.predictions, strict=True
    ):
        click.echo(f"  {about:32}{words(prediction, signature)}")


def _report(session: Session, view: RunView) -> Path:
    from tidemill_cli import reports

    return reports.download(session, view.document.run_id)


def _next(table: Path) -> None:
    _say("What to try next", "")
    drifted = _shown(table.with_name("churn_drifted_month.csv"))
    for purpose, arguments in (
        ("score a later month, in which much had changed", f"score {drifted} --model {PROJECT}"),
        ("let that month's customers ask the endpoint", f"simulate {drifted} --model {PROJECT} --label-delay 5"),
        ("see what the monitor finds", f"monitor {PROJECT} --look --open"),
        ("train a challenger on it", f"train {drifted} --project {PROJECT}"),
        ("take that back", f"rollback {PROJECT}"),
        ("train on a table of your own", "train FILE --project NAME --target COLUMN"),
        ("stop the stack", "down"),
    ):
        click.echo(f"  {click.style(f'# {purpose}', dim=True)}\n  {_command()} {arguments}")


def _say(heading: str, equivalent: str) -> None:
    """A step's heading, and the command that does the same."""
    line = click.style(f"\n▸ {heading}", bold=True)
    click.echo(line + (click.style(f"   {equivalent}", dim=True) if equivalent else ""))


def _command() -> str:
    """How this very command is called from this shell."""
    running = Path(sys.argv[0]).absolute()
    found = shutil.which("tidemill")
    return "tidemill" if found and Path(found).absolute() == running else _shown(running)


def _shown(path: Path) -> str:
    """A path as one would type it here."""
    here = Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))
