"""The charts of a report as Vega-Lite specs: pure functions from numbers to plain data.

Colours are CSS custom properties of the page (`var(--accent)`), which Vega's SVG renderer
hands to the browser as they are: a chart follows light, dark and print without being drawn
again. Texts of the data (column names, classes) appear as values only, never as field names
or expressions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from tidemill.contracts import CandidateResult, Importance

Spec: TypeAlias = dict[str, Any]
Numbers: TypeAlias = Sequence[float]

ACCENT, SECOND, INK, MUTED, RULE, PAPER = (
    f"var(--{name})" for name in ("accent", "second", "ink", "muted", "rule", "paper")
)
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', Arial, sans-serif"

#: Vega-Lite's config of every chart; the page holds it once.
CONFIG: Spec = {
    "background": "transparent",
    "font": FONT,
    "view": {"stroke": None},
    "axis": {
        "domain": False,
        "ticks": False,
        "gridColor": RULE,
        "labelColor": MUTED,
        "titleColor": MUTED,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 10,
        "labelPadding": 7,
        "labelLimit": 150,
        "labelFlush": False,
    },
    "rule": {"color": MUTED},
    "point": {"filled": True, "opacity": 1},
    "text": {"color": INK, "fontSize": 12},
}

#: Colour and shape of a model in a chart of intervals.
MARKS = {"this model": (ACCENT, "circle"), "champion": (SECOND, "square"), "baseline": (MUTED, "diamond")}
#: More points than this make a curve heavier, not clearer.
CURVE_POINTS = 250
#: More classes than this make a confusion matrix unreadable; the rarest become one.
MATRIX_CLASSES = 20
IMPORTANCE_BARS = 15


@dataclass(frozen=True)
class Measured:
    """One figure in a chart of intervals; `low` and `high` are None when it has no interval."""

    metric: str
    who: Literal["this model", "champion", "baseline"]
    value: float
    low: float | None = None
    high: float | None = None


def thinned(length: int, most: int) -> list[int]:
    """Indices of at most `most` evenly spread points out of `length`, the first and the last among them."""
    if length <= most:
        return list(range(length))
    return sorted({round(i * (length - 1) / (most - 1)) for i in range(most)})


def intervals(rows: Sequence[Measured], unit: str) -> Spec:
    """Values with their 95% intervals, one line per metric and model, on one axis.

    The page's caption says which mark is whose, since a legend of Vega's does not wrap on a phone.
    """
    order = list(dict.fromkeys(row.who for row in rows))
    metrics = list(dict.fromkeys(row.metric for row in rows))
    colours, shapes = ([MARKS[who][i] for who in order] for i in range(2))
    values = [
        {"metric": row.metric, "who": row.who, "value": row.value, "low": row.low, "high": row.high} for row in rows
    ]
    spans = [value for value in values if value["low"] is not None]
    x: Spec = {
        "type": "quantitative",
        "title": unit or None,
        "scale": {"zero": False, "nice": True, "padding": 8},
        "axis": {"tickCount": 6},
    }
    colour: Spec = {"field": "who", "type": "nominal", "scale": {"domain": order, "range": colours}, "legend": None}
    return {
        "description": f"{', '.join(metrics)} of {', '.join(order)}, each with its 95% interval.",
        "width": "container",
        "height": len(metrics) * (16 * len(order) + 14),
        "encoding": {
            "y": {
                "field": "metric",
                "type": "nominal",
                "sort": metrics,
                "title": None,
                "axis": {"labelColor": INK},
                "scale": {"paddingInner": 0.35, "paddingOuter": 0.15},
            },
            "yOffset": {"field": "who", "type": "nominal", "sort": order},
            "tooltip": [
                {"field": "metric", "type": "nominal", "title": "metric"},
                {"field": "who", "type": "nominal", "title": "model"},
                {"field": "value", "type": "quantitative", "title": "value", "format": ",.4~g"},
                {"field": "low", "type": "quantitative", "title": "from", "format": ",.4~g"},
                {"field": "high", "type": "quantitative", "title": "to", "format": ",.4~g"},
            ],
        },
        "layer": [
            {
                "data": {"values": spans},
                "mark": {"type": "rule", "strokeWidth": 2.5, "strokeCap": "round"},
                "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}, "color": colour},
            },
            {
                "data": {"values": values},
                "mark": {"type": "point", "size": 80},
                "encoding": {
                    "x": {**x, "field": "value"},
                    "color": colour,
                    "shape": {
                        "field": "who",
                        "type": "nominal",
                        "scale": {"domain": order, "range": shapes},
                        "legend": None,
                    },
                },
            },
        ],
    }


def leaderboard(candidates: Sequence[CandidateResult], metric: str, label: str, chosen: str | None) -> Spec:
    """The mean of the deciding metric over the folds, with its standard deviation, one line per candidate."""
    values = [
        {
            "name": candidate.name,
            "mean": candidate.cv[metric].mean,
            "std": candidate.cv[metric].std,
            "low": candidate.cv[metric].mean - candidate.cv[metric].std,
            "high": candidate.cv[metric].mean + candidate.cv[metric].std,
            "chosen": candidate.name == chosen,
        }
        for candidate in candidates
    ]
    x: Spec = {
        "type": "quantitative",
        "title": f"{label} in cross-validation",
        "scale": {"zero": False},
        "axis": {"tickCount": 6},
    }
    return {
        "description": f"Mean and standard deviation of {label} over the folds, one line per candidate.",
        "width": "container",
        "height": 30 * len(values),
        "data": {"values": values},
        "encoding": {
            "y": {
                "field": "name",
                "type": "nominal",
                "sort": [value["name"] for value in values],
                "title": None,
                "axis": {"labelColor": INK},
            },
            "color": {"condition": {"test": "datum.chosen", "value": ACCENT}, "value": MUTED},
            "tooltip": [
                {"field": "name", "type": "nominal", "title": "candidate"},
                {"field": "mean", "type": "quantitative", "title": "mean", "format": ",.4~g"},
                {"field": "std", "type": "quantitative", "title": "standard deviation", "format": ",.3~g"},
            ],
        },
        "layer": [
            {
                "mark": {"type": "rule", "strokeWidth": 2.5, "strokeCap": "round"},
                "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}},
            },
            {"mark": {"type": "point", "size": 80}, "encoding": {"x": {**x, "field": "mean"}}},
        ],
    }


def _unit_axis(field: str, title: str) -> Spec:
    return {
        "field": field,
        "type": "quantitative",
        "title": title,
        "scale": {"domain": [0, 1]},
        "axis": {"format": "%", "values": [0, 0.25, 0.5, 0.75, 1]},
    }


def _reference(start: tuple[float, float], end: tuple[float, float]) -> Spec:
    return {
        "data": {"values": [{"x": start[0], "y": start[1]}, {"x": end[0], "y": end[1]}]},
        "mark": {"type": "line", "strokeDash": [4, 4], "strokeWidth": 1, "color": MUTED, "aria": False},
        "encoding": {"x": {"field": "x", "type": "quantitative"}, "y": {"field": "y", "type": "quantitative"}},
    }


def _curve(x: Numbers, y: Numbers, x_title: str, y_title: str, reference: Spec, description: str, mark: Spec) -> Spec:
    kept = thinned(len(x), CURVE_POINTS)
    return {
        "description": description,
        "width": "container",
        "height": 300,
        "layer": [
            reference,
            {
                "data": {"values": [{"x": _five_digits(x[i]), "y": _five_digits(y[i]), "order": i} for i in kept]},
                "mark": {"type": "line", "color": ACCENT, "strokeWidth": 2.5, "strokeJoin": "round"} | mark,
                "encoding": {
                    "x": _unit_axis("x", x_title),
                    "y": _unit_axis("y", y_title),
                    "order": {"field": "order", "type": "quantitative"},
                    "tooltip": [
                        {"field": "x", "type": "quantitative", "title": x_title, "format": ".1%"},
                        {"field": "y", "type": "quantitative", "title": y_title, "format": ".1%"},
                    ],
                },
            },
        ],
    }


def roc(fpr: Numbers, tpr: Numbers, positive: str, negative: str) -> Spec:
    """The ROC curve with the line of guessing."""
    return _curve(
        fpr,
        tpr,
        f"{negative} flagged by mistake",
        f"{positive} found",
        _reference((0, 0), (1, 1)),
        "ROC curve: positives found against negatives flagged by mistake; the dashed line is guessing.",
        {},
    )


def precision_recall(recall: Numbers, precision: Numbers, positive: str, share: float) -> Spec:
    """The precision-recall curve with the share of positives, which is what flagging at random gets."""
    return _curve(
        recall,
        precision,
        f"{positive} found (recall)",
        "flags that are right (precision)",
        _reference((0, share), (1, share)),
        "Precision against recall; the dashed line is flagging at random.",
        {"interpolate": "step-before"},
    )


def calibration(predicted: Numbers, observed: Numbers, counts: Sequence[int]) -> Spec:
    """What share came true against the predicted probability, in bins; a point's area is its number of rows."""
    values = [{"x": p, "y": o, "rows": n} for p, o, n in zip(predicted, observed, counts, strict=True)]
    encoding: Spec = {
        "x": _unit_axis("x", "predicted probability"),
        "y": _unit_axis("y", "share that came true"),
    }
    return {
        "description": "Share that came true against the predicted probability; on the dashed line they agree.",
        "width": "container",
        "height": 300,
        "layer": [
            _reference((0, 0), (1, 1)),
            {"data": {"values": values}, "mark": {"type": "line", "color": ACCENT}, "encoding": encoding},
            {
                "data": {"values": values},
                "mark": {"type": "point", "color": ACCENT},
                "encoding": encoding
                | {
                    "size": {
                        "field": "rows",
                        "type": "quantitative",
                        "scale": {"range": [20, 320], "zero": True},
                        "legend": None,
                    },
                    "tooltip": [
                        {"field": "x", "type": "quantitative", "title": "predicted", "format": ".1%"},
                        {"field": "y", "type": "quantitative", "title": "came true", "format": ".1%"},
                        {"field": "rows", "type": "quantitative", "title": "rows", "format": ","},
                    ],
                },
            },
        ],
    }


