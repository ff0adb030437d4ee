"""The register stage: order of work, and what it does when something is missing."""

import importlib.util
import json
from pathlib import Path

import pytest

from tidemill import keys
from tidemill.contracts import (
    DatasetRef,
    Evaluation,
    FeatureSetRef,
    Fit,
    Interval,
    Lineage,
    Parity,
    Registered,
    Run,
    Signature,
    Source,
    dumps,
    loads,
)
from tidemill.errors import NotFound

ROOT = Path(__file__).parents[3]
RUN = Run("ab" * 16, "churn", Source("data", "incoming/churn/a.csv", "v", "e", 1), "2026-03-04T05:06:07Z", "ada")
AT = "2026-03-04T06:00:00Z"
EVALUATION = Evaluation(
    "binary", "Churn", "roc_auc", "linear", 20, {"roc_auc": Interval(0.8, 0.7, 0.9)}, {}, (), (), Parity(20, True, 0, 1)
)
SIGNATURE = Signature(
    "churn",
    "binary",
    "Churn",
    (),
    feature_sets=(FeatureSetRef("customers", "customer_id", ("customers__age",), version="f1"),),
)


@pytest.fixture(scope="module")
def app():
    specification = importlib.util.spec_from_file_location("register_app", ROOT / "functions" / "register" / "app.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


class World:
    """A store and a registry in memory; notes the order of what is written."""

    def __init__(self, spec):
        self.files = {
            keys.run_spec(RUN.run_id): json.dumps(spec).encode(),
            keys.run_fit(RUN.run_id): dumps(Fit("linear", {"C": 1.0}, 7, {"numpy": "2.0"}, "3.13")),
            keys.run_evaluation(RUN.run_id): dumps(EVALUATION),
            keys.run_model(RUN.run_id): b"graph",
            keys.run_signature(RUN.run_id): dumps(SIGNATURE),
            keys.run_profile(RUN.run_id): b"{}",
            keys.run_features(RUN.run_id): b"{}",
            keys.run_background(RUN.run_id): b"rows",
            keys.run_reference(RUN.run_id): b"{}",
            keys.run_reference_rows(RUN.run_id): b"rows",
        }
        self.written = []

    def get(self, bucket, key):
        if key not in self.files:
            raise NotFound(f"there is no object s3://{bucket}/{key}")
        return self.files[key]

    def get_contract(self, cls, bucket, key):
        return loads(cls, self.get(bucket, key))

    def put_contract(self, bucket, key, value):
        self.files[key] = dumps(value)
        self.written.append(key)

    def copy(self, source_bucket, source, bucket, key):
        self.files[key] = self.get(source_bucket, source)
        self.written.append(key)

    def dataset_of_run(self, project, run_id):
        return DatasetRef("d1", 100, 5)

    def create_version(self, model, run_id, **facts):
        self.facts = facts
        self.written.append(f"version of {model}")
        return 4


def test_the_number_comes_before_the_files(app):
    world = World({"seed": 3})
    assert app.register(RUN, "artifacts", world, world, AT) == Registered("churn", 4, None)
    assert world.written[0] == "version of churn"
    assert set(world.written[1:]) == {
        keys.model("churn", 4, file)
        for file in (
            *("model.onnx", "signature.json", "features.json", "background.npz", "profile.json"),
            *("evaluation.json", "reference.json", "reference.npz", "lineage.json"),
        )
    }
    lineage = loads(Lineage, world.files[keys.model("churn", 4, "lineage.json")])
    assert (lineage.seed, lineage.packages, lineage.dataset_version) == (7, {"numpy": "2.0"}, "d1")
    assert lineage.feature_sets == {"customers": "f1"}
    assert (world.facts["metric"], world.facts["value"], world.facts["actor"]) == ("roc_auc", 0.8, "ada")
    assert world.facts["onnx_sha256"] == lineage.onnx_sha256


@pytest.mark.parametrize(("mode", "hours", "reminder"), [("manual", 12.5, 3.0), ("auto", None, 0.0)])
def test_the_state_machine_learns_whether_people_decide_and_when_they_are_reminded(app, mode, hours, reminder):
    world = World({"approval": {"mode": mode, "timeout_hours": 12.5, "reminder_hours": 3.0}})
    registered = app.register(RUN, "artifacts", world, world, AT)
    assert (registered.approval_hours, registered.reminder_hours) == (hours, reminder)


@pytest.mark.parametrize("missing", [keys.run_evaluation, keys.run_model, keys.run_fit])
def test_nothing_is_numbered_when_something_is_missing(app, missing):
    world = World({})
    del world.files[missing(RUN.run_id)]
    with pytest.raises(NotFound):
        app.register(RUN, "artifacts", world, world, AT)
    assert world.written == []
