"""What the report of a run says that nobody started by uploading a table."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from typing import Any

from tidemill.contracts import RunArtifacts, RunDocument, to_json
from tidemill.monitoring_contracts import Finding, Retraining
from tidemill.reports.run_report import render

ASKED = Retraining(
    id="a" * 32,
    model="churn",
    at="2026-03-04T12:00:00Z",
    by="tidemill",
    trigger="rule",
    reason="the share of <b> rose",
    data="drifted_plus_old",
    start="2026-03-02T00:00:00Z",
    findings=(Finding("drift", "alert", "age", "age has moved", since="2026-03-03T00:00:00Z"),),
    rows_old=1200,
    rows_new=1300,
)
DOCUMENT = RunDocument(
    run_id="2" * 32,
    status="FAILED",
    reason="x",
    project="churn",
    task=None,
    target=None,
    dataset=None,
    checks=(),
    candidates=(),
    metric=None,
    holdout={},
    model=None,
    endpoint=None,
    report=None,
    cost=None,
    seconds=1.0,
)


def section(**changes: Any) -> str:
    """The text of the section."""
    page = render(DOCUMENT, RunArtifacts(retraining=to_json(replace(ASKED, **changes))))
    (found,) = re.findall(r'<section id="retraining">(.*?)</section>', page, re.DOTALL)
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", found).split()))


def test_the_reason_the_evidence_and_the_rows_are_told() -> None:
    text = section()
    assert "The share of <b> rose." in text
    assert "Alert age has moved. Since 3 March 2026, 00:00 UTC." in text
    assert "1,300, from 2 March 2026, 00:00 UTC" in text
    assert "Rows of the last uploaded table 1,200" in text
    assert "A rule of the project" in text


def test_a_person_is_named() -> None:
    text = section(trigger="backfill", by="arn:ada", data="window", end="2026-03-03T00:00:00Z", findings=())
    assert "A person, for a window of the past: arn:ada" in text
    assert "until 3 March 2026" in text
    assert "Alert" not in text


def test_many_findings_are_behind_a_click() -> None:
    many = tuple(replace(ASKED.findings[0], sentence=f"f{place} has moved") for place in range(11))
    text = section(findings=many)
    assert "3 more findings" in text
    assert "f10 has moved" in text


def test_a_run_of_an_upload_has_no_such_section() -> None:
    assert 'id="retraining"' not in render(DOCUMENT, RunArtifacts())
