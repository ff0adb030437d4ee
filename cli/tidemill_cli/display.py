"""How the command looks: tables, headings and JSON, in a terminal and in a pipe."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TextIO, cast

import click

from tidemill.contracts import to_json
from tidemill_cli.session import Session

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

    from tidemill.aws.approvals import Standing

#: Columns of a table that nobody looks at in a window, so that a pipe cuts nothing off.
PIPE_WIDTH = 240

STYLES = {
    "LIVE": "green",
    "RUNNING": "cyan",
    "WAITING_FOR_APPROVAL": "yellow",
    "ROLLING_OUT": "yellow",
    "REFUSED_DATA": "red",
    "REFUSED_BY_GATE": "red",
    "ROLLED_BACK": "red",
    "FAILED": "red",
}
#: Verdict -> what stands for it at the beginning of a line, and its style.
MARKS = {"pass": ("✓", "green"), "warn": ("!", "yellow"), "refuse": ("✗", "red"), "skip": ("-", "dim")}


def console(error: bool = False) -> Console:
    """A console on stdout, or on stderr; colours and wrapping only where a person looks."""
    from rich.console import Console

    stream = sys.stderr if error else sys.stdout
    if stream.isatty():
        return Console(file=stream, highlight=False, markup=False)
    return Console(file=cast("TextIO", _Unpadded(stream)), highlight=False, markup=False, width=PIPE_WIDTH)


class _Unpadded:
    """A stream that gets no blanks at the ends of lines, which tables are filled up with."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(re.sub(r" +$", "", text, flags=re.MULTILINE))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def document(value: Any) -> None:
    """Print one JSON document on stdout."""
    context = click.get_current_context(silent=True)
    if context is not None:
        context.ensure_object(Session).answered = True
    click.echo(json.dumps(to_json(value), indent=2, ensure_ascii=False))


def without(value: Any, secret: str) -> dict[str, Any]:
    """Plain JSON data of a contract without one of its fields, such as a token that lets its holder decide."""
    return {name: item for name, item in to_json(value).items() if name != secret}


def decision(standing: Standing) -> dict[str, Any]:
    """Plain JSON data of how far the decision about a release has come, without the token."""
    told = {name: item for name, item in to_json(standing).items() if name != "approval"}
    return without(standing.approval, "token") | told | {"missing": standing.missing}


def coloured(status: str) -> Text:
    """A status in its colour."""
    from rich.text import Text

    return Text(status, STYLES.get(status, ""))


def judged(verdict: str, sentence: str, about: str) -> Text:
    """A line of a verdict: its mark, the sentence, and what it is about."""
    from rich.text import Text

    mark, style = MARKS[verdict]
    return Text.assemble((mark, style), " ", sentence, " ", (f"({about})", "dim"))


def paragraph(heading: str, *body: RenderableType) -> RenderableType:
    """A heading with what stands under it, and an empty line."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    return Group(Text(heading, "bold"), Padding(Group(*body), (0, 0, 1, 2), expand=False))


def table(columns: Sequence[str], rows: Iterable[Sequence[str | Text]], right: Iterable[str] = ()) -> Table:
    """A table without frames; the columns named in `right` hold numbers."""
    from rich.table import Table

    numbers = set(right)
    made = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in columns:
        made.add_column(name, justify="right" if name in numbers else "left", overflow="fold")
    for row in rows:
        made.add_row(*map(_cell, row))
    return made


def pairs(items: Iterable[tuple[str, str | Text]]) -> Table:
    """Names and values below each other, the values aligned."""
    from rich.table import Table

    made = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    made.add_column(style="dim")
    made.add_column(overflow="fold")
    for name, value in items:
        made.add_row(name, _cell(value))
    return made


def _cell(value: str | Text) -> Text:
    from rich.text import Text

    return Text(value) if isinstance(value, str) else value
