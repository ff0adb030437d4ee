"""Training and the graph make the same matrix of whatever row arrives."""

import functools
import json
import math

import numpy as np
import onnxruntime
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from tidemill.contracts import InputField
from tidemill.learning import feature_plan
from tidemill.learning.feature_steps.dates import Cyclic
from tidemill.learning.feature_steps.numbers import BOUND
from tidemill.learning.feature_steps.target_encoding import TargetEncoding
from tidemill.learning.feature_steps.text import TfIdf
from tidemill.serving.features import MAX_WORDS, encode, words
from tidemill.spec import Features

INPUTS = tuple(
    InputField(name, kind, required=False)
    for name, kind in {
        "tenure": "integer",
        "charges": "number",
        "calls": "integer",
        "contract": "category",
        "city": "category",
        "paperless": "boolean",
        "since": "date",
        "until": "date",
        "remark": "text",
    }.items()
)
CITIES = [f"city {index}" for index in range(40)]
WORDS = ["late", "refund", "thanks", "broken", "£", "Größe", "000", "ok"]
#: Steps whose nodes compute a root or a sine, which two libraries round differently.
ROUNDED = (Cyclic, TfIdf)


def raw(rows, seed=0):
    random = np.random.default_rng(seed)
    day = np.datetime64("2024-02-20T00:00") + random.integers(0, 900_000, rows)
    columns = {
        "tenure": random.integers(0, 72, rows).astype(float),
        "charges": random.lognormal(4, 1, rows),
        "calls": np.zeros(rows),
        "contract": random.choice(["month", "year", "", "two \0 years"], rows).astype(object),
        "city": random.choice(CITIES, rows).astype(object),
        "paperless": random.choice(["true", "false"], rows).astype(object),
        "since": np.array([str(one) for one in day], dtype=object),
        "until": np.array([str(one) for one in day + random.integers(0, 90_000, rows)], dtype=object),
        "remark": np.array([" ".join(random.choice(WORDS, random.integers(0, 6))) for _ in range(rows)], dtype=object),
    }
    columns["calls"] = np.round(columns["charges"] * random.uniform(0.7, 1.3, rows))
    columns["charges"][::9] = np.nan
    columns["city"][:3] = ["once", "Ünique", ""]
    columns["since"][::11] = None
    return columns


def target(columns, task, seed=1):
    random = np.random.default_rng(seed)
    score = columns["tenure"] / 72 + np.array([len(city) for city in columns["city"]]) / 9
    score = score + np.array(["refund" in text for text in columns["remark"]]) + random.normal(0, 0.2, len(score))
    return score if task == "regression" else np.digitize(score, np.quantile(score, [0.5, 0.8])[: CLASSES[task] - 1])


CLASSES = {"binary": 2, "multiclass": 3, "regression": 0}


@functools.cache
def fitted(task, family, rows=400, **options):
    """The plan, the matrix of its training rows, and a session over its nodes."""
    columns = raw(rows)
    classes = tuple(f"class {index}" for index in range(CLASSES[task]))
    plan, matrix = feature_plan.fit(
        encode(INPUTS, columns),
        target(columns, task).astype(float),
        inputs=INPUTS,
        task=task,
        classes=classes,
        options=Features(**options),
        family=family,
        seed=0,
    )
    return plan, matrix, session(plan)


def session(plan):
    part = plan.nodes("plan_")
    output = helper.make_tensor_value_info(part.output, TensorProto.FLOAT, [None, len(plan.names)])
    graph = helper.make_graph(part.nodes, "features", list(part.inputs.values()), [output])
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    return onnxruntime.InferenceSession(model.SerializeToString())


def run(made, encoded):
    return made.run(None, {node.name: encoded[node.name].reshape(-1, 1) for node in made.get_inputs()})[0]


