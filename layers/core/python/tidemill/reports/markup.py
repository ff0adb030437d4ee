"""HTML from Python values, escaped unless it is markup already."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable
from typing import Any, TypeAlias

from tidemill.contracts import to_json

VOID = frozenset({"br", "hr", "img", "input", "link", "meta"})


class Html(str):
    """Text that is markup. Any other text is escaped when it becomes part of a page."""

    __slots__ = ()


Content: TypeAlias = "str | Iterable[Content] | None"


def escape(text: str) -> Html:
    """Text as markup. NUL and lone surrogates, which no HTML file may hold, become U+FFFD."""
    if isinstance(text, Html):
        return text
    printable = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\ufffd")
    return Html(html.escape(printable))


def join(*content: Content) -> Html:
    """Several pieces after one another; None is left out."""
    return Html("".join(_flatten(content)))


def _flatten(content: Iterable[Content]) -> Iterable[str]:
    for piece in content:
        if isinstance(piece, str):
            yield escape(piece)
        elif piece is not None:
            yield from _flatten(piece)


def tag(name: str, /, *content: Content, **attributes: str | bool | None) -> Html:
    """One element. Attributes that are Python words end in `_`, other underscores are hyphens; None is left out."""
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(str(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    start = f"<{name}{written}>"
    return Html(start) if name in VOID else Html(f"{start}{join(content)}</{name}>")


def json_script(value: Any, **attributes: str) -> Html:
    """A JSON data block: inside it, no text can end the script element or open a comment."""
    text = json.dumps(to_json(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    safe = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return tag("script", Html(safe), type="application/json", **attributes)
