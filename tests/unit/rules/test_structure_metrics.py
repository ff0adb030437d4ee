"""Metrics without a target are scikit-learn's where it has them, and say nothing of rows without structure."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import spearmanr
from sklearn import metrics as sk

from tidemill.rules import structure_metrics as metrics
from tidemill.rules.structure_metrics import Clusters, Components, Found, Strangeness
from tidemill.spec import METRICS

SPACE = np.random.default_rng(0).normal(size=(60, 3))
HALVES = np.column_stack([np.arange(60) % 3, np.arange(60) // 20]).astype(np.float64)
FOUND: dict[str, Found] = {
    "clustering": Clusters(SPACE, np.arange(60) % 3, HALVES),
    "dimensionality_reduction": Components(SPACE, SPACE * 0.5),
    "anomaly_detection": Strangeness(SPACE[:, 0], SPACE[:, 1], SPACE[:, :2]),
}


@st.composite
def clustered(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Rows, some of them alike, in two to four clusters of at least one row."""
    rows, clusters = draw(st.integers(6, 40)), draw(st.integers(2, 4))
    space = draw(hnp.arrays(np.float64, (rows, 2), elements=st.integers(-8, 8).map(float)))
    rest = draw(hnp.arrays(np.int64, rows - clusters, elements=st.integers(0, clusters - 1)))
    return space, np.concatenate([np.arange(clusters), rest])


@settings(deadline=None, max_examples=80)
@given(clustered())
def test_metrics_of_clusters_are_scikit_learns(data: tuple[np.ndarray, np.ndarray]) -> None:
    space, labels = data
    assert metrics.silhouettes(space, labels) == pytest.approx(sk.silhouette_samples(space, labels), abs=1e-6)
    centres = [space[labels == label].mean(axis=0) for label in np.unique(labels)]
    if all(np.linalg.norm(one - other) > 1e-9 for i, one in enumerate(centres) for other in centres[:i]):
        assert metrics.davies_bouldin(space, labels) == pytest.approx(sk.davies_bouldin_score(space, labels))


@settings(deadline=None, max_examples=80)
@given(hnp.arrays(np.int64, (12, 2), elements=st.integers(0, 3)))
def test_agreement_of_two_groupings_is_scikit_learns(labels: np.ndarray) -> None:
    expected = sk.adjusted_rand_score(labels[:, 0], labels[:, 1])
    assert metrics.adjusted_rand(labels[:, 0], labels[:, 1]) == pytest.approx(expected)


@settings(deadline=None, max_examples=80)
@given(hnp.arrays(np.float64, (2, 15), elements=st.integers(-4, 4).map(float)))
def test_metrics_of_scores_are_those_of_scikit_learn_and_scipy(scores: np.ndarray) -> None:
    strange, usual = scores
    expected = sk.roc_auc_score(np.repeat([1, 0], 15), np.concatenate([strange, usual]))
    assert metrics.auc(strange, usual) == pytest.approx(expected)
    if np.ptp(strange) > 0 and np.ptp(usual) > 0:
        assert metrics.rank_correlation(strange, usual) == pytest.approx(spearmanr(strange, usual).statistic)


def test_explained_variance_is_that_of_principal_components() -> None:
    from sklearn.decomposition import PCA

    space = SPACE @ np.array([[3.0, 1, 0], [0, 1, 0], [0, 0, 0.2]])
    model = PCA(1).fit(space)
    rebuilt = model.inverse_transform(model.transform(space))
    assert metrics.explained_variance(space, rebuilt) == pytest.approx(model.explained_variance_ratio_[0])
    found = metrics.score(["reconstruction_rmse"], Components(space, rebuilt))
    assert found["reconstruction_rmse"] == pytest.approx(sk.root_mean_squared_error(space.ravel(), rebuilt.ravel()))


@pytest.mark.parametrize("task", FOUND)
def test_every_metric_of_a_task_without_a_target_can_be_computed(task: str) -> None:
    found = FOUND[task]
    values = metrics.score(METRICS[task], found)
    assert set(values) == set(METRICS[task])
    for name, interval in metrics.intervals(METRICS[task], found, seed=1).items():
        assert interval.value == values[name]
        assert interval.low <= interval.value <= interval.high
        assert interval.low < interval.high


def test_an_interval_is_the_same_for_the_same_seed_and_narrower_for_more_rows() -> None:
    random = np.random.default_rng(2)
    few, many = (Strangeness(random.normal(size=n), random.normal(1, size=n)) for n in (50, 2000))
    one, again = (metrics.intervals(["shuffled_auc"], few, seed=3)["shuffled_auc"] for _ in range(2))
    assert one == again
    wide = metrics.intervals(["shuffled_auc"], many, seed=3)["shuffled_auc"]
    assert wide.high - wide.low < (one.high - one.low) / 3


def test_the_difference_of_two_models_is_taken_on_the_same_rows() -> None:
    worse = Components(SPACE, SPACE * 0.4)
    gain = metrics.difference("explained_variance", FOUND["dimensionality_reduction"], worse, seed=0)
    loss = metrics.difference("reconstruction_rmse", worse, FOUND["dimensionality_reduction"], seed=0)
    assert 0 < gain.low < gain.value < gain.high
    assert loss.high < 0


def test_one_cluster_and_a_constant_score_say_nothing() -> None:
    labels = np.zeros(60, dtype=np.int64)
    assert metrics.score(["silhouette"], Clusters(SPACE, labels))["silhouette"] == 0.0
    assert np.isnan(metrics.davies_bouldin(SPACE, labels))
    assert metrics.auc(np.full(9, 0.5), np.full(7, 0.5)) == 0.5
    assert np.isnan(metrics.rank_correlation(np.ones(5), np.arange(5.0)))
    assert np.isnan(metrics.explained_variance(np.ones((4, 2)), np.ones((4, 2))))


def test_many_rows_are_measured_in_part() -> None:
    space = np.random.default_rng(4).normal(size=(500, 2))
    widths = metrics.silhouettes(space, (space[:, 0] > 0).astype(np.int64), most=100)
    assert np.isfinite(widths).sum() == 100
    assert abs(np.nanmean(widths) - metrics.silhouettes(space, (space[:, 0] > 0).astype(np.int64)).mean()) < 0.1


@pytest.mark.parametrize("found", FOUND.values(), ids=FOUND)
def test_a_metric_of_another_task_is_none(found: Found) -> None:
    with pytest.raises(KeyError):
        metrics.score(["roc_auc"], found)
