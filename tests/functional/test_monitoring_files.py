"""What watching reads and leaves in S3, by hour."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from tidemill import keys
from tidemill.aws.monitoring_files import MonitoringFiles
from tidemill.aws.objects import Objects
from tidemill.contracts import Capture, to_json
from tidemill.errors import ContractError
from tidemill.monitoring_contracts import HourPart, Labelled, PartClaim

ARTIFACTS = "tidemill-artifacts"


@pytest.fixture
def files(objects: Objects) -> MonitoringFiles:
    return MonitoringFiles(ARTIFACTS, objects)


def capture(prediction_id: str, at: str) -> Capture:
    return Capture(prediction_id, at, "churn", 1, {"tenure": 3}, 0.5, "champion")


def packed(*documents: Any) -> bytes:
    return gzip.compress("".join(json.dumps(item) + "\n" for item in documents).encode())


def test_captures_are_listed_by_hour_within_bounds_and_read_in_the_order_asked_for(
    files: MonitoringFiles, objects: Objects
) -> None:
    times = ("2026-03-03T23:10:00Z", "2026-03-04T00:10:00Z", "2026-03-04T01:10:00Z", "2026-03-04T10:10:00Z")
    for number, at in enumerate(times):
        objects.put(ARTIFACTS, keys.captures("churn", at, f"f{number}"), packed(to_json(capture(f"p{number}", at))))
    objects.put(ARTIFACTS, keys.captures("churn2", times[1], "other"), packed())
    found = files.capture_files("churn", "2026-03-04T00", "2026-03-04T01")
    assert list(found) == ["2026-03-04T00", "2026-03-04T01"]
    assert list(files.capture_files("churn", "", "9999")) == [at[:13] for at in times]
    wanted = [head.key for heads in found.values() for head in heads][::-1]
    read = list(files.captures(wanted))
    assert [key for key, _ in read] == wanted
    assert [item.prediction_id for _, captures in read for item in captures] == ["p2", "p1"]


def test_fields_that_a_newer_version_records_are_passed_over(files: MonitoringFiles, objects: Objects) -> None:
    row = to_json(capture("p1", "2026-03-04T00:00:00Z"))
    key = keys.captures("churn", row["at"], "f")
    objects.put(ARTIFACTS, key, packed(row | {"mood": "good"}, row | {"prediction_id": "p2"}))
    ((_, captures),) = files.captures([key])
    assert captures == [capture("p1", row["at"]), capture("p2", row["at"])]


@pytest.mark.parametrize(
    ("data", "message"), [(b"plain", "no gzip file"), (gzip.compress(b"{", mtime=0), "hold JSON lines")]
)
def test_a_damaged_file_is_named(files: MonitoringFiles, objects: Objects, data: bytes, message: str) -> None:
    key = keys.captures("churn", "2026-03-04T00:00:00Z", "f")
    objects.put(ARTIFACTS, key, data)
    with pytest.raises(ContractError, match=f"{key} .*{message}"):
        list(files.captures([key]))


def test_a_part_is_claimed_by_one_and_counted_when_both_its_files_are_there(
    files: MonitoringFiles, objects: Objects
) -> None:
    part = HourPart("2026-03-04T05", 0)
    assert files.claim_part("churn", part, PartClaim(("a",)))
    assert not files.claim_part("churn", part, PartClaim(("b",)))
    assert files.claim_of("churn", part) == PartClaim(("a",))
    assert files.parts("churn", "2026-03-04T05", "2026-03-04T05") == {"2026-03-04T05": [part]}
    assert list(files.summaries("churn", [part])) == []
    files.put_part("churn", part, (), b"index")
    counted = HourPart("2026-03-04T05", 0, True)
    assert files.parts("churn", "", "9999") == {"2026-03-04T05": [counted]}
    assert list(files.summaries("churn", [counted])) == [(counted, ())]
    assert list(files.indexes("churn", [counted])) == [(counted, b"index")]


def test_the_newest_labelled_predictions_come_first(files: MonitoringFiles) -> None:
    def row(prediction_id: str, at: str, shadow: bool = False) -> dict[str, Any]:
        return {"id": prediction_id, "at": at, "version": 1 + shadow, "shadow": shadow, "actual": "Yes"}

    hours = {
        "2026-03-04T05": [row("p1", "2026-03-04T05:00:00Z"), row("p2", "2026-03-04T05:30:00Z")],
        "2026-03-04T07": [row("p3", "2026-03-04T07:00:00Z"), row("p3", "2026-03-04T07:00:00Z", shadow=True)],
    }
    for hour, rows in hours.items():
        files.put_labelled("churn", hour, (Labelled("churn", 1, hour, hour, rows=2),), rows)
    assert [item["id"] for item in files.newest_labelled("churn", 2)] == ["p3", "p2"]
    assert [item["id"] for item in files.newest_labelled("churn", 9, last="2026-03-04T06")] == ["p2", "p1"]
    assert [item["version"] for item in files.newest_labelled("churn", 2, shadow=True)] == [1, 2]
    assert list(files.labelled_hours("churn", "2026-03-04T06")) == ["2026-03-04T07"]
    assert files.labelled("churn", "2026-03-04T07")[0].rows == 2
    assert (files.labelled("churn", "2026-03-04T06"), files.labelled_rows("churn", "2026-03-04T06")) == ((), [])
