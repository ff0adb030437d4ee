"""Numbers and metrics as people read them."""

from __future__ import annotations

import pytest

from tidemill import spec
from tidemill.contracts import Interval
from tidemill.data import checks
from tidemill.reports import formats, metric_words
from tidemill.reports.advice import ADVICE
from tidemill.reports.glossary import TERMS


def test_every_metric_of_the_spec_has_words_and_an_explanation():
    named = {metric for metrics in spec.METRICS.values() for metric in metrics}
    assert named == set(metric_words.METRICS)
    assert named <= set(TERMS)


@pytest.mark.parametrize(
    ("metric", "interval", "expected"),
    [
        ("roc_auc", (0.8473, 0.8279, 0.8669), ("85", "83", "87", "2")),
        ("roc_auc", (0.99962, 0.9991, 1.0), ("99.96", "99.91", "100", "0.05")),
        ("accuracy", (1.0, 1.0, 1.0), ("100", "100", "100", "0")),
        ("rmse", (47678.0, 45785.0, 49639.0), ("48,000", "46,000", "50,000", "2,000")),
        ("rmse", (0.00123, 0.0011, 0.0014), ("0.0012", "0.0011", "0.0014", "0.0002")),
        ("log_loss", (0.0433, 0.016, 0.0842), ("96", "92", "98", "4")),
        ("brier_score", (0.1355, 0.1246, 0.1459), ("36.8", "35.3", "38.2", "1.5")),
        ("r2", (-0.2, -0.4, 0.1), ("−20", "−40", "10", "30")),
    ],
)
def test_a_value_is_rounded_to_what_its_interval_allows(metric, interval, expected):
    plain = metric_words.plain_value(metric, Interval(*interval))
    assert (plain.value, plain.low, plain.high, plain.margin) == expected


def test_a_metric_nobody_knows_is_told_by_its_name():
    assert metric_words.sentence("gini", "0.7", "churn", None) == "its gini is 0.7"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (46312.7, "46,300"),
        (0.5, "0.5"),
        (0.02139, "0.0214"),
        (-1.0, "−1"),
        (0.0, "0"),
        (1.2e-7, "1.2\u00a0×\u00a010⁻⁷"),
        (2e15, "2.0\u00a0×\u00a010¹⁵"),
        (None, "–"),
        (float("nan"), "–"),
    ],
)
def test_number(value, text):
    assert formats.number(value) == text


def test_figures_keep_their_zeros():
    assert formats.figure(0.84) == "0.840"
    assert metric_words.figure("roc_auc", 0.84) == "0.8400"
    assert metric_words.figure("r2", -6e-6) == "0.0000"
    assert metric_words.figure("rmse", 46312.7) == "46,310"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (formats.exact(500001.0), "500,001"),
        (formats.exact(118.75), "118.75"),
        (formats.percent(0.00001), "under 0.1%"),
        (formats.percent(0.99999), "over 99.9%"),
        (formats.percent(0.2654), "26.5%"),
        (formats.percent(1.0), "100%"),
        (formats.count(1, "row"), "1 row"),
        (formats.count(7043, "row"), "7,043 rows"),
        (formats.duration(0.02), "under 0.1 s"),
        (formats.duration(1.0), "1 s"),
        (formats.duration(48.3), "48 s"),
        (formats.duration(192), "3 min 12 s"),
        (formats.duration(3840), "1 h 4 min"),
        (formats.money(0), "$0"),
        (formats.money(0.00214), "$0.0021"),
        (formats.money(2.144), "$2.14"),
        (formats.money(1e-9), "under $0.000001"),
        (formats.size(12), "12 bytes"),
        (formats.size(977_501), "978 KB"),
        (formats.size(1_200_000_000), "1.2 GB"),
        (formats.moment("2026-11-23T13:25:11Z"), "23 November 2026, 13:25 UTC"),
        (formats.moment("soon"), "soon"),
        (formats.date(1356912000.0), "2012-12-31"),
        (formats.date(1356915600.0), "2012-12-31 01:00"),
        (formats.date(-2208988800.0), "1900-01-01"),
        (formats.shorten("abcdef", 4), "abc…"),
    ],
)
def test_formats(text, expected):
    assert text == expected


def test_a_date_beyond_the_calendar_is_a_number():
    assert formats.date(1e18) == "1.0\u00a0×\u00a010¹⁸"


def test_every_check_has_advice():
    assert set(ADVICE) == set(checks.PASSED)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the train stage failed: KeyError", "The train stage failed: KeyError."),
        ("tenure must be a number.", "tenure must be a number."),
        ("no column is infinite", "No column is infinite."),
        ("", ""),
    ],
)
def test_a_message_becomes_a_sentence(text, expected):
    assert formats.sentence(text) == expected
