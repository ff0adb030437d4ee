"""The elements that sections are made of: records of a run, tables, figures, lists of facts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidemill.contracts import DataContract, Evaluation, Lineage, Profile, RunDocument, Signature, to_json
from tidemill.reports import charts, formats, metric_words
from tidemill.reports.glossary import TERMS, term
from tidemill.reports.markup import Content, Html, escape, join, json_script, tag

#: Points of a curve in the table beneath it.
TABLE_POINTS = 21


@dataclass(frozen=True)
class Records:
    """Everything that is known about a run; all but the document may be missing."""

    document: RunDocument
    profile: Profile | None
    evaluation: Evaluation | None
    lineage: Lineage | None
    signature: Signature | None
    contract: DataContract | None = None
    features: Mapping[str, Any] | None = None  #: `features.json`
    retraining: Mapping[str, Any] | None = None  #: why the run was started, when nobody uploaded its table


@dataclass(frozen=True)
class Section:
    """One section of the page."""

    key: str
    title: str
    body: Html


def sentence(text: str) -> Html:
    """A message as a sentence, in which `backticks` mark code."""
    pieces = re.split(r"`([^`]+)`", formats.sentence(text))
    return join(*(tag("code", piece) if i % 2 else piece for i, piece in enumerate(pieces)))


def table(
    headers: Sequence[Content], rows: Iterable[Sequence[Content]], label: str, numeric: Iterable[int] = ()
) -> Html:
    """A table that scrolls sideways on its own when it is wider than the page."""
    right = set(numeric)

    def cell(name: str, index: int, content: Content) -> Html:
        return tag(name, content, class_="num" if index in right else None, scope="col" if name == "th" else None)

    head = tag("tr", *(cell("th", i, header) for i, header in enumerate(headers)))
    body = join(*(tag("tr", *(cell("td", i, content) for i, content in enumerate(row))) for row in rows))
    filled = tag("table", tag("thead", head), tag("tbody", body))
    return tag("div", filled, class_="scroll", role="region", aria_label=label, tabindex="0")


def figure(key: str, spec: charts.Spec, title: Content, reading: Content, numbers: Content) -> Html:
    """A chart with its title, how to read it, and, unless they are told elsewhere, its numbers as a table."""
    return tag(
        "figure",
        tag("figcaption", tag("strong", title), " ", reading),
        tag("div", class_="plot", data_chart=f"spec-{key}"),
        json_script(spec, id=f"spec-{key}"),
        tag("details", tag("summary", "The numbers"), numbers, class_="numbers") if numbers else None,
        class_="chart",
        id=f"chart-{key}",
    )


def panel(key: str, spec: charts.Spec, title: Content) -> Html:
    """One of several small charts of a figure."""
    return tag(
        "div",
        tag("div", title, class_="panel-title"),
        tag("div", class_="plot", data_chart=f"spec-{key}"),
        json_script(spec, id=f"spec-{key}"),
        class_="panel",
    )


def panels_figure(key: str, panels: Sequence[Html], title: Content, reading: Content, numbers: Html) -> Html:
    """Several small charts under one title, with one table of their numbers."""
    return tag(
        "figure",
        tag("figcaption", tag("strong", title), " ", reading),
        tag("div", *panels, class_="panels"),
        tag("details", tag("summary", "The numbers"), numbers, class_="numbers"),
        class_="chart",
        id=f"chart-{key}",
    )


def points(headers: Sequence[str], columns: Sequence[Sequence[float]], label: str) -> Html:
    """The points of a curve as a table of evenly spread rows."""
    kept = charts.thinned(len(columns[0]), TABLE_POINTS)
    rows = [[formats.number(column[i]) for column in columns] for i in kept]
    return table(headers, rows, label, range(len(headers)))


def facts(pairs: Iterable[tuple[Content, Content]], kind: str = "facts") -> Html:
    """A list of labels and values."""
    return tag("dl", *(tag("div", tag("dt", label), tag("dd", value)) for label, value in pairs), class_=kind)


def parameters(params: Mapping[str, Any]) -> str:
    """A candidate's parameters in a line; name and value stay together."""
    return ", ".join(f"{name}\N{NO-BREAK SPACE}{json.dumps(to_json(value))}" for name, value in sorted(params.items()))


def mark(verdict: str, shown: str) -> Html:
    """A verdict as a word with its colour."""
    return tag("span", shown, class_=f"mark {verdict}")


def metric_term(metric: str, shown: str | None = None) -> Html:
    """A metric's name with its explanation."""
    label = shown or metric_words.words(metric).label
    return term(metric, label) if metric in TERMS else escape(label)


def folded_columns(columns: Iterable[Html]) -> Html | None:
    """Columns that are shown when a reader asks for them; None when there is none."""
    rest = list(columns)
    if not rest:
        return None
    return tag("details", tag("summary", f"The other {formats.count(len(rest), 'column')}"), *rest, class_="more")
