"""How good a model probably is where no labels have come yet.

Classification: confidence-based performance estimation (CBPE). What the model says, corrected by how often that came
true on the holdout, is how often it will come true, and so tells the expected outcomes and each metric of them.
Regression: direct loss estimation (DLE). What the model says, or how far it expects to be off where it has an error
scale, tells the expected loss, as the holdout's errors teach it.
Both are NannyML's (https://nannyml.readthedocs.io, How it works: Performance Estimation), here from counts alone.

They hold when the rows have moved (covariate shift) and not when the same row now has another outcome (concept
drift): that only labels can show. Weighting the holdout's rows by how alike they are to production's, which would
follow the shift more closely in theory, made the error on adult_census 1.4 to 1.8 times as large, so it is not done.
"""

from __future__ import annotations

import math

import numpy as np

from tidemill.monitoring.calibration import Calibration, calibrate
from tidemill.monitoring.quality import DRAWS, LEAST_ROWS, Drawn, correction, figures, ranking, two_classes
from tidemill.monitoring_contracts import QualityFigure, Reference, Summary
from tidemill.rules import binned_metrics
from tidemill.rules.output_bins import VALUE

_SEED = 0
#: A class with fewer rows on the holdout has no ranking to be estimated from.
_CLASS_ROWS = 30
#: Rows of a bin that the mean error of all bins counts as.
_MEAN_ROWS = 10
#: Half of a 95% interval, in standard errors.
_REACH = 1.96


def estimated(summary: Summary, reference: Reference) -> tuple[QualityFigure, ...]:
    """The metrics that the predictions of a window will probably turn out to have, the deciding one first.

    The 95% interval is where the real value will be: it holds the luck of the window's outcomes, and how little the
    holdout says. There are none for fewer than `LEAST_ROWS` predictions and for tasks without a target.
    """
    rows = sum(next(iter(summary.outputs.values()), ()))
    if rows < LEAST_ROWS:
        return ()
    if reference.task == "binary":
        drawn = _two_classes(summary, reference)
    elif reference.task == "multiclass":
        drawn = _many_classes(summary, reference)
    elif reference.task == "regression":
        drawn = _values(summary, reference, rows)
    else:
        return ()
    return figures(drawn, reference, "estimated", rows)


# --- classes -----------------------------------------------------------------------------------


def _two_classes(summary: Summary, reference: Reference) -> dict[str, Drawn]:
    generator = np.random.default_rng(_SEED)
    ((name, counts),) = summary.outputs.items()
    rows = np.array(counts)
    learned = _learned(reference.happened[name], reference.outputs[name], reference, generator)
    positives = generator.binomial(rows, learned.draws)
    draws = two_classes(reference, positives, rows - positives)
    expected = rows * learned.expected
    values = two_classes(reference, expected[None], (rows - expected)[None])
    return {metric: Drawn(float(values[metric][0]), draws[metric]) for metric in values}


def _many_classes(summary: Summary, reference: Reference) -> dict[str, Drawn]:
    """One class against all others at a time. The labels' metrics need `chosen`, which older summaries lack."""
    generator = np.random.default_rng(_SEED)
    rows = {name: np.array(summary.outputs[name]) for name in reference.outputs}
    expected, drawn = {}, {}
    for name, counts in rows.items():
        learned = _learned(reference.happened[name], reference.outputs[name], reference, generator)
        expected[name], drawn[name] = (counts * learned.expected)[None], generator.binomial(counts, learned.draws)
    areas = [
        ranking(reference, {name: np.concatenate([one[name], rows[name] - one[name]], axis=1) for name in rows})
        for one in (expected, drawn)
    ]
    losses = [binned_metrics.log_loss(reference.edges, one) for one in (expected, drawn)]
    holdout = binned_metrics.log_loss(reference.edges, {n: np.array(c)[None] for n, c in reference.happened.items()})
    moved = correction("log_loss", reference, float(holdout[0]))
    found = {"log_loss": Drawn(float(losses[0][0]) + moved, losses[1] + moved)}
    if min(sum(counts) for counts in reference.happened.values()) >= _CLASS_ROWS:
        found["roc_auc_ovr"] = Drawn(float(areas[0][0]), areas[1])
    if not summary.chosen:
        return found
    hits, hits_drawn = [], []
    for name in rows:
        counts = np.array(summary.chosen[name])
        learned = _learned(reference.right[name], reference.chosen[name], reference, generator)
        hits.append(counts @ learned.expected)
        hits_drawn.append(generator.binomial(counts, learned.draws).sum(axis=1))
    named = np.array([[sum(summary.chosen[name]) for name in rows]])
    labels, labels_drawn = (
        binned_metrics.of_labels(np.minimum(right, actual), actual, named)
        for right, actual in (
            (np.array([hits]), _per_class(expected)),
            (np.column_stack(hits_drawn), _per_class(drawn)),
        )
    )
    return found | {metric: Drawn(float(labels[metric][0]), labels_drawn[metric]) for metric in labels}


