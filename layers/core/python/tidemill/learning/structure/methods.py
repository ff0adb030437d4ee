"""What may find structure: one class for each kind of model, fitted by scikit-learn on the rows of a space.

`of` fits one by its candidate's name and parameters. Each says what it finds in rows (`find`) through scikit-learn;
`graph` writes the same as ONNX nodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.cluster import KMeans
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from tidemill.contracts import CandidateRef, Task
from tidemill.learning.structure.candidates import BASELINE
from tidemill.learning.structure.percentiles import Percentiles
from tidemill.serving.prediction import ANOMALY, NORMAL, Prediction

#: Path lengths of a forest are multiples of this, so that their sums are exact in float32 and in any order.
_STEP = 2.0**-10


@dataclass(frozen=True)
class Clustering:
    """Centres (clusters, width), the largest cluster first; a row belongs to the nearest."""

    model: KMeans

    def find(self, table: np.ndarray) -> Prediction:
        """The cluster of each row, named by its number, and the distance to its centre."""
        labels = self.model.predict(table)
        distances = self.model.transform(table)[np.arange(len(table)), labels]
        return Prediction(labels=labels.astype(str).astype(object), values=distances)


@dataclass(frozen=True)
class Reduction:
    """Directions (components, width) that keep most of the variance."""

    model: PCA
    shares: tuple[float, ...]  #: of the training rows' variance, by component

    def find(self, table: np.ndarray) -> Prediction:
        """The components of each row."""
        return Prediction(components=self.model.transform(table))

    def reconstruct(self, components: np.ndarray) -> np.ndarray:
        """(n, width): the rows that have these components, as far as these say."""
        rows: np.ndarray = self.model.inverse_transform(components)
        return rows


@dataclass(frozen=True)
class Detection:
    """A raw measure of strangeness, and what share of the training rows has less of it."""

    model: Any  #: IsolationForest, LedoitWolf, PCA, or None of the constant one
    percentiles: Percentiles
    threshold: float  #: the share from which on a row is an anomaly

    def find(self, table: np.ndarray) -> Prediction:
        """Score and label of each row."""
        scores = self.percentiles.of(raw_scores(self.model, table))
        return Prediction(labels=labelled(scores, self.threshold), values=scores)


Method = Clustering | Reduction | Detection


def of(candidate: CandidateRef, task: Task, table: np.ndarray, seed: int) -> Method:
    """A candidate fitted on the rows of a space, (n, width) float64."""
    with threadpool_limits(limits=1):
        if task == "clustering":
            return _clustering(candidate, table, seed)
        if task == "dimensionality_reduction":
            return _reduction(candidate, table, seed)
        return _detection(candidate, table, seed)


def labelled(scores: np.ndarray, threshold: float) -> np.ndarray:
    """The label of each anomaly score."""
    return np.where(scores >= threshold, ANOMALY, NORMAL).astype(object)


# --- clusters ----------------------------------------------------------------------------------


def _clustering(candidate: CandidateRef, table: np.ndarray, seed: int) -> Clustering:
    clusters = 1 if candidate.name == BASELINE else int(candidate.params["n_clusters"])
    model = KMeans(n_clusters=min(clusters, len(np.unique(table, axis=0))), n_init=5, random_state=seed).fit(table)
    order = np.argsort(-np.bincount(model.labels_, minlength=len(model.cluster_centers_)), kind="stable")
    model.cluster_centers_ = np.ascontiguousarray(model.cluster_centers_[order])
    return Clustering(model)


# --- components --------------------------------------------------------------------------------


def _reduction(candidate: CandidateRef, table: np.ndarray, seed: int) -> Reduction:
    model = PCA(svd_solver="covariance_eigh").fit(table)
    ratios = np.nan_to_num(model.explained_variance_ratio_)
    kept = components_for(ratios, candidate.params)
    model.components_, model.n_components_ = model.components_[:kept], kept
    if candidate.name == BASELINE:
        drawn = np.random.default_rng(seed).normal(size=(table.shape[1], kept))
        model.components_ = np.linalg.qr(drawn)[0].T
        ratios = ((table - model.mean_) @ model.components_.T).var(axis=0) / max(table.var(axis=0).sum(), 1e-300)
    model.explained_variance_, model.explained_variance_ratio_ = model.explained_variance_[:kept], ratios[:kept]
    return Reduction(model, tuple(map(float, ratios[:kept])))


def components_for(ratios: np.ndarray, params: dict[str, Any]) -> int:
    """How many components a candidate takes: a fixed number, or as many as explain a share of the variance."""
    fixed = params.get("n_components")
    if fixed is not None:
        return min(int(fixed), len(ratios))
    enough = np.cumsum(ratios) >= float(params["explained"]) - 1e-9
    return int(enough.argmax()) + 1 if enough.any() else len(ratios)


# --- anomalies ---------------------------------------------------------------------------------


def _detection(candidate: CandidateRef, table: np.ndarray, seed: int) -> Detection:
    threshold = 1 - float(candidate.params["contamination"])
    model: Any
    if candidate.name == BASELINE:
        model = None
    elif candidate.name == "isolation_forest":
        trees = int(candidate.params["n_estimators"])
        model = IsolationForest(n_estimators=trees, random_state=seed, n_jobs=1).fit(table)
        exact_sums(model)
    elif candidate.name == "mahalanobis":
        model = LedoitWolf().fit(table)
    else:
        model = _reduction(candidate, table, seed).model
    return Detection(model, Percentiles.fit(raw_scores(model, table)), threshold)


def raw_scores(model: Any, table: np.ndarray) -> np.ndarray:
    """(n,): how strange each row is, in the model's own measure, higher for stranger rows."""
    if model is None:
        return np.zeros(len(table))
    if isinstance(model, IsolationForest):
        return np.asarray(-model.score_samples(table), dtype=np.float64)
    if isinstance(model, LedoitWolf):
        return np.sqrt(np.maximum(np.asarray(model.mahalanobis(table), dtype=np.float64), 0.0))
    left = table - model.inverse_transform(model.transform(table))
    return np.asarray(np.sqrt((left**2).sum(axis=1)), dtype=np.float64)


def exact_sums(model: IsolationForest) -> None:
    """Round in place the path lengths that a forest adds up over its trees."""
    for lengths in (model._average_path_length_per_tree, model._decision_path_lengths):
        for tree in lengths:
            tree[:] = np.round(np.asarray(tree, dtype=np.float64) / _STEP) * _STEP
