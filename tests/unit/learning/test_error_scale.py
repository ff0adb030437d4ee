import numpy as np

from tidemill.learning import error_scale


def table(rows=2000, seed=0):
    return np.random.default_rng(seed).uniform(size=(rows, 3)).astype(np.float32)


def test_rows_that_are_hard_to_predict_get_a_wide_interval():
    rows = table()
    spread = np.where(rows[:, 0] > 0.5, 10.0, 1.0)
    errors = np.abs(np.random.default_rng(1).normal(size=len(rows))) * spread
    found = error_scale.fit(rows, errors, np.arange(len(rows)) % 5, 0)
    assert found.saved > 0.2
    said = error_scale.scale(found.model, rows)
    assert said.min() > 0
    assert said[spread == 10].mean() > 5 * said[spread == 1].mean()
    reach = np.quantile(errors / found.out_of_fold, 0.9)
    assert np.mean(errors[spread == 10] <= reach * said[spread == 10]) > 0.85


def test_errors_that_follow_nothing_get_no_scale():
    errors = np.abs(np.random.default_rng(2).normal(size=2000))
    assert error_scale.fit(table(), errors, np.arange(2000) % 5, 0) is None


def test_few_rows_and_exact_models_get_none():
    assert error_scale.fit(table(50), np.ones(50), np.arange(50) % 5, 0) is None
    assert error_scale.fit(table(), np.zeros(2000), np.arange(2000) % 5, 0) is None
