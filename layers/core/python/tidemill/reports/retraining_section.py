"""The section about a run that nobody started by uploading a table: why it was started, and on which rows."""

from __future__ import annotations

from tidemill.contracts import from_json
from tidemill.monitoring_contracts import Finding, Retraining
from tidemill.reports import formats
from tidemill.reports.elements import Records, Section, facts, mark, sentence
from tidemill.reports.markup import Content, Html, join, tag
from tidemill.rules.retraining import BY_HAND

#: Findings shown at once; the others are behind a click.
FINDINGS_SHOWN = 8
TRIGGERS = {
    "rule": "A rule of the project, about what was seen in production",
    "schedule": "The project’s schedule",
    "labels": "New true outcomes",
    "hand": "A person",
    "backfill": "A person, for a window of the past",
}
DATA = {
    "all": "all rows of the last uploaded table, and every prediction since whose outcome is known",
    "window": "predictions whose outcome is known, and no row of an uploaded table",
    "drifted_plus_old": "predictions whose outcome is known, and so many rows of the last uploaded table that the "
    "predictions keep their share",
}


def retraining(records: Records) -> Section | None:
    """Who or what asked for the run, the evidence, and what the table was composed of."""
    if records.retraining is None:
        return None
    asked = from_json(Retraining, records.retraining)
    shown, rest = asked.findings[:FINDINGS_SHOWN], asked.findings[FINDINGS_SHOWN:]
    pairs: list[tuple[Content, Content]] = [
        ("Asked for by", TRIGGERS[asked.trigger] + (f": {asked.by}" if asked.trigger in BY_HAND else "")),
        ("At", formats.moment(asked.at)),
        ("Trained on", DATA[asked.data]),
        ("Predictions", f"{asked.rows_new:,}{_window(asked)}"),
        ("Rows of the last uploaded table", f"{asked.rows_old:,}"),
    ]
    body = join(
        tag("p", "Nobody uploaded this table: Tidemill composed it. ", sentence(asked.reason)),
        tag("ul", *map(_item, shown), class_="findings") if shown else None,
        tag(
            "details",
            tag("summary", f"{formats.count(len(rest), 'more finding')}"),
            tag("ul", *map(_item, rest), class_="findings"),
            class_="more",
        )
        if rest
        else None,
        facts(pairs, "origin"),
    )
    return Section("retraining", "Why it was trained again", body)


def _item(finding: Finding) -> Html:
    since = f" Since {formats.moment(finding.since)}." if finding.since else ""
    word = mark("refuse", "Alert") if finding.severity == "alert" else mark("warn", "Warning")
    return tag("li", word, tag("p", sentence(finding.sentence), since))


def _window(asked: Retraining) -> str:
    start = f" from {formats.moment(asked.start)}" if asked.start else ""
    end = f" until {formats.moment(asked.end)}" if asked.end else ""
    return f",{start}{end}" if start or end else ""
