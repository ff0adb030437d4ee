import math

import numpy as np
import pytest

from tidemill.contracts import InputField
from tidemill.errors import InputRefused
from tidemill.serving.features import DATE_PARTS, Encoder, encode

TENURE = InputField("tenure", "integer")
CHARGES = InputField("charges", "number", required=False)
CONTRACT = InputField("contract", "category", required=False)
PAPERLESS = InputField("paperless", "boolean", required=False)
SINCE = InputField("since", "date", required=False)


def one(field, value):
    return encode([field], {field.name: [value]})[field.name][0]


def date(value):
    return {name: float(values[0]) for name, values in encode([SINCE], {"since": [value]}).items()}


class TestNumbers:
    def test_become_float32(self):
        encoded = encode([TENURE], {"tenure": [3, 4.5]})["tenure"]
        assert encoded.dtype == np.float32
        assert encoded.tolist() == [3.0, 4.5]

    @pytest.mark.parametrize("value", [None, math.nan, math.inf, 1e300, 10**400])
    def test_what_float32_cannot_hold_is_missing(self, value):
        assert np.isnan(one(CHARGES, value))

    def test_arrays_and_lists_encode_the_same(self):
        values = [1.5, math.nan, -1e300, 0.1]
        as_list = encode([CHARGES], {"charges": values})["charges"]
        as_array = encode([CHARGES], {"charges": np.array(values)})["charges"]
        np.testing.assert_array_equal(as_list, as_array)
        assert as_array.dtype == np.float32

    def test_numpy_numbers_are_numbers(self):
        assert one(CHARGES, np.float32(1.5)) == 1.5

    @pytest.mark.parametrize(("value", "shown"), [("abc", "'abc'"), (True, "true"), ([1], r"\[1\]"), ("3", "'3'")])
    def test_anything_else_is_refused_by_field_and_row(self, value, shown):
        with pytest.raises(InputRefused, match=rf"^tenure must be a number, not {shown} \(row 3\)$"):
            encode([TENURE], {"tenure": [1, 2, value]})

    def test_one_row_needs_no_row_number(self):
        with pytest.raises(InputRefused, match=r"^tenure must be a number, not 'abc'$"):
            encode([TENURE], {"tenure": ["abc"]})


class TestTexts:
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ("Monthly", "Monthly"),
            (None, ""),
            (True, "true"),
            (3, "3"),
            (3.0, "3"),
            (0.5, "0.5"),
            (math.nan, ""),
            (1e3, "1000"),
        ],
    )
    def test_have_one_spelling(self, value, text):
        assert one(CONTRACT, value) == text

    def test_a_list_is_refused(self):
        with pytest.raises(InputRefused, match=r"contract must be text, not \['a'\] \(row 2\)"):
            encode([CONTRACT], {"contract": ["a", ["a"]]})


class TestBooleans:
    @pytest.mark.parametrize(
        ("value", "text"),
        [(True, "true"), (False, "false"), ("True", "true"), ("no", "false"), (1, "true"), (0.0, "false"), (None, "")],
    )
    def test_have_one_spelling(self, value, text):
        assert one(PAPERLESS, value) == text

    def test_anything_else_is_refused(self):
        with pytest.raises(InputRefused, match="paperless must be true or false, not 'maybe'"):
            one(PAPERLESS, "maybe")


class TestDates:
    def test_become_numbers(self):
        assert date("2026-01-31T05:59:00") == {
            "since__epoch_days": 20484,
            "since__year": 2026,
            "since__month": 1,
            "since__day": 31,
            "since__weekday": 5,
            "since__hour": 5,
            "since__minute": 59,
            "since__day_of_year": 31,
        }

    def test_seconds_are_a_fraction_of_the_minute(self):
        assert date("2024-12-31T05:59:30")["since__minute"] == 59.5
        assert date("2024-12-31T05:59:30")["since__day_of_year"] == 366

    def test_an_offset_is_converted_to_utc(self):
        assert date("2026-01-01T00:30:00+01:00") == date("2025-12-31T23:30:00Z")

    def test_a_missing_date_is_missing_in_every_part(self):
        assert all(math.isnan(value) for value in date(None).values())

    @pytest.mark.parametrize("value", ["31/01/2026", 20260131, "0001-01-01T00:00:00+23:00"])
    def test_anything_but_a_real_iso_date_is_refused(self, value):
        with pytest.raises(InputRefused, match="since must be a date such as 2026-01-31"):
            date(value)

    def test_parts_do_not_take_another_columns_name(self):
        encoder = Encoder([SINCE, InputField("since__year", "number")])
        assert "since__year_" in encoder.encoded_names["since"]
        encoded = encoder.encode({"since": ["2026-01-31"], "since__year": [7]})
        assert encoded["since__year"] == 7
        assert encoded["since__year_"] == 2026
        assert len(encoded) == len(DATE_PARTS) + 1


class TestFields:
    def test_an_optional_one_may_be_absent(self):
        encoded = encode([TENURE, CHARGES, CONTRACT, SINCE], {"tenure": [1, 2]})
        assert np.isnan(encoded["charges"]).all()
        assert encoded["contract"].tolist() == ["", ""]
        assert encoded["since__hour"].shape == (2,)

    @pytest.mark.parametrize("columns", [{"charges": [1.0, 1.0]}, {"tenure": [1, None]}, {"tenure": [1, math.nan]}])
    def test_a_required_one_may_not_be_missing(self, columns):
        with pytest.raises(InputRefused, match="tenure is missing"):
            encode([TENURE, CHARGES], columns)

    def test_a_missing_value_is_named_by_row_in_arrays_too(self):
        with pytest.raises(InputRefused, match=r"tenure is missing: the model needs it \(row 2\)"):
            encode([TENURE], {"tenure": np.array([1, math.nan])})

    def test_required_texts_and_dates_may_not_be_empty(self):
        for kind in ("category", "boolean", "date"):
            with pytest.raises(InputRefused, match="x is missing"):
                encode([InputField("x", kind)], {"x": [""]})

    def test_an_unknown_one_is_refused_with_the_likely_name(self):
        with pytest.raises(InputRefused, match="no field 'tenur': did you mean 'tenure'"):
            encode([TENURE], {"tenure": [1], "tenur": [1]})

    def test_columns_must_be_of_one_length(self):
        with pytest.raises(InputRefused, match="charges has 1 values but tenure has 2"):
            encode([TENURE, CHARGES], {"tenure": [1, 2], "charges": [1]})

    def test_no_column_at_all_is_refused(self):
        with pytest.raises(InputRefused, match="at least one field"):
            encode([CHARGES], {})
