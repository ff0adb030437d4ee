"""The sections about what a model can be trusted with: single predictions, and parts of the rows.

Each is a function from the run's records to a section, or to None when it has nothing to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tidemill.contracts import Evaluation, SliceMetrics
from tidemill.reports import charts, formats, metric_words, trust_charts
from tidemill.reports.elements import Records, Section, figure, mark, metric_term, points, table
from tidemill.reports.glossary import term
from tidemill.reports.markup import Content, Html, join, tag
from tidemill.rules import fairness
from tidemill.spec import LOWER_IS_BETTER

#: Parts in one chart; the table has them all.
PARTS_SHOWN = 24
#: Coverage may fall short of the promise by this much before it is called less.
TOLERATED = 0.02
#: The ratio that the four-fifths rule asks for, named where the spec asks for none.
FOUR_FIFTHS = 0.8


# --- single predictions ------------------------------------------------------------------------


def certainty(records: Records) -> Section | None:
    """What the model says of its own errors: intervals or sets with their coverage, and probabilities."""
    evaluation = records.evaluation
    if evaluation is None or not (evaluation.coverage or "calibration" in evaluation.curves):
        return None
    body = join(_coverage(evaluation), _calibration(evaluation))
    return Section("certainty", "How sure a single prediction is", body)


def _coverage(evaluation: Evaluation) -> Html | None:
    if not evaluation.coverage:
        return None
    value = evaluation.task == "regression"
    what = term("prediction_interval", "prediction interval") if value else term("prediction_set", "prediction set")
    rows: list[list[Content]] = []
    short = False
    for promised, found in sorted(evaluation.coverage.items(), key=lambda item: float(item[0])):
        low, high = fairness.wilson(found.covered, evaluation.rows)
        less = high < float(promised) and found.covered < float(promised) - TOLERATED
        short = short or less
        rows.append(
            [
                f"{float(promised):.0%}",
                join(tag("b", formats.percent(found.covered)), mark("warn", "less than promised") if less else None),
                f"{formats.percent(low)} to {formats.percent(high)}",
                formats.number(found.size) if value else formats.figure(found.size, 3),
            ]
        )
    size = "Width" if value else "Classes in a set"
    asked = tag("code", '"confidence": 0.9')
    holds = "the true value" if value else "the true class"
    return join(
        tag(
            "p",
            "Asked with ",
            asked,
            ", the endpoint adds a ",
            what,
            f" to each prediction, which holds {holds} for 90 of 100 rows. How wide it must be was learned from the "
            "training rows, and tried on the holdout"
            + (f"; the width is in the unit of {evaluation.target}, on average:" if value else ":"),
        ),
        table(
            ["Promised", "Held on the holdout", term("interval"), size],
            rows,
            "Coverage of prediction intervals" if value else "Coverage of prediction sets",
            (0, 2, 3),
        ),
        tag(
            "p",
            "Fewer rows were held than promised: the holdout is of another kind than the training rows, as when it is "
            "of a later time. Count with the figures measured.",
        )
        if short
        else None,
    )


def _calibration(evaluation: Evaluation) -> Html | None:
    bins = evaluation.curves.get("calibration")
    if not bins:
        return None
    binary = evaluation.task == "binary"
    what = (
        "On the dashed line, 30% comes true 30 times in 100."
        if binary
        else "The probability of the class that the model names, against how often it was right."
    )
    numbers = points(
        ["predicted", "came true", "rows"], [bins["predicted"], bins["observed"], bins["count"]], "Calibration"
    )
    chart = figure(
        "calibration",
        charts.calibration(bins["predicted"], bins["observed"], bins["count"]),
        "Whether its probabilities mean what they say.",
        join(term("calibration", "Calibration"), ". ", what, " Large dots stand for many rows."),
        numbers,
    )
    said: list[Content] = []
    if "error" in bins:
        said += [
            "On average the probabilities miss what came true by ",
            tag("b", f"{formats.number(bins['error'] * 100, 2)} percentage points"),
            " (",
            term("calibration_error"),
            ")",
        ]
        if brier := evaluation.holdout.get("brier_score"):
            value, low, high = (
                metric_words.figure("brier_score", bound) for bound in (brier.value, brier.low, brier.high)
            )
            said += ["; the ", metric_term("brier_score"), f" is {value} ({low} to {high})"]
        said.append(". ")
    return join(tag("p", *said, _recalibrated(evaluation)), chart)


def _recalibrated(evaluation: Evaluation) -> Content:
    """What calibration changed in cross-validation, where it was applied."""
    found = evaluation.calibration
    pairs = [
        (metric, found[f"{key}_before"], found[f"{key}_after"])
        for metric, key in (("log_loss", "log_loss"), ("brier_score", "brier"))
        if f"{key}_before" in found and f"{key}_after" in found
    ]
    if not pairs:
        return "The probabilities are taken as the model gives them: correcting them was no better in cross-validation."
    changes: list[Content] = []
    for place, (metric, before, after) in enumerate(pairs):
        changes += [
            " and " if place else None,
            "the ",
            metric_term(metric),
            f" from {metric_words.figure(metric, before)} to {metric_words.figure(metric, after)}",
        ]
    return join("They were corrected after training, which in cross-validation brought ", *changes, ".")


# --- parts of the rows -------------------------------------------------------------------------


def parts(records: Records) -> Section | None:
    """The worst parts that were found, the levels of the sensitive columns, and whether these are treated alike."""
    evaluation = records.evaluation
    if evaluation is None or evaluation.metric not in evaluation.holdout or not evaluation.importance:
        return None
    named = [item for item in evaluation.slices if item.sensitive]
    found = [item for item in evaluation.slices if not item.sensitive]
    body = join(
        tag("p", *_found(evaluation, found)),
        _parts_figure(evaluation, [*found, *named]),
        _sensitive(evaluation, named) if named and evaluation.task == "binary" else None,
    )
    return Section("parts", "For which rows it is better, and for which worse", body)


def _label(item: SliceMetrics) -> str:
    """A part as the label of a chart, one line a column."""
    pairs = [(item.column, item.level), (item.and_column, item.and_level)]
    return "\n".join(
        f"{formats.shorten(column, 20)}: {formats.shorten(level or '', 24)}" for column, level in pairs if column
    )


def _name(item: SliceMetrics) -> Html:
    second = (
        join(" and ", tag("b", item.and_column, class_="name"), f" {item.and_level}") if item.and_column else Html("")
    )
    return join(tag("b", item.column, class_="name"), f" {item.level}", second)


def _found(evaluation: Evaluation, found: Sequence[SliceMetrics]) -> Iterable[Content]:
    whole = metric_words.figure(evaluation.metric, evaluation.holdout[evaluation.metric].value)
    how = join(
        "Levels and ranges of all columns were searched, and pairs of them; a ",
        term("slice"),
        " is listed only when chance does not explain it, however many were looked at.",
    )
    if not found:
        yield "No part of the rows was found on which the model is clearly worse than on the whole. "
        yield how
        return
    item = found[0]
    assert item.metric is not None, "a part that was found has been measured"
    value = metric_words.figure(evaluation.metric, item.metric.value)
    yield "The model is weakest where "
    yield _name(item)
    yield f": there its {metric_words.words(evaluation.metric).label} is "
    yield tag("b", value)
    yield f" instead of {whole} on the whole, on {formats.count(item.rows, 'row')}. "
    yield how
    yield " Trust predictions for such rows less, and look for columns that tell more about them."


def _parts_figure(evaluation: Evaluation, items: Sequence[SliceMetrics]) -> Html | None:
    measured = [item for item in items if item.metric is not None]
    if not measured:
        return None
    metric = evaluation.metric
    words, whole = metric_words.words(metric).label, evaluation.holdout[metric]
    drawn = [
        trust_charts.Part(_label(item), item.metric, item.rows, not item.sensitive)
        for item in measured[:PARTS_SHOWN]
        if item.metric
    ]
    rows = [
        [
            _name(item),
            f"{item.rows:,}",
            metric_words.figure(metric, item.metric.value) if item.metric else "–",
            f"{metric_words.figure(metric, item.metric.low)} to {metric_words.figure(metric, item.metric.high)}"
            if item.metric
            else "too few rows",
        ]
        for item in items
    ]
    direction = "left" if metric not in LOWER_IS_BETTER else "right"
    keys = join(
        tag("span", "found to be worse", class_="key worse") if any(part.found for part in drawn) else None,
        tag("span", "named sensitive", class_="key") if not all(part.found for part in drawn) else None,
    )
    return figure(
        "parts",
        trust_charts.parts(drawn, whole, words),
        "Quality on parts of the rows.",
        join(
            f"The dashed line is {words} on the whole holdout, the band its ",
            term("interval"),
            f"; what lies {direction} of it is worse.",
            keys,
        ),
        table(["Rows where", "How many", words, term("interval")], rows, "Quality on parts of the rows", (1, 2, 3)),
    )


def _sensitive(evaluation: Evaluation, named: Sequence[SliceMetrics]) -> Html:
    """Rates by level, with the two measures of fairness."""
    positive = metric_words.class_name(evaluation.target, evaluation.positive_class)
    rows: list[list[Content]] = [
        [
            join(tag("b", item.column, class_="name"), f" {item.level}"),
            f"{item.rows:,}",
            _rate(item.positive_rate, item.rows),
            _rate(item.true_positive_rate, item.positives or 0),
        ]
        for item in named
    ]
    verdicts = [
        _comparison(evaluation, comparison)
        for measure in fairness.WORDS
        for comparison in fairness.compare(measure, named)
    ]
    return join(
        tag("h3", "Whether levels of sensitive columns are treated alike"),
        table(
            [
                "Level",
                "Rows",
                join(term("positive_rate", "Rate of"), f" {positive}"),
                join(term("recall", "Found"), f" of the {positive} there are"),
            ],
            rows,
            "Rates by level of sensitive columns",
            (1, 2, 3),
        ),
        tag("ul", *verdicts, class_="findings"),
    )


def _rate(rate: float | None, rows: int) -> Content:
    if rate is None or rows < fairness.LEAST_ROWS:
        return tag("small", "too few rows")
    low, high = fairness.wilson(rate, rows)
    return join(tag("b", f"{rate:.1%}"), " ", tag("small", f"{low:.1%} to {high:.1%}"))


def _comparison(evaluation: Evaluation, compared: fairness.Comparison) -> Html:
    gate = next((gate for gate in evaluation.gates if gate.name == compared.measure), None)
    parity = compared.measure == "demographic_parity"
    name = (
        term("demographic_parity", "Demographic parity") if parity else term("equal_opportunity", "Equal opportunity")
    )
    left_out = f" Left out, with too few rows: {', '.join(compared.left_out)}." if compared.left_out else ""
    if compared.value is None:
        verdict = mark("refuse" if gate else "skip", "Not judged")
        return tag("li", verdict, tag("p", name, " by ", tag("b", compared.column), " cannot be judged.", left_out))
    low, high = compared.groups[0], compared.groups[-1]
    figures = (
        f"the lowest rate ({low.level}) is {compared.value:.0%} of the highest ({high.level})"
        if parity
        else f"the rates lie {formats.number(compared.value * 100)} percentage points apart ({low.level}, {high.level})"
    )
    if gate is None or gate.threshold is None:
        asked = f"; the four-fifths rule asks for {FOUR_FIFTHS:.0%}" if parity else ""
        verdict, rest = mark("skip", "For information"), f"{asked}. The spec does not ask for it."
    else:
        good = fairness.good(compared.measure, compared.value, gate.threshold)
        bound = f"at least {gate.threshold:.0%}" if parity else f"at most {formats.number(gate.threshold * 100)} points"
        verdict = mark("pass" if good else "refuse", "Passed" if good else "Refused")
        rest = f"; {bound} is asked."
    return tag("li", verdict, tag("p", name, " by ", tag("b", compared.column), f": {figures}{rest}", left_out))
