"""A new version is tried, then it becomes the champion; or nothing changes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from tidemill import keys, rollout_plan
from tidemill.aws.deployment import Deployment
from tidemill.aws.objects import Objects
from tidemill.aws.promotion import Releases
from tidemill.aws.registry import Registry
from tidemill.contracts import ChampionComparison, Deployed, Evaluation, Interval, Registered, Run, to_json
from tidemill.errors import AliasConflict, FunctionFailed, PromotionFrozen, RolloutConflict, SmokePredictionFailed
from tidemill.release_contracts import RolloutPlan, RolloutRequest

from .conftest import Faults

ARTIFACTS = "tidemill-artifacts"
AT = "2026-03-04T06:00:00Z"
GOOD = {"predictions": [{"label": "Yes", "probabilities": [0.3, 0.7]}]}


class Predict:
    """The deployed predict function, as far as its answers go."""

    def __init__(self, status: int = 200, body: Any = GOOD, version: int = 1) -> None:
        self.answer: Any = {
            "statusCode": status,
            "headers": {"content-type": "application/json", "x-tidemill-version": str(version)},
            "body": json.dumps(body),
        }
        self.asked: list[Any] = []
        self.fails = False

    def invoke(self, function: str, payload: Any) -> Any:
        self.asked.append((function, payload))
        if self.fails:
            raise FunctionFailed("predict failed: Runtime.ImportModuleError: No module named 'numpy'")
        return self.answer


@pytest.fixture
def deploy(stage: Callable[..., ModuleType], trained: Run, objects: Objects, registry: Registry) -> Callable[..., Any]:
    """Deploys version 1 of the trained run."""
    stage("register", artifact_bucket=ARTIFACTS, table="tidemill").handler({"run": to_json(trained)}, None)
    connected = Deployment.connect(ARTIFACTS, "tidemill", "predict", log=lambda _said, **_facts: None)

    def put_into_service(predict: Predict, **rollout: Any) -> Any:
        objects.put(ARTIFACTS, keys.run_spec(trained.run_id), json.dumps({"rollout": rollout}).encode())
        functions: Any = predict
        return dataclasses.replace(connected, functions=functions).deploy(trained, Registered("churn", 1), AT)

    return put_into_service


def other_version(registry: Registry, run_id: str) -> int:
    facts: Any = {"onnx_sha256": "cd", "dataset_version": "d0", "task": "binary", "metric": "roc_auc", "value": 0.8}
    return registry.create_version("churn", run_id, **facts, at=AT, actor="ada")


def compared_with(objects: Objects, run: Run, version: int) -> None:
    key = keys.run_evaluation(run.run_id)
    evaluation = objects.get_contract(Evaluation, ARTIFACTS, key)
    champion = ChampionComparison(version, {"roc_auc": Interval(0.8, 0.7, 0.9)}, Interval(0.045, 0.0, 0.1))
    objects.put_contract(ARTIFACTS, key, dataclasses.replace(evaluation, champion=champion))


def test_the_first_version_becomes_champion_after_one_prediction(
    deploy: Callable[..., Any], trained: Run, registry: Registry
) -> None:
    predict = Predict()
    deployed = deploy(predict)
    assert deployed == Deployed("churn", 1, "champion", None)
    assert registry.alias("churn", "champion") == 1
    (move,) = [event for event in registry.audit("churn") if event.alias]
    assert (move.action, move.actor, move.run_id) == ("deploy", trained.started_by, trained.run_id)
    ((function, asked),) = predict.asked
    assert (function, asked["resource"]) == ("predict", "/v1/models/{model}/versions/{version}")
    assert asked["pathParameters"] == {"model": "churn", "version": "1:predict"}
    assert json.loads(asked["body"]) == {"instances": [{"tenure": 3, "contract": "Monthly"}]}


def test_the_stage_asks_the_predict_function_and_says_what_it_has_done(
    stage: Callable[..., ModuleType],
    trained: Run,
    registry: Registry,
    faults: Faults,
    caplog: pytest.LogCaptureFixture,
) -> None:
    environment = {"artifact_bucket": ARTIFACTS, "table": "tidemill", "predict_function": "predict"}
    registered = stage("register", **environment).handler({"run": to_json(trained)}, None)
    handler = stage("deploy", **environment).handler
    predict = Predict()
    faults.answer("lambda.Invoke", lambda asked: predict.invoke("predict", asked))
    caplog.clear()
    answer = handler({"run": to_json(trained), "registered": registered}, None)
    assert answer.pop("requests")["s3_gets"] > 0
    assert answer == to_json(Deployed("churn", 1, "champion", None))
    assert registry.alias("churn", "champion") == 1
    predicted, deployed = (vars(record) for record in caplog.records if record.name == "deploy")
    assert (predicted["message"], predicted["prediction"]) == ("the new version predicts", GOOD["predictions"][0])
    assert (deployed["message"], deployed["model"], deployed["version"]) == ("deployed", "churn", 1)


def test_deploying_twice_leaves_what_deploying_once_leaves(deploy: Callable[..., Any], registry: Registry) -> None:
    deploy(Predict())
    deploy(Predict())
    assert registry.alias("churn", "champion") == 1
    assert len([event for event in registry.audit("churn") if event.alias]) == 1


def test_the_champion_that_it_was_compared_with_is_replaced(
    deploy: Callable[..., Any], trained: Run, objects: Objects, registry: Registry
) -> None:
    old = other_version(registry, "older")
    registry.move_alias("churn", "champion", old, None, "ada", "", AT)
    compared_with(objects, trained, old)
    assert deploy(Predict()).previous_version == old
    assert registry.rollback_target("churn") == old


def test_another_champion_than_it_was_compared_with_stays(
    deploy: Callable[..., Any], trained: Run, objects: Objects, registry: Registry
) -> None:
    old, newer = other_version(registry, "older"), other_version(registry, "newer")
    registry.move_alias("churn", "champion", newer, None, "ada", "", AT)
    compared_with(objects, trained, old)
    with pytest.raises(AliasConflict, match=f"points to version {newer} by now, not to version {old}"):
        deploy(Predict())
    assert registry.alias("churn", "champion") == newer


def failing() -> Predict:
    predict = Predict()
    predict.fails = True
    return predict


def nothing() -> Predict:
    predict = Predict()
    predict.answer = None
    return predict


@pytest.mark.parametrize(
    ("predict", "message"),
    [
        (Predict(404, {"error": "there is no model 'churn'"}), "with status 404"),
        (Predict(200, {"predictions": []}), "not with one prediction"),
        (Predict(200, {"predictions": [{"label": "Yes"}]}), "not with one prediction"),
        (Predict(200, {"outputs": {"value": [1.0]}}), "not with one prediction"),
        (Predict(200, {"predictions": [float("nan")]}), "no finite number"),
        (Predict(200, {"predictions": [{"label": "Yes", "probabilities": [None, 1.0]}]}), "no finite number"),
        (Predict(version=2), "version 2 answered"),
        (failing(), "No module named 'numpy'"),
        (nothing(), "with status None"),
    ],
    ids=["404", "empty", "no number", "columns", "nan", "null", "other version", "function failed", "null answer"],
)
def test_a_version_that_does_not_predict_does_not_go_live(
    deploy: Callable[..., Any], registry: Registry, predict: Predict, message: str
) -> None:
    with pytest.raises(SmokePredictionFailed, match=message):
        deploy(predict)
    assert registry.alias("churn", "champion") is None


def test_a_regression_predicts_a_plain_number(deploy: Callable[..., Any], registry: Registry) -> None:
    deploy(Predict(200, {"predictions": [47000.5]}))
    assert registry.alias("churn", "champion") == 1


# --- step by step --------------------------------------------------------------------------------


@pytest.fixture
def old(registry: Registry, objects: Objects, trained: Run) -> int:
    """The champion that the new version was compared with."""
    version = other_version(registry, "older")
    registry.move_alias("churn", "champion", version, None, "ada", "", AT)
    compared_with(objects, trained, version)
    return version


@pytest.mark.parametrize("rollout", [{"strategy": "canary"}, {"strategy": "linear"}, {"shadow_minutes": 5}])
def test_a_version_that_is_to_be_let_in_becomes_the_challenger(
    deploy: Callable[..., Any], old: int, registry: Registry, rollout: Any
) -> None:
    predict = Predict()
    for _ in range(2):
        assert deploy(predict, **rollout) == Deployed("churn", 1, "challenger", old, True)
    assert registry.aliases("churn") == {"champion": old, "challenger": 1}
    assert len(predict.asked) == 2


def test_a_rollout_is_on_record_when_the_stage_ends_and_stays_ended_when_it_is_taken_back(
    deploy: Callable[..., Any], old: int, trained: Run
) -> None:
    """Between this stage and the rollout's first look a person may take it back, and this stage may be repeated."""
    releases = Releases.connect("tidemill")
    deploy(Predict(), strategy="canary", share=0.2)
    begun = releases.records.current_rollout("churn")
    assert begun is not None
    assert (begun.id, begun.version, begun.champion, begun.plan.steps) == (trained.run_id, 1, old, (0.2, 1.0))
    assert releases.rollback("churn", "eve", "no", AT).rollout == trained.run_id
    releases.freeze("churn", True, "eve", "no", AT)
    assert deploy(Predict(), strategy="canary", share=0.2).rollout
    assert releases.records.rollout(trained.run_id).state == "ROLLED_BACK"
    assert releases.records.current_rollout("churn") is None


def test_the_first_version_of_a_model_is_not_let_in_step_by_step(deploy: Callable[..., Any]) -> None:
    assert deploy(Predict(), strategy="canary") == Deployed("churn", 1, "champion", None)


def test_a_frozen_model_keeps_its_champion(deploy: Callable[..., Any], old: int, registry: Registry) -> None:
    predict, releases = Predict(), Releases.connect("tidemill")
    releases.freeze("churn", True, "bob", "audit", AT)
    with pytest.raises(PromotionFrozen, match=r"tidemill freeze churn --off.*tidemill promote churn --version 1"):
        deploy(predict)
    assert (registry.alias("churn", "champion"), predict.asked) == (old, [])
    releases.freeze("churn", False, "bob", "over", AT)
    assert deploy(predict).alias == "champion"


def test_nothing_is_deployed_into_a_rollout(deploy: Callable[..., Any], old: int, registry: Registry) -> None:
    request = RolloutRequest("e" * 32, "churn", old, "r", "ada", "")
    Releases.connect("tidemill").begin(rollout_plan.begun(request, RolloutPlan((0.1, 1.0), 60), old, AT))
    with pytest.raises(RolloutConflict, match="is being rolled out"):
        deploy(Predict())
