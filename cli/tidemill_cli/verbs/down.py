"""tidemill down"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tidemill.errors import TidemillError
from tidemill_cli.session import Session, pass_session

if TYPE_CHECKING:
    from tidemill_cli.local.lifecycle import LocalStack


@click.command(short_help="Stop the local stack.")
@click.option("--wipe", is_flag=True, help="Forget its data, runs and models too.")
@pass_session
def command(session: Session, wipe: bool) -> None:
    """Stop the emulator that `tidemill up` started, and every process of a function.

    Data, runs and models are kept, and the next `tidemill up` has them again; localstack keeps
    none. An endpoint that ran before `tidemill up --endpoint` is not stopped.

    \b
    Examples:
      tidemill down
      tidemill down --wipe
    """
    from tidemill_cli.local.lifecycle import LocalStack
    from tidemill_cli.stack import state_dir

    local = LocalStack(state_dir(), stack_name=session.stack_name)
    _warn(session, local)
    record = local.record()
    ran = local.down(wipe)
    if record is not None and not record.own and not ran:
        click.echo(f"{record.endpoint} was not started by `tidemill up`: it is left as it is.")
        return
    said = "The emulator is stopped" if ran else "No emulator was running"
    gone = wipe or not local.emulator.keeps_data
    click.echo(f"{said}; its data is {'gone' if gone else 'kept'}.")


def _warn(session: Session, local: LocalStack) -> None:
    """Name the runs that end with the emulator; one that cannot be asked is stopped all the same."""
    from tidemill_cli import run_records
    from tidemill_cli.local.process import answers

    record = local.record()
    if record is None or not record.own or not answers(record.endpoint):
        return
    try:
        if session.stack.endpoint != record.endpoint:
            return
        records = [run_records.current(session, run) for run in session.registry.runs()]
    except TidemillError:
        return
    ids = [run.run_id[:8] for run in records if run.status in run_records.UNDER_WAY]
    if ids:
        said = "1 run is under way and ends" if len(ids) == 1 else f"{len(ids)} runs are under way and end"
        tables = "its table" if len(ids) == 1 else "their tables"
        click.echo(f"{said} with the stack: {', '.join(ids)}; upload {tables} again after `tidemill up`", err=True)
