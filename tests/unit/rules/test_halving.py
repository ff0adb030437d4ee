"""Which rounds a search has, and who is in the next one."""

import pytest

from tidemill.contracts import CandidateScore
from tidemill.rules import halving
from tidemill.rules.halving import Halving

ALWAYS = frozenset({"baseline", "linear"})
SECONDS = {"baseline": 0.1, "linear": 1.0} | {f"c{number}": 10.0 for number in range(10)}


def planned(rows=50_000, budget=1000.0, most=300.0, seconds=SECONDS):
    return halving.plan(seconds, ALWAYS, rows, budget, most)


def test_few_rows_are_searched_in_one_round():
    assert planned(rows=halving.SMALL_ROWS - 1) == (tuple(SECONDS), (Halving(1.0, 10),))


def test_many_rows_are_searched_in_rounds_that_see_more_and_more():
    assert planned()[1] == (Halving(0.25, 10), Halving(1.0, halving.MOST_FINALISTS))
    fractions = [one.fraction for one in planned(rows=400_000)[1]]
    assert fractions == [1 / 16, 1 / 4, 1.0]


def test_the_budget_takes_away_finalists_first_and_the_least_promising_candidates_then():
    names, rounds = planned(budget=60.0)
    assert names == tuple(SECONDS)
    assert rounds[-1].candidates == 3
    names, rounds = planned(budget=25.0)
    assert names == ("baseline", "linear", "c0", "c1")
    assert rounds == (Halving(1.0, 2),)


def test_the_last_ones_see_fewer_rows_rather_than_nothing():
    names, rounds = planned(budget=5.0)
    assert names == ("baseline", "linear", "c0", "c1")
    assert rounds[-1].fraction < 1
    assert 50_000 * rounds[-1].fraction > halving.SMALL_ROWS / 2


def test_no_candidate_is_planned_to_take_longer_than_it_may():
    assert planned(most=5.0)[1][-1].fraction == 0.5


def test_one_that_needs_many_rows_joins_when_there_are_as_many():
    least = {"c0": 20_000, "c1": 100, "c2": 10**9}
    _, (early, late) = halving.plan(SECONDS, ALWAYS, 50_000, 1000.0, 300.0, least)
    assert early.joining == ()
    assert late.joining == ("c0", "c2")


@pytest.mark.parametrize(("metric", "expected"), [("roc_auc", {"b", "c"}), ("rmse", {"a", "b"})])
def test_the_best_survive_and_those_that_always_take_part(metric, expected):
    means = {"a": 0.1, "linear": 0.0, "b": 0.2, "failed": None, "c": 0.3, "baseline": None}
    scores = [CandidateScore(name, mean, 1.0) for name, mean in means.items()]
    kept = halving.survivors(scores, metric, ALWAYS, 2, dict.fromkeys(means, "one kind"))
    assert set(kept) == expected | ALWAYS
    assert list(kept) == [name for name in means if name in kept]


def test_another_kind_survives_before_one_more_of_the_same():
    means = {"b1": 0.9, "b2": 0.89, "b3": 0.88, "forest": 0.7, "network": 0.8, "linear": 0.6}
    kinds = {"b1": "boosting", "b2": "boosting", "b3": "boosting"} | {name: name for name in list(means)[3:]}
    scores = [CandidateScore(name, mean, 1.0) for name, mean in means.items()]
    assert set(halving.survivors(scores, "roc_auc", ALWAYS, 3, kinds)) == {"b1", "b2", "network", "linear"}
    kinds = dict.fromkeys(means, "boosting")
    assert set(halving.survivors(scores, "roc_auc", ALWAYS, 3, kinds)) == {"b1", "b2", "b3", "linear"}
