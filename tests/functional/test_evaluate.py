"""From a refitted model to an evaluation, in the buckets and the registry of an account."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx.parser
import pytest

from tidemill import keys
from tidemill.aws.objects import Objects
from tidemill.aws.registry import Registry
from tidemill.contracts import Evaluation, Fit, Run, Signature, loads, to_json
from tidemill.errors import GateRefused, NotFound, ParityError
from tidemill.learning.rows import Rows, save_prediction
from tidemill.serving.scoring import Model

ARTIFACTS = "tidemill-artifacts"
CHURN = Path(__file__).parents[1] / "events" / "churn"
SIGNATURE = loads(Signature, (CHURN / "signature.json").read_bytes())


def graph(text: str) -> bytes:
    serialized: bytes = onnx.parser.parse_model(text).SerializeToString()
    return serialized


def baseline() -> bytes:
    """A graph that says the same of everybody."""
    return graph(
        '<ir_version: 9, opset_import: ["" : 17]>\n'
        "baseline (float[N, 1] tenure) => (float[N, 2] probabilities)\n"
        "<float[1] zero = {0.0}, float[1] half = {0.5}>\n"
        "{\n  none = Mul (tenure, zero)\n  said = Add (none, half)\n"
        "  probabilities = Concat <axis = 1> (said, said)\n}\n"
    )


def table(rows: int = 300) -> dict[str, Any]:
    generator = np.random.default_rng(0)
    return {
        "tenure": generator.integers(0, 72, rows).astype(np.float64),
        "monthly": generator.uniform(20, 110, rows),
        "contract": generator.choice(np.array(["Monthly", "Yearly", "TwoYears"], dtype=object), rows),
        "senior": generator.choice(np.array(["true", "false"], dtype=object), rows),
        "joined": np.full(rows, "2022-05-14", dtype=object),
    }


@pytest.fixture
def evaluate(stage: Callable[..., ModuleType], objects: Objects, registry: Registry) -> ModuleType:
    return stage("evaluate", artifact_bucket=ARTIFACTS, table="tidemill")


@pytest.fixture
def refitted(uploaded: Run, objects: Objects) -> Run:
    """A run whose model was refitted: targets are drawn from the very probabilities that the model says."""
    onnx_bytes = graph((CHURN / "model.onnx.txt").read_text())
    model = Model.load(onnx_bytes, SIGNATURE)
    encoded = model.encoder.encode(table())
    said = model.predict(encoded)
    assert said.probabilities is not None
    target = (np.random.default_rng(1).random(300) < said.probabilities[:, 1]).astype(np.float64)
    for key, data in {
        keys.run_spec(uploaded.run_id): b'{"target": "Churn"}',
        keys.run_model(uploaded.run_id): onnx_bytes,
        keys.run_baseline_model(uploaded.run_id): baseline(),
        keys.run_holdout_rows(uploaded.run_id): Rows(encoded, target).save(),
        keys.run_reference_predictions(uploaded.run_id): save_prediction(said),
    }.items():
        objects.put(ARTIFACTS, key, data)
    objects.put_contract(ARTIFACTS, keys.run_signature(uploaded.run_id), SIGNATURE)
    objects.put_contract(ARTIFACTS, keys.run_fit(uploaded.run_id), Fit("linear", {}, 0, {}, "3.13.1"))
    return uploaded


def stored(objects: Objects, run: Run) -> Evaluation:
    return objects.get_contract(Evaluation, ARTIFACTS, keys.run_evaluation(run.run_id))


def test_a_good_model_goes_on_with_its_evaluation_stored(evaluate: ModuleType, refitted: Run, objects: Objects) -> None:
    answer = evaluate.handler({"run": to_json(refitted)}, None)
    written = stored(objects, refitted)
    assert {"metric": "roc_auc", "champion_version": None}.items() <= answer.items()
    assert answer["value"] == written.holdout["roc_auc"].value > 0.7
    assert written.parity.labels_equal
    assert written.baseline["roc_auc"] == 0.5
    evaluate.handler({"run": to_json(refitted)}, None)
    assert stored(objects, refitted) == written


def test_a_gate_refuses_after_the_evaluation_was_stored(evaluate: ModuleType, refitted: Run, objects: Objects) -> None:
    objects.put(ARTIFACTS, keys.run_spec(refitted.run_id), b'{"gates": {"minimum": {"roc_auc": 0.999}}}')
    with pytest.raises(GateRefused, match=r"must be at least 0\.9990"):
        evaluate.handler({"run": to_json(refitted)}, None)
    assert stored(objects, refitted).gates[0].verdict == "refuse"


def test_an_export_that_differs_fails(evaluate: ModuleType, refitted: Run, objects: Objects) -> None:
    model = Model.load(objects.get(ARTIFACTS, keys.run_model(refitted.run_id)), SIGNATURE)
    said = model.predict(model.encoder.encode(table()))
    assert said.probabilities is not None
    other = dataclasses.replace(said, probabilities=said.probabilities + 1e-4)
    objects.put(ARTIFACTS, keys.run_reference_predictions(refitted.run_id), save_prediction(other))
    with pytest.raises(ParityError, match="differs from scikit-learn"):
        evaluate.handler({"run": to_json(refitted)}, None)


def test_the_champion_of_the_registry_is_compared(
    evaluate: ModuleType, refitted: Run, objects: Objects, registry: Registry
) -> None:
    objects.put(ARTIFACTS, keys.model("churn", 1, "model.onnx"), baseline())
    objects.put_contract(ARTIFACTS, keys.model("churn", 1, "signature.json"), SIGNATURE)
    registry.create_version(
        "churn",
        "f" * 32,
        onnx_sha256="0" * 64,
        dataset_version="d0",
        task="binary",
        metric="roc_auc",
        value=0.5,
        at=refitted.started_at,
        actor="somebody",
    )
    registry.move_alias("churn", "champion", 1, None, "somebody", "first", refitted.started_at)
    answer = evaluate.handler({"run": to_json(refitted)}, None)
    written = stored(objects, refitted)
    assert answer["champion_version"] == 1
    assert written.champion is not None
    assert written.champion.difference.low > 0


def test_a_run_that_was_not_refitted_is_named(evaluate: ModuleType, uploaded: Run, objects: Objects) -> None:
    objects.put(ARTIFACTS, keys.run_spec(uploaded.run_id), b"{}")
    with pytest.raises(NotFound, match=r"signature\.json"):
        evaluate.handler({"run": to_json(uploaded)}, None)
