"""What is made of the candidates' out-of-fold predictions, and that the graph says the same."""

import json
from dataclasses import replace

import numpy as np
import pytest

from tidemill.learning import evaluation, fitting
from tidemill.serving import conformal
from tidemill.serving.scoring import Model
from tidemill.spec import Search, Spec

SEVERAL = ("linear", "boosting_small", "forest")


def served(ready, refit):
    return Model.load(refit.onnx, refit.signature).predict(ready.holdout.columns)


def assert_proven(ready, refit):
    found = evaluation.prove(refit.reference, served(ready, refit))
    assert found.labels_equal
    assert found.max_difference < found.tolerance


@pytest.fixture(scope="module")
def together(tables):
    """A table whose candidates are better together, refitted, for each task."""

    def make(task, **spec):
        columns = tables.raw(600, seed=1)
        columns["value"] += 900 * ((columns["tenure"] > 40) & (columns["paperless"] == "true"))
        ready = tables.prepared(task, Spec(candidates=SEVERAL, **spec), rows=600, columns=columns)
        return ready, tables.refitted(ready, *SEVERAL)

    return make


class TestEnsemble:
    def test_votes_where_that_is_better(self, tables, together):
        ready, refit = together("regression")
        assert refit.fit.candidate == "ensemble"
        assert 1 < len(refit.fit.members) <= 3
        assert sum(member.weight for member in refit.fit.members) == pytest.approx(1)
        assert_proven(ready, refit)
        actual = ready.holdout.target
        alone = [tables.refitted(ready, name).reference.values for name in SEVERAL]
        errors = [np.sqrt(np.mean((values - actual) ** 2)) for values in (refit.reference.values, *alone)]
        assert errors[0] < 1.05 * min(errors[1:])

    def test_is_measured_in_folds_that_it_was_not_chosen_from(self, together):
        ready, refit = together("regression")
        found = refit.ensemble
        assert (found.name, found.rows) == ("ensemble", len(ready.train))
        assert set(found.cv) == {"rmse", "mae", "r2", "median_absolute_error"}
        assert "better in rmse" in refit.fit.decisions[0]

    def test_can_be_switched_off(self, together):
        _, refit = together("regression", search=Search(ensemble=False))
        assert refit.fit.candidate in SEVERAL
        assert refit.ensemble is None

    @pytest.mark.parametrize("task", ["binary", "multiclass"])
    def test_of_a_classification_is_one_graph(self, together, task):
        ready, refit = together(task)
        assert_proven(ready, refit)
        np.testing.assert_allclose(served(ready, refit).probabilities.sum(axis=1), 1, atol=1e-6)

    def test_members_are_not_made_of_candidates_that_failed(self, tables):
        ready = tables.prepared("regression", Spec(candidates=("linear", "boosting_pairs")))
        broken = [
            replace(one, params={"alpha": -1.0}) if one.name == "linear" else one for one in ready.plan.candidates
        ]
        ready = replace(ready, plan=replace(ready.plan, candidates=tuple(broken)))
        made = [fitting.cross_validate(one, ready.plan, ready.train, lambda: 0.0) for one in broken]
        assert sum(one.out_of_fold is None for one in made) == 1


