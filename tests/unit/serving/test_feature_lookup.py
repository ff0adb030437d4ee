"""What a prediction looks up, and what it does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.contracts import FeatureSetRef, InputField, Signature
from tidemill.errors import InputRefused
from tidemill.serving.feature_lookup import FeatureLookup, entity

CUSTOMERS = FeatureSetRef("customers", "customer", ("customers__age", "customers__plan"), "integer")
SHOPS = FeatureSetRef("shops", "shop", ("shops__size",))
INPUTS = (
    InputField("amount", "number", required=False),
    InputField("customers__age", "number", required=False),
    InputField("customers__plan", "category", required=False),
    InputField("shops__size", "integer", required=False),
)
ONLINE: dict[str, dict[str, dict[str, Any]]] = {
    "customers": {"1": {"age": 30, "plan": "gold"}, "2": {"plan": "basic"}},
    "shops": {"007": {"size": 3}},
}


class Asked:
    """The online table, with what it was asked for."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[str]]] = []

    def __call__(self, feature_set: str, keys: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        self.calls.append((feature_set, list(keys)))
        return {key: ONLINE[feature_set][key] for key in keys if key in ONLINE[feature_set]}


@pytest.fixture
def asked() -> Asked:
    return Asked()


def lookup(asked: Asked, *sets: FeatureSetRef, missing: tuple[str, ...] = ()) -> FeatureLookup:
    return FeatureLookup(Signature("m", "binary", "y", INPUTS, missing_values=missing, feature_sets=sets), asked)


def test_rows_get_the_features_of_their_keys(asked: Asked) -> None:
    columns: dict[str, list[Any]] = {"amount": [1, 2, 3, 4], "customer": [2, "1", None, 9]}
    assert lookup(asked, CUSTOMERS).completed(columns) == columns | {
        "customers__age": [None, 30, None, None],
        "customers__plan": ["basic", "gold", None, None],
    }


def test_what_the_caller_gives_wins_row_by_row(asked: Asked) -> None:
    columns: dict[str, list[Any]] = {
        "customer": [1, 1, 2],
        "customers__age": [44, None, "?"],
        "customers__plan": ["x", "NA", None],
    }
    made = lookup(asked, CUSTOMERS).completed(columns)
    assert made["customers__age"] == [44, 30, None]
    assert made["customers__plan"] == ["x", "gold", "basic"]


def test_each_key_is_asked_for_once_and_none_without_need(asked: Asked) -> None:
    columns: dict[str, list[Any]] = {
        "customer": [1, 1.0, " 1 ", 2, 3],
        "customers__age": [None, None, None, None, 50],
        "customers__plan": [None, None, None, None, "own"],
        "shop": ["007", None, None, None, None],
    }
    lookup(asked, CUSTOMERS, SHOPS).completed(columns)
    assert asked.calls == [("customers", ["1", "2"]), ("shops", ["007"])]
    lookup(asked, CUSTOMERS).completed({"customer": [None]})
    lookup(asked, SHOPS).completed({"shop": ["k" * 2000]})
    assert len(asked.calls) == 2


def test_a_model_without_the_key_needs_the_features(asked: Asked) -> None:
    own: dict[str, list[Any]] = {"customers__plan": ["gold"], "amount": [1]}
    assert lookup(asked, CUSTOMERS).completed(own) == own
    with pytest.raises(InputRefused, match="customer is missing: the model looks features of customers up by it"):
        lookup(asked, CUSTOMERS).completed({"amount": [1]})


def test_what_means_missing_in_the_project_is_missing_online_too(asked: Asked) -> None:
    made = lookup(asked, CUSTOMERS, missing=("gold", "30")).completed({"customer": [1]})
    assert (made["customers__age"], made["customers__plan"]) == ([None], [None])


@pytest.mark.parametrize("value", [[1], {"a": 1}])
def test_a_key_is_text_or_a_number(asked: Asked, value: Any) -> None:
    with pytest.raises(InputRefused, match="a key must be text or a whole number"):
        lookup(asked, CUSTOMERS).completed({"customer": [value]})


# --- keys ----------------------------------------------------------------------------------------


@given(st.integers(-(2**53), 2**53))
def test_a_whole_number_is_one_key_however_it_is_written(number: int) -> None:
    forms: list[Any] = [number, float(number), str(number), f" {number} ", f"{number}.0", repr(float(number))]
    assert {entity(form, "integer") for form in forms} == {str(number)}


@given(st.text(min_size=1))
def test_a_text_is_its_own_key(text: str) -> None:
    assert entity(text, "category") == (text.strip() or None)


@pytest.mark.parametrize(
    ("value", "kind", "key"),
    [
        (7, "category", "7"),
        (7.0, "category", "7"),
        ("7.0", "category", "7.0"),
        ("007", "category", "007"),
        ("007", "integer", "7"),
        ("x7", "integer", "x7"),
        ("1_0", "integer", "1_0"),
        ("nan", "integer", "nan"),
        (1.5, "integer", "1.5"),
        (True, "category", "true"),
        (float("nan"), "category", None),
        ("  ", "category", None),
        (None, "integer", None),
    ],
)
def test_other_keys(value: Any, kind: Any, key: str | None) -> None:
    assert entity(value, kind) == key
