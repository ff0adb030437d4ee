"""The text of /metrics: what Prometheus' own checker says of it, and what it says of a model."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from pathlib import Path
from typing import get_args

import pytest

from tidemill.model_standing import Champion, LastRun, ModelStanding
from tidemill.monitoring_contracts import (
    LATENCY_EDGES,
    Decision,
    FeatureDrift,
    Finding,
    FindingKind,
    MonitorPoint,
    QualityFigure,
    Retraining,
    ServiceFigures,
    Totals,
    WatchState,
)
from tidemill.release_contracts import Rollout, RolloutPlan, Share, Traffic
from tidemill.reports.metrics_text import render

UNPACKED = Path(__file__).parents[3] / ".venvs" / "prometheus" / "usr" / "bin" / "promtool"
PROMTOOL = str(UNPACKED) if UNPACKED.exists() else shutil.which("promtool")
END = "2026-03-04T06:00:00Z"
EPOCH = 1772604000.0  # END


def drift(name: str, psi: float = 0.31) -> FeatureDrift:
    return FeatureDrift(
        name, 1000, psi, 0.2, 0.4, "kolmogorov_smirnov", 0.2, 1e-9, 1e-8, 0.1, psi > 0.1, importance=0.25
    )


SERVICE = ServiceFigures(1010, 7, 3, 20.0, 90.0, 250.0, 0.004, "2026-03-04T05:59:30Z", 12.5, label_share=0.4)
POINT = MonitorPoint(
    "churn",
    3,
    "2026-03-03T06:00:00Z",
    END,
    1000,
    True,
    features=(drift("tenure"), drift('say "hi"\\\n', 0.01)),
    prediction=drift("prediction", 0.2),
    domain_auc=0.71,
    quality=(QualityFigure("roc_auc", "estimated", 0.79, 0.75, 0.82, 1000, 0.84),),
    service=SERVICE,
    findings=(
        Finding("drift", "alert", "tenure", "tenure has moved"),
        Finding("drift", "alert", "monthly", "monthly has moved"),
        Finding("drift", "warn", "other", "other has moved a little"),
    ),
    weighted_drift=0.12,
    usd=0.0001,
)
EARLIER = dataclasses.replace(
    POINT,
    end="2026-03-03T06:00:00Z",
    features=(drift("tenure", 0.05),),
    quality=(
        QualityFigure("roc_auc", "measured", 0.81, 0.78, 0.85, 400, 0.84),
        QualityFigure("roc_auc", "estimated", 0.8, 0.75, 0.82, 1000, 0.84),
    ),
)
STANDING = ModelStanding(
    "churn",
    Champion(3, "binary", "roc_auc", 0.84, "2026-02-20T00:00:00Z"),
    frozen=True,
    traffic=Traffic("churn", (Share(4, 0.1),), 5, 0.5),
    rollout=Rollout(
        "f" * 32, "churn", 4, 3, "f" * 32, RolloutPlan((0.1, 1.0), 60), "BAKING", 0, 0, END, END, "ann", ""
    ),
    watch=WatchState("churn", END, totals={"3": Totals(990, 1010, 7, 3, (0, 10, 1000, *(0,) * 11), 2500.0)}),
    points=(POINT, dataclasses.replace(POINT, version=5, shadow=True), EARLIER),
    decisions=(
        Decision("1", "churn", 3, END, "rule 1", "alert", True, "", END),
        Decision("2", "churn", 3, END, "rule 1", "retrain", False, "too soon", END),
    ),
    retrainings=(Retraining("r" * 32, "churn", END, "tidemill", "rule", "drift", "all"),),
    approvals=2,
    last_run=LastRun("WAITING_FOR_APPROVAL", END, 61.5, 0.0021),
)


def series(*standings: ModelStanding) -> dict[str, float]:
    """Values by name and labels, as they are written."""
    lines = [line for line in render(standings, "abc").splitlines() if not line.startswith("#")]
    found = dict(line.rsplit(" ", 1) for line in lines)
    assert len(found) == len(lines)
    return {name: float(value) for name, value in found.items()}


def of(found: dict[str, float], name: str) -> dict[str, float]:
    """The series of one name, by their labels but the model's."""
    start = f'tidemill_{name}{{model="churn"'
    return {key.removeprefix(start).strip(",}"): value for key, value in found.items() if key.startswith(start)}


