import dataclasses
import itertools
import time

import numpy as np
import pytest

from tidemill.contracts import CandidateRef
from tidemill.learning import fitting
from tidemill.learning.out_of_fold import OutOfFold
from tidemill.spec import METRICS, Features, Spec

TASKS = ("binary", "multiclass", "regression")


def validate(ready, name="linear", **params):
    return fitting.cross_validate(CandidateRef(name, params), ready.plan, ready.train, time.perf_counter).result


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
    ticks = itertools.count(10.0, 0.5)
    made = fitting.cross_validate(CandidateRef("baseline"), ready.plan, ready.train, lambda: next(ticks))
    assert made.result.seconds == 0.5 * (len(set(ready.train.folds)) + 1)


def test_a_candidate_that_runs_away_is_given_up(tables):
    ready = tables.prepared("regression")
    ticks = itertools.count(0.0, fitting.MOST_SECONDS + 1)
    made = fitting.cross_validate(CandidateRef("baseline"), ready.plan, ready.train, lambda: next(ticks))
    assert made.out_of_fold is None
    assert "leave it out" in made.result.error


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
    ).result
    assert result.error is None
    assert set(result.cv) == set(METRICS["multiclass"])


def test_folds_by_time_learn_from_the_past_only(tables):
    ready = tables.prepared("regression", Spec(time_column="since", folds=3), roles={"since": "time"})
    assert validate(ready).error is None
    assert set(ready.train.folds) == {0, 1, 2, 3}


def test_the_same_rows_give_the_same_scores(tables):
    ready = tables.prepared("binary", Spec(candidates=("forest",)))
    (candidate,) = ready.plan.candidates
    first, again = (fitting.cross_validate(candidate, ready.plan, ready.train, time.perf_counter) for _ in range(2))
    assert first.result.cv == again.result.cv
    assert first.out_of_fold.save() == again.out_of_fold.save()


def test_every_row_is_predicted_once_by_a_fit_without_it(tables):
    ready = tables.prepared("regression")
    said = fitting.cross_validate(CandidateRef("linear"), ready.plan, ready.train, time.perf_counter).out_of_fold
    assert said.known.all()
    kept = OutOfFold.load(said.save())
    assert kept.predicted.tolist() == said.predicted.tolist()
    assert kept.transform == said.transform
    changed = dataclasses.replace(ready.train, target=np.where(ready.train.folds == 0, 1e6, ready.train.target))
    again = fitting.cross_validate(CandidateRef("linear"), ready.plan, changed, time.perf_counter).out_of_fold
    inside = ready.train.folds == 0
    assert again.predicted[inside].tolist() == said.predicted[inside].tolist()
    assert again.predicted[~inside].tolist() != said.predicted[~inside].tolist()


def test_an_early_round_sees_a_share_of_each_class_and_fold(tables):
    ready = tables.prepared("multiclass")
    made = fitting.cross_validate(CandidateRef("linear"), ready.plan, ready.train, time.perf_counter, 1, 0.25)
    assert (made.result.round, made.result.rows) == (1, pytest.approx(len(ready.train) / 4, abs=8))
    seen = made.out_of_fold.known
    assert seen.sum() == made.result.rows
    shares = np.bincount(ready.train.target[seen].astype(int)) / seen.sum()
    np.testing.assert_allclose(shares, np.bincount(ready.train.target.astype(int)) / len(ready.train), atol=0.05)


def test_the_logarithm_of_a_skewed_target_is_learned_where_that_is_better(tables):
    columns = tables.raw()
    columns["value"] = np.exp(columns["value"] / 500)
    ready = tables.prepared("regression", columns=columns)
    skewed = fitting.cross_validate(CandidateRef("linear"), ready.plan, ready.train, time.perf_counter).out_of_fold
    assert skewed.transform.log
    plain = tables.prepared("regression", Spec(features=Features(transform_target="none")), columns=columns)
    kept = fitting.cross_validate(CandidateRef("linear"), plain.plan, plain.train, time.perf_counter).out_of_fold
    assert not kept.transform.log
    assert np.abs(skewed.predicted - ready.train.target).mean() < np.abs(kept.predicted - plain.train.target).mean()
