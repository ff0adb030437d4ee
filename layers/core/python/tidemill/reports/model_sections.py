"""The sections about the model: how good it is, where it errs, what drives it.

Each is a function from the run's records to a section, or to None when it has nothing to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tidemill.contracts import ChampionComparison, Effect, Evaluation, Importance, Interval
from tidemill.reports import charts, formats, metric_words, trust_charts
from tidemill.reports.elements import Records, Section, figure, metric_term, panel, panels_figure, points, table
from tidemill.reports.glossary import term
from tidemill.reports.markup import Content, Html, join, tag
from tidemill.spec import LOWER_IS_BETTER


def quality(records: Records) -> Section | None:
    """Holdout metrics with their intervals, against the baseline and the champion."""
    document, evaluation = records.document, records.evaluation
    if not document.holdout or not document.metric:
        return None
    metric = document.metric
    names = sorted(document.holdout, key=lambda name: (name != metric, metric_words.rank(name), name))
    champion = evaluation.champion if evaluation else None
    baseline = evaluation.baseline if evaluation else {}
    headers: list[Content] = ["Metric", "This model", term("interval"), term("baseline", "Baseline")]
    if champion:
        headers.append(join(term("champion", "Champion"), f" (version {champion.version})"))
    rows = []
    for name in names:
        interval = document.holdout[name]
        better = "lower is better" if name in LOWER_IS_BETTER else "higher is better"
        row: list[Content] = [
            join(
                tag("span", metric_term(name), class_="deciding" if name == metric else None), " ", tag("small", better)
            ),
            tag("b", metric_words.figure(name, interval.value)),
            f"{metric_words.figure(name, interval.low)} to {metric_words.figure(name, interval.high)}",
            metric_words.figure(name, baseline.get(name)),
        ]
        if champion:
            row.append(metric_words.figure(name, champion.holdout[name].value) if name in champion.holdout else "–")
        rows.append(row)
    body = join(
        tag(
            "p",
            "All figures come from the ",
            term("holdout"),
            ": rows put aside before training, predicted by the very file that the endpoint runs. ",
            metric_term(metric),
            " is the metric that decides.",
        ),
        *(_interval_chart(records, names, scale, place) for place, scale in enumerate(_charted_scales(names, metric))),
        table(headers, rows, "Quality on the holdout", range(1, len(headers))),
        tag("p", _difference(champion, metric, "on the same rows")) if champion else None,
        _champion_figure(evaluation) if evaluation else None,
        _newest(evaluation) if evaluation else None,
    )
    return Section("quality", "How good it is, and how sure we are", body)


def _charted_scales(names: Sequence[str], metric: str) -> list[str]:
    """Scales that share an axis for two metrics or more, and the deciding metric's; that one first."""
    scales = [metric_words.words(name).scale for name in names]
    shared = [scale for scale in dict.fromkeys(scales) if scales.count(scale) > 1 or scale == scales[0]]
    return [scale for scale in shared if scale in ("share", "target") or metric_words.words(metric).scale == scale]


def _interval_chart(records: Records, names: Sequence[str], scale: str, place: int) -> Html:
    document, evaluation = records.document, records.evaluation
    champion = evaluation.champion if evaluation else None
    rows = []
    for name in (name for name in names if metric_words.words(name).scale == scale):
        label, interval = metric_words.words(name).label, document.holdout[name]
        rows.append(charts.Measured(label, "this model", interval.value, interval.low, interval.high))
        if champion and name in champion.holdout:
            theirs = champion.holdout[name]
            rows.append(charts.Measured(label, "champion", theirs.value, theirs.low, theirs.high))
        if evaluation and name in evaluation.baseline:
            rows.append(charts.Measured(label, "baseline", evaluation.baseline[name]))
    key = join(*(tag("span", who, class_=f"key {who.split()[0]}") for who in dict.fromkeys(row.who for row in rows)))
    unit = f"in the unit of {document.target}" if scale == "target" else ""
    if place == 0:
        title = "Quality on the holdout."
        reading = join(
            "The mark is what was measured; the line is its ",
            term("interval"),
            ". The shorter the line, the surer the figure.",
            key,
        )
    else:
        title, reading = "The other metrics that share a scale.", key
    return figure(f"intervals-{scale.replace('_', '-')}", charts.intervals(rows, unit), title, reading, None)


