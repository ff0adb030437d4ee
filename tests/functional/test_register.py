"""From a trained run to an immutable model version."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from types import ModuleType

import pytest

from tidemill import keys
from tidemill.aws.objects import Objects
from tidemill.aws.registry import Registry
from tidemill.contracts import Lineage, Run, Signature, to_json
from tidemill.errors import ImmutableVersion, NotFound, SpecError
from tidemill.version import code_version

ARTIFACTS = "tidemill-artifacts"


@pytest.fixture
def register(stage: Callable[..., ModuleType], objects: Objects, registry: Registry) -> ModuleType:
    return stage("register", artifact_bucket=ARTIFACTS, table="tidemill")


def test_a_run_becomes_one_version_with_all_its_files(
    register: ModuleType, trained: Run, objects: Objects, registry: Registry
) -> None:
    for _ in range(2):
        answer = register.handler({"run": to_json(trained)}, None)
        assert {"model": "churn", "version": 1, "approval_hours": None}.items() <= answer.items()
    assert [head.key.rpartition("/")[2] for head in objects.list(ARTIFACTS, "models/churn/1/")] == [
        "background.npz",
        "evaluation.json",
        "features.json",
        "lineage.json",
        "model.onnx",
        "profile.json",
        "reference.json",
        "reference.npz",
        "signature.json",
    ]
    assert objects.get(ARTIFACTS, keys.model("churn", 1, "model.onnx")) == b"onnx graph"
    assert objects.get(ARTIFACTS, keys.model("churn", 1, "background.npz")) == b"some rows"
    assert objects.get_contract(Signature, ARTIFACTS, keys.model("churn", 1, "signature.json")).target == "Churn"
    (version,) = registry.versions("churn")
    assert (version.metric, version.value, version.task) == ("roc_auc", 0.845, "binary")


def test_the_lineage_ties_data_code_and_model_together(register: ModuleType, trained: Run, objects: Objects) -> None:
    register.handler({"run": to_json(trained)}, None)
    lineage = objects.get_contract(Lineage, ARTIFACTS, keys.model("churn", 1, "lineage.json"))
    assert (lineage.run_id, lineage.dataset_version, lineage.source) == (trained.run_id, "d1", trained.source)
    assert lineage.onnx_sha256 == hashlib.sha256(b"onnx graph").hexdigest()
    assert lineage.code_version == code_version()
    assert (lineage.candidate, lineage.params, lineage.python) == ("boosting", {"max_iter": 100}, "3.13.1")
    assert lineage.packages == {"scikit-learn": "1.9.1"}
    objects.put(ARTIFACTS, keys.run_spec(trained.run_id), b'{"target": "Churn", "folds": 3}')
    register.handler({"run": to_json(trained)}, None)
    changed = objects.get_contract(Lineage, ARTIFACTS, keys.model("churn", 1, "lineage.json"))
    assert changed.spec_sha256 != lineage.spec_sha256


def test_a_version_is_never_replaced_by_another_graph(register: ModuleType, trained: Run, objects: Objects) -> None:
    register.handler({"run": to_json(trained)}, None)
    objects.put(ARTIFACTS, keys.run_model(trained.run_id), b"another graph")
    with pytest.raises(ImmutableVersion):
        register.handler({"run": to_json(trained)}, None)
    assert objects.get(ARTIFACTS, keys.model("churn", 1, "model.onnx")) == b"onnx graph"


def test_what_is_missing_is_named(
    register: ModuleType, uploaded: Run, trained: Run, objects: Objects, registry: Registry
) -> None:
    objects.delete(ARTIFACTS, keys.run_fit(trained.run_id))
    with pytest.raises(NotFound, match=r"fit\.json"):
        register.handler({"run": to_json(trained)}, None)
    with pytest.raises(NotFound, match=r"intake/spec\.json"):
        register.handler({"run": to_json(trained) | {"run_id": "ab" * 16}}, None)
    assert registry.models() == []


def test_a_run_without_an_accepted_table_is_not_registered(
    register: ModuleType, uploaded: Run, objects: Objects, registry: Registry
) -> None:
    objects.put(ARTIFACTS, keys.run_spec(uploaded.run_id), b"{}")
    with pytest.raises(NotFound, match="accepted no table"):
        register.handler({"run": to_json(uploaded)}, None)


def test_a_manual_approval_is_asked_for_with_its_time_limit(
    register: ModuleType, trained: Run, objects: Objects
) -> None:
    objects.put(ARTIFACTS, keys.run_spec(trained.run_id), b'{"approval": {"mode": "manual", "timeout_hours": 2}}')
    assert register.handler({"run": to_json(trained)}, None)["approval_hours"] == 2


def test_a_wrong_spec_is_named(register: ModuleType, trained: Run, objects: Objects) -> None:
    objects.put(ARTIFACTS, keys.run_spec(trained.run_id), b'{"targte": "Churn"}')
    with pytest.raises(SpecError, match="did you mean target"):
        register.handler({"run": to_json(trained)}, None)
