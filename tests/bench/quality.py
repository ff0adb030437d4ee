"""Quality on real tables: every bar, and what the default search reaches: tests/bench/quality.py [TABLE ...]

Goes from the uploaded file through the domain functions of validate, prepare, train and
evaluate, in one process; needs the tables in ../shared/data. Each table's line says the value
on the holdout with its 95% interval, the mean of the folds, the bar, and on the same rows: the
baseline, the plain linear model, and scikit-learn's HistGradientBoosting as it comes out of the
box with ordinal categories. Seconds are processor time of all fits, one after the other.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tidemill.contracts import CandidateRef, CandidateResult, Evaluation, StageUsage, Validated
from tidemill.data import parquet, validation
from tidemill.learning import candidates, evaluation, fitting, judging, preparation, refitting
from tidemill.learning.evaluation import Trained
from tidemill.learning.out_of_fold import OutOfFold
from tidemill.learning.preparation import Preparation
from tidemill.learning.refit import Refit
from tidemill.learning.rows import Rows, load_prediction, save_prediction
from tidemill.rules import metrics, prices
from tidemill.serving.scoring import Model
from tidemill.spec import LOWER_IS_BETTER, Spec

TABLES = Path(__file__).parents[2].parent / "shared" / "data"


@dataclass(frozen=True)
class Bar:
    """A table, what is asked of it, and the metric that must reach a bound on the holdout or in the mean of the folds.

    Without a bound the model must be no worse than the baseline and the plain linear model.
    """

    table: str
    spec: Spec
    metric: str = ""
    bound: float = 0.0

    def reached(self, *values: float) -> bool:
        """Whether one of the values is as good as the bound."""
        best = min(values) if self.metric in LOWER_IS_BETTER else max(values)
        return best <= self.bound if self.metric in LOWER_IS_BETTER else best >= self.bound


BARS = (
    Bar("telco_churn", Spec(target="Churn"), "roc_auc", 0.847),
    Bar("german_credit_nohdr", Spec(task="binary"), "roc_auc", 0.795),
    Bar("auto_mpg", Spec(target="mpg"), "rmse", 2.8),
    Bar("adult_census", Spec(target="income"), "roc_auc", 0.929),
    Bar("california_housing", Spec(target="median_house_value"), "rmse", 45_500),
    Bar("bike_hour", Spec(target="cnt"), "rmse", 41),
)
#: Tables without a bar of their own.
OTHERS = (
    Bar("penguins", Spec(target="species")),
    Bar("wine_red", Spec(target="quality")),
    Bar("wine_white", Spec(target="quality")),
    Bar("titanic_full", Spec(target="survived")),
    Bar("pima_diabetes", Spec(target="Outcome")),
    Bar("bike_day", Spec(target="cnt")),
    Bar("german_credit_drift1", Spec(target="label")),
    Bar("occupancy_train", Spec(target="Occupancy")),
    Bar("nyc_taxi_trips", Spec(target="fare")),
    Bar("sms_spam", Spec(target="type")),
    Bar("messy_superstore", Spec(target="Sales")),
)


@dataclass(frozen=True)
class Trial:
    """What one table went through."""

    validated: Validated
    leaks: tuple[str, ...]
    preparation: Preparation
    results: tuple[CandidateResult, ...]  #: the last one of each candidate, and the ensemble's when there is one
    refit: Refit
    evaluation: Evaluation
    fits: int  #: invocations of the train function
    seconds: float  #: of all of them

    @property
    def onnx(self) -> bytes:
        """The model."""
        return self.refit.onnx

    @property
    def mean(self) -> float:
        """The chosen model's mean of the deciding metric over the folds."""
        (chosen,) = (result for result in self.results if result.name == self.evaluation.candidate)
        return chosen.cv[self.evaluation.metric].mean

    @property
    def usd(self) -> float:
        """About what the search and the refit cost on AWS, at list prices."""
        usage = StageUsage(self.fits, self.seconds, 3008, "arm64", self.fits + 4, 3 * self.fits, 2 * self.fits)
        return prices.price(usage).usd


def prepared(file: Path, spec: Spec) -> tuple[Validated, tuple[str, ...], Preparation]:
    """Validate and prepare an uploaded file; also the columns that were left out as leaks."""
    with tempfile.TemporaryDirectory() as work:
        data = file.read_bytes()
        outcome = validation.validate(
            lambda path: path.write_bytes(data) and None, len(data), file.name, spec, None, Path(work), 1 << 30
        )
        validated, profile = outcome.accepted_or_refused()
        types = preparation.needed(profile, validated.target, spec.sensitive)
        raw = parquet.load_columns(Path(work) / validation.TABLE, list(types), types)
        leaks = tuple(column.name for column in profile.columns if column.role == "leak")
        return validated, leaks, preparation.prepare("trial", spec, profile, validated, raw)


