"""Each gate passes, refuses or steps aside for its own reason, and says so."""

from __future__ import annotations

import pytest

from tidemill.contracts import Gate, Interval
from tidemill.rules.gates import Champion, judge, keeps_up_on_newest
from tidemill.spec import Gates


def verdicts(gates: tuple[Gate, ...]) -> dict[str, str]:
    return {gate.name: gate.verdict for gate in gates}


def auc(value: float) -> dict[str, Interval]:
    return {"roc_auc": Interval(value, value - 0.02, value + 0.02)}


def rmse(value: float) -> dict[str, Interval]:
    return {"rmse": Interval(value, value * 0.9, value * 1.1)}


def test_a_first_model_that_beats_the_baseline_passes() -> None:
    gates = judge(Gates(), "roc_auc", auc(0.8), {"roc_auc": 0.5}, None)
    assert verdicts(gates) == {"beats_baseline": "pass", "keeps_up_with_champion": "skip"}


@pytest.mark.parametrize(("value", "verdict"), [(0.79, "refuse"), (0.8, "pass"), (0.81, "pass")])
def test_a_minimum_is_a_lower_bound_of_a_score(value: float, verdict: str) -> None:
    gate = judge(Gates(minimum={"roc_auc": 0.8}), "roc_auc", auc(value), {"roc_auc": 0.5}, None)[0]
    assert (gate.name, gate.verdict, gate.value, gate.threshold) == ("minimum_roc_auc", verdict, value, 0.8)
    assert "must be at least 0.8000" in gate.detail


@pytest.mark.parametrize(("value", "verdict"), [(9.0, "pass"), (10.0, "pass"), (11.0, "refuse")])
def test_a_minimum_is_an_upper_bound_of_a_loss(value: float, verdict: str) -> None:
    gate = judge(Gates(minimum={"rmse": 10.0}), "rmse", rmse(value), {"rmse": 50.0}, None)[0]
    assert gate.verdict == verdict
    assert "must be at most 10.00" in gate.detail


def test_a_minimum_of_another_tasks_metric_is_refused_by_name() -> None:
    gate = judge(Gates(minimum={"roc_auc": 0.8}), "rmse", rmse(1.0), {"rmse": 50.0}, None)[0]
    assert gate.verdict == "refuse"
    assert "asks for roc_auc, which this task does not have: it has rmse" in gate.detail


@pytest.mark.parametrize("value", [50.0, 51.0])
def test_no_better_than_the_baseline_is_refused_unless_the_spec_says_otherwise(value: float) -> None:
    assert verdicts(judge(Gates(), "rmse", rmse(value), {"rmse": 50.0}, None))["beats_baseline"] == "refuse"
    lenient = Gates(must_beat_baseline=False)
    assert verdicts(judge(lenient, "rmse", rmse(value), {"rmse": 50.0}, None))["beats_baseline"] == "skip"


def challenged(difference: Interval, margin: float = 0.01) -> Gate:
    """The champion's gate, when the champion has 0.9."""
    new = auc(0.9 + difference.value)
    return judge(Gates(champion_margin=margin), "roc_auc", new, {"roc_auc": 0.5}, Champion(3, 0.9, difference))[-1]


@pytest.mark.parametrize(
    ("difference", "verdict"),
    [
        (Interval(0.01, 0.002, 0.02), "pass"),
        (Interval(-0.002, -0.0089, 0.004), "pass"),
        (Interval(-0.002, -0.0091, 0.004), "refuse"),
        (Interval(0.01, -0.0091, 0.03), "refuse"),
    ],
)
def test_the_whole_interval_of_the_difference_must_lie_within_the_margin(difference: Interval, verdict: str) -> None:
    gate = challenged(difference)
    assert (gate.name, gate.verdict) == ("keeps_up_with_champion", verdict)
    assert gate.value == difference.low
    assert gate.threshold == pytest.approx(-0.009)
    assert "version 3 in service has 0.9000 on the same rows" in gate.detail


def test_the_same_model_again_passes_whatever_the_margin() -> None:
    gate = challenged(Interval(0.0, 0.0, 0.0), margin=0.0)
    assert gate.verdict == "pass"
    assert "no difference;" in gate.detail


def test_too_few_rows_to_tell_are_told_apart_from_a_worse_model() -> None:
    unsure = challenged(Interval(0.001, -0.02, 0.02)).detail
    assert "better by 0.0010, between worse by 0.020 and better by 0.020 with 95% confidence" in unsure
    assert unsure.endswith(
        "upload more rows, let the holdout be larger (holdout.fraction), or allow it with gates.champion_margin of "
        "0.023 or more"
    )
    worse = challenged(Interval(-0.03, -0.05, -0.01)).detail
    assert "find what has made it worse" in worse
    assert "more rows" not in worse


def test_what_the_sentence_offers_is_enough() -> None:
    difference = Interval(0.001, -0.02, 0.02)
    assert challenged(difference, margin=0.022).verdict == "refuse"
    assert challenged(difference, margin=0.023).verdict == "pass"


def test_a_champion_that_cannot_be_compared_is_named_with_the_reason() -> None:
    gate = judge(Gates(), "rmse", rmse(1.0), {"rmse": 5.0}, Champion(2, None, why_not="it predicts other things"))[-1]
    assert gate.verdict == "skip"
    assert gate.detail == "version 2 in service cannot be compared: it predicts other things"


def test_a_metric_that_is_not_defined_on_the_holdout_is_refused_with_the_way_out() -> None:
    (gate,) = judge(Gates(), "roc_auc", {}, {}, None)
    assert gate.verdict == "refuse"
    assert "holdout.fraction" in gate.detail


def lately(difference: Interval, rows: int = 400) -> Gate:
    """The gate of the newest predictions, when the champion has 0.9 there."""
    return keeps_up_on_newest(Gates(), "roc_auc", rows, 0.9 + difference.value, Champion(3, 0.9, difference))


@pytest.mark.parametrize(
    ("difference", "verdict", "said"),
    [
        (Interval(0.01, -0.008, 0.03), "pass", "on 400 newest predictions: better by 0.010"),
        (Interval(-0.03, -0.05, -0.01), "refuse", "train on newer rows"),
        (Interval(-0.03, -0.09, 0.02), "skip", "so few rows cannot tell"),  # it looks worse, which may be chance
        (Interval(-0.005, -0.02, -0.001), "skip", "so few rows cannot tell"),  # worse, but perhaps within the margin
        (Interval(0.01, -0.05, 0.08), "skip", "so few rows cannot tell"),
    ],
)
def test_only_a_model_that_is_surely_worse_on_the_newest_predictions_is_refused(
    difference: Interval, verdict: str, said: str
) -> None:
    gate = lately(difference)
    assert (gate.name, gate.verdict) == ("keeps_up_on_newest", verdict)
    assert said in gate.detail
    assert gate.value == difference.low
    assert gate.threshold == pytest.approx(-0.009)


def test_without_enough_newest_predictions_the_gate_steps_aside() -> None:
    few = keeps_up_on_newest(Gates(), "roc_auc", 42, None, None)
    assert few.verdict == "skip"
    assert "42 newest predictions" in few.detail
    assert "tidemill actuals" in few.detail
    same = keeps_up_on_newest(Gates(), "roc_auc", 420, None, None)
    assert "one outcome only" in same.detail
