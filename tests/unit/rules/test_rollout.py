"""How a version is let in, what stops it, and what comes next."""

import dataclasses
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tidemill import rollout_plan
from tidemill.contracts import instant
from tidemill.monitoring_contracts import LATENCY_EDGES, QualityFigure, Summary
from tidemill.release_contracts import Freeze, RolloutRequest
from tidemill.rules import rollout
from tidemill.rules.rollout import Observed
from tidemill.spec import RolloutOptions

BEGIN = datetime(2026, 3, 4, tzinfo=UTC)
EDGES = 20


def begun(**options):
    declared = RolloutOptions(**{"strategy": "canary", "bake_minutes": 10} | options)
    request = RolloutRequest("a" * 32, "churn", 2, "a" * 32, "ada", "better")
    return rollout_plan.begun(request, rollout_plan.plan(declared), 1, instant(BEGIN))


def seen(requests, errors=0, ms=8.0, shift=0.0, quality=None, seed=0):
    """What a version that answers like this has left: latencies and probabilities are drawn."""
    drawn = np.random.default_rng([seed, requests])
    latency = np.searchsorted(LATENCY_EDGES, drawn.lognormal(np.log(ms), 0.5, requests))
    outputs = np.histogram(drawn.beta(2 + shift, 5, requests), np.linspace(0, 1, EDGES + 1))[0]
    return Observed(
        requests,
        errors,
        tuple(np.bincount(latency, minlength=len(LATENCY_EDGES) + 1).tolist()),
        {"Yes": tuple(outputs.tolist())},
        quality,
    )


def auc(value, rows, half=0.03, metric="roc_auc"):
    return QualityFigure(metric, "measured", value, value - half, value + half, rows)


def verdicts(signals):
    return {signal.name: signal.verdict for signal in signals}


# --- the plan ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({"strategy": "all_at_once"}, (1.0,)),
        ({"strategy": "canary", "share": 0.05}, (0.05, 1.0)),
        ({"strategy": "linear", "share": 0.25}, (0.25, 0.5, 0.75, 1.0)),
        ({"strategy": "linear", "share": 0.3}, (0.3, 0.6, 0.9, 1.0)),
        ({"strategy": "linear", "share": 0.1}, (*(round(0.1 * step, 6) for step in range(1, 10)), 1.0)),
        ({"strategy": "canary", "share": 1.0}, (1.0,)),
    ],
)
def test_the_steps_of_each_strategy(options, steps):
    assert rollout_plan.plan(RolloutOptions(**options)).steps == steps


def test_what_is_gradual():
    plans = [
        rollout_plan.plan(RolloutOptions(**options)) for options in ({}, {"shadow_minutes": 5}, {"strategy": "canary"})
    ]
    assert [rollout_plan.is_gradual(plan) for plan in plans] == [False, True, True]


# --- signals -------------------------------------------------------------------------------------


def test_two_versions_that_do_alike_go_on():
    signals = rollout.judge(begun(), seen(2000, 20, quality=auc(0.84, 900)), seen(200, 2, quality=auc(0.83, 90)))
    assert verdicts(signals) == dict.fromkeys(("errors", "latency", "prediction_drift", "quality", "requests"), "good")


@pytest.mark.parametrize(
    ("challenger", "name", "words"),
    [
        (seen(12, 12), "errors", "12 of its 12 calls failed (100.00%), of the champion's 20 of 2,000 (1.00%)"),
        (seen(200, 30), "errors", "30 of its 200"),
        (seen(200, 2, ms=40), "latency", "2 times as much is allowed"),
        (seen(200, 2, shift=4), "prediction_drift", "probabilities of 'Yes' differ"),
        (seen(200, 2, quality=auc(0.7, 200)), "quality", "its roc_auc is 0.7 on 200 predictions"),
    ],
)
def test_what_stops_a_version(challenger, name, words):
    signals = rollout.judge(begun(), seen(2000, 20, quality=auc(0.84, 900)), challenger)
    (stop,) = [signal for signal in signals if signal.verdict == "stop"]
    assert stop.name == name
    assert words in stop.sentence
    move = rollout.next_move(begun(), signals, BEGIN)
    assert (move.kind, move.wait_seconds, stop.sentence in move.sentence) == ("roll_back", 0, True)