def grouped_matrix(
    labels: Sequence[str], matrix: Sequence[Sequence[int]], most: int = MATRIX_CLASSES
) -> tuple[list[str], list[list[int]]]:
    """A confusion matrix of at most `most` classes: the rarest become one, called `n other classes`."""
    if len(labels) <= most:
        return list(labels), [list(row) for row in matrix]
    frequent = sorted(sorted(range(len(labels)), key=lambda i: -sum(matrix[i]))[: most - 1])
    place = {index: position for position, index in enumerate(frequent)}
    grouped = [[0] * most for _ in range(most)]
    for i, row in enumerate(matrix):
        for j, amount in enumerate(row):
            grouped[place.get(i, most - 1)][place.get(j, most - 1)] += amount
    return [*(labels[i] for i in frequent), f"{len(labels) - most + 1} other classes"], grouped


def confusion(labels: Sequence[str], matrix: Sequence[Sequence[int]]) -> Spec:
    """Counts of rows by true class (down) and named class (across), shaded by their share of the true class."""
    names, counts = grouped_matrix(labels, matrix)
    values = [
        {"actual": actual, "predicted": predicted, "rows": amount, "share": amount / max(sum(row), 1)}
        for actual, row in zip(names, counts, strict=True)
        for predicted, amount in zip(names, row, strict=True)
    ]
    step = 300 if len(names) <= 5 else len(names) * 34
    return {
        "description": "Rows by true class and predicted class, shaded by their share of the true class.",
        "width": "container",
        "height": step,
        "data": {"values": values},
        "encoding": {
            "x": {
                "field": "predicted",
                "type": "nominal",
                "sort": names,
                "title": "predicted",
                "axis": {"grid": False, "labelAngle": 0 if len(names) <= 5 else -45, "labelLimit": 110},
            },
            "y": {
                "field": "actual",
                "type": "nominal",
                "sort": names,
                "title": "actual",
                "axis": {"grid": False, "labelLimit": 110},
            },
            "tooltip": [
                {"field": "actual", "type": "nominal"},
                {"field": "predicted", "type": "nominal"},
                {"field": "rows", "type": "quantitative", "format": ","},
                {"field": "share", "type": "quantitative", "title": "share of the true class", "format": ".1%"},
            ],
        },
        "layer": [
            {
                "mark": {"type": "rect", "color": ACCENT, "stroke": PAPER, "strokeWidth": 2},
                "encoding": {
                    "opacity": {
                        "field": "share",
                        "type": "quantitative",
                        "scale": {"domain": [0, 1], "range": [0.04, 0.5]},
                        "legend": None,
                    }
                },
            },
            {
                "mark": {"type": "text", "fontSize": 15 if len(names) <= 5 else 11, "aria": False},
                "encoding": {
                    "text": {"field": "rows", "type": "quantitative", "format": ","},
                },
            },
        ],
    }


