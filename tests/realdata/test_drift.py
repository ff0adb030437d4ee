"""Drift of real tables is found, and none where there is none: tests/bench/drift_detection.py at a smaller size."""

from __future__ import annotations

import drift_detection as bench
import numpy as np
import pytest

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not bench.TABLES.is_dir(), reason="the real tables are not there"),
]


def test_rows_that_the_model_has_not_seen_raise_no_alarm() -> None:
    production = bench.unchanged("telco_churn", "Churn")
    found = [point for rows in bench.ROWS for point in production.windows(rows, 20)]
    assert sum(bool(point.findings) for point in found) <= 2
    assert all(point.features and point.prediction and point.domain_auc and point.quality for point in found)


@pytest.mark.parametrize(("make", "rows"), bench.SUDDEN.values(), ids=bench.SUDDEN)
def test_sudden_drift_is_an_alert_in_the_first_full_window(make, rows) -> None:
    assert all(bench.has_alert(point) for point in make().windows(rows, 5))


def test_a_feature_that_has_moved_by_half_a_standard_deviation_is_named() -> None:
    for feature in ("tenure", "MonthlyCharges"):
        for point in bench.moved("telco_churn", "Churn", feature).windows(2000, 5, with_labels=False):
            assert any(bench.about(finding, feature) for finding in point.findings)


@pytest.mark.parametrize(
    ("number", "column", "severity", "words"),
    [
        (2, "number_existing_credits", "warn", "3.1% of 'number_existing_credits' is missing"),
        (3, "predictionDate", "alert", "100.0% of 'predictionDate' cannot be read"),
        (6, "predictionDate", "alert", "100.0% of 'predictionDate' is missing: calls come without the field"),
    ],
)
def test_faults_of_production_logs_are_named(number: int, column: str, severity: str, words: str) -> None:
    production = bench.credit_log(number)
    point = production.window(np.arange(len(production.captures)), with_labels=False)
    (found,) = (finding for finding in point.findings if (finding.kind, finding.subject) == ("data_quality", column))
    assert found.severity == severity
    assert found.sentence.startswith(words)


def test_a_production_log_without_faults_has_none() -> None:
    production = bench.credit_log(1)
    point = production.window(np.arange(len(production.captures)), with_labels=False)
    assert not [finding for finding in point.findings if finding.kind in ("data_quality", "drift", "domain_drift")]