def _difference(compared: ChampionComparison, metric: str, rows: str) -> Html:
    difference = compared.difference
    verdict_words = (
        "so the new model is better"
        if difference.low > 0
        else "so the champion is better"
        if difference.high < 0
        else "so these rows cannot tell which of the two is better"
    )
    return join(
        f"Against the champion, {rows}, the new model {'loses' if difference.value < 0 else 'gains'} ",
        tag("b", formats.number(abs(difference.value), 2)),
        f" in {metric_words.words(metric).label} (",
        term("interval"),
        f": {formats.number(difference.low, 2)} to {formats.number(difference.high, 2)}), {verdict_words}.",
    )


def _newest(evaluation: Evaluation) -> Html | None:
    """Both models on the newest predictions whose outcome is known."""
    compared, own = evaluation.newest, evaluation.newest_metrics
    if compared is None:
        return None
    metric = evaluation.metric
    names = sorted(own, key=lambda name: (name != metric, metric_words.rank(name), name))
    champion = join(term("champion", "Champion"), f" (version {compared.version})")
    rows: list[list[Content]] = [
        [metric_term(name), _with_interval(name, own[name]), _with_interval(name, compared.holdout.get(name))]
        for name in names
    ]
    return join(
        tag("h3", "On the newest predictions"),
        tag(
            "p",
            "The holdout is drawn from the training table, and production may have moved on since. So both models were "
            f"also asked about the {formats.count(evaluation.newest_rows, 'newest prediction')} whose outcome is known "
            "and that training has not seen. ",
            _difference(compared, metric, "on these rows"),
        ),
        table(["Metric", "This model", champion], rows, "Quality on the newest predictions", (1, 2)),
    )


def _with_interval(name: str, interval: Interval | None) -> Content:
    if interval is None:
        return "–"
    low, high = (metric_words.figure(name, end) for end in (interval.low, interval.high))
    return f"{metric_words.figure(name, interval.value)} ({low} to {high})"


def _champion_figure(evaluation: Evaluation) -> Html | None:
    """The interval of the difference against the margin, which is how the gate decides."""
    gate = next((gate for gate in evaluation.gates if gate.name == "keeps_up_with_champion"), None)
    if evaluation.champion is None or gate is None or gate.threshold is None:
        return None
    difference, margin = evaluation.champion.difference, -gate.threshold
    label = metric_words.words(evaluation.metric).label
    decided = (
        "it does, so the new model may take the champion’s place."
        if gate.verdict == "pass"
        else "it does not, so the champion stays."
    )
    return figure(
        "champion",
        trust_charts.difference(difference, margin, label),
        "Against the champion.",
        join(
            "The dot is the difference on the same rows, the line its ",
            term("interval"),
            "; at the dashed line the two are equal. The whole line must lie right of the shaded ",
            term("margin"),
            f": {decided}",
        ),
        table(
            ["Difference", "From", "To", "Margin"],
            [[formats.number(x) for x in (difference.value, difference.low, difference.high, -margin)]],
            "Difference to the champion",
            range(4),
        ),
    )


def curves(records: Records) -> Section | None:
    """The task's curves on the holdout."""
    evaluation = records.evaluation
    if evaluation is None or not evaluation.curves:
        return None
    figures = [
        piece
        for piece in (_binary_figures(evaluation) + _matrix_figure(evaluation) + _error_figures(evaluation))
        if piece
    ]
    if not figures:
        return None
    return Section("curves", "Where it is right, and where it is not", tag("div", *figures, class_="pair"))


def _binary_figures(evaluation: Evaluation) -> list[Html]:
    found, target = evaluation.curves, evaluation.target
    positive = metric_words.class_name(target, evaluation.positive_class)
    others = [name for name in evaluation.classes if name != evaluation.positive_class]
    negative = metric_words.class_name(target, others[0]) if len(others) == 1 else "others"
    figures = []
    if "roc" in found:
        fpr, tpr = found["roc"]["fpr"], found["roc"]["tpr"]
        figures.append(
            figure(
                "roc",
                charts.roc(fpr, tpr, positive, negative),
                "How many it finds, and at what price.",
                join(
                    "The ",
                    term("roc_curve"),
                    " for every cut-off. The more it bends to the upper left, the better; the dashed line is guessing.",
                ),
                points(["flagged by mistake", "found"], [fpr, tpr], "ROC curve"),
            )
        )
    if "precision_recall" in found:
        recall, precision = found["precision_recall"]["recall"], found["precision_recall"]["precision"]
        figures.append(
            figure(
                "precision-recall",
                charts.precision_recall(recall, precision, positive, _positive_share(evaluation)),
                "How far its flags can be trusted.",
                join(
                    term("precision", "Precision"),
                    " against ",
                    term("recall"),
                    ". The dashed line is flagging at random.",
                ),
                points(["recall", "precision"], [recall, precision], "Precision and recall"),
            )
        )
    return figures


