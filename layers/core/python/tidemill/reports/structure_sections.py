"""The sections about a model without a target: its clusters, its components, what it finds strange.

Each is a function from the run's records to a section, or to None when it has nothing to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tidemill.contracts import Evaluation
from tidemill.reports import charts, formats, structure_charts
from tidemill.reports.elements import Records, Section, figure, table
from tidemill.reports.glossary import term
from tidemill.reports.markup import Content, Html, join, tag

#: Traits that tell a cluster or a component apart, and from which difference they do.
_TRAITS = 5
_APART = 0.35
_CORRELATED = 0.3
#: Traits in the table of all means.
_ALL_TRAITS = 40
_CHANGES = {
    "clustering": "share of rows that change cluster",
    "anomaly_detection": "mean change of the score",
    "dimensionality_reduction": "share of the components that changes",
}


def found(records: Records) -> Section | None:
    """What the model found in the holdout."""
    evaluation = records.evaluation
    if evaluation is None or not evaluation.curves:
        return None
    if evaluation.task == "clustering":
        return _clusters(evaluation)
    return _components(evaluation) if evaluation.task == "dimensionality_reduction" else _anomalies(evaluation)


def drivers(records: Records) -> Section | None:
    """Which columns the model's answers rest on."""
    evaluation = records.evaluation
    if evaluation is None or not evaluation.importance:
        return None
    change = _CHANGES[evaluation.task]
    ranked = sorted(evaluation.importance, key=lambda item: -item.mean)
    used = [item for item in ranked if item.mean > max(2 * item.std, 0.0)]
    told: Content = "No column stands out: shuffling any one of them changes little."
    if used:
        told = [
            "The answers rest most on ",
            *_bold([item.feature for item in used[:3]]),
            f": the {change} is {formats.percent(used[0].mean)} when {used[0].feature} alone is shuffled.",
        ]
        still = [item.feature for item in ranked if item.mean == 0]
        if still:
            told = [*told, f" {formats.listed(still)} {'changes' if len(still) == 1 else 'change'} nothing."]
    numbers = table(
        ["Column", change[0].upper() + change[1:], "±"],
        [[item.feature, formats.percent(item.mean), formats.figure(item.std, 2)] for item in ranked],
        "Importance of columns",
        (1, 2),
    )
    reading = join(
        "How much of what the model says changes when a column is shuffled on the ",
        term("holdout"),
        ". The thin line is one ",
        term("standard_deviation"),
        " over repeated shuffles.",
    )
    chart = figure("importance", charts.importance(ranked, change), "What the answers rest on.", reading, numbers)
    return Section("drivers", "Which columns matter", join(tag("p", told), chart))


# --- clusters ----------------------------------------------------------------------------------


def _clusters(evaluation: Evaluation) -> Section:
    found, profiles = evaluation.curves["clusters"], evaluation.curves["profiles"]["traits"]
    names, rows = found["names"], found["rows"]
    whole = sum(rows) or 1
    board: list[list[Content]] = []
    for place, (name, count) in enumerate(zip(names, rows, strict=True)):
        told = _traits([(one, one["distance"][place], one["means"][place]) for one in profiles], _APART)
        size = tag("meter", value=f"{count / max(*rows, 1):.3f}", aria_hidden="true")
        apart = _list(told, "close to the average")
        board.append([tag("b", name), f"{count:,}", formats.percent(count / whole), size, apart])
    body = join(
        tag(
            "p",
            f"The rows fall into {formats.count(len(names), 'cluster')}. A new row belongs to the ",
            term("cluster"),
            " whose centre is nearest. What sets each apart is told from the ",
            term("holdout"),
            ", against the average of all rows.",
        ),
        table(["Cluster", "Rows", "Share", "", "What sets it apart"], board, "Clusters", (1, 2)),
        _map(evaluation, names, "cluster", "Where the clusters lie."),
        _means(names, profiles),
    )
    return Section("clusters", "The clusters, and what makes each different", body)


