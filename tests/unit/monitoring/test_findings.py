"""What is said of a window: sentences, severities, and since when."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from tidemill.contracts import TopValue
from tidemill.monitoring import findings, points
from tidemill.monitoring.points import Counted, Known
from tidemill.monitoring_contracts import (
    LATENCY_EDGES,
    Finding,
    Labelled,
    MonitorPoint,
    QualityFigure,
    Summary,
)
from tidemill.spec import Monitor, Windows

from .production import KNOWN, KNOWN_BEFORE, captures, drawn, outcomes, summary

END = "2026-03-04T06:00:00Z"


def look(
    of: Summary | None,
    labelled: Labelled | None = None,
    known: Known = KNOWN,
    earlier: tuple[MonitorPoint, ...] = (),
    end: str = END,
    **options: Any,
) -> MonitorPoint:
    counted = Counted("churn", 1, "2026-03-03T06:00:00Z", end, False, of, labelled, "parts", "labels")
    return points.of_window(counted, known, Monitor(**options), earlier, looked_at=end, memory_mb=1024)


def of_kind(point: MonitorPoint, kind: str) -> list[Finding]:
    return [finding for finding in point.findings if finding.kind == kind]


def test_a_window_like_the_reference_has_nothing_to_tell() -> None:
    for seed in range(15):
        columns = drawn(400 + seed, 500)
        asked = captures(columns)
        point = look(summary(asked), outcomes(columns, asked))
        assert point.findings == ()
        assert {figure.kind for figure in point.quality} == {"measured", "estimated"}
        assert point.service is not None
        assert point.service.label_share == 1.0
        assert point.domain_auc == pytest.approx(0.5, abs=0.15)


def test_the_shares_of_chance_are_all_of_it() -> None:
    assert sum(findings.SHARES.values()) == pytest.approx(1)
    assert findings.chance(Monitor(false_alarms=0.1), "drift") == pytest.approx(0.04)


# --- drift -------------------------------------------------------------------------------------


def test_a_feature_that_the_model_relies_on_is_an_alert() -> None:
    point = look(summary(captures(drawn(7, 1000, moved=1.0))))
    subjects = [finding.subject for finding in of_kind(point, "drift")]
    assert set(subjects) == {"usage", ""}
    assert {finding.severity for finding in of_kind(point, "drift")} == {"alert"}
    (told,) = (finding for finding in point.findings if finding.subject == "usage")
    assert told.sentence.startswith("'usage' is spread otherwise than in training: the share of values below")
    assert told.value is not None
    assert told.limit is not None
    assert told.value > told.limit
    assert of_kind(point, "prediction_drift")[0].severity == "alert"
    assert of_kind(point, "domain_drift")[0].severity == "warn"
    further = look(summary(captures(drawn(7, 1000, moved=1.5))))
    assert of_kind(further, "domain_drift")[0].severity == "alert"


def test_a_feature_that_the_model_hardly_uses_is_a_warning() -> None:
    columns = drawn(7, 1000)
    columns["code"] = np.where(columns["code"] > 6, 12, columns["code"])
    point = look(summary(captures(columns)))
    (told,) = of_kind(point, "drift")
    assert (told.subject, told.severity) == ("code", "warn")
    assert told.sentence.endswith("the model hardly uses it")


def test_a_feature_that_has_moved_a_little_is_a_warning() -> None:
    point = look(summary(captures(drawn(7, 2000, moved=0.4))))
    (told,) = of_kind(point, "drift")
    assert (told.subject, told.severity) == ("usage", "warn")


def test_the_spec_says_what_is_worth_a_word_and_what_an_alert() -> None:
    of = summary(captures(drawn(7, 2000, moved=0.4)))
    assert not of_kind(look(of, drift=0.5, alert_drift=0.6), "drift")
    assert of_kind(look(of, alert_drift=0.12), "drift")[0].severity == "alert"


def test_dates_that_go_on_are_told_and_no_alert() -> None:
    point = look(summary(captures(drawn(7, 1000, days=1000))))
    assert {finding.subject for finding in point.findings} == {"since"}
    assert {finding.severity for finding in point.findings} == {"warn"}
    assert all("as time goes on" in finding.sentence for finding in point.findings)


def test_a_version_of_former_times_is_watched_by_its_features() -> None:
    point = look(summary(captures(drawn(7, 1000, moved=1.0)), KNOWN_BEFORE), known=KNOWN_BEFORE)
    assert (point.prediction, point.domain_auc, point.quality) == (None, None, ())
    assert of_kind(point, "drift")[0].severity == "alert"


def test_few_predictions_are_not_judged() -> None:
    point = look(summary(captures(drawn(7, 299, moved=3.0))))
    assert not point.sufficient
    assert (point.features, point.findings) == ((), ())
    assert look(summary(captures(drawn(7, 299, moved=3.0))), min_rows=200).findings


def test_whoever_asks_for_windows_of_so_many_rows_has_enough_in_each() -> None:
    assert look(summary(captures(drawn(7, 210, moved=3.0))), window=Windows(rows=200)).sufficient


def test_shares_are_kept_of_the_features_that_have_moved_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(points, "WITH_SHARES", 1)
    point = look(summary(captures(drawn(7, 1000, shares=(0.2, 0.3, 0.5)))))
    assert [feature.name for feature in point.features if feature.now] == ["plan"]
    assert len(point.features) == 4


# --- data quality ------------------------------------------------------------------------------


def spoilt(share: float, **changes: Any) -> Summary:
    """A window where a share of the rows has other inputs; a value that is Ellipsis is not sent."""
    asked = captures(drawn(7, 1000))
    for number in range(round(share * len(asked))):
        inputs = asked[number].inputs | changes
        sent = {name: value for name, value in inputs.items() if value is not ...}
        asked[number] = dataclasses.replace(asked[number], inputs=sent)
    return summary(asked)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"usage": None}, "of 'usage' is missing"),
        ({"usage": ...}, "of 'usage' is missing: calls come without the field"),
        ({"usage": "much"}, "of 'usage' cannot be read as what the column held (for example 'much')"),
        ({"usage": 1e6}, "of 'usage' is beyond the range of the training table"),
        ({"plan": "gold"}, "of 'plan' is a value that training has never seen (for example 'gold')"),
        ({"since": "04.03.2026"}, "of 'since' cannot be read as what the column held (for example '04.03.2026')"),
    ],
)
def test_a_fault_of_a_column_is_told_with_its_share(changes: dict[str, Any], words: str) -> None:
    (told,) = of_kind(look(spoilt(0.05, **changes)), "data_quality")
    assert told.sentence == f"5.0% {words}"
    assert (told.severity, told.value) == ("warn", 0.05)
    (told,) = of_kind(look(spoilt(0.3, **changes)), "data_quality")
    assert told.severity == "alert"
    assert not of_kind(look(spoilt(0.01, **changes)), "data_quality")


def test_what_was_missing_in_training_too_is_told_when_it_is_more() -> None:
    columns = tuple(
        dataclasses.replace(column, missing=800) if column.name == "usage" else column
        for column in KNOWN.profile.columns
    )
    known = dataclasses.replace(KNOWN, profile=dataclasses.replace(KNOWN.profile, columns=columns))
    assert not of_kind(look(spoilt(0.11, usage=None), known=known), "data_quality")
    (told,) = of_kind(look(spoilt(0.2, usage=None), known=known), "data_quality")
    assert told.sentence == "20.0% of 'usage' is missing; in training it was 10.0%"


def test_a_column_has_one_finding_its_worst() -> None:
    of = spoilt(0.3, usage="much")
    columns = tuple(
        dataclasses.replace(column, breaches=100) if column.name == "usage" else column for column in of.columns
    )
    (told,) = of_kind(look(dataclasses.replace(of, columns=columns)), "data_quality")
    assert "cannot be read" in told.sentence


# --- quality -----------------------------------------------------------------------------------


def test_outcomes_that_are_no_longer_as_learned_are_a_loss_of_quality() -> None:
    columns = drawn(7, 1000)
    asked = captures(columns)
    point = look(summary(asked), outcomes(columns, asked, flipped=0.2))
    (told,) = of_kind(point, "quality")
    assert KNOWN.reference is not None
    assert (told.severity, told.subject) == ("alert", "roc_auc")
    assert told.limit == KNOWN.reference.metrics["roc_auc"]
    assert told.sentence.startswith("The model has become worse: roc auc is 0.")
    assert not of_kind(point, "estimated_quality")


def figure(
    value: float, kind: Any = "measured", metric: str = "roc_auc", rows: int = 1000, **others: Any
) -> QualityFigure:
    width = 0.01
    return QualityFigure(metric, kind, value, value - width, value + width, rows, **({"reference": 0.84} | others))


def quality_of(*figures: QualityFigure, sufficient: bool = True) -> list[Finding]:
    point = MonitorPoint("churn", 1, END, END, 1000, sufficient, quality=figures)
    return findings.of_quality(findings.Evidence(point, KNOWN.profile, KNOWN.reference, None), Monitor())


def test_a_loss_is_told_when_it_is_more_than_chance_and_worth_a_word() -> None:
    assert quality_of(figure(0.75))[0].severity == "alert"
    assert quality_of(figure(0.81))[0].severity == "warn"
    assert not quality_of(figure(0.83))
    assert not quality_of(figure(0.95))
    unsure = dataclasses.replace(figure(0.75), low=0.6, high=0.9)
    assert not quality_of(unsure)


def test_of_an_error_more_is_worse() -> None:
    assert quality_of(figure(0.7, metric="log_loss", reference=0.5))[0].severity == "alert"
    assert not quality_of(figure(0.3, metric="log_loss", reference=0.5))


def test_only_the_deciding_metric_counts_and_a_reference_is_needed() -> None:
    assert not quality_of(figure(0.84), figure(0.1, metric="accuracy"))
    assert not quality_of(figure(0.1, reference=None))


def test_an_estimate_that_labels_contradict_is_a_warning_at_most() -> None:
    (told,) = quality_of(figure(0.7, "estimated"))
    assert (told.kind, told.severity) == ("estimated_quality", "alert")
    assert "is estimated, without labels, to be 0.7" in told.sentence
    assert quality_of(figure(0.84), figure(0.7, "estimated"))[0].severity == "warn"
    assert quality_of(figure(0.84, rows=400), figure(0.7, "estimated"))[0].severity == "alert"
    assert not quality_of(figure(0.7, "estimated"), sufficient=False)


def test_labels_that_come_later_renew_what_is_said_of_quality_alone() -> None:
    columns = drawn(7, 1000, moved=1.0)
    asked = captures(columns)
    before = look(summary(asked))
    counted = outcomes(columns, asked, flipped=0.3)
    after = points.with_labels(before, counted, "more", KNOWN, Monitor(), ())
    assert after.labels == "more"
    assert of_kind(after, "quality")[0].severity == "alert"
    assert of_kind(after, "drift") == of_kind(before, "drift")
    assert after.features == before.features
    assert after.service is not None
    assert after.service.label_share == 1.0
    assert {figure.kind for figure in after.quality} == {"measured", "estimated"}
    again = points.with_labels(after, None, "", KNOWN, Monitor(), ())
    assert again == dataclasses.replace(before, labels="")


# --- service -----------------------------------------------------------------------------------


def served(
    requests: int = 1000, milliseconds: float = 4.0, faults: tuple[TopValue, ...] = (), **statuses: int
) -> Summary:
    counts = {"200": requests - sum(statuses.values())} | {name[1:]: count for name, count in statuses.items()}
    latency = [0] * (len(LATENCY_EDGES) + 1)
    latency[sum(edge < milliseconds for edge in LATENCY_EDGES)] = requests
    return Summary(
        "churn",
        1,
        "2026-03-04T05:00:00Z",
        END,
        rows=counts["200"],
        requests=requests,
        statuses=counts,
        faults=faults,
        latency=tuple(latency),
        last_at="2026-03-04T05:30:00Z",
    )


def test_calls_that_fail_are_an_alert_with_what_they_were_answered() -> None:
    point = look(served(s500=30, faults=(TopValue("out of memory", 30),)))
    (told,) = point.findings
    assert (told.kind, told.severity, told.subject, told.value) == ("errors", "alert", "errors", 0.03)
    assert told.sentence == "3.0% of the calls fail: 30 of 1,000, mostly with 'out of memory'"


def test_a_few_failed_calls_are_chance() -> None:
    assert look(served(s500=10)).findings == ()
    assert look(served(requests=10, s500=2)).findings == ()
    assert look(served(requests=10, s500=8)).findings


def test_refused_calls_are_a_warning_and_many_an_alert() -> None:
    (told,) = look(served(s400=100)).findings
    assert (told.kind, told.severity, told.subject) == ("errors", "warn", "refused")
    (told,) = look(served(s400=300)).findings
    assert told.severity == "alert"
    assert len(look(served(s400=300, s500=100)).findings) == 2


def test_slow_calls() -> None:
    assert look(served(milliseconds=900)).findings == ()
    (told,) = look(served(milliseconds=1500)).findings
    assert (told.kind, told.severity) == ("latency", "warn")
    (told,) = look(served(milliseconds=4000)).findings
    assert told.severity == "alert"
    assert look(served(requests=49, milliseconds=4000)).findings == ()


def test_silence_and_age_are_told_when_the_spec_asks() -> None:
    before = look(served(), end="2026-03-04T06:00:00Z")
    silent = look(None, earlier=(before,), end="2026-03-05T06:00:00Z")
    assert silent.findings == ()
    assert (silent.rows, silent.sufficient) == (0, False)
    (told,) = look(None, earlier=(before,), end="2026-03-05T06:00:00Z", stale_hours=12).findings
    assert told.sentence == "There has been no prediction for 24 hours"
    assert (told.kind, told.severity) == ("staleness", "alert")
    (told,) = look(served(), stale_days=20).findings
    assert told.sentence == "The model's training table is 30 days old"
    assert told.severity == "warn"
    assert look(served(), stale_days=10).findings[0].severity == "alert"


# --- since when --------------------------------------------------------------------------------


def test_a_finding_knows_the_first_window_of_its_series() -> None:
    first = look(served(s500=30), end="2026-03-04T06:00:00Z")
    assert first.findings[0].since == "2026-03-04T06:00:00Z"
    second = look(served(s500=30), earlier=(first,), end="2026-03-04T07:00:00Z")
    assert second.findings[0].since == "2026-03-04T06:00:00Z"
    well = MonitorPoint("churn", 1, END, "2026-03-04T08:00:00Z", 1000, True)
    again = look(served(s500=30), earlier=(first, second, well), end="2026-03-04T09:00:00Z")
    assert again.findings[0].since == "2026-03-04T09:00:00Z"


def test_a_window_that_could_not_be_judged_does_not_break_the_series() -> None:
    first = look(served(s500=30), end="2026-03-04T06:00:00Z")
    few = MonitorPoint("churn", 1, END, "2026-03-04T07:00:00Z", 3, False)
    later = MonitorPoint("churn", 1, END, "2026-03-04T09:00:00Z", 3, True)
    third = look(served(s500=30), earlier=(later, few, first), end="2026-03-04T08:00:00Z")
    assert third.findings[0].since == "2026-03-04T06:00:00Z"


def test_alerts_come_first() -> None:
    point = look(served(s400=100, s500=100, milliseconds=1500))
    assert [finding.severity for finding in point.findings] == ["alert", "warn", "warn"]
