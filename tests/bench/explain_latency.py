"""Explaining one prediction of 20 features, in the endpoint's own code: milliseconds, and as a ratio to a prediction.

The model is gradient boosting over 20 columns as training makes it; the bar is 100 ms.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np

from tidemill.contracts import CandidateRef, InputField
from tidemill.learning import candidates, fitting, refitting
from tidemill.learning.plan import Plan
from tidemill.learning.rows import Rows
from tidemill.serving import columns
from tidemill.serving.endpoint import Served
from tidemill.serving.scoring import Model

FEATURES, ROWS = 20, 5_000


def served() -> tuple[Served, dict[str, list[float]]]:
    """A model of 20 columns, and one row to ask about."""
    random = np.random.default_rng(0)
    table = {f"f{number}": random.normal(size=ROWS).astype(np.float32) for number in range(FEATURES)}
    score = sum(values * (number % 5) for number, values in enumerate(table.values()))
    target = (score + random.normal(size=ROWS) * 5 > 0).astype(np.float64)
    held = {name: values[:500] for name, values in table.items()}
    learned = Rows(table, target, np.arange(ROWS) % 5)
    plan = Plan(
        model="bench",
        task="binary",
        target="target",
        metric="roc_auc",
        inputs=tuple(InputField(name, "number") for name in table),
        candidates=(CandidateRef("boosting", candidates.parameters("boosting", "binary", ROWS, 2)),),
        train_rows=ROWS,
        holdout_rows=500,
        seed=0,
        forward=False,
        classes=("no", "yes"),
        positive_class="yes",
    )
    tried = fitting.cross_validate(plan.candidates[0], plan, learned, time.perf_counter)
    scores, found = [fitting.score_of(tried.result, plan.metric)], {"boosting": tried.out_of_fold}
    made = refitting.refit(plan, learned, Rows(held, target[:500]), scores, found)
    background = columns.save({name: values[:64] for name, values in table.items()})
    facts = SimpleNamespace(version=1, metric="roc_auc", value=0.9)
    row = {name: [float(values[7])] for name, values in table.items()}
    return Served(Model.load(made.onnx, made.signature), facts, lambda: background, bytes, lambda *_: {}), row


def median_ms(call: Callable[[], object], times: int) -> float:
    """Median milliseconds of a call, after one that is not counted."""
    call()
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)


def main() -> None:
    """Print the medians."""
    model, row = served()
    explained = median_ms(lambda: model.explain(row), 30)
    predicted = median_ms(lambda: model.predict(row), 300)
    print(
        f"explain one row of {FEATURES} features: {explained:.1f} ms, {explained / predicted:.0f} times a prediction "
        f"({predicted:.3f} ms); bar 100 ms {'reached' if explained <= 100 else 'MISSED'}"
    )


if __name__ == "__main__":
    main()
