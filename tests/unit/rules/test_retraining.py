"""When a training may be, when it has to be, and on which window."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tidemill.contracts import instant
from tidemill.monitoring_contracts import Decision, Finding, MonitorPoint, PastTraining, Retraining
from tidemill.rules import retraining
from tidemill.spec import RetrainingOptions

NOON = datetime.fromisoformat("2026-03-04T12:00:00Z")
OPTIONS = RetrainingOptions()


def at(days: float) -> str:
    return instant(NOON + timedelta(days=days))


def past(days: float, status: Any = "LIVE", usd: float | None = 0.01, **fields: Any) -> PastTraining:
    made = Retraining("a" * 32, "churn", at(days), "tidemill", "rule", "drift", "all", run_id="b" * 32)
    return PastTraining(replace(made, **fields), status, usd)


def allowed(*trainings: PastTraining, options: RetrainingOptions = OPTIONS, labels: int = 1000) -> str | None:
    return retraining.allowed(trainings, options, at(0), labels, expected_usd=0.02)


# --- may it be? --------------------------------------------------------------------------------


def test_the_first_training_may_be() -> None:
    assert allowed() is None


@pytest.mark.parametrize("status", ["RUNNING", "WAITING_FOR_APPROVAL", "ROLLING_OUT"])
def test_a_second_one_waits_for_the_first_also_for_one_by_hand(status: str) -> None:
    told = allowed(past(-0.5, status, trigger="hand", by="ada"), options=replace(OPTIONS, cooldown_hours=0))
    assert told is not None
    assert "by ada is still under way" in told
    assert status in told


def test_one_that_never_began_or_never_ended_is_not_waited_for_for_ever() -> None:
    options = replace(OPTIONS, cooldown_hours=0)
    assert "has not begun yet" in str(allowed(past(-0.01, None, run_id=None), options=options))
    assert allowed(past(-0.1, None, run_id=None), options=options) is None
    assert allowed(past(-1.1, "RUNNING"), options=options) is None
    assert allowed(past(-5, "WAITING_FOR_APPROVAL"), options=options) is not None
    assert allowed(past(-0.01, None, run_id=None, problem="no rows"), options=options) is None


def test_the_cooldown_counts_from_the_latest_one_not_by_hand_even_in_the_future() -> None:
    assert "retraining.cooldown_hours" in str(allowed(past(-0.9)))
    assert allowed(past(-1)) is None
    assert allowed(past(-0.5, trigger="hand"), past(-2)) is None
    assert "cooldown" in str(allowed(past(-0.9, None, run_id=None, problem="no table")))
    assert "cooldown" in str(allowed(past(3)))


def test_the_budget_of_runs_counts_thirty_days_and_no_failed_attempts() -> None:
    options = replace(OPTIONS, budget_runs=2)
    assert "2 of 2 in 30 days" in str(allowed(past(-2), past(-29), options=options))
    assert allowed(past(-2), past(-30), options=options) is None
    assert allowed(past(-2), past(-3, problem="no table"), options=options) is None
    assert allowed(past(-2), past(-3, trigger="backfill"), options=options) is None
    assert allowed(options=replace(OPTIONS, budget_runs=0)) is not None


def test_the_budget_of_dollars_counts_what_is_not_known_yet_as_expected() -> None:
    options = replace(OPTIONS, budget_usd=0.10)
    assert allowed(past(-2, usd=0.08), options=options) is None
    assert "retraining.budget_usd" in str(allowed(past(-2, usd=0.081), options=options))
    assert "retraining.budget_usd" in str(allowed(past(-2, usd=0.065), past(-4, usd=None), options=options))


def test_too_few_new_labels_are_not_worth_a_training() -> None:
    assert "40 new labelled predictions" in str(allowed(labels=40))
    assert allowed(labels=100) is None


def test_labels_that_a_training_has_seen_are_not_new() -> None:
    seen = past(-1, labels=300)
    assert retraining.new_labels([seen], 450, at(-9)) == 150
    assert retraining.new_labels([past(-5, labels=900), seen], 450, at(-9)) == 150
    assert retraining.new_labels([seen], 450, at(-0.5)) == 450
    assert retraining.new_labels([replace(seen, retraining=replace(seen.retraining, run_id=None))], 450, at(-9)) == 450
    assert retraining.new_labels([past(-1, labels=9, trigger="backfill"), past(-2, labels=300)], 450, at(-9)) == 150


# --- schedule and labels -----------------------------------------------------------------------


def schedule(**fields: Any) -> RetrainingOptions:
    return replace(OPTIONS, every_days=7, **fields)


def done(days: float) -> PastTraining:
    return past(days, trigger="schedule", end=at(days))


def test_a_time_of_the_schedule_comes_every_so_many_days_after_the_upload() -> None:
    assert retraining.slot([], OPTIONS, at(-100), at(0)) is None
    assert retraining.slot([], schedule(), at(-6.9), at(0)) is None
    assert retraining.slot([], schedule(), at(-7.5), at(0)) == at(-0.5)
    assert retraining.slot([done(-0.5)], schedule(), at(-7.5), at(0)) is None
    assert retraining.slot([done(-0.5)], schedule(), at(-7.5), at(6.5)) == at(6.5)


def test_of_missed_times_only_the_newest_is_made_up_for() -> None:
    assert retraining.slot([done(-21)], schedule(), at(-28), at(0)) == at(0)


def test_with_catchup_each_missed_time_is_made_up_for_in_its_turn() -> None:
    found, trained = [], [done(-21)]
    while (slot := retraining.slot(trained, schedule(catchup=True), at(-28), at(0))) is not None:
        found.append(slot)
        trained.append(past(0, trigger="schedule", end=slot))
    assert found == [at(-14), at(-7), at(0)]


def test_an_upload_begins_the_schedule_anew() -> None:
    assert retraining.slot([done(-0.5)], schedule(), at(-0.4), at(6)) is None


def test_a_scheduled_training_has_the_window_of_its_time() -> None:
    options = schedule(data="window", window_days=14)
    made = retraining.scheduled("churn", at(0), options, at(-7), 300)
    assert (made.start, made.end, made.trigger, made.by) == (at(-21), at(-7), "schedule", "tidemill")
    assert "made up for" in made.reason
    assert retraining.scheduled("churn", at(1), options, at(-7), 300).id == made.id
    assert retraining.scheduled("churn", at(0), schedule(), at(0), 300).start is None


def test_labels_start_a_training_whenever_so_many_have_come() -> None:
    options = replace(OPTIONS, every_labels=500)
    assert retraining.by_labels("churn", at(0), options, 499, 900) is None
    made = retraining.by_labels("churn", at(0), options, 500, 900)
    assert made is not None
    assert (made.trigger, made.labels) == ("labels", 900)
    assert "500 new labelled predictions" in made.reason


def test_labels_are_counted_only_when_that_decides_something() -> None:
    def count() -> int:
        raise AssertionError("counted for nothing")

    policy = retraining.Policy("churn", schedule(), at(0), 0.01)
    assert policy.due([], count, at(-1)) is None
    assert retraining.Policy("churn", replace(OPTIONS, every_labels=10), at(0), 0.01).due([], lambda: 9, at(-1)) is None


# --- windows -----------------------------------------------------------------------------------

EVIDENCE = Finding("drift", "alert", "age", "age has moved", since=at(-2))
DECISION = Decision("d" * 32, "churn", 3, at(0), "rule", "retrain", True, "age has moved", at(-1), (EVIDENCE,))
POINTS = [MonitorPoint("churn", 3, at(-day - 1), at(-day), 500, True) for day in range(5)]


def test_the_window_of_a_rule_follows_from_the_policy() -> None:
    assert retraining.by_rule(DECISION, POINTS, OPTIONS, 9).start is None
    window = retraining.by_rule(DECISION, POINTS, replace(OPTIONS, data="window", window_days=30), 9)
    assert window.start == at(-30)
    drifted = retraining.by_rule(DECISION, POINTS, replace(OPTIONS, data="drifted_plus_old"), 9)
    assert drifted.start == at(-3)  # the start of the window in which the drift was found first
    assert (drifted.findings, drifted.reason, drifted.by) == ((EVIDENCE,), "age has moved", "tidemill")


def test_drift_that_was_found_before_its_window_had_ended_began_with_that_window() -> None:
    early = replace(DECISION, findings=(replace(EVIDENCE, since=at(-2.5)),))
    assert retraining.by_rule(early, POINTS, replace(OPTIONS, data="drifted_plus_old"), 9).start == at(-3)
    long_ago = replace(DECISION, findings=(replace(EVIDENCE, since=at(-20)),))
    assert retraining.by_rule(long_ago, POINTS, replace(OPTIONS, data="drifted_plus_old"), 9).start == at(-20)


def test_drift_without_a_beginning_began_with_its_window() -> None:
    lately = replace(DECISION, findings=(replace(EVIDENCE, since=None),))
    assert retraining.by_rule(lately, POINTS, replace(OPTIONS, data="drifted_plus_old"), 9).start == at(-2)


def test_one_decision_asks_for_one_training() -> None:
    one = retraining.by_rule(DECISION, POINTS, OPTIONS, 9)
    assert retraining.by_rule(replace(DECISION, at=at(1)), [], OPTIONS, 10).id == one.id
    assert retraining.by_rule(replace(DECISION, id="e" * 32), POINTS, OPTIONS, 9).id != one.id


def test_who_asks_by_hand_for_a_window_gets_the_projects() -> None:
    asked = Retraining("a" * 32, "churn", at(0), "ada", "hand", "", "window")
    assert retraining.window_start(asked, OPTIONS) == at(-90)
    assert retraining.window_start(replace(asked, end=at(-10)), OPTIONS) == at(-100)
    assert retraining.window_start(replace(asked, start=at(-3)), OPTIONS) == at(-3)
    assert retraining.window_start(replace(asked, data="all"), OPTIONS) is None


def test_a_person_needs_one_new_row_and_a_rule_as_many_as_the_spec_says() -> None:
    asked = Retraining("a" * 32, "churn", at(0), "ada", "hand", "", "all")
    assert retraining.not_enough(asked, 1, OPTIONS) == ""
    assert "tidemill actuals" in retraining.not_enough(asked, 0, OPTIONS)
    unjoined = retraining.not_enough(asked, 0, OPTIONS, unjoined=True)
    assert f"`tidemill monitor {asked.model} --look`" in unjoined
    assert "tidemill actuals" not in unjoined
    backfill = replace(asked, trigger="backfill", start=at(-9), end=at(-8))
    assert f"from {at(-9)} until {at(-8)}" in retraining.not_enough(backfill, 0, OPTIONS)
    assert "min_new_rows" in retraining.not_enough(replace(asked, trigger="rule"), 99, OPTIONS)
