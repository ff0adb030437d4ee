"""The charts of tasks without a target as Vega-Lite specs: pure functions from numbers to plain data."""

from __future__ import annotations

from collections.abc import Sequence

from tidemill.reports.charts import ACCENT, INK, MUTED, SECOND, Numbers, Spec

#: Colours of groups that are seen on light and dark paper alike, and the shapes that tell them apart without colour.
COLOURS = (
    *("#3b82a8", "#cf7d37", "#4b9a63", "#b45b86", "#8370c4"),
    *("#a39032", "#3f9f9f", "#c4534e", "#7d8792", "#96694a"),
)
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")


def scatter(
    x: Numbers, y: Numbers, groups: Sequence[str], names: Sequence[str], titles: tuple[str, str], what: str
) -> Spec:
    """One point per row, with the colour and shape of its group; without groups all are alike.

    Parameters
    ----------
    names
        of the groups, in the order of the legend; empty when there are none.
    titles
        of the axes.
    what
        a group is, for the legend and the tooltip.
    """
    values = [
        {"x": _short(one), "y": _short(other), "group": groups[place] if groups else ""}
        for place, (one, other) in enumerate(zip(x, y, strict=True))
    ]
    encoding: Spec = {
        "x": _axis("x", titles[0]),
        "y": _axis("y", titles[1]),
    }
    if names:
        order = list(names)
        colours = [_of(COLOURS, place) for place in range(len(order))]
        sizes = [34] * len(order)
        if order == ["normal", "anomaly"]:
            colours, sizes = [MUTED, SECOND], [26, 110]
        encoding |= {
            "color": {
                "field": "group",
                "type": "nominal",
                "scale": {"domain": order, "range": colours},
                "legend": {"title": what, "orient": "top", "columns": 6, "labelColor": INK, "titleColor": MUTED},
            },
            "shape": {
                "field": "group",
                "type": "nominal",
                "scale": {"domain": order, "range": [_of(SHAPES, place) for place in range(len(order))]},
            },
            "size": {
                "field": "group",
                "type": "nominal",
                "scale": {"domain": order, "range": sizes},
                "legend": None,
            },
            "tooltip": [{"field": "group", "type": "nominal", "title": what}],
        }
    mark: Spec = {"type": "point", "opacity": 0.75, "filled": True, "aria": False}
    return {
        "description": f"The rows on two directions, one point each{f', by {what}' if names else ''}.",
        "width": "container",
        "height": 380,
        "data": {"values": values},
        "mark": mark | ({} if names else {"color": ACCENT, "size": 34}),
        "encoding": encoding,
    }


def shares(parts: Numbers) -> Spec:
    """What share of the variance each component keeps, and all up to it together."""
    together, values = 0.0, []
    for place, part in enumerate(parts, 1):
        together += part
        values.append({"component": place, "share": part, "together": together})
    x: Spec = {"field": "component", "type": "ordinal", "title": "component", "axis": {"labelAngle": 0, "grid": False}}
    y: Spec = {"type": "quantitative", "axis": {"format": "%"}, "scale": {"domain": [0, 1]}}
    return {
        "description": "Share of the variance that each component keeps, and all up to it together.",
        "width": "container",
        "height": 260,
        "data": {"values": values},
        "encoding": {
            "x": x,
            "tooltip": [
                {"field": "component", "type": "ordinal"},
                {"field": "share", "type": "quantitative", "title": "share", "format": ".1%"},
                {"field": "together", "type": "quantitative", "title": "all up to it", "format": ".1%"},
            ],
        },
        "layer": [
            {
                "mark": {"type": "bar", "color": ACCENT, "width": {"band": 0.6}},
                "encoding": {"y": y | {"field": "share", "title": "share of the variance"}},
            },
            {
                "mark": {"type": "line", "color": SECOND, "strokeWidth": 2, "point": {"color": SECOND, "size": 40}},
                "encoding": {"y": y | {"field": "together"}},
            },
        ],
    }


def scores(edges: Numbers, counts: Sequence[int], threshold: float) -> Spec:
    """How many rows have which score; those from the threshold on are anomalies."""
    values = [{"from": edges[i], "to": edges[i + 1], "rows": rows} for i, rows in enumerate(counts)]
    return {
        "description": "Rows by anomaly score; from the dashed line on they are anomalies.",
        "width": "container",
        "height": 240,
        "layer": [
            {
                "data": {"values": values},
                "mark": {"type": "bar", "binSpacing": 1},
                "encoding": {
                    "x": {
                        "field": "from",
                        "type": "quantitative",
                        "bin": {"binned": True},
                        "title": "score: share of the training rows that are less strange",
                        "axis": {"grid": False, "format": "%", "values": [0, 0.25, 0.5, 0.75, 1]},
                    },
                    "x2": {"field": "to"},
                    "y": {"field": "rows", "type": "quantitative", "title": "rows", "axis": {"format": ",d"}},
                    "color": {
                        "condition": {"test": f"datum.to > {threshold!r} + 1e-9", "value": SECOND},
                        "value": MUTED,
                    },
                    "tooltip": [
                        {"field": "from", "type": "quantitative", "format": ".1%"},
                        {"field": "to", "type": "quantitative", "format": ".1%"},
                        {"field": "rows", "type": "quantitative", "format": ","},
                    ],
                },
            },
            {
                "data": {"values": [{"threshold": threshold}]},
                "mark": {"type": "rule", "strokeDash": [4, 4], "color": INK, "aria": False},
                "encoding": {"x": {"field": "threshold", "type": "quantitative"}},
            },
        ],
    }


def _axis(field: str, title: str) -> Spec:
    return {"field": field, "type": "quantitative", "title": title, "scale": {"zero": False}, "axis": {"tickCount": 6}}


def _of(choices: Sequence[str], place: int) -> str:
    return choices[place % len(choices)]


def _short(value: float) -> float:
    return float(f"{value:.4g}")