def _five_digits(value: float) -> float:
    """A coordinate as exact as a screen can show, which halves the size of a cloud of points."""
    return float(f"{value:.5g}")


def _short_labels(largest: float) -> Spec:
    """Axis labels such as 250k, once numbers are too long to stand side by side."""
    return {"format": "~s"} if abs(largest) >= 10_000 else {}


def _scatter(values: list[Spec], x: Spec, y: Spec, reference: Spec, description: str) -> Spec:
    return {
        "description": description,
        "width": "container",
        "height": 320,
        "layer": [
            {
                "data": {"values": values},
                "mark": {"type": "point", "size": 14, "color": ACCENT, "opacity": 0.3, "aria": False},
                "encoding": {"x": {"type": "quantitative"} | x, "y": {"type": "quantitative"} | y},
            },
            reference,
        ],
    }


def predicted_against_actual(actual: Numbers, predicted: Numbers, target: str) -> Spec:
    """One point per holdout row; on the dashed line the prediction is right."""
    low, high = min(*actual, *predicted), max(*actual, *predicted)
    scale = {"domain": [low, high], "zero": False, "nice": True}
    return _scatter(
        [{"x": _five_digits(p), "y": _five_digits(a)} for a, p in zip(actual, predicted, strict=True)],
        {"field": "x", "title": f"predicted {target}", "scale": scale, "axis": _short_labels(high)},
        {"field": "y", "title": f"actual {target}", "scale": scale, "axis": _short_labels(high)},
        _reference((low, low), (high, high)),
        "Actual against predicted values, one point per row; on the dashed line they agree.",
    )


