"""Parts of the holdout: the levels of sensitive columns, and the worst parts that can be found."""

from __future__ import annotations

import numpy as np
import pytest

from tidemill.contracts import ColumnProfile, InputField
from tidemill.errors import SpecError
from tidemill.learning import preparation, slices
from tidemill.learning.rows import Rows
from tidemill.rules import bootstrap
from tidemill.rules.metrics import Outcomes
from tidemill.serving.features import Encoder, encode
from tidemill.spec import Gates, Spec

NUMBERS = InputField("income", "number")
CITY = InputField("city", "category", required=False)
SINCE = InputField("since", "date")
NAMES = Encoder((NUMBERS, CITY, SINCE)).encoded_names


def table(rows: int = 4000, seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    days = np.datetime64("2011-01-26") + random.integers(0, 700, rows)
    raw = {
        "income": random.normal(100, 20, rows),
        "city": random.choice(["Oslo", "Rome", "Lima", None], rows, p=[0.4, 0.3, 0.2, 0.1]),
        "since": days.astype(str).astype(object),
    }
    return encode((NUMBERS, CITY, SINCE), raw)


def worst(columns, outcomes, metric, fields=(NUMBERS, CITY, SINCE)):
    whole = bootstrap.intervals([metric], outcomes, 0)[metric]
    rows = Rows(columns, outcomes.actual)
    return slices.worst(fields, NAMES, rows, metric, outcomes, whole, 0)


def values(columns, noise, seed=1):
    """Outcomes of a regression with errors of a given size for each row."""
    random = np.random.default_rng(seed)
    actual = random.normal(size=len(noise))
    return Outcomes(actual, values=actual + noise * random.normal(size=len(noise)))


def binary(columns, sharpness, seed=1):
    """Outcomes of a classifier whose scores say more or less of each row."""
    random = np.random.default_rng(seed)
    truth = random.random(len(sharpness)) < 0.4
    raw = sharpness * np.where(truth, 1.0, -1.0) + random.normal(size=len(sharpness))
    yes = 1 / (1 + np.exp(-raw))
    return Outcomes(truth.astype(float), np.column_stack([1 - yes, yes]))


@pytest.mark.parametrize("metric", ["rmse", "mae"])
def test_a_level_with_larger_errors_is_found(metric):
    columns = table()
    found, *others = worst(columns, values(columns, np.where(columns["city"] == "Lima", 3.0, 1.0)), metric)
    assert len(others) <= 1
    assert (found.column, found.level, found.and_column) == ("city", "Lima", None)
    assert found.rows == (columns["city"] == "Lima").sum()
    assert found.metric.low > 1.5
    assert not found.sensitive


@pytest.mark.parametrize("metric", ["roc_auc", "log_loss", "accuracy", "brier_score", "average_precision"])
def test_a_range_that_is_predicted_worse_is_found_by_every_metric(metric):
    columns = table()
    poor = columns["income"] < np.quantile(columns["income"], 0.25)
    found = worst(columns, binary(columns, np.where(poor, 0.1, 2.0)), metric)
    assert found[0].column == "income"
    assert found[0].level.startswith("under 8")
    assert found[0].positive_rate is not None
    assert found[0].positives > 0


def test_a_date_is_searched_by_its_parts():
    columns = table()
    outcomes = values(columns, np.where(columns["since__weekday"] == 5, 4.0, 1.0))
    assert [(item.column, item.level) for item in worst(columns, outcomes, "rmse")] == [("since", "Saturday")]


def test_a_pair_is_told_where_it_is_much_worse_than_either_column_and_not_otherwise():
    columns = table(8000)
    rome, rich = columns["city"] == "Rome", columns["income"] >= np.quantile(columns["income"], 0.75)
    (found,) = worst(columns, values(columns, np.where(rome & rich, 3.0, 1.0)), "rmse", (NUMBERS, CITY))
    assert {found.column, found.and_column} == {"income", "city"}
    assert "Rome" in (found.level, found.and_level)
    assert found.rows == pytest.approx((rome & rich).sum(), rel=0.05)
    (alone,) = worst(columns, values(columns, np.where(rome, 3.0, 1.0)), "rmse", (NUMBERS, CITY))
    assert (alone.column, alone.level, alone.and_column) == ("city", "Rome", None)


@pytest.mark.parametrize("seed", [3, 8])
def test_a_pair_that_adds_nothing_to_its_column_is_not_told_instead_of_it(seed):
    columns = table(2000, seed)
    outcomes = values(columns, np.where(columns["city"] == "Rome", 1.25, 1.0), seed)
    found = worst(columns, outcomes, "rmse")
    assert [(item.column, item.level, item.and_column) for item in found] == [("city", "Rome", None)]


@pytest.mark.parametrize("metric", ["rmse", "roc_auc", "log_loss"])
def test_nothing_is_listed_when_nothing_is_worse(metric):
    listed = 0
    for seed in range(20):
        columns = table(1500, seed)
        same = np.ones(1500)
        outcomes = values(columns, same, seed + 50) if metric == "rmse" else binary(columns, same, seed + 50)
        listed += len(worst(columns, outcomes, metric))
    assert listed <= 1  # 5% of false discoveries, in twenty tables


def test_a_part_that_is_ranked_as_well_as_the_rest_is_not_listed_though_its_scores_are_too_high():
    columns, random = table(), np.random.default_rng(0)
    truth = random.random(4000) < 0.4
    raw = np.where(truth, 1.0, -1.0) + random.normal(size=4000) + np.where(columns["city"] == "Lima", 2.5, 0.0)
    yes = 1 / (1 + np.exp(-raw))
    found = worst(columns, Outcomes(truth.astype(float), np.column_stack([1 - yes, yes])), "roc_auc")
    assert "Lima" not in [item.level for item in found]


def test_a_part_of_few_rows_is_not_judged():
    columns = table(1000)
    few = np.zeros(1000, dtype=bool)
    few[:25] = True
    columns["city"][few] = "Nuuk"
    found = worst(columns, values(columns, np.where(few, 10.0, 1.0)), "rmse", (CITY,))
    assert "Nuuk" not in [item.level for item in found]


def test_masked_columns_and_free_text_are_not_searched():
    columns = table()
    outcomes = values(columns, np.where(columns["city"] == "Lima", 3.0, 1.0))
    for field in (InputField("city", "category", masked=True), InputField("city", "text")):
        assert worst(columns, outcomes, "rmse", (field,)) == ()


def test_the_same_finding_is_told_once():
    columns = table()
    lima = columns["city"] == "Lima"
    columns["income"] = np.where(lima, 1.0, 0.0).astype(np.float32)
    found = worst(columns, values(columns, np.where(lima, 3.0, 1.0)), "rmse", (NUMBERS, CITY))
    assert len(found) == 1


# --- sensitive columns -------------------------------------------------------------------------


def test_sensitive_levels_carry_their_rates_and_small_ones_no_interval():
    sex = np.array(["F"] * 200 + ["M"] * 300 + ["X"] * 10, dtype=object)
    outcomes = binary(None, np.ones(510))
    male, female, other = slices.by_level({"sex": sex}, "roc_auc", outcomes, 0)
    assert [item.level for item in (male, female, other)] == ["M", "F", "X"]
    assert all(item.sensitive for item in (male, female, other))
    happened, said = outcomes.codes == 1, outcomes.predicted == 1
    part = sex == "F"
    assert female.positive_rate == said[part].mean()
    assert female.true_positive_rate == said[part & happened].mean()
    assert female.positives == (part & happened).sum()
    assert female.metric.low < female.metric.value < female.metric.high
    assert other.metric is None


def test_a_sensitive_number_is_compared_by_ranges_and_missing_values_are_a_level():
    age = np.array([np.nan] * 40 + list(range(160)), dtype=np.float32)
    levels = [item.level for item in slices.by_level({"age": age}, "rmse", values(None, np.ones(200)), 0)]
    assert levels == ["under 40", "40 to under 80", "80 to under 119", "119 or more", "missing"]
    mostly_nothing = np.array([0.0] * 95 + [114.0, 200.0, 300.0, 400.0, 500.0, 600.0, 700.0], dtype=np.float32)
    assert [part.level for part in slices.parts("gain", mostly_nothing, 8)] == ["under 114", "114 or more"]
    few = slices.parts("n", np.array([1.0, 2.0, 2.0], dtype=np.float32), 8)
    assert [(part.level, part.mask.sum()) for part in few] == [("1", 1), ("2", 2)]


def test_sensitive_values_are_taken_whatever_the_column_is_used_for():
    columns = [
        ColumnProfile("sex", "category", "ignored", 3, 0, 2),
        ColumnProfile("age", "integer", "feature", 3, 0, 3),
        ColumnProfile("born", "date", "feature", 3, 0, 3),
        ColumnProfile("left", "boolean", "target", 3, 0, 2),
    ]
    raw = {
        "sex": np.array(["F", None, "M"], dtype=object),
        "age": np.array([1.0, np.nan, 3.0]),
        "born": np.array(["1970-05-01", "1980-01-01", None], dtype=object),
    }
    found = slices.sensitive_columns(("sex", "age", "born"), "left", columns, raw)
    assert found["sex"].tolist() == ["F", "", "M"]
    assert found["age"].dtype == np.float32
    assert found["born"].tolist()[:2] == [1970.0, 1980.0]
    with pytest.raises(SpecError, match=r"no column 'sexx', which spec\.sensitive names: did you mean 'sex'\?"):
        slices.sensitive_columns(("sexx",), "left", columns, raw)
    with pytest.raises(SpecError, match="which is the target"):
        slices.sensitive_columns(("left",), "left", columns, raw)


def test_an_ignored_sensitive_column_travels_with_the_holdout_and_not_with_the_features(tables):
    spec = Spec(sensitive=("contract", "since"), candidates=("baseline",), gates=Gates(demographic_parity=0.8))
    profile = tables.profile("binary", roles={"contract": "ignored"})
    assert "contract" not in preparation.needed(profile, "Churn")
    assert "contract" in preparation.needed(profile, "Churn", spec.sensitive)
    ready = tables.prepared("binary", spec, roles={"contract": "ignored"})
    assert "contract" not in ready.holdout.columns
    assert set(ready.holdout.extra) == {"contract", "since"}
    assert set(ready.holdout.extra["contract"]) <= {"Monthly", "One year", "Two year", "Never again", ""}
    assert len(ready.holdout.extra["since"]) == len(ready.holdout)
    with pytest.raises(SpecError, match="for binary tasks, but the task is regression"):
        tables.prepared("regression", spec)
