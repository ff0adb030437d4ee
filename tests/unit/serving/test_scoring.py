import numpy as np
import pytest
from onnx import TensorProto, helper

from tidemill.contracts import InputField, Signature
from tidemill.serving import scoring
from tidemill.serving.scoring import Model


def graph(outputs, *nodes):
    """A graph with the input x whose nodes give the outputs, written by hand."""
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 1])]
    shaped = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, width]) for name, width in outputs.items()]
    model = helper.make_model(
        helper.make_graph(nodes, "g", inputs, shaped), opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    return model.SerializeToString()


X = (InputField("x", "number"),)
REGRESSION = Signature("m", "regression", "y", X)
BINARY = Signature("m", "binary", "y", X, ("no", "yes"), "yes")


@pytest.fixture
def doubling():
    return Model.load(graph({"value": 1}, helper.make_node("Add", ["x", "x"], ["value"])), REGRESSION)


def test_a_regressor_gives_one_number_a_row(doubling):
    prediction = doubling.predict({"x": np.array([1.5, -2.0], dtype=np.float32)})
    assert prediction.values.tolist() == [3.0, -4.0]
    assert prediction.values.dtype == np.float64
    assert prediction.labels is None
    assert prediction.probabilities is None


def test_a_classifier_gives_the_label_of_the_highest_probability():
    node = helper.make_node("Concat", ["x", "x2"], ["probabilities"], axis=1)
    model = Model.load(graph({"probabilities": 2}, helper.make_node("Mul", ["x", "x"], ["x2"]), node), BINARY)
    prediction = model.predict({"x": np.array([0.5, 2.0, 1.0], dtype=np.float32)})
    assert prediction.labels.tolist() == ["no", "yes", "no"]
    assert prediction.probabilities.tolist() == [[0.5, 0.25], [2.0, 4.0], [1.0, 1.0]]
    assert prediction.values is None


def test_chunks_do_not_change_predictions(doubling, monkeypatch):
    x = {"x": np.arange(10, dtype=np.float32)}
    whole = doubling.predict(x).values
    monkeypatch.setattr(scoring, "CHUNK_ROWS", 3)
    assert doubling.predict(x).values.tolist() == whole.tolist()


def test_no_rows_give_no_predictions(doubling):
    assert doubling.predict({"x": np.array([], dtype=np.float32)}).values.shape == (0,)


def test_the_models_encoder_makes_what_it_takes(doubling):
    assert doubling.predict(doubling.encoder.encode({"x": [4]})).values.tolist() == [8.0]
