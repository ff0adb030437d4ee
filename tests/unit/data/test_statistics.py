"""The profile's numbers, held against numpy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tidemill.data import statistics


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    numbers = np.random.default_rng(5).lognormal(size=500).round(4)
    numbers[10] = np.nan
    return numbers


@pytest.fixture(scope="module")
def found(validate: Any, values: np.ndarray) -> Any:
    rows = [
        f"{'' if np.isnan(x) else x},{i % 12},2024-01-01 00:00:{i % 60:02d},{'abc'[i % 3]},{i % 2}"
        for i, x in enumerate(values)
    ]
    return validate("x,whole,at,word,target\n" + "\n".join(rows), {"target": "target"})


def test_moments_and_quantiles(found: Any, values: np.ndarray) -> None:
    column, known = found.column("x"), values[~np.isnan(values)]
    assert (column.rows, column.missing, column.distinct) == (500, 1, len(np.unique(known)))
    assert (column.minimum, column.maximum) == (known.min(), known.max())
    assert column.mean == pytest.approx(known.mean())
    assert column.std == pytest.approx(known.std(ddof=1))
    assert column.quantiles == {
        str(q): pytest.approx(np.quantile(known, q)) for q in (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
    }


def test_a_histogram_counts_what_numpy_counts(found: Any, values: np.ndarray) -> None:
    histogram = found.column("x").histogram
    assert len(histogram.edges) == len(histogram.counts) + 1 == 21
    assert (histogram.edges[0], histogram.edges[-1]) == (np.nanmin(values), np.nanmax(values))
    counts, _ = np.histogram(values[~np.isnan(values)], histogram.edges)
    assert histogram.counts == tuple(counts)
    inner = np.diff(histogram.edges[1:-1])
    assert inner == pytest.approx(inner[0])


def test_a_few_whole_numbers_have_a_bin_each(found: Any) -> None:
    histogram = found.column("whole").histogram
    assert histogram.edges == tuple(np.arange(-0.5, 12))
    assert sum(histogram.counts) == 500
    assert max(histogram.counts) == 42


def test_dates_are_counted_in_epoch_seconds(found: Any) -> None:
    column = found.column("at")
    assert column.minimum == 1704067200
    assert column.maximum == 1704067259
    assert sum(column.histogram.counts) == 500


def test_texts_have_top_values_and_no_numbers(found: Any) -> None:
    column = found.column("word")
    assert [(top.value, top.count) for top in column.top] == [("a", 167), ("b", 167), ("c", 166)]
    assert column.mean is None
    assert column.histogram is None


def test_a_target_of_classes_has_top_values(found: Any) -> None:
    assert [(top.value, top.count) for top in found.column("target").top] == [("0", 250), ("1", 250)]


def test_constants_and_one_row_have_a_profile(validate: Any) -> None:
    one = validate("x,target\n5,1\n").column("x")
    assert (one.mean, one.std, one.histogram.counts) == (5, 0, (1,))


def test_duplicate_rows_are_counted_over_all_columns(validate: Any) -> None:
    rows = [f"{i},{i % 2}" for i in range(60)]
    found = validate("x,target\n" + "\n".join([*rows, rows[3], rows[3], rows[4]]), {"target": "target"})
    assert found.profile.duplicate_rows == 3
    assert "3 of 63 rows repeat another one" in found.check("duplicate_rows").detail


def test_a_large_table_is_counted_in_parts_to_the_same_numbers(validate: Any, monkeypatch: Any) -> None:
    rows = [f"{i * 7919 % 997},{'abcdefg'[i % 7]}{i % 50},,{i % 2}" for i in range(3000)] + ["5,a1,,1"] * 9
    text = "number,level,none,target\n" + "\n".join(rows) + "\n"
    whole = validate(text, {"target": "target"}).profile
    monkeypatch.setattr(statistics, "PART", 400)
    parts = validate(text, {"target": "target"}).profile
    assert whole.duplicate_rows == parts.duplicate_rows > 0
    for one, other in zip(whole.columns, parts.columns, strict=True):
        assert (one.distinct, one.missing, one.top, one.minimum) == (
            other.distinct,
            other.missing,
            other.top,
            other.minimum,
        )
        for level, value in one.quantiles.items():
            assert other.quantiles[level] == pytest.approx(value, abs=100)
