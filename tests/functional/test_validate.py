"""An upload in the bucket, validated by the handler."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from tidemill import keys
from tidemill.aws.objects import Objects
from tidemill.aws.registry import Registry
from tidemill.contracts import Profile, Run, Source, Validated, from_json, to_json
from tidemill.errors import DataRefused, NotFound

DATA, ARTIFACTS = "tidemill-data", "tidemill-artifacts"
TABLE = b"tenure;plan;churn\r\n" + b"".join(b"%d;%c;%d\r\n" % (i * 7 % 61, 97 + i % 3, i // 2 % 2) for i in range(120))


@pytest.fixture
def validate(stage: Callable[..., ModuleType], objects: Objects, registry: Registry) -> ModuleType:
    return stage("validate", artifact_bucket=ARTIFACTS, table="tidemill", max_upload_mb="1")


@pytest.fixture
def uploaded(objects: Objects) -> Callable[..., Run]:
    """Uploads a table and gives the run that intake would have started."""

    def upload(data: bytes, file: str = "a.csv", spec: bytes = b"{}") -> Run:
        key = keys.incoming("churn", file)
        objects.put(DATA, key, data)
        head = objects.head(DATA, key)
        run_id = keys.run_id(DATA, key, head.version_id, head.etag)
        objects.put(ARTIFACTS, keys.run_spec(run_id), spec)
        source = Source(DATA, key, head.version_id, head.etag, head.size)
        return Run(run_id, "churn", source, "2026-03-04T05:06:07Z", "ada")

    return upload


def test_a_table_becomes_a_dataset_version(
    validate: ModuleType, uploaded: Callable[..., Run], objects: Objects, registry: Registry
) -> None:
    run = uploaded(TABLE, spec=b'{"target": "churn"}')
    answers: list[dict[str, Any]] = [validate.handler({"run": to_json(run)}, None) for _ in range(2)]
    validated = from_json(Validated, answers[0])
    assert from_json(Validated, answers[1]) == validated
    assert (validated.task, validated.target, validated.dataset.columns) == ("binary", "churn", 3)
    assert answers[0]["requests"]["s3_puts"] >= 5
    files = [head.key for head in objects.list(ARTIFACTS, f"datasets/churn/{validated.dataset.version}/")]
    assert [key.rpartition("/")[2] for key in files] == ["checks.json", "data.parquet", "profile.json"]
    profile = objects.get_contract(Profile, ARTIFACTS, keys.run_profile(run.run_id))
    assert (profile.reading.delimiter, profile.rows) == (";", 120)
    (record,) = registry.datasets("churn")
    assert (record.version, record.run_id, record.at) == (validated.dataset.version, run.run_id, run.started_at)


def test_the_version_that_was_uploaded_is_read_and_not_a_later_one(
    validate: ModuleType, uploaded: Callable[..., Run], objects: Objects
) -> None:
    run = uploaded(TABLE)
    objects.put(DATA, run.source.key, b"")
    assert validate.handler({"run": to_json(run)}, None)["dataset"]["rows"] == 120


def test_the_same_content_in_another_form_is_the_same_version(
    validate: ModuleType, uploaded: Callable[..., Run]
) -> None:
    one = validate.handler({"run": to_json(uploaded(TABLE))}, None)
    other = validate.handler({"run": to_json(uploaded(gzip.compress(TABLE.replace(b";", b"\t")), "b.tsv.gz"))}, None)
    assert one["dataset"] == other["dataset"]


def test_a_refused_table_leaves_its_reasons_and_no_dataset(
    validate: ModuleType, uploaded: Callable[..., Run], objects: Objects, registry: Registry
) -> None:
    run = uploaded(TABLE, spec=b'{"target": "Churn"}')
    with pytest.raises(DataRefused, match="did you mean 'churn'"):
        validate.handler({"run": to_json(run)}, None)
    assert b'"target_found"' in objects.get(ARTIFACTS, keys.run_checks(run.run_id))
    assert objects.get_contract(Profile, ARTIFACTS, keys.run_profile(run.run_id)).target is None
    assert not list(registry.datasets("churn"))
    assert not list(objects.list(ARTIFACTS, "datasets/"))


def test_a_file_that_is_no_table_leaves_its_reason(
    validate: ModuleType, uploaded: Callable[..., Run], objects: Objects
) -> None:
    run = uploaded(b"\x89PNG\r\n\x1a\n\x00\x00")
    with pytest.raises(DataRefused, match="is a picture"):
        validate.handler({"run": to_json(run)}, None)
    assert b'"readable"' in objects.get(ARTIFACTS, keys.run_checks(run.run_id))
    with pytest.raises(NotFound):
        objects.get(ARTIFACTS, keys.run_profile(run.run_id))


def test_an_upload_that_is_gone_is_no_refusal(
    validate: ModuleType, uploaded: Callable[..., Run], objects: Objects
) -> None:
    run = uploaded(TABLE)
    objects._s3.delete_object(Bucket=DATA, Key=run.source.key, VersionId=run.source.version_id)
    with pytest.raises(NotFound):
        validate.handler({"run": to_json(run)}, None)
