"""The monitor report's page, read as a browser or a reader would."""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass, replace

import pytest

from tidemill.contracts import ColumnProfile, Histogram, PersonalData, Profile, Reading, TopValue
from tidemill.monitoring_contracts import (
    Decision,
    FeatureDrift,
    Finding,
    MonitorPoint,
    QualityFigure,
    Reference,
    ServiceFigures,
)
from tidemill.release_contracts import Rollout, RolloutPlan, Signal
from tidemill.reports import alert
from tidemill.reports.monitor_report import render

NOW = "2026-03-09T08:00:00Z"
READING = Reading("csv", None, "utf-8", ",", '"', True, 1000)
TENURE = ColumnProfile(
    "tenure",
    "integer",
    "feature",
    1000,
    0,
    73,
    0.0,
    72.0,
    histogram=Histogram((0.0, 24.0, 48.0, 72.0), (500, 200, 300)),
)
CONTRACT = ColumnProfile(
    "contract", "category", "feature", 1000, 0, 3, top=(TopValue("monthly", 600), TopValue("two years", 300))
)
PROFILE = Profile(1000, 0, (TENURE, CONTRACT), READING, "Churn", "binary", "Yes")
REFERENCE = Reference(
    "churn",
    "binary",
    400,
    "roc_auc",
    {"roc_auc": 0.84},
    {"roc_auc": (0.81, 0.87)},
    (0.0, 0.25, 0.5, 0.75, 1.0),
    {"Yes": (200, 100, 60, 40)},
)
DRIFT = Finding(
    "drift",
    "alert",
    "tenure",
    "the values of tenure have moved: stability index 0.61",
    0.61,
    0.25,
    "2026-03-07T00:00:00Z",
)
WORSE = Finding(
    "quality", "alert", "roc_auc", "ROC AUC has fallen from 0.84 to 0.71", 0.71, 0.798, "2026-03-08T00:00:00Z"
)


def feature(name: str, psi: float, drifted: bool, before: tuple[float, ...], now: tuple[float, ...]) -> FeatureDrift:
    return FeatureDrift(
        name, 900, psi, psi / 2, None, "chi_squared", 9.0, 0.01, 0.02, 0.1, drifted, 0.5, "", before, now
    )


def point(day: int, psi: float = 0.02, *findings: Finding, version: int = 2, shadow: bool = False) -> MonitorPoint:
    return MonitorPoint(
        "churn",
        version,
        f"2026-03-{day - 1:02d}T00:00:00Z",
        f"2026-03-{day:02d}T00:00:00Z",
        900,
        True,
        shadow,
        features=(
            feature("tenure", psi, psi > 0.1, (0.0, 0.5, 0.2, 0.3, 0.0), (0.0, 0.8, 0.1, 0.1, 0.0)),
            feature("contract", 0.01, False, (0.6, 0.3, 0.1), (0.62, 0.28, 0.1)),
        ),
        prediction=feature("Yes", psi / 3, False, (0.5, 0.25, 0.15, 0.1), (0.4, 0.3, 0.2, 0.1)),
        domain_auc=0.8,
        domain_low=0.76,
        quality=(
            QualityFigure("roc_auc", "measured", 0.71, 0.66, 0.76, 300, 0.84),
            QualityFigure("roc_auc", "estimated", 0.80, 0.77, 0.83, 900, 0.84),
        ),
        service=ServiceFigures(950, 9, 5, 12.0, 40.0, 90.0, 0.0021, "2026-03-08T23:59:00Z", 61.0, 0.33),
        findings=findings,
        usd=0.0001,
    )


def decision(at: str, acted: bool, action: str = "alert", reason: str = "tenure has moved") -> Decision:
    return Decision(f"{at}-{action}", "churn", 2, at, "drift", action, acted, reason, "2026-03-09T00:00:00Z")


