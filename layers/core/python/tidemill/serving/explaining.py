"""Why a prediction is what it is: what each input adds to the score, compared with usual rows.

Shapley values by sampling (Strumbelj and Kononenko, Explaining prediction models and
individual predictions with feature contributions, 2014): a usual row is turned into the
row in question one input at a time, in a random order, and what the score moves by is that
input's. Each walk goes through an order and back through it (Mitchell et al., Sampling
Permutations for Shapley Value Estimation, 2022). Nothing is asked of the model but
predictions, and the contributions add up to the score exactly, whatever the number of walks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tidemill.errors import InputRefused
from tidemill.serving.scoring import Model, Prediction

#: Predictions that explaining one row may take; what a function answers well within 100 ms.
MOST_PREDICTIONS = 2_000
#: Rows that one call may ask about.
MOST_ROWS = 20


@dataclass(frozen=True)
class Explanation:
    """One row's score taken apart: `base` and the contributions add up to it."""

    score: float
    base: float  #: mean score of the background
    contributions: dict[str, float]  #: by input, the largest first
    of: str = ""  #: the class whose probability the score is; empty when it is the predicted value


class Explainer:
    """Explains one model's predictions against its background rows.

    Parameters
    ----------
    background
        encoded columns of rows as they usually are, each of shape (m,): a sample of the training rows.
    seed
        of the orders in which inputs are taken.
    """

    def __init__(self, model: Model, background: dict[str, np.ndarray], seed: int = 0) -> None:
        self._model = model
        self._inputs = tuple(model.encoder.encoded_names.items())
        count = len(self._inputs)
        rows = len(next(iter(background.values())))
        pairs = max(1, min(rows, MOST_PREDICTIONS // (2 * (count + 1))))
        self._background = {name: values[:pairs] for name, values in background.items()}
        random = np.random.default_rng(seed)
        orders = [random.permutation(count) for _ in range(pairs)]
        #: (pairs, 2, steps, inputs): whether an input has the row's value at a step of a walk, there and back.
        self._taken = np.array([[_steps(order), _steps(order[::-1])] for order in orders])
        self._orders = np.array([[order, order[::-1]] for order in orders])

    def explain(self, encoded: dict[str, np.ndarray]) -> list[Explanation]:
        """Explain each of n rows.

        Parameters
        ----------
        encoded
            the model's encoded columns, each of shape (n,).

        Raises
        ------
        InputRefused
            there are too many rows, or the model gives no single score.
        """
        rows = len(next(iter(encoded.values())))
        if rows > MOST_ROWS:
            raise InputRefused(
                f"there are {rows:,} rows, and at most {MOST_ROWS} are explained in one call: send fewer"
            )
        predicted = self._model.predict(encoded)
        return [
            self._explained({name: values[row] for name, values in encoded.items()}, self._code(predicted, row))
            for row in range(rows)
        ]

    def _code(self, predicted: Prediction, row: int) -> int | None:
        """Index of the class whose probability is explained; None when it is the value."""
        signature = self._model.signature
        if predicted.probabilities is None or predicted.labels is None:
            if predicted.values is None:
                raise InputRefused(f"{signature.model} gives components, not one score: there is nothing to explain")
            return None
        return signature.classes.index(signature.positive_class or str(predicted.labels[row]))

    def _explained(self, row: dict[str, Any], code: int | None) -> Explanation:
        pairs, ways, steps, count = self._taken.shape
        walked = {}
        for index, (_, names) in enumerate(self._inputs):
            taken = self._taken[:, :, :, index]
            for name in names:
                usual = self._background[name][:, None, None]
                walked[name] = np.where(taken, row[name], usual).astype(usual.dtype).ravel()
        predicted = self._model.predict(walked)
        scores = predicted.values if code is None else predicted.probabilities[:, code]  # type: ignore[index]
        assert scores is not None
        walks = scores.reshape(pairs, ways, steps)
        moved = np.zeros(count)
        np.add.at(moved, self._orders.ravel(), np.diff(walks, axis=2).ravel())
        moved /= pairs * ways
        order = np.argsort(-np.abs(moved), kind="stable")
        return Explanation(
            score=float(walks[0, 0, -1]),
            base=float(walks[:, :, 0].mean()),
            contributions={self._inputs[index][0]: float(moved[index]) for index in order},
            of="" if code is None else self._model.signature.classes[code],
        )


def _steps(order: np.ndarray) -> np.ndarray:
    """(inputs + 1, inputs) bool: the inputs taken after each step of an order, none at first and all at the end."""
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    taken: np.ndarray = place[None, :] < np.arange(len(order) + 1)[:, None]
    return taken
