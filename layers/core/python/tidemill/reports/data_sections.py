"""The sections about the data: what the checks found, how the file was read, every column."""

from __future__ import annotations

from tidemill.contracts import Check, ColumnProfile
from tidemill.reports import formats, summary
from tidemill.reports.advice import ADVICE
from tidemill.reports.elements import Records, Section, facts, folded_columns, mark, sentence, table
from tidemill.reports.glossary import term
from tidemill.reports.markup import Content, Html, join, tag
from tidemill.reports.sparklines import sparkline

#: Columns shown at once; the others are behind a click.
COLUMNS_SHOWN = 25
#: Most frequent values shown of a column.
TOP_VALUES = 10
#: Fewer findings than this need no headings.
HEADED = 5
#: What findings are about: theme -> checks.
THEMES: dict[str, tuple[str, ...]] = {
    "What would flatter the model": ("leak", "time_order", "duplicate_rows"),
    "Personal data": ("personal_data",),
    "Not what the data contract asks for": (
        *("contract_missing_column", "contract_extra_column", "contract_type", "contract_completeness"),
        *("contract_domain", "contract_range", "contract_unique"),
    ),
    "Changed since the previous version": ("drift",),
    "How the file was read": (
        *("readable", "reading_assumption", "duplicate_headers", "declared_type", "mixed_values", "ambiguous_dates"),
        "infinite_values",
    ),
}
OTHER_THEME = "Columns and rows"
_THEME_OF = {check: theme for theme, checks in THEMES.items() for check in checks}
FORMATS = {
    "csv": "text table (CSV)",
    "jsonl": "JSON Lines",
    "json": "JSON, a list of objects",
    "parquet": "Parquet",
    "xlsx": "Excel workbook",
}
PERSONAL_WORDS = {
    "email": "e-mail address",
    "phone": "phone number",
    "payment_card": "payment card",
    "bank_account": "bank account",
    "national_id": "national id",
    "postal_address": "postal address",
    "date_of_birth": "date of birth",
    "ip_address": "IP address",
    "other": "personal data",
}
ACTION_WORDS = {
    "warn": "used all the same",
    "drop": "left out",
    "mask": "replaced by keyed hashes",
    "refuse": "refused",
}
ROLE_WORDS = {
    "feature": "feature",
    "target": "target",
    "id": "identifies rows",
    "time": "time of the row",
    "group": "group of the row",
    "ignored": "ignored",
    "leak": "gives the target away",
    "constant": "never changes",
}


def findings(records: Records) -> Section | None:
    """What the checks found, the worst first, with what to do."""
    checks = records.document.checks
    if not checks:
        return None
    found = summary.findings(records.document)
    passed = [check for check in checks if check.verdict == "pass"]
    refusing = sum(check.verdict == "refuse" for check in found)
    amounts = [
        formats.count(refusing, "reason to refuse it", "reasons to refuse it") if refusing else "",
        formats.count(len(found) - refusing, "warning") if len(found) > refusing else "",
    ]
    told = " and ".join(filter(None, amounts))
    body = join(
        tag(
            "p",
            "Before anything is learned, the table goes through a set of ",
            term("check", "checks"),
            f". They found {told}." if told else ". All of them passed.",
        ),
        _by_theme(found) if found else None,
        tag(
            "details",
            tag("summary", formats.count(len(passed), "check passed", "checks passed")),
            tag("ul", *(tag("li", _where(check), sentence(check.detail)) for check in passed), class_="passed"),
        )
        if passed
        else None,
    )
    return Section("findings", "What was found in the data", body)


def _where(check: Check) -> Html | None:
    """The column a check is about, unless its sentence names it."""
    if check.column is None or check.column in check.detail:
        return None
    return join(tag("b", check.column, class_="name"), ": ")


def _by_theme(found: list[Check]) -> Html:
    """The findings under headings, the theme with the worst one first; a few need no headings."""
    themes: dict[str, list[Check]] = {}
    for check in found:
        themes.setdefault(_THEME_OF.get(check.name, OTHER_THEME), []).append(check)
    if len(themes) < 2 or len(found) < HEADED:
        return _list(found)
    return join(*(join(tag("h3", theme), _list(checks)) for theme, checks in themes.items()))


def _list(found: list[Check]) -> Html:
    """Findings of one check stand together, and what to do about them stands once, under the last."""
    grouped: dict[tuple[str, str], list[Check]] = {}
    for check in found:
        grouped.setdefault((check.name, check.verdict), []).append(check)
    items = (_finding(check, check is checks[-1]) for checks in grouped.values() for check in checks)
    return tag("ul", *items, class_="findings")


def _finding(check: Check, advised: bool) -> Html:
    advice = ADVICE.get(check.name) if advised else None
    return tag(
        "li",
        mark(check.verdict, {"refuse": "Refused", "warn": "Warning"}[check.verdict]),
        tag("p", _where(check), sentence(check.detail)),
        tag("p", sentence(advice), class_="advice") if advice else None,
    )


