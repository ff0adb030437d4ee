"""Objects against moto's S3: what comes back, what repeats quietly, and which error says what."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError
from botocore.stub import Stubber

from tidemill.aws import objects as module
from tidemill.aws.objects import Objects
from tidemill.contracts import CandidateScore, Failure
from tidemill.errors import ContractError, NotFound, StorageError

DATA = "tidemill-data"
ARTIFACTS = "tidemill-artifacts"


def test_bytes_come_back(objects: Objects) -> None:
    objects.put(DATA, "a/b c+ü.csv", b"x,y\n1,2\n")
    assert objects.get(DATA, "a/b c+ü.csv") == b"x,y\n1,2\n"


def test_a_given_version_is_read_though_a_newer_one_exists(objects: Objects, tmp_path: Path) -> None:
    objects.put(DATA, "incoming/churn/a.csv", b"first")
    first = objects.head(DATA, "incoming/churn/a.csv")
    objects.put(DATA, "incoming/churn/a.csv", b"second")
    assert objects.get(DATA, "incoming/churn/a.csv", first.version_id) == b"first"
    objects.download(DATA, "incoming/churn/a.csv", tmp_path / "a.csv", first.version_id)
    assert (tmp_path / "a.csv").read_bytes() == b"first"
    objects.copy(DATA, "incoming/churn/a.csv", DATA, "quarantine/churn/a.csv", first.version_id)
    assert objects.get(DATA, "quarantine/churn/a.csv") == b"first"


def test_the_same_write_twice_leaves_one_object(objects: Objects) -> None:
    for _ in range(2):
        objects.put_contract(ARTIFACTS, "runs/1/train/a.json", CandidateScore("a", 0.5, 1.0))
    assert [head.key for head in objects.list(ARTIFACTS, "runs/1/")] == ["runs/1/train/a.json"]
    assert objects.get_contract(CandidateScore, ARTIFACTS, "runs/1/train/a.json") == CandidateScore("a", 0.5, 1.0)


def test_of_two_first_writes_one_is_kept(objects: Objects) -> None:
    assert objects.put_new(ARTIFACTS, "datasets/churn/contract.json", b"first")
    assert not objects.put_new(ARTIFACTS, "datasets/churn/contract.json", b"second")
    assert objects.get(ARTIFACTS, "datasets/churn/contract.json") == b"first"


def test_head_tells_what_the_event_of_the_upload_told(objects: Objects) -> None:
    objects.put(DATA, "a.csv", b"12345")
    head = objects.head(DATA, "a.csv")
    raw = boto3.client("s3").head_object(Bucket=DATA, Key="a.csv")
    assert (head.size, head.etag, head.version_id) == (5, raw["ETag"].strip('"'), raw["VersionId"])
    assert head.modified_at.endswith("Z")


@pytest.mark.parametrize(
    "action",
    [
        lambda objects, path: objects.get(DATA, "no/such.csv"),
        lambda objects, path: objects.head(DATA, "no/such.csv"),
        lambda objects, path: objects.get_contract(Failure, DATA, "no/such.csv"),
        lambda objects, path: objects.download(DATA, "no/such.csv", path / "x"),
        lambda objects, path: objects.copy(DATA, "no/such.csv", DATA, "copy.csv"),
    ],
    ids=["get", "head", "get_contract", "download", "copy"],
)
def test_a_missing_object_is_named(objects: Objects, tmp_path: Path, action: Any) -> None:
    with pytest.raises(NotFound, match=f"s3://{DATA}/no/such.csv") as caught:
        action(objects, tmp_path)
    assert isinstance(caught.value.__cause__, ClientError)
    assert not list(tmp_path.iterdir())


def test_a_missing_object_does_not_exist_and_can_be_deleted(objects: Objects) -> None:
    assert not objects.exists(DATA, "a.csv")
    objects.put(DATA, "a.csv", b"")
    assert objects.exists(DATA, "a.csv")
    objects.delete(DATA, "a.csv")
    objects.delete(DATA, "a.csv")
    assert not objects.exists(DATA, "a.csv")


def test_a_document_of_another_form_is_a_contract_error(objects: Objects) -> None:
    objects.put(ARTIFACTS, "x.json", b'{"stage": "train"}')
    with pytest.raises(ContractError, match=r"Failure\.error is missing"):
        objects.get_contract(Failure, ARTIFACTS, "x.json")


@pytest.mark.parametrize("code", ["AccessDenied", "SlowDown", "InternalError"])
def test_any_other_refusal_is_a_storage_error_with_the_services_code(aws: None, code: str) -> None:
    s3 = boto3.client("s3")
    with Stubber(s3) as stub:
        stub.add_client_error("get_object", code, "no", 403)
        with pytest.raises(StorageError, match=f"read s3://b/k: {code}") as caught:
            Objects(s3).get("b", "k")
    assert isinstance(caught.value.__cause__, ClientError)


def test_no_answer_in_time_is_a_storage_error(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    s3 = boto3.client("s3")

    def unreachable(**_: Any) -> None:
        raise ConnectTimeoutError(endpoint_url="https://s3")

    monkeypatch.setattr(s3, "put_object", unreachable)
    with pytest.raises(StorageError, match="write s3://b/k: Connect timeout"):
        Objects(s3).put("b", "k", b"")


def test_a_big_file_goes_up_in_parts_and_comes_down_equal(objects: Objects, tmp_path: Path) -> None:
    content = bytes(range(256)) * 4096 * 18  # 18 MiB: above s3transfer's threshold of 8
    (tmp_path / "up.csv").write_bytes(content)
    objects.upload(tmp_path / "up.csv", DATA, "big.csv")
    assert objects.head(DATA, "big.csv").etag.endswith("-3")
    objects.download(DATA, "big.csv", tmp_path / "down.csv")
    assert (tmp_path / "down.csv").read_bytes() == content


def test_a_stream_becomes_one_object(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PART_BYTES", 5 * 1024 * 1024)
    line = b"0123456789abcdef" * 4096
    with objects.writer(DATA, "scored/churn/big.csv") as stream:
        for _ in range(200):  # 12.5 MiB: two full parts and a rest
            stream.write(line)
    assert objects.get(DATA, "scored/churn/big.csv") == line * 200
    assert objects.head(DATA, "scored/churn/big.csv").etag.endswith("-3")
    assert boto3.client("s3").head_object(Bucket=DATA, Key="scored/churn/big.csv")["ContentType"].startswith("text/csv")


def test_a_short_or_empty_stream_is_an_object_too(objects: Objects) -> None:
    with objects.writer(DATA, "empty.csv"):
        pass
    with objects.writer(DATA, "short.csv") as stream, io.TextIOWrapper(stream, encoding="utf-8", newline="") as text:
        text.write("é\n")
    assert objects.get(DATA, "empty.csv") == b""
    assert objects.get(DATA, "short.csv") == "é\n".encode()


def test_a_broken_stream_leaves_no_object_and_no_parts(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PART_BYTES", 5 * 1024 * 1024)
    with pytest.raises(TypeError), objects.writer(DATA, "half.csv") as stream:
        stream.writelines([b"x" * 6 * 1024 * 1024, "no bytes"])  # type: ignore[list-item]
    assert not objects.exists(DATA, "half.csv")
    assert "Uploads" not in boto3.client("s3").list_multipart_uploads(Bucket=DATA)


def test_a_listing_passes_the_limit_of_a_page(objects: Objects) -> None:
    for number in range(1005):
        objects.put(DATA, f"many/{number:04d}", b"")
    objects.put(DATA, "other", b"")
    listed = [head.key for head in objects.list(DATA, "many/")]
    assert listed == [f"many/{number:04d}" for number in range(1005)]
