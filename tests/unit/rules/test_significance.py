"""Tests of two samples against scipy's, and what the many-tests rule promises."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tidemill.rules import significance


@pytest.mark.parametrize("value", [0.1, 0.3, 0.8, 1.36, 2.5, 5.0])
def test_kolmogorovs_distribution_is_scipys(value: float) -> None:
    assert significance.kolmogorov(value) == pytest.approx(stats.kstwobign.sf(value), abs=1e-10)


@pytest.mark.parametrize("freedom", [1, 2, 7, 40, 300])
@pytest.mark.parametrize("ratio", [0.01, 0.5, 1.0, 1.5, 3.0])
def test_the_gamma_function_is_scipys(freedom: int, ratio: float) -> None:
    value = freedom * ratio
    found = significance.upper_gamma(freedom / 2, value / 2)
    assert found == pytest.approx(stats.chi2.sf(value, freedom), rel=1e-8, abs=1e-14)


def test_pearsons_test_is_scipys_where_every_bin_has_enough() -> None:
    before, now = (120, 300, 80, 500), (60, 100, 70, 150)
    expected = stats.chi2_contingency([before, now], correction=False)
    statistic, p_value = significance.chi_squared(before, now)
    assert statistic == pytest.approx(expected.statistic)
    assert p_value == pytest.approx(expected.pvalue)


def test_rare_bins_are_put_together() -> None:
    before, now = (1000, 990, 3, 4, 2, 0), (500, 480, 6, 7, 5, 0)
    together = stats.chi2_contingency([(1000, 990, 9), (500, 480, 18)], correction=False)
    assert significance.chi_squared(before, now) == pytest.approx((together.statistic, together.pvalue))


def test_a_bin_too_rare_even_with_the_others_takes_the_next_one_in() -> None:
    assert significance.chi_squared((1000, 1000, 1), (500, 500, 0)) == pytest.approx(
        significance.chi_squared((1000, 1001), (500, 500))
    )


@pytest.mark.parametrize(("before", "now"), [((10, 0), (20, 0)), ((0, 0), (20, 5)), ((3, 1), (2, 1)), ((), ())])
def test_counts_that_tell_nothing_are_no_finding(before: tuple[int, ...], now: tuple[int, ...]) -> None:
    assert significance.chi_squared(before, now) == (0.0, 1.0)


def test_the_binned_kolmogorov_test_is_scipys_where_bins_hold_one_value_each() -> None:
    rng = np.random.default_rng(1)
    one, other = rng.integers(0, 12, 3000), rng.integers(0, 13, 2000)
    expected = stats.ks_2samp(one, other, method="asymp")
    distance, p_value = significance.kolmogorov_smirnov(np.bincount(one, minlength=13), np.bincount(other))
    assert distance == pytest.approx(expected.statistic)
    assert p_value == pytest.approx(expected.pvalue, rel=0.15)


def test_binning_never_makes_the_kolmogorov_test_surer() -> None:
    rng = np.random.default_rng(2)
    edges = np.linspace(-4, 4, 21)
    for _ in range(20):
        one, other = rng.normal(size=400), rng.normal(0.1, 1, size=500)
        exact = stats.ks_2samp(one, other, method="asymp")
        distance, _ = significance.kolmogorov_smirnov(*(np.histogram(each, edges)[0] for each in (one, other)))
        assert distance <= exact.statistic + 1e-12


def test_shares_are_compared_one_sided() -> None:
    assert significance.greater_share(10, 1000, 60, 1000) < 1e-8
    assert significance.greater_share(60, 1000, 10, 1000) > 0.999
    assert significance.greater_share(0, 1000, 0, 500) == 1.0
    assert significance.greater_share(0, 0, 5, 10) == 1.0
    # One of 100 rows says nothing of a share of 1 in 1,000.
    assert significance.greater_share(1, 1000, 1, 100) > 0.05


def test_the_bound_of_a_share_holds_as_often_as_promised() -> None:
    rng = np.random.default_rng(3)
    bounds = [significance.share_bound(int(count), 400, 0.05) for count in rng.binomial(400, 0.03, 2000)]
    assert np.mean(np.array(bounds) > 0.03) == pytest.approx(0.05, abs=0.02)


def test_benjamini_and_hochberg_is_scipys_in_the_order_given() -> None:
    p_values = [0.03, 0.001, 0.8, 0.012, 0.04, 0.03]
    assert significance.adjusted(p_values) == pytest.approx(stats.false_discovery_control(p_values))
    assert significance.adjusted([]) == ()


def test_without_any_change_a_finding_is_as_rare_as_asked() -> None:
    p_values = np.random.default_rng(4).uniform(size=(2000, 30))
    false = [min(significance.adjusted(list(row))) <= 0.05 for row in p_values]
    assert np.mean(false) <= 0.06
