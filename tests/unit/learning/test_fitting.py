import dataclasses
import time

import numpy as np
import pytest

from tidemill.contracts import CandidateRef
from tidemill.learning import fitting, matrix
from tidemill.spec import METRICS, Spec

TASKS = ("binary", "multiclass", "regression")


def validate(ready, name="linear", **params):
    return fitting.cross_validate(CandidateRef(name, params), ready.plan, ready.train, time.perf_counter)


@pytest.mark.parametrize("task", TASKS)
def test_a_search_reports_every_metric_of_the_task(tables, task):
    result = validate(tables.prepared(task))
    assert result.error is None
    assert set(result.cv) == set(METRICS[task])
    assert result.seconds > 0


def test_learning_beats_not_learning(tables):
    ready = tables.prepared("binary")
    assert validate(ready).cv["roc_auc"].mean > 0.8
    assert validate(ready, "baseline", strategy="prior").cv["roc_auc"].mean == 0.5


def test_the_clock_is_the_callers(tables):
    ready = tables.prepared("regression")
    ticks = iter([10.0, 12.5])
    result = fitting.cross_validate(CandidateRef("baseline"), ready.plan, ready.train, lambda: next(ticks))
    assert result.seconds == 2.5


def test_a_candidate_that_cannot_be_fitted_says_why(tables):
    ready = tables.prepared("binary")
    result = validate(ready, C=-1.0)
    assert result.cv == {}
    assert result.error is not None
    assert "C" in result.error
    assert fitting.score_of(result, "roc_auc").mean is None


def test_a_class_that_a_fold_never_saw_is_no_error(tables):
    ready = tables.prepared("multiclass")
    target = np.zeros(len(ready.train))
    target[::2] = 1.0
    target[np.flatnonzero(ready.train.folds == 0)[:3]] = 2.0
    result = fitting.cross_validate(
        CandidateRef("linear"), ready.plan, dataclasses.replace(ready.train, target=target), time.perf_counter
    )
    assert result.error is None
    assert set(result.cv) == set(METRICS["multiclass"])


def test_folds_by_time_learn_from_the_past_only(tables):
    ready = tables.prepared("regression", Spec(time_column="since", folds=3), roles={"since": "time"})
    assert validate(ready).error is None
    assert set(ready.train.folds) == {0, 1, 2, 3}


def test_the_same_rows_give_the_same_scores(tables):
    ready = tables.prepared("binary", Spec(candidates=("forest",)))
    (candidate,) = ready.plan.candidates
    first, again = (fitting.cross_validate(candidate, ready.plan, ready.train, time.perf_counter).cv for _ in range(2))
    assert first == again


class TestMatrix:
    @pytest.fixture
    def encoded(self):
        return {
            "c": np.array(["b", "a", "b", "", "", "rare"], dtype=object),
            "x": np.array([1, np.nan, 3, 4, 5, 6], dtype=np.float32),
        }

    def test_ranks_categories_by_frequency_after_the_numbers(self, encoded):
        layout = matrix.layout(encoded)
        assert layout.numbers == ("x",)
        assert layout.levels == {"c": ("", "b")}
        assert layout.matrix(encoded)[:, 1].tolist() == [1, -1, 1, 0, 0, -1]
        assert layout.matrix(encoded).dtype == np.float32

    def test_an_unknown_level_is_like_a_rare_one(self, encoded):
        unseen = {"c": np.array(["new"], dtype=object), "x": np.zeros(1, dtype=np.float32)}
        assert matrix.layout(encoded).matrix(unseen).tolist() == [[0.0, -1.0]]

    def test_levels_that_all_occur_once_are_kept(self):
        assert matrix.layout({"c": np.array(["b", "a"], dtype=object)}).levels == {"c": ("a", "b")}
