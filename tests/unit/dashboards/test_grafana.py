"""The dashboards in infra/dashboards/grafana: as they are generated, as Grafana takes them, of series that exist."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from tidemill.reports.metric_families import FAMILIES, PREFIX

from .conftest import DASHBOARDS

NAMES = ("business", "model", "operations")
#: The JSON Schemas of Grafana 11.6 as grafana/grafana-foundation-sdk publishes them under jsonschema/ (branch
#: v11.6.x+cog-v0.0.x, Apache-2.0): a dashboard, the panels that are used, and a query of Prometheus.
SCHEMAS = Path(__file__).with_name("grafana-11.6-schemas.json.gz")
SERIES = {
    f"{PREFIX}{family.name}{suffix}"
    for family in FAMILIES
    for suffix in (("_bucket", "_sum", "_count") if family.kind == "histogram" else ("",))
}


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def document(name: str) -> Any:
    return json.loads((DASHBOARDS / "grafana" / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture
def panels(document: Any) -> list[Any]:
    return [panel for panel in document["panels"] if panel["type"] != "row"]


def test_each_audience_has_its_dashboard() -> None:
    assert sorted(path.stem for path in (DASHBOARDS / "grafana").iterdir()) == sorted(NAMES)


def test_the_file_is_what_the_script_writes(name: str, generate: ModuleType) -> None:
    written = (DASHBOARDS / "grafana" / f"{name}.json").read_text(encoding="utf-8")
    assert generate.text(generate.DASHBOARDS[name]()) == written


def test_the_sdk_reads_the_file_without_losing_anything(document: Any) -> None:
    register_default_plugins()
    again = json.loads(json.dumps(Dashboard.from_json(document), cls=JSONEncoder))
    assert again == document


def mistakes(document: Any) -> list[str]:
    """What Grafana's schemas say is wrong with a dashboard, with its panels' options and with their queries."""
    schemas = json.loads(gzip.decompress(SCHEMAS.read_bytes()))
    held = [(document, schemas["dashboard"])]
    for panel in (panel for panel in document["panels"] if panel["type"] != "row"):
        parts = schemas[panel["type"]]["definitions"]
        held.append((panel.get("options", {}), {"definitions": parts, **parts.get("Options", {})}))
        custom = panel["fieldConfig"]["defaults"].get("custom", {})
        held.append((custom, {"definitions": parts, **parts.get("FieldConfig", {})}))
        held += [(target, schemas["prometheus"]) for target in panel["targets"]]
    return [
        error.message
        for value, schema in held
        for error in jsonschema.validators.validator_for(schema)(schema).iter_errors(value)
    ]


def test_the_file_is_valid_against_the_published_schema(document: Any) -> None:
    assert mistakes(document) == []


def test_the_schema_would_find_a_mistake_in_the_dashboard_and_in_a_query(document: Any, panels: list[Any]) -> None:
    document["title"] = 7
    panels[0]["targets"][0]["expr"] = 7
    assert len(mistakes(document)) >= 2


def test_panels_have_numbers_of_their_own_and_lie_within_the_page_beside_each_other(document: Any) -> None:
    assert [panel["id"] for panel in document["panels"]] == list(range(1, len(document["panels"]) + 1))
    taken: set[tuple[int, int]] = set()
    for panel in document["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert all(0 <= x < 24 for x, _ in cells), panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells


def test_every_panel_says_what_it_shows_and_in_which_unit(panels: list[Any]) -> None:
    for panel in panels:
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["type"] == "table" or panel["fieldConfig"]["defaults"]["unit"]


def test_every_query_is_of_series_that_there_are_and_of_the_chosen_models(panels: list[Any]) -> None:
    for panel in panels:
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        for target in panel["targets"]:
            used = re.findall(r"\b(tidemill_\w+)(\{[^}]*\})?", target["expr"])
            assert used or target["expr"].startswith("sum by (alertname, alertstate) (ALERTS{"), target["expr"]
            for series, labels in used:
                assert series in SERIES, target["expr"]
                assert "$model" in labels, target["expr"]


def test_who_opens_it_chooses_prometheus_and_models(document: Any, name: str) -> None:
    source, model = document["templating"]["list"]
    assert (source["type"], source["query"]) == ("datasource", "prometheus")
    asked = re.fullmatch(r"label_values\((\w+), model\)", model["query"])
    assert asked is not None
    assert asked[1] in SERIES
    assert model["multi"] is (name != "model")
