import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.learning import splits
from tidemill.learning.splits import Constraints

NONE = Constraints()


@given(rows=st.integers(10, 200), fraction=st.floats(0.05, 0.5), seed=st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_the_holdout_has_its_share(rows, fraction, seed):
    held = splits.holdout(rows, fraction, seed, NONE)
    assert abs(held.sum() - rows * fraction) <= 1
    assert held.any()
    assert not held.all()


def test_the_seed_decides_and_nothing_else():
    first, again, other = (splits.holdout(100, 0.2, seed, NONE) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


class TestClasses:
    CLASSES = Constraints(classes=np.repeat([0.0, 1.0, 2.0], [100, 40, 2]))

    def test_keep_their_shares_in_the_holdout(self):
        held = splits.holdout(142, 0.2, 0, self.CLASSES)
        assert np.bincount(self.CLASSES.classes[held].astype(int)).tolist() == [20, 8]

    def test_are_never_wholly_in_the_holdout(self):
        held = splits.holdout(142, 0.5, 0, self.CLASSES)
        assert set(self.CLASSES.classes[~held]) == {0.0, 1.0, 2.0}

    def test_keep_their_shares_in_folds(self):
        folds = splits.folds(142, 5, 0, self.CLASSES)
        for fold in range(5):
            counts = np.bincount(self.CLASSES.classes[folds == fold].astype(int), minlength=3)
            assert abs(counts[0] - 20) <= 1
            assert abs(counts[1] - 8) <= 1

    def test_fewer_rows_than_folds_still_reach_different_folds(self):
        assert len(set(splits.folds(142, 5, 0, self.CLASSES)[-2:])) == 2


class TestTimes:
    TIMES = np.random.default_rng(0).permutation(100).astype(float)

    def test_the_holdout_is_the_newest_rows(self):
        held = splits.holdout(100, 0.2, 0, Constraints(times=self.TIMES))
        assert self.TIMES[held].min() == 80
        assert held.sum() == 20

    def test_a_missing_time_is_the_oldest(self):
        times = self.TIMES.copy()
        times[3] = np.nan
        assert not splits.holdout(100, 0.5, 0, Constraints(times=times))[3]

    def test_folds_go_forward(self):
        folds = splits.folds(100, 4, 0, Constraints(times=self.TIMES))
        pairs = list(splits.cross_validation(folds, forward=True))
        assert len(pairs) == 4
        for learned, tested in pairs:
            assert self.TIMES[learned].max() < self.TIMES[tested].min()
            assert tested.sum() == 20

    def test_a_group_stays_together_and_the_newest_groups_are_held_out(self):
        groups = np.repeat(np.arange(10), 10)
        times = np.tile(np.arange(10.0), 10) + 10 * np.repeat(np.arange(10)[::-1], 10)
        held = splits.holdout(100, 0.2, 0, Constraints(groups=groups, times=times))
        assert set(groups[held]) == {0, 1}


class TestGroups:
    GROUPS = np.random.default_rng(0).integers(0, 30, 500)

    @pytest.mark.parametrize("seed", range(5))
    def test_are_never_split(self, seed):
        constraints = Constraints(classes=np.zeros(500), groups=self.GROUPS)
        held = splits.holdout(500, 0.2, seed, constraints)
        assert not set(self.GROUPS[held]) & set(self.GROUPS[~held])
        assert 60 < held.sum() < 140
        folds = splits.folds(500, 5, seed, constraints)
        for learned, tested in splits.cross_validation(folds, forward=False):
            assert not set(self.GROUPS[learned]) & set(self.GROUPS[tested])
            assert 80 < tested.sum() < 120

    def test_one_group_leaves_no_holdout(self):
        assert not splits.holdout(20, 0.2, 0, Constraints(groups=np.zeros(20))).any()

    def test_fewer_groups_than_folds_give_fewer_folds(self):
        assert set(splits.folds(30, 5, 0, Constraints(groups=np.repeat([0, 1, 2], 10)))) == {0, 1, 2}


@given(rows=st.integers(10, 100), count=st.integers(2, 10), seed=st.integers(0, 9))
@settings(max_examples=50, deadline=None)
def test_every_row_is_tested_once(rows, count, seed):
    folds = splits.folds(rows, count, seed, NONE)
    tested = sum(tested.astype(int) for _, tested in splits.cross_validation(folds, forward=False))
    assert (tested == 1).all()
    assert np.ptp(np.bincount(folds)) <= 1


class TestKeys:
    """What a row holds decides its side, so that it keeps it when the table grows."""

    @staticmethod
    def table(rows, seed=0):
        random = np.random.default_rng(seed)
        return {"age": random.normal(size=rows), "city": random.choice(["a", "b", None], rows).astype(object)}

    def held(self, table, **constraints):
        keys = splits.keys(table, 7)
        return splits.holdout(len(keys), 0.2, 7, Constraints(keys=keys, **constraints))

    @pytest.mark.parametrize("classed", [False, True])
    def test_rows_keep_their_side_when_others_are_appended(self, classed):
        old, more = self.table(1000), self.table(300, seed=1)
        grown = {name: np.concatenate([old[name], more[name]]) for name in old}
        classes = (grown["age"] > 0).astype(float) if classed else None
        before = self.held(old, classes=None if classes is None else classes[:1000])
        after = self.held(grown, classes=classes)
        assert after.sum() == 260
        trained_before = ~before
        assert (after[:1000] & trained_before).sum() <= 20
        shuffled = np.random.default_rng(2).permutation(1000)
        assert (self.held({name: values[shuffled] for name, values in old.items()}) == self.held(old)[shuffled]).all()

    def test_groups_keep_their_side(self):
        names = np.array([f"g{i % 50}" for i in range(1000)], dtype=object)
        before, after = (
            set(part[self.held({"group": part}, groups=part)]) for part in (names[:500], np.append(names, names[:300]))
        )
        assert before == after

    def test_equal_rows_have_equal_keys_and_others_differ(self):
        keys = splits.keys(
            {"a": np.array([0.0, -0.0, 1.0, np.nan, np.nan]), "b": np.array(["", "", "", "x", "x"], object)}, 0
        )
        assert (keys[0], keys[3]) == (keys[1], keys[4])
        assert len(set(keys.tolist())) == 3
        assert not set(keys.tolist()) & set(
            splits.keys({"a": np.array([0.0, 1.0]), "b": np.array(["", ""], object)}, 1).tolist()
        )

    def test_the_share_looks_drawn_at_random(self):
        held = self.held({"id": np.arange(20_000.0)})
        means = held.reshape(20, 1000).mean(axis=1)
        assert abs(means - 0.2).max() < 0.05


class TestCopies:
    RANDOM = np.random.default_rng(5)
    VALUES = np.concatenate([RANDOM.random(300), np.repeat(RANDOM.random(40), 3)])
    CLASSES = (VALUES > 0.6).astype(float)

    @pytest.mark.parametrize(
        "more", [{"classes": CLASSES}, {}, {"times": np.round(VALUES, 1)}], ids=["classes", "regression", "times"]
    )
    @pytest.mark.parametrize("fraction", [0.1, 0.2, 0.33, 0.5])
    def test_equal_rows_are_on_one_side(self, more, fraction):
        constraints = Constraints(keys=splits.keys({"x": self.VALUES}, 0), **more)
        held = splits.holdout(420, fraction, 0, constraints)
        assert abs(held.mean() - fraction) < 0.02
        assert not set(self.VALUES[held]) & set(self.VALUES[~held])
        folds = splits.folds(420, 5, 0, constraints)
        for value in self.VALUES[300:]:
            assert len(set(folds[value == self.VALUES])) == 1

    def test_rows_of_few_kinds_are_split_on_their_own(self):
        kinds = np.repeat([0.0, 1.0, 2.0], 100)
        constraints = Constraints(classes=(kinds == 1).astype(float), keys=splits.keys({"x": kinds}, 0))
        held = splits.holdout(300, 0.2, 0, constraints)
        assert set(kinds[held]) == {0.0, 1.0, 2.0}
        grown = splits.keys({"x": np.append(kinds, [0.0, 2.0])}, 0)
        assert (grown[:300] == constraints.keys).all()

    def test_a_class_of_nothing_but_copies_is_in_every_fold(self):
        values = np.append(self.VALUES, np.full(10, 7.0))
        constraints = Constraints(classes=(values == 7).astype(float), keys=splits.keys({"x": values}, 0))
        assert set(splits.folds(430, 5, 0, constraints)[-10:]) == set(range(5))
        held = splits.holdout(430, 0.2, 0, constraints)[-10:]
        assert held.any()
        assert not held.all()
