"""Keys are made from content or run ids, and an upload's key says what to do with it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill import keys
from tidemill.errors import ContractError


@pytest.mark.parametrize(
    ("key", "purpose", "project", "file"),
    [
        ("incoming/churn/a.csv", "incoming", "churn", "a.csv"),
        ("score/house-prices/2026/may.csv.gz", "score", "house-prices", "2026/may.csv.gz"),
    ],
)
def test_an_uploads_key_says_what_to_do(key: str, purpose: str, project: str, file: str) -> None:
    assert keys.parse_upload(key) == keys.Upload(purpose, project, file)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "key", ["incoming/a.csv", "incoming/churn/", "incoming//a.csv", "other/churn/a.csv", "incoming/Churn/a.csv"]
)
def test_any_other_key_is_refused_with_what_is_accepted(key: str) -> None:
    with pytest.raises(ContractError, match=r"incoming/<project>/<file>|lower-case letters"):
        keys.parse_upload(key)


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=63))
def test_lower_case_words_name_projects(name: str) -> None:
    assert keys.parse_upload(keys.incoming(name, "t.csv")).project == name


def test_the_same_object_version_gives_the_same_run() -> None:
    once = keys.run_id("b", "incoming/churn/a.csv", "v1", '"e"')
    assert once == keys.run_id("b", "incoming/churn/a.csv", "v1", "e")
    assert once != keys.run_id("b", "incoming/churn/a.csv", "v2", "e")
    assert len(once) == 32
    assert int(once, 16) >= 0


@pytest.mark.parametrize("file", ["may.csv", "may.csv.gz", "may.jsonl", "may.parquet", "may.xlsx", "may.TSV"])
def test_a_scored_table_is_named_after_its_upload(file: str) -> None:
    assert keys.scored("churn", file) == "scored/churn/may.csv"


def test_captures_are_partitioned_by_day_and_hour() -> None:
    key = keys.captures("churn", "2026-05-04T13:45:00Z", "abc")
    assert key == "captures/churn/dt=2026-05-04/hour=13/abc.jsonl.gz"