@pytest.mark.parametrize(
    "challenger",
    [
        seen(12, 1),  # 8%, but one call may fail by chance
        seen(10, 0, ms=18),  # slower, in ten calls
        seen(60, 0, shift=0.6, seed=3),
        seen(200, 2, quality=auc(0.80, 60, half=0.09)),  # worse, on few labels
        seen(200, 2, quality=auc(0.2, 49, half=0.01)),  # hardly any labels
    ],
)
def test_noise_does_not_stop_a_version(challenger):
    signals = rollout.judge(begun(), seen(2000, 20, quality=auc(0.84, 900)), challenger)
    assert "stop" not in verdicts(signals).values()


def test_versions_that_do_alike_are_seldom_taken_back():
    """Each look at a step has another draw; 400 looks at a level of one in a thousand."""
    stopped = 0
    for seed in range(400):
        signals = rollout.judge(begun(), seen(900, 9, seed=seed), seen(100, 1, seed=seed + 1000))
        stopped += "stop" in verdicts(signals).values()
    assert stopped <= 2


def test_a_version_that_says_something_else_and_is_right_goes_on():
    """After a drift a new version has to differ from the champion, or it need not have been trained."""
    champion, differs = seen(2000, quality=auc(0.8, 900)), seen(200, shift=4)
    assert verdicts(rollout.judge(begun(), champion, differs))["prediction_drift"] == "stop"
    lately = rollout.judge(begun(), champion, differs, found_better=True)
    assert verdicts(lately)["prediction_drift"] == "good"
    for value, verdict in ((0.82, "good"), (0.79, "stop")):
        labelled = dataclasses.replace(differs, quality=auc(value, 100))
        assert verdicts(rollout.judge(begun(), champion, labelled))["prediction_drift"] == verdict


def test_less_is_better_for_losses():
    champion = seen(2000, quality=auc(10.0, 500, half=0.5, metric="rmse"))
    worse = rollout.judge(begun(), champion, seen(200, quality=auc(14.0, 200, half=0.7, metric="rmse")))
    better = rollout.judge(begun(), champion, seen(200, quality=auc(7.0, 200, half=0.7, metric="rmse")))
    assert (verdicts(worse)["quality"], verdicts(better)["quality"]) == ("stop", "good")


def test_milliseconds_alone_do_not_make_a_version_slow():
    signals = rollout.judge(begun(), seen(2000, ms=0.6), seen(200, ms=2.0))
    assert verdicts(signals)["latency"] == "good"


def test_copies_are_not_compared_by_their_latency():
    shadow = begun(shadow_minutes=5)
    assert "latency" not in verdicts(rollout.judge(shadow, seen(500), seen(500, ms=900)))


def test_a_champion_that_has_answered_nothing_is_no_standard_but_no_failure():
    signals = rollout.judge(begun(), Observed(), seen(100))
    assert verdicts(signals) == {"errors": "good", "requests": "good"}
    assert verdicts(rollout.judge(begun(), Observed(), seen(100, 40)))["errors"] == "stop"


def test_what_a_summary_says():
    summary = Summary(
        "churn",
        2,
        "",
        "",
        requests=10,
        statuses={"200": 5, "400": 2, "500": 2, "503": 1},
        latency=(1, 2),
        outputs={"Yes": (3,)},
    )
    assert Observed.of(summary) == Observed(10, 3, (1, 2), {"Yes": (3,)})
    assert Observed.of(None) == Observed()


# --- what comes next -----------------------------------------------------------------------------


