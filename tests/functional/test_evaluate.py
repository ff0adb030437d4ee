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
from tidemill.aws.monitoring_files import MonitoringFiles
from tidemill.aws.objects import Objects
from tidemill.aws.registry import Registry
from tidemill.contracts import Evaluation, Fit, Run, Signature, loads, to_json
from tidemill.errors import GateRefused, NotFound, ParityError
from tidemill.learning.rows import Rows, save_prediction
from tidemill.monitoring.reference import ReferenceRows
from tidemill.monitoring_contracts import Reference
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


@pytest.fixture
def champion(refitted: Run, objects: Objects, registry: Registry) -> int:
    """A model that says the same of everybody is in service."""
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
    return 1


def test_the_champion_of_the_registry_is_compared(
    evaluate: ModuleType, refitted: Run, objects: Objects, champion: int
) -> None:
    answer = evaluate.handler({"run": to_json(refitted)}, None)
    written = stored(objects, refitted)
    assert answer["champion_version"] == 1
    assert written.champion is not None
    assert written.champion.difference.low > 0


def test_the_reference_says_what_the_model_was_like_on_the_holdout(
    evaluate: ModuleType, refitted: Run, objects: Objects
) -> None:
    evaluate.handler({"run": to_json(refitted)}, None)
    known = objects.get_contract(Reference, ARTIFACTS, keys.run_reference(refitted.run_id))
    assert (known.model, known.rows, known.metric, known.trained_at) == ("churn", 300, "roc_auc", refitted.started_at)
    assert known.metrics["roc_auc"] == stored(objects, refitted).holdout["roc_auc"].value
    packed = objects.get(ARTIFACTS, keys.run_reference_rows(refitted.run_id))
    assert len(ReferenceRows.load(packed)) == 300


def test_the_reference_is_there_also_for_a_model_that_a_gate_refuses(
    evaluate: ModuleType, refitted: Run, objects: Objects
) -> None:
    objects.put(ARTIFACTS, keys.run_spec(refitted.run_id), b'{"gates": {"minimum": {"roc_auc": 0.999}}}')
    with pytest.raises(GateRefused):
        evaluate.handler({"run": to_json(refitted)}, None)
    assert objects.exists(ARTIFACTS, keys.run_reference(refitted.run_id))


def labelled(objects: Objects, hour: str, rows: int, seed: int) -> None:
    """Predictions of an hour whose outcome is known: who joined lately leaves."""
    columns = table(rows)
    tenure = np.random.default_rng(seed).integers(0, 72, rows)
    MonitoringFiles(ARTIFACTS, objects).put_labelled(
        "churn",
        hour,
        [],
        [
            {
                "at": f"{hour}:30:{row % 60:02d}Z",
                "id": f"{hour}-{row}",
                "version": 1,
                "shadow": False,
                "alias": "champion",
                "inputs": {name: columns[name][row] for name in columns} | {"tenure": int(tenure[row])},
                "output": None,
                "scale": None,
                "actual": "Yes" if tenure[row] < 20 else "No",
                "ledger": "actuals/churn/one",
            }
            for row in range(rows)
        ],
    )


def test_both_models_are_judged_on_the_newest_predictions_with_known_outcomes(
    evaluate: ModuleType, refitted: Run, objects: Objects, champion: int
) -> None:
    generator = np.random.default_rng(9)
    encoded = Model.load(objects.get(ARTIFACTS, keys.run_model(refitted.run_id)), SIGNATURE).encoder.encode(table(20))
    objects.put(
        ARTIFACTS, keys.run_train_rows(refitted.run_id), Rows(encoded, generator.integers(0, 2, 20) * 1.0).save()
    )
    # The champion was trained in the middle of the second hour: it may have seen what was labelled before.
    known = Reference("churn", "binary", 20, "roc_auc", {}, trained_at="2026-03-05T05:45:00Z")
    objects.put_contract(ARTIFACTS, keys.model("churn", champion, "reference.json"), known)
    for hour, rows in (("2026-03-04T05", 500), ("2026-03-05T05", 300), ("2026-03-05T06", 250)):
        labelled(objects, hour, rows, rows)
    evaluate.handler({"run": to_json(refitted)}, None)
    written = stored(objects, refitted)
    assert written.newest_rows == 250
    assert written.newest is not None
    assert (written.newest.version, written.newest.holdout["roc_auc"].value) == (champion, 0.5)
    assert written.newest_metrics["roc_auc"].value > 0.6
    assert {gate.name: gate.verdict for gate in written.gates}["keeps_up_on_newest"] == "pass"


def test_without_labels_the_gate_of_the_newest_predictions_steps_aside(
    evaluate: ModuleType, refitted: Run, objects: Objects, champion: int
) -> None:
    evaluate.handler({"run": to_json(refitted)}, None)
    (gate,) = (gate for gate in stored(objects, refitted).gates if gate.name == "keeps_up_on_newest")
    assert gate.verdict == "skip"
    assert gate.detail.startswith("0 newest predictions")


def test_a_run_that_was_not_refitted_is_named(evaluate: ModuleType, uploaded: Run, objects: Objects) -> None:
    objects.put(ARTIFACTS, keys.run_spec(uploaded.run_id), b"{}")
    with pytest.raises(NotFound, match=r"signature\.json"):
        evaluate.handler({"run": to_json(uploaded)}, None)
