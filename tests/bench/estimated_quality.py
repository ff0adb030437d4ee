"""Quality without labels: what is estimated of windows under covariate shift, against what it turned out to be.

Prints, for each table, the mean absolute error of the estimate over windows resampled by single columns in several
strengths, beside that of believing the holdout; the share of 95% intervals that held the real value; and the time.
The bar: at most 0.02 for the AUC on adult_census. tests/bench/estimated_quality.py [TABLE ...]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from quality import TABLES, prepared

from tidemill.contracts import Signature
from tidemill.learning import evaluation, fitting, refitting
from tidemill.learning.evaluation import Trained
from tidemill.learning.rows import Rows, outcomes
from tidemill.monitoring import reference
from tidemill.monitoring.estimation import estimated
from tidemill.monitoring_contracts import Reference, Summary
from tidemill.rules import output_bins
from tidemill.rules.metrics import score
from tidemill.serving.scoring import Model, Prediction
from tidemill.spec import Holdout, Spec

#: How strongly a window prefers rows with large values of a column: exp(strength * standard score).
STRENGTHS = (-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0)
DRAWS = 3
#: Share of the rows that the model is not trained on which become its holdout; the others are production. How lucky a
#: holdout was is the same for all its windows, so there are several.
HELD = 0.25
HOLDOUTS = 3


@dataclass(frozen=True)
class Case:
    """A table, the columns that production is shifted by, and the rows of a window."""

    table: str
    target: str
    by: tuple[str, ...]
    rows: int
    bar: float | None = None


CASES = (
    Case("adult_census", "income", ("age", "hours-per-week", "educational-num"), 2000, 0.02),
    Case("telco_churn", "Churn", ("tenure", "MonthlyCharges"), 1000),
    Case("wine_white", "quality", ("alcohol", "density", "volatile acidity"), 500),
    Case("california_housing", "median_house_value", ("median_income", "housing_median_age", "latitude"), 1000),
    Case("bike_hour", "cnt", ("hr", "temp", "hum"), 1000),
)


@dataclass(frozen=True)
class Production:
    """A model with its reference, and rows that neither has seen, with what the model says of them."""

    signature: Signature
    reference: Reference
    rows: Rows
    said: Prediction


def productions(case: Case, holdouts: int = HOLDOUTS) -> list[Production]:
    """Train on half of the table; hold out a part of the rest, in several ways, and leave the others for production."""
    spec = Spec(target=case.target, candidates=("baseline", "linear", "boosting"), holdout=Holdout(fraction=0.5))
    _, _, ready = prepared(TABLES / f"{case.table}.csv", spec)
    plan, unseen = ready.plan, ready.holdout
    tried = [fitting.cross_validate(one, plan, ready.train, time.perf_counter) for one in plan.prepared().candidates]
    found = {one.result.name: one.out_of_fold for one in tried if one.out_of_fold}
    scores = [fitting.score_of(one.result, plan.metric) for one in tried]
    refit = refitting.refit(plan, ready.train, unseen, scores, found)
    model, baseline = (Model.load(onnx, refit.signature) for onnx in (refit.onnx, refit.baseline_onnx))
    made = []
    for number in range(holdouts):
        order = np.random.default_rng(number).permutation(len(unseen))
        held, later = (_some(unseen, np.sort(part)) for part in np.split(order, [int(len(order) * HELD)]))
        said = model.predict(held.columns)
        judged = evaluation.evaluate(spec, held, Trained(refit.fit, model, baseline, said), None)
        known, _ = reference.build(judged, refit.signature, held.columns, held.target, said, trained_at="", seed=0)
        made.append(Production(refit.signature, known, later, model.predict(later.columns)))
    return made


def windows(case: Case, rows: Rows, draws: int) -> Iterator[np.ndarray]:
    """Rows drawn without replacement, those with large (or small) values of a column rather than others."""
    generator = np.random.default_rng(0)
    for name in case.by:
        values = rows.columns[name].astype(np.float64)
        standard = np.nan_to_num((values - np.nanmean(values)) / np.nanstd(values))
        for strength in STRENGTHS:
            for _ in range(draws):
                # The largest sums with Gumbel noise are such a sample (Yellott, 1977).
                drawn = strength * standard + generator.gumbel(size=len(standard))
                yield np.sort(np.argsort(-drawn)[: case.rows])


def summary(made: Production, index: np.ndarray) -> Summary:
    """The outputs of a window as `summarize` counts them."""
    said = _part(made.said, index)
    outputs = reference.outputs_of(said, made.signature)
    return Summary(
        model="bench",
        version=1,
        start="",
        end="",
        rows=len(index),
        outputs={name: output_bins.count(values, made.reference.edges) for name, values in outputs.items()},
        chosen=reference.chosen_of(said, made.signature, made.reference.edges),
        scale_total=0.0 if said.scale is None else float(said.scale.sum()),
        scale_rows=0 if said.scale is None else len(index),
    )


def real(made: Production, index: np.ndarray, metric: str) -> float:
    """What the metric turned out to be in a window."""
    happened = outcomes(_some(made.rows, index), _part(made.said, index), made.signature)
    return score([metric], happened)[metric]


@dataclass(frozen=True)
class Result:
    """How far one metric's estimates were off, over all windows in which it is defined."""

    metric: str
    error: float  #: mean absolute, of a classification; relative, of a regression
    holdout_error: float  #: the same when the holdout's value is taken
    bias: float
    covered: float  #: share of windows whose real value is in the interval
    least: float  #: of the real values
    most: float
    seconds: float  #: of one window's estimates


