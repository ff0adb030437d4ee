"""How a run ended, from what the state machine caught."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tidemill.contracts import CandidateResult, Failure, Spread
from tidemill.rules.outcomes import leaderboard, outcome


def cause(message: str, kind: str) -> str:
    """A Cause as Step Functions gives it for a Lambda function that raised."""
    return json.dumps({"errorMessage": message, "errorType": kind, "requestId": "r", "stackTrace": ["..."]})


def test_a_run_without_a_failure_is_live() -> None:
    ended = outcome(None)
    assert (ended.status, ended.stage) == ("LIVE", None)


def test_a_run_whose_version_is_let_in_step_by_step_goes_on() -> None:
    ended = outcome(None, rolling_out=True)
    assert (ended.status, ended.stage) == ("ROLLING_OUT", None)
    assert outcome(Failure("train", "CandidateFailed", "none"), rolling_out=False).status == "FAILED"


def test_a_version_that_was_taken_back_says_why() -> None:
    ended = outcome(Failure("rollout", "RolledBack", "version 2 was taken back: 3 of its 4 calls failed"))
    assert (ended.status, ended.stage) == ("ROLLED_BACK", "rollout")
    assert ended.reason == "version 2 was taken back: 3 of its 4 calls failed"


@pytest.mark.parametrize(
    ("stage", "error", "status"),
    [
        ("validate", "DataRefused", "REFUSED_DATA"),
        ("prepare", "DataRefused", "REFUSED_DATA"),
        ("evaluate", "GateRefused", "REFUSED_BY_GATE"),
        ("validate", "SpecError", "FAILED"),
        ("evaluate", "ParityError", "FAILED"),
        ("train", "CandidateFailed", "FAILED"),
        ("deploy", "AliasConflict", "FAILED"),
        ("deploy", "PromotionFrozen", "REFUSED_BY_GATE"),
        ("deploy", "RolloutConflict", "REFUSED_BY_GATE"),
        ("rollout", "TrafficConflict", "REFUSED_BY_GATE"),
        ("rollout", "StorageError", "FAILED"),
        ("deploy", "SmokePredictionFailed", "FAILED"),
    ],
)
def test_an_error_of_ours_speaks_for_itself(stage: str, error: str, status: str) -> None:
    ended = outcome(Failure(stage, error, cause("the sentence of the error", error)))
    assert (ended.status, ended.reason, ended.stage) == (status, "the sentence of the error", stage)


def test_a_rejection_brings_plain_text() -> None:
    ended = outcome(Failure("approve", "ApprovalRejected", "bob refused the release: too few rows"))
    assert (ended.status, ended.reason) == ("REFUSED_BY_GATE", "bob refused the release: too few rows")


def test_nobody_deciding_is_a_refusal() -> None:
    ended = outcome(Failure("approve", "States.Timeout", ""))
    assert ended.status == "REFUSED_BY_GATE"
    assert "nobody approved" in ended.reason


@pytest.mark.parametrize("error", ["States.Timeout", "Sandbox.Timedout"])
def test_a_stage_that_takes_too_long_is_named(error: str) -> None:
    ended = outcome(Failure("train", error, cause("2026-03-04 Task timed out after 900.00 seconds", error)))
    assert ended.status == "FAILED"
    assert ended.reason == "the train stage did not finish within its time limit"


def test_a_killed_process_hints_at_memory() -> None:
    text = "RequestId: 1 Error: Runtime exited with error: signal: killed"
    assert (
        "ran out of memory" in outcome(Failure("train", "Runtime.ExitError", cause(text, "Runtime.ExitError"))).reason
    )


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (Failure("train", "KeyError", cause("'tenure'", "KeyError")), "the train stage failed: KeyError: 'tenure'"),
        (Failure("train", "States.Runtime", "no such path"), "the train stage failed: States.Runtime: no such path"),
        (Failure("deploy", "Lambda.Unknown", ""), "the deploy stage failed: Lambda.Unknown"),
        (Failure("deploy", "ValueError", '"text"'), 'the deploy stage failed: ValueError: "text"'),
        (Failure("train", "T", "[1]"), "the train stage failed: T: [1]"),
        (Failure("evaluate", "GateRefused", ""), "the evaluate stage ended with GateRefused"),
    ],
)
def test_an_unknown_error_keeps_its_type_and_message(failure: Failure, reason: str) -> None:
    assert outcome(failure).reason == reason


def candidate(name: str, **cv: float) -> CandidateResult:
    return CandidateResult(name, {}, {metric: Spread(mean, 0.01) for metric, mean in cv.items()}, 1.0)


@pytest.mark.parametrize(("metric", "best"), [("roc_auc", ["b", "a", "broken"]), ("log_loss", ["a", "b", "broken"])])
def test_the_best_candidate_comes_first_and_the_broken_last(metric: str, best: list[str]) -> None:
    found = (candidate("a", roc_auc=0.8, log_loss=0.3), candidate("broken"), candidate("b", roc_auc=0.9, log_loss=0.5))
    assert [item.name for item in leaderboard(found, metric)] == best
    assert leaderboard((), metric) == ()


def test_candidates_of_a_later_round_come_before_those_that_left() -> None:
    found = (candidate("left", roc_auc=0.95), replace(candidate("kept", roc_auc=0.9), round=2))
    assert [item.name for item in leaderboard(found, "roc_auc")] == ["kept", "left"]
