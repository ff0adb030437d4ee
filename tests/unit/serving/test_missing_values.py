"""What means missing in a call is what means missing in a file."""

import pytest

from tidemill.contracts import MISSING_WORDS
from tidemill.serving.missing_values import MissingValues


def clean(*values, declared=()):
    return MissingValues(declared).taken_out({"column": values})["column"]


@pytest.mark.parametrize("word", [*MISSING_WORDS, " ", " NA ", "\t?\n"])
def test_the_usual_words_are_missing(word):
    assert clean(word) == [None]


def test_other_values_stay_and_texts_are_trimmed():
    values = [3, 2.5, True, False, None, 0, [1], {"a": 1}, 10**400]
    assert clean(" Monthly ", "na", "none", "0", *values) == ["Monthly", "na", "none", "0", *values]


def test_declared_words_are_missing_besides_the_usual_ones():
    assert clean("unknown", " unknown", "NA", "Unknown", declared=("unknown",)) == [None, None, None, "Unknown"]


def test_a_declared_number_is_missing_however_it_is_written():
    values = [-999, -999.0, "-999", "-999.00", " -9.99e2 "]
    assert clean(*values, declared=("-999",)) == [None] * 5


def test_true_is_no_declared_number():
    assert clean(True, 1, "1", declared=("1",)) == [True, None, None]
