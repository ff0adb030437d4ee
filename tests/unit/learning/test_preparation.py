import dataclasses

import numpy as np
import pytest

from tidemill.contracts import dumps, loads
from tidemill.errors import DataRefused, SpecError
from tidemill.learning import preparation
from tidemill.learning.plan import Plan
from tidemill.learning.rows import Rows
from tidemill.spec import Gates, Spec


@pytest.fixture
def field(tables):
    ready = tables.prepared("binary")
    return lambda name: next(field for field in ready.plan.inputs if field.name == name)


def test_rows_and_plan_survive_their_files(tables):
    ready = tables.prepared("multiclass")
    assert loads(Plan, dumps(ready.plan)) == ready.plan
    for rows in (ready.train, ready.holdout):
        again = Rows.load(rows.save())
        assert list(again.columns) == list(rows.columns)
        np.testing.assert_array_equal(again.target, rows.target)
        for name, values in rows.columns.items():
            np.testing.assert_array_equal(again.columns[name], values)


def test_the_same_table_gives_the_same_bytes(tables):
    first, again = (tables.prepared("binary") for _ in range(2))
    assert first.train.save() == again.train.save()
    assert first.holdout.save() == again.holdout.save()
    assert dumps(first.plan) == dumps(again.plan)


def test_every_row_is_in_one_part(tables):
    ready = tables.prepared("regression")
    assert sorted([*ready.train.target, *ready.holdout.target]) == sorted(tables.raw()["value"])
    assert ready.plan.prepared().train_rows == 240
    assert ready.plan.prepared().holdout_rows == 60


def test_only_features_are_learned_from(tables):
    ready = tables.prepared("binary", roles={"tenure": "leak", "contract": "id", "paperless": "ignored"})
    assert [field.name for field in ready.plan.inputs] == ["charge s/month", "since"]
    assert set(ready.train.columns) >= {"charge s/month", "since__year"}
    assert "tenure" not in ready.train.columns


def test_a_table_without_features_is_refused(tables):
    everything = ("tenure", "charge s/month", "contract", "paperless", "since")
    with pytest.raises(DataRefused, match="no column is left"):
        tables.prepared("binary", roles=dict.fromkeys(everything, "ignored"))


class TestSignature:
    def test_says_which_columns_had_missing_values(self, field):
        assert field("tenure").required
        assert not field("charge s/month").required
        assert not field("contract").required

    def test_documents_numbers(self, field):
        assert (field("tenure").minimum, field("tenure").maximum) == (0.0, 71.0)
        assert isinstance(field("tenure").example, int)

    def test_documents_categories_by_frequency(self, field):
        assert field("contract").categories == ("Monthly", "One year", "Two year", "Never again")
        assert field("contract").example == "Monthly"

    def test_gives_examples_that_a_request_may_have(self, field):
        assert field("paperless").example in (True, False)
        assert field("since").example.startswith("202")

    def test_keeps_the_specs_missing_values(self, tables):
        ready = tables.prepared("binary", Spec(missing_values=("-999",)))
        assert ready.plan.signature().missing_values == ("-999",)


class TestClasses:
    def test_of_a_number_are_spelled_like_in_the_table(self, tables):
        assert tables.prepared("multiclass").plan.classes == ("0", "1", "2")

    def test_regression_has_none(self, tables):
        plan = tables.prepared("regression").plan
        assert plan.classes == ()
        assert plan.positive_class is None
        assert plan.metric == "rmse"

    @pytest.mark.parametrize(
        ("names", "positive"),
        [(("No", "Yes"), "Yes"), (("1", "2"), "1"), (("<=50K", ">50K"), ">50K"), (("bad", "good"), "good")],
    )
    def test_the_score_is_about_the_likely_one(self, tables, names, positive):
        columns = tables.raw()
        columns["Churn"] = np.array([names[0]] * 200 + [names[1]] * 100, dtype=object)
        assert tables.prepared("binary", columns=columns).plan.positive_class == positive

    def test_the_spec_may_choose_the_other(self, tables):
        assert tables.prepared("binary", Spec(positive_class="No")).plan.positive_class == "No"

    def test_the_spec_may_not_choose_an_unknown_one(self, tables):
        with pytest.raises(SpecError, match="positive_class must be one of No, Yes, not 'maybe'"):
            tables.prepared("binary", Spec(positive_class="maybe"))


class TestMetric:
    def test_is_the_specs(self, tables):
        assert tables.prepared("binary", Spec(metric="log_loss")).plan.metric == "log_loss"

    @pytest.mark.parametrize("spec", [Spec(metric="rmse"), Spec(gates=Gates(minimum={"rmse": 1.0}))])
    def test_of_another_task_is_refused(self, tables, spec):
        with pytest.raises(SpecError, match="the metric 'rmse', but the task is binary: accepted are roc_auc"):
            tables.prepared("binary", spec)


class TestSplit:
    def test_by_time_keeps_the_newest_rows_away(self, tables):
        ready = tables.prepared("regression", Spec(time_column="since"), roles={"since": "time"})
        assert ready.plan.forward
        assert ready.train.columns["since__epoch_days"].max() <= ready.holdout.columns["since__epoch_days"].min()

    def test_by_group_keeps_groups_together(self, tables):
        columns = tables.raw() | {"contract": np.repeat([f"g{i}" for i in range(30)], 10).astype(object)}
        spec = Spec(group_column="contract")
        ready = tables.prepared("regression", spec, roles={"contract": "group"}, columns=columns)
        groups = dict(zip(columns["value"], columns["contract"], strict=True))
        learned, held = ({groups[value] for value in rows.target} for rows in (ready.train, ready.holdout))
        assert not learned & held

    def test_with_one_group_is_refused(self, tables):
        columns = tables.raw() | {"contract": np.full(300, "a", dtype=object)}
        with pytest.raises(DataRefused, match="cannot be split by 'contract'"):
            tables.prepared("regression", Spec(group_column="contract"), roles={"contract": "group"}, columns=columns)

    def test_that_hides_a_class_is_refused(self, tables):
        columns = tables.raw()
        newest = columns["since"] >= np.sort(columns["since"])[-30]
        columns["Churn"] = np.where(newest, "Yes", "No").astype(object)
        with pytest.raises(DataRefused, match=r"every row of the class 'Yes' is in the holdout when .* by 'since'"):
            tables.prepared("binary", Spec(time_column="since"), roles={"since": "time"}, columns=columns)


def test_what_is_needed_is_loaded_and_no_more(tables):
    profile = tables.profile("binary", roles={"tenure": "leak", "since": "time", "contract": "group"})
    assert preparation.needed(profile, "Churn") == {
        "charge s/month": "number",
        "contract": "category",
        "paperless": "boolean",
        "since": "date",
        "Churn": "category",
    }


def test_a_repeated_preparation_with_another_seed_is_another_one(tables):
    spec = Spec()
    first, other = (tables.prepared("binary", dataclasses.replace(spec, seed=seed)) for seed in (0, 1))
    assert first.holdout.save() != other.holdout.save()