def follow(current, champion, challenger, freeze=None, minutes=2.5, looks=200):
    """Look again and again, as the state machine does, until the rollout has ended."""
    now, moves = BEGIN, []
    while not current.ended_at and len(moves) < looks:
        signals = rollout.judge(current, champion, challenger, freeze)
        move = rollout.next_move(current, signals, now)
        current = rollout.moved(current, move, signals, instant(now))
        moves.append(move)
        now += timedelta(seconds=move.wait_seconds)
    return current, moves, now


def test_a_good_version_takes_each_step_and_bakes_in_each():
    current, moves, now = follow(begun(strategy="linear", share=0.25), seen(2000), seen(500))
    assert (current.state, current.step) == ("PROMOTED", 3)
    assert [move.kind for move in moves if move.kind != "wait"] == ["advance", "advance", "promote"]
    assert now - BEGIN == timedelta(minutes=30)
    assert current.ended_at == instant(now)
    assert [line.partition(": ")[2] for line in current.history] == [
        "version 2 answers 0.25 of the calls",
        "version 2 answers 0.5 of the calls from now on",
        "version 2 answers 0.75 of the calls from now on",
        "version 2 has come through every step and is the champion now",
    ]


def test_a_shadow_comes_before_the_first_step():
    current, moves, now = follow(begun(shadow_minutes=20), seen(2000), seen(500))
    assert [move.kind for move in moves if move.kind != "wait"] == ["advance", "promote"]
    assert (current.state, now - BEGIN) == ("PROMOTED", timedelta(minutes=30))


def test_all_at_once_asks_nothing():
    current, moves, now = follow(begun(strategy="all_at_once"), Observed(), Observed())
    assert ([move.kind for move in moves], current.state, now) == (["promote"], "PROMOTED", BEGIN)


def test_a_bad_version_is_taken_back_at_the_next_look():
    current, moves, now = follow(begun(), seen(2000), seen(30, 30))
    assert (current.state, len(moves), now) == ("ROLLED_BACK", 1, BEGIN)
    assert "30 of its 30 calls failed" in current.history[-1]


def test_a_step_waits_for_calls_but_not_for_ever():
    current, moves, now = follow(begun(min_requests=100, max_waits=3), seen(500), seen(5))
    assert [move.kind for move in moves if move.kind != "wait"] == ["longer", "longer", "longer", "promote"]
    assert now - BEGIN == timedelta(minutes=40)
    assert "5 calls in this step: 100 are asked for" in current.history[1]


def test_frozen_promotions_hold_a_rollout_but_keep_no_bad_version():
    freeze = Freeze("churn", True, instant(BEGIN), "bob", "audit")
    current, moves, _ = follow(begun(), seen(2000), seen(500), freeze, looks=20)
    assert (current.state, {move.kind for move in moves}) == ("BAKING", {"wait"})
    assert "bob has frozen" in moves[-1].sentence
    taken, _, _ = follow(current, seen(2000), seen(500, 300), freeze)
    assert taken.state == "ROLLED_BACK"
    let_go, _, _ = follow(current, seen(2000), seen(500), dataclasses.replace(freeze, frozen=False))
    assert let_go.state == "PROMOTED"


@pytest.mark.parametrize("bake_minutes", [0.0, 0.01, 0.05, 60.0])
def test_waits_are_whole_seconds(bake_minutes):
    move = rollout.next_move(begun(bake_minutes=bake_minutes, min_requests=1), (), BEGIN)
    if bake_minutes:
        assert move.kind == "wait"
        assert 1 <= move.wait_seconds <= max(1, bake_minutes * 60)
    else:
        assert move.kind == "promote"


def test_each_record_is_one_revision_after_the_one_that_was_read():
    current = begun()
    signals = rollout.judge(current, seen(10), seen(10))
    new = rollout.moved(current, rollout.next_move(current, signals, BEGIN), signals, instant(BEGIN))
    assert (new.revision, new.signals, new.history) == (2, signals, current.history)
