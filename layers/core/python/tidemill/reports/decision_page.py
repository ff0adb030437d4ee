"""The page on which a person decides about a release: what is asked, the run's report in a frame, and two buttons.

Works without scripts. The report is another answer of the same address, in a frame that may run its charts and nothing
else: it can reach neither the form nor the address.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tidemill.release_contracts import Vote
from tidemill.reports import formats, metric_words
from tidemill.reports.markup import Content, Html, join, tag
from tidemill.reports.page import ASSETS
from tidemill.spec import RolloutOptions

POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        "frame-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
    )
)


@dataclass(frozen=True)
class Asked:
    """What a person is asked, and what there is to know about it."""

    model: str
    version: int
    champion: int | None  #: the version in service
    run_id: str
    person: str  #: who decides
    until: str  #: when the link stops being good
    metric: str
    value: float  #: of the metric, on the holdout
    created_by: str
    votes: Sequence[Vote]  #: oldest first
    missing: int  #: how many people must still approve
    rollout: RolloutOptions
    has_report: bool


@dataclass(frozen=True)
class Before:
    """What was decided about a release before."""

    decision: Literal["approve", "reject"]
    model: str
    version: int
    by: str
    at: str


def question(asked: Asked, problem: str = "") -> str:
    """The page that asks.

    Pure: no clock, no environment, no file but the bundled style.

    Parameters
    ----------
    problem
        what was wrong with the answer before, in one sentence.
    """
    title = f"Release version {asked.version} of {asked.model}?"
    head = join(
        tag("p", tag("span", "Waits for your decision", class_="status"), tag("span", asked.run_id), class_="kicker"),
        tag("h1", title),
        tag("p", _lede(asked), class_="lede"),
        _facts(asked),
    )
    shown = (
        tag("iframe", src="?report=1", title="Report of the run", sandbox="allow-scripts", class_="report")
        if asked.has_report
        else tag("p", "The run has no report yet; `tidemill run` shows what it has found so far.")
    )
    report = tag("section", tag("h2", "The report of the run"), shown, id="report")
    return _framed(title, "waiting-for-approval", join(head, report, _form(asked, problem)))


def thanks(decision: Literal["approve", "reject"], model: str, version: int, missing: int) -> str:
    """The page that says what came of a decision."""
    if decision == "reject":
        title = f"Version {version} of {model} is refused"
        words = "It goes nowhere: the version in service stays, and whoever started the run is told your reason."
    elif missing:
        title = f"You approved version {version} of {model}"
        words = f"It waits for {_more(missing)} before it is released."
    else:
        title = f"Version {version} of {model} is approved"
        words = "It is being released now."
    state = "failed" if decision == "reject" else "live"
    used = tag("p", "This link has done its work; it decides nothing any more.")
    return _framed(title, state, join(tag("h1", title), tag("p", words, class_="lede"), used))


def decided(before: Before) -> str:
    """The page about a release that is decided, and whose run has not been told: one button tells it."""
    title = f"Version {before.version} of {before.model} is {_PAST[before.decision]} already"
    words = f"{_earlier(before)} The run could not be told at the time, and still waits for it."
    button = tag(
        "button",
        "Hand the decision on",
        type="submit",
        name="decision",
        value=before.decision,
        class_="yes" if before.decision == "approve" else "no",
    )
    reason = tag("input", type="hidden", name="reason", value="handed on")
    form = tag("form", reason, tag("p", button, class_="buttons"), method="post", action="?")
    head = join(tag("h1", title), tag("p", words, class_="lede"))
    return _framed(title, "waiting-for-approval", join(head, tag("section", form, id="decide")))


def handed_on(before: Before) -> str:
    """The page that says that a release had been decided, and that its run has been told now."""
    title = f"Version {before.version} of {before.model} is {_PAST[before.decision]}"
    words = f"{_earlier(before)} That has been handed on to the run now."
    state = "live" if before.decision == "approve" else "failed"
    return _framed(title, state, join(tag("h1", title), tag("p", words, class_="lede")))


def failed(message: str, passing: bool) -> str:
    """The page instead of one that cannot be shown.

    Parameters
    ----------
    message
        a sentence.
    passing
        whether the same link may work later.
    """
    title = "Not at the moment" if passing else "This link decides nothing"
    return _framed(title, "failed", join(tag("h1", title), tag("p", formats.sentence(message), class_="lede")))


#: What a release is after a decision.
_PAST = {"approve": "approved", "reject": "refused"}


def _earlier(before: Before) -> str:
    return f"{before.by} decided that, {formats.moment(before.at)}."


# --- parts of the question ---------------------------------------------------------------------


def _lede(asked: Asked) -> str:
    words = metric_words.words(asked.metric)
    figure = f"{words.label} {metric_words.figure(asked.metric, asked.value)} on the holdout"
    instead = f"instead of version {asked.champion}" if asked.champion else "as the model's first version"
    return f"It has passed every gate, with {figure}, and would answer {instead}."


def _facts(asked: Asked) -> Html:
    said = [f"{vote.person}: {vote.decision}" + (f" ({vote.reason})" if vote.reason else "") for vote in asked.votes]
    facts: list[tuple[str, Content]] = [
        ("You decide as", asked.person),
        ("The link is good until", formats.moment(asked.until)),
        ("Trained by", asked.created_by),
        ("People have said", "; ".join(said) or "nothing yet"),
    ]
    return tag("dl", *(join(tag("dt", name), tag("dd", value)) for name, value in facts), class_="about")


def _form(asked: Asked, problem: str) -> Html:
    reason = tag("textarea", name="reason", id="reason", rows="3", maxlength="2000")
    buttons = tag(
        "p",
        tag("button", "Approve", type="submit", name="decision", value="approve", class_="yes"),
        tag("button", "Refuse", type="submit", name="decision", value="reject", class_="no"),
        class_="buttons",
    )
    return tag(
        "section",
        tag("h2", "Your decision"),
        tag("p", _what_follows(asked)),
        tag("p", problem, class_="problem", role="alert") if problem else None,
        tag(
            "form",
            tag("label", "Why (a refusal needs a reason)", for_="reason"),
            reason,
            buttons,
            method="post",
            action="?",
        ),
        id="decide",
    )


def _what_follows(asked: Asked) -> str:
    others = asked.missing - 1
    when = f"After yours, {_more(others)} must approve. Then" if others > 0 else "If you approve,"
    return (
        f"{when} {_rollout(asked.rollout)} If you refuse, it goes nowhere and the version in service stays. "
        "You decide once."
    )


def _rollout(options: RolloutOptions) -> str:
    shadow = (
        f"it first answers copies of calls for {formats.duration(options.shadow_minutes * 60)}, then "
        if options.shadow_minutes
        else ""
    )
    if options.strategy == "all_at_once":
        return f"{shadow}it answers all calls at once."
    bake = formats.duration(options.bake_minutes * 60)
    steps = "and then all" if options.strategy == "canary" else "and so much more with each step"
    return (
        f"{shadow}it answers {formats.percent(options.share)} of the calls for {bake}, {steps}; it is taken back by "
        "itself when it does worse than the version in service."
    )


def _more(people: int) -> str:
    return formats.count(people, "more person", "more people")


def _framed(title: str, state: str, main: Html) -> str:
    style = "".join((ASSETS / name).read_text(encoding="utf-8") for name in ("report.css", "decision.css"))
    head = join(
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", title),
        tag("style", Html(style)),
    )
    body = tag("body", tag("main", main), class_=state)
    return f"<!doctype html>\n{tag('html', tag('head', head), body, lang='en')}\n"
