"""How good a model is in production where labels have come, from counts and sums alone.

What sums say is exact; rankings come from the bins, corrected by what binning does to them on the holdout. The 95%
intervals are those of a bootstrap over the counts, which resamples rows as far as the counts tell them apart (Efron
and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tidemill.contracts import SUPERVISED
from tidemill.monitoring_contracts import Labelled, QualityFigure, Reference
from tidemill.rules import binned_metrics, output_bins
from tidemill.spec import LOWER_IS_BETTER, METRICS

#: Fewer rows give no figure.
LEAST_ROWS = 30
#: Draws that intervals are made of, and where these end.
DRAWS = 400
_BOUNDS = (2.5, 97.5)
_SEED = 0


@dataclass(frozen=True)
class Drawn:
    """A metric's value, and draws of it, shape (draws,), that may all be off by the same amount."""

    value: float
    draws: np.ndarray


def measured(labelled: Labelled, reference: Reference) -> tuple[QualityFigure, ...]:
    """The metrics of the predictions whose outcome is known, the deciding one first.

    There are none for fewer than `LEAST_ROWS` rows, for rows that were counted without the reference's bins, and for
    tasks without a target. A metric that is not defined, as a ranking of rows of one class, is left out.
    """
    binned = labelled.absolute_errors if reference.task == "regression" else labelled.happened
    if labelled.rows < LEAST_ROWS or reference.task not in SUPERVISED or not binned:
        return ()
    generator = np.random.default_rng(_SEED)
    if reference.task == "regression":
        drawn = _values(labelled, reference, generator)
    elif reference.task == "binary":
        drawn = _two_classes(labelled, reference, generator)
    else:
        drawn = _many_classes(labelled, reference, generator)
    return figures(drawn, reference, "measured", labelled.rows)


def figures(
    drawn: Mapping[str, Drawn], reference: Reference, kind: Literal["measured", "estimated"], rows: int
) -> tuple[QualityFigure, ...]:
    """A figure of each metric that is defined, the deciding one first; its interval is moved to its value."""
    found = []
    for name in sorted(METRICS[reference.task], key=lambda name: name != reference.metric):
        item = drawn.get(name)
        if item is None or not np.isfinite(item.value) or not np.isfinite(item.draws).any():
            continue
        draws = item.draws[np.isfinite(item.draws)]
        low, high = np.percentile(draws, _BOUNDS) + (item.value - np.median(draws))
        least, most = _range(name)
        found.append(
            QualityFigure(
                metric=name,
                kind=kind,
                value=float(np.clip(item.value, least, most)),
                low=float(np.clip(low, least, most)),
                high=float(np.clip(high, least, most)),
                rows=rows,
                reference=reference.metrics.get(name),
            )
        )
    return tuple(found)


def correction(metric: str, reference: Reference, binned: float) -> float:
    """What is added to a metric of bins so that on the holdout it is the known one."""
    known = reference.metrics.get(metric)
    return 0.0 if known is None or not np.isfinite(binned) else known - binned


def _range(metric: str) -> tuple[float, float]:
    if metric == "r2":
        return -np.inf, 1.0
    return 0.0, np.inf if metric in LOWER_IS_BETTER and metric != "brier_score" else 1.0


