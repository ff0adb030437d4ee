"""Effect curves follow what the model does, column by column."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from tidemill.contracts import Importance, InputField, Signature
from tidemill.learning import explanation
from tidemill.learning.rows import Rows
from tidemill.serving.features import Encoder, encode
from tidemill.serving.prediction import Prediction

INPUTS = (
    InputField("calls", "integer"),
    InputField("contract", "category", required=False),
    InputField("since", "date", required=False),
    InputField("note", "text"),
    InputField("email", "category", masked=True),
)


class SumModel:
    """calls, plus 10 for a yearly contract, plus the month."""

    def __init__(self, classes=()):
        self.signature = Signature("m", "regression" if not classes else "multiclass", "y", INPUTS, classes)
        self.encoder = SimpleNamespace(encoded_names=Encoder(INPUTS).encoded_names)
        self.asked = 0

    def predict(self, columns):
        self.asked += 1
        raw = columns["calls"] + 10.0 * (columns["contract"] == "yearly") + np.nan_to_num(columns["since__month"])
        raw = raw.astype(np.float64)
        if not self.signature.classes:
            return Prediction(values=raw)
        first = np.clip(raw / 100, 0, 1)
        rest = (1 - first) / (len(self.signature.classes) - 1)
        return Prediction(probabilities=np.column_stack([rest, first, *[rest] * (len(self.signature.classes) - 2)]))


def holdout(rows=500):
    random = np.random.default_rng(0)
    days = np.datetime64("2024-01-01") + random.integers(0, 365, rows)
    raw = {
        "calls": random.integers(0, 40, rows).astype(float),
        "contract": random.choice(["monthly", "yearly", None], rows, p=[0.6, 0.3, 0.1]).astype(object),
        "since": np.array([None if i % 9 == 0 else str(day) for i, day in enumerate(days)], dtype=object),
        "note": np.array(["some text"] * rows, dtype=object),
        "email": np.array(["a1b2", "c3d4"] * (rows // 2), dtype=object),
    }
    return Rows(encode(INPUTS, raw), np.zeros(rows))


def ranked(*names):
    return [Importance(name, 1.0 / (place + 1), 0.0) for place, name in enumerate(names)]


EVERY = ranked("calls", "contract", "since", "note", "email")


def test_the_mean_curve_is_the_models_own_shape():
    rows = holdout()
    calls, contract, since = explanation.effects(SumModel(), rows, EVERY, 0)
    assert [item.feature for item in (calls, contract, since)] == ["calls", "contract", "since"]
    assert len(calls.values) == 12
    assert np.diff(calls.mean) == pytest.approx(np.diff(calls.values))
    assert contract.values == ("monthly", "yearly", "")
    assert contract.mean[1] - contract.mean[0] == pytest.approx(10)
    assert all(low <= mean <= high for low, mean, high in zip(calls.low, calls.mean, calls.high, strict=True))
    assert since.values == tuple(sorted(since.values))
    months = [int(value[5:7]) for value in since.values]
    assert np.diff(since.mean) == pytest.approx(np.diff(months))
    assert calls.of == ""


def test_the_band_is_the_middle_of_the_rows_own_predictions():
    (calls,) = explanation.effects(SumModel(), holdout(), ranked("calls"), 0)
    sample = np.sort(np.random.default_rng(0).permutation(500)[:200])
    rows = holdout().columns
    others = 10.0 * (rows["contract"] == "yearly") + np.nan_to_num(rows["since__month"])
    assert calls.low[0] == pytest.approx(calls.values[0] + np.quantile(others[sample], 0.1))
    assert calls.high[0] == pytest.approx(calls.values[0] + np.quantile(others[sample], 0.9))


def test_all_curves_come_from_one_call_of_the_model():
    model = SumModel()
    explanation.effects(model, holdout(), EVERY, 0)
    assert model.asked == 1


def test_of_many_classes_those_that_follow_the_columns_most_are_drawn_the_same_in_each():
    found = explanation.effects(SumModel(("a", "b", "c", "d")), holdout(), ranked("calls", "contract"), 0)
    assert [item.feature for item in found] == ["calls"] * 3 + ["contract"] * 3
    assert [item.of for item in found[:3]] == [item.of for item in found[3:]]
    assert "b" in [item.of for item in found]


def test_a_column_without_importance_or_variety_has_no_curve():
    rows = holdout()
    rows.columns["calls"][:] = 7
    assert explanation.effects(SumModel(), rows, ranked("calls"), 0) == ()
    assert explanation.effects(SumModel(), holdout(), [Importance("calls", 0.0, 0.0)], 0) == ()


def test_a_few_numbers_are_all_drawn_and_float32_shows_its_own_digits():
    rows = holdout()
    rows.columns["calls"] = np.where(np.arange(500) % 2 == 0, 0.1, 0.7).astype(np.float32)
    (calls,) = explanation.effects(SumModel(), rows, ranked("calls"), 0)
    assert calls.values == (0.1, 0.7)


def test_a_time_of_day_is_shown_when_there_is_one():
    rows = holdout()
    rows.columns["since__hour"][:] = 13
    (since,) = explanation.effects(SumModel(), rows, ranked("since"), 0)
    assert since.values[0].endswith("T13:00")
