import pytest

from tidemill.contracts import CandidateScore
from tidemill.errors import CandidateFailed
from tidemill.learning import candidates
from tidemill.spec import CANDIDATES


def scores(**means):
    return [CandidateScore(name, mean, 1.0) for name, mean in means.items()]


def test_every_candidate_of_the_spec_is_planned_once():
    planned = candidates.plan((), "binary", 5000, 2)
    assert sorted(candidate.name for candidate in planned) == sorted(CANDIDATES)


def test_the_spec_chooses():
    planned = candidates.plan(("linear", "forest"), "regression", 5000, 0)
    assert {candidate.name for candidate in planned} == {"linear", "forest"}


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
