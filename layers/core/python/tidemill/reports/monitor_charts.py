"""Charts of a model in production, window by window: pure functions from numbers to Vega-Lite specs.

Windows stand side by side in their order, each as wide as the other: those of a number of predictions may end seconds
or days after one another, and on an axis of time the short ones could not be seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tidemill.reports.charts import ACCENT, INK, MUTED, PAPER, SECOND, Spec

WARN, BAD = "var(--warn)", "var(--bad)"
#: A population stability index from which on a cell has its full shade.
FULL = 0.5
#: So few windows do not fill the width of the page: each is so wide, in pixels.
FEW, STEP = 8, 56
#: Colours of the kinds of figures in a chart of quality.
KINDS = {"measured": ACCENT, "estimated": SECOND}


@dataclass(frozen=True)
class Cell:
    """How far a feature had moved in a window."""

    window: str
    feature: str
    psi: float
    found: Literal["", "warn", "alert"]  #: severity of the finding, if it was one
    words: str = ""


@dataclass(frozen=True)
class Estimate:
    """A metric in a window, with its 95% interval."""

    window: str
    kind: Literal["measured", "estimated"]
    value: float
    low: float
    high: float
    rows: int


@dataclass(frozen=True)
class Bin:
    """A bin of a distribution, or one of its values: its share in the reference, and in the window."""

    label: str
    before: float
    now: float


def _windows(windows: Sequence[str]) -> Spec:
    return {
        "field": "window",
        "type": "ordinal",
        "sort": list(windows),
        "scale": {"domain": list(windows)},
        "title": None,
        "axis": {"labelAngle": 0, "labelOverlap": "greedy", "labelSeparation": 14, "grid": False},
    }


def heat(cells: Sequence[Cell], windows: Sequence[str], features: Sequence[str]) -> Spec:
    """How far each feature had moved in each window: the stronger the shade the farther, in colour where it counts."""
    values = [
        {"window": cell.window, "feature": cell.feature, "psi": cell.psi, "found": cell.found, "words": cell.words}
        for cell in cells
    ]
    return {
        "description": "Population stability index of each feature in each window; coloured where it is a finding.",
        "width": "container" if len(windows) > FEW else {"step": STEP},
        "height": 24 * len(features),
        "data": {"values": values},
        "mark": {"type": "rect", "stroke": PAPER, "strokeWidth": 1.5},
        "encoding": {
            "x": _windows(windows),
            "y": {
                "field": "feature",
                "type": "nominal",
                "sort": list(features),
                "scale": {"domain": list(features)},
                "title": None,
                "axis": {"labelColor": INK, "grid": False},
            },
            "color": {
                "condition": [
                    {"test": "datum.found == 'alert'", "value": BAD},
                    {"test": "datum.found == 'warn'", "value": WARN},
                ],
                "value": MUTED,
            },
            "opacity": {
                "field": "psi",
                "type": "quantitative",
                "scale": {"type": "sqrt", "domain": [0, FULL], "range": [0.06, 0.95], "clamp": True},
                "legend": None,
            },
            "tooltip": [
                {"field": "feature", "type": "nominal"},
                {"field": "window", "type": "nominal", "title": "window until"},
                {"field": "psi", "type": "quantitative", "title": "stability index", "format": ".3f"},
                {"field": "words", "type": "nominal", "title": "what moved"},
            ],
        },
    }


def quality(
    figures: Sequence[Estimate], windows: Sequence[str], label: str, reference: float | None, band: tuple[float, ...]
) -> Spec:
    """A metric over the windows, measured and estimated, against the holdout (the dashed line, its band)."""
    values = [
        {"window": one.window, "kind": one.kind, "value": one.value, "low": one.low, "high": one.high, "rows": one.rows}
        for one in figures
    ]
    kinds = [kind for kind in KINDS if any(one.kind == kind for one in figures)]
    x = _windows(windows)
    y: Spec = {"type": "quantitative", "title": label, "scale": {"zero": False, "nice": True, "padding": 6}}
    colour: Spec = {
        "field": "kind",
        "type": "nominal",
        "scale": {"domain": kinds, "range": [KINDS[kind] for kind in kinds]},
        "legend": None,
    }
    # Where a window has both, they stand beside each other.
    place: Spec = {"xOffset": {"field": "kind", "type": "nominal", "sort": kinds}} if len(kinds) > 1 else {}
    layers: list[Spec] = []
    if len(band) == 2:
        layers.append(
            {
                "data": {"values": [{"low": band[0], "high": band[1]}]},
                "mark": {"type": "rect", "color": MUTED, "opacity": 0.14, "aria": False},
                "encoding": {"y": {**y, "field": "low"}, "y2": {"field": "high"}},
            }
        )
    if reference is not None:
        layers.append(
            {
                "data": {"values": [{"at": reference}]},
                "mark": {"type": "rule", "strokeDash": [4, 4], "color": MUTED, "aria": False},
                "encoding": {"y": {**y, "field": "at"}},
            }
        )
    layers += [
        {
            "data": {"values": values},
            "mark": {"type": "rule", "strokeWidth": 4, "opacity": 0.28, "strokeCap": "round"},
            "encoding": {"x": x, **place, "y": {**y, "field": "low"}, "y2": {"field": "high"}, "color": colour},
        },
        {
            "data": {"values": values},
            "mark": {"type": "point", "size": 42},
            "encoding": {
                "x": x,
                **place,
                "y": {**y, "field": "value"},
                "color": colour,
                "tooltip": [
                    {"field": "window", "type": "nominal", "title": "window until"},
                    {"field": "kind", "type": "nominal", "title": "how"},
                    {"field": "value", "type": "quantitative", "title": label, "format": ",.4~g"},
                    {"field": "low", "type": "quantitative", "title": "from", "format": ",.4~g"},
                    {"field": "high", "type": "quantitative", "title": "to", "format": ",.4~g"},
                    {"field": "rows", "type": "quantitative", "title": "rows", "format": ","},
                ],
            },
        },
    ]
    return {
        "description": f"{label} in each window with its 95% interval; the dashed line is the holdout.",
        "width": "container",
        "height": 260,
        "layer": layers,
    }


def bars(windows: Sequence[str], amounts: Sequence[float], label: str) -> Spec:
    """An amount in each window."""
    values = [{"window": window, "value": amount} for window, amount in zip(windows, amounts, strict=True)]
    return {
        "description": f"{label} in each window.",
        "width": "container",
        "height": 130,
        "data": {"values": values},
        "mark": {"type": "bar", "color": ACCENT},
        "encoding": {
            "x": _windows(windows),
            "y": {
                "field": "value",
                "type": "quantitative",
                "title": None,
                "axis": {"tickCount": 4, "format": "~s" if max(amounts, default=0) >= 10_000 else ",d"},
            },
            "tooltip": [
                {"field": "window", "type": "nominal", "title": "window until"},
                {"field": "value", "type": "quantitative", "title": label, "format": ",.4~g"},
            ],
        },
    }


def lines(windows: Sequence[str], series: dict[str, Sequence[float | None]], unit: str, share: bool = False) -> Spec:
    """A few figures over the windows, in one unit; a window without a figure is a gap."""
    values = [
        {"window": window, "of": name, "value": value}
        for name, figures in series.items()
        for window, value in zip(windows, figures, strict=True)
    ]
    colours = [ACCENT, SECOND, MUTED][: len(series)]
    shown = ".2%" if share else ",.4~g"
    encoding: Spec = {
        "x": _windows(windows),
        "y": {
            "field": "value",
            "type": "quantitative",
            "title": None,
            "axis": {"tickCount": 4, "format": ".1~%" if share else "~s"},
        },
        "color": {
            "field": "of",
            "type": "nominal",
            "scale": {"domain": list(series), "range": colours},
            "legend": None,
        },
        "tooltip": [
            {"field": "window", "type": "nominal", "title": "window until"},
            {"field": "of", "type": "nominal", "title": "what"},
            {"field": "value", "type": "quantitative", "title": unit, "format": shown},
        ],
    }
    return {
        "description": f"{', '.join(series)} in each window, {unit}.",
        "width": "container",
        "height": 130,
        "data": {"values": values},
        "encoding": encoding,
        "layer": [
            {"mark": {"type": "line", "strokeWidth": 2}},
            {"mark": {"type": "point", "size": 24}},
        ],
    }


def distribution(bins: Sequence[Bin], across: bool) -> Spec:
    """Shares of a column's bins, or of its values: in the reference (the wide pale bars) and now (the narrow ones).

    Parameters
    ----------
    across
        whether bins follow each other from left to right, as ranges do; else values stand below each other.
    """
    labels = [one.label for one in bins]
    values = [{"bin": one.label, "before": one.before, "now": one.now} for one in bins]
    place: Spec = {
        "field": "bin",
        "type": "ordinal",
        "sort": labels,
        "title": None,
        "axis": {"labelAngle": 0, "labelOverlap": "greedy", "labelSeparation": 10, "grid": False}
        if across
        else {"labelLimit": 92, "labelColor": INK, "grid": False},
        "scale": {"domain": labels, "paddingInner": 0.12},
    }
    amount: Spec = {"type": "quantitative", "title": None, "axis": {"tickCount": 3, "format": ".0%"}}
    along, beside = ("x", "y") if across else ("y", "x")
    thickness = "width" if across else "height"

    def bar(field: str, colour: str, opacity: float, width: float) -> Spec:
        return {
            "mark": {"type": "bar", "color": colour, "opacity": opacity, thickness: {"band": width}},
            "encoding": {beside: {**amount, "field": field}},
        }

    return {
        "description": "Shares before, in pale wide bars, and now, in narrow ones.",
        "width": "container",
        "height": 130 if across else max(20 * len(bins), 60),
        "data": {"values": values},
        "encoding": {
            along: place,
            "tooltip": [
                {"field": "bin", "type": "nominal", "title": "from" if across else "value"},
                {"field": "before", "type": "quantitative", "title": "at release", "format": ".1%"},
                {"field": "now", "type": "quantitative", "title": "now", "format": ".1%"},
            ],
        },
        "layer": [bar("before", MUTED, 0.3, 1.0), bar("now", ACCENT, 1.0, 0.45)],
    }
