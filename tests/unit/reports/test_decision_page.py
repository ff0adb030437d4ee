"""The page behind a signed link: what it says will happen, and what it may do."""

from __future__ import annotations

import dataclasses
import re

import pytest

from tidemill.release_contracts import Vote
from tidemill.reports.decision_page import Asked, failed, question, thanks
from tidemill.spec import RolloutOptions

ASKED = Asked(
    model="churn",
    version=4,
    champion=3,
    run_id="f" * 32,
    person="bob@example.com",
    until="2026-03-07T05:06:07Z",
    metric="roc_auc",
    value=0.8471,
    created_by="AWS:AIDAEXAMPLE",
    votes=(Vote("ann@example.com", "approve", "2026-03-04T06:00:00Z", "looks right", "cli"),),
    missing=1,
    rollout=RolloutOptions(),
    has_report=True,
)


def text(page: str) -> str:
    """What a person reads."""
    body = page.partition("<body")[2]
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def test_the_report_comes_before_the_buttons_and_in_a_frame_that_can_only_draw() -> None:
    page = question(ASKED)
    assert page.index("<iframe") < page.index("<form")
    frame = re.search(r"<iframe[^>]*>", page)
    assert frame is not None
    assert 'sandbox="allow-scripts"' in frame[0]
    assert "<iframe" not in question(dataclasses.replace(ASKED, has_report=False))


def test_the_page_runs_no_script_and_tells_no_other_page_its_address() -> None:
    page = question(ASKED)
    assert "<script" not in page
    assert "default-src &#x27;none&#x27;" in page
    assert 'name="referrer" content="no-referrer"' in page


def test_who_decides_until_when_and_what_others_said() -> None:
    words = text(question(ASKED))
    assert "Release version 4 of churn?" in words
    assert "ROC AUC 0.8471 on the holdout, and would answer instead of version 3" in words
    for said in ("bob@example.com", "7 March 2026, 05:06 UTC", "ann@example.com: approve (looks right)"):
        assert said in words
    assert "as the model's first version" in text(question(dataclasses.replace(ASKED, champion=None))).replace(
        "&#x27;", "'"
    )


@pytest.mark.parametrize(
    ("rollout", "missing", "words"),
    [
        (RolloutOptions(), 1, "If you approve, it answers all calls at once."),
        (RolloutOptions(), 3, "After yours, 2 more people must approve. Then it answers all calls at once."),
        (
            RolloutOptions("canary", bake_minutes=90, shadow_minutes=30),
            1,
            "If you approve, it first answers copies of calls for 30 min, then it answers 10% of the calls for "
            "1 h 30 min, and then all; it is taken back by itself",
        ),
        (
            RolloutOptions("linear", share=0.25),
            1,
            "it answers 25% of the calls for 1 h, and so much more with each step",
        ),
    ],
)
def test_what_follows(rollout: RolloutOptions, missing: int, words: str) -> None:
    assert words in text(question(dataclasses.replace(ASKED, rollout=rollout, missing=missing)))


def test_what_people_write_is_text() -> None:
    vote = Vote("<b>ann</b>", "reject", "2026-03-04T06:00:00Z", "<script>x</script>", "api")
    page = question(dataclasses.replace(ASKED, person='"><img src=x>', votes=(vote,)), "<i>problem</i>")
    assert not re.search(r"<(b|i|img|script)\b", page.partition("<body")[2])


def test_what_came_of_it() -> None:
    assert "is being released now" in text(thanks("approve", "churn", 4, 0))
    assert "waits for 1 more person" in text(thanks("approve", "churn", 4, 1))
    assert "Version 4 of churn is refused" in text(thanks("reject", "churn", 4, 0))
    assert "This link has been used." in text(failed("this link has been used", passing=False))
    assert "Not at the moment" in text(failed("try again", passing=True))
