"""`tidemill monitor`: the newest window in words, its history, and looking now."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tidemill import keys
from tidemill.monitoring_contracts import (
    Decision,
    FeatureDrift,
    Finding,
    MonitorPoint,
    QualityFigure,
    ServiceFigures,
    WatchState,
)
from tidemill_cli import monitor_view
from tidemill_cli.times import Moment

MOVED = Finding("drift", "alert", "tenure", "tenure has moved: index 0.61", 0.61, 0.25, "2026-11-22T00:00:00Z")
SLOW = Finding("latency", "warn", "", "95% of the calls took up to 1,200 ms")


def point(day, psi, *findings, version=2, **changes):
    """A window of one day of November 2026."""
    drift = FeatureDrift(
        "tenure", 900, psi, 0.3, 0.9, "kolmogorov_smirnov", 0.4, 0.001, 0.002, 0.1, psi > 0.1, 0.7, "it fell"
    )
    made = {
        "sufficient": True,
        "features": (drift,),
        "quality": (
            QualityFigure("roc_auc", "measured", 0.71, 0.66, 0.76, 300, 0.84),
            QualityFigure("roc_auc", "estimated", 0.80, 0.77, 0.83, 900, 0.84),
        ),
        "service": ServiceFigures(950, 9, 5, 12.0, 40.0, 90.0, 0.0021, None, 61.0),
        "weighted_drift": psi,
        "findings": findings,
    }
    start, end = (f"2026-11-{one}T00:00:00Z" for one in (day - 1, day))
    return MonitorPoint("churn", version, start, end, 900, **(made | changes))


class Records:
    """Points and decisions as the registry gives them: newest first."""

    def __init__(self, points=(), decisions=()):
        self.kept, self.made, self.asked, self.state = points, decisions, [], None

    def points(self, model, version=None, limit=200, since="", shadow=None):
        self.asked.append((model, version, since, shadow))
        return [one for one in self.kept if version in (None, one.version) and one.end >= since]

    def decisions(self, model, limit=200, since=""):
        return list(self.made)

    def watch_state(self, model):
        return self.state


@pytest.fixture
def watched(world):
    """A world whose churn version 2 is in service and has moved."""
    world.register(2)
    decisions = (
        Decision("d1", "churn", 2, "2026-11-24T00:05:00Z", "drift", "alert", True, "tenure has moved", "x"),
        Decision("d2", "churn", 2, "2026-11-24T00:05:00Z", "drift", "retrain", False, "one ran 2 h ago", "x"),
    )
    world.monitoring = Records((point(24, 0.61, SLOW, MOVED), point(23, 0.3, MOVED), point(22, 0.02)), decisions)
    return world


def test_how_many_outcomes_wait_for_their_predictions_is_told(watched):
    assert "wait for their predictions" not in watched.tidemill("monitor", "churn")[1]
    watched.monitoring.state = WatchState("churn", "2026-11-24T00:05:00Z", unfound=1234)
    assert "1,234 outcomes wait for their predictions" in watched.tidemill("monitor", "churn")[1]
    assert json.loads(watched.tidemill("monitor", "churn", "--json")[1])["waiting_outcomes"] == 1234


def test_newest_window_is_told_in_words_with_the_gravest_finding_first(watched):
    code, out, _ = watched.tidemill("monitor", "churn")
    lines = out.splitlines()
    assert code == 0
    assert lines[0] == "churn version 2 · needs attention"
    assert lines[3] == "  ✗ tenure has moved: index 0.61 (drift, since 2026-11-22 00:00:00)"
    assert lines[4] == "  ! 95% of the calls took up to 1,200 ms (latency)"
    assert "0.7100 (0.6600 to 0.7600) measured on 300; 0.8400 at release" in out
    assert "950, 9 failed, 5 refused" in out
    assert "history of 3 windows" in out
    assert "▁▄█  0.0200 to 0.610" in out


def test_decisions_say_what_was_done_and_what_was_not(watched):
    _, out, _ = watched.tidemill("monitor", "churn")
    assert "alerted" in out
    assert "no retrain" in out
    assert "one ran 2 h ago" in out


def decided(number, action, acted, reason, *findings, **more):
    at = f"2026-11-24T00:{number:02d}:00Z"
    return Decision(
        f"{action}{number}", "churn", 2, at, "drift", action, acted, reason, at, findings or (MOVED,), **more
    )


def test_decisions_about_the_same_are_told_once_with_what_was_done_and_what_was_not_repeated(watched):
    rests = f"the rule has acted on it within 24 hours: {MOVED.sentence}"
    problem = "not everybody was told: the webhook https://hooks.test was not told: it answered 404"
    watched.monitoring.made = (
        decided(30, "alert", False, rests.replace(MOVED.sentence, SLOW.sentence), SLOW),
        decided(20, "alert", False, rests),
        decided(20, "retrain", False, rests),
        decided(10, "alert", False, rests),
        decided(5, "alert", True, MOVED.sentence, MOVED, SLOW, problem=problem),
        decided(5, "retrain", True, MOVED.sentence, retraining="ab12cd34" * 4),
    )
    _, out, _ = watched.tidemill("monitor", "churn")
    lines = [" ".join(line.split()) for line in out.partition("decisions\n")[2].splitlines()]
    assert lines[1:-1] == [
        "2026-11-24 00:30:00 2 95% of the calls took up to 1,200 ms; tenure has moved: index 0.61 "
        "alerted at 2026-11-24 00:05:00",
        problem,
        "no alert again: the rule has acted on it within 24 hours (3 times)",
        "training at 2026-11-24 00:05:00, retraining ab12cd34",
        "no retrain again: the rule has acted on it within 24 hours",
    ]


def test_a_window_by_rows_says_whose_outcomes_it_is_measured_on(watched):
    watched.monitoring.kept = (point(24, 0.02, parts="2026-11-23T04=1"),)
    assert "measured on 300 outcomes of its hours" in watched.tidemill("monitor", "churn")[1]


def test_a_window_without_calls_has_no_latency_and_no_price(watched):
    silent = ServiceFigures(0, 0, 0, None, None, None, None, None, 61.0)
    watched.monitoring.kept = (point(24, 0.0, features=(), quality=(), service=silent),)
    out = watched.tidemill("monitor", "churn")[1]
    assert "calls" in out
    assert "latency" not in out
    assert "price" not in out


def test_only_the_version_in_service_is_shown_and_not_what_nobody_got(watched):
    watched.monitoring.kept = (point(25, 0.9, MOVED, version=3), *watched.monitoring.kept)
    assert watched.tidemill("monitor", "churn")[1].startswith("churn version 2 · needs attention")
    assert watched.monitoring.asked == [("churn", 2, "", False)]


def test_a_new_champion_is_told_of_with_what_was_last_seen_of_the_one_before(watched):
    watched.register(3)
    lines = watched.tidemill("monitor", "churn")[1].splitlines()
    assert lines[0] == (
        "churn: version 3 is in service since 2026-11-24 09:00:00, and has not been looked at yet: "
        "tidemill monitor churn --look"
    )
    assert lines[1] == "what was last seen is of version 2:"
    assert lines[3] == "churn version 2 · needs attention"
    assert json.loads(watched.tidemill("monitor", "churn", "--json")[1])["points"] == []


def test_a_model_that_nobody_has_looked_at_says_so(watched):
    watched.monitoring = Records()
    out = watched.tidemill("monitor", "churn")[1]
    assert out.startswith("nothing has been seen of churn yet (version 2 is in service since 2026-11-24 09:00:00)")


@pytest.mark.parametrize("options", [(), ("--look",), ("--json",)])
def test_a_model_that_there_is_not_is_refused(watched, options):
    code, out, err = watched.tidemill("monitor", "nosuch", *options)
    assert code == 1
    assert "there is no model 'nosuch'" in out + err
    assert "has been seen" not in out
    assert watched.executions.started == []


def test_a_look_at_a_model_with_nothing_in_service_is_refused(watched):
    del watched.registry.alias_of["churn"]["champion"]
    code, _, err = watched.tidemill("monitor", "churn", "--look")
    assert code == 1
    assert "model 'churn' has no version in service to look at" in err
    assert watched.executions.started == []


@pytest.mark.parametrize(
    ("newest", "words"),
    [
        (point(24, 0.02), "steady"),
        (point(24, 0.02, SLOW), "worth watching"),
        (point(24, 0.02, sufficient=False), "too few predictions to judge"),
    ],
)
def test_first_line_says_how_it_stands(watched, newest, words):
    watched.monitoring.kept = (newest,)
    assert watched.tidemill("monitor", "churn")[1].splitlines()[0] == f"churn version 2 · {words}"


def test_a_window_that_has_only_begun_hides_nothing(watched):
    begun = point(25, 0.0, sufficient=False, features=(), quality=())
    watched.monitoring.kept = (begun, *watched.monitoring.kept)
    lines = watched.tidemill("monitor", "churn")[1].splitlines()
    assert lines[0] == "churn version 2 · needs attention"
    assert lines[1] == "the window until 2026-11-25 00:00:00 has 900 predictions, too few to judge"
    assert "  ✗ tenure has moved: index 0.61 (drift, since 2026-11-22 00:00:00)" in lines


def test_json_holds_the_whole_history_oldest_first(watched):
    document = json.loads(watched.tidemill("monitor", "churn", "--json")[1])
    assert [one["end"] for one in document["points"]] == [f"2026-11-{day}T00:00:00Z" for day in (22, 23, 24)]
    assert [one["acted"] for one in document["decisions"]] == [True, False]


def test_since_takes_a_time_or_how_long_ago(watched):
    document = json.loads(watched.tidemill("monitor", "churn", "--since", "2026-11-23", "--json")[1])
    assert len(document["points"]) == 2
    watched.tidemill("monitor", "churn", "--since", "36h")
    asked = datetime.fromisoformat(watched.monitoring.asked[-1][2])
    assert abs(datetime.now(UTC) - timedelta(hours=36) - asked) < timedelta(minutes=5)
    code, _, err = watched.tidemill("monitor", "churn", "--since", "lately")
    assert code == 1
    assert "write 36h, 7d, 2026-03-04" in err


def test_look_starts_the_state_machine_for_this_model_and_waits(watched, a_step):
    watched.executions.looks = [(([a_step("Watch")]), ("SUCCEEDED", "", "", '{"failures": []}'))]
    assert watched.tidemill("monitor", "churn", "--look")[0] == 0
    ((machine, value),) = watched.executions.started
    assert machine.endswith(":tidemill-monitoring")
    assert value == {"model": "churn"}


def test_a_look_that_fails_says_where(watched, a_step):
    watched.executions.looks = [([a_step("Watch")], ("FAILED", "LookFailed", "summarize: no such bucket"))]
    code, _, err = watched.tidemill("monitor", "churn", "--look")
    assert code == 1
    assert "summarize: no such bucket" in err
    cause = 'monitor: {"errorMessage": "the spec names no window", "errorType": "SpecError", "stackTrace": ["line 1"]}'
    watched.executions.looks = [([a_step("Watch")], ("FAILED", "LookFailed", cause))]
    _, _, err = watched.tidemill("monitor", "churn", "--look")
    assert "monitor: the spec names no window" in err
    assert "stackTrace" not in err


def test_open_downloads_the_report(watched, monkeypatch):
    shown = []
    monkeypatch.setattr("tidemill_cli.reports.show", shown.append)
    code, _, err = watched.tidemill("monitor", "churn", "--open")
    assert code == 1
    assert "`tidemill monitor churn --look` looks at it now" in err
    watched.objects.put(
        "tidemill-artifacts",
        keys.monitor_report("churn"),
        b"<title>churn version 1 \xc2\xb7 Steady \xc2\xb7 Tidemill</title>",
    )
    code, out, _ = watched.tidemill("monitor", "churn", "--open")
    assert code == 0
    assert out.splitlines()[-1].startswith("churn version 1 · Steady: ")
    assert shown[0].read_bytes().startswith(b"<title>")


def test_sparkline_scales_to_its_own_values_and_leaves_gaps():
    assert monitor_view.sparkline([0, 1, None, 7]) == "▁▂ █"
    assert monitor_view.sparkline([3, 3]) == "▁▁"
    assert monitor_view.sparkline([None]) == ""


def test_spans_are_hours_or_days():
    kind = Moment()
    assert kind.convert("2026-11-23T05:00:00+02:00", None, None) == "2026-11-23T03:00:00Z"
