"""All features together: whether a classifier can tell a window's rows from the reference's.

Where it cannot, its AUC on rows that it was not fitted on is 0.5; the better it can, the less of the window is what the
model was made for. It sees what no feature shows alone: numbers that no longer go together. (Rabanser, Günnemann and
Lipton, Failing Loudly, 2019, compare this with tests of single features.)

The classifier is a ridge logistic regression on levels and ranks, in numpy, because scikit-learn does not fit where
production is watched: ranks show that numbers are greater or wider spread, their products that they go together.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tidemill.contracts import InputField, Signature
from tidemill.errors import InputRefused
from tidemill.monitoring.reference import ReferenceRows
from tidemill.monitoring_contracts import Reference, SampledRow
from tidemill.rules import significance
from tidemill.serving.features import encode
from tidemill.serving.missing_values import MissingValues

#: Fewer rows on one side tell nothing.
MIN_ROWS = 100
FOLDS = 5
#: The most important features are looked at, so that time is bounded.
MOST_FEATURES, MOST_PAIRED = 30, 6
#: Levels of a category; all others are one more.
LEVELS = 8
#: Ridge penalty of each coefficient: rows are few.
PENALTY = 20.0
ITERATIONS = 12


@dataclass(frozen=True)
class Domain:
    """How well production and reference are told apart."""

    auc: float  #: cross-fitted; 0.5: not at all
    low: float  #: lower bound that chance alone stays below as often as asked for
    rows: int  #: of the window


def compare(
    sample: Sequence[SampledRow],
    rows: ReferenceRows,
    signature: Signature,
    reference: Reference | None,
    *,
    false_alarms: float,
) -> Domain | None:
    """Tell a window's sample from the holdout's rows; None when either has fewer than 100, or no column does.

    Dates and free text are left out: time moves on, and texts differ by nature.

    Parameters
    ----------
    false_alarms
        how often `low` may be above 0.5 when both are of one distribution.
    """
    if min(len(sample), len(rows)) < MIN_ROWS:
        return None
    fields = _chosen(signature, rows, reference)
    production = encoded(sample, fields, signature)
    columns = {field.name: np.concatenate([rows.columns[field.name], production[field.name]]) for field in fields}
    made = design(fields, columns)
    if not made.shape[1]:
        return None
    label = np.repeat([0.0, 1.0], [len(rows), len(sample)])
    folds = _folds(label)
    areas, variances = [], []
    for fold in range(FOLDS):
        test = folds == fold
        weights = logistic(made[~test], label[~test])
        scores = made[test] @ weights[1:]
        area, variance = auc(scores[label[test] == 1], scores[label[test] == 0])
        areas.append(area)
        variances.append(variance)
    area = float(np.mean(areas))
    # The folds' classifiers share most of their rows, so that their mean varies more than that of independent ones:
    # by 1 / folds + rows tested / rows fitted in place of 1 / folds (Nadeau and Bengio, Inference for the
    # generalization error, 2003).
    error = math.sqrt(float(np.mean(variances)) * (1 / FOLDS + 1 / (FOLDS - 1)))
    return Domain(round(area, 6), round(area - significance.quantile(false_alarms) * error, 6), len(sample))


def encoded(sample: Sequence[SampledRow], fields: Sequence[InputField], signature: Signature) -> dict[str, np.ndarray]:
    """Captured inputs as the graph takes them, one array of shape (n,) or several of a date for each field.

    As in serving, but that a value that cannot be read is missing.
    """
    raw = {field.name: [row.inputs.get(field.name) for row in sample] for field in fields}
    clean = MissingValues(signature.missing_values, signature.real_values).taken_out(raw)
    found: dict[str, np.ndarray] = {}
    for field in fields:
        lenient = InputField(field.name, field.type, required=False)
        try:
            found |= encode([lenient], {field.name: clean[field.name]})
        except InputRefused:
            found |= encode([lenient], {field.name: [_readable(lenient, value) for value in clean[field.name]]})
    return found


def _readable(field: InputField, value: Any) -> Any:
    """The value, or None when it is not of the field's type."""
    try:
        encode([field], {field.name: [value]})
    except InputRefused:
        return None
    return value


def _chosen(signature: Signature, rows: ReferenceRows, reference: Reference | None) -> list[InputField]:
    """The features that are looked at, the most important ones first."""
    known = reference.importance if reference is not None else {}
    usable = [field for field in signature.inputs if field.type not in ("date", "text") and field.name in rows.columns]
    return sorted(usable, key=lambda field: -known.get(field.name, 0.0))[:MOST_FEATURES]