def errors_by_prediction(actual: Numbers, predicted: Numbers, target: str) -> Spec:
    """One point per holdout row: how far the prediction was off, against the prediction."""
    return _scatter(
        [{"x": _five_digits(p), "y": _five_digits(p - a)} for a, p in zip(actual, predicted, strict=True)],
        {"field": "x", "title": f"predicted {target}", "scale": {"zero": False}, "axis": _short_labels(max(predicted))},
        {"field": "y", "title": "error (predicted − actual)", "axis": _short_labels(max(predicted))},
        _reference((min(predicted), 0), (max(predicted), 0)),
        "Error against the predicted value, one point per row; on the dashed line there is none.",
    )


def error_histogram(edges: Numbers, counts: Sequence[int]) -> Spec:
    """How many holdout rows were off by how much."""
    values = [{"from": edges[i], "to": edges[i + 1], "rows": rows} for i, rows in enumerate(counts)]
    return {
        "description": "Number of rows by error; right of the dashed line the prediction was too high.",
        "width": "container",
        "height": 260,
        "layer": [
            {
                "data": {"values": values},
                "mark": {"type": "bar", "color": ACCENT, "binSpacing": 1},
                "encoding": {
                    "x": {
                        "field": "from",
                        "type": "quantitative",
                        "bin": {"binned": True},
                        "title": "error (predicted − actual)",
                        "axis": {"grid": False, "tickCount": 5} | _short_labels(edges[-1]),
                    },
                    "x2": {"field": "to"},
                    "y": {"field": "rows", "type": "quantitative", "title": "rows", "axis": {"format": ",d"}},
                    "tooltip": [
                        {"field": "from", "type": "quantitative", "format": ",.4~g"},
                        {"field": "to", "type": "quantitative", "format": ",.4~g"},
                        {"field": "rows", "type": "quantitative", "format": ","},
                    ],
                },
            },
            {
                "data": {"values": [{"zero": 0}]},
                "mark": {"type": "rule", "strokeDash": [4, 4], "color": INK, "aria": False},
                "encoding": {"x": {"field": "zero", "type": "quantitative"}},
            },
        ],
    }


def importance(features: Sequence[Importance], change: str) -> Spec:
    """How much worse the deciding metric gets when a column is shuffled; `change` is its name, `fall of ROC AUC`."""
    shown = sorted(features, key=lambda item: -item.mean)[:IMPORTANCE_BARS]
    values: list[Mapping[str, Any]] = [
        {
            "feature": item.feature,
            "mean": item.mean,
            "low": item.mean - item.std,
            "high": item.mean + item.std,
        }
        for item in shown
    ]
    x: Spec = {"type": "quantitative", "title": f"{change} when the column is shuffled", "axis": {"tickCount": 6}}
    return {
        "description": f"The {change} when a column is shuffled, for the columns that matter most.",
        "width": "container",
        "height": 24 * len(values),
        "data": {"values": values},
        "encoding": {
            "y": {
                "field": "feature",
                "type": "nominal",
                "sort": [value["feature"] for value in values],
                "title": None,
                "axis": {"labelColor": INK},
            },
            "tooltip": [
                {"field": "feature", "type": "nominal", "title": "column"},
                {"field": "mean", "type": "quantitative", "title": change, "format": ",.3~g"},
            ],
        },
        "layer": [
            {
                "mark": {"type": "bar", "color": ACCENT, "height": {"band": 0.62}},
                "encoding": {"x": {**x, "field": "mean"}},
            },
            {
                "mark": {"type": "rule", "color": INK, "strokeWidth": 1, "aria": False},
                "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}},
            },
        ],
    }
