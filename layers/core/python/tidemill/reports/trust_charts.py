"""Charts of what a model can be trusted with: effects of columns, parts of the rows, the champion's margin."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tidemill.contracts import Effect, Interval
from tidemill.reports.charts import ACCENT, INK, MUTED, SECOND, Spec

BAD = "var(--bad)"
#: Colours of the classes in a chart of effects, in their order; more are never drawn.
SERIES = (ACCENT, SECOND, MUTED)
#: A number of at most so many different values has a tick at each.
TICKS = 6
_DATE = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d)?")


@dataclass(frozen=True)
class Part:
    """One row of a chart of parts."""

    label: str  #: a part of two columns has two lines
    interval: Interval
    rows: int
    found: bool  #: as one of the worst, not named in the spec


def difference(interval: Interval, margin: float, label: str) -> Spec:
    """The new model against the champion: the interval of the difference, none, and the margin; right is better."""
    low, high = min(interval.low, -margin, 0.0), max(interval.high, 0.0)
    room = 0.12 * (high - low or 1.0)
    domain = [low - room, high + room]
    x: Spec = {
        "type": "quantitative",
        "title": f"change of {label} against the champion; right is better",
        "scale": {"domain": domain, "nice": False, "zero": False},
        "axis": {"tickCount": 6},
    }
    kept = interval.low >= -margin
    value = {"value": interval.value, "low": interval.low, "high": interval.high}
    line = {"type": "rule", "aria": False}
    return {
        "description": f"Difference of {label} to the champion with its 95% interval, and the margin.",
        "width": "container",
        "height": 76,
        "layer": [
            {
                "data": {"values": [{"from": domain[0], "to": -margin}]},
                "mark": {"type": "rect", "color": BAD, "opacity": 0.12, "aria": False},
                "encoding": {"x": {**x, "field": "from"}, "x2": {"field": "to"}},
            },
            {
                "data": {"values": [{"at": -margin}]},
                "mark": line | {"color": BAD, "strokeWidth": 1.5},
                "encoding": {"x": {**x, "field": "at"}},
            },
            {
                "data": {"values": [{"at": 0}]},
                "mark": line | {"color": INK, "strokeDash": [4, 4]},
                "encoding": {"x": {**x, "field": "at"}},
            },
            {
                "data": {"values": [value]},
                "mark": {"type": "rule", "strokeWidth": 3, "strokeCap": "round", "color": ACCENT if kept else BAD},
                "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}},
            },
            {
                "data": {"values": [value]},
                "mark": {"type": "point", "size": 110, "color": ACCENT if kept else BAD},
                "encoding": {
                    "x": {**x, "field": "value"},
                    "tooltip": [
                        {"field": "value", "type": "quantitative", "title": "difference", "format": ",.3~g"},
                        {"field": "low", "type": "quantitative", "title": "from", "format": ",.3~g"},
                        {"field": "high", "type": "quantitative", "title": "to", "format": ",.3~g"},
                    ],
                },
            },
        ],
    }


def parts(rows: Sequence[Part], whole: Interval, label: str) -> Spec:
    """The deciding metric with its interval on parts of the rows, and on all of them (the dashed line, its band)."""
    values = [
        {
            "part": row.label,
            "value": row.interval.value,
            "low": row.interval.low,
            "high": row.interval.high,
            "rows": row.rows,
            "found": row.found,
        }
        for row in rows
    ]
    x: Spec = {"type": "quantitative", "title": label, "scale": {"zero": False}, "axis": {"tickCount": 6}}
    return {
        "description": f"{label} with its 95% interval on parts of the rows; the dashed line is the whole holdout.",
        "width": "container",
        "height": 26 * len(values) + 12 * sum("\n" in row.label for row in rows),
        "layer": [
            {
                "data": {"values": [{"low": whole.low, "high": whole.high}]},
                "mark": {"type": "rect", "color": MUTED, "opacity": 0.14, "aria": False},
                "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}},
            },
            {
                "data": {"values": [{"at": whole.value}]},
                "mark": {"type": "rule", "strokeDash": [4, 4], "color": MUTED, "aria": False},
                "encoding": {"x": {**x, "field": "at"}},
            },
            {
                "data": {"values": values},
                "encoding": {
                    "y": {
                        "field": "part",
                        "type": "nominal",
                        "sort": [value["part"] for value in values],
                        "title": None,
                        "axis": {"labelColor": INK, "labelLimit": 230, "labelExpr": "split(datum.label, '\\n')"},
                    },
                    "color": {"condition": {"test": "datum.found", "value": BAD}, "value": ACCENT},
                    "tooltip": [
                        {"field": "part", "type": "nominal", "title": "rows"},
                        {"field": "rows", "type": "quantitative", "title": "how many", "format": ","},
                        {"field": "value", "type": "quantitative", "title": label, "format": ",.4~g"},
                        {"field": "low", "type": "quantitative", "title": "from", "format": ",.4~g"},
                        {"field": "high", "type": "quantitative", "title": "to", "format": ",.4~g"},
                    ],
                },
                "layer": [
                    {
                        "mark": {"type": "rule", "strokeWidth": 2.5, "strokeCap": "round"},
                        "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}},
                    },
                    {"mark": {"type": "point", "size": 80}, "encoding": {"x": {**x, "field": "value"}}},
                ],
            },
        ],
    }


def effect(curves: Sequence[Effect], domain: tuple[float, float], missing: str) -> Spec:
    """How the mean prediction follows one column, with the middle 80% of the rows where there is one curve only.

    Parameters
    ----------
    curves
        of the same column: one, or one for each of a few classes.
    domain
        of the predictions, the same in every panel, so that strong and weak effects look so.
    missing
        what an empty level is called.
    """
    first, alone = curves[0], len(curves) == 1
    kind = kind_of(first.values)
    shown = [
        value if kind == "number" else _instant(value) if kind == "date" else value or missing for value in first.values
    ]
    values = [
        {
            "x": x,
            "mean": _short(curve.mean[i]),
            "low": _short(curve.low[i]),
            "high": _short(curve.high[i]),
            "of": curve.of,
        }
        for curve in curves
        for i, x in enumerate(shown)
    ]
    share = bool(first.of)
    x_encoding: Spec = {"field": "x", "title": None}
    if kind == "number":
        x_encoding |= {
            "type": "quantitative",
            "scale": {"zero": False, "nice": False},
            "axis": {"tickCount": 3, "grid": False, "labelOverlap": "greedy"}
            | ({"values": shown, "format": ",.4~g"} if len(shown) <= TICKS else {})
            | ({"format": "~s"} if large(first.values) else {}),
        }
    elif kind == "date":
        x_encoding |= {"type": "temporal", "scale": {"type": "utc"}, "axis": {"tickCount": 3, "grid": False}}
    else:
        order = sorted(range(len(shown)), key=lambda i: -first.mean[i])
        x_encoding |= {
            "type": "nominal",
            "sort": [shown[i] for i in order],
            "axis": {"labelAngle": -35, "labelLimit": 84, "grid": False, "labelOverlap": False},
        }
    y: Spec = {
        "type": "quantitative",
        "title": None,
        "scale": {"domain": list(domain), "nice": True, "zero": False},
        "axis": {"tickCount": 4} | ({"format": "%"} if share else {"format": "~s"} if large(domain) else {}),
    }
    number_format = ".1%" if share else ",.4~g"
    of = [] if alone else [{"field": "of", "type": "nominal", "title": "class"}]
    tooltip: list[dict[str, Any]] = [
        {"field": "x", "type": x_encoding["type"], "title": "value"},
        *of,
        {"field": "mean", "type": "quantitative", "title": "mean", "format": number_format},
        {"field": "low", "type": "quantitative", "title": "10% below", "format": number_format},
        {"field": "high", "type": "quantitative", "title": "10% above", "format": number_format},
    ]
    classes = [curve.of for curve in curves]
    colour: Spec = {
        "field": "of",
        "type": "nominal",
        "scale": {"domain": classes, "range": list(SERIES[: len(classes)])},
        "legend": None,
    }
    band: Spec = (
        {"mark": {"type": "rule", "strokeWidth": 5, "opacity": 0.22, "strokeCap": "round"}}
        if kind == "level"
        else {"mark": {"type": "area", "opacity": 0.16}}
    )
    band["encoding"] = {"y": {**y, "field": "low"}, "y2": {"field": "high"}, "color": colour}
    line: list[Spec] = [] if kind == "level" else [{"mark": {"type": "line", "strokeWidth": 2.5}}]
    return {
        "description": "Mean prediction by the value of one column, the other columns left as they are.",
        "width": "container",
        "height": 150,
        "data": {"values": values},
        "encoding": {"x": x_encoding, "tooltip": tooltip},
        "layer": [
            *([band] if alone else []),
            *({**one, "encoding": {"y": {**y, "field": "mean"}, "color": colour}} for one in line),
            {
                "mark": {"type": "point", "size": 60 if kind == "level" else 18},
                "encoding": {"y": {**y, "field": "mean"}, "color": colour},
            },
        ],
    }


def large(values: Sequence[float]) -> bool:
    """Whether axis labels such as 250k are shorter than the numbers."""
    return max(abs(value) for value in values) >= 10_000


def kind_of(values: Sequence[Any]) -> str:
    """What a column's values are: `number`, `date` or `level`."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return "number"
    return "date" if all(_DATE.fullmatch(str(value)) for value in values) else "level"


def _instant(text: str) -> str:
    return f"{text}:00Z" if "T" in text else text


def _short(value: float) -> float:
    return float(f"{value:.5g}")
