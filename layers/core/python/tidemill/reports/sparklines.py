"""Small bar charts of columns as inline SVG.

A table may have hundreds of columns; one Vega view for each would take seconds to draw
and megabytes of specs, one path takes a few hundred bytes and works without scripts.
"""

from __future__ import annotations

from collections.abc import Sequence

from tidemill.contracts import ColumnProfile
from tidemill.reports import formats
from tidemill.reports.markup import Html, join, tag

WIDTH, HEIGHT = 120, 28
#: Values with a shade of their own.
SHARES = 6


def sparkline(column: ColumnProfile) -> Html | None:
    """A column's histogram, or its most frequent values; None when it has neither."""
    if column.histogram and sum(column.histogram.counts):
        shown = formats.date if column.type == "date" else formats.exact
        label = f"Histogram of {column.name} from {shown(column.minimum)} to {shown(column.maximum)}"
        return bars(column.histogram.counts, label)
    if column.top:
        first = column.top[0]
        share = formats.percent(first.count / column.rows)
        label = f"Shares of the values of {column.name}; {formats.shorten(first.value, 30)} in {share} of the rows"
        return shares([value.count for value in column.top], column.rows - column.missing, column.rows, label)
    return None


def bars(counts: Sequence[int], label: str) -> Html:
    """A histogram, scaled to the largest bar; a count above zero is always visible."""
    largest = max(counts)
    width = WIDTH / len(counts)
    path = "".join(
        f"M{i * width:.4g} {HEIGHT}v-{max(count / largest * HEIGHT, 1):.3g}h{width - 0.6:.3g}V{HEIGHT}z"
        for i, count in enumerate(counts)
        if count
    )
    return _svg(tag("path", d=path), label, "spark histogram")


def shares(counts: Sequence[int], filled: int, rows: int, label: str) -> Html:
    """One bar as wide as all rows: the most frequent values from dark to light, the rest pale, missing cells empty."""
    pieces, start = [_piece(0, filled / rows, 0.14)], 0.0
    for place, count in enumerate(counts[:SHARES]):
        pieces.append(_piece(start, count / rows, 0.9 * 0.65**place))
        start += count / rows
    return _svg(join(*pieces), label, "spark")


def _piece(start: float, width: float, opacity: float) -> Html:
    path = f"M{start * WIDTH:.4g} 8h{max(width * WIDTH - 0.6, 0.4):.4g}v12H{start * WIDTH:.4g}z"
    return tag("path", d=path, opacity=f"{opacity:.2g}")


def _svg(content: Html, label: str, kind: str) -> Html:
    return tag(
        "svg",
        content,
        class_=kind,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        preserveAspectRatio="none",
        role="img",
        aria_label=label,
    )
