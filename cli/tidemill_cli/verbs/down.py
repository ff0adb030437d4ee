"""tidemill down"""

from __future__ import annotations

import click

from tidemill_cli.session import Session, pass_session


@click.command(short_help="Stop the local stack.")
@click.option("--wipe", is_flag=True, help="Forget its data, runs and models too.")
@pass_session
def command(session: Session, wipe: bool) -> None:
    """Stop the emulator that `tidemill up` started, and every process of a function.

    Data, runs and models are kept, and the next `tidemill up` has them again. An endpoint
    that ran before `tidemill up --endpoint` is not stopped.

    \b
    Examples:
      tidemill down
      tidemill down --wipe
    """
    from tidemill_cli.local.lifecycle import LocalStack
    from tidemill_cli.stack import state_dir

    ran = LocalStack(state_dir(), stack_name=session.stack_name).down(wipe)
    said = "The emulator is stopped" if ran else "No emulator was running"
    click.echo(f"{said}; its data is {'gone' if wipe else 'kept'}.")
