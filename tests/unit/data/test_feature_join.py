"""Rows get the features that were known at their time, never later ones; the same that predictions look up."""

from __future__ import annotations

import gzip
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.contracts import ColumnProfile, FeatureSetRef, InputField, Profile, Reading, Signature
from tidemill.data import feature_join, feature_set
from tidemill.data.feature_join import FeatureTable, Joined, StoredFeatures, Version
from tidemill.errors import DataRefused, SpecError
from tidemill.serving.feature_lookup import FeatureLookup
from tidemill.serving.features import encode
from tidemill.spec import FeatureSetDeclaration, FeatureSetUse, Spec

READING = Reading("csv", None, "utf-8", ",", '"', True, 1)
START = datetime(2026, 1, 1, tzinfo=UTC)


@contextmanager
def stored(text: str, declared: FeatureSetDeclaration, work: Path) -> Iterator[tuple[Version, dict[str, Any]]]:
    """A version of a set made of a CSV text, and what is online after it."""
    made = feature_set.ingest(
        lambda path: _write(path, text), len(text), "t.csv", declared, None, (), Path(tempfile.mkdtemp(dir=work)), 10**6
    )
    try:
        lines = [json.loads(line) for _, data in made.batches(50) for line in gzip.decompress(data).splitlines()]
        yield Version(made.version, made.profile, made.table), {key: values for key, _, values in lines}
    finally:
        made.close()


def _write(path: Path, text: str) -> None:
    path.write_text(text)


def table(**columns: Sequence[Any]) -> tuple[Profile, dict[str, np.ndarray]]:
    """A project's table: numbers are whole, texts that look like dates are dates."""
    profiles, raw = [], {}
    for name, values in columns.items():
        numeric = all(isinstance(value, int) or value is None for value in values)
        dated = not numeric and all(value is None or value[:3] == "202" for value in values)
        kind: Any = "integer" if numeric else "date" if dated else "category"
        profiles.append(ColumnProfile(name, kind, "feature", len(values), 0, 2))
        raw[name] = np.array([np.nan if v is None else v for v in values]) if numeric else np.array(values, object)
    return Profile(len(next(iter(columns.values()))), 0, tuple(profiles), READING, "y", "binary"), raw


def joined(spec: Spec, profile: Profile, raw: dict[str, np.ndarray], version: Version, work: Path) -> Joined:
    found = (version.version, version.profile, version.table)
    return feature_join.join(spec, profile, raw, lambda name: found if name == "customers" else None, work)


# --- never from the future -----------------------------------------------------------------------

#: Times on a small grid, so that equal ones are common; the text may name a zone, a time of day or neither.
moments = st.integers(0, 40).map(lambda hours: START + timedelta(hours=6 * hours))
keys = st.sampled_from(["a", "b", "c", "d", "e"])


def written(moment: datetime, style: int) -> str:
    if style == 0:
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


# An example takes two databases, so there are few of them, each of many rows.
@settings(max_examples=8)
@given(
    history=st.lists(st.tuples(keys, moments), min_size=1, max_size=60),
    asked=st.lists(
        st.tuples(st.one_of(keys, st.just("z"), st.none()), st.one_of(moments, st.none())), min_size=30, max_size=90
    ),
    style=st.integers(0, 1),
)
def test_no_row_gets_what_was_not_known_at_its_time(
    history: list[tuple[str, datetime]], asked: list[tuple[str | None, datetime | None]], style: int
) -> None:
    lines = [f"{key},{written(moment, style)},{number}" for number, (key, moment) in enumerate(history)]
    text = "\n".join(["customer,as_of,value", *lines]) + "\n"
    profile, raw = table(
        customer=[key for key, _ in asked] + ["a"],
        when=[None if moment is None else moment.isoformat() for _, moment in asked] + [START.isoformat()],
    )
    spec = Spec(feature_sets={"customers": FeatureSetUse("customer", "when")})
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        with stored(text, FeatureSetDeclaration("customer", "as_of"), work) as (version, _):
            made = joined(spec, profile, raw, version, work).values["customers__value"].tolist()
    for (key, moment), value in zip([*asked, ("a", START)], made, strict=True):
        known = [
            (since, number)
            for number, (entity, since) in enumerate(history)
            if entity == key and moment is not None and since <= moment
        ]
        if known:
            assert value == max(known)[1]
        else:
            assert np.isnan(value)


