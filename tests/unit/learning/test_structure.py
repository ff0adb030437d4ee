"""Clusters, components and anomalies: found where there are any, exported exactly, refused where there are none."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill import spec as specs
from tidemill.contracts import SUPERVISED, CandidateRef, CandidateScore, Evaluation, InputField, Signature, Task
from tidemill.errors import CandidateFailed, DataRefused, GateRefused, SpecError
from tidemill.learning import evaluation, fitting, refitting
from tidemill.learning.evaluation import InService, Trained
from tidemill.learning.plan import Plan
from tidemill.learning.refit import Refit
from tidemill.learning.rows import Rows, load_prediction, save_prediction
from tidemill.learning.structure import candidates, graph, methods, reference, space
from tidemill.learning.structure.percentiles import Percentiles
from tidemill.rules.structure_metrics import adjusted_rand
from tidemill.serving import features
from tidemill.serving.prediction import SPACE
from tidemill.serving.scoring import Model
from tidemill.spec import Spec, default_metric

INPUTS = (
    InputField("size", "number", required=False),
    InputField("spent", "number"),
    InputField("since", "date", required=False),
    InputField("kind", "category", required=False),
    InputField("new", "boolean"),
)
TASKS: tuple[Task, ...] = ("clustering", "dimensionality_reduction", "anomaly_detection")
Raw = dict[str, list[Any]]


def customers(rows: int, seed: int = 0, apart: float = 6.0) -> tuple[Raw, np.ndarray]:
    """Three groups of rows, each of which lies `apart` from the others in a number, another one or a date."""
    random = np.random.default_rng(seed)
    group = random.integers(3, size=rows)
    size = random.normal(apart * (group == 0), 1)
    spent = np.exp(random.normal(apart * (group == 1), 1))
    days = random.integers(0, 300, size=rows) + 100 * int(apart) * (group == 2)
    raw: Raw = {
        "size": [None if one < 0.02 else value for one, value in zip(random.random(rows), size.tolist(), strict=True)],
        "spent": spent.tolist(),
        "since": [str(np.datetime64("2020-01-01") + int(day)) for day in days],
        "kind": [["a", "b", None][one] for one in random.integers(3, size=rows)],
        "new": random.integers(2, size=rows).astype(bool).tolist(),
    }
    return raw, group


def noise(rows: int, seed: int = 0) -> Raw:
    """Rows without any structure."""
    random = np.random.default_rng(seed)
    return {f"x{i}": random.normal(size=rows).tolist() for i in range(5)}


def encoded(raw: Raw, inputs: tuple[InputField, ...] = INPUTS) -> dict[str, np.ndarray]:
    return features.encode(inputs, raw)


def planned(spec: Spec, inputs: tuple[InputField, ...] = INPUTS, rows: int = 300) -> Plan:
    task = spec.task if spec.task != "auto" else "clustering"
    metric = spec.metric or default_metric(task)
    return Plan("m", task, None, metric, inputs, candidates.plan(spec, task, rows), rows, 100, spec.seed, False)


def trained(spec: Spec, raw: Raw, held: Raw, inputs: tuple[InputField, ...] = INPUTS) -> tuple[Refit, Rows]:
    """The search on some rows and its best candidate fitted again."""
    learned = encoded(raw, inputs)
    rows = len(next(iter(learned.values())))
    train = Rows(learned, np.zeros(rows), np.arange(rows) % 3)
    held_columns = encoded(held, inputs)
    holdout = Rows(held_columns, np.zeros(len(next(iter(held_columns.values())))))
    plan = planned(spec, inputs, rows)
    found = [fitting.cross_validate(one, plan, train, time.perf_counter) for one in plan.candidates]
    assert [one.result.error for one in found if one.result.error] == []
    scores = [fitting.score_of(one.result, plan.metric) for one in found]
    return refitting.refit(plan, train, holdout, scores, {}), holdout


def judged(spec: Spec, made: Refit, holdout: Rows, champion: Model | None = None) -> Evaluation:
    model, baseline = (Model.load(onnx, made.signature) for onnx in (made.onnx, made.baseline_onnx))
    found = load_prediction(save_prediction(made.reference))
    service = None if champion is None else InService(1, champion)
    return evaluation.evaluate(spec, holdout, Trained(made.fit, model, baseline, found), service)


# --- the space ---------------------------------------------------------------------------------

cells = st.fixed_dictionaries(
    {
        "size": st.none() | st.floats(allow_nan=False, width=32),
        "spent": st.floats(-(2.0**99), 2.0**99, width=32),
        "since": st.none() | st.dates().map(str),
        "kind": st.none() | st.text(max_size=4) | st.sampled_from(["a", "b", "z"]),
        "new": st.booleans(),
    }
)


@settings(deadline=None, max_examples=60)
@given(rows=st.lists(cells, min_size=1, max_size=8))
def test_whatever_row_arrives_the_graph_sees_it_as_training_does(rows: list[dict[str, Any]]) -> None:
    made, model = CUSTOMERS
    columns = encoded({name: [row[name] for row in rows] for name in rows[0]})
    expected = made.matrix(columns)
    (given_,) = model.run(columns, [SPACE])
    assert given_ == pytest.approx(expected.astype(np.float32), rel=1e-6)


def test_each_source_column_weighs_as_much_as_its_kind() -> None:
    columns = encoded(customers(500)[0])
    made, table = CUSTOMERS[0], CUSTOMERS[0].matrix(encoded(customers(500, seed=9)[0]))
    own = space.fit(INPUTS, columns)
    weights = dict.fromkeys(own.sources, 0.0)
    for source, column in zip(own.sources, own.matrix(columns).T, strict=True):
        weights[source] += column.var()
    assert weights == pytest.approx({"size": 1, "spent": 1, "since": 1, "kind": 0.5, "new": 0.5})
    assert table.shape == (500, made.width)
    assert abs(np.mean(own.matrix(columns))) < 1e-9


def test_a_very_skewed_number_is_taken_by_its_logarithm_and_a_constant_one_not_at_all() -> None:
    inputs = (InputField("money", "number"), InputField("same", "number"), InputField("level", "number"))
    random = np.random.default_rng(1)
    raw = {"money": np.exp(random.normal(9, 2, 400)).tolist(), "same": [3] * 400, "level": random.random(400).tolist()}
    made = space.fit(inputs, encoded(raw, inputs))
    assert [number.name for number in made.numbers if number.unit] == ["money"]
    assert set(made.sources) == {"money", "level"}
    told = {one["column"]: one["becomes"] for one in made.document()["columns"]}
    assert "by its logarithm" in told["money"]
    assert "logarithm" not in told["level"]


def test_a_table_in_which_nothing_varies_is_refused() -> None:
    inputs = (InputField("same", "number"), InputField("kind", "category"))
    with pytest.raises(DataRefused, match="no column varies"):
        space.fit(inputs, encoded({"same": [1, 1], "kind": ["a", "a"]}, inputs))


def _fitted() -> tuple[space.Space, Model]:
    columns = encoded(customers(300)[0])
    made = space.fit(INPUTS, columns)
    method = methods.of(CandidateRef("kmeans_3", {"n_clusters": 3}), "clustering", made.matrix(columns), 0)
    signature = Signature("m", "clustering", None, INPUTS, ("0", "1", "2"))
    return made, Model.load(graph.export(method, made), signature)


CUSTOMERS = _fitted()


# --- the graph ---------------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
def test_every_candidate_s_graph_says_what_scikit_learn_says(task: Task) -> None:
    spec = specs.parse({"task": task})
    columns, others = encoded(customers(300)[0]), encoded(customers(2000, seed=5)[0])
    made = space.fit(INPUTS, columns)
    table, tested = made.matrix(columns), made.matrix(others)
    for candidate in candidates.plan(spec, task, 300):
        method = methods.of(candidate, task, table, 0)
        expected = method.find(tested)
        classes = ("normal", "anomaly") if task == "anomaly_detection" else tuple(map(str, range(10)))
        signature = Signature("m", task, None, INPUTS, classes, threshold=0.95)
        found = Model.load(graph.export(method, made), signature).predict(others)
        for one, other in ((found.values, expected.values), (found.components, expected.components)):
            if other is not None:
                assert one == pytest.approx(other, rel=1e-5, abs=1e-6), candidate.name
        if expected.labels is not None:
            assert np.array_equal(found.labels, expected.labels), candidate.name  # type: ignore[arg-type]


@pytest.mark.parametrize("task", TASKS)
def test_the_same_rows_give_the_same_bytes(task: Task) -> None:
    raw, held = customers(200)[0], customers(80, seed=1)[0]
    learned, tested = (Rows(encoded(one), np.zeros(len(one["size"]))) for one in (raw, held))
    plan = planned(specs.parse({"task": task}))
    scores = [CandidateScore(plan.candidates[-1].name, 1.0, 1.0)]
    first, again = (refitting.refit(plan, learned, tested, scores, {}) for _ in range(2))
    assert first.files("r") == again.files("r")


# --- clusters ----------------------------------------------------------------------------------


def test_as_many_clusters_are_chosen_as_there_are_and_new_rows_go_into_theirs() -> None:
    held, group = customers(150, seed=2)
    made, holdout = trained(Spec(), customers(300)[0], held)
    assert made.signature.classes == ("0", "1", "2")
    model = Model.load(made.onnx, made.signature)
    labels = model.predict(holdout.columns).labels
    assert labels is not None
    assert adjusted_rand(labels.astype(np.int64), group) > 0.95
    result = judged(Spec(), made, holdout)
    assert result.holdout["stability"].value > 0.9
    assert evaluation.check(result).metric == "silhouette"
    assert {item.feature for item in result.importance[:2]} <= {"size", "spent", "since"}
    assert sum(result.curves["clusters"]["rows"]) == 150


def test_the_spec_may_say_how_many_clusters() -> None:
    spec = specs.parse({"structure": {"clusters": 5}})
    assert [one.name for one in candidates.plan(spec, "clustering", 300)] == ["baseline", "kmeans_5"]
    made, _ = trained(spec, customers(200)[0], customers(60, seed=1)[0])
    assert len(made.signature.classes) == 5
    assert made.fit.decisions == ("The rows are put into 5 clusters, the only number that was tried.",)


def test_numbers_of_clusters_within_a_tenth_are_as_good() -> None:
    planned_ = candidates.plan(Spec(), "clustering", 300)
    scores = [CandidateScore(f"kmeans_{k}", mean, 1.0) for k, mean in ((2, 0.40), (3, 0.46), (7, 0.50))]
    equals = candidates.best([CandidateScore("baseline", 0.9, 1.0), *scores], planned_, "silhouette")
    assert [one.name for one in equals] == ["kmeans_3", "kmeans_7"]
    with pytest.raises(CandidateFailed, match="none of the candidates"):
        candidates.best([CandidateScore("kmeans_2", None, 1.0)], planned_, "silhouette")


def test_of_numbers_that_are_as_good_the_one_that_is_found_again_is_taken() -> None:
    learned = Rows(encoded(customers(300)[0]), np.zeros(300))
    scores = [CandidateScore(f"kmeans_{k}", 0.5, 1.0) for k in (2, 3, 6)]
    made = refitting.refit(planned(Spec()), learned, learned, scores, {})
    assert made.fit.candidate == "kmeans_3"


# --- rows without structure --------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
def test_rows_without_structure_are_refused_by_the_gate_and_structured_ones_pass(task: Task) -> None:
    quick = {"candidates": ["mahalanobis"]} if task == "anomaly_detection" else {}
    spec = specs.parse({"task": task, "structure": {"components": 2, "clusters": 3}} | quick)
    inputs = tuple(InputField(f"x{i}", "number") for i in range(5))
    made, holdout = trained(spec, noise(300), noise(200, seed=3), inputs)
    refused = judged(spec, made, holdout)
    gate = next(gate for gate in refused.gates if gate.name == "beats_baseline")
    # The reference is drawn as well: a model of noise may be a hair better, never more.
    assert gate.value == pytest.approx(gate.threshold, abs=0.06)
    together = judged(spec, *trained(spec, customers(300)[0], customers(150, seed=2)[0]))
    passed = next(gate for gate in together.gates if gate.name == "beats_baseline")
    assert passed.verdict == "pass"
    assert passed.value is not None
    assert passed.threshold is not None
    assert passed.value > passed.threshold + 0.08


def test_one_column_has_no_anomalies_to_tell_by_how_columns_go_together() -> None:
    inputs = (InputField("x0", "number"),)
    spec = specs.parse({"task": "anomaly_detection", "candidates": ["mahalanobis"]})
    raw, held = ({"x0": noise(rows)["x0"]} for rows in (200, 100))
    with pytest.raises(GateRefused, match=r"no better than 0\.500 of the same score for every row"):
        evaluation.check(judged(spec, *trained(spec, raw, held, inputs)))


def test_clusters_of_one_cloud_are_worse_the_more_there_are() -> None:
    table = np.random.default_rng(0).normal(size=(300, 4))
    two, eight = (reference.one_cloud(["silhouette"], table, k, 0)["silhouette"] for k in (2, 8))
    assert 0 < two < 0.35
    assert 0 < eight < two + 0.05


def test_shuffling_keeps_each_column_and_parts_what_goes_together() -> None:
    columns = {"a": np.arange(50.0), "b__year": np.arange(50.0), "b__day": np.arange(50.0)}
    mixed = reference.shuffled(columns, [("a",), ("b__year", "b__day")], 0)
    assert all(sorted(mixed[name]) == sorted(columns[name]) for name in columns)
    assert np.array_equal(mixed["b__year"], mixed["b__day"])
    assert not np.array_equal(mixed["a"], mixed["b__year"])


# --- anomalies ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mahalanobis", "reconstruction", "isolation_forest"])
def test_a_strange_row_has_a_high_score_and_the_asked_share_of_usual_rows_too(name: str) -> None:
    spec = specs.parse({"task": "anomaly_detection", "candidates": [name], "structure": {"contamination": 0.1}})
    strange: Raw = {"size": [60.0], "spent": [3e7], "since": ["2090-01-01"], "kind": ["a"], "new": [True]}
    made, holdout = trained(spec, customers(600)[0], customers(300, seed=4)[0])
    assert made.signature.threshold == 0.9
    model = Model.load(made.onnx, made.signature)
    usual, odd = model.predict(holdout.columns), model.predict(encoded(strange))
    assert usual.values is not None
    assert odd.values is not None
    assert 0 <= usual.values.min() <= usual.values.max() <= 1
    assert 0.04 < np.mean(usual.labels == "anomaly") < 0.2
    assert odd.values[0] > 0.995
    assert odd.labels is not None
    assert odd.labels[0] == "anomaly"


def test_a_score_is_the_share_of_training_rows_that_are_less_strange() -> None:
    raw = np.random.default_rng(0).exponential(size=4000)
    shares = Percentiles.fit(raw)
    assert shares.of(np.quantile(raw, [0.1, 0.5, 0.95])) == pytest.approx([0.1, 0.5, 0.95], abs=0.002)
    beyond = shares.of(np.array([raw.max(), raw.max() * 2, raw.max() * 50]))
    assert 0.99 < beyond[0] < beyond[1] <= beyond[2] <= 1
    assert np.all(np.diff(shares.of(np.linspace(0, 20, 500))) >= 0)
    assert Percentiles.fit(np.zeros(9)).of(np.array([0.0, 5.0])).tolist() == [0.5, 0.5]


# --- against the model in service --------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
def test_the_model_in_service_is_measured_on_the_same_rows(task: Task) -> None:
    quick = {"candidates": ["mahalanobis"]} if task == "anomaly_detection" else {}
    spec = specs.parse({"task": task, "structure": {"clusters": 3, "components": 3}} | quick)
    held = customers(150, seed=2)[0]
    made, holdout = trained(spec, customers(300)[0], held)
    champion = Model.load(made.onnx, made.signature)
    same = judged(spec, made, holdout, champion)
    assert same.champion is not None
    assert (same.champion.difference.value, same.champion.difference.low) == (0.0, 0.0)
    assert same.champion.holdout[same.metric].value == same.holdout[same.metric].value
    evaluation.check(same)
    worse = Model.load(made.baseline_onnx, made.signature)
    better = judged(spec, made, holdout, worse)
    assert better.champion is not None
    assert better.champion.difference.low > 0


def test_a_model_of_another_task_is_not_replaced_unasked() -> None:
    made, holdout = trained(Spec(), customers(200)[0], customers(80, seed=2)[0])
    champion = Model.load(made.onnx, made.signature)
    spec = specs.parse({"task": "anomaly_detection", "candidates": ["reconstruction"]})
    other, _ = trained(spec, customers(200)[0], customers(80, seed=2)[0])
    with pytest.raises(GateRefused, match="its task is clustering, the new model's anomaly_detection"):
        evaluation.check(judged(spec, other, holdout, champion))
    meant = replace(spec, gates=replace(spec.gates, may_change_target=True))
    evaluation.check(judged(meant, other, holdout, champion))


def test_stability_cannot_be_compared_and_the_gate_says_so() -> None:
    spec = specs.parse({"task": "clustering", "metric": "stability", "structure": {"clusters": 2}})
    made, holdout = trained(spec, customers(200)[0], customers(80, seed=2)[0])
    result = judged(spec, made, holdout, Model.load(made.onnx, made.signature))
    gate = next(gate for gate in result.gates if gate.name == "keeps_up_with_champion")
    assert (gate.verdict, result.champion) == ("skip", None)
    assert "only measured when it was trained" in gate.detail


# --- what a spec may ask -----------------------------------------------------------------------


def test_candidates_that_find_nothing_are_refused() -> None:
    for names in (["baseline"], ["linear"]):
        with pytest.raises(SpecError, match="accepted are kmeans"):
            candidates.plan(Spec(candidates=tuple(names)), "clustering", 300)


@pytest.mark.parametrize("task", TASKS)
def test_every_task_without_a_target_has_its_candidates_in_the_spec(task: Task) -> None:
    assert task not in SUPERVISED
    names = [one.name for one in candidates.plan(Spec(), task, 300)]
    assert {name.split("_")[0] if task == "clustering" else name for name in names} == set(
        specs.STRUCTURE_CANDIDATES[task]
    )
