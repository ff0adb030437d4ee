"""The report of a training run: one self-contained HTML page for people.

The page asks no host for anything. Its charts are drawn by Vega, bundled as gzip in
base64 (377 KB instead of 832) and inflated by the browser's own DecompressionStream,
which also works from a file; where a browser has none, or runs no scripts, every chart
has its numbers in a table beneath. A policy in the head lets only these very scripts run.
"""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tidemill.contracts import SUPERVISED, RunArtifacts, RunDocument
from tidemill.reports import (
    charts,
    contract_section,
    data_sections,
    model_sections,
    release_sections,
    search_sections,
    structure_sections,
    summary,
    trust_sections,
    verdict,
)
from tidemill.reports.elements import Records, Section
from tidemill.reports.glossary import glossary
from tidemill.reports.markup import Html, join, json_script, tag

ASSETS = Path(__file__).parent / "assets"

_USUAL: tuple[Callable[[Records], Section | None], ...] = (
    model_sections.quality,
    model_sections.drivers,
    trust_sections.parts,
    trust_sections.certainty,
    model_sections.curves,
    search_sections.search,
    search_sections.features,
    data_sections.findings,
    data_sections.data,
    contract_section.contract,
    release_sections.release,
    release_sections.usage,
    release_sections.cost,
    release_sections.origin,
)
_WITHOUT_TARGET: tuple[Callable[[Records], Section | None], ...] = (
    model_sections.quality,
    structure_sections.found,
    structure_sections.drivers,
    *_USUAL[_USUAL.index(search_sections.search) :],
)
#: What a refusal is about comes first.
_FIRST = {
    "REFUSED_DATA": data_sections.findings,
    "REFUSED_BY_GATE": release_sections.release,
    "WAITING_FOR_APPROVAL": release_sections.release,
}


def render(document: RunDocument, found: RunArtifacts) -> str:
    """The report of a run that has ended, as the text of `report.html`.

    Pure: no clock, no environment, no file but the bundled assets; the same arguments
    give the same bytes. A run may end before an artifact exists; the sections that need
    it are then left out.

    Parameters
    ----------
    document : the run's document, also of a refused or failed run
    found : what the run's stages have left
    """
    records = Records(
        document, found.profile, found.evaluation, found.lineage, found.signature, found.contract, found.features
    )
    first = _FIRST.get(document.status)
    usual = _WITHOUT_TARGET if records.evaluation and records.evaluation.task not in SUPERVISED else _USUAL
    builders = usual if first is None else (first, *(builder for builder in usual if builder is not first))
    sections = [section for section in (builder(records) for builder in builders) if section]
    head = verdict.verdict(records)
    words = Section("words", "Words used here", glossary(join(head, *(part.body for part in sections))))
    parts = [*sections, words]
    contents = tag("ol", *(tag("li", tag("a", part.title, href=f"#{part.key}")) for part in parts))
    body = (tag("section", tag("h2", part.title), part.body, id=part.key) for part in parts)
    charted = any('class="plot"' in part.body for part in sections)
    page = tag("main", head, tag("nav", contents, aria_label="Contents"), *body, _colophon(charted))
    return _document(document, page, charted)


def _colophon(charted: bool) -> Html:
    return tag(
        "footer",
        "Made by Tidemill. This page is complete in itself: it loads nothing and sends nothing.",
        " Its charts are drawn by Vega, Vega-Lite and Vega-Embed, © University of Washington Interactive Data "
        "Lab; their licences are at the beginning of the bundled library."
        if charted
        else None,
    )


def _document(document: RunDocument, page: Html, charted: bool) -> str:
    title = f"{summary.model_name(document)} · {verdict.STATUS_WORDS[document.status]} · Tidemill"
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
    body = tag("body", page, bundle if charted else None, class_=document.status.lower().replace("_", "-"))
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
