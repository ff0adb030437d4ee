"""tidemill up"""

from __future__ import annotations

import time

import click

from tidemill_cli.session import Session, pass_session


@click.command(short_help="Start the local stack and deploy to it.")
@click.option("--port", type=click.IntRange(1, 65535), help="Of the emulator. [default: 4566, or a free one]")
@click.option(
    "--emulator",
    type=click.Choice(["ministack", "localstack"]),
    help="What runs the stack; localstack needs Python 3.13. [default: the one before, or ministack]",
)
@click.option("--docker", is_flag=True, help="Run localstack in its official image, and functions in containers.")
@click.option(
    "--enforce-iam/--no-enforce-iam",
    default=True,
    show_default=True,
    help="Deny what a function's role does not allow, as AWS does. Not on localstack.",
)
@pass_session
def command(session: Session, port: int | None, emulator: str | None, docker: bool, enforce_iam: bool) -> None:
    """Start the emulator on this machine and deploy template.yaml to it with SAM CLI.

    What runs is left running, and what has not changed is not deployed again, so that it can be
    called at any time. Data, runs and models are kept over `tidemill down`, but not by localstack.

    \b
    Examples:
      tidemill up
      tidemill up --port 5000
      tidemill up --emulator localstack
      tidemill up --emulator localstack --docker
      tidemill up --endpoint http://127.0.0.1:4566   # an AWS-compatible endpoint that runs already
    """
    if (emulator or docker) and session.endpoint:
        option = "--emulator" if emulator else "--docker"
        raise click.UsageError(f"{option} starts one and --endpoint names one that runs already: give one of them")
    start(session, port, enforce_iam, _in_docker(emulator) if docker else emulator)


def _in_docker(emulator: str | None) -> str:
    """The emulator that --docker means. Raises UsageError when the one named, or else recorded, is no LocalStack."""
    from tidemill_cli.local.docker import DockerEmulator
    from tidemill_cli.local.lifecycle import LocalStack
    from tidemill_cli.local.process import LocalStackEmulator
    from tidemill_cli.stack import state_dir

    if (emulator or LocalStack(state_dir()).emulator.name) not in (LocalStackEmulator.name, DockerEmulator.name):
        raise click.UsageError("--docker is for LocalStack: tidemill up --emulator localstack --docker")
    return DockerEmulator.name


def start(session: Session, port: int | None = None, enforce_iam: bool = True, emulator: str | None = None) -> None:
    """Bring the stack up with progress on stderr, leave it in the session, and say what is where."""
    from tidemill_cli.local.lifecycle import LocalStack
    from tidemill_cli.stack import AWS, state_dir

    if session.endpoint == AWS or session.profile:
        raise click.UsageError("`tidemill up` is for this machine: AWS is deployed to with `sam build && sam deploy`")
    began = time.monotonic()

    def say(line: str) -> None:
        click.echo(f"{time.monotonic() - began:5.1f} s  {line}", err=True)

    local = LocalStack(state_dir(), stack_name=session.stack_name)
    up = local.up(say, session.endpoint, port, enforce_iam, emulator)
    session.stack = up.stack
    say("ready" if up.started or up.deployed else "ready: it ran already, and nothing has changed")
    lines = {
        "endpoint": up.stack.endpoint,
        "API": session.output("ApiUrl"),
        "bucket": session.data_bucket,
        "next": "tidemill train FILE --project NAME",
    }
    for name, value in lines.items():
        click.echo(f"{name:10}{value}")
