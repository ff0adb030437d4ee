"""The sections of a monitor report.

Each is a function from what was seen of a model to a section, or to None when it has nothing to say.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Literal

from tidemill.contracts import ColumnProfile
from tidemill.monitoring_contracts import Decision, FeatureDrift, Finding, MonitorPoint, QualityFigure, Reference
from tidemill.reports import charts, formats, metric_words, monitor_charts
from tidemill.reports.elements import Section, facts, figure, mark, metric_term, panel, panels_figure, sentence, table
from tidemill.reports.glossary import term
from tidemill.reports.markup import Content, Html, join, tag
from tidemill.reports.monitor_words import DID, KIND_WORDS, NOT_DONE, Watched, day, figures_of, labels, span

#: Classes of the marks of a chart's series, in their order.
_SERIES = ("", "series-1", "series-2")
#: Windows on the axis of a chart; of more, these are evenly spread ones.
WINDOWS = 60
#: Features in the picture of drift; the table has them all.
FEATURES = 14
#: Features whose distributions are shown.
DISTRIBUTIONS = 6
#: Values of a category in a small chart; the rest are one bar.
VALUES = 7
#: Findings that are only worth watching and shown beside alerts.
WARNINGS = 2
#: Windows whose decisions are shown at once; older ones are folded.
DECIDED = 4
#: Characters of a decision's reason; one may name many findings, which stand above.
REASON = 260
#: Bins of a chart of predictions.
PREDICTION_BINS = 20


def _key(*entries: tuple[str, str]) -> Html:
    """What the marks of a chart stand for: words with the class of their mark, in a line."""
    return tag("span", *(tag("span", word, class_=f"key {css}".strip()) for word, css in entries), class_="keys")


def shown(points: Sequence[MonitorPoint]) -> list[MonitorPoint]:
    """The windows that charts show."""
    return [points[i] for i in charts.thinned(len(points), WINDOWS)]


# --- findings ----------------------------------------------------------------------------------


def findings(seen: Watched) -> Section | None:
    """What was found, since when; what is only worth watching is folded when there is much of it."""
    newest, found = seen.newest, seen.findings
    if newest is None or not found:
        return None
    alerts = [one for one in found if one.severity == "alert"]
    warnings = [one for one in found if one.severity != "alert"]
    open_ones = WARNINGS if alerts else len(warnings)
    rest = warnings[open_ones:]
    body = join(
        _finding_list(alerts + warnings[:open_ones], newest, seen.now),
        tag(
            "details",
            tag("summary", f"{formats.count(len(rest), 'more thing')} worth watching"),
            _finding_list(rest, newest, seen.now),
            class_="more",
        )
        if rest
        else None,
    )
    return Section("findings", "What changed, and since when", body)


def _finding_list(found: Sequence[Finding], newest: MonitorPoint, now: str) -> Html:
    items = [
        tag(
            "li",
            mark("refuse" if one.severity == "alert" else "warn", KIND_WORDS[one.kind]),
            tag("p", sentence(one.sentence), _since(one, newest, now)),
        )
        for one in found
    ]
    return tag("ul", *items, class_="findings")


def _since(finding: Finding, newest: MonitorPoint, now: str) -> Html | None:
    if finding.since is None:
        return None
    if finding.since == newest.end:
        return join(" ", tag("small", "New in this window."))
    return join(" ", tag("small", f"In every window since {day(finding.since, now)}."))


# --- drift -------------------------------------------------------------------------------------


def drift(seen: Watched) -> Section | None:
    """How far each feature has moved, window by window, and what the most moved ones look like."""
    newest = next((point for point in reversed(seen.points) if point.features), None)
    if newest is None:
        return None
    moved = [feature for feature in newest.features if feature.drifted]
    total = len(newest.features)
    opening = (
        f"{formats.listed([feature.name for feature in _by_drift(moved)])} moved farther than chance explains: "
        f"{len(moved)} of {formats.count(total, 'feature')}. "
        if moved
        else f"None of the {formats.count(total, 'feature')} moved farther than chance explains. "
    )
    body = join(
        tag(
            "p",
            opening,
            "Each window is compared with the stored ",
            term("profile"),
            " of the training table. A feature is called moved when its ",
            term("psi"),
            " is beyond what the reference’s own samples reach ",
            "and a test, corrected for the number of features, agrees.",
        ),
        _whole(newest),
        _heat(seen),
        _distributions(seen, newest),
        _feature_table(newest),
    )
    return Section("drift", "What it is asked", body)


def _whole(point: MonitorPoint) -> Html | None:
    """All features together: whether a classifier can tell production from the reference."""
    if point.domain_auc is None:
        return None
    interval = f" (at least {formats.number(point.domain_low, 2)})" if point.domain_low is not None else ""
    return tag(
        "p",
        "As a whole: a ",
        term("domain_classifier"),
        " tells production from training rows with a ROC AUC of ",
        tag("b", formats.number(point.domain_auc, 2)),
        f"{interval}; 0.5 is not at all, 1 is always.",
    )


def _by_drift(features: Iterable[FeatureDrift]) -> list[FeatureDrift]:
    return sorted(features, key=lambda one: (not one.drifted, -one.psi, one.name))


def _heat(seen: Watched) -> Html | None:
    points = shown(seen.points)
    windows = labels(points)
    largest: dict[str, float] = {}
    for point in points:
        for feature in point.features:
            largest[feature.name] = max(largest.get(feature.name, 0.0), feature.psi)
    names = sorted(largest, key=lambda name: (-largest[name], name))[:FEATURES]
    cells = [
        monitor_charts.Cell(window, one.name, round(one.psi, 4), _severity(point, one), one.words)
        for window, point in zip(windows, points, strict=True)
        for one in point.features
        if one.name in names
    ]
    if not cells:
        return None
    part = f" The {len(names)} that moved most are shown." if len(names) < len(largest) else ""
    numbers = table(
        ["Window until", *names],
        [
            [window, *(_psi_of(point, name) for name in names)]
            for window, point in reversed(list(zip(windows, points, strict=True)))
        ],
        "Stability index by window and feature",
        range(1, len(names) + 1),
    )
    return figure(
        "heat",
        monitor_charts.heat(cells, windows, names),
        "How far each feature has moved.",
        join(
            "A column is a window, oldest left; the stronger the shade, the larger the ",
            term("psi"),
            f".{part} An empty column has too few predictions.",
            _key(("no finding", "quiet"), ("moved", "moved"), ("moved far", "worse")),
        ),
        numbers,
    )


def _severity(point: MonitorPoint, feature: FeatureDrift) -> Literal["", "warn", "alert"]:
    """Severity of the finding about a feature; of one that has only moved beyond chance there may be none."""
    severities = {one.severity for one in point.findings if one.kind == "drift" and one.subject == feature.name}
    return "alert" if "alert" in severities else "warn" if severities or feature.drifted else ""


def _psi_of(point: MonitorPoint, name: str) -> str:
    return next((formats.figure(one.psi, 2) for one in point.features if one.name == name), "–")


def _distributions(seen: Watched, point: MonitorPoint) -> Html | None:
    columns = {column.name: column for column in seen.profile.columns} if seen.profile else {}
    chosen = [one for one in _by_drift(point.features) if one.before and one.now][:DISTRIBUTIONS]
    if not chosen:
        return None
    panels = [
        panel(
            f"distribution-{place}",
            _distribution(one, columns.get(one.name)),
            join(
                tag("strong", one.name, class_="name"),
                mark("refuse" if _severity(point, one) == "alert" else "warn", "moved") if one.drifted else None,
                tag("small", one.words or "as at release"),
            ),
        )
        for place, one in enumerate(chosen)
    ]
    rows = [
        [tag("span", one.name, class_="name"), piece.label, formats.percent(piece.before), formats.percent(piece.now)]
        for one in chosen
        for piece in _bins(one, columns.get(one.name))[0]
    ]
    return panels_figure(
        "distributions",
        panels,
        "Then and now.",
        join(
            "The features that moved most, in the newest window that could be judged.",
            _key(("at release", "wide"), ("now", "bar")),
        ),
        table(["Feature", "Value, or from", "At release", "Now"], rows, "Distributions then and now", (2, 3)),
    )


def _distribution(feature: FeatureDrift, column: ColumnProfile | None) -> charts.Spec:
    bins, across = _bins(feature, column)
    return monitor_charts.distribution(bins, across)


def _bins(feature: FeatureDrift, column: ColumnProfile | None) -> tuple[list[monitor_charts.Bin], bool]:
    """A feature's shares with the names of its bins, and whether these are ranges; empty outer bins are left out."""
    before, now = feature.before, feature.now
    if column and column.histogram and len(before) == len(column.histogram.counts) + 2:
        edges: Sequence[float] = column.histogram.edges
        if column.type == "integer":  # the smallest whole number of each bin
            edges = [math.ceil(edge) for edge in edges]
        write = formats.date if column.type == "date" else formats.exact if column.type == "integer" else formats.number
        names = [f"< {write(edges[0])}", *(write(edge) for edge in edges[:-1]), f"> {write(edges[-1])}"]
        places = [i for i in range(len(before)) if 0 < i < len(before) - 1 or before[i] or now[i]]
        return [monitor_charts.Bin(name, before[i], now[i]) for i, name in _numbered(names, places)], True
    if column and column.top and len(before) == len(column.top) + 1:
        values = ["one value" if column.personal_data else formats.shorten(top.value, 24) for top in column.top]
        order = sorted(range(len(values)), key=lambda i: -max(before[i], now[i]))
        kept, rest = order[:VALUES], [*order[VALUES:], len(values)]
        bins = [monitor_charts.Bin(name, before[i], now[i]) for i, name in _numbered(values, kept)]
        others = monitor_charts.Bin("all others", sum(before[i] for i in rest), sum(now[i] for i in rest))
        return [*bins, *([others] if others.before or others.now else [])], False
    return [monitor_charts.Bin(str(i), b, n) for i, (b, n) in enumerate(zip(before, now, strict=True), 1)], True