def search(file: Path, spec: Spec, clock: Callable[[], float] = time.perf_counter) -> Trial:
    """From an uploaded file to an evaluated model."""
    validated, leaks, ready = prepared(file, spec)
    plan = ready.plan
    began = clock()
    results: dict[str, CandidateResult] = {}
    found: dict[str, OutOfFold] = {}
    first, fits = plan.prepared(), 1
    refs, number, fraction = first.candidates, first.number, first.fraction
    while refs:
        made = [fitting.cross_validate(one, plan, ready.train, clock, number, fraction) for one in refs]
        fits += len(made)
        results |= {one.result.name: one.result for one in made}
        found = {one.result.name: one.out_of_fold for one in made if one.out_of_fold}
        scores = [fitting.score_of(one.result, plan.metric) for one in made]
        following = candidates.narrow(plan, scores)
        refs, number, fraction = following.candidates, following.number, following.fraction
    refit = refitting.refit(plan, ready.train, ready.holdout, scores, found)
    seconds = clock() - began
    trained = Trained(
        refit.fit,
        Model.load(refit.onnx, refit.signature),
        Model.load(refit.baseline_onnx, refit.signature),
        load_prediction(save_prediction(refit.reference)),
    )
    judged = evaluation.evaluate(spec, ready.holdout, trained, None)
    every = (*results.values(), *([refit.ensemble] if refit.ensemble else []))
    return Trial(validated, leaks, ready, every, refit, judged, fits, seconds)


def linear(ready: Preparation, metric: str) -> float:
    """A plain linear model on the holdout."""
    plan, rows = ready.plan, ready.train
    params = candidates.parameters(candidates.LINEAR, plan.task, len(rows), len(plan.classes))
    made, table = fitting.features(plan, rows, np.ones(len(rows), dtype=bool), "linear")
    model = fitting.fit(CandidateRef(candidates.LINEAR, params), plan, table, rows.target)
    said = fitting.predict(model, plan, made.matrix(ready.holdout.columns))
    return metrics.score([metric], judging.outcomes(plan, ready.holdout.target, said))[metric]


def out_of_the_box(ready: Preparation, metric: str) -> tuple[float, float]:
    """HistGradientBoosting with its defaults and ordinal categories on the same rows: holdout, mean of the folds."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    plan, rows = ready.plan, ready.train
    numbers = [name for name, values in rows.columns.items() if values.dtype == np.float32]
    levels = {name: np.unique(values.astype(str)) for name, values in rows.columns.items() if name not in numbers}

    def table(columns: dict[str, np.ndarray]) -> np.ndarray:
        ordinal = [np.searchsorted(levels[name], columns[name].astype(str)) for name in levels]
        return np.column_stack([*(columns[name] for name in numbers), *ordinal]).astype(np.float64)

    def scored(learned: Rows, tested: Rows) -> float:
        kind = HistGradientBoostingClassifier if plan.classes else HistGradientBoostingRegressor
        model = kind(random_state=0).fit(table(learned.columns), learned.target)
        if plan.classes:
            said = np.zeros((len(tested), len(plan.classes)))
            said[:, model.classes_.astype(int)] = model.predict_proba(table(tested.columns))
        else:
            said = model.predict(table(tested.columns))
        return metrics.score([metric], judging.outcomes(plan, tested.target, said))[metric]

    def some(mask: np.ndarray) -> Rows:
        return Rows({name: values[mask] for name, values in rows.columns.items()}, rows.target[mask])

    assert rows.folds is not None
    drawn = [scored(some(rows.folds != fold), some(rows.folds == fold)) for fold in np.unique(rows.folds)]
    return scored(rows, ready.holdout), float(np.mean(drawn))


def main(names: list[str]) -> None:
    """Print each table's result and whether its bar is reached."""
    for bar in (*BARS, *OTHERS):
        if names and bar.table not in names:
            continue
        trial = search(TABLES / f"{bar.table}.csv", bar.spec, time.process_time)
        judged, fit = trial.evaluation, trial.refit.fit
        metric = judged.metric
        shown = judged.holdout[metric]
        plain, (box, box_mean) = linear(trial.preparation, metric), out_of_the_box(trial.preparation, metric)
        reached = bar.reached(shown.value, trial.mean)
        if not bar.metric:
            mean = next(result.cv[metric].mean for result in trial.results if result.name == candidates.LINEAR)
            bar = replace(bar, metric=metric, bound=plain)
            reached = bar.reached(shown.value) or metrics.improvement(metric, trial.mean, mean) >= 0
        print(
            f"{bar.table}: {metric} {shown.value:.5g} [{shown.low:.5g}, {shown.high:.5g}] on {judged.rows:,} rows, "
            f"{trial.mean:.5g} over the folds; bar {bar.bound:.5g} "
            f"{'reached' if reached else 'MISSED'}; "
            f"baseline {judged.baseline[metric]:.5g}, linear {plain:.5g}, "
            f"out of the box {box:.5g} ({box_mean:.5g} over the folds)\n"
            f"    {judged.candidate} {[f'{one.name} {one.weight:.2f}' for one in fit.members]}, "
            f"{len(trial.onnx):,} bytes, parity {judged.parity.max_difference:.1e}, labels equal "
            f"{judged.parity.labels_equal}, leaks {list(trial.leaks)}, {trial.seconds:.1f} s in {trial.fits} fits, "
            f"about {trial.usd:.4f} USD"
        )
        for sentence in fit.decisions:
            print(f"    {sentence}")
        for result in sorted(trial.results, key=lambda result: (-result.round, result.name)):
            spread = result.cv.get(metric)
            mean = f"{spread.mean:.5g} +- {spread.std:.2g}" if spread else result.error
            print(f"      {result.name:16}{mean:26}{result.rows:>7} rows {result.seconds:6.1f} s")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