NUMBERS = (
    st.none() | st.floats() | st.integers(-(2**80), 2**80) | st.sampled_from([0.0, -0.0, 3.4e38, 1e-45, 2**24 + 1])
)
TEXTS = (
    st.none() | st.text(st.characters(), max_size=12) | st.sampled_from(["month", "", "\0", "two \0 years", "city 3"])
)
DATES = st.none() | st.datetimes().map(lambda moment: moment.isoformat())
REMARKS = (
    st.none()
    | st.text(st.characters(), max_size=60)
    | st.lists(st.sampled_from([*WORDS, "LATE!!", "ﬁne", "12", "\0", "\u2028", "x" * 300]), max_size=20).map(" ".join)
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "tenure": NUMBERS,
            "charges": NUMBERS,
            "calls": NUMBERS,
            "contract": TEXTS,
            "city": TEXTS | st.sampled_from(CITIES),
            "paperless": st.sampled_from([None, True, False, "yes"]),
            "since": DATES,
            "until": DATES,
            "remark": REMARKS,
        }
    ),
    min_size=1,
    max_size=5,
)
EMPTY = dict.fromkeys(field.name for field in INPUTS)


@pytest.mark.parametrize("task", CLASSES)
@pytest.mark.parametrize("family", ["tree", "linear"])
class TestTheGraphMakesTheSameMatrix:
    @settings(max_examples=60, deadline=None)
    @given(rows=ROWS)
    @example(rows=[EMPTY])
    @example(rows=[EMPTY, EMPTY | {"remark": "late late refund", "city": "\ud800"}])
    def test_of_any_row(self, task, family, rows):
        plan, _, made = fitted(task, family)
        encoded = encode(INPUTS, {field.name: [row[field.name] for row in rows] for field in INPUTS})
        expected, found = plan.matrix(encoded), run(made, encoded)
        rounded = np.concatenate([[isinstance(step, ROUNDED)] * len(step.names) for step in plan.steps])
        np.testing.assert_array_equal(found[:, ~rounded], expected[:, ~rounded])
        np.testing.assert_allclose(found[:, rounded], expected[:, rounded], rtol=0, atol=1e-6)
        if family == "linear":
            assert np.isfinite(found).all()
            assert np.abs(found).max() <= BOUND

    def test_of_the_training_rows(self, task, family):
        plan, _, made = fitted(task, family)
        encoded = encode(INPUTS, raw(400))
        np.testing.assert_allclose(run(made, encoded), plan.matrix(encoded), rtol=0, atol=1e-6)

    def test_the_names_are_as_many_as_columns_and_differ(self, task, family):
        plan, matrix, _ = fitted(task, family)
        assert matrix.shape == (400, len(plan.names))
        assert matrix.dtype == np.float32
        assert len(set(plan.names)) == len(plan.names)

    def test_the_same_rows_give_the_same_nodes_and_document(self, task, family):
        plan, matrix, _ = fitted(task, family)
        again, same, _ = fitted.__wrapped__(task, family)
        np.testing.assert_array_equal(matrix, same)
        assert plan.nodes("a").nodes == again.nodes("a").nodes
        assert json.dumps(plan.document()) == json.dumps(again.document())

    def test_the_document_tells_of_every_column(self, task, family):
        plan, _, _ = fitted(task, family)
        document = plan.document()
        told = {entry["column"].split("__")[0] for entry in document["columns"]}
        assert told >= {field.name for field in INPUTS}
        assert document["width"] == len(plan.names)
        features = [entry["features"] for entry in document["columns"]]
        assert sum(one if isinstance(one, int) else len(one) for one in features) == len(plan.names)


def column(plan, matrix, name):
    return matrix[:, plan.names.index(name)]


