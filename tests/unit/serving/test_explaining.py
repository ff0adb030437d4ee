"""Contributions add up to the score, go to the inputs that make it, and are the same each time."""

import numpy as np
import pytest
from onnx import TensorProto, helper

from tidemill.contracts import InputField, Signature
from tidemill.errors import InputRefused
from tidemill.serving.explaining import MOST_ROWS, Explainer
from tidemill.serving.scoring import Model

NUMBERS = (InputField("x", "number"), InputField("y", "number"), InputField("idle", "number"))
RANDOM = np.random.default_rng(5)
BACKGROUND = {name: RANDOM.normal(size=40).astype(np.float32) for name in ("x", "y", "idle")}
ROW = {"x": np.array([3], np.float32), "y": np.array([-1], np.float32), "idle": np.array([9], np.float32)}


def model(signature: Signature, outputs: dict[str, int], *nodes: object) -> Model:
    inputs = [helper.make_tensor_value_info(field.name, TensorProto.FLOAT, [None, 1]) for field in signature.inputs]
    shaped = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, width]) for name, width in outputs.items()]
    graph = helper.make_graph(list(nodes), "g", inputs, shaped)
    opsets = [helper.make_opsetid("", 17)]
    return Model.load(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString(), signature)


def product() -> Model:
    """x + y + x * y, and nothing of idle."""
    return model(
        Signature("m", "regression", "t", NUMBERS),
        {"value": 1},
        helper.make_node("Mul", ["x", "y"], ["xy"]),
        helper.make_node("Sum", ["x", "y", "xy"], ["value"]),
    )


def test_contributions_and_base_add_up_to_the_score() -> None:
    (said,) = Explainer(product(), BACKGROUND).explain(ROW)
    assert said.score == pytest.approx(3 - 1 - 3)
    usual = BACKGROUND["x"] + BACKGROUND["y"] + BACKGROUND["x"] * BACKGROUND["y"]
    assert said.base == pytest.approx(float(usual.mean()), abs=1e-6)
    assert said.base + sum(said.contributions.values()) == pytest.approx(said.score, abs=1e-6)


def test_an_input_that_the_model_ignores_gets_nothing() -> None:
    (said,) = Explainer(product(), BACKGROUND).explain(ROW)
    assert said.contributions["idle"] == 0


def test_of_a_sum_each_input_gets_its_own_part() -> None:
    added = model(
        Signature("m", "regression", "t", NUMBERS), {"value": 1}, helper.make_node("Sub", ["x", "y"], ["value"])
    )
    (said,) = Explainer(added, BACKGROUND).explain(ROW)
    assert said.contributions["x"] == pytest.approx(3 - float(BACKGROUND["x"].mean()), abs=1e-5)
    assert said.contributions["y"] == pytest.approx(1 + float(BACKGROUND["y"].mean()), abs=1e-5)
    assert list(said.contributions) == ["x", "y", "idle"]


def test_what_two_inputs_do_together_is_shared_as_shapley_shares_it() -> None:
    (said,) = Explainer(product(), BACKGROUND).explain(ROW)
    # Over one background row with values a and b, x gets (x - a) * (1 + (y + b) / 2): the mean of both orders.
    a, b = BACKGROUND["x"].astype(float), BACKGROUND["y"].astype(float)
    assert said.contributions["x"] == pytest.approx(float(np.mean((3 - a) * (1 + (-1 + b) / 2))), abs=1e-5)


def test_a_classifier_is_explained_by_the_probability_of_its_positive_class() -> None:
    signature = Signature("m", "binary", "t", NUMBERS, ("no", "yes"), "yes")
    nodes = (
        helper.make_node("Sigmoid", ["x"], ["yes"]),
        helper.make_node("Neg", ["x"], ["minus"]),
        helper.make_node("Sigmoid", ["minus"], ["no"]),
        helper.make_node("Concat", ["no", "yes"], ["probabilities"], axis=1),
    )
    (said,) = Explainer(model(signature, {"probabilities": 2}, *nodes), BACKGROUND).explain(
        ROW | {"x": np.array([-3], np.float32)}
    )
    assert said.of == "yes"
    assert said.score == pytest.approx(1 / (1 + np.exp(3)))
    assert said.contributions["x"] < 0


def test_the_parts_of_a_date_are_one_input() -> None:
    fields = (InputField("day", "date"), InputField("x", "number"))
    parts = [f"day__{part}" for part in ("epoch_days", "year", "month", "day", "weekday", "hour")]
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1]) for name in [*parts, "x"]]
    graph = helper.make_graph(
        [helper.make_node("Sum", [parts[1], parts[2], "x"], ["value"])],
        "g",
        inputs,
        [helper.make_tensor_value_info("value", TensorProto.FLOAT, [None, 1])],
    )
    opsets = [helper.make_opsetid("", 17)]
    dated = Model.load(
        helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString(),
        Signature("m", "regression", "t", fields),
    )
    background = dated.encoder.encode({"day": ["2020-01-01", "2021-06-01"], "x": [0.0, 0.0]})
    (said,) = Explainer(dated, background).explain(dated.encoder.encode({"day": ["2026-03-01"], "x": [5.0]}))
    assert said.contributions == pytest.approx({"day": 2026 + 3 - np.mean([2021, 2027]), "x": 5.0}, abs=1e-3)


def test_the_same_row_gets_the_same_explanation() -> None:
    first, second = (Explainer(product(), BACKGROUND).explain(ROW) for _ in range(2))
    assert first == second


def test_too_many_rows_are_refused() -> None:
    many = {name: np.repeat(values, MOST_ROWS + 1) for name, values in ROW.items()}
    with pytest.raises(InputRefused, match=f"at most {MOST_ROWS} are explained"):
        Explainer(product(), BACKGROUND).explain(many)
