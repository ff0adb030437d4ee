"""tidemill simulate"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tidemill import keys
from tidemill.errors import InputRefused
from tidemill_cli import display, figures
from tidemill_cli.session import Session, pass_session

if TYPE_CHECKING:
    from rich.console import Console

    from tidemill.contracts import Signature
    from tidemill_cli.rows_file import Rows
    from tidemill_cli.simulation import Replayed


@click.command(short_help="Replay a table as traffic with late labels.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--model", required=True, metavar="NAME", help="The model that is asked.")
@click.option("--target", metavar="COLUMN", help="The column with the true outcome. [default: the model's target]")
@click.option("--rows", type=click.IntRange(min=1), help="How many rows to send. [default: the whole table]")
@click.option("--batch", type=click.IntRange(1, 500), default=1, show_default=True, help="Rows of a call.")
@click.option(
    "--rate", type=click.FloatRange(0, min_open=True), help="Most calls in a second. [default: as fast as answered]"
)
@click.option("--key", "key_column", metavar="COLUMN", help="Send this column as x-tidemill-key: one key, one version.")
@click.option(
    "--drift",
    "drifts",
    multiple=True,
    metavar="COLUMN=CHANGE",
    help="Change a column: +0.5sd, -3, *1.3, swap, unknown or missing; with @0.3 in so many rows. May be given again.",
)
@click.option("--no-labels", is_flag=True, help="Never tell the true outcomes.")
@click.option(
    "--label-delay",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    metavar="SECONDS",
    help="How long after its prediction an outcome is told.",
)
@click.option(
    "--label-share", type=click.FloatRange(0, 1), default=1.0, show_default=True, help="Share of outcomes ever told."
)
@click.option(
    "--label-parts", type=click.IntRange(min=1), default=1, show_default=True, help="Uploads that outcomes come in."
)
@click.option("--shuffle-labels", is_flag=True, help="Tell the parts after the last row, out of order.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of everything random.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
@pass_session
def command(
    session: Session,
    file: Path,
    model: str,
    target: str | None,
    rows: int | None,
    batch: int,
    rate: float | None,
    key_column: str | None,
    drifts: tuple[str, ...],
    no_labels: bool,
    label_delay: float,
    label_share: float,
    label_parts: int,
    shuffle_labels: bool,
    seed: int,
    as_json: bool,
) -> None:
    """Send the rows of FILE to MODEL as an application would, and tell what really happened later.

    FILE is CSV in UTF-8 with a header line. Its target column is not sent: it is uploaded as
    actuals, with the ids of the predictions that were answered. What is sent is the same for
    the same seed. So watching, retraining and a rollout can be tried before there are users.

    \b
    Examples:
      tidemill simulate churn_june.csv --model churn
      tidemill simulate customers.csv --model churn --rows 600 --drift monthly_charges=*1.3
      tidemill simulate customers.csv --model churn --drift contract=swap@0.5 --label-delay 60
      tidemill simulate customers.csv --model churn --rate 5 --key customer_id --no-labels
    """
    import time

    from tidemill_cli import rows_file, simulation

    changes = [simulation.change(text) for text in drifts]
    table = rows_file.read(file)
    described = session.api.describe(keys.check_project(model))
    signature = described.signature
    target = target or signature.target
    places = simulation.drawn(len(table.cells), rows, seed)
    known = rows_file.instances(table, signature)
    sent = simulation.changed([known[place] for place in places], changes, signature.accepted, seed)
    outcomes = None if no_labels else _column(table, target, places)
    if outcomes is None and not no_labels:
        click.echo(f"{_untold(signature, target, file)}, so no outcome will be told", err=True)
    keys_of_rows = _column(table, key_column, places)
    if key_column is not None and keys_of_rows is None:
        raise InputRefused(f"{file} has no column {key_column!r} for --key; it has: {', '.join(table.header)}")
    stderr = display.console(error=True)

    def upload(number: int, part: Sequence[tuple[str, str]]) -> str:
        from tidemill_cli import uploads

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{file.stem}-{seed}-{number}.csv"
            path.write_bytes(simulation.actuals_table(part, str(target)))
            place = uploads.upload(session, path, keys.actuals(model, path.name)).place
        stderr.print(f"{len(part):,} outcomes are uploaded to {place}")
        return place

    begun = time.monotonic()
    done = simulation.replay(
        session.api,
        model,
        sent,
        outcomes,
        upload=upload,
        clock=time.monotonic,
        sleep=time.sleep,
        tell=_Progress(stderr, len(sent)),
        batch=batch,
        rate=rate,
        labels=simulation.Labels(label_delay, label_parts, label_share, shuffle_labels) if outcomes else None,
        route=keys_of_rows,
        seed=seed,
    )
    _say(model, done, time.monotonic() - begun, as_json)


def _untold(signature: Signature, target: str | None, file: Path) -> str:
    """Why there are no outcomes to tell."""
    if target is not None:
        return f"{file} has no column {target!r}"
    way_out = " (--target names a column that says true or false)" if signature.task == "anomaly_detection" else ""
    return f"the model {signature.model} has no target{way_out}"


def _column(table: Rows, name: str | None, places: Sequence[int]) -> list[str] | None:
    if name is None or name not in table.header:
        return None
    column = table.header.index(name)
    return [table.cells[place][column].strip() for place in places]


class _Progress:
    """Tells how far the sending is, each tenth of the rows, to whoever watches it on a terminal."""

    def __init__(self, console: Console, rows: int) -> None:
        self._console, self._rows, self._said = console, rows, 0

    def __call__(self, done: Replayed) -> None:
        tenth = 10 * done.rows // self._rows
        if tenth > self._said and self._rows >= 100 and self._console.is_terminal:
            self._said = tenth
            self._console.print(f"{done.rows:,} of {self._rows:,} rows")


def _say(model: str, done: Replayed, seconds: float, as_json: bool) -> None:
    if as_json:
        display.document(
            {
                "model": model,
                "calls": done.calls,
                "rows": done.rows,
                "refused": done.refused,
                "failed": done.failed,
                "versions": {str(version): rows for version, rows in sorted(done.versions.items())},
                "actuals": done.actuals,
                "uploads": done.uploads,
                "seconds": round(seconds, 2),
            }
        )
        return
    by = ", ".join(f"version {version} {rows:,}" for version, rows in sorted(done.versions.items()))
    click.echo(f"{done.rows:,} rows in {done.calls:,} calls, {figures.seconds(seconds)}: {by}")
    if done.refused or done.failed:
        click.echo(f"{done.refused:,} calls were refused and {done.failed:,} failed: {done.problem}")
    if done.actuals:
        uploads = f"{len(done.uploads)} uploads" if len(done.uploads) > 1 else "one upload"
        click.echo(f"{done.actuals:,} outcomes told in {uploads}")
    click.echo(f"See what comes of it: tidemill monitor {model} --look")
