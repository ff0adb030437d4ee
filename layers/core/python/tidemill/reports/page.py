"""The frame of a page: one self-contained HTML file that asks no host for anything.

Its charts are drawn by Vega, bundled as gzip in base64 (377 KB instead of 832) and inflated by the browser's own
DecompressionStream, which also works from a file; where a browser has none, or runs no scripts, every chart has its
numbers in a table beneath. A policy in the head lets only these very scripts run.
"""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tidemill.reports import charts
from tidemill.reports.elements import Section
from tidemill.reports.glossary import glossary
from tidemill.reports.markup import Html, join, json_script, tag

ASSETS = Path(__file__).parent / "assets"


def document(title: str, state: str, head: Html, sections: Sequence[Section]) -> str:
    """A whole page: its head, the contents, the sections, the words that they use, and where it comes from.

    Pure: no clock, no environment, no file but the bundled assets; the same arguments give the same bytes.

    Parameters
    ----------
    title : of the window
    state : class of the body, which colours the page's edge and its status
    head : what stands before the contents
    """
    words = Section("words", "Words used here", glossary(join(head, *(part.body for part in sections))))
    parts = [*sections, words]
    contents = tag("ol", *(tag("li", tag("a", part.title, href=f"#{part.key}")) for part in parts))
    body = (tag("section", tag("h2", part.title), part.body, id=part.key) for part in parts)
    charted = any('class="plot"' in part.body for part in sections)
    main = tag("main", head, tag("nav", contents, aria_label="Contents"), *body, _colophon(charted))
    return _framed(title, state, main, charted)


def _colophon(charted: bool) -> Html:
    return tag(
        "footer",
        "Made by Tidemill. This page is complete in itself: it loads nothing and sends nothing.",
        " Its charts are drawn by Vega, Vega-Lite and Vega-Embed, © University of Washington Interactive Data "
        "Lab; their licences are at the beginning of the bundled library."
        if charted
        else None,
    )


def _framed(title: str, state: str, main: Html, charted: bool) -> str:
    script = _asset("report.js")
    allowed = f"{_hash(script)} {_library().hash}" if charted else "'none'"
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src {allowed}",
            "style-src 'unsafe-inline'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    bundle = join(
        json_script(charts.CONFIG, id="chart-config"),
        tag("script", Html(_library().base64), type="text/plain", id="chart-library"),
        tag("script", Html(script)),
    )
    head = join(
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", title),
        tag("style", Html(_asset("report.css"))),
    )
    body = tag("body", main, bundle if charted else None, class_=state)
    return f"<!doctype html>\n{tag('html', tag('head', head), body, lang='en')}\n"


@functools.cache
def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


@dataclass(frozen=True)
class _Library:
    base64: str  #: of the gzip file
    hash: str  #: of the inflated script, as a source expression of a content security policy


@functools.cache
def _library() -> _Library:
    packed = (ASSETS / "charts.js.gz").read_bytes()
    return _Library(base64.b64encode(packed).decode(), _hash(gzip.decompress(packed).decode()))


def _hash(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"'sha256-{digest}'"
