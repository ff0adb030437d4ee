"""Candidates that vote together: weights from what each said of rows that it was not fitted on.

Greedy selection with replacement (Caruana et al., Ensemble Selection from Libraries of Models,
2004): the candidate whose vote helps most is added, again and again; how often each was added
is its weight.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

#: Votes that are cast, and candidates that they may go to.
VOTES = 15
MOST_MEMBERS = 5

#: (n,) truth and (n,) mean of what the members say -> what is to be small.
Loss = Callable[[np.ndarray, np.ndarray], float]


def log_loss(_: np.ndarray, said: np.ndarray) -> float:
    """Of the probability that was given to the class that happened."""
    return float(-np.log(np.maximum(said, 1e-15)).mean())


def squared(actual: np.ndarray, said: np.ndarray) -> float:
    """Mean squared error."""
    return float(((actual - said) ** 2).mean())


def absolute(actual: np.ndarray, said: np.ndarray) -> float:
    """Mean absolute error."""
    return float(np.abs(actual - said).mean())


def select(said: Mapping[str, np.ndarray], actual: np.ndarray, loss: Loss) -> dict[str, float]:
    """Weights of the members, which add up to 1; the heaviest first.

    Parameters
    ----------
    said
        candidate -> (n,) out-of-fold values, or probabilities of the class that happened; simplest candidates first.
    actual
        (n,) what happened.
    """
    votes: list[str] = []
    total = np.zeros(len(actual))
    losses: list[float] = []
    for count in range(1, VOTES + 1):
        open_to = said if len(set(votes)) < MOST_MEMBERS else set(votes)
        tried = {name: loss(actual, (total + said[name]) / count) for name in said if name in open_to}
        best = min(tried, key=tried.__getitem__)
        votes.append(best)
        total = total + said[best]
        losses.append(tried[best])
    kept = votes[: int(np.argmin(losses)) + 1]
    counts = {name: kept.count(name) for name in said if name in kept}
    return {name: counts[name] / len(kept) for name in sorted(counts, key=lambda name: -counts[name])}


def blend(predictions: Mapping[str, np.ndarray], weights: Mapping[str, float]) -> np.ndarray:
    """The weighted mean of the members' predictions, each of shape (n,) or (n, classes)."""
    mean: np.ndarray = np.sum([weight * predictions[name] for name, weight in weights.items()], axis=0)
    return mean