def _means(names: Sequence[str], profiles: Sequence[Mapping[str, Any]]) -> Html:
    rows = [
        [_trait_name(one), _shown(one, one["mean"]), *(_shown(one, mean) for mean in one["means"])]
        for one in profiles[:_ALL_TRAITS]
    ]
    headers = ["Mean, or share of rows", "All", *(f"Cluster {name}" for name in names)]
    board = table(headers, rows, "Means by cluster", range(1, len(headers)))
    return tag("details", tag("summary", "Every column by cluster"), board, class_="more")


# --- components --------------------------------------------------------------------------------


def _components(evaluation: Evaluation) -> Section:
    parts = evaluation.curves["components"]["shares"]
    loadings = evaluation.curves["loadings"]["traits"]
    board: list[list[Content]] = []
    for place, share in enumerate(parts):
        signed = [(one, one["correlations"][place]) for one in loadings]
        high = [(one, value) for one, value in signed if value >= _CORRELATED]
        low = [(one, -value) for one, value in signed if value <= -_CORRELATED]
        board.append([tag("b", str(place + 1)), formats.percent(share), _leading(high), _leading(low)])
    together = formats.percent(min(sum(parts), 1.0))
    body = join(
        tag(
            "p",
            f"{formats.count(len(parts), 'component')} {'stands' if len(parts) == 1 else 'stand'} for all columns and "
            f"keep {together} of the variance of the holdout. Each ",
            term("component"),
            " is a weighted sum of the columns; its sign means nothing by itself. A row that has much of one is high "
            "in what stands under “high where”, and low in what stands beside it.",
        ),
        table(["Component", "Share", "High where (correlation)", "Low where (correlation)"], board, "Components", (1,)),
        tag(
            "div",
            figure(
                "shares",
                structure_charts.shares(parts),
                "How much each keeps.",
                "Bars: the share of the variance of each component. Line: of all up to it together.",
                None,
            ),
            _map(evaluation, (), "", "The rows on the first two."),
            class_="pair",
        ),
    )
    return Section("components", "The components, and what they stand for", body)


def _leading(found: Sequence[tuple[Mapping[str, Any], float]]) -> Content:
    ranked = sorted(found, key=lambda item: -item[1])[:_TRAITS]
    return _list([[_trait_name(one), f" {formats.figure(value, 2)}"] for one, value in ranked], "–")


# --- anomalies ---------------------------------------------------------------------------------


def _anomalies(evaluation: Evaluation) -> Section:
    found = evaluation.curves["scores"]
    above, threshold, rows = found["above"], found["threshold"], evaluation.rows
    board: list[list[Content]] = []
    for row in evaluation.curves["strangest"]["rows"]:
        told = [
            [
                tag("b", one["column"], class_="name"),
                f" {_cell(one, one['value'])}, usually {_cell(one, one['usual'])}",
            ]
            for one in row["columns"]
        ]
        mark = tag("b", _score(row["score"])) if row["score"] >= threshold else _score(row["score"])
        board.append([mark, _list(told, "no single column: how they go together")])
    body = join(
        tag(
            "p",
            "The ",
            term("anomaly_score", "score"),
            " says what share of the training rows is less strange: 0.99 means stranger than 99 of 100. From "
            f"{formats.number(threshold, 4)} on a row is an ",
            term("anomaly"),
            f". That holds for {above:,} of the {rows:,} holdout rows ({formats.percent(above / max(rows, 1))}); "
            f"{formats.percent(1 - threshold)} would be expected of rows like those in training.",
        ),
        figure(
            "scores",
            structure_charts.scores(found["edges"], found["counts"], threshold),
            "How strange the rows are.",
            "Rows like those in training spread evenly; a heap at the right end says that many are unlike them.",
            None,
        ),
        _map(evaluation, ("normal", "anomaly"), "row", "Where the anomalies lie."),
        tag("h3", "The strangest rows"),
        tag(
            "p",
            "Of each row the columns are named whose usual value would lower its score most.",
            class_="hint",
        ),
        table(["Score", "What is unusual"], board, "The strangest rows"),
    )
    return Section("anomalies", "What is strange, and why", body)