@pytest.mark.skipif(PROMTOOL is None, reason="no promtool here: `make test` unpacks Debian's")
@pytest.mark.parametrize(
    "standings",
    [[], [ModelStanding("empty")], [STANDING, dataclasses.replace(STANDING, model="other"), ModelStanding("empty")]],
    ids=["nothing", "new", "everything"],
)
def test_the_checker_of_prometheus_finds_nothing(standings: list[ModelStanding]) -> None:
    text = render(standings, "abc")
    checked = subprocess.run([PROMTOOL, "check", "metrics"], input=text, capture_output=True, text=True, timeout=30)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_the_version_in_service_and_who_gets_the_calls() -> None:
    found = series(STANDING)
    assert of(found, "model_info") == {'version="3",task="binary",metric="roc_auc"': 1}
    assert of(found, "traffic_ratio") == {'version="3"': 0.9, 'version="4"': 0.1}
    assert of(found, "shadow_ratio") == {'version="5"': 0.5}
    assert of(found, "model_frozen") == {"": 1}
    assert of(found, "rollout_step") == {'version="4"': 1}
    assert of(found, "rollout_state")['version="4",state="baking"'] == 1
    assert sum(of(found, "rollout_state").values()) == 1
    assert of(found, "approvals_waiting") == {"": 2}
    assert of(found, "last_run_timestamp_seconds") == {'status="waiting_for_approval"': EPOCH}


def test_a_version_that_was_taken_back_is_at_no_step() -> None:
    assert STANDING.rollout is not None
    ended = dataclasses.replace(STANDING, rollout=dataclasses.replace(STANDING.rollout, state="ROLLED_BACK"))
    assert of(series(ended), "rollout_step") == {'version="4"': 0}


def test_what_was_answered_in_all_in_base_units() -> None:
    found = series(STANDING)
    assert of(found, "requests_total") == {'version="3"': 1010}
    assert of(found, "predictions_total") == {'version="3"': 990}
    assert of(found, "request_errors_total") == {'version="3"': 7}
    buckets = of(found, "request_duration_seconds_bucket")
    assert len(buckets) == len(LATENCY_EDGES) + 1
    assert [buckets[f'version="3",le="{le}"'] for le in ("0.001", "0.002", "0.005", "+Inf")] == [0, 10, 1010, 1010]
    assert of(found, "request_duration_seconds_sum") == {'version="3"': 2.5}
    assert of(found, "request_duration_seconds_count") == {'version="3"': 1010}


def test_the_newest_window_counts_and_copies_are_told_apart() -> None:
    found = series(STANDING)
    assert of(found, "window_end_timestamp_seconds") == {
        'version="3",traffic="live"': EPOCH,
        'version="5",traffic="shadow"': EPOCH,
    }
    assert of(found, "feature_drift_psi")['version="3",traffic="live",feature="tenure"'] == 0.31
    assert of(found, "window_duration_seconds")['version="3",traffic="live",percentile="95"'] == 0.09
    assert of(found, "prediction_cost_dollars")['version="3",traffic="live"'] == pytest.approx(4e-6)
    assert of(found, "model_age_seconds")['version="3",traffic="live"'] == 12.5 * 86400


def test_quality_is_of_the_newest_window_that_has_it() -> None:
    found = series(STANDING)
    live = 'version="3",traffic="live",metric="roc_auc",kind='
    quality = of(found, "quality")
    assert quality[f'{live}"measured"'] == 0.81
    assert quality[f'{live}"estimated"'] == 0.79
    assert of(found, "quality_window_end_timestamp_seconds")[f'{live}"measured"'] == EPOCH - 86400
    assert of(found, "quality_reference")[f'{live}"estimated"'] == 0.84


def test_what_could_be_found_or_decided_is_there_with_zero() -> None:
    found = series(STANDING)
    findings = of(found, "findings")
    live = {key: value for key, value in findings.items() if 'version="3"' in key}
    assert len(live) == 2 * len(get_args(FindingKind))
    assert live['version="3",traffic="live",kind="drift",severity="alert"'] == 2
    assert live['version="3",traffic="live",kind="errors",severity="alert"'] == 0
    assert of(found, "recent_decisions")['action="retrain",acted="false"'] == 1
    assert of(found, "recent_decisions")['action="retrain",acted="true"'] == 0
    assert of(found, "recent_retrainings")['trigger="rule"'] == 1
    assert of(found, "recent_retrainings")['trigger="schedule"'] == 0


def test_a_label_can_hold_any_text() -> None:
    assert r'feature="say \"hi\"\\\n"}' in render([STANDING], "abc")


def test_a_model_that_nobody_has_looked_at_says_little() -> None:
    found = series(ModelStanding("empty"))
    assert not any(name.startswith(("tidemill_window", "tidemill_last_look", "tidemill_model_info")) for name in found)
    assert found['tidemill_approvals_waiting{model="empty"}'] == 0