POINTS = (point(7), point(8, 0.5, DRIFT), point(9, 0.61, DRIFT, WORSE))
ROLLOUT = Rollout(
    "a" * 32,
    "churn",
    3,
    2,
    "a" * 32,
    RolloutPlan((0.1, 1.0), 60.0, shadow_seconds=60.0),
    "BAKING",
    0,
    1,
    "2026-03-09T01:00:00Z",
    "2026-03-09T00:00:00Z",
    "ann",
    "trained on newer data",
    (Signal("errors", "good", "no call has failed"), Signal("requests", "wait", "only 12 of 100 calls")),
    ("10% of the calls go to version 3",),
)


EVIL = '<script>alert(1)</script></script><img src=x onerror="alert(2)">`\'"&<!--'


@dataclass(frozen=True)
class Page:
    """What a reader sees of a page."""

    markup: str

    @property
    def state(self) -> str:
        return re.search(r'<body class="([^"]*)"', self.markup)[1]

    @property
    def headings(self) -> list[str]:
        return [html.unescape(re.sub("<[^>]+>", "", one)) for one in re.findall(r"<h[12]>(.*?)</h[12]>", self.markup)]

    @property
    def text(self) -> str:
        shown = re.sub(r"<(script|style)\b.*?</\1>", "", self.markup, flags=re.DOTALL)
        return html.unescape(re.sub("<[^>]+>", "", shown))

    @property
    def specs(self) -> dict[str, dict]:
        found = re.findall(r'<script type="application/json" id="spec-([^"]*)">(.*?)</script>', self.markup)
        return {name: json.loads(spec) for name, spec in found}


def page(points=POINTS, decisions=(), reference=REFERENCE, profile=PROFILE, rollout=None) -> Page:
    return Page(render("churn", points, decisions, reference, profile, NOW, rollout))


def test_headline_says_what_changed_and_since_when():
    assert page().headings[0] == (
        "churn version 2 predicts worse than at its release and sees other data than it learned from, since 7 March."
    )


@pytest.mark.parametrize(("version", "offered"), [(1, False), (2, True)])
def test_a_first_version_is_not_to_be_rolled_back(version, offered):
    points = tuple(replace(one, version=version) for one in POINTS)
    shown = render("churn", points, (), REFERENCE, PROFILE, NOW, None)
    assert ("tidemill rollback churn" in shown) is offered
    found = replace(decision("2026-03-09T00:05:00Z", True), version=version, findings=(WORSE,))
    assert ("tidemill rollback churn" in alert.words(found)[1]) is offered
    assert "tidemill retrain churn" in alert.words(found)[1]


@pytest.mark.parametrize(
    ("points", "expected", "state"),
    [
        ((), "Nothing has been seen of churn yet.", "unjudged"),
        ((point(7),), "churn version 2 sees and says what it did at its release.", "steady"),
        (
            (replace(point(7), sufficient=False),),
            "churn version 2 was asked too little to judge it: 900 predictions.",
            "unjudged",
        ),
        (
            (point(7, 0.2, replace(DRIFT, severity="warn", since=None)),),
            "churn version 2 holds up, but sees other data than it learned from.",
            "noticed",
        ),
    ],
)
def test_headline_and_colour_follow_the_newest_window(points, expected, state):
    read = page(points)
    assert read.headings[0] == expected
    assert read.state == state


def test_a_steady_model_says_for_how_long():
    assert "Nothing was found in this window." in page((point(7),)).text
    assert (
        "Nothing was found in the newest 2 windows, since 7 March."
        in page((point(7, 0.3, DRIFT), point(8), point(9))).text
    )
    assert "the newest 2 windows of this page" in page((point(8), point(9))).text


def test_points_may_come_in_any_order():
    assert render("churn", POINTS, (), REFERENCE, PROFILE, NOW, None) == render(
        "churn", POINTS[::-1], (), REFERENCE, PROFILE, NOW, None
    )


def test_newest_window_says_what_followed_and_what_did_not():
    read = page(
        decisions=(
            decision("2026-03-09T00:05:00Z", True),
            decision("2026-03-09T00:05:00Z", False, "retrain", "cooling down"),
        )
    )
    assert "What followed: people alerted." in read.text
    assert "No trainingcooling down." in read.text


