"""A search over prepared rows and the refit of the best candidate, in the buckets of an account."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tidemill import keys
from tidemill.aws.objects import Objects
from tidemill.contracts import (
    CandidateRef,
    CandidateResult,
    CandidateScore,
    Fit,
    InputField,
    Refitted,
    Round,
    Run,
    Signature,
    Source,
    from_json,
    to_json,
)
from tidemill.errors import CandidateFailed
from tidemill.learning.out_of_fold import OutOfFold
from tidemill.learning.plan import Plan
from tidemill.learning.rows import Rows, load_prediction
from tidemill.rules.halving import Halving
from tidemill.serving.scoring import Model
from tidemill.spec import Search

ARTIFACTS = "tidemill-artifacts"
RUN = Run("0123456789abcdef0123456789abcdef", "churn", Source("d", "k", "v", "e", 1), "2026-03-04T05:06:07Z", "ada")
FIELDS = (InputField("tenure", "integer"), InputField("contract", "category", required=False))
CANDIDATES = (CandidateRef("linear", {"C": 1.0}), CandidateRef("boosting_small", {"max_iter": 10}))
PLAN = Plan(
    model="churn",
    task="binary",
    target="Churn",
    metric="roc_auc",
    inputs=FIELDS,
    candidates=(*CANDIDATES, CandidateRef("forest", {"n_estimators": -1})),
    train_rows=150,
    holdout_rows=50,
    seed=0,
    forward=False,
    classes=("No", "Yes"),
    positive_class="Yes",
    search=Search(ensemble=False),
)


def rows(count: int, seed: int, folds: bool) -> Rows:
    generator = np.random.default_rng(seed)
    tenure = generator.integers(0, 72, count).astype(np.float32)
    contract = generator.choice(np.array(["Monthly", "Yearly", ""], dtype=object), count)
    leaves = (generator.random(count) < np.where(tenure < 30, 0.9, 0.1)).astype(np.float64)
    return Rows({"tenure": tenure, "contract": contract}, leaves, np.arange(count) % 3 if folds else None)


@pytest.fixture
def train(stage: Callable[..., ModuleType], objects: Objects) -> ModuleType:
    """The stage, with what `prepare` has written."""
    objects.put_contract(ARTIFACTS, keys.run_plan(RUN.run_id), PLAN)
    objects.put(ARTIFACTS, keys.run_train_rows(RUN.run_id), rows(150, 0, folds=True).save())
    objects.put(ARTIFACTS, keys.run_holdout_rows(RUN.run_id), rows(50, 1, folds=False).save())
    return stage("train", artifact_bucket=ARTIFACTS)


def candidate(train: ModuleType, one: CandidateRef, number: int = 1, fraction: float = 1.0) -> CandidateScore:
    of = to_json(Round(number, (), fraction))
    return from_json(CandidateScore, train.handler({"run": to_json(RUN), "round": of, "candidate": to_json(one)}, None))


def searched(train: ModuleType, *ones: CandidateRef) -> list[CandidateScore]:
    return [candidate(train, one) for one in ones]


def refit(train: ModuleType, *scores: CandidateScore) -> dict[str, Any]:
    answer: dict[str, Any] = train.handler({"run": to_json(RUN), "scores": to_json(scores)}, None)
    return answer


def test_a_candidate_is_scored_and_its_details_stored(train: ModuleType, objects: Objects) -> None:
    score = candidate(train, CANDIDATES[0])
    result = objects.get_contract(CandidateResult, ARTIFACTS, keys.run_candidate(RUN.run_id, "linear"))
    assert score.mean == result.cv["roc_auc"].mean > 0.8
    assert result.params == {"C": 1.0}
    assert result.error is None
    assert (result.round, result.rows) == (1, 150)
    said = OutOfFold.load(objects.get(ARTIFACTS, keys.run_out_of_fold(RUN.run_id, "linear")))
    assert said.predicted.shape == (150, 2)
    assert said.known.all()


def test_one_that_cannot_be_fitted_is_a_result_too(train: ModuleType, objects: Objects) -> None:
    score = candidate(train, PLAN.candidates[2])
    result = objects.get_contract(CandidateResult, ARTIFACTS, keys.run_candidate(RUN.run_id, "forest"))
    assert score.mean is None
    assert result.error is not None
    assert "n_estimators" in result.error


def test_an_early_round_sees_a_part_of_the_rows(train: ModuleType, objects: Objects) -> None:
    assert candidate(train, CANDIDATES[0], number=1, fraction=0.4).round == 1
    result = objects.get_contract(CandidateResult, ARTIFACTS, keys.run_candidate(RUN.run_id, "linear"))
    assert result.rows == pytest.approx(60, abs=3)


def test_the_best_go_on_to_the_next_round(train: ModuleType, objects: Objects) -> None:
    objects.put_contract(
        ARTIFACTS, keys.run_plan(RUN.run_id), replace(PLAN, rounds=(Halving(0.25, 2), Halving(1.0, 1)))
    )
    scores = [
        CandidateScore("linear", 0.8, 1.0),
        CandidateScore("boosting_small", 0.9, 1.0),
        CandidateScore("forest", None, 1.0),
    ]
    ended = {"run": to_json(RUN), "ended": to_json(scores)}
    assert from_json(Round, train.handler(ended, None)) == Round(2, CANDIDATES, 1.0)
    last = {"run": to_json(RUN), "ended": to_json([replace(score, round=2) for score in scores])}
    assert from_json(Round, train.handler(last, None)).candidates == ()


def test_the_best_is_refitted_and_exported(train: ModuleType, objects: Objects) -> None:
    searched(train, *CANDIDATES)
    answer = refit(
        train,
        CandidateScore("boosting_small", 0.9, 1.0),
        CandidateScore("linear", 0.8, 1.0),
        CandidateScore("forest", None, 1.0),
    )
    refitted = from_json(Refitted, answer)
    signature = objects.get_contract(Signature, ARTIFACTS, keys.run_signature(RUN.run_id))
    graph = objects.get(ARTIFACTS, keys.run_model(RUN.run_id))
    reference = load_prediction(objects.get(ARTIFACTS, keys.run_reference_predictions(RUN.run_id)))
    holdout = rows(50, 1, folds=False)
    served = Model.load(graph, signature).predict(holdout.columns)
    assert refitted == Refitted("boosting_small", len(graph))
    assert signature.model == "churn"
    assert reference.labels is not None
    assert served.labels is not None
    assert served.labels.tolist() == reference.labels.tolist()
    np.testing.assert_allclose(served.probabilities, reference.probabilities, atol=1e-5)
    baseline = Model.load(objects.get(ARTIFACTS, keys.run_baseline_model(RUN.run_id)), signature)
    assert len(set(map(tuple, baseline.predict(holdout.columns).probabilities.tolist()))) == 1  # type: ignore[union-attr]
    fit = objects.get_contract(Fit, ARTIFACTS, keys.run_fit(RUN.run_id))
    assert fit.candidate == "boosting_small"
    assert fit.params == {"max_iter": 10}


def test_candidates_that_are_better_together_vote(train: ModuleType, objects: Objects) -> None:
    objects.put_contract(ARTIFACTS, keys.run_plan(RUN.run_id), replace(PLAN, search=Search()))
    answer = refit(train, *searched(train, *CANDIDATES))
    assert answer["candidate"] == "ensemble"
    fit = objects.get_contract(Fit, ARTIFACTS, keys.run_fit(RUN.run_id))
    assert {member.name for member in fit.members} == {"linear", "boosting_small"}
    assert sum(member.weight for member in fit.members) == pytest.approx(1)
    together = objects.get_contract(CandidateResult, ARTIFACTS, keys.run_candidate(RUN.run_id, "ensemble"))
    assert together.cv["roc_auc"].mean > 0.8


def test_refitting_again_leaves_the_same_bytes(train: ModuleType, objects: Objects) -> None:
    written = (
        *(keys.run_model, keys.run_baseline_model, keys.run_reference_predictions, keys.run_fit),
        *(keys.run_signature, keys.run_features, keys.run_background),
    )

    searched(train, CANDIDATES[1])

    def stored() -> list[bytes]:
        refit(train, CandidateScore("boosting_small", 0.9, 1.0))
        return [objects.get(ARTIFACTS, key(RUN.run_id)) for key in written]

    assert stored() == stored()


def test_no_candidate_left_is_an_error(train: ModuleType) -> None:
    with pytest.raises(CandidateFailed, match="none of the candidates linear could be fitted"):
        refit(train, CandidateScore("linear", None, 1.0))