def results(case: Case, every: list[Production], draws: int = DRAWS) -> list[Result]:
    """Estimate and compare."""
    rows: dict[str, list[tuple[float, float, float, float, float]]] = {}
    spent, times = 0.0, 0
    for made in every:
        for index in windows(case, made.rows, draws):
            counted = summary(made, index)
            began = time.perf_counter()
            figures = estimated(counted, made.reference)
            spent, times = spent + time.perf_counter() - began, times + 1
            for figure in figures:
                value = real(made, index, figure.metric)
                known = made.reference.metrics.get(figure.metric, float("nan"))
                rows.setdefault(figure.metric, []).append((figure.value, value, known, figure.low, figure.high))
    task = every[0].signature.task
    found = []
    for metric, listed in rows.items():
        values = np.array(listed)
        defined = ~np.isnan(values[:, 1])
        if not defined.any():  # a window without rows of a rare class has no ranking of it
            continue
        said, happened, known, low, high = values[defined].T
        size = np.abs(happened) if task == "regression" and metric != "r2" else 1.0
        found.append(
            Result(
                metric,
                float(np.mean(np.abs(said - happened) / size)),
                float(np.mean(np.abs(known - happened) / size)),
                float(np.mean((said - happened) / size)),
                float(np.mean((low <= happened) & (happened <= high))),
                float(happened.min()),
                float(happened.max()),
                spent / times,
            )
        )
    return found


def main(names: list[str]) -> None:
    """Print each table's figures, the deciding metric first."""
    for case in CASES:
        if names and case.table not in names:
            continue
        every = productions(case)
        found = results(case, every)
        known = every[0].reference
        kind = "relative" if known.task == "regression" else "absolute"
        print(
            f"{case.table}: {len(STRENGTHS) * DRAWS * len(case.by) * len(every)} windows of {case.rows:,} rows, "
            f"{len(every)} holdouts of {known.rows:,}, {1000 * found[0].seconds:.0f} ms a window; mean {kind} errors:"
        )
        for item in found:
            bar = ""
            if case.bar is not None and item.metric == known.metric:
                bar = f"; bar {case.bar:g} {'reached' if item.error <= case.bar else 'MISSED'}"
            print(
                f"    {item.metric:22} {item.error:.4f} (bias {item.bias:+.4f}; taking the holdout's value: "
                f"{item.holdout_error:.4f}), intervals held {item.covered:.0%}, "
                f"real {item.least:.5g} to {item.most:.5g}{bar}"
            )
        sys.stdout.flush()


def _some(rows: Rows, index: np.ndarray) -> Rows:
    return Rows({name: values[index] for name, values in rows.columns.items()}, rows.target[index])


def _part(said: Prediction, index: np.ndarray) -> Prediction:
    return Prediction(**{name: values[index] for name, values in vars(said).items() if isinstance(values, np.ndarray)})


if __name__ == "__main__":
    main(sys.argv[1:])