def test_during_a_rollout_the_version_before_is_watched_and_the_new_one_stands_beside_it():
    read = page((*POINTS, replace(point(9, version=3), rows=5000)), rollout=ROLLOUT)
    assert read.headings[0].startswith("churn version 2")
    assert "Versions beside each other" in read.headings
    assert "Only 12 of 100 calls. waits" in read.text


def test_a_model_that_had_become_worse_is_not_better_while_no_outcome_is_known():
    unknown = replace(point(9, 0.02), quality=tuple(one for one in point(9).quality if one.kind == "estimated"))
    read = page((point(7), point(8, 0.02, WORSE), unknown))
    assert read.headings[0] == "churn version 2 predicts worse than at its release, since 8 March."
    assert "ROC AUC has fallen from 0.84 to 0.71; that was until 8 March, since when no outcome is known." in read.text
    assert "measured until 8 March on 300" in read.text


def test_pictures_show_every_window_and_the_most_moved_feature_first():
    drawn = page().specs
    heat = drawn["heat"]
    assert heat["encoding"]["x"]["sort"] == ["7 Mar", "8 Mar", "9 Mar"]
    assert heat["encoding"]["y"]["sort"][0] == "tenure"
    found = {(cell["window"], cell["feature"]): cell["found"] for cell in heat["data"]["values"]}
    assert found["9 Mar", "tenure"] == "alert"
    assert found["7 Mar", "tenure"] == ""
    kinds = {value["kind"] for value in drawn["quality"]["layer"][-1]["data"]["values"]}
    assert kinds == {"measured", "estimated"}
    assert [value["bin"] for value in drawn["distribution-0"]["data"]["values"]] == ["0", "24", "48"]


def test_a_window_that_has_only_begun_hides_nothing():
    begun = MonitorPoint("churn", 2, "2026-03-09T00:00:00Z", "2026-03-09T06:00:00Z", 40, False)
    read = page((*POINTS, begun))
    assert read.headings[0] == page(POINTS).headings[0]
    assert read.state == "alarming"
    assert "The newest window has 40 predictions, too few to judge" in read.text
    assert page((point(7), begun)).state == "steady"
    failing = replace(begun, findings=(Finding("errors", "alert", "errors", "half of the calls fail"),))
    assert page((point(7), failing)).headings[0] == "churn version 2 fails calls."


def test_windows_that_end_in_the_same_minute_are_told_apart():
    made = [
        replace(decision("2026-03-09T00:05:00Z", True), id=str(second), point=f"2026-03-09T00:04:{second:02d}Z")
        for second in (1, 9)
    ]
    text = page(decisions=(*made, decision("2026-03-09T00:05:00Z", True))).text
    assert "Window until 9 March 2026, 00:04:09 UTC" in text
    assert "Window until 9 March 2026, 00:00 UTC" in text


def test_measurement_and_estimate_that_part_are_explained():
    assert "Measurement and estimate have parted." in page().text
    near = QualityFigure("roc_auc", "measured", 0.78, 0.73, 0.83, 300, 0.84)
    agree = replace(point(9), quality=(near, point(9).quality[1]))
    assert "have parted" not in page((agree,)).text


def test_bins_of_predictions_are_put_together_until_they_can_be_seen():
    edges = tuple(i / 100 for i in range(101))
    fine = replace(point(9), prediction=feature("Yes", 0.1, False, (0.01,) * 100, (0.005,) * 50 + (0.015,) * 50))
    bins = page((fine,), reference=replace(REFERENCE, edges=edges)).specs["predictions"]["data"]["values"]
    assert [one["bin"] for one in bins][:3] == ["0", "0.05", "0.1"]
    assert [round(one["now"], 6) for one in bins] == [0.025] * 10 + [0.075] * 10


def test_much_that_is_only_worth_watching_is_folded_beside_alerts():
    small = [replace(DRIFT, severity="warn", subject=f"f{i}", sentence=f"f{i} has moved") for i in range(5)]
    assert "3 more things worth watching" in page((point(9, 0.6, DRIFT, *small),)).text
    assert "worth watching" not in page((point(9, 0.6, *small),)).text


