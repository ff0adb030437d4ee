import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from tidemill.learning import calibration
from tidemill.learning.calibration import Calibration


def overconfident(classes, rows=4000, seed=0):
    """Classes drawn by probabilities, and more extreme probabilities than those."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(rows, classes))
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    codes = np.array([random.choice(classes, p=row) for row in true])
    said = np.exp(1.6 * logits)
    return true, said / said.sum(axis=1, keepdims=True), codes


def loss(probabilities, codes):
    return -np.log(probabilities[np.arange(len(codes)), codes]).mean()


def served(one, probabilities):
    """What the nodes say of float32 probabilities."""
    classes = probabilities.shape[1]
    nodes, output = one.nodes("p", classes, "c_")
    graph = helper.make_graph(
        nodes,
        "calibration",
        [helper.make_tensor_value_info("p", TensorProto.FLOAT, [None, classes])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, [None, classes])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx.checker.check_model(model)
    (said,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"p": probabilities.astype(np.float32)})
    return said


@pytest.mark.parametrize("classes", [2, 4])
def test_overconfident_probabilities_get_nearly_what_they_should_be(classes):
    true, said, codes = overconfident(classes)
    for one in calibration.fit(said, codes):
        assert loss(said, codes) > loss(one.apply(said), codes) >= loss(true, codes) - 0.01
        assert np.abs(one.apply(said) - true).mean() < 0.03


def test_good_probabilities_stay_nearly_as_they_are():
    true, _, codes = overconfident(3)
    (one,) = calibration.fit(true, codes)
    assert one.temperature == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize(
    "one", [Calibration(0.6, 1.7, -0.4, 1.8), Calibration(1.5, 0.3, 0.1, 3.0), Calibration(0.5, 0.5, 0.0, 0.4)]
)
def test_the_graph_does_the_same(classes, one):
    random = np.random.default_rng(3)
    said = random.dirichlet([0.2] * classes, 2000)
    said[:3] = np.eye(classes)[[0, 1, 0]]
    np.testing.assert_allclose(served(one, said), one.apply(said.astype(np.float32)), atol=1e-5)


def test_what_is_never_right_does_not_divide_by_zero():
    said = np.column_stack([np.ones(50), np.zeros(50)])
    for one in calibration.fit(said, np.arange(50) % 2):
        assert np.isfinite(one.apply(said)).all()
