"""The section about the data contract: what each column must hold, why, and whether this upload does."""

from __future__ import annotations

from tidemill.contracts import Check, ColumnConstraints
from tidemill.reports import formats
from tidemill.reports.elements import Records, Section, facts, folded_columns, mark, sentence
from tidemill.reports.glossary import term
from tidemill.reports.markup import Content, Html, join, tag

#: Columns shown at once; the others are behind a click.
COLUMNS_SHOWN = 25
#: Values of a domain named in a row.
VALUES = 4
TYPE_WORDS = {
    "integer": "whole numbers",
    "number": "numbers",
    "boolean": "true, false",
    "category": "text",
    "text": "text",
    "date": "dates",
    "empty": "nothing",
}
FIELD_WORDS = {
    "type": "Type",
    "completeness": "Filled in",
    "values": "Values",
    "minimum": "Smallest",
    "maximum": "Largest",
    "unique": "Unique",
    "optional": "May be missing",
}


def contract(records: Records) -> Section | None:
    """What every column must hold, with the reasons behind a click."""
    held = records.contract
    if held is None or not held.columns:
        return None
    breaches: dict[str, list[Check]] = {}
    for check in records.document.checks:
        if check.name.startswith("contract_") and check.column is not None and check.verdict != "pass":
            breaches.setdefault(check.column, []).append(check)
    ordered = sorted(held.columns, key=lambda column: column.name not in breaches)
    shown, rest = ordered[:COLUMNS_SHOWN], ordered[COLUMNS_SHOWN:]
    first = held.run_id == records.document.run_id
    if first:
        origin: Content = (
            "This is the project’s first accepted table. It suggests what later ones must hold: the ",
            _word(),
            ".",
        )
    elif not held.dataset_version:
        origin = ("No table of the project was accepted yet; the spec says what they must hold: the ", _word(), ".")
    else:
        told = formats.count(len(breaches), "column of this table does", "columns of this table do") if breaches else ""
        origin = (
            f"The project’s first accepted table, of {held.rows:,} rows, has suggested what later ones must hold: the ",
            _word(),
            f". {told} not." if told else ". This table holds all of it.",
        )
    head = tag(
        "div",
        *(tag("span", name) for name in ("Column", "Type", "Filled in", "Values", "" if first else "This table")),
        class_="column-head held",
        aria_hidden="true",
    )
    body = join(
        tag("p", origin),
        tag(
            "p",
            "Open a column for the reasons. ",
            sentence("`contract.columns` in the spec replaces what was suggested, field by field."),
            class_="hint",
        ),
        head,
        *(_column(column, breaches.get(column.name, []), first) for column in shown),
        folded_columns(_column(column, breaches.get(column.name, []), first) for column in rest),
    )
    return Section("contract", "The data contract", body)


def _word() -> Html:
    return term("data_contract")


def _column(column: ColumnConstraints, breaches: list[Check], first: bool) -> Html:
    refused = any(check.verdict == "refuse" for check in breaches)
    verdict = mark("refuse" if refused else "warn", "refused" if refused else "warning") if breaches else "holds"
    small = ", ".join(
        word for word, asked in (("every value once", column.unique), ("may be missing", column.optional)) if asked
    )
    summary_line = tag(
        "summary",
        tag("span", tag("b", column.name, class_="name"), tag("small", small, class_="role") if small else None),
        tag("span", TYPE_WORDS[column.type] if column.type else "any"),
        tag("span", _completeness(column.completeness)),
        tag("span", _values(column)),
        tag("span", None if first else verdict),
    )
    reasons: list[tuple[Content, Content]] = [
        (FIELD_WORDS[name], sentence(column.reasons[name])) for name in FIELD_WORDS if name in column.reasons
    ]
    details = join(
        *(tag("p", sentence(check.detail)) for check in breaches),
        facts(reasons, "origin") if reasons else tag("p", "Nothing is asked of it."),
        tag("p", "The values: ", ", ".join(column.values), class_="hint name")
        if column.values and len(column.values) > VALUES
        else None,
    )
    return tag("details", summary_line, tag("div", details, class_="column-body"), class_="column held")


def _completeness(least: float | None) -> str:
    if not least:
        return "any share"
    return "every row" if least == 1 else f"at least {formats.percent(least)}"


def _values(column: ColumnConstraints) -> Content:
    if column.values is not None:
        shown = ", ".join(formats.shorten(value, 24) or "(empty)" for value in column.values[:VALUES])
        more = len(column.values) - VALUES
        most = f" in at least {column.coverage * 100:g}% of the rows" if column.coverage < 1 else ""
        return tag("span", shown, f" and {more} more" if more > 0 else "", most, class_="name")
    low, high = column.minimum, column.maximum
    if low is not None and high is not None:
        return f"{formats.exact(low)} to {formats.exact(high)}"
    if low is not None:
        return "not negative" if low == 0 else f"at least {formats.exact(low)}"
    return "any" if high is None else f"at most {formats.exact(high)}"
