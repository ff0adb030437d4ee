import numpy as np
import pytest

from tidemill.learning import ensemble


@pytest.fixture
def votes():
    """Errors that cancel out, one that does not, and a bad member."""
    random = np.random.default_rng(0)
    actual = random.normal(size=500)
    error = random.normal(size=500)
    return actual, {"low": actual - error, "high": actual + error, "noise": random.normal(size=500)}


def test_members_whose_errors_cancel_out_vote_together(votes):
    actual, said = votes
    weights = ensemble.select(said, actual, ensemble.squared)
    assert weights == pytest.approx({"low": 0.5, "high": 0.5})
    assert ensemble.squared(actual, ensemble.blend(said, weights)) == pytest.approx(0, abs=1e-20)


def test_one_that_nobody_helps_votes_alone(votes):
    actual, said = votes
    assert ensemble.select({"sure": actual, "noise": said["noise"]}, actual, ensemble.absolute) == {"sure": 1.0}


def test_members_are_few_and_weights_add_up():
    random = np.random.default_rng(1)
    actual = random.normal(size=300)
    said = {f"m{number}": actual + random.normal(size=300) for number in range(12)}
    weights = ensemble.select(said, actual, ensemble.squared)
    assert 1 < len(weights) <= ensemble.MOST_MEMBERS
    assert sum(weights.values()) == pytest.approx(1)
    assert list(weights.values()) == sorted(weights.values(), reverse=True)


def test_probabilities_are_weighed_by_their_log_loss():
    said = {"unsure": np.full(10, 0.5), "sure": np.full(10, 0.9)}
    assert ensemble.select(said, np.zeros(10), ensemble.log_loss) == {"sure": 1.0}
