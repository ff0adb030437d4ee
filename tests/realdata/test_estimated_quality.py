"""Without labels, on real tables under covariate shift: tests/bench/estimated_quality.py prints all of them."""

import estimated_quality as bench
import pytest
from quality import TABLES

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not TABLES.is_dir(), reason="the real tables are not there"),
]


def figures(table):
    (case,) = (case for case in bench.CASES if case.table == table)
    return {item.metric: item for item in bench.results(case, bench.productions(case, holdouts=1), draws=1)}


def test_the_auc_on_adult_census_is_within_the_bar():
    (case,) = (case for case in bench.CASES if case.bar is not None)
    found = figures(case.table)
    auc = found["roc_auc"]
    assert auc.error <= case.bar
    assert auc.most - auc.least > 0.05  # the shifts do move it
    assert auc.error < 0.6 * auc.holdout_error
    assert all(item.covered >= 0.8 for item in found.values())


def test_a_regressions_error_follows_the_shift():
    found = figures("bike_hour")
    assert found["mae"].error < 0.5 * found["mae"].holdout_error
    assert found["mae"].covered >= 0.8
    assert found["rmse"].error < found["rmse"].holdout_error
