"""Panels in the few forms that the dashboards use, made with the Grafana Foundation SDK.

Every panel asks Prometheus, says in its description what its figures mean, and has a unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

#: Grafana draws a dashboard in 24 columns.
COLUMNS = 24
SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
GOOD, BAD, WARNING, QUIET = "green", "red", "orange", "text"

#: Expression and legend.
Query = tuple[str, str]


def number(
    title: str,
    words: str,
    expression: str,
    unit: str,
    *,
    width: int = 4,
    legend: str = "",
    limits: Sequence[tuple[float, str]] = (),
    text: str = "auto",
    decimals: int | None = None,
) -> stat.Panel:
    """One large figure; `limits` are values from which on it has another colour."""
    panel = (
        stat.Panel()
        .title(title)
        .description(words)
        .datasource(SOURCE)
        .unit(unit)
        .span(width)
        .height(4)
        .color_mode(common.BigValueColorMode.VALUE)
        .graph_mode(common.BigValueGraphMode.NONE)
        .text_mode(common.BigValueTextMode(text))
        .thresholds(_thresholds(limits))
        .with_target(_instant(expression, legend, "A"))
    )
    return panel if decimals is None else panel.decimals(decimals)


def lines(
    title: str,
    words: str,
    unit: str,
    *queries: Query,
    width: int = 12,
    stacked: bool = False,
    least: float | None = None,
    most: float | None = None,
    limits: Sequence[tuple[float, str]] = (),
) -> timeseries.Panel:
    """Series over time."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(words)
        .datasource(SOURCE)
        .unit(unit)
        .span(width)
        .height(8)
        .line_width(2)
        .fill_opacity(40 if stacked else 0)
        .span_nulls(3_600_000)
        .show_points(common.VisibilityMode.AUTO)
        .legend(
            common_builders.VizLegendOptions()
            .show_legend(True)
            .display_mode(common.LegendDisplayMode.LIST)
            .placement(common.LegendPlacement.BOTTOM)
        )
        .tooltip(
            common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING)
        )
    )
    if stacked:
        panel = panel.stacking(common_builders.StackingConfig().mode(common.StackingMode.NORMAL))
    if least is not None:
        panel = panel.min(least)
    if most is not None:
        panel = panel.max(most)
    if limits:
        style = common_builders.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED)
        panel = panel.thresholds(_thresholds(limits)).thresholds_style(style)
    for name, (expression, legend) in zip("ABCDEFGH", queries, strict=False):
        panel = panel.with_target(
            prometheus.Dataquery().expr(expression).legend_format(legend).ref_id(name).datasource(SOURCE).range()
        )
    return panel


def rows(
    title: str,
    words: str,
    keys: Sequence[tuple[str, str]],
    columns: Sequence[Query],
    *,
    width: int = COLUMNS,
    height: int = 8,
    sort: str = "",
) -> table.Panel:
    """A table: a row for each combination of labels.

    Parameters
    ----------
    keys
        (label, heading): what tells the rows apart.
    columns
        (expression, heading); the heading names the unit, since the published schema knows no units of single columns.
    sort
        heading of the column whose largest values come first.
    """
    letters = dict(zip("ABCDEFGH", columns, strict=False))
    names = dict(keys) | {f"Value #{letter}": heading for letter, (_, heading) in letters.items()}
    order = {name: place for place, name in enumerate(names)}
    panel = (
        table.Panel()
        .title(title)
        .description(words)
        .datasource(SOURCE)
        .span(width)
        .height(height)
        .frame_index(0)
        .show_header(True)
        .filterable(True)
        .with_transformation(models.DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(
            models.DataTransformerConfig(
                id_val="organize",
                options={"excludeByName": {"Time": True}, "indexByName": order, "renameByName": names},
            )
        )
    )
    for letter, (expression, _) in letters.items():
        panel = panel.with_target(_instant(expression, "", letter, PromQueryFormat.TABLE))
    if sort:
        panel = panel.sort_by([common_builders.TableSortByFieldState().display_name(sort).desc(True)])
    return panel


def board(uid: str, title: str, words: str, *, several: bool, since: str) -> dashboard.Dashboard:
    """An empty dashboard, for one model or for several, that any Prometheus can be chosen for."""
    model = (
        dashboard.QueryVariable("model")
        .label("Model")
        .query("label_values(tidemill_model_frozen, model)")
        .datasource(SOURCE)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(several)
        .include_all(several)
    )
    if several:
        everything = models.VariableOption(selected=True, text=["All"], value=["$__all"])
        model = model.all_value(".+").current(everything)
    return (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(words)
        .tags(["tidemill"])
        .readonly()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .time(since, "now")
        .timezone("browser")
        .refresh("5m")
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .with_variable(model)
        .link(
            dashboard.DashboardLink("Tidemill")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags(["tidemill"])
            .as_dropdown(True)
            .include_vars(True)
            .keep_time(True)
        )
    )


def row(title: str) -> dashboard.Row:
    """A heading above panels."""
    return dashboard.Row(title)


def _instant(expression: str, legend: str, name: str, form: Any = PromQueryFormat.TIME_SERIES) -> prometheus.Dataquery:
    return (
        prometheus.Dataquery()
        .expr(expression)
        .legend_format(legend)
        .ref_id(name)
        .datasource(SOURCE)
        .instant()
        .format(form)
    )


def _thresholds(limits: Sequence[tuple[float, str]]) -> dashboard.ThresholdsConfig:
    """The first one holds from minus infinity on, whatever its value; the schema wants a number."""
    colored = [(0.0, GOOD if limits else QUIET), *limits]
    steps = [models.Threshold(value=value, color=color) for value, color in colored]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)
