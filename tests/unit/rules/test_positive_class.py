"""The class that scores are about stays the same from version to version, and is the one a person means."""

import pytest

from tidemill.rules import positive_class


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ({"No": 70, "Yes": 30}, "Yes"),
        ({"No": 30, "Yes": 70}, "Yes"),
        ({"nein": 10, "ja": 90}, "ja"),
        ({"benign": 63, "malignant": 37}, "malignant"),
        ({"a": 5, "b": 5}, "b"),
        ({"yes": 9, "true": 1}, "true"),
    ],
)
def test_the_class_is_the_one_named_like_it_or_the_rarer_one(rows, expected):
    assert positive_class.choose(rows)[0] == expected


def test_the_class_of_the_version_before_is_kept_when_it_is_the_commoner_one_now():
    assert positive_class.choose({"bought": 80, "left": 20}, "bought")[0] == "bought"


def test_a_class_that_is_gone_is_not_kept():
    assert positive_class.choose({"bought": 80, "left": 20}, "returned")[0] == "left"
