"""Numbers, times and prices as they are shown."""

import math

import pytest

from tidemill_cli import figures


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.88321, "0.8832"),
        (46312.4, "46,312"),
        (3.14159, "3.142"),
        (0.0000123, "1.23e-05"),
        (0, "0"),
        (-12.5, "-12.50"),
        (None, "-"),
        (math.nan, "-"),
    ],
)
def test_number(value, shown):
    assert figures.number(value) == shown


@pytest.mark.parametrize(
    ("length", "shown"),
    [(0.44, "0.4 s"), (9.97, "10 s"), (48.2, "48 s"), (192, "3 min 12 s"), (3840, "1 h 4 min"), (None, "-")],
)
def test_seconds(length, shown):
    assert figures.seconds(length) == shown


@pytest.mark.parametrize(("amount", "shown"), [(1.234, "$1.23"), (0.00213, "$0.0021"), (0, "$0"), (None, "-")])
def test_usd(amount, shown):
    assert figures.usd(amount) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(0.04055, "0.0406"), (0.8832, "0.8832"), (46312.4, "46,312"), (None, "-"), (math.nan, "-")]
)
def test_metric(value, shown):
    assert figures.metric(value) == shown