def _numbered(names: Sequence[str], places: Sequence[int]) -> list[tuple[int, str]]:
    """Places with their names, of which none occurs twice: two edges may be the same once they are rounded."""
    used: dict[str, int] = {}
    result = []
    for place in places:
        name = names[place]
        used[name] = used.get(name, 0) + 1
        result.append((place, name if used[name] == 1 else f"{name} ({used[name]})"))
    return result


def _feature_table(point: MonitorPoint) -> Html:
    tests = {"kolmogorov_smirnov": "KS", "chi_squared": "χ²"}
    rows = [
        [
            join(
                tag("span", one.name, class_="name"),
                mark("refuse" if _severity(point, one) == "alert" else "warn", "moved") if one.drifted else None,
            ),
            formats.figure(one.psi, 2),
            formats.figure(one.limit, 2),
            formats.figure(one.distance, 2),
            formats.figure(one.wasserstein, 2),
            join(formats.number(one.adjusted, 2), " ", tag("small", tests[one.test])),
            formats.percent(one.importance) if one.importance else "–",
        ]
        for one in _by_drift(point.features)
    ]
    headers: list[Content] = [
        "Feature",
        term("psi", "Stability index"),
        "Limit",
        term("jensen_shannon", "Jensen–Shannon"),
        term("wasserstein", "Wasserstein"),
        term("adjusted_p", "p, adjusted"),
        term("importance", "Importance"),
    ]
    filled = table(headers, rows, "Drift of the features", range(1, len(headers)))
    return tag(
        "details",
        tag("summary", f"All {formats.count(len(rows), 'feature')}, with their figures"),
        filled,
        class_="more",
    )


