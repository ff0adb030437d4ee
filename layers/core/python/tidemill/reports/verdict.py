"""The head of a report: what happened, how sure it is, what to do next."""

from __future__ import annotations

from collections.abc import Iterable

from tidemill.reports import formats, summary
from tidemill.reports.elements import Records, facts, sentence
from tidemill.reports.glossary import term
from tidemill.reports.markup import Content, Html, join, tag

STATUS_WORDS = {
    "LIVE": "Live",
    "REFUSED_DATA": "Data refused",
    "REFUSED_BY_GATE": "Not released",
    "FAILED": "Failed",
    "WAITING_FOR_APPROVAL": "Waiting for approval",
    "ROLLING_OUT": "Rolling out",
    "ROLLED_BACK": "Rolled back",
    "RUNNING": "Running",
}


def verdict(records: Records) -> Html:
    """The head of the page: status, verdict in one sentence, how sure, key facts, what to do next."""
    document, evaluation = records.document, records.evaluation
    stopped = document.status in summary.STOPPED
    measured = summary.quality(document, evaluation)
    warnings = len(summary.findings(document))
    lede = [
        tag("p", sentence(document.reason), class_="reason") if stopped and document.reason else None,
        tag("p", measured) if measured else None,
        tag("p", weak, " See ", tag("a", "for which rows it is worse", href="#parts"), ".")
        if (weak := summary.weakness(evaluation)) and document.metric
        else None,
        tag(
            "p",
            f"The checks of the data gave {formats.count(warnings, 'warning')}: see ",
            tag("a", "what was found in the data", href="#findings"),
            ".",
        )
        if warnings and not stopped
        else None,
    ]
    steps = tag("ul", *(tag("li", sentence(step)) for step in summary.next_steps(document, evaluation)))
    return tag(
        "header",
        tag(
            "p",
            tag("span", STATUS_WORDS[document.status], class_="status"),
            tag("span", document.project),
            tag("span", formats.moment(document.started_at)) if document.started_at else None,
            class_="kicker",
        ),
        tag("h1", summary.headline(document, evaluation)),
        tag("div", *lede, class_="lede"),
        facts(_key_facts(records)),
        tag("div", tag("h2", "What to do next" if stopped else "What you can do now"), steps, class_="next"),
        class_="verdict",
    )


def _key_facts(records: Records) -> Iterable[tuple[Content, Content]]:
    document, evaluation, profile = records.document, records.evaluation, records.profile

    def value(large: str, small: Content) -> Html:
        return join(tag("b", large), tag("small", small))

    if document.model:
        alias = document.model.alias
        yield (
            "Model",
            value(
                f"{document.model.name} {document.model.version}",
                term("champion") if alias == "champion" else alias or "not in service",
            ),
        )
    rows = document.dataset.rows if document.dataset else profile.rows if profile else None
    columns = document.dataset.columns if document.dataset else len(profile.columns) if profile else 0
    if rows is not None:
        yield "Data", value(f"{rows:,}", f"rows, {formats.count(columns, 'column')}")
    elif document.source:
        yield "File", value(formats.shorten(summary.file_name(document), 40), "could not be read as a table")
    if evaluation:
        yield term("holdout", "Holdout"), value(f"{evaluation.rows:,}", "rows that no candidate saw")
    yield "Time", value(formats.duration(document.seconds), "from upload to verdict")
    if document.cost:
        yield "Cost", value(formats.money(document.cost.usd), tag("a", "by stage", href="#cost"))
