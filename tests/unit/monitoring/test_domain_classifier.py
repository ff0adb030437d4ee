"""Whether a window's rows are told from the reference's, and by what."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from tidemill.contracts import InputField
from tidemill.monitoring import domain_classifier
from tidemill.monitoring.domain_classifier import Domain
from tidemill.monitoring_contracts import SampledRow, Summary

from .production import KNOWN, captures, drawn, summary

ALARMS = 0.005


def told(of: Summary) -> Domain | None:
    assert KNOWN.rows is not None
    return domain_classifier.compare(of.sample, KNOWN.rows, KNOWN.signature, KNOWN.reference, false_alarms=ALARMS)


def test_rows_like_the_references_are_not_told_apart() -> None:
    found = [told(summary(captures(drawn(300 + seed, 500)))) for seed in range(15)]
    areas = [item.auc for item in found if item]
    assert len(areas) == 15
    assert np.mean(areas) == pytest.approx(0.5, abs=0.02)
    assert not [item for item in found if item and item.low > 0.5]


def test_a_feature_that_has_moved_is_seen() -> None:
    item = told(summary(captures(drawn(7, 500, moved=1.0))))
    assert item is not None
    assert item.low > 0.6
    assert item.rows == 500


def test_numbers_that_no_longer_go_together_are_seen_though_each_is_as_before() -> None:
    columns = drawn(7, 500)
    order = np.argsort(columns["usage"])
    columns["code"][order] = np.sort(columns["code"])
    item = told(summary(captures(columns)))
    assert item is not None
    assert item.low > 0.7


def test_dates_that_go_on_tell_nothing() -> None:
    item = told(summary(captures(drawn(7, 500, days=2000))))
    assert item is not None
    assert item.low < 0.5


def test_the_same_rows_always_give_the_same() -> None:
    of = summary(captures(drawn(7, 300)))
    assert told(of) == told(of)


def test_values_that_cannot_be_read_count_as_missing() -> None:
    columns = drawn(7, 500)
    of = summary(captures(columns))
    spoilt = tuple(dataclasses.replace(row, inputs=row.inputs | {"usage": "much"}) for row in of.sample)
    item = told(dataclasses.replace(of, sample=spoilt))
    assert item is not None
    assert item.auc > 0.99


def test_few_rows_tell_nothing() -> None:
    assert told(summary(captures(drawn(7, 99)))) is None


def test_a_model_of_dates_alone_has_nothing_to_tell_by() -> None:
    signature = dataclasses.replace(KNOWN.signature, inputs=(InputField("since", "date"),))
    of = summary(captures(drawn(7, 500)))
    assert KNOWN.rows is not None
    assert domain_classifier.compare(of.sample, KNOWN.rows, signature, None, false_alarms=ALARMS) is None


def test_missing_words_and_absent_fields_are_one_value() -> None:
    rows = [SampledRow(1, {"usage": 1.5, "plan": " NA "}, None), SampledRow(2, {}, None)]
    found = domain_classifier.encoded(rows, KNOWN.signature.inputs[:3], KNOWN.signature)
    assert found["usage"].tolist()[0] == 1.5
    assert np.isnan(found["usage"][1])
    assert found["plan"].tolist() == ["", ""]


def test_the_regression_is_scikit_learns() -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(400, 5))
    label = (rng.random(400) < 1 / (1 + np.exp(-features[:, 0] + 1))).astype(float)
    weights = domain_classifier.logistic(features, label)
    known = LogisticRegression(C=1 / domain_classifier.PENALTY, tol=1e-10).fit(features, label)
    assert weights[0] == pytest.approx(known.intercept_[0], abs=1e-3)
    assert weights[1:] == pytest.approx(known.coef_[0], abs=1e-3)


def test_sides_that_are_told_completely_have_finite_coefficients() -> None:
    features = np.repeat([[-1.0], [1.0]], 100, axis=0)
    assert np.isfinite(domain_classifier.logistic(features, np.repeat([0.0, 1.0], 100))).all()


def test_the_area_is_scikit_learns_ties_included_and_its_variance_that_of_resamples() -> None:
    rng = np.random.default_rng(1)
    positive, negative = rng.integers(2, 9, 300).astype(float), rng.integers(0, 7, 700).astype(float)
    area, variance = domain_classifier.auc(positive, negative)
    label = np.repeat([1, 0], [300, 700])
    assert area == pytest.approx(roc_auc_score(label, np.concatenate([positive, negative])))
    again = [domain_classifier.auc(rng.choice(positive, 300), rng.choice(negative, 700))[0] for _ in range(300)]
    assert variance**0.5 == pytest.approx(np.std(again), rel=0.15)