# --- what the model says -----------------------------------------------------------------------


def quality(seen: Watched) -> Section | None:
    """The deciding metric over the windows, measured and estimated, against the holdout."""
    reference = seen.reference
    newest = next((point for point in reversed(seen.points) if point.quality), None)
    if newest is None:
        return None
    metric = figures_of(newest, reference.metric if reference else None)[0].metric
    label = metric_words.words(metric).label
    points = shown(seen.points)
    windows = labels(points)
    estimates = [
        monitor_charts.Estimate(window, one.kind, one.value, one.low, one.high, one.rows)
        for window, point in zip(windows, points, strict=True)
        for one in point.quality
        if one.metric == metric
    ]
    at_release = next((one.reference for one in newest.quality if one.metric == metric), None)
    band = reference.intervals.get(metric, ()) if reference else ()
    chart = figure(
        "quality",
        monitor_charts.quality(estimates, windows, label, at_release, band),
        join(label, " over time."),
        join(
            "A dot is a window, the bar its ",
            term("interval"),
            "; the dashed line is the ",
            term("holdout"),
            " at release",
            ", the band its interval" if band else None,
            ".",
            _key(
                *(
                    (kind, css)
                    for kind, css in (("measured", ""), ("estimated", "series-1"))
                    if any(one.kind == kind for one in estimates)
                )
            ),
        ),
        table(
            ["Window until", "How", label, "From", "To", "Rows"],
            [
                [
                    one.window,
                    one.kind,
                    metric_words.figure(metric, one.value),
                    metric_words.figure(metric, one.low),
                    metric_words.figure(metric, one.high),
                    f"{one.rows:,}",
                ]
                for one in reversed(estimates)
            ],
            f"{label} by window",
            range(2, 6),
        ),
    )
    measured = seen.measured
    body = join(
        tag("p", _quality_words(newest, metric)),
        tag("p", _known_words(measured, metric)) if measured and measured is not newest else None,
        tag("p", _apart_words()) if measured and _apart(measured, metric) else None,
        chart,
        _quality_table(newest, measured, seen.now),
        _predictions(seen),
    )
    return Section("quality", "How good its answers are", body)