def _positive_share(evaluation: Evaluation) -> float:
    """The share of positive rows on the holdout, from the confusion matrix; 0 when there is none."""
    confusion = evaluation.curves.get("confusion", {})
    labels, matrix = confusion.get("labels", []), confusion.get("matrix", [])
    total = sum(map(sum, matrix))
    return (
        sum(matrix[labels.index(evaluation.positive_class)]) / total
        if total and evaluation.positive_class in labels
        else 0.0
    )


def _matrix_figure(evaluation: Evaluation) -> list[Html]:
    confusion = evaluation.curves.get("confusion")
    if not confusion:
        return []
    names, counts = charts.grouped_matrix(confusion["labels"], confusion["matrix"])
    right = sum(counts[i][i] for i in range(len(names)))
    total = sum(map(sum, counts))
    numbers = table(
        ["actual ↓ predicted →", *names],
        [[name, *(f"{amount:,}" for amount in row)] for name, row in zip(names, counts, strict=True)],
        "Confusion matrix",
        range(1, len(names) + 1),
    )
    reading = join(
        f"{right:,} of {total:,} rows lie on the diagonal and are right. The ",
        term("confusion_matrix"),
        " shows what is taken for what; the stronger the shade, the larger the share of the true class.",
    )
    return [
        figure(
            "confusion",
            charts.confusion(confusion["labels"], confusion["matrix"]),
            "What it confuses.",
            reading,
            numbers,
        )
    ]


def _error_figures(evaluation: Evaluation) -> list[Html]:
    found, target = evaluation.curves, formats.shorten(evaluation.target or "", 30)
    figures = []
    if "residuals" in found:
        actual, predicted = found["residuals"]["actual"], found["residuals"]["predicted"]
        errors = [p - a for a, p in zip(actual, predicted, strict=True)]
        order = sorted(range(len(actual)), key=lambda i: predicted[i])
        columns = [[predicted[i] for i in order], [actual[i] for i in order], [errors[i] for i in order]]
        numbers = points(["predicted", "actual", "error"], columns, "Predicted and actual values")
        shown = "" if len(actual) >= evaluation.rows else f" {len(actual):,} of the {evaluation.rows:,} rows are shown."
        figures += [
            figure(
                "predicted-actual",
                charts.predicted_against_actual(actual, predicted, target),
                "Predicted and actual.",
                "Each dot is a row. The closer to the dashed line, the better the prediction." + shown,
                numbers,
            ),
            figure(
                "errors",
                charts.errors_by_prediction(actual, predicted, target),
                "Where it errs.",
                join(
                    "The ", term("residual"), " of each row. A cloud that widens or bends says where to trust it less."
                ),
                numbers,
            ),
        ]
    if "residual_histogram" in found:
        edges, counts = found["residual_histogram"]["edges"], found["residual_histogram"]["counts"]
        figures.append(
            figure(
                "error-histogram",
                charts.error_histogram(edges, counts),
                "How large the errors are.",
                "Right of the dashed line the prediction was too high, left of it too low.",
                table(
                    ["from", "to", "rows"],
                    [[formats.number(edges[i]), formats.number(edges[i + 1]), f"{n:,}"] for i, n in enumerate(counts)],
                    "Errors by size",
                    range(3),
                ),
            )
        )
    return figures