# --- the classifier's view of the rows ---------------------------------------------------------


def design(fields: Sequence[InputField], columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """(n, width) float64: ranks of numbers and their squares, levels of categories, products of the first few numbers.

    Made from all rows together, without regard to where they come from; a column that is the same in all gives nothing.
    """
    parts: list[np.ndarray] = []
    numbers: list[np.ndarray] = []
    for field in fields:
        values = columns[field.name]
        if values.dtype == object:
            parts.append(_one_hot(_levels(values)))
        else:
            ranks = _ranked(values)
            parts += [ranks[:, None], ranks[:, None] ** 2, np.isnan(values)[:, None].astype(np.float64)]
            numbers.append(ranks)
    parts += [(one * other)[:, None] for one, other in itertools.combinations(numbers[:MOST_PAIRED], 2)]
    made = np.concatenate(parts, axis=1) if parts else np.zeros((1, 0))
    made = made - made.mean(axis=0)
    told: np.ndarray = made[:, np.abs(made).max(axis=0, initial=0.0) > 0]
    return told


def _levels(values: np.ndarray) -> np.ndarray:
    """(n,) codes: the most frequent levels, then all others."""
    names, codes, counts = np.unique(values.astype(str), return_inverse=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    place = np.empty(len(names), dtype=np.int64)
    place[order] = np.minimum(np.arange(len(names)), LEVELS)
    found: np.ndarray = place[codes]
    return found


def _one_hot(codes: np.ndarray) -> np.ndarray:
    """(n, codes - 1): the first code is told by the absence of all others."""
    present = np.unique(codes)
    made: np.ndarray = (codes[:, None] == present[None, 1:]).astype(np.float64)
    return made


def _ranked(values: np.ndarray) -> np.ndarray:
    """(n,): ranks from -1.7 to 1.7, of unit variance, so that no outlier rules a product; missing is the middle."""
    known = ~np.isnan(values)
    ranks = np.zeros(len(values))
    if known.any():
        _, codes, counts = np.unique(values[known], return_inverse=True, return_counts=True)
        middle = np.cumsum(counts) - (counts + 1) / 2
        ranks[known] = (middle[codes] / max(len(codes) - 1, 1) - 0.5) * math.sqrt(12)
    return ranks


def _folds(label: np.ndarray) -> np.ndarray:
    """(n,) number of each row's fold; each fold has its share of both sides. The same for the same sizes."""
    rng = np.random.default_rng(len(label))
    folds = np.empty(len(label), dtype=np.int64)
    for side in (0.0, 1.0):
        places = np.flatnonzero(label == side)
        folds[rng.permutation(places)] = np.arange(len(places)) % FOLDS
    return folds


# --- the classifier ----------------------------------------------------------------------------


def logistic(features: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Coefficients of a ridge logistic regression, shape (1 + width,), the intercept first.

    By iteratively reweighted least squares (Hastie, Tibshirani and Friedman, The Elements of Statistical Learning,
    4.4.1), which the penalty keeps from diverging when the sides can be told apart completely.
    """
    table = np.column_stack([np.ones(len(label)), features])
    ridge = np.full(table.shape[1], PENALTY)
    ridge[0] = 1e-9
    share = label.mean()
    weights = np.zeros(table.shape[1])
    weights[0] = math.log(share / (1 - share))
    for _ in range(ITERATIONS):
        chance = 1 / (1 + np.exp(-np.clip(table @ weights, -30, 30)))
        gradient = table.T @ (label - chance) - ridge * weights
        curvature = (table * (chance * (1 - chance))[:, None]).T @ table + np.diag(ridge)
        step = np.linalg.solve(curvature, gradient)
        weights = weights + step
        if float(np.abs(step).max()) < 1e-3:
            break
    return weights


def auc(positive: np.ndarray, negative: np.ndarray) -> tuple[float, float]:
    """Area under the ROC curve of scores, and its variance.

    DeLong's, by ranks (Sun and Xu, Fast implementation of DeLong's algorithm, 2014).
    """
    more, rest = len(positive), len(negative)
    both = _middle_ranks(np.concatenate([positive, negative]))
    of_positive = (both[:more] - _middle_ranks(positive)) / rest
    of_negative = 1 - (both[more:] - _middle_ranks(negative)) / more
    area = float(of_positive.mean())
    return area, float(of_positive.var(ddof=1) / more + of_negative.var(ddof=1) / rest)


def _middle_ranks(values: np.ndarray) -> np.ndarray:
    _, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    found: np.ndarray = (ends - (counts - 1) / 2)[codes]
    return found
