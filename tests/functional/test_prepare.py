"""From an accepted table to encoded rows and a plan, in the buckets of an account."""

from __future__ import annotations

import random
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from tidemill import keys
from tidemill.aws.objects import Objects
from tidemill.aws.registry import Registry
from tidemill.contracts import Prepared, Run, Source, from_json, to_json
from tidemill.errors import ContractError, NotFound, SpecError
from tidemill.learning.plan import Plan
from tidemill.learning.rows import Rows

DATA, ARTIFACTS = "tidemill-data", "tidemill-artifacts"


def churn(rows: int = 200) -> bytes:
    """A small table, from a seed."""
    generator = random.Random(0)
    lines = ["id,tenure,contract,since,Churn"]
    for number in range(rows):
        tenure, contract = generator.randrange(72), generator.choice(["Monthly", "Yearly", ""])
        leaves = generator.random() < (0.8 if tenure < 20 else 0.2)
        since = f"2025-{1 + number % 12:02}-{1 + number % 28:02}"
        lines.append(f"c{number:05},{tenure},{contract},{since},{'Yes' if leaves else 'No'}")
    return "\n".join(lines).encode()


@pytest.fixture
def validated(stage: Callable[..., ModuleType], objects: Objects, registry: Registry) -> dict[str, Any]:
    """What `validate` hands on about an uploaded table."""
    objects.put(DATA, "incoming/churn/table.csv", churn())
    head = objects.head(DATA, "incoming/churn/table.csv")
    source = Source(DATA, head.key, head.version_id, head.etag, head.size)
    run = Run("0123456789abcdef0123456789abcdef", "churn", source, "2026-03-04T05:06:07Z", "AWS:AIDAEXAMPLE")
    registry.start_run(run)
    objects.put_contract(
        ARTIFACTS, keys.run_spec(run.run_id), {"target": "Churn", "candidates": ["linear", "baseline"]}
    )
    answer = stage("validate", artifact_bucket=ARTIFACTS, table="tidemill", max_upload_mb="10").handler(
        {"run": to_json(run)}, None
    )
    return {"run": to_json(run), "validated": answer}


@pytest.fixture
def prepare(stage: Callable[..., ModuleType]) -> ModuleType:
    return stage("prepare", artifact_bucket=ARTIFACTS, table="tidemill")


def test_rows_and_plan_are_stored(prepare: ModuleType, validated: dict[str, Any], objects: Objects) -> None:
    prepared = from_json(Prepared, prepare.handler(validated, None))
    run_id = validated["run"]["run_id"]
    plan = objects.get_contract(Plan, ARTIFACTS, keys.run_plan(run_id))
    train, holdout = (
        Rows.load(objects.get(ARTIFACTS, key)) for key in (keys.run_train_rows(run_id), keys.run_holdout_rows(run_id))
    )
    assert prepared == plan.prepared()
    assert (len(train), len(holdout)) == (prepared.train_rows, prepared.holdout_rows) == (160, 40)
    assert [field.name for field in plan.inputs] == ["tenure", "contract", "since"]
    assert "" in train.columns["contract"]
    assert {candidate.name for candidate in prepared.candidates} == {"linear", "baseline"}
    assert prepared.metric == "roc_auc"
    assert plan.signature().classes == ("No", "Yes")
    assert plan.positive_class == "Yes"


def test_preparing_again_leaves_the_same_bytes(
    prepare: ModuleType, validated: dict[str, Any], objects: Objects
) -> None:
    run_id = validated["run"]["run_id"]
    written = (keys.run_plan(run_id), keys.run_train_rows(run_id), keys.run_holdout_rows(run_id))

    def stored() -> list[bytes]:
        prepare.handler(validated, None)
        return [objects.get(ARTIFACTS, key) for key in written]

    assert stored() == stored()


def test_a_metric_of_another_task_is_a_mistake_in_the_spec(
    prepare: ModuleType, validated: dict[str, Any], objects: Objects
) -> None:
    spec = {"target": "Churn", "metric": "rmse"}
    objects.put_contract(ARTIFACTS, keys.run_spec(validated["run"]["run_id"]), spec)
    with pytest.raises(SpecError, match="'rmse', but the task is binary"):
        prepare.handler(validated, None)


def test_a_table_that_is_gone_is_named(prepare: ModuleType, validated: dict[str, Any], objects: Objects) -> None:
    version = validated["validated"]["dataset"]["version"]
    objects.delete(ARTIFACTS, keys.dataset("churn", version, "data.parquet"))
    with pytest.raises(NotFound, match=version):
        prepare.handler(validated, None)


def test_a_broken_event_is_refused_by_field(prepare: ModuleType, validated: dict[str, Any]) -> None:
    del validated["validated"]["target"]
    with pytest.raises(ContractError, match=r"Validated\.target is missing"):
        prepare.handler(validated, None)
