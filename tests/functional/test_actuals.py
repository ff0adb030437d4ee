"""An upload of true outcomes becomes a file of the ledger and a record, or is quarantined with its reason."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from tidemill import keys
from tidemill.aws import clients
from tidemill.aws.monitoring_files import MonitoringFiles
from tidemill.aws.monitoring_records import MonitoringRecords
from tidemill.aws.objects import Objects
from tidemill.contracts import InputField, Refusal, Signature
from tidemill.monitoring_contracts import ActualsUpload

ARTIFACTS = "tidemill-artifacts"
DATA = "tidemill-data"


@pytest.fixture
def actuals(stage: Callable[..., ModuleType], objects: Objects, table: str, churn: int) -> ModuleType:
    signature = Signature("churn", "binary", "Churn", (InputField("tenure", "integer"),), ("No", "Yes"), "Yes")
    objects.put_contract(ARTIFACTS, keys.model("churn", churn, "signature.json"), signature)
    return stage("actuals", artifact_bucket=ARTIFACTS, table=table, max_upload_mb="1")


@pytest.fixture
def records(table: str) -> MonitoringRecords:
    return MonitoringRecords(clients.dynamodb(), table)


@pytest.fixture
def upload(objects: Objects, event: Callable[[str], Any]) -> Callable[..., tuple[Any, str]]:
    """Puts a file into the data bucket; returns the event that tells of it, and the upload's id."""

    def put(key: str, data: bytes) -> tuple[Any, str]:
        objects.put(DATA, key, data)
        head = objects.head(DATA, key)
        told = event("s3_put")
        record = told["Records"][0]["s3"]
        record["bucket"]["name"] = DATA
        record["object"] |= {"key": key, "size": head.size, "eTag": head.etag, "versionId": head.version_id}
        return told, keys.run_id(DATA, key, head.version_id, head.etag)

    return put


def test_an_upload_is_kept_in_the_ledger_and_on_record_once(
    actuals: ModuleType, upload: Callable[..., Any], objects: Objects, records: MonitoringRecords
) -> None:
    told, upload_id = upload("actuals/churn/march.csv", b"prediction_id,Churn\np1,Yes\np2,Maybe\n")
    for _ in range(2):
        actuals.handler(told, None)
    files = MonitoringFiles(ARTIFACTS, objects)
    (ledger,) = files.ledger_files("churn")
    at = told["Records"][0]["eventTime"][:19] + "Z"
    assert ledger.key == f"actuals/churn/{at}-{upload_id}.jsonl.gz"
    assert list(files.ledger([ledger.key])) == [(ledger.key, [{"id": "p1", "actual": "Yes"}])]
    (record,) = records.uploads("churn")
    assert record == records.upload(upload_id)
    assert record == ActualsUpload(
        upload_id,
        "churn",
        "actuals/churn/march.csv",
        at,
        told["Records"][0]["userIdentity"]["principalId"],
        "prediction_id",
        "Churn",
        2,
        1,
        ("1 row has an outcome that the model does not know (it knows No, Yes), such as 'Maybe' in row 2",),
    )


@pytest.mark.parametrize(
    ("key", "data", "reason"),
    [
        ("actuals/churn/march.csv", b"id,Churn\np1,Yes\n", "the table has no column 'prediction_id'"),
        ("actuals/houses/march.csv", b"prediction_id,actual\np1,3\n", "there is no model 'houses' in service"),
        ("actuals/churn/large.csv", b"prediction_id,actual\n" + b"p,Yes\n" * 200_000, "at most 1,048,576 are accepted"),
    ],
)
def test_a_file_that_cannot_be_used_is_quarantined_and_on_record(
    actuals: ModuleType,
    upload: Callable[..., Any],
    objects: Objects,
    records: MonitoringRecords,
    key: str,
    data: bytes,
    reason: str,
) -> None:
    told, upload_id = upload(key, data)
    for _ in range(2):
        actuals.handler(told, None)
    kept = keys.parse_upload(key)
    refusal = objects.get_contract(Refusal, DATA, keys.quarantine_reason(kept.project, kept.file))
    assert reason in refusal.reason
    assert objects.exists(DATA, keys.quarantine(kept.project, kept.file))
    assert not objects.exists(DATA, key)
    assert not list(objects.list(ARTIFACTS, "actuals/"))
    record = records.upload(upload_id)
    assert record is not None
    assert (record.rows, record.problems) == (0, (refusal.reason,))


def test_a_key_that_means_nothing_is_quarantined(
    actuals: ModuleType, upload: Callable[..., Any], objects: Objects
) -> None:
    told, _ = upload("actuals/march.csv", b"prediction_id,Churn\np1,Yes\n")
    actuals.handler(told, None)
    assert objects.exists(DATA, "quarantine/_/actuals/march.csv")


def test_the_projects_key_is_taken(
    actuals: ModuleType, upload: Callable[..., Any], objects: Objects, records: MonitoringRecords
) -> None:
    objects.put_contract(ARTIFACTS, keys.project_spec("churn"), {"monitor": {"key": "tenure"}})
    told, upload_id = upload("actuals/churn/march.csv", b"tenure,actual\n12,Yes\n")
    actuals.handler(told, None)
    record = records.upload(upload_id)
    assert record is not None
    assert (record.by_column, record.rows, record.refused) == ("tenure", 1, 0)
