"""Rules applied to windows: what is acted on, what is not and why, and what is taken again."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from tidemill.contracts import Capture, instant
from tidemill.monitoring_contracts import BEGUN, Decision, Finding, MonitorPoint, QualityFigure
from tidemill.rules import decisions
from tidemill.spec import Rule

NOON = datetime.fromisoformat("2026-03-04T12:00:00Z")
ALERT = Rule(when=("drift",), severity="alert", do=("alert",), cooldown_hours=24)


def at(hours: float) -> str:
    return instant(NOON + timedelta(hours=hours))


def finding(subject: str = "age", kind: str = "drift", severity: str = "alert") -> Finding:
    return Finding(kind, severity, subject, f"{subject} has moved.")  # type: ignore[arg-type]


def point(hours: float, *findings: Finding, sufficient: bool = True, measured: bool = False) -> MonitorPoint:
    quality = (QualityFigure("roc_auc", "measured", 0.8, 0.7, 0.9, 100),) if measured else ()
    return MonitorPoint("churn", 3, at(hours - 1), at(hours), 500, sufficient, findings=findings, quality=quality)


def decide(
    one: MonitorPoint,
    rule: Rule = ALERT,
    earlier: tuple[MonitorPoint, ...] = (),
    past: tuple[Decision, ...] = (),
    now: float = 0,
) -> tuple[Decision, ...]:
    return decisions.decide(one, (one, *earlier), (rule,), past, at(now))


def test_a_finding_that_the_rule_is_about_is_acted_on_with_the_finding_as_reason() -> None:
    (decision,) = decide(point(0, finding("age"), finding("income"), finding("age", severity="warn")))
    assert (decision.acted, decision.action, decision.version, decision.point) == (True, "alert", 3, at(0))
    assert [one.subject for one in decision.findings] == ["age", "income"]
    assert decision.reason == "age has moved; income has moved"


def test_what_no_rule_is_about_is_no_decision() -> None:
    assert decide(point(0, finding(severity="warn"), finding(kind="errors"))) == ()
    assert decide(point(0, finding("age")), replace(ALERT, subject="inc*")) == ()
    assert len(decide(point(0, finding("income")), replace(ALERT, subject="inc*"))) == 1


def test_each_action_of_a_rule_is_a_decision_of_its_own() -> None:
    made = decide(point(0, finding()), replace(ALERT, do=("alert", "retrain", "alert")))
    assert [decision.action for decision in made] == ["alert", "retrain"]
    assert len({decision.id for decision in made}) == 2


def test_deciding_twice_about_the_same_is_once() -> None:
    (first,) = decide(point(0, finding()))
    (again,) = decide(point(0, finding()), now=1)
    assert again.id == first.id
    assert decide(point(0, finding()), past=(first,), now=1) == ()


def test_a_series_must_be_as_long_as_the_rule_asks_for() -> None:
    rule = replace(ALERT, windows=3)
    (short,) = decide(point(0, finding()), rule, (point(-1, finding()), point(-2)))
    assert not short.acted
    assert short.reason == "not yet in 3 windows in a row: age has moved"
    (long,) = decide(point(0, finding()), rule, (point(-2, finding()), point(-1, finding())))
    assert long.acted
    (other,) = decide(point(0, finding()), rule, (point(-1, finding("income")), point(-2, finding())))
    assert not other.acted


def test_a_window_of_too_few_rows_neither_ends_a_series_nor_goes_on_with_it() -> None:
    rule = replace(ALERT, windows=2, when=("drift", "errors"))
    thin = point(-1, sufficient=False)
    (drift,) = decide(point(0, finding()), rule, (thin, point(-2, finding())))
    assert drift.acted
    failing = finding("", "errors")
    (errors,) = decide(point(0, failing), rule, (thin, point(-2, failing)))
    assert not errors.acted


def test_windows_by_rows_with_the_same_labels_are_no_series() -> None:
    rule = replace(ALERT, windows=2, when=("quality",))
    worse = finding("roc_auc", "quality")
    first, second = (replace(point(hours, worse), parts="2026-03-04T11=1", labels="a") for hours in (-0.5, 0))
    (same,) = decide(second, rule, (first,))
    assert not same.acted
    (other,) = decide(replace(second, labels="b"), rule, (first,))
    assert other.acted


def test_the_series_of_another_version_does_not_count() -> None:
    (decision,) = decide(point(0, finding()), replace(ALERT, windows=2), (replace(point(-1, finding()), version=2),))
    assert not decision.acted


def test_a_rule_rests_on_a_subject_and_acts_on_another() -> None:
    (first,) = decide(point(-2, finding("age")), now=-2)
    (resting,) = decide(point(0, finding("age")), past=(first,))
    assert not resting.acted
    assert resting.reason == "the rule has acted on it within 24 hours: age has moved"
    (fresh,) = decide(point(0, finding("age"), finding("income")), past=(first,))
    assert fresh.acted
    assert [one.subject for one in fresh.findings] == ["income"]
    (later,) = decide(point(24, finding("age")), past=(first,), now=22.001)
    assert later.acted
    (other_rule,) = decide(point(0, finding("age")), replace(ALERT, severity="warn"), past=(first,))
    assert other_rule.acted


def test_what_was_not_done_lets_the_rule_go_on() -> None:
    (first,) = decide(point(-1, finding()), now=-1)
    (second,) = decide(point(0, finding()), past=(replace(first, acted=False, reason="nobody was told"),))
    assert second.acted


def test_what_was_not_acted_on_is_taken_again_while_it_is_about_the_newest_window() -> None:
    refused = replace(decide(point(0, finding()))[0], acted=False, reason="the budget is used up")
    (again,) = decide(point(0, finding()), past=(refused,), now=1)
    assert again.acted
    assert again.id == refused.id
    assert decide(point(0, finding()), earlier=(point(1),), past=(refused,), now=1) == ()
    measured = point(0, finding(), measured=True)
    assert len(decide(measured, earlier=(point(1),), past=(refused,), now=1)) == 1


def test_the_same_answer_is_not_written_again() -> None:
    rule = replace(ALERT, windows=2)
    (short,) = decide(point(0, finding()), rule)
    assert decide(point(0, finding()), rule, past=(short,), now=1) == ()


def test_what_somebody_is_about_is_left_alone_for_a_while() -> None:
    under_way = replace(decide(point(0, finding()))[0], acted=False, reason=BEGUN)
    assert decide(point(0, finding()), past=(under_way,), now=0.1) == ()
    (again,) = decide(point(0, finding()), past=(under_way,), now=0.2)
    assert again.acted


def test_windows_of_the_last_day_are_decided_about_and_the_newest_with_labels() -> None:
    old, labelled, older = point(-30), point(-40, measured=True), point(-50, measured=True)
    recent, shadow = point(-20), replace(point(-1), shadow=True)
    assert decisions.due((recent, older, old, shadow, labelled), at(0)) == (labelled, recent)


def test_past_decisions_are_read_as_far_back_as_a_cooldown_or_a_label_reaches() -> None:
    rules = (ALERT, replace(ALERT, cooldown_hours=72))
    assert decisions.since(rules, 30, at(0)) == at(-24 - 30 * 24 - 72)


def test_a_model_is_less_sure_where_its_label_has_less_probability_or_its_error_is_larger() -> None:
    unsure = Capture("p", at(0), "churn", 3, {}, {"label": "No", "probabilities": [0.55, 0.45]})
    sure = replace(unsure, prediction={"label": "No", "probabilities": [0.9, 0.1]})
    assert decisions.sureness(unsure) == 0.55
    assert decisions.sureness(sure) == 0.9
    wide, narrow = replace(unsure, prediction=3.5, scale=2.0), replace(unsure, prediction=3.5, scale=0.1)
    assert decisions.sureness(wide) < decisions.sureness(narrow)  # type: ignore[operator]
    assert decisions.sureness(replace(unsure, prediction=3.5)) is None
