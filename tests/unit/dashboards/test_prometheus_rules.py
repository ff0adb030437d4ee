"""Recording and alert rules: taken by Prometheus' own tool, right in its own cases, of series that there are."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest
import yaml

from tidemill.reports.metric_families import FAMILIES, PREFIX

from .conftest import DASHBOARDS

FOLDER = DASHBOARDS / "prometheus"
FILES = ("alerts.rules.yml", "recording.rules.yml")


def rules(kind: str) -> list[dict[str, Any]]:
    found = [group["rules"] for file in FILES for group in yaml.safe_load((FOLDER / file).read_text())["groups"]]
    return [rule for group in found for rule in group if kind in rule]


@pytest.mark.parametrize("check", [("check", "rules", *FILES), ("test", "rules", "tests.yml")], ids=["check", "test"])
def test_promtool_finds_nothing(promtool: str, check: tuple[str, ...]) -> None:
    done = subprocess.run([promtool, *check], cwd=FOLDER, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAILED" not in done.stdout


def test_rules_are_of_series_that_there_are() -> None:
    known = {f"{PREFIX}{family.name}" for family in FAMILIES} | {rule["record"] for rule in rules("record")}
    known |= {"tidemill_build_info", "tidemill_request_duration_seconds_bucket"}
    for rule in [*rules("alert"), *rules("record")]:
        used = set(re.findall(r"(?:model:)?tidemill_\w+(?::\w+)?", rule["expr"]))
        assert used, rule
        assert used <= known, used - known


def test_an_alert_says_how_bad_it_is_and_what_to_do() -> None:
    alerts = rules("alert")
    assert {"TidemillDrift", "TidemillErrors", "TidemillNotLookedAt"} <= {rule["alert"] for rule in alerts}
    for rule in alerts:
        assert rule["labels"]["severity"] in ("info", "warning", "critical")
        assert set(rule["annotations"]) == {"summary", "description"}


def test_every_alert_has_a_case_in_which_it_fires() -> None:
    cases = yaml.safe_load((FOLDER / "tests.yml").read_text())["tests"]
    fired = {test["alertname"] for case in cases for test in case.get("alert_rule_test", ()) if test.get("exp_alerts")}
    assert {rule["alert"] for rule in rules("alert")} == fired