def test_hundreds_of_windows_are_thinned_and_their_names_stay_different():
    many = tuple(replace(point(7), end=f"2026-03-{1 + hour // 24:02d}T{hour % 24:02d}:00:00Z") for hour in range(300))
    names = page(many).specs["volume"]["encoding"]["x"]["sort"]
    assert len(names) == len(set(names)) == 60
    assert (names[0], names[-1]) == ("1 Mar 00:00", "13 Mar 11:00")


def test_values_of_personal_data_are_not_shown():
    private = replace(CONTRACT, personal_data=PersonalData("email", 1.0, "warn"))
    text = render("churn", POINTS, (), REFERENCE, replace(PROFILE, columns=(TENURE, private)), NOW, None)
    assert "monthly" not in text


def test_nothing_but_points_is_needed():
    bare = MonitorPoint("churn", 1, "2026-03-08T00:00:00Z", "2026-03-09T00:00:00Z", 400, True)
    assert page((bare,), reference=None, profile=None).headings[0].startswith("churn version 1 sees")


def test_texts_from_outside_stay_texts():
    evil = replace(DRIFT, subject=EVIL, sentence=EVIL)
    moved = replace(point(9, 0.6, evil), features=(feature(EVIL, 0.6, True, (0.5, 0.5), (0.9, 0.1)),))
    told = page((moved,), decisions=(decision("2026-03-09T00:05:00Z", True, reason=EVIL),))
    assert "<script>alert(1)" in told.text
    assert "<img" not in told.markup
    assert "<script>alert" not in told.markup


def test_what_was_done_about_a_lasting_finding_comes_before_what_was_not_repeated():
    rests = f"the rule has acted on it within 24 hours: {DRIFT.sentence}"
    before = "2026-03-08T00:00:00Z"
    made = (
        replace(
            decision("2026-03-08T00:05:00Z", True), point=before, findings=(DRIFT,), problem="the webhook was deaf"
        ),
        replace(decision("2026-03-08T00:06:00Z", True, "retrain"), point=before, findings=(DRIFT,)),
        replace(decision("2026-03-09T00:05:00Z", False, reason=rests), findings=(DRIFT,)),
        replace(decision("2026-03-09T00:05:00Z", False, "review", "the queue is full"), findings=(DRIFT,)),
    )
    lede = page(decisions=made).text.partition("See what was decided")[0]
    assert (
        "What followed: training of a new version started (8 March) and people alerted (8 March). "
        "The webhook was deaf. Not done: open reviews – the queue is full. "
        "It was not repeated: the rule has acted on it within 24 hours. "
    ) in lede


def test_what_was_done_before_the_finding_began_is_not_told():
    old = replace(decision("2026-03-06T00:05:00Z", True), point="2026-03-06T00:00:00Z", findings=(DRIFT,))
    text = page(decisions=(old,)).text
    assert "What followed" not in text
    assert "No rule has acted on it." in text


def test_a_window_by_rows_is_measured_on_outcomes_of_its_hours():
    rows = replace(point(9), parts="2026-03-08T23=2")
    text = page((rows,)).text
    assert "measured on 300 outcomes of its hours; 0.8400 at release" in text
    assert "Known outcomes300 of its hours" in text
    assert "Known outcomes33%" in page((point(9),)).text


def test_without_a_call_there_is_no_picture_of_latency():
    idle = ServiceFigures(0, 0, 0, None, None, None, None, None, 61.0)
    read = page((replace(point(9), rows=0, quality=(), service=idle),))
    assert "latency" not in read.specs
    assert "errors" not in read.specs
    assert "Latency, median and 95%–" in read.text
    assert "Known outcomes–" in read.text
    assert "latency" in page().specs


def test_a_new_champion_is_what_the_page_is_about_as_soon_as_it_was_looked_at():
    begun = replace(point(9, version=3), rows=5, sufficient=False)
    drawn = Page(render("churn", (*POINTS, begun), (), REFERENCE, PROFILE, NOW, None, 3))
    assert drawn.headings[0] == "churn version 3 was asked too little to judge it: 5 predictions."
    unseen = Page(render("churn", POINTS, (), REFERENCE, PROFILE, NOW, None, 3))
    assert unseen.headings[0].startswith("churn version 2 ")
