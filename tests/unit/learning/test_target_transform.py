"""A skewed target is learned as its logarithm; the graph turns predictions back as numpy does."""

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from tidemill.learning.target_transform import TargetTransform, choose
from tidemill.spec import Features


def lognormal(centre=0.0, spread=1.0, rows=500, seed=0):
    return np.exp(np.random.default_rng(seed).normal(centre, spread, rows))


def turned_back(transform, learned):
    nodes = transform.nodes("learned", "value", "t_")
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1]) for name in ("learned", "value")]
    graph = helper.make_graph(nodes, "target", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {"learned": np.asarray(learned, np.float32).reshape(-1, 1)})[0][:, 0]


class TestChoosing:
    def test_a_skewed_positive_target_is_learned_as_its_logarithm(self):
        transform = choose(lognormal(), Features())
        assert transform.log
        assert "logarithm" in transform.sentence()

    @pytest.mark.parametrize(
        "target",
        [
            np.random.default_rng(0).normal(10, 2, 500),
            -lognormal(),
            np.array([0.0, 1.0] * 50),
            np.full(50, 7.0),
            np.r_[lognormal(), -50.0],
        ],
        ids=["symmetric", "negative", "two values", "constant", "loss"],
    )
    def test_any_other_target_is_learned_as_it_is(self, target):
        transform = choose(target, Features())
        assert transform == TargetTransform()
        assert transform.sentence() == ""

    def test_the_spec_decides(self):
        assert not choose(lognormal(), Features(transform_target="none")).log
        assert choose(np.random.default_rng(0).normal(0, 2, 500), Features(transform_target="log")).log


class TestTurningBack:
    @settings(max_examples=50, deadline=None)
    @given(
        centre=st.floats(-8, 20),
        spread=st.floats(0.1, 3),
        zeros=st.booleans(),
        learned=st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=20),
    )
    def test_the_graph_says_what_numpy_says(self, centre, spread, zeros, learned):
        """Within 1e-5 of the value, or of the target's usual size where that is more, as a release asks."""
        target = lognormal(centre, spread) * (np.arange(500) % 7 > 0 if zeros else 1)
        transform = choose(target, Features(transform_target="log"))
        expected = transform.inverse(np.array(learned))
        usual = np.sqrt(np.mean(target**2))
        assert (np.abs(turned_back(transform, learned) - expected) <= 1e-5 * np.maximum(np.abs(expected), usual)).all()

    @pytest.mark.parametrize("target", [lognormal(18), np.floor(lognormal()), lognormal() - 3], ids=str)
    def test_what_was_learned_comes_back(self, target):
        transform = choose(target, Features(transform_target="log"))
        np.testing.assert_allclose(transform.inverse(transform.forward(target)), target, rtol=1e-9, atol=1e-9)
        assert abs(transform.forward(target).mean()) < 1e-9

    def test_a_wild_prediction_stays_near_the_training_rows(self):
        target = lognormal()
        assert choose(target, Features()).inverse(np.array([1e3]))[0] < 3 * target.max()

    def test_smearing_takes_the_bias_of_the_mean_away(self):
        target = lognormal(3, 1.2, 5000)
        transform = choose(target, Features())
        learned = np.zeros(5000)  # the best guess of the logarithm when nothing else is known
        assert transform.inverse(learned).mean() < 0.6 * target.mean()
        smeared = transform.smeared(target, learned)
        assert smeared.inverse(learned).mean() == pytest.approx(target.mean())
        np.testing.assert_allclose(turned_back(smeared, [0.0]), target.mean(), rtol=1e-5)

    def test_without_a_logarithm_nothing_happens(self):
        assert turned_back(TargetTransform(), [1.5, -2.0]).tolist() == [1.5, -2.0]
        assert TargetTransform().smeared(np.ones(3), np.ones(3)) == TargetTransform()