def _quality_words(point: MonitorPoint, metric: str) -> Html:
    """The newest figures in a sentence, and how sure they are."""
    told: list[Content] = []
    for one in figures_of(point, metric):
        how = (
            _measured_on(one, point)
            if one.kind == "measured"
            else "estimated from what the model says, and how right that was on the holdout"
        )
        told += [*_figure_words(one), f" {how}; "]
    reference = next((one.reference for one in point.quality if one.metric == metric), None)
    against = f"it was {metric_words.figure(metric, reference)} at release." if reference is not None else ""
    return join("The ", metric_term(metric), f" of the window until {formats.moment(point.end)} is ", *told, against)


def _measured_on(one: QualityFigure, point: MonitorPoint) -> str:
    """How many outcomes a figure is of; a window by rows has those of its whole hours."""
    if point.by_rows:
        return f"measured on {formats.count(one.rows, 'outcome')} of its hours"
    return f"measured on {formats.count(one.rows, 'prediction')} whose outcome is known"


def _known_words(measured: MonitorPoint, metric: str) -> Html | None:
    """What the newest known outcomes said."""
    one = next((one for one in measured.quality if (one.kind, one.metric) == ("measured", metric)), None)
    if one is None:
        return None
    until = formats.moment(measured.end)
    return join(
        f"When outcomes were last known, of the window until {until}, it was ", *_figure_words(one), ", measured."
    )


def _figure_words(one: QualityFigure) -> list[Content]:
    value, low, high = (metric_words.figure(one.metric, figure) for figure in (one.value, one.low, one.high))
    return [tag("b", value), f" (95%: {low} to {high})"]