def test_a_row_that_is_known_a_moment_later_is_not_joined(tmp_path: Path) -> None:
    text = "customer,as_of,value\na,2026-01-02T12:00:00.000001Z,1\na,2026-01-01T00:00:00Z,0\n"
    profile, raw = table(customer=["a", "a"], when=["2026-01-02T12:00:00Z", "2026-01-02T13:00:00+00:00"])
    spec = Spec(feature_sets={"customers": FeatureSetUse("customer", "when")})
    with stored(text, FeatureSetDeclaration("customer", "as_of"), tmp_path) as (version, _):
        assert joined(spec, profile, raw, version, tmp_path).values["customers__value"].tolist() == [0, 1]


def test_times_may_be_numbers(tmp_path: Path) -> None:
    text = "customer,day,value\na,1,10\na,5,50\n"
    profile, raw = table(customer=["a", "a", "a", "a"], day=[0, 4, 5, None])
    spec = Spec(feature_sets={"customers": FeatureSetUse("customer", "day")})
    with stored(text, FeatureSetDeclaration("customer", "day"), tmp_path) as (version, _):
        values = joined(spec, profile, raw, version, tmp_path).values["customers__value"]
    np.testing.assert_array_equal(values, [np.nan, 10, 50, np.nan])


# --- what is joined ------------------------------------------------------------------------------

PEOPLE = "id,age,plan,member,since\n7,30,gold,true,2024-05-01\n8,,basic,false,2020-01-31\n9,41.5,,true,\n"
LIST = FeatureSetDeclaration("id")


def test_columns_become_features_with_the_types_of_the_set(tmp_path: Path) -> None:
    profile, raw = table(id=[8, 7, 5, 9], y=["a", "b", "a", "b"])
    spec = Spec(feature_sets={"customers": FeatureSetUse("id")})
    with stored(PEOPLE, LIST, tmp_path) as (version, _):
        made = joined(spec, profile, raw, version, tmp_path)
    assert [(c.name, c.type, c.missing, c.feature_set) for c in made.profile.columns[2:]] == [
        ("customers__age", "number", 2, "customers"),
        ("customers__plan", "category", 2, "customers"),
        ("customers__member", "boolean", 1, "customers"),
        ("customers__since", "date", 2, "customers"),
    ]
    np.testing.assert_array_equal(made.values["customers__age"], [np.nan, 30, np.nan, 41.5])
    assert made.values["customers__plan"].tolist() == ["basic", "gold", None, None]
    assert made.values["customers__since"].tolist() == ["2020-01-31", "2024-05-01", None, None]
    (ref,) = made.feature_sets
    assert (ref.name, ref.key, ref.key_type, ref.version) == ("customers", "id", "integer", version.version)
    assert [(key.name, key.type, key.required) for key in made.keys] == [("id", "integer", False)]
    (check,) = made.checks
    assert (check.verdict, check.detail[:39]) == ("pass", "3 of 4 rows have features of customers ")
    again = joined(spec, made.profile, raw, version, tmp_path)
    assert again.profile == made.profile


def test_only_the_columns_that_are_asked_for_are_joined(tmp_path: Path) -> None:
    profile, raw = table(id=[7, 8])
    spec = Spec(feature_sets={"customers": FeatureSetUse("id", columns=("plan",))})
    with stored(PEOPLE, LIST, tmp_path) as (version, _):
        assert list(joined(spec, profile, raw, version, tmp_path).values) == ["customers__plan"]


def test_what_means_missing_in_the_project_is_missing(tmp_path: Path) -> None:
    profile, raw = table(id=[7, 8, 9])
    spec = Spec(missing_values=("gold", "30"), feature_sets={"customers": FeatureSetUse("id")})
    with stored(PEOPLE, LIST, tmp_path) as (version, _):
        made = joined(spec, profile, raw, version, tmp_path).values
    assert made["customers__plan"].tolist() == [None, "basic", None]
    np.testing.assert_array_equal(made["customers__age"], [np.nan, np.nan, 41.5])


def test_few_matches_and_no_times_are_told_of(tmp_path: Path) -> None:
    text = "id,as_of,age\n7,2026-01-01,3\n"
    profile, raw = table(id=[7, 1, 2], when=["2026-01-01", "2026-01-02", "2026-01-03"])
    with stored(text, FeatureSetDeclaration("id", "as_of"), tmp_path) as (version, _):
        spec = Spec(feature_sets={"customers": FeatureSetUse("id")})
        few, future = joined(spec, profile, raw, version, tmp_path).checks
        assert (few.verdict, future.verdict) == ("warn", "warn")
        assert few.detail.startswith("1 of 3 rows have features of customers")
        assert future.detail.endswith("name the column that says when in feature_sets.customers.time")
        timed = Spec(time_column="when", feature_sets={"customers": FeatureSetUse("id")})
        (check,) = joined(timed, profile, raw, version, tmp_path).checks
        assert "as of each row's time" in check.detail


