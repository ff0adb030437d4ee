"""The newest labelled predictions: which rows count, and what both models do on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tidemill.contracts import Fit, InputField, Signature
from tidemill.learning import evaluation, newest
from tidemill.learning.comparison import InService
from tidemill.learning.evaluation import Trained
from tidemill.learning.newest import Newest, Recent
from tidemill.learning.rows import Rows
from tidemill.serving.features import Encoder
from tidemill.serving.scoring import Prediction
from tidemill.spec import Spec

FIELDS = (InputField("calls", "number"), InputField("plan", "category", required=False))
BINARY = Signature("churn", "binary", "left", FIELDS, ("no", "yes"), "yes", missing_values=("none",))
VALUES = Signature("fares", "regression", "fare", FIELDS)


class Model:
    """P(yes), or the value, rises with `calls`; the plan is ignored."""

    def __init__(self, signature: Signature, slope: float) -> None:
        self.signature, self.slope = signature, slope
        self.encoder = Encoder(signature.inputs)

    def predict(self, columns: dict[str, np.ndarray]) -> Prediction:
        raw = self.slope * columns["calls"].astype(np.float64)
        if not self.signature.classes:
            return Prediction(values=raw)
        yes = 1 / (1 + np.exp(-raw))
        said = np.column_stack([1 - yes, yes])
        return Prediction(
            labels=np.array(self.signature.classes, dtype=object)[said.argmax(axis=1)], probabilities=said
        )


def production(
    rows: int = 400, signature: Signature = BINARY, slope: float = 2.0, seed: int = 1
) -> list[dict[str, Any]]:
    """Rows whose outcome follows `calls` by the slope."""
    generator = np.random.default_rng(seed)
    calls = generator.normal(size=rows)
    if signature.classes:
        happened = np.where(generator.random(rows) < 1 / (1 + np.exp(-slope * calls)), "yes", "no").tolist()
    else:
        happened = (slope * calls + generator.normal(size=rows)).tolist()
    return [
        {"inputs": {"calls": value, "plan": "basic"}, "actual": actual}
        for value, actual in zip(calls.tolist(), happened, strict=True)
    ]


def fitted(signature: Signature = BINARY, told: list[dict[str, Any]] | None = None) -> Callable[[], Rows]:
    """Training rows: others, or those of production that are given."""
    rows = production(300, signature, seed=77) if told is None else told
    columns = {name: [row["inputs"][name] for row in rows] for name in ("calls", "plan")}
    classes = list(signature.classes)
    target = [classes.index(row["actual"]) if classes else row["actual"] for row in rows]
    return lambda: Rows(
        Encoder(FIELDS).encode(columns), np.array(target, dtype=np.float64), np.zeros(len(rows), dtype=np.int64)
    )


def judged(
    rows: list[dict[str, Any]],
    new: float = 2.0,
    old: float = 2.0,
    signature: Signature = BINARY,
    known: Callable[[], Rows] | None = None,
    theirs: Signature | None = None,
) -> Newest:
    model: Any = Model(signature, new)
    champion: Any = Model(theirs or signature, old)
    metric = "log_loss" if signature.classes else "rmse"
    return newest.judge(metric, model, InService(3, champion), Recent(rows, known or fitted(signature)), 0)


@pytest.mark.parametrize("signature", [BINARY, VALUES])
def test_the_better_one_on_the_newest_rows_is_told(signature: Signature) -> None:
    found = judged(production(signature=signature), new=2.0, old=-2.0, signature=signature)
    assert found.rows == 400
    assert found.champion is not None
    assert found.champion.version == 3
    assert found.champion.difference.low > 0
    metric = "log_loss" if signature.classes else "rmse"
    assert found.metrics[metric].value < found.champion.holdout[metric].value
    assert judged(production(signature=signature), new=-2.0, old=2.0, signature=signature).champion.difference.high < 0  # type: ignore[union-attr]


def test_rows_that_training_has_seen_are_left_out() -> None:
    rows = production(400)
    assert judged(rows, known=fitted(told=rows[:150])).rows == 250
    # With another outcome a row is another row.
    other = [row | {"actual": "no" if row["actual"] == "yes" else "yes"} for row in rows[:150]]
    assert judged(rows, known=fitted(told=other)).rows == 400


def test_rows_of_few_possible_values_are_equal_by_coincidence() -> None:
    few = [
        {"inputs": {"calls": float(row % 5), "plan": "basic"}, "actual": "yes" if row % 2 else "no"}
        for row in range(400)
    ]
    assert judged(few, known=fitted(told=few)).rows == 400


def test_too_few_rows_are_not_compared_and_training_rows_not_even_read() -> None:
    def asked() -> Rows:
        raise AssertionError

    assert judged(production(99), known=asked) == Newest(99)
    assert judged([], known=asked) == Newest(0)


def test_rows_that_a_model_cannot_be_asked_about_are_left_out() -> None:
    rows = production(300)
    rows[3]["inputs"]["calls"] = "many"
    rows[17]["inputs"] = {"plan": "basic"}
    rows[30]["inputs"]["plan"] = {"a": 1}
    rows[31]["inputs"]["calls"] = "none"  # which means missing, and the column is required
    rows[40]["actual"] = "perhaps"
    rows[41]["actual"] = None
    assert judged(rows).rows == 294


def test_the_champion_may_use_other_columns_as_long_as_they_were_sent() -> None:
    theirs = replace(BINARY, inputs=(*FIELDS, InputField("age", "number")))
    rows = production(300)
    for row in rows[:200]:
        row["inputs"]["age"] = 30
    found = judged(rows, theirs=theirs)
    assert found.rows == 200
    assert found.champion is not None


def test_a_champion_with_other_answers_is_not_compared() -> None:
    assert judged(production(), theirs=replace(BINARY, classes=("no", "often", "yes"))) == Newest()


def test_rows_of_one_class_have_no_figure_where_it_is_not_defined() -> None:
    model: Any = Model(BINARY, 2.0)
    rows = [row | {"actual": "no"} for row in production()]
    found = newest.judge("roc_auc", model, InService(3, model), Recent(rows, fitted()), 0)
    assert (found.rows, found.metrics, found.champion) == (400, {}, None)


def holdout() -> Rows:
    rows = production(400, seed=5)
    columns = {name: [row["inputs"][name] for row in rows] for name in ("calls", "plan")}
    return Rows(Encoder(FIELDS).encode(columns), np.array([float(row["actual"] == "yes") for row in rows]))


@pytest.mark.parametrize(("slope", "rows", "verdict"), [(2.0, 400, "pass"), (-2.0, 2000, "refuse"), (2.0, 50, "skip")])
def test_the_gate_goes_by_the_newest_rows(slope: float, rows: int, verdict: str) -> None:
    """The new model follows the holdout; production may have turned round."""
    new: Any = Model(BINARY, 2.0)
    old: Any = Model(BINARY, 0.5 * slope)
    baseline: Any = Model(BINARY, 0.0)
    held = holdout()
    trained = Trained(Fit("linear", {}, 0, {}, "3.11"), new, baseline, new.predict(held.columns))
    recent = Recent(production(rows, slope=slope), fitted())
    result = evaluation.evaluate(Spec(metric="log_loss"), held, trained, InService(3, old), recent)
    (gate,) = (gate for gate in result.gates if gate.name == "keeps_up_on_newest")
    assert gate.verdict == verdict
    assert result.newest_rows == rows
    assert (result.newest is not None) == (rows >= 100) == bool(result.newest_metrics)
    assert "keeps_up_on_newest" not in {
        gate.name for gate in evaluation.evaluate(Spec(metric="log_loss"), held, trained, None, None).gates
    }