def _apart(point: MonitorPoint, metric: str) -> bool:
    """Whether what was measured lies beyond what was estimated, both with their intervals."""
    found = {one.kind: one for one in figures_of(point, metric)}
    if len(found) < 2:
        return False
    measured, estimated = found["measured"], found["estimated"]
    return measured.high < estimated.low or measured.low > estimated.high


def _apart_words() -> Html:
    return join(
        "Measurement and estimate have parted. An ",
        term("estimated_quality", "estimate"),
        " follows what the model is asked; when the same question has another answer than it used to, only outcomes "
        "show it, and only training on newer outcomes mends it.",
    )


def _quality_table(newest: MonitorPoint, measured: MonitorPoint | None, now: str) -> Html | None:
    """Every metric as estimated in the newest window, and as measured in the newest one whose outcomes are known."""
    known = [one for one in measured.quality if one.kind == "measured"] if measured else []
    estimated = [one for one in newest.quality if one.kind == "estimated"]
    names = list(dict.fromkeys(one.metric for one in (*known, *estimated)))
    if len(names) < 2:
        return None
    kinds = [(title, {one.metric: one for one in found}) for title, found in _kinds(known, estimated, measured, now)]
    rows: list[list[Content]] = []
    for name in names:
        found = [figures.get(name) for _, figures in kinds]
        reference = next((one.reference for one in found if one and one.reference is not None), None)
        rows.append([metric_term(name), *(_with_interval(one) for one in found), metric_words.figure(name, reference)])
    headers: list[Content] = ["Metric", *(title for title, _ in kinds), "At release"]
    return table(headers, rows, "Quality", range(1, len(headers)))


def _kinds(
    known: Sequence[QualityFigure], estimated: Sequence[QualityFigure], measured: MonitorPoint | None, now: str
) -> list[tuple[Content, Sequence[QualityFigure]]]:
    kinds: list[tuple[Content, Sequence[QualityFigure]]] = []
    if known and measured:
        kinds.append((f"Measured until {day(measured.end, now)}", known))
    if estimated:
        kinds.append((term("estimated_quality", "Estimated"), estimated))
    return kinds


def _with_interval(figure: QualityFigure | None) -> Content:
    if figure is None:
        return "–"
    value, low, high = (metric_words.figure(figure.metric, one) for one in (figure.value, figure.low, figure.high))
    return join(tag("b", value), " ", tag("small", f"{low} to {high}"))


def _predictions(seen: Watched) -> Html | None:
    """What the model answers, at release and now."""
    judged, reference = seen.judged, seen.reference
    if judged is None or judged.prediction is None or not judged.prediction.before:
        return None
    found = judged.prediction
    bins = _prediction_bins(found, reference)
    return figure(
        "predictions",
        monitor_charts.distribution(bins, True),
        "What it answers.",
        join(
            _prediction_reading(seen),
            f"{formats.sentence(found.words)} " if found.words else None,
            "The ",
            term("psi"),
            f" is {formats.number(found.psi, 2)}",
            ", more than chance." if found.drifted else ", no more than chance.",
            _key(("at release", "wide"), ("now", "bar")),
        ),
        table(
            ["From", "At release", "Now"],
            [[one.label, formats.percent(one.before), formats.percent(one.now)] for one in bins],
            "Predictions then and now",
            (1, 2),
        ),
    )