@pytest.mark.parametrize(
    ("use", "words"),
    [
        ({"nobody": FeatureSetUse("id")}, "'nobody', of which there is no table"),
        ({"customers": FeatureSetUse("who")}, "names 'who', but the table has no such column"),
        ({"customers": FeatureSetUse("id", columns=("income",))}, "names 'income', which the feature set has not"),
        ({"customers": FeatureSetUse("id", "then")}, "names 'then', but the table has no such column"),
        ({"customers": FeatureSetUse("id", "y")}, "'y' holds category, not dates or numbers"),
        ({"customers": FeatureSetUse("id", "id")}, "'as_of' holds dates and 'id' integers"),
    ],
)
def test_a_wrong_name_in_the_spec_is_named(tmp_path: Path, use: dict[str, FeatureSetUse], words: str) -> None:
    profile, raw = table(id=[7], y=["a"])
    with (
        stored("id,as_of,age\n7,2026-01-01,3\n", FeatureSetDeclaration("id", "as_of"), tmp_path) as (version, _),
        pytest.raises(SpecError, match=words),
    ):
        joined(Spec(feature_sets=use), profile, raw, version, tmp_path)


def test_a_column_of_a_joined_one_s_name_is_refused(tmp_path: Path) -> None:
    profile, raw = table(id=[7], customers__age=[3])
    with stored(PEOPLE, LIST, tmp_path) as (version, _), pytest.raises(DataRefused, match="'customers__age'"):
        joined(Spec(feature_sets={"customers": FeatureSetUse("id")}), profile, raw, version, tmp_path)


# --- training, endpoint and batch ------------------------------------------------------------------

cells = st.one_of(st.none(), st.text("aZ0 .-éü\"',", min_size=1, max_size=6), st.integers(-(2**40), 2**40).map(str))
numbers = st.one_of(st.none(), st.floats(-3e38, 3e38, allow_nan=False).map(repr), st.integers(-(2**53), 2**53).map(str))


def quoted(cell: str | None) -> str:
    return "" if cell is None else '"' + cell.replace('"', '""') + '"'


@settings(max_examples=8)
@given(
    entities=st.lists(st.tuples(cells, numbers, st.sampled_from(["true", "false", ""])), min_size=8, max_size=30),
    asked=st.lists(st.integers(0, 32), min_size=20, max_size=60),
)
def test_training_endpoint_and_batch_take_the_same_features(
    entities: list[tuple[str | None, str | None, str]], asked: list[int]
) -> None:
    rows = [
        f"{key},{quoted(text)},{number or ''},{flag},2026-01-{key % 28 + 1:02}"
        for key, (text, number, flag) in enumerate(entities)
    ]
    csv = "\n".join(["id,text,number,flag,day", *rows]) + "\n"
    profile, raw = table(id=asked)
    spec = Spec(feature_sets={"customers": FeatureSetUse("id")})
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        with stored(csv, LIST, work) as (version, online):
            made = joined(spec, profile, raw, version, work)
            columns = [column for column in made.profile.columns if column.role == "feature" and column.feature_set]
            inputs = tuple(InputField(column.name, column.type, required=False) for column in columns)
            ref = FeatureSetRef("customers", "id", tuple(field.name for field in inputs), "integer")
            signature = Signature("m", "binary", "y", inputs, feature_sets=(ref,), keys=made.keys)
            found = (version.version, version.profile, version.table)
            batch = StoredFeatures(signature, lambda _: found, work)
            in_batch = batch.completed({"id": np.array([str(key) for key in asked], object)})
            batch.close()
    lookup = FeatureLookup(signature, lambda _, wanted: {key: online[key] for key in wanted if key in online})
    at_endpoint = lookup.completed({"id": asked})
    if not inputs:
        return
    names = [field.name for field in inputs]
    learned = encode(inputs, {name: made.values[name] for name in names})
    for served in (at_endpoint, in_batch):
        encoded = encode(inputs, {name: served[name] for name in names})
        assert encoded.keys() == learned.keys()
        for name, values in learned.items():
            assert encoded[name].dtype == values.dtype
            np.testing.assert_array_equal(encoded[name], values)


def test_the_newest_row_is_looked_up(tmp_path: Path) -> None:
    text = "id,as_of,age\n7,2026-01-01,3\n7,2026-03-01,5\n7,2026-02-01,4\n"
    with stored(text, FeatureSetDeclaration("id", "as_of"), tmp_path) as (version, online):
        shared = FeatureTable(version, ["age"], tmp_path)
        assert shared.look_up(["7", "8"]) == {"7": {"age": 5}} == online
        shared.close()
