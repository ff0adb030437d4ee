"""What a run is told as, in plain sentences."""

from __future__ import annotations

import functools
from dataclasses import replace

import pytest

from tidemill.contracts import Interval, ModelRef
from tidemill.reports import invitation, summary


def test_a_live_model_is_announced_with_its_number_and_how_sure_it_is(binary):
    assert summary.headline(binary.document, binary.evaluation) == (
        "churn version 3 is live: it ranks “Yes” above “No” 85 times in 100, give or take 2."
    )


def test_quality_tells_rows_interval_baseline_and_champion(binary):
    assert summary.quality(binary.document, binary.evaluation) == (
        "This was measured on 200 rows that the model had never seen. "
        "We are 95% sure that the true figure lies between 83 and 87. "
        "A baseline that ignores every column gets 50. "
        "On the same rows version 2, the champion, gets 84: the two cannot be told apart on these rows."
    )


def test_a_clear_difference_to_the_champion_is_called_one(binary):
    champion = binary.evaluation.champion
    for low, high, verdict in ((0.002, 0.014, "the new one is better"), (-0.02, -0.001, "the new one is worse")):
        compared = replace(champion, difference=Interval(0.0, low, high))
        told = summary.quality(binary.document, replace(binary.evaluation, champion=compared))
        assert told.endswith(f"gets 84: {verdict}.")


def test_regression_is_told_in_the_unit_of_the_target(regression):
    assert summary.headline(regression.document, regression.evaluation) == (
        "churn version 3 is live: its predictions of price typically miss by 48,000, give or take 2,000."
    )


def test_a_loss_is_told_as_the_probability_of_the_truth(multiclass):
    assert summary.finding(multiclass.document, multiclass.evaluation) == (
        "on average it gives the true answer 96% probability, give or take 4"
    )
    told = summary.quality(multiclass.document, multiclass.evaluation)
    assert "between 92% and 98%." in told
    assert "A baseline that ignores every column gets 35%." in told
    assert "The likeliest class is the right one for 99 of 100 rows." in told


def test_without_an_evaluation_the_document_alone_is_told(binary):
    assert "85 times in 100" in summary.headline(binary.document)
    assert "between 83 and 87" in (summary.quality(binary.document) or "")


def test_each_end_has_its_own_headline(refused_data, refused_by_gate, declined, failed):
    assert summary.headline(refused_data.document) == (
        "The table customers.csv.gz was refused, so no model was trained."
    )
    assert summary.headline(refused_by_gate.document).startswith("The new churn model is not good enough to go live: ")
    assert summary.headline(declined.document).startswith("The release of churn version 3 was declined: ")
    assert summary.headline(failed.document) == (
        "The run for churn stopped while training the candidates; no model went live."
    )


def test_runs_that_have_not_ended_say_so(binary):
    waiting = binary.told(status="WAITING_FOR_APPROVAL").document
    assert summary.headline(waiting).startswith("churn version 3 waits for approval")
    assert f"tidemill approve {waiting.run_id}" in summary.next_steps(waiting)[0]
    running = binary.told(status="RUNNING", metric=None).document
    assert summary.headline(running) == "The run for churn has not ended yet."


def test_next_steps_name_commands_that_fit(binary, refused_data, failed):
    assert any("tidemill rollback churn" in step for step in summary.next_steps(binary.document))
    first = binary.told(model=ModelRef("churn", 1, "champion")).document
    assert not any("rollback" in step for step in summary.next_steps(first))
    assert any("quarantine/churn/" in step for step in summary.next_steps(refused_data.document))
    assert any(f"tidemill logs {failed.document.run_id}" in step for step in summary.next_steps(failed.document))


def test_a_file_name_with_a_space_stays_one_argument(failed):
    spaced = failed.told(source="s3://data/incoming/churn/my table.csv").document
    assert any("tidemill train 'my table.csv' --project churn" in step for step in summary.next_steps(spaced))


def test_the_text_of_a_notification_has_verdict_reason_and_links(refused_by_gate):
    text = summary.text(refused_by_gate.document, refused_by_gate.evaluation)
    assert text.splitlines()[0] == summary.headline(refused_by_gate.document, refused_by_gate.evaluation)
    assert "roc_auc must be at least 0.9, but is 0.847." in text
    assert f"Run: {refused_by_gate.document.run_id}" in text
    assert "Cost: $0.0021" in text
    assert "Endpoint" not in text


def test_a_subject_is_short_and_plain(told):
    subject = summary.subject(told.document)
    assert subject.isascii()
    assert len(subject) <= 100
    assert "give or take" not in subject


@pytest.mark.parametrize(
    ("status", "stage", "head", "step"),
    [
        ("ROLLING_OUT", None, "is being let in step by step", "tidemill rollback"),
        ("ROLLED_BACK", "rollout", "was let in and taken back", "--version"),
        ("REFUSED_BY_GATE", "deploy", "passed every gate and was not let in", "tidemill promote"),
    ],
)
def test_a_version_on_its_way_in(binary, status, stage, head, step):
    told = binary.told(status=status, stage=stage, reason="it was late")
    assert head in summary.headline(told.document, told.evaluation)
    assert any(step in one for one in summary.next_steps(told.document, told.evaluation))
    assert ("It was late." in summary.text(told.document, told.evaluation)) is (status != "ROLLING_OUT")


def test_an_invitation_says_how_many_must_decide_until_when_and_how(binary):
    waiting = binary.told(status="WAITING_FOR_APPROVAL")
    said = functools.partial(invitation.message, waiting.document, waiting.evaluation)
    alone = said(1, (), "2026-03-07T05:00:00Z")
    assert "1 more person must approve it until 2026-03-07T05:00:00Z: anybody but who started the run" in alone
    assert f"tidemill approve {waiting.document.run_id}" in alone
    linked = said(2, ("bob", "eve"), "2026-03-07T05:00:00Z", "https://api.test/decide/x")
    assert "2 more people must approve it" in linked
    assert "one of bob, eve" in linked
    assert "https://api.test/decide/x" in linked
    assert invitation.subject(waiting.document, 1) == "Tidemill: churn version 3 waits for approval"
    assert invitation.subject(waiting.document, 3) == "Tidemill, reminder 2: churn version 3 waits for approval"