def _learned(
    happened: tuple[int, ...], rows: tuple[int, ...], reference: Reference, generator: np.random.Generator
) -> Calibration:
    said = binned_metrics.middles(reference.edges)
    return calibrate(np.array(happened), np.array(rows), said, DRAWS, generator)


def _per_class(counts: dict[str, np.ndarray]) -> np.ndarray:
    """(draws, classes): rows of each class, from class -> (draws, bins)."""
    return np.column_stack([one.sum(axis=1) for one in counts.values()])


# --- values ------------------------------------------------------------------------------------


def _values(summary: Summary, reference: Reference, rows: int) -> dict[str, Drawn]:
    """Losses grow with what is expected of the rows.

    The relative standard error is that of the holdout, and of the window, which is larger as it has fewer rows, and
    how far the two ways of expecting losses are apart.
    """
    by_value, by_scale = _by_value(summary, reference, rows), _by_scale(summary, reference)
    absolute, squared = by_scale or by_value
    apart = abs(math.log(absolute / by_value[0]))
    generator = np.random.default_rng(_SEED)
    steps = generator.standard_normal(DRAWS)
    found, unsure = {}, {}
    for metric, growth in (("rmse", math.sqrt(squared)), ("mae", absolute), ("median_absolute_error", absolute)):
        known, interval = reference.metrics.get(metric, 0.0), reference.intervals.get(metric)
        if known > 0 and interval is not None:
            luck = (interval[1] - interval[0]) / 2 / _REACH / known * math.sqrt(1 + reference.rows / rows)
            unsure[metric] = math.hypot(luck, apart)
            found[metric] = Drawn(known * growth, known * growth * (1 + unsure[metric] * steps))
    if "rmse" not in found or "r2" not in reference.metrics or reference.metrics["r2"] >= 1:
        return found
    # What happened varies as what is said does, and by errors. Bins tell the former up to a factor.
    mean_square, known_square = found["rmse"].value ** 2, reference.metrics["rmse"] ** 2
    explained = max(known_square / (1 - reference.metrics["r2"]) - known_square, 0.0)
    said, known_said = (_spread(counts.outputs[VALUE], reference) for counts in (summary, reference))
    spread = (explained * said / known_said if known_said > 0 else 0.0) + mean_square
    lost = mean_square / spread
    return found | {"r2": Drawn(1 - lost, 1 - lost * (1 + 2 * unsure["rmse"] * steps))}


def _by_scale(summary: Summary, reference: Reference) -> tuple[float, float] | None:
    """How many times the holdout's mean absolute and mean squared error the model's own error scale expects.

    Training has learned it to tell where errors are large, and kept it only where it does; None without one.
    """
    known = reference.metrics.get("mae", 0.0)
    if reference.scale_factor is None or not summary.scale_rows or not known > 0:
        return None
    grown = reference.scale_factor * summary.scale_total / summary.scale_rows / known
    return grown, grown**2


def _by_value(summary: Summary, reference: Reference, rows: int) -> tuple[float, float]:
    """The same from the values: rows with alike values are expected to have the holdout's errors there."""
    held, shares = np.array(reference.outputs[VALUE]), np.array(summary.outputs[VALUE]) / rows

    def grown(sums: tuple[float, ...]) -> float:
        mean = sum(sums) / reference.rows
        if not mean > 0:
            return 1.0
        return float(shares @ ((np.array(sums) + _MEAN_ROWS * mean) / (held + _MEAN_ROWS))) / mean

    return grown(reference.absolute_errors), grown(reference.squared_errors)


def _spread(counts: tuple[int, ...], reference: Reference) -> float:
    """The variance of values that are counted in bins."""
    values, weights = binned_metrics.middles(reference.edges), np.array(counts)
    mean = np.average(values, weights=weights)
    return float(np.average((values - mean) ** 2, weights=weights))
