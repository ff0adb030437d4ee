"""Outputs are counted in bins that keep what decisions and rankings need."""

from __future__ import annotations

import numpy as np
import pytest

from tidemill.rules import output_bins


def probabilities(rows: int = 2000, rare: float = 0.5) -> np.ndarray:
    positive = np.random.default_rng(0).beta(2 * rare, 2 * (1 - rare), rows)
    return np.column_stack([1 - positive, positive])


@pytest.mark.parametrize("threshold", [None, 0.3123])
def test_probabilities_have_bins_from_0_to_1_with_the_threshold_as_an_edge(threshold: float | None) -> None:
    edges = output_bins.probability_edges(probabilities(), threshold=threshold)
    assert (edges[0], edges[-1]) == (0.0, 1.0)
    assert (threshold or 0.5) in edges
    assert list(edges) == sorted(set(edges))


def test_the_bins_of_a_rare_class_tell_its_rows_apart() -> None:
    said = probabilities(rare=0.01)
    edges = output_bins.probability_edges(said)
    assert max(output_bins.count(said[:, 1], edges)) < 0.5 * len(said)


def test_many_classes_share_coarser_bins() -> None:
    edges = output_bins.probability_edges(np.full((100, 3), 1 / 3))
    assert len(edges) < len(output_bins.probability_edges(probabilities()))


def test_values_have_about_as_many_rows_in_each_bin() -> None:
    values = np.random.default_rng(0).lognormal(size=4000)
    counts = output_bins.count(values, output_bins.value_edges(values))
    assert sum(counts) == 4000
    assert min(counts) > 0.8 * max(counts)


@pytest.mark.parametrize("values", [[], [7.0] * 50, [np.nan] * 5])
def test_there_is_a_bin_even_when_nothing_varies(values: list[float]) -> None:
    edges = output_bins.value_edges(np.array(values))
    assert len(edges) == 2
    assert edges[0] < edges[1]


def test_an_anomalys_threshold_is_an_edge() -> None:
    assert 0.987 in output_bins.value_edges(np.linspace(0, 1, 100), threshold=0.987)


def test_a_bin_has_its_lower_edge_and_what_lies_outside_counts_to_the_nearest() -> None:
    values = np.array([-9.0, 0.0, 0.99, 1.0, 2.0, 77.0, np.nan])
    assert output_bins.count(values, (0.0, 1.0, 2.0)) == (3, 3)
    assert output_bins.count(values, (0.0, 1.0, 2.0), values > 0.5) == (1, 3)


def test_neighbouring_bins_are_put_together_so_that_each_holds_as_much_of_the_reference() -> None:
    before, now = tuple([1] * 100), tuple(range(100))
    merged, other = output_bins.coarse(before, now)
    assert merged == (10,) * 10
    assert other[0] == sum(range(10))
    assert sum(other) == sum(now)


def test_one_bin_that_holds_nearly_everything_stays_alone() -> None:
    merged, now = output_bins.coarse((5, 990, 5), (1, 2, 3))
    assert sum(merged) == 1000
    assert sum(now) == 6
    assert len(merged) <= 3


def test_errors_are_told_apart_from_a_thousandth_of_the_usual_one_to_a_hundredfold() -> None:
    edges = output_bins.error_edges(10.0)
    assert (edges[0], edges[1], edges[-1]) == (0.0, pytest.approx(0.01), pytest.approx(1000.0))
    assert output_bins.error_edges(0.0)[-1] == pytest.approx(100.0)