def _prediction_bins(found: FeatureDrift, reference: Reference | None) -> list[monitor_charts.Bin]:
    """The bins of the outputs, neighbours put together until they are few enough to see; or the labels."""
    edges = reference.edges if reference else ()
    before, now = found.before, found.now
    if len(edges) != len(before) + 1:
        labels_ = [*sorted(reference.labels), "others"] if reference else []
        names = labels_[: len(before)] if len(labels_) >= len(before) else [str(i + 1) for i in range(len(before))]
        return [monitor_charts.Bin(name, before[i], now[i]) for i, name in _numbered(names, range(len(names)))]
    shares = reference is not None and reference.task in ("binary", "multiclass")
    groups: dict[int, list[int]] = {}
    for i in range(len(before)):
        # Probabilities by equal widths; values by as many of the reference's quantiles.
        group = (
            math.floor((edges[i] + edges[i + 1]) / 2 * PREDICTION_BINS)
            if shares
            else i * PREDICTION_BINS // len(before)
        )
        groups.setdefault(group, []).append(i)
    parts = [groups[group] for group in sorted(groups)]
    starts = [group / PREDICTION_BINS if shares else edges[groups[group][0]] for group in sorted(groups)]
    names = [formats.number(start, 2) for start in starts]
    return [
        monitor_charts.Bin(name, sum(before[i] for i in parts[place]), sum(now[i] for i in parts[place]))
        for place, name in _numbered(names, range(len(names)))
    ]


def _prediction_reading(seen: Watched) -> str:
    task = seen.reference.task if seen.reference else None
    return {
        "binary": "Predicted probabilities of the positive class, from 0 to 1. ",
        "regression": "Predicted values. ",
    }.get(task or "", "")


# --- service, versions, rollout ----------------------------------------------------------------


def service(seen: Watched) -> Section | None:
    """Volume, latency, errors and price, window by window."""
    newest = seen.newest
    if newest is None or newest.service is None:
        return None
    found = newest.service
    points = [point for point in shown(seen.points) if point.service]
    windows = labels(points)
    figures = [point.service for point in points if point.service]
    volume = [float(point.rows) for point in points]
    rates: dict[str, Sequence[float | None]] = {
        "failed": [one.errors / one.requests if one.requests else None for one in figures],
        "refused": [one.refused / one.requests if one.requests else None for one in figures],
    }
    latencies: dict[str, Sequence[float | None]] = {
        "median": [one.p50_ms for one in figures],
        "95%": [one.p95_ms for one in figures],
        "99%": [one.p99_ms for one in figures],
    }
    panels = [
        panel(
            "volume",
            monitor_charts.bars(windows, volume, "predictions"),
            join(tag("strong", "Predictions"), tag("small", "answered in the window")),
        ),
    ]
    # Without any call there is nothing to draw, and axes would have no numbers.
    if any(value is not None for values in latencies.values() for value in values):
        panels.append(
            panel(
                "latency",
                monitor_charts.lines(windows, latencies, "milliseconds"),
                join(tag("strong", "Latency"), " in ms", _key(*zip(latencies, _SERIES, strict=False))),
            )
        )
    if any(one.requests for one in figures):
        panels.append(
            panel(
                "errors",
                monitor_charts.lines(windows, rates, "share of calls", share=True),
                join(tag("strong", "Errors"), _key(*zip(rates, _SERIES, strict=False))),
            )
        )
    numbers = table(
        ["Window until", "Predictions", "Calls", "Failed", "Refused", "Median, ms", "95%, ms", "99%, ms"],
        [
            [
                window,
                f"{point.rows:,}",
                f"{one.requests:,}",
                f"{one.errors:,}",
                f"{one.refused:,}",
                formats.number(one.p50_ms),
                formats.number(one.p95_ms),
                formats.number(one.p99_ms),
            ]
            for window, point, one in reversed(list(zip(windows, points, figures, strict=True)))
        ],
        "Service by window",
        range(1, 8),
    )
    body = join(
        facts(
            [
                ("Calls", f"{found.requests:,}"),
                ("Failed", _rate(found.errors, found.requests)),
                ("Refused", _rate(found.refused, found.requests)),
                (
                    "Latency, median and 95%",
                    "–"
                    if found.p50_ms is None
                    else f"{formats.number(found.p50_ms)} and {formats.number(found.p95_ms)} ms",
                ),
                (
                    "Price of 1,000 predictions",
                    "–" if found.usd_per_thousand is None else formats.money(found.usd_per_thousand),
                ),
                ("Newest prediction", formats.moment(found.last_prediction_at) if found.last_prediction_at else "–"),
                (
                    "Age of the training table",
                    "–" if found.model_age_days is None else formats.count(round(found.model_age_days), "day"),
                ),
                ("Known outcomes", _known_outcomes(newest)),
                ("This look at it", formats.money(newest.usd)),
            ],
            "figures",
        ),
        panels_figure("service", panels, "How the endpoint does.", "Window by window.", numbers),
    )
    return Section("service", "How the service does", body)


