"""The dashboard for those who have only AWS: a body that CloudWatch takes, of metrics that there are."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from tidemill.monitoring import measures
from tidemill.monitoring_contracts import FeatureDrift, MonitorPoint, QualityFigure, ServiceFigures

from .conftest import ROOT

#: Everything that a look can tell CloudWatch.
POINT = MonitorPoint(
    "churn",
    1,
    "2026-03-03T06:00:00Z",
    "2026-03-04T06:00:00Z",
    10,
    True,
    features=(FeatureDrift("x", 10, 0.1, 0.1, None, "chi_squared", 1.0, 1.0, 1.0, 0.1, False),),
    quality=(QualityFigure("f1", "measured", 1, 1, 1, 1), QualityFigure("f1", "estimated", 1, 1, 1, 1)),
    service=ServiceFigures(1, 0, 0, 1.0, 1.0, 1.0, None, None, None),
)


class Template(yaml.SafeLoader):
    """A template with its short forms as what follows them."""


def _plain(loader: yaml.SafeLoader, _tag: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    return loader.construct_sequence(node) if isinstance(node, yaml.SequenceNode) else loader.construct_mapping(node)  # type: ignore[arg-type]


Template.add_multi_constructor("!", _plain)


@pytest.fixture(scope="module")
def resources() -> dict[str, Any]:
    found: dict[str, Any] = yaml.load((ROOT / "template.yaml").read_text(), Template)["Resources"]
    return found


@pytest.fixture(scope="module")
def text(resources: dict[str, Any]) -> str:
    return str(resources["Dashboard"]["Properties"]["DashboardBody"])


@pytest.fixture(scope="module")
def widgets(text: str) -> list[Any]:
    found: list[Any] = json.loads(text)["widgets"]
    return found


def test_the_body_names_only_what_the_template_has(text: str, resources: dict[str, Any]) -> None:
    for name in re.findall(r"\$\{([^!}.]+)(?:\.\w+)?\}", text):
        assert name in resources or name.startswith("AWS::"), name


def test_widgets_lie_beside_each_other_on_24_columns(widgets: list[Any]) -> None:
    taken: set[tuple[int, int]] = set()
    for widget in widgets:
        cells = {(widget["x"] + x, widget["y"] + y) for x in range(widget["width"]) for y in range(widget["height"])}
        assert all(0 <= x < 24 for x, _ in cells)
        assert not cells & taken
        taken |= cells


def test_every_metric_of_models_is_one_that_a_look_tells(text: str) -> None:
    asked = set(re.findall(r'MetricName=\\"(\w+)\\"', text))
    assert len(asked) >= 9
    assert asked <= {measure.name for measure in measures.of_point(POINT)}
    assert set(re.findall(r"\{(\w+),service,model\}", text)) == {measures.NAMESPACE}


def test_the_alarm_of_all_models_is_about_what_every_look_tells(resources: dict[str, Any]) -> None:
    alarm = resources["ModelAlerts"]["Properties"]
    (line,) = [
        line
        for line in map(json.loads, measures.embedded([POINT], "churn", "table", datetime(2026, 3, 4, tzinfo=UTC)))
        if line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service"]]
    ]
    declared = line["_aws"]["CloudWatchMetrics"][0]
    assert alarm["Namespace"] == declared["Namespace"]
    assert alarm["MetricName"] in {metric["Name"] for metric in declared["Metrics"]}
    assert [dimension["Name"] for dimension in alarm["Dimensions"]] == ["service"]
