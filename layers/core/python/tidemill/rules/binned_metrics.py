"""Metrics of outcomes that are known as counts only: rows, and rows of a class, in bins of the output.

Each takes draws, so that intervals are a few numpy calls. Every row of a bin counts with the bin's middle; how far
that is off is known on the holdout, where the metric is known exactly, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from tidemill.rules.metrics import Outcomes, score_resamples

#: Of many classes: what hits, actual and predicted rows of each class say.
LABEL_METRICS = ("accuracy", "balanced_accuracy", "f1_macro")


def middles(edges: Sequence[float]) -> np.ndarray:
    """(bins,): the middle of each bin."""
    ends = np.asarray(edges, dtype=np.float64)
    return (ends[1:] + ends[:-1]) / 2


def binary(
    names: Iterable[str], edges: Sequence[float], threshold: float, positives: np.ndarray, negatives: np.ndarray
) -> dict[str, np.ndarray]:
    """Metrics of a binary task, each of shape (draws,); NaN where one is not defined.

    Parameters
    ----------
    edges
        of the positive class's probability; the threshold is one of them.
    positives, negatives
        (draws, bins): rows of each class.
    """
    said = np.tile(middles(edges), 2)
    happened = np.repeat([1.0, 0.0], len(edges) - 1)
    outcomes = Outcomes(happened, np.column_stack([1 - said, said]), threshold=threshold)
    weights = np.concatenate([positives, negatives], axis=1).astype(np.float64)
    return {name: score_resamples(name, outcomes, weights) for name in names}


def roc_auc_ovr(
    edges: Sequence[float], positives: Mapping[str, np.ndarray], negatives: Mapping[str, np.ndarray]
) -> np.ndarray:
    """(draws,): the mean over the classes of each class's area against all others.

    Parameters
    ----------
    positives, negatives
        class -> (draws, bins): rows of the class and of the others, over the class's own probability.
    """
    areas = [binary(["roc_auc"], edges, 0.5, positives[name], negatives[name])["roc_auc"] for name in positives]
    mean: np.ndarray = np.mean(areas, axis=0)
    return mean


def log_loss(edges: Sequence[float], happened: Mapping[str, np.ndarray]) -> np.ndarray:
    """(draws,): the mean over the rows of minus the logarithm of the probability of what happened.

    Parameters
    ----------
    happened
        class -> (draws, bins): rows of the class over its own probability; each row is in one bin of one class.
    """
    loss = -np.log(middles(edges))
    total = sum(counts @ loss for counts in happened.values())
    rows = sum(counts.sum(axis=1) for counts in happened.values())
    return np.asarray(total / rows)


def of_labels(hits: np.ndarray, actual: np.ndarray, predicted: np.ndarray) -> dict[str, np.ndarray]:
    """`LABEL_METRICS`, each (draws,), from (draws, classes) rows that were right, of the class, and called so."""
    either = actual + predicted
    share = np.divide(hits, actual, out=np.zeros(hits.shape), where=actual > 0)
    f1 = np.divide(2 * hits, either, out=np.zeros(hits.shape), where=either > 0)
    return {
        "accuracy": hits.sum(axis=1) / predicted.sum(axis=1),
        "balanced_accuracy": share.sum(axis=1) / (actual > 0).sum(axis=1),
        "f1_macro": f1.sum(axis=1) / (either > 0).sum(axis=1),
    }


def median(edges: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(draws,): the median of what was counted in bins, (draws, bins), as if spread evenly over the middle one."""
    reached = np.cumsum(counts, axis=1)
    half = reached[:, -1:] / 2
    place = (reached >= half).argmax(axis=1)
    rows = np.arange(len(counts))
    inside = counts[rows, place]
    before = reached[rows, place] - inside
    share = np.divide(half[:, 0] - before, inside, out=np.zeros(len(counts)), where=inside > 0)
    found: np.ndarray = edges[place] + share * (edges[place + 1] - edges[place])
    return found