def _score(value: float) -> str:
    return f"{value:.4f}" if value > 0.995 else f"{value:.3f}"


def _cell(one: Mapping[str, Any], value: Any) -> str:
    if value is None or value == "":
        return "missing"
    if isinstance(value, str):
        return f"“{formats.shorten(value, 40)}”"
    return formats.date(value * 86400) if one["date"] else formats.exact(value)


# --- shared ------------------------------------------------------------------------------------


def _map(evaluation: Evaluation, names: Sequence[str], what: str, title: str) -> Html:
    """The rows on two directions."""
    places = evaluation.curves["map"]
    kept = [formats.percent(share) for share in places["explained"]]
    kept += ["0%"] * (2 - len(kept))
    reduced = evaluation.task == "dimensionality_reduction"
    titles = (
        f"{'component 1' if reduced else 'first direction'} ({kept[0]} of the variance)",
        f"{'component 2' if reduced else 'second direction'} ({kept[1]})",
    )
    shown = len(places["x"])
    some = "" if shown >= evaluation.rows else f" {shown:,} of the {evaluation.rows:,} rows are shown."
    reading = (
        "Each dot is a holdout row."
        if reduced
        else "Each dot is a holdout row, on the two directions in which the rows differ most. What looks near may be "
        "apart in the directions that are not shown."
    )
    chart = structure_charts.scatter(places["x"], places["y"], places.get("group", ()), names, titles, what)
    return figure("map", chart, title, reading + some, None)


def _traits(ranked: Sequence[tuple[Mapping[str, Any], float | None, float | None]], least: float) -> list[Content]:
    """The traits that differ most from the average, one of each column."""
    best: dict[str, tuple[Mapping[str, Any], float, float]] = {}
    for one, apart, mean in ranked:
        if apart is None or mean is None or abs(apart) < least:
            continue
        known = best.get(one["column"])
        # A level that is frequent here says more than one that is rare.
        weight = apart if one["level"] is not None else abs(apart)
        if known is None or weight > (known[1] if known[0]["level"] is not None else abs(known[1])):
            best[one["column"]] = (one, apart, mean)
    leading = sorted(best.values(), key=lambda item: -abs(item[1]))[:_TRAITS]
    return [_told(*item) for item in leading]


def _told(one: Mapping[str, Any], apart: float, mean: float) -> Content:
    average = _shown(one, one["mean"])
    if one["level"] is not None:
        return [_trait_name(one), f" in {_shown(one, mean)} of its rows ({average} of all)"]
    word = "far above" if apart > 1 else "above" if apart > 0 else "far below" if apart < -1 else "below"
    if one["date"]:
        word = {"above": "later", "far above": "much later", "below": "earlier", "far below": "much earlier"}[word]
        return [_trait_name(one), f" {word}: {_shown(one, mean)} (all: {average})"]
    return [_trait_name(one), f" {word} average: {_shown(one, mean)} (all: {average})"]


def _trait_name(one: Mapping[str, Any]) -> Html:
    if one["level"] is None:
        return tag("b", one["column"], class_="name")
    level = f"“{formats.shorten(one['level'], 30)}”" if one["level"] else "missing"
    return tag("b", f"{one['column']} is {level}", class_="name")


def _shown(one: Mapping[str, Any], value: float | None) -> str:
    if value is None:
        return "–"
    if one["level"] is not None:
        return formats.percent(value)
    return formats.date(value * 86400) if one["date"] else formats.number(value)


def _list(items: Sequence[Content], empty: str) -> Content:
    return tag("ul", *(tag("li", item) for item in items), class_="traits") if items else empty


def _bold(names: Sequence[str]) -> list[Content]:
    parts: list[Content] = []
    for place, name in enumerate(names):
        parts += [None if place == 0 else " and " if place == len(names) - 1 else ", ", tag("b", name, class_="name")]
    return parts
