"""Tokens of personal data, and requests that are masked before anything else sees them."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.contracts import InputField
from tidemill.errors import InputRefused
from tidemill.serving.masking import Masking, token
from tidemill.serving.missing_values import MissingValues

KEY = bytes(range(32))
#: Without a point: 1 and 1.0 are one number.
WORDS = st.characters(exclude_characters=".")
INPUTS = (InputField("email", "category", masked=True), InputField("age", "integer"))


def masking(key: bytes = KEY, missing: tuple[str, ...] = ()) -> Masking:
    return Masking(INPUTS, MissingValues(missing), lambda: key)


def test_a_token_is_a_keyed_hash_of_column_and_text() -> None:
    digest = hmac.new(KEY, b"email\0ann@example.com", hashlib.sha256).hexdigest()
    assert token(KEY, "email", "ann@example.com") == f"masked:{digest[:16]}"
    assert token(KEY, "mail", "ann@example.com") != token(KEY, "email", "ann@example.com")
    assert token(KEY[::-1], "email", "ann@example.com") != token(KEY, "email", "ann@example.com")


@given(st.text(WORDS, min_size=1), st.text(WORDS, min_size=1))
def test_different_texts_have_different_tokens_and_a_token_stands_for_itself(one: str, other: str) -> None:
    first = token(KEY, "c", one)
    assert (first == token(KEY, "c", other)) == (one == other)
    assert token(KEY, "c", first) == first


def test_masked_inputs_are_replaced_and_the_others_are_not() -> None:
    given = {
        "email": ["ann@example.com", " ann@example.com ", None, "NA", "", float("nan")],
        "age": [1, "x", 2, 3, 4, 5],
    }
    masked = masking().masked(given)
    ann = token(KEY, "email", "ann@example.com")
    assert masked == {"email": [ann, ann, None, None, None, None], "age": given["age"]}
    assert given["email"][0] == "ann@example.com"


def test_a_number_has_the_token_of_its_text() -> None:
    masked = masking().masked({"email": [4930901820, 4930901820.0, "4930901820", "4930901820.0", 1.5, True]})
    number = token(KEY, "email", "4930901820")
    assert masked["email"] == [number] * 4 + [token(KEY, "email", "1.5"), token(KEY, "email", "true")]


def test_words_of_the_spec_mean_missing_there_too() -> None:
    assert masking(missing=("unknown", "-1")).masked({"email": ["unknown", -1, "-1.0"]})["email"] == [None] * 3


@pytest.mark.parametrize("value", [["ann@example.com"], {"a": "ann@example.com"}])
def test_what_cannot_be_masked_is_refused_without_being_quoted(value: object) -> None:
    with pytest.raises(InputRefused, match=r"^email must be text or a number \(row 2\)$"):
        masking().masked({"email": ["x", value]})


def test_the_secret_is_not_asked_for_when_nothing_is_to_be_masked() -> None:
    def none() -> bytes:
        raise AssertionError("asked")

    given = {"age": [1]}
    assert Masking(INPUTS, MissingValues(()), none).masked(given) is given
    assert Masking(INPUTS[1:], MissingValues(()), none).masked({"email": ["x"]}) == {"email": ["x"]}
    assert Masking(INPUTS, MissingValues(()), none).masked({"email": [None, ""]}) == {"email": [None, None]}
