"""Metrics of counts are nearly those of the rows that were counted."""

from __future__ import annotations

import numpy as np
import pytest

from tidemill.rules import binned_metrics, output_bins
from tidemill.rules.metrics import Outcomes, all_of, score


@pytest.fixture
def rows() -> Outcomes:
    generator = np.random.default_rng(0)
    said = generator.beta(1, 3, 3000)
    return Outcomes((generator.random(3000) < said).astype(float), np.column_stack([1 - said, said]), threshold=0.4)


def test_of_two_classes(rows: Outcomes) -> None:
    said = rows.scores[:, 1]
    edges = output_bins.probability_edges(rows.scores, threshold=0.4)
    positives, negatives = (np.array([output_bins.count(said, edges, rows.codes == code)]) for code in (1, 0))
    found = binned_metrics.binary(all_of("binary"), edges, 0.4, positives, negatives)
    exact = score(all_of("binary"), rows)
    for name in ("accuracy", "balanced_accuracy", "f1"):
        assert found[name][0] == pytest.approx(exact[name], abs=1e-12)  # the threshold is an edge
    for name in ("roc_auc", "average_precision", "log_loss", "brier_score"):
        assert found[name][0] == pytest.approx(exact[name], abs=0.006)


def test_of_many_classes() -> None:
    generator = np.random.default_rng(1)
    said = generator.dirichlet([1.0, 2.0, 3.0], 3000)
    actual = (said.cumsum(axis=1) < generator.random((3000, 1))).sum(axis=1)
    exact = score(all_of("multiclass"), Outcomes(actual.astype(float), said))
    edges = output_bins.probability_edges(said)
    positives, negatives = (
        {str(code): np.array([output_bins.count(said[:, code], edges, (actual == code) == is_it)]) for code in range(3)}
        for is_it in (True, False)
    )
    assert binned_metrics.roc_auc_ovr(edges, positives, negatives)[0] == pytest.approx(exact["roc_auc_ovr"], abs=0.005)
    assert binned_metrics.log_loss(edges, positives)[0] == pytest.approx(exact["log_loss"], abs=0.01)
    called = said.argmax(axis=1)
    hits, of, named = (
        np.array([np.bincount(codes, minlength=3)]) for codes in (actual[called == actual], actual, called)
    )
    found = binned_metrics.of_labels(hits, of, named)
    assert {name: value[0] for name, value in found.items()} == {
        name: pytest.approx(exact[name]) for name in ("accuracy", "balanced_accuracy", "f1_macro")
    }


def test_the_median_of_counts() -> None:
    values = np.random.default_rng(2).lognormal(size=5000)
    edges = output_bins.error_edges(float(np.sqrt((values**2).mean())))
    counts = np.array([output_bins.count(values, edges)])
    assert binned_metrics.median(edges, counts)[0] == pytest.approx(np.median(values), rel=0.02)
