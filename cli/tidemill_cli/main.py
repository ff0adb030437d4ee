"""The `tidemill` command: a group of verbs, each in a file of its own, and the one place where errors become words.

A verb's module is imported when the verb is named, and it imports the SDK only when it
runs; `tidemill --help` stays quick.
"""

from __future__ import annotations

import difflib
import importlib
import json
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import click

from tidemill.errors import TidemillError
from tidemill_cli.session import Session

#: Every verb, under the heading that `--help` shows it.
VERBS = {
    "Begin": ("demo", "examples", "up", "status", "down"),
    "Train and predict": ("train", "predict", "score", "review", "features", "retrain"),
    "Watch": ("monitor", "actuals", "simulate"),
    "Look": ("runs", "run", "models", "model", "logs", "open", "spec", "contract"),
    "Release": ("approve", "reject", "promote", "rollback", "freeze", "traffic"),
    "Addresses": ("url", "bucket"),
}


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Keep a global option in the session; the nearest one given wins."""
    if value:
        setattr(context.ensure_object(Session), str(parameter.name), value)


#: Taken before the verb, and after it too.
GLOBAL_OPTIONS: tuple[tuple[str, str, str], ...] = (
    ("--endpoint", "URL", "An AWS-compatible endpoint, or `aws` for AWS itself. [default: the local stack]"),
    ("--profile", "NAME", "An AWS profile."),
    ("--region", "NAME", "The AWS region."),
    ("--stack-name", "NAME", "The CloudFormation stack. [default: tidemill]"),
)


def global_options(hidden: bool) -> list[click.Option]:
    """The options that say which stack is meant; those of a verb are hidden, and read no environment."""
    options = [
        click.Option(
            [flag],
            metavar=metavar,
            help=text,
            hidden=hidden,
            envvar=None if hidden else f"TIDEMILL_{flag[2:].upper().replace('-', '_')}",
            show_envvar=not hidden,
            expose_value=False,
            callback=_remember,
        )
        for flag, metavar, text in GLOBAL_OPTIONS
    ]
    debug = click.Option(
        ["--debug"],
        is_flag=True,
        hidden=hidden,
        help="Show the traceback of an error.",
        expose_value=False,
        callback=_remember,
    )
    return [*options, debug]


class Verbs(click.Group):
    """A group that imports a verb when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Every verb, in the order of the headings."""
        return [verb for verbs in VERBS.values() for verb in verbs]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a verb and give it the global options."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = importlib.import_module(f"tidemill_cli.verbs.{cmd_name}").command
        for one in (command, *(command.commands.values() if isinstance(command, click.Group) else ())):
            own = {parameter.name for parameter in one.params}
            one.params.extend(option for option in global_options(hidden=True) if option.name not in own)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb; one that is misspelt is answered with the nearest."""
        if args and args[0] not in self.list_commands(ctx) and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"there is no verb {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verbs under their headings."""
        width = max(len(verb) for verb in self.list_commands(ctx))
        for heading, verbs in VERBS.items():
            with formatter.section(heading):
                lines = [(verb, self.get_command(ctx, verb)) for verb in verbs]
                formatter.write_dl(
                    [(f"{verb:{width}}", command.get_short_help_str(90)) for verb, command in lines if command]
                )


@click.command(
    cls=Verbs,
    params=global_options(hidden=False),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(package_name="tidemill", message="tidemill %(version)s")
def cli() -> None:
    """Turn a table into a validated, documented, monitored model behind an HTTP endpoint.

    \b
    Begin on this machine, with no account and no Docker:
      tidemill demo
    Then with a table of your own:
      tidemill train customers.csv --project churn --target Churn
      tidemill predict churn --row '{"tenure": 3, "contract": "month-to-month"}'

    Every verb has --help with examples.
    """


def run(arguments: Sequence[str], session: Session | None = None) -> int:
    """Run the command; every error becomes one sentence on stderr, and with --json a document on stdout too.

    Returns
    -------
    exit code
        what the verb gives; 1 for any error (so that 2 and 3 of `train` mean one thing only), 130 after Ctrl-C.
    """
    session = session or Session()
    try:
        code = cli.main(list(arguments), prog_name="tidemill", obj=session, standalone_mode=False)
    except click.ClickException as error:
        sentence = error.format_message()
        _answer(arguments, session, sentence)
        return _complain(sentence + _usage(error))
    except (click.Abort, KeyboardInterrupt):
        _answer(arguments, session, "interrupted")
        return 130
    except BrokenPipeError:
        # Who reads the output, such as `head`, has seen enough; nothing may be flushed into the closed pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        sentence = _sentence(error)
        _answer(arguments, session, sentence)
        if session.debug:
            traceback.print_exc()
            return 1
        return _complain(sentence)
    return code if isinstance(code, int) else 0


def main() -> None:
    """The entry point `tidemill`."""
    sys.exit(run(sys.argv[1:]))


def _complain(sentence: str) -> int:
    click.echo(f"{click.style('Error:', fg='red', bold=True)} {sentence}", err=True)
    return 1


def _answer(arguments: Sequence[str], session: Session, sentence: str) -> None:
    """The JSON document of an error, unless the verb has printed its own; the options may not have been understood."""
    if "--json" in arguments and not session.answered:
        click.echo(json.dumps({"error": sentence}, indent=2, ensure_ascii=False))


def _usage(error: click.ClickException) -> str:
    if not isinstance(error, click.UsageError):
        return ""
    return f"\nTry `{error.ctx.command_path if error.ctx else 'tidemill'} --help`."


def _sentence(error: Exception) -> str:
    if isinstance(error, TidemillError):
        return str(error)
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    sentence = _aws_sentence(error) if "botocore" in sys.modules else None
    return sentence or f"{type(error).__name__}: {error} (this should not happen; --debug shows where)"


def _aws_sentence(error: Exception) -> str | None:
    from botocore import exceptions

    if isinstance(error, exceptions.NoCredentialsError | exceptions.CredentialRetrievalError):
        return "no AWS credentials were found: `aws configure` makes them, --profile chooses them"
    if isinstance(error, exceptions.ClientError):
        answer = error.response.get("Error", {})
        return f"AWS refused {error.operation_name}: {answer.get('Code')}: {answer.get('Message')}"
    if isinstance(error, exceptions.BotoCoreError):
        return str(error)
    return None