def _known_outcomes(point: MonitorPoint) -> str:
    if not point.rows or point.service is None:
        return "–"
    if not point.by_rows:
        return formats.percent(point.service.label_share)
    rows = next((one.rows for one in point.quality if one.kind == "measured"), 0)
    return f"{rows:,} of its hours" if rows else "none yet"


def _rate(amount: int, requests: int) -> str:
    return f"{amount:,} ({formats.percent(amount / requests)})" if amount else "0"


def versions(seen: Watched) -> Section | None:
    """The other versions that were asked, and the challengers in the shadow, beside the one in service."""
    if not seen.others or seen.newest is None:
        return None
    metric = seen.reference.metric if seen.reference else None
    rows = []
    for point in (seen.newest, *seen.others):
        found = point.service
        role = "in service" if point is seen.newest else _role(point, seen)
        best = figures_of(point, metric)[:1]
        rows.append(
            [
                join(f"version {point.version} ", tag("small", role)),
                day(point.end, seen.now),
                f"{point.rows:,}",
                _rate(found.errors, found.requests) if found else "–",
                formats.number(found.p50_ms) if found else "–",
                join(
                    tag("b", metric_words.figure(best[0].metric, best[0].value)),
                    " ",
                    tag("small", f"{metric_words.words(best[0].metric).label}, {best[0].kind}"),
                )
                if best
                else "–",
                f"{len(point.findings):,}",
            ]
        )
    body = table(
        ["Version", "Until", "Predictions", "Failed", "Median, ms", "Quality", "Findings"],
        rows,
        "Versions beside each other",
        (2, 3, 4, 5, 6),
    )
    return Section("versions", "Versions beside each other", body)


def _role(point: MonitorPoint, seen: Watched) -> str:
    """What a version is that is not in service."""
    if point.shadow:
        return "shadow: its answers go to nobody"
    if seen.rollout and not seen.rollout.ended_at and point.version == seen.rollout.version:
        return "being let in"
    return "before" if seen.newest and point.version < seen.newest.version else "asked"


_ROLLOUT_WORDS = {
    "SHADOW": "answers copies of calls, and nobody gets its answers",
    "BAKING": "answers a share of the calls",
    "PROMOTED": "has taken over all calls",
    "ROLLED_BACK": "was taken back",
}
#: A run's id, of which the first characters are enough for the command.
_LONG_ID = re.compile(r"\b([0-9a-f]{8})[0-9a-f]{24}\b")
_SIGNALS = {"good": ("pass", "good"), "stop": ("refuse", "stops it"), "wait": ("skip", "waits")}
_SIGNAL_WORDS = {
    "errors": "Errors",
    "latency": "Latency",
    "prediction_drift": "Predictions",
    "quality": "Quality",
    "requests": "Calls",
    "frozen": "Freeze",
}