class TestTargetEncoding:
    def test_a_training_row_is_encoded_by_other_rows(self):
        """A category that says nothing must not learn its rows' own targets."""
        random = np.random.default_rng(0)
        texts = random.integers(0, 300, 600).astype(str).astype(object)
        outcome = random.normal(size=600)
        step, held_out = TargetEncoding.fit(["c"], {"c": texts}, outcome, (), seed=0)
        within = step.transform({"c": texts})
        assert np.corrcoef(within[:, 0], outcome)[0, 1] > 0.4
        assert abs(np.corrcoef(held_out[:, 0], outcome)[0, 1]) < 0.15

    def test_a_level_is_smoothed_towards_the_mean_of_all(self):
        texts = np.array(["a"] * 10 + ["b"] * 30, dtype=object)
        outcome = np.array([1.0] * 10 + [0.0] * 30)
        step, _ = TargetEncoding.fit(["c"], {"c": texts}, outcome, (), seed=0)
        found = step.transform({"c": np.array(["a", "b", "new"], dtype=object)})[:, 0]
        np.testing.assert_allclose(found, [(10 + 2.5) / 20, 2.5 / 40, 0.25], rtol=1e-6)

    def test_every_class_has_its_share(self):
        texts = np.array(["a", "b"] * 60, dtype=object)
        outcome = np.arange(120) % 3.0
        step, _ = TargetEncoding.fit(["c"], {"c": texts}, outcome, ("x", "y", "z"), seed=0)
        assert step.names == ("share of x in c", "share of y in c", "share of z in c")
        np.testing.assert_allclose(step.transform({"c": texts}).sum(axis=1), 1, rtol=1e-6)

    def test_the_spec_may_leave_it_out(self):
        plan, _, _ = fitted("binary", "tree", target_encoding="no")
        assert "city" in plan.names
        assert not [name for name in plan.names if "mean target" in name]

    def test_linear_models_get_it_of_many_levels_only(self):
        plan, _, _ = fitted("binary", "linear")
        assert [name for name in plan.names if "mean target" in name] == ["mean target of city"]


class TestNumbers:
    def test_a_tree_gets_them_as_they_are(self):
        plan, matrix, _ = fitted("regression", "tree")
        np.testing.assert_array_equal(column(plan, matrix, "charges"), raw(400)["charges"].astype(np.float32))

    def test_a_linear_model_learns_a_curve_from_ramps(self):
        values = np.linspace(-3, 3, 2000, dtype=np.float32)
        inputs = [InputField("x", "number")]
        plan, matrix = feature_plan.fit(
            {"x": values}, values**2.0, inputs=inputs, task="regression", classes=(), options=Features(),
            family="linear", seed=0,
        )  # fmt: skip
        table = np.column_stack([matrix, np.ones(2000)])
        bent = table @ np.linalg.lstsq(table, values**2.0, rcond=None)[0]
        assert np.abs(bent - values**2.0).max() < 1
        assert plan.names[0] == "x"

    def test_a_missing_number_is_told(self):
        plan, matrix, _ = fitted("binary", "linear")
        np.testing.assert_array_equal(column(plan, matrix, "charges is missing"), np.isnan(raw(400)["charges"]))
        assert "tenure is missing" not in plan.names

    def test_a_value_that_most_rows_have_leaves_knots_for_the_others(self):
        values = np.concatenate([np.zeros(950), np.linspace(1, 2, 50)]).astype(np.float32)
        plan, _ = feature_plan.fit(
            {"x": values}, values, inputs=[InputField("x", "number")], task="regression", classes=(),
            options=Features(), family="linear", seed=0,
        )  # fmt: skip
        assert len(plan.names) >= 4

    def test_a_column_that_never_varies_is_left_out(self):
        columns = {"x": np.arange(50, dtype=np.float32), "same": np.ones(50, dtype=np.float32)}
        inputs = [InputField("x", "number"), InputField("same", "number")]
        plan, _ = feature_plan.fit(
            columns, columns["x"], inputs=inputs, task="regression", classes=(), options=Features(), family="tree",
            seed=0,
        )  # fmt: skip
        assert plan.names == ("x",)
        assert list(plan.nodes("a").inputs) == ["x"]


class TestRatios:
    def test_two_sizes_that_grow_together_are_divided(self):
        plan, _, _ = fitted("regression", "tree")
        columns = encode(INPUTS, raw(5) | {"charges": [30.0, 30, 0, -1, None], "calls": [10.0, 0, 0, 2, 3]})
        np.testing.assert_array_equal(
            column(plan, plan.matrix(columns), "charges per calls"), np.float32([3, math.nan, math.nan, -0.5, math.nan])
        )

    def test_numbers_that_are_no_sizes_are_not(self):
        values = np.random.default_rng(0).normal(50, 5, 300).astype(np.float32)
        inputs = [InputField("warm", "number"), InputField("felt", "number")]
        plan, _ = feature_plan.fit(
            {"warm": values, "felt": values + 1}, values, inputs=inputs, task="regression", classes=(),
            options=Features(), family="tree", seed=0,
        )  # fmt: skip
        assert plan.names == ("warm", "felt")


