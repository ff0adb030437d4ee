"""The deploy stage: the smoke prediction, and the order around it."""

import importlib.util
import json
from pathlib import Path

import pytest

from tidemill import keys
from tidemill.aws import smoke
from tidemill.contracts import Deployed, Evaluation, InputField, Interval, Parity, Registered, Run, Signature, Source
from tidemill.errors import SmokePredictionFailed
from tidemill.settings import DeploySettings

ROOT = Path(__file__).parents[3]
RUN = Run("ab" * 16, "churn", Source("data", "incoming/churn/a.csv", "v", "e", 1), "2026-03-04T05:06:07Z", "ada")
AT = "2026-03-04T06:00:00Z"
CONFIG = DeploySettings("artifacts", "table", "predict")
SIGNATURE = Signature(
    "churn",
    "binary",
    "Churn",
    (
        InputField("tenure", "integer", example=3),
        InputField("contract", "category", categories=("Monthly", "Yearly")),
        InputField("charges", "number", minimum=18.25),
        InputField("note", "text", required=False),
    ),
    ("No", "Yes"),
)
EVALUATION = Evaluation(
    "binary", "Churn", "roc_auc", "linear", 20, {"roc_auc": Interval(0.8, 0.7, 0.9)}, {}, (), (), Parity(20, True, 0, 1)
)


def load(stage):
    specification = importlib.util.spec_from_file_location(f"{stage}_app", ROOT / "functions" / stage / "app.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


class World:
    """Store, registry and the predict function; notes what happens in which order."""

    def __init__(self, probability=0.7, champion=2):
        self.contracts = {
            keys.model("churn", 3, "signature.json"): SIGNATURE,
            keys.run_evaluation(RUN.run_id): EVALUATION,
        }
        self.probability = probability
        self.champion = champion
        self.happened = []

    def get_contract(self, cls, bucket, key):
        return self.contracts[key]

    def alias(self, model, alias):
        return self.champion

    def invoke(self, function, event):
        self.happened.append(f"asked {function} for {event['pathParameters']['version']}")
        self.row = json.loads(event["body"])["instances"][0]
        body = {"predictions": [{"label": "Yes", "probabilities": [1 - self.probability, self.probability]}]}
        return {"statusCode": 200, "headers": {"X-Tidemill-Version": "3"}, "body": json.dumps(body)}

    def move_alias(self, model, alias, version, expected, actor, reason, at, run_id):
        self.happened.append(f"moved {alias} of {model} from {expected} to {version}")


def test_the_new_version_predicts_before_it_becomes_champion():
    world = World()
    deployed = load("deploy").deploy(RUN, Registered("churn", 3), CONFIG, world, world, world, AT)
    assert deployed == Deployed("churn", 3, "champion", 2)
    assert world.happened == ["asked predict for 3:predict", "moved champion of churn from 2 to 3"]
    assert world.row == {"tenure": 3, "contract": "Monthly", "charges": 18.25, "note": None}


def test_nothing_moves_when_the_prediction_is_no_number():
    world = World(probability=float("inf"))
    with pytest.raises(SmokePredictionFailed):
        load("deploy").deploy(RUN, Registered("churn", 3), CONFIG, world, world, world, AT)
    assert len(world.happened) == 1


def test_the_event_is_one_that_the_endpoint_takes():
    """The request differs from a real one only in what a caller may choose."""
    real = json.loads((ROOT / "tests" / "events" / "api_predict_rows.json").read_text())
    made = smoke.request("churn", 3, {"instances": []})
    assert set(made) == set(real)
    assert set(made["requestContext"]) <= set(real["requestContext"])
    assert smoke.RESOURCE in load("predict").app.routes
