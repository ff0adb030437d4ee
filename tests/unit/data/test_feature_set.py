"""A table becomes part of a feature set: what is kept, what is refused, and what changes for predictions."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tidemill.data import feature_set, parquet
from tidemill.data.feature_join import Version
from tidemill.data.feature_set import FeatureSet
from tidemill.errors import DataRefused
from tidemill.spec import FeatureSetDeclaration

HISTORY = FeatureSetDeclaration("customer", "as_of")
LIST = FeatureSetDeclaration("shop")
FIRST = "customer,as_of,age,plan\n1,2026-01-01,30,basic\n2,2026-01-01,40,gold\n1,2026-02-01,31,basic\n"

Put = Callable[..., FeatureSet]


@pytest.fixture
def put(tmp_path: Path) -> Iterator[Put]:
    """Takes a CSV text into a set."""
    made: list[FeatureSet] = []

    def ingest(text: str, declared: FeatureSetDeclaration, before: FeatureSet | None = None, *unfinished: Path) -> Any:
        work = tmp_path / str(len(list(tmp_path.iterdir())))
        work.mkdir()
        current = Version(before.version, before.profile, before.table) if before else None
        made.append(
            feature_set.ingest(
                lambda path: _write(path, text),
                len(text),
                "table.csv",
                declared,
                current,
                unfinished,
                work,
                10**6,
            )
        )
        return made[-1]

    yield ingest
    for one in made:
        one.close()


def _write(path: Path, text: str) -> None:
    path.write_text(text)


def rows(made: FeatureSet) -> list[tuple[Any, ...]]:
    """The canonical table."""
    types = {column.name: column.type for column in made.profile.columns}
    columns = parquet.load_columns(made.table, list(types), types)
    return list(zip(*(values.tolist() for values in columns.values()), strict=True))


def changes(made: FeatureSet, size: int = 2) -> dict[str, Any]:
    """What is written online, by key."""
    lines = [json.loads(line) for _, data in made.batches(size) for line in gzip.decompress(data).splitlines()]
    assert [key for key, _, _ in lines] == sorted(key for key, _, _ in lines)
    return {key: values for key, _, values in lines}


def found(made: FeatureSet, verdict: str) -> list[str]:
    return [check.detail for check in made.checks if check.verdict == verdict]


# --- history -------------------------------------------------------------------------------------


def test_the_first_table_is_the_set(put: Put) -> None:
    made = put(FIRST, HISTORY)
    assert rows(made) == [
        (1.0, "2026-01-01", 30.0, "basic"),
        (1.0, "2026-02-01", 31.0, "basic"),
        (2.0, "2026-01-01", 40.0, "gold"),
    ]
    assert [(column.name, column.type, column.role) for column in made.profile.columns] == [
        ("customer", "integer", "id"),
        ("as_of", "date", "time"),
        ("age", "integer", "feature"),
        ("plan", "category", "feature"),
    ]
    assert changes(made) == {"1": {"age": 31, "plan": "basic"}, "2": {"age": 40, "plan": "gold"}}
    assert found(made, "warn") == []


def test_rows_are_added_to_a_history_and_the_newest_upload_counts(put: Put) -> None:
    first = put(FIRST, HISTORY)
    second = put("customer,as_of,age,plan\n1,2026-02-01,32,gold\n3,2025-01-01,50,basic\n", HISTORY, first)
    assert rows(second) == [
        (1.0, "2026-01-01", 30.0, "basic"),
        (1.0, "2026-02-01", 32.0, "gold"),
        (2.0, "2026-01-01", 40.0, "gold"),
        (3.0, "2025-01-01", 50.0, "basic"),
    ]
    assert changes(second) == {"1": {"age": 32, "plan": "gold"}, "3": {"age": 50, "plan": "basic"}}


def test_what_was_known_earlier_changes_the_history_and_nothing_online(put: Put) -> None:
    first = put(FIRST, HISTORY)
    late = put("customer,as_of,age,plan\n1,2025-01-01,29,basic\n", HISTORY, first)
    assert len(rows(late)) == 4
    assert changes(late) == {}


def test_the_order_of_uploads_does_not_matter_to_the_version(put: Put) -> None:
    other = "customer,as_of,age,plan\n7,2026-01-05,20,basic\n5,2026-01-04,25,gold\n"
    assert put(other, HISTORY, put(FIRST, HISTORY)).version == put(FIRST, HISTORY, put(other, HISTORY)).version


def test_the_last_of_rows_with_one_key_and_time_counts(put: Put) -> None:
    made = put("customer,as_of,age\n1,2026-01-01,30\n1,2026-01-01,31\n2,2026-01-01,40\n", HISTORY)
    assert rows(made) == [(1.0, "2026-01-01", 31.0), (2.0, "2026-01-01", 40.0)]
    (warning,) = found(made, "warn")
    assert warning == "1 rows repeat the 'customer' and 'as_of' of a later row: the last one counts"


def test_a_new_column_is_missing_in_earlier_rows(put: Put) -> None:
    first = put(FIRST, HISTORY)
    second = put("customer,as_of,age,plan,visits\n9,2026-01-01,20,gold,4\n", HISTORY, first)
    assert second.profile.columns[-1].missing == 3
    assert changes(second) == {"9": {"age": 20, "plan": "gold", "visits": 4}}
    assert "'visits': new in the feature set" in found(second, "warn")[0]


def test_a_column_may_be_empty_in_a_table(put: Put) -> None:
    second = put("customer,as_of,age,plan\n9,2026-01-01,,gold\n", HISTORY, put(FIRST, HISTORY))
    assert [column.type for column in second.profile.columns] == ["integer", "date", "integer", "category"]
    assert changes(second) == {"9": {"plan": "gold"}}


def test_whole_numbers_may_become_numbers(put: Put) -> None:
    second = put("customer,as_of,age,plan\n9,2026-01-01,20.5,gold\n", HISTORY, put(FIRST, HISTORY))
    assert second.profile.columns[2].type == "number"
    assert changes(second) == {"9": {"age": 20.5, "plan": "gold"}}


# --- a set without a time ------------------------------------------------------------------------


def test_a_table_replaces_a_set_without_a_time(put: Put) -> None:
    first = put("shop,size\na,1\nb,2\nc,3\n", LIST)
    second = put("shop,size\na,1\nc,4\nd,5\n", LIST, first)
    assert rows(second) == [("a", 1.0), ("c", 4.0), ("d", 5.0)]
    assert changes(second) == {"b": None, "c": {"size": 4}, "d": {"size": 5}}


def test_all_is_written_again_after_a_version_that_was_not_finished(put: Put) -> None:
    first = put("shop,size\na,1\nb,2\n", LIST)
    broken = put("shop,size\na,7\nx,8\n", LIST, first)
    third = put("shop,size\na,1\nb,2\n", LIST, first, broken.table)
    assert changes(third) == {"a": {"size": 1}, "b": {"size": 2}, "x": None}


def test_texts_and_keys_stay_what_they_are(put: Put) -> None:
    made = put('shop,code,note\n007,01,"a ""b"", ü"\n8a,10,?\n', LIST)
    assert changes(made) == {"007": {"code": "01", "note": 'a "b", ü'}, "8a": {"code": "10"}}
    again = put("shop,code,note\n9,11,c\n", LIST, made)
    assert changes(again)["9"] == {"code": "11", "note": "c"}


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id,as_of,age\n1,2026-01-01,3\n", "no column 'customer', which is the key"),
        ("customer,when,age\n1,2026-01-01,3\n", "no column 'as_of', which is the time"),
        ("customer,as_of,age\n1,2026-01-01,3\n,2026-01-01,4\n", "'customer' has no value in row 2"),
        ("customer,as_of,age\n1,2026-01-01,3\n2,?,4\n", "'as_of' has no value in row 2"),
        ("customer,as_of,age\n1,soon,3\n2,later,4\n", "'as_of' holds category, not dates or numbers"),
        ("customer,as_of\n1,2026-01-01\n2,2026-01-02\n", "no column beside key and time"),
        ("customer,as_of,age\n1.5,2026-01-01,3\n2,2026-01-01,4\n", "not whole"),
        (f"customer,as_of,age\n{'k' * 1025},2026-01-01,3\nb,2026-01-01,4\n", "longer than 1024 bytes in row 1"),
    ],
)
def test_what_is_no_table_of_the_set_is_refused(put: Put, text: str, words: str) -> None:
    with pytest.raises(DataRefused, match=words):
        put(text, HISTORY)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("customer,as_of,age\n1,2026-01-01,3\n", "lacks 'plan'"),
        ("customer,as_of,age,plan\n1,2026-01-01,old,gold\n", "'age' must hold a number, not 'old'"),
        ("customer,as_of,age,plan\nx1,2026-01-01,3,gold\n", "'customer' must hold .*since its first table"),
    ],
)
def test_a_later_table_must_fit_the_set(put: Put, text: str, words: str) -> None:
    first = put(FIRST, HISTORY)
    with pytest.raises(DataRefused, match=words):
        put(text, HISTORY, first)


# --- personal data -------------------------------------------------------------------------------

MAILS = "shop,mail,size\n" + "".join(f"s{n},somebody{n}@example.com,{n}\n" for n in range(30))


def test_personal_data_is_told_of(put: Put) -> None:
    made = put(MAILS, LIST)
    (warning,) = found(made, "warn")
    assert warning.startswith("'mail' holds e-mail addresses")
    assert changes(made)["s3"]["mail"] == "somebody3@example.com"


def test_personal_data_is_dropped_when_the_set_says_so(put: Put) -> None:
    made = put(MAILS, FeatureSetDeclaration("shop", personal_data="drop"))
    assert changes(made)["s3"] == {"size": 3}
    assert b"example.com" not in made.table.read_bytes()
    assert "example.com" not in str(made.checks) + str(made.profile)


def test_personal_data_is_refused_when_the_set_says_so(put: Put) -> None:
    with pytest.raises(DataRefused, match="'mail' holds e-mail addresses"):
        put(MAILS, FeatureSetDeclaration("shop", personal_data="refuse"))


def test_a_key_of_personal_data_is_told_of(put: Put) -> None:
    made = put(MAILS, FeatureSetDeclaration("mail"))
    assert "the key 'mail' holds e-mail addresses" in found(made, "warn")[0]