class TestCategories:
    def test_rare_and_unknown_levels_share_a_column(self):
        plan, _, _ = fitted("binary", "linear")
        columns = encode(INPUTS, raw(3) | {"city": ["once", "never seen", "city 3"]})
        np.testing.assert_array_equal(column(plan, plan.matrix(columns), "city is another"), [1, 1, 0])


class TestDates:
    def test_the_time_between_two_dates_is_known(self):
        plan, _, _ = fitted("regression", "tree")
        columns = encode(
            INPUTS,
            raw(3) | {"since": ["2026-01-31T23:30:30", None, "2026-02-02"], "until": ["2026-02-01T01:00:00"] * 3},
        )
        np.testing.assert_array_equal(
            column(plan, plan.matrix(columns), "minutes from since to until"), np.float32([89.5, math.nan, -1380])
        )

    def test_december_is_next_to_january(self):
        plan, _, _ = fitted("regression", "linear")
        columns = encode(INPUTS, raw(3) | {"since": ["2025-12-15", "2026-01-15", "2026-06-15"]})
        at = [plan.names.index(f"{wave} since__month") for wave in ("sin", "cos")]
        december, january, june = plan.matrix(columns)[:, at]
        assert np.linalg.norm(december - january) < np.linalg.norm(december - june) / 3


class TestText:
    def test_words_are_lower_case_and_numbers_are_as_long_as_they_were(self):
        assert words("Call 0800-123 NOW, call £5!") == "call 0000 - 000 now , £ 0 !"

    def test_compatible_characters_are_one(self):
        assert words("Größe ﬁne") == words("größe ﬁne")

    def test_a_long_text_keeps_its_first_different_words(self):
        text = " ".join(f"w{chr(97 + index % 26)}{chr(97 + index // 26)}" for index in range(2 * MAX_WORDS))
        assert words(text).split(" ") == text.split(" ")[:MAX_WORDS]

    def test_a_row_of_weights_has_length_1_and_a_rare_word_weighs_more(self):
        plan, _, _ = fitted("binary", "linear")
        columns = encode(INPUTS, raw(3) | {"remark": ["late refund", "nothing of it", ""]})
        step = next(step for step in plan.steps if isinstance(step, TfIdf))
        made = step.transform(columns)
        np.testing.assert_allclose(np.linalg.norm(made, axis=1), [1, 0, 0], rtol=1e-6)
        assert step.weights["remark"][0] == step.weights["remark"].min()

    def test_trees_look_for_the_words_that_go_with_the_target(self):
        random = np.random.default_rng(0)
        noise = [
            " ".join(f"n{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in random.integers(0, 400, 12)) for _ in range(800)
        ]
        spam = random.random(800) < 0.5
        texts = [f"{text} prize" if yes else text for text, yes in zip(noise, spam, strict=True)]
        inputs = [InputField("text", "text")]
        plan, _ = feature_plan.fit(
            encode(inputs, {"text": texts}), spam.astype(float), inputs=inputs, task="binary", classes=("ham", "spam"),
            options=Features(), family="tree", seed=0,
        )  # fmt: skip
        assert "text has prize" in plan.names
        assert len(plan.names) == 101

    def test_the_spec_limits_words_or_leaves_text_out(self):
        few, _, _ = fitted("binary", "linear", text_words=3)
        assert len([name for name in few.names if name.startswith("remark")]) == 3
        none, _, _ = fitted("binary", "linear", text_words=0)
        assert not [name for name in none.names if name.startswith("remark")]

    @pytest.mark.parametrize("family", ["tree", "linear"])
    @pytest.mark.parametrize("texts", [["", "", "", ""], ["all", "words", "are", "different"]])
    def test_texts_without_a_common_word_still_make_a_matrix(self, family, texts):
        inputs = [InputField("text", "text", required=False)]
        encoded = encode(inputs, {"text": texts})
        plan, matrix = feature_plan.fit(
            encoded, np.arange(4.0), inputs=inputs, task="regression", classes=(), options=Features(), family=family,
            seed=0,
        )  # fmt: skip
        assert matrix.shape[1] >= 1
        np.testing.assert_array_equal(run(session(plan), encoded), matrix)