def drivers(records: Records) -> Section | None:
    """Which columns the predictions rest on."""
    evaluation = records.evaluation
    if evaluation is None or not evaluation.importance:
        return None
    label, lower = metric_words.words(evaluation.metric).label, evaluation.metric in LOWER_IS_BETTER
    change = f"rise of {label}" if lower else f"fall of {label}"
    ranked = sorted(evaluation.importance, key=lambda item: -item.mean)
    used = [item for item in ranked if item.mean > 2 * item.std and item.mean > 0]
    chart = figure(
        "importance",
        charts.importance(ranked, change),
        "What the predictions rest on.",
        join(
            "The ",
            term("importance"),
            " of each column",
            _shown_of(ranked),
            ". The thin line is one ",
            term("standard_deviation"),
            " over repeated shuffles.",
        ),
        table(
            ["Column", change[0].upper() + change[1:], "±"],
            [[item.feature, formats.figure(item.mean), formats.figure(item.std, 2)] for item in ranked],
            "Importance of columns",
            (1, 2),
        ),
    )
    leading = (
        join(
            "The model leans most on ",
            *_named([item.feature for item in used[:3]]),
            f": shuffling {used[0].feature} alone {'raises' if lower else 'lowers'} "
            f"the {label} by {formats.number(used[0].mean)}. ",
        )
        if used
        else "No column stands out: shuffling any one of them changes little. "
    )
    body = join(
        tag(
            "p",
            leading,
            "Make sure that each of these columns is known at the moment a prediction is asked for; "
            "one that is only known afterwards is a ",
            term("leak"),
            ".",
        ),
        chart,
        _effects(evaluation),
    )
    return Section("drivers", "What drives the predictions", body)


def _effects(evaluation: Evaluation) -> Html | None:
    """Effect curves, one panel a column, on one scale of predictions."""
    by_column: dict[str, list[Effect]] = {}
    for item in evaluation.effects:
        by_column.setdefault(item.feature, []).append(item)
    if not by_column:
        return None
    alone = all(len(curves) == 1 for curves in by_column.values())
    # The band belongs to a panel with one curve only.
    lows, highs = (
        [bound for item in evaluation.effects for bound in (getattr(item, side) if alone else item.mean)]
        for side in ("low", "high")
    )
    domain = (min(lows), max(highs))
    panels = [
        panel(
            f"effect-{place}",
            trust_charts.effect(curves, domain, "(missing)"),
            join(tag("b", formats.shorten(column, 40), class_="name"), tag("small", *_reach(curves))),
        )
        for place, (column, curves) in enumerate(by_column.items())
    ]
    what = (
        f"the predicted {evaluation.target}"
        if evaluation.task == "regression"
        else f"the probability of {metric_words.class_name(evaluation.target, evaluation.positive_class)}"
        if evaluation.task == "binary"
        else "the probability of the classes that follow the columns most"
    )
    rows: list[list[Content]] = [
        [
            item.feature,
            *([] if alone else [item.of]),
            _value(value),
            *(formats.number(numbers[i]) for numbers in (item.mean, item.low, item.high)),
        ]
        for item in evaluation.effects
        for i, value in enumerate(item.values)
    ]
    headers = ["Column", *([] if alone else ["Class"]), "Value", "Mean", "Lowest 10% below", "Highest 10% above"]
    return panels_figure(
        "effects",
        panels,
        "How the prediction follows each column.",
        join(
            f"The line is {what} when a column is set to a value and the others stay as they are (",
            term("effect_curve", "an effect curve"),
            "). The band holds the middle 80% of the rows: where it is wide, the effect depends on other columns."
            if alone
            else ").",
            " All panels share one scale.",
        ),
        table(headers, rows, "Effect curves", range(len(headers) - 3, len(headers))),
    )


def _reach(curves: Sequence[Effect]) -> Iterable[Content]:
    """From where to where the mean goes, or, of several classes, which curve is whose."""
    if len(curves) == 1:
        shown = formats.percent if curves[0].of else formats.number
        yield f"{shown(min(curves[0].mean))} to {shown(max(curves[0].mean))}"
    else:
        for place, curve in enumerate(curves):
            yield tag("span", formats.shorten(curve.of, 24), class_=f"key series-{place}")


def _value(value: Any) -> str:
    return formats.exact(value) if isinstance(value, int | float) else str(value) or "(missing)"


def _shown_of(ranked: Sequence[Importance]) -> str:
    return "" if len(ranked) <= charts.IMPORTANCE_BARS else f", the {charts.IMPORTANCE_BARS} largest of {len(ranked)}"


def _named(names: Sequence[str]) -> Iterable[Content]:
    for i, name in enumerate(names):
        yield None if i == 0 else " and " if i == len(names) - 1 else ", "
        yield tag("b", name, class_="name")
