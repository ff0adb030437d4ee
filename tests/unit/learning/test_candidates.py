import pytest

from tidemill.contracts import CandidateScore
from tidemill.errors import CandidateFailed
from tidemill.learning import candidates
from tidemill.rules.halving import Halving
from tidemill.spec import CANDIDATES, Search


def scores(**means):
    return [CandidateScore(name, mean, 1.0) for name, mean in means.items()]


def names(rows, columns=10, classes=2, only=(), folds=5, task="binary", **search):
    refs, rounds = candidates.planned(only, task, rows, columns, classes, folds, Search(**search))
    return [one.name for one in refs], rounds


def test_every_candidate_of_the_spec_has_its_turn():
    tried = {name for rows in (300, 5_000, 50_000) for name in names(rows)[0]}
    assert tried == set(CANDIDATES)


def test_the_spec_chooses():
    assert set(names(5000, only=("linear", "forest"))[0]) == {"linear", "forest"}
    assert names(50_000, only=("linear",)) == (["linear"], (Halving(1.0, 0),))


@pytest.mark.parametrize("rows", [300, 5_000, 50_000, 5_000_000])
def test_baseline_and_linear_always_take_part(rows):
    assert {"baseline", "linear"} < set(names(rows, seconds=1.0)[0])


def test_a_small_table_is_searched_in_one_round_and_a_large_one_in_several():
    assert [one.fraction for one in names(5_000)[1]] == [1.0]
    early, late = names(40_000)[1]
    assert early.fraction < late.fraction == 1.0
    assert late.candidates < early.candidates


def test_less_time_or_money_means_fewer_candidates():
    whole = names(20_000)[0]
    assert len(names(20_000, seconds=20.0)[0]) < len(whole)
    assert len(names(20_000, usd=0.001)[0]) < len(whole)


def test_a_search_is_planned_within_its_budget():
    for rows, columns in ((1_000, 10), (50_000, 14), (200_000, 30)):
        refs, rounds = names(rows, columns)
        seconds = [5 * candidates.expected_seconds(name, rows, columns, 2) for name in refs]
        most = sum(
            one.fraction * sum(sorted(seconds, reverse=True)[: one.candidates + len(candidates.ALWAYS)])
            for one in rounds
        )
        assert most <= 2 * 120


def test_no_candidate_is_planned_to_outlast_its_function():
    refs, rounds = names(5_000_000, 50)
    longest = max(candidates.expected_seconds(name, 5_000_000, 50, 2) for name in refs)
    assert rounds[-1].fraction < 1
    assert 5 * longest * rounds[-1].fraction <= 300


def test_small_tables_give_no_rows_away_for_early_stopping():
    small, large = (candidates.parameters("boosting", "binary", rows, 2) for rows in (500, 50_000))
    assert not small["early_stopping"]
    assert large["early_stopping"]


def test_many_classes_get_fewer_steps():
    two, twenty = (candidates.parameters("boosting", "multiclass", 50_000, classes) for classes in (2, 20))
    assert twenty["max_iter"] < two["max_iter"]


class TestBest:
    def test_is_the_highest(self):
        assert candidates.best(scores(linear=0.80, boosting=0.85, forest=0.84), "roc_auc") == "boosting"

    def test_is_the_lowest_of_a_loss(self):
        assert candidates.best(scores(linear=0.40, boosting=0.35, forest=0.38), "log_loss") == "boosting"

    def test_is_the_simplest_within_a_hair(self):
        assert candidates.best(scores(boosting=0.85001, linear=0.85), "roc_auc") == "linear"
        assert candidates.best(scores(boosting=10.0, boosting_small=10.0005), "rmse") == "boosting_small"

    def test_a_candidate_that_failed_does_not_count(self):
        assert candidates.best(scores(boosting=None, linear=-0.2), "r2") == "linear"

    def test_none_is_an_error(self):
        with pytest.raises(CandidateFailed, match="linear, forest could be fitted"):
            candidates.best(scores(linear=None, forest=None), "rmse")