class TestDecisions:
    def test_the_threshold_is_the_metrics(self, tables, together):
        columns = tables.raw(600)
        rare = columns["value"] > np.quantile(columns["value"], 0.85)
        columns["Churn"] = np.where(rare, "Yes", "No").astype(object)
        ready = tables.prepared("binary", Spec(candidates=("linear",), metric="f1"), rows=600, columns=columns)
        refit = tables.refitted(ready, "linear")
        threshold = refit.signature.threshold
        assert 0 < threshold < 0.5
        said = served(ready, refit)
        assert_proven(ready, refit)
        assert said.labels.tolist() == ["Yes" if p >= threshold else "No" for p in said.probabilities[:, 1]]
        assert any("from a probability of" in sentence for sentence in refit.fit.decisions)

    def test_classes_are_weighted_in_the_graph(self, tables):
        columns = tables.raw(600)
        cuts = np.quantile(columns["value"], [0.05, 0.25])
        columns["plan"] = np.digitize(columns["value"], cuts).astype(float)
        spec = Spec(candidates=("linear",), metric="balanced_accuracy")
        ready = tables.prepared("multiclass", spec, rows=600, columns=columns)
        weighted = tables.refitted(ready, "linear")
        plain = tables.refitted(replace(ready, plan=replace(ready.plan, metric="log_loss")), "linear")
        assert_proven(ready, weighted)
        rarest = [labels.labels.tolist().count("0") for labels in (weighted.reference, plain.reference)]
        assert rarest[0] > rarest[1]

    def test_probabilities_are_calibrated_where_that_helps(self, tables):
        columns = tables.raw(600)
        noisy = np.random.default_rng(0).random(600) < 0.3
        columns["Churn"][noisy] = np.where(columns["Churn"][noisy] == "Yes", "No", "Yes")
        spec = Spec(candidates=("boosting",))
        ready = tables.prepared("binary", spec, rows=600, columns=columns)
        candidate = replace(ready.plan.candidates[0], params={"max_iter": 40, "early_stopping": False})
        plan = replace(ready.plan, candidates=(candidate,))
        refit = tables.searched(replace(ready, plan=plan))
        assert refit.fit.calibration["log_loss_after"] < refit.fit.calibration["log_loss_before"]
        assert refit.fit.calibration["brier_after"] < refit.fit.calibration["brier_before"]
        assert_proven(ready, refit)
        as_they_are = tables.searched(replace(ready, plan=replace(plan, search=Search(calibrate=False))))
        assert as_they_are.fit.calibration == {}
        assert not np.allclose(as_they_are.reference.probabilities, refit.reference.probabilities)


class TestUncertainty:
    @pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
    def test_scores_of_every_training_row_are_kept_as_quantiles(self, together, task):
        ready, refit = together(task)
        kept = refit.signature.conformal
        assert kept.rows == len(ready.train)
        assert list(kept.quantiles) == sorted(kept.quantiles)
        assert len(kept.quantiles) == len(ready.train) + 1

    def test_intervals_hold_what_they_promise(self, tables):
        columns = tables.raw(3000)
        columns["value"] += 1000 * np.random.default_rng(1).normal(size=3000) * (columns["paperless"] == "true")
        ready = tables.prepared("regression", Spec(candidates=("linear",)), rows=3000, columns=columns)
        refit = tables.refitted(ready, "linear")
        said = served(ready, refit)
        assert said.scale.min() > 0
        np.testing.assert_allclose(said.scale, refit.reference.scale, rtol=1e-5)
        unsure = ready.holdout.columns["paperless"] == "true"
        assert said.scale[unsure].mean() > 1.3 * said.scale[~unsure].mean()
        low, high = conformal.interval(said.values, said.scale, refit.signature.conformal, 0.9)
        covered = (low <= ready.holdout.target) & (ready.holdout.target <= high)
        assert covered.mean() == pytest.approx(0.9, abs=0.04)
        assert covered[unsure].mean() == pytest.approx(0.9, abs=0.07)


def test_what_becomes_of_the_columns_can_be_read(together):
    ready, refit = together("regression")
    document = json.loads(json.dumps(refit.features))
    assert set(document["members"]) == {member.name for member in refit.fit.members}
    assert "tree" in document["families"]
    assert all("columns" in family for family in document["families"].values())
    assert set(refit.background) == set(ready.train.columns)
    assert {len(values) for values in refit.background.values()} == {64}


def test_the_same_rows_give_the_same_model(together):
    first, again = (together("binary")[1] for _ in range(2))
    assert first.files("0" * 32) == again.files("0" * 32)
