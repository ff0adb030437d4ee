"""Quality on real tables: every bar, and what the default search reaches: tests/bench/quality.py [TABLE ...]

Goes from the uploaded file through the domain functions of validate, prepare, train and
evaluate, in one process; needs the tables in ../shared/data.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tidemill.contracts import CandidateResult, Evaluation, Validated
from tidemill.data import parquet, validation
from tidemill.learning import evaluation, fitting, preparation, refitting
from tidemill.learning.evaluation import Trained
from tidemill.learning.preparation import Preparation
from tidemill.learning.rows import load_prediction, save_prediction
from tidemill.serving.scoring import Model
from tidemill.spec import Spec

TABLES = Path(__file__).parents[2].parent / "shared" / "data"


@dataclass(frozen=True)
class Bar:
    """A table, what is asked of it, and the metric that must reach a bound on the holdout."""

    table: str
    spec: Spec
    metric: str = ""
    bound: float = 0.0
    lower_is_better: bool = False

    def reached(self, value: float) -> bool:
        """Whether the value is as good as the bound."""
        return value <= self.bound if self.lower_is_better else value >= self.bound


BARS = (
    Bar("telco_churn", Spec(target="Churn"), "roc_auc", 0.84),
    Bar("adult_census", Spec(target="income"), "roc_auc", 0.926),
    Bar("california_housing", Spec(target="median_house_value"), "rmse", 49_000, lower_is_better=True),
    Bar("bike_hour", Spec(target="cnt"), "r2", 0.93),
)
#: Tables without a bar that must run through all the same.
OTHERS = (
    Bar("penguins", Spec(target="species")),
    Bar("wine_red", Spec(target="quality")),
    Bar("german_credit_nohdr", Spec()),
    Bar("titanic_full", Spec(target="survived")),
    Bar("auto_mpg", Spec(target="mpg")),
    Bar("pima_diabetes", Spec(target="Outcome")),
)


@dataclass(frozen=True)
class Trial:
    """What one table went through."""

    validated: Validated
    leaks: tuple[str, ...]
    preparation: Preparation
    results: tuple[CandidateResult, ...]
    evaluation: Evaluation
    onnx: bytes


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
    results = tuple(fitting.cross_validate(one, plan, ready.train, clock) for one in plan.candidates)
    scores = [fitting.score_of(result, plan.metric) for result in results]
    refit = refitting.refit(plan, ready.train, ready.holdout, scores)
    trained = Trained(
        refit.fit,
        Model.load(refit.onnx, refit.signature),
        Model.load(refit.baseline_onnx, refit.signature),
        load_prediction(save_prediction(refit.reference)),
    )
    judged = evaluation.evaluate(spec, ready.holdout, trained, None)
    return Trial(validated, leaks, ready, results, judged, refit.onnx)


def main(names: list[str]) -> None:
    """Print each table's result and whether its bar is reached."""
    for bar in (*BARS, *OTHERS):
        if names and bar.table not in names:
            continue
        began = time.perf_counter()
        trial = search(TABLES / f"{bar.table}.csv", bar.spec)
        seconds = time.perf_counter() - began
        judged = trial.evaluation
        metric = bar.metric or judged.metric
        shown = judged.holdout[metric]
        bound = f"bar {bar.bound:g} {'reached' if bar.reached(shown.value) else 'MISSED'}" if bar.metric else "no bar"
        parity = judged.parity
        print(
            f"{bar.table}: {metric} {shown.value:.5g} [{shown.low:.5g}, {shown.high:.5g}], {bound}; "
            f"{judged.task}, {judged.candidate}, {len(trial.onnx):,} bytes, {judged.rows:,} holdout rows, "
            f"parity {parity.max_difference:.1e}, labels equal {parity.labels_equal}, leaks {list(trial.leaks)}, "
            f"{seconds:.1f} s"
        )
        for result in sorted(trial.results, key=lambda result: result.name):
            spread = result.cv.get(judged.metric)
            mean = f"{spread.mean:.5g} +- {spread.std:.2g}" if spread else result.error
            print(f"    {result.name:15} {mean:24} {result.seconds:.1f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