def data(records: Records) -> Section | None:
    """The file, how it was read, and every column."""
    document, profile = records.document, records.profile
    if profile is None:
        return None
    reading = profile.reading
    form = FORMATS.get(reading.format, reading.format)
    details = [
        ("File", tag("span", summary.file_name(document), class_="name")),
        ("Size", formats.size(reading.bytes)),
        ("Format", f"{form}, {reading.compression}-compressed" if reading.compression else form),
        (
            "Separator",
            {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}.get(reading.delimiter, reading.delimiter)
            if reading.delimiter
            else None,
        ),
        ("Encoding", reading.encoding),
        ("Header", "the first row names the columns" if reading.header else "none: the columns were numbered"),
        ("Rows", f"{profile.rows:,}"),
        ("Repeated rows", f"{profile.duplicate_rows:,}" if profile.duplicate_rows else "none"),
        ("Columns", f"{len(profile.columns):,}"),
    ]
    ordered = sorted(profile.columns, key=lambda column: column.role != "target")
    shown, rest = ordered[:COLUMNS_SHOWN], ordered[COLUMNS_SHOWN:]
    head = tag(
        "div",
        *(tag("span", name) for name in ("Column", "Type", "Distribution", "Missing", "Values")),
        class_="column-head",
        aria_hidden="true",
    )
    body = join(
        facts(((label, value) for label, value in details if value is not None), "reading"),
        join(tag("h3", "How it was read"), tag("ul", *(tag("li", sentence(text)) for text in reading.assumptions)))
        if reading.assumptions
        else None,
        tag("h3", "Column by column"),
        tag(
            "p",
            "The bars are a column’s ",
            term("histogram"),
            ", or the shares of its values. Open a column for its figures: ",
            term("distinct"),
            " and ",
            term("missing"),
            " values, ",
            term("quantile", "quantiles"),
            ", ",
            term("standard_deviation"),
            ".",
            class_="hint",
        ),
        head,
        *map(_column, shown),
        folded_columns(map(_column, rest)),
    )
    return Section("data", "The data", body)


def _column(column: ColumnProfile) -> Html:
    shown = formats.date if column.type == "date" else formats.exact
    if column.minimum is not None and column.maximum is not None:
        values = f"{shown(column.minimum)} to {shown(column.maximum)}"
    else:
        values = formats.count(column.distinct, "value")
    missing = column.missing / column.rows if column.rows else 0.0
    role = tag("small", ROLE_WORDS[column.role], class_=f"role {column.role}") if column.role != "feature" else None
    personal = tag("small", PERSONAL_WORDS[column.personal_data.kind], class_="role") if column.personal_data else None
    summary_line = tag(
        "summary",
        tag("span", tag("b", column.name, class_="name"), role, personal),
        tag("span", column.type),
        tag("span", sparkline(column)),
        tag("span", formats.percent(missing) if column.missing else "none", class_="num"),
        tag("span", values, class_="num"),
    )
    return tag("details", summary_line, tag("div", _column_figures(column), class_="column-body"), class_="column")


def _column_figures(column: ColumnProfile) -> Html:
    shown = formats.date if column.type == "date" else formats.exact
    pairs: list[tuple[Content, Content]] = [
        ("Role", ROLE_WORDS[column.role]),
        ("Distinct", f"{column.distinct:,}"),
        ("Missing", f"{column.missing:,} of {column.rows:,}"),
    ]
    if column.format:
        pairs.append(("Written as", tag("span", column.format, class_="name")))
    if column.personal_data is not None:
        found = column.personal_data
        share = f", in {formats.percent(found.confidence)} of the values" if found.confidence else ""
        pairs.append(("Personal data", f"{PERSONAL_WORDS[found.kind]}{share}; {ACTION_WORDS[found.action]}"))
    if column.minimum is not None:
        pairs += [("Smallest", shown(column.minimum)), ("Largest", shown(column.maximum))]
    if column.mean is not None and column.type != "date":
        pairs += [
            ("Mean", formats.number(column.mean, 4)),
            ("Standard deviation", formats.number(column.std, 4)),
        ]
    for share, value in sorted(column.quantiles.items(), key=lambda item: float(item[0])):
        name = "Median" if float(share) == 0.5 else f"{float(share) * 100:g}% lie below"
        pairs.append((name, shown(value)))
    return join(
        tag("p", sentence(column.note)) if column.note else None,
        facts(pairs, "figures"),
        _top_values(column) if column.top else None,
    )


def _top_values(column: ColumnProfile) -> Html:
    """The most frequent values, and all others together."""
    shown = [(formats.shorten(value.value) or "(empty)", value.count) for value in column.top[:TOP_VALUES]]
    others = column.rows - column.missing - sum(count for _, count in shown)
    largest = shown[0][1]
    rows: list[list[Content]] = [
        [
            tag("span", value, class_="name"),
            f"{count:,}",
            formats.percent(count / column.rows),
            tag("meter", value=f"{count / largest:.3f}", aria_hidden="true"),
        ]
        for value, count in shown
    ]
    if others > 0:
        others_named = formats.count(column.distinct - len(shown), "other value")
        rows.append([tag("small", others_named), f"{others:,}", formats.percent(others / column.rows), None])
    return table(["Most frequent", "Rows", "Share", ""], rows, f"Most frequent values of {column.name}", (1, 2))