def _resampled(counts: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """(DRAWS, cells): counts of as many rows drawn from counts of shape (cells,) with replacement."""
    rows = int(counts.sum())
    return generator.multinomial(rows, counts / rows, size=DRAWS)


# --- two classes -------------------------------------------------------------------------------


def _two_classes(labelled: Labelled, reference: Reference, generator: np.random.Generator) -> dict[str, Drawn]:
    ((name, rows),) = labelled.outputs.items()
    positives = np.array(labelled.happened[name])
    counts = np.concatenate([positives, np.array(rows) - positives])
    draws = two_classes(reference, *np.split(_resampled(counts, generator), 2, axis=1))
    values = {
        metric: float(value[0]) for metric, value in two_classes(reference, *np.split(counts[None], 2, 1)).items()
    }
    values |= {
        "log_loss": labelled.log_loss_total / labelled.rows,
        "brier_score": labelled.brier_total / labelled.rows,
    }
    # The labels as they were given: a version that is counted by another one's reference has a threshold of its own.
    confusion = _two_by_two(labelled, name)
    labels, drawn = _of_two_labels(confusion[None]), _of_two_labels(_resampled(confusion, generator))
    found = {metric: Drawn(value, draws[metric]) for metric, value in values.items()}
    return found | {metric: Drawn(float(labels[metric][0]), drawn[metric]) for metric in labels}


def _two_by_two(labelled: Labelled, positive: str) -> np.ndarray:
    """(4,): rows of the positive class called so and called otherwise, then the same of other rows."""
    counts = np.zeros((2, 2), dtype=np.int64)
    for actual, labels in labelled.confusion.items():
        for label, rows in labels.items():
            counts[int(actual != positive), int(label != positive)] += rows
    return counts.ravel()


def _of_two_labels(confusion: np.ndarray) -> dict[str, np.ndarray]:
    """The metrics of labels of a binary task, each (draws,), from (draws, 4) rows as `_two_by_two` has them."""
    hits, actual, predicted = (
        confusion[:, [0, 3]],
        confusion[:, [0, 2]] + confusion[:, [1, 3]],
        confusion[:, [0, 1]] + confusion[:, [2, 3]],
    )
    either = actual[:, 0] + predicted[:, 0]
    f1 = np.divide(2.0 * hits[:, 0], either, out=np.zeros(len(confusion)), where=either > 0)
    found = binned_metrics.of_labels(hits, actual, predicted)
    return {"accuracy": found["accuracy"], "balanced_accuracy": found["balanced_accuracy"], "f1": f1}


def two_classes(reference: Reference, positives: np.ndarray, negatives: np.ndarray) -> dict[str, np.ndarray]:
    """The metrics of a binary task, each of shape (draws,), from (draws, bins) rows of each class.

    Each is corrected by what the bins make of it on the holdout.
    """
    ((name, known),) = reference.outputs.items()
    happened = np.array(reference.happened[name])[None]
    assert reference.threshold is not None, "a binary task has a threshold"
    names = METRICS["binary"]
    found = binned_metrics.binary(names, reference.edges, reference.threshold, positives, negatives)
    holdout = binned_metrics.binary(
        names, reference.edges, reference.threshold, happened, np.array(known)[None] - happened
    )
    return {metric: draws + correction(metric, reference, float(holdout[metric][0])) for metric, draws in found.items()}


# --- many classes ------------------------------------------------------------------------------


def _many_classes(labelled: Labelled, reference: Reference, generator: np.random.Generator) -> dict[str, Drawn]:
    classes = tuple(reference.outputs)
    happened = {name: np.array(labelled.happened[name]) for name in classes}
    others = {name: np.array(labelled.outputs[name]) - happened[name] for name in classes}
    counts = np.array([[labelled.confusion.get(row, {}).get(label, 0) for label in classes] for row in classes])
    labels = _of_confusion(_resampled(counts.ravel(), generator).reshape(-1, len(classes), len(classes)))
    found = {name: Drawn(float(value[0]), labels[name]) for name, value in _of_confusion(counts[None]).items()}
    said = _resampled(np.concatenate(list(happened.values())), generator)
    losses = dict(zip(classes, np.split(said, len(classes), axis=1), strict=True))
    areas = ranking(
        reference,
        {name: _resampled(np.concatenate([happened[name], others[name]]), generator) for name in classes},
    )
    area = ranking(reference, {name: np.concatenate([happened[name], others[name]])[None] for name in classes})
    return found | {
        "log_loss": Drawn(labelled.log_loss_total / labelled.rows, binned_metrics.log_loss(reference.edges, losses)),
        "roc_auc_ovr": Drawn(float(area[0]), areas),
    }


def ranking(reference: Reference, cells: Mapping[str, np.ndarray]) -> np.ndarray:
    """(draws,): `roc_auc_ovr` from class -> (draws, 2 * bins) rows of the class, then of the others, corrected."""

    def area(counts: Mapping[str, np.ndarray]) -> np.ndarray:
        halves = {name: np.split(one, 2, axis=1) for name, one in counts.items()}
        return binned_metrics.roc_auc_ovr(
            reference.edges,
            {name: positives for name, (positives, _) in halves.items()},
            {name: negatives for name, (_, negatives) in halves.items()},
        )

    holdout = {
        name: np.concatenate([happened, np.subtract(reference.outputs[name], happened)])[None]
        for name, happened in reference.happened.items()
    }
    corrected: np.ndarray = area(cells) + correction("roc_auc_ovr", reference, float(area(holdout)[0]))
    return corrected


def _of_confusion(confusion: np.ndarray) -> dict[str, np.ndarray]:
    """The metrics of labels from (draws, actual, label) rows."""
    hits = np.diagonal(confusion, axis1=1, axis2=2)
    return binned_metrics.of_labels(hits, confusion.sum(axis=2), confusion.sum(axis=1))


# --- values ------------------------------------------------------------------------------------


def _values(labelled: Labelled, reference: Reference, generator: np.random.Generator) -> dict[str, Drawn]:
    """The spread of what happened is taken as it is: the interval of r2 is that of the errors."""
    rows = labelled.rows
    edges = output_bins.error_edges(reference.metrics["rmse"])
    sizes = binned_metrics.middles(edges.tolist())
    counts = np.array(labelled.absolute_errors)
    drawn = _resampled(counts, generator)
    squared = labelled.squared_total / rows
    spread = labelled.actual_squares / rows - (labelled.actual_total / rows) ** 2
    squares = drawn @ sizes**2 / rows
    found = {
        "rmse": Drawn(float(np.sqrt(squared)), np.sqrt(squares)),
        "mae": Drawn(labelled.absolute_total / rows, drawn @ sizes / rows),
        "median_absolute_error": Drawn(
            float(binned_metrics.median(edges, counts[None])[0]), binned_metrics.median(edges, drawn)
        ),
    }
    return found | ({"r2": Drawn(1 - squared / spread, 1 - squares / spread)} if spread > 0 else {})