def rollout(seen: Watched) -> Section | None:
    """The newest rollout: how far it is, what it looked at, and what has happened."""
    found = seen.rollout
    if found is None:
        return None
    steps = [*(["shadow"] if found.plan.shadow_seconds else []), *(f"{share:.0%}" for share in found.plan.steps)]
    ahead = len(steps) - len(found.plan.steps)
    reached = 0 if found.state == "SHADOW" else found.step + ahead
    track = tag(
        "ol",
        *(
            tag(
                "li",
                step,
                class_="done"
                if place < reached or found.state == "PROMOTED"
                else ("stopped" if found.state == "ROLLED_BACK" else "current")
                if place == reached
                else None,
            )
            for place, step in enumerate(steps)
        ),
        class_="track",
    )
    signals = [
        tag(
            "li",
            mark(_SIGNALS[one.verdict][0], _SIGNAL_WORDS[one.name]),
            tag("p", sentence(one.sentence), " ", tag("small", _SIGNALS[one.verdict][1])),
        )
        for one in found.signals
    ]
    before = f", in the place of version {found.champion}" if found.champion is not None else ""
    body = join(
        tag(
            "p",
            f"Version {found.version}{before}, {_ROLLOUT_WORDS[found.state]}. It was begun on "
            f"{formats.moment(found.started_at)} by {found.by}: ",
            sentence(_LONG_ID.sub(r"\1", found.reason)),
        ),
        track,
        tag("ul", *signals, class_="findings") if signals else None,
        tag(
            "details",
            tag("summary", "Its history"),
            tag("ol", *(tag("li", sentence(line)) for line in found.history)),
            class_="more",
        )
        if found.history
        else None,
    )
    return Section("rollout", "The newest rollout", body)


def decisions(seen: Watched) -> Section | None:
    """What the rules decided, newest window first, whether it was done or not."""
    if not seen.decisions:
        return None
    by_window: dict[str, list[Decision]] = {}
    for one in seen.decisions:
        by_window.setdefault(one.point, []).append(one)
    windows = sorted(by_window.items(), reverse=True)
    older, ends = windows[DECIDED:], [point for point, _ in windows]
    body = join(
        tag("p", "Each time a rule of the project’s spec applied: what was done, or why it was not."),
        *(_decided(made, _exact(point, ends)) for point, made in windows[:DECIDED]),
        tag(
            "details",
            tag("summary", f"{formats.count(len(older), 'older window')}"),
            *(_decided(made, _exact(point, ends)) for point, made in older),
            class_="more",
        )
        if older
        else None,
    )
    return Section("decisions", "What was decided", body)


def _exact(end: str, ends: Sequence[str]) -> str:
    """A window's end in words, to the second when another one ends in the same minute."""
    told = formats.moment(end)
    alone = sum(formats.moment(other) == told for other in ends) == 1
    return told if alone else told.replace(" UTC", f":{end[17:19]} UTC")


def _decided(made: Sequence[Decision], until: str) -> Html:
    items = [
        tag(
            "li",
            mark("pass" if one.acted else "skip", DID[one.action] if one.acted else f"No {NOT_DONE[one.action]}"),
            tag(
                "p",
                sentence(formats.shorten(one.reason, REASON)),
                " ",
                tag("small", f"{one.rule}, version {one.version}"),
                tag("small", f", retraining {one.retraining[:8]}") if one.retraining else None,
                tag("small", f"; {formats.shorten(one.problem, REASON)}") if one.problem else None,
            ),
        )
        for one in sorted(made, key=lambda one: (not one.acted, one.rule, one.id))
    ]
    return join(tag("h3", f"Window until {until}"), tag("ul", *items, class_="findings"))


def watching(seen: Watched) -> Section | None:
    """What the watching itself looked at and cost."""
    newest = seen.newest
    if newest is None:
        return None
    usd = sum(point.usd for point in seen.points)
    count = formats.count(len(seen.points), "window")
    pairs: list[tuple[Content, Content]] = [
        ("Newest window", span(newest)),
        ("Windows on this page", f"{count}, the first until {formats.moment(seen.points[0].end)}"),
        ("Cost of these looks", f"{formats.money(usd)} at list prices"),
        ("Compared with", _compared(seen)),
        ("Page made", formats.moment(seen.now)),
    ]
    return Section("watching", "How it is watched", facts(pairs, "origin"))


def _compared(seen: Watched) -> str:
    reference = seen.reference
    if reference is None:
        return "the training table’s stored profile"
    return f"the training table’s stored profile, and the model on {formats.count(reference.rows, 'holdout row')}"
