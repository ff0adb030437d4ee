"""The series of `/metrics`: names, units, help, and what of a model's standing each is made from.

Names, units and labels follow Prometheus' conventions (https://prometheus.io/docs/practices/naming/). What watching has
found is about a window, and so a gauge; what versions have answered in all is a counter. A finding, decision or
retraining that there could be is there with 0, so that rules and pictures see it come.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias, get_args

from tidemill.contracts import field_types
from tidemill.model_standing import Champion, LastRun, ModelStanding
from tidemill.monitoring_contracts import (
    LATENCY_EDGES,
    ActionName,
    FeatureDrift,
    FindingKind,
    MonitorPoint,
    QualityFigure,
    Retraining,
    ServiceFigures,
    Totals,
    WatchState,
)
from tidemill.release_contracts import Rollout, RolloutState

PREFIX = "tidemill_"
DAY = 86_400.0
#: Seconds, as bucket labels.
EDGES = (*(repr(milliseconds / 1000) for milliseconds in LATENCY_EDGES), "+Inf")

Labels: TypeAlias = "dict[str, str]"
#: What is added to the family's name; labels; value.
Sample: TypeAlias = "tuple[str, Labels, float]"
#: Labels beyond the model's and the version's, and the value, which may be unknown.
Figures: TypeAlias = "Iterable[tuple[Labels, float | None]]"
Samples: TypeAlias = "Callable[[ModelStanding], Iterator[Sample]]"


@dataclass(frozen=True)
class Family:
    """All series of one name."""

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    help: str
    samples: Samples


# --- from a standing to samples ----------------------------------------------------------------


def _of_model(figures: Callable[[ModelStanding], Figures]) -> Samples:
    def samples(standing: ModelStanding) -> Iterator[Sample]:
        for labels, value in figures(standing):
            if value is not None:
                yield "", {"model": standing.model} | labels, value

    return samples


def _of_champion(figure: Callable[[Champion], float | None]) -> Samples:
    def figures(standing: ModelStanding) -> Figures:
        if champion := standing.champion:
            yield {"version": str(champion.version)}, figure(champion)

    return _of_model(figures)


def _of_run(figure: Callable[[LastRun], float | None]) -> Samples:
    def figures(standing: ModelStanding) -> Figures:
        if run := standing.last_run:
            yield {"status": run.status.lower()}, figure(run)

    return _of_model(figures)


def _of_rollout(figures: Callable[[Rollout], Figures]) -> Samples:
    def each(standing: ModelStanding) -> Figures:
        if rollout := standing.rollout:
            for labels, value in figures(rollout):
                yield {"version": str(rollout.version)} | labels, value

    return _of_model(each)


def _of_watch(figure: Callable[[WatchState], float | None]) -> Samples:
    return _of_model(lambda standing: [({}, figure(standing.watch))] if standing.watch else [])


def _of_totals(figure: Callable[[Totals], float]) -> Samples:
    return _of_model(lambda standing: [(labels, figure(totals)) for labels, totals in _totals(standing)])


def _of_window(figures: Callable[[MonitorPoint], Figures]) -> Samples:
    """Of the newest window of each version."""

    def each(standing: ModelStanding) -> Figures:
        for point in _newest(standing.points):
            for labels, value in figures(point):
                yield _about(point) | labels, value

    return _of_model(each)


def _of_service(figures: Callable[[ServiceFigures], Figures]) -> Samples:
    return _of_window(lambda point: figures(point.service) if point.service else [])


def _of_drift(figure: Callable[[FeatureDrift], float]) -> Samples:
    return _of_window(lambda point: [({"feature": drift.name}, figure(drift)) for drift in point.features])


def _of_quality(figure: Callable[[MonitorPoint, QualityFigure], float | None]) -> Samples:
    """Of each version, metric and kind, what the newest window says that has it: labels come late."""

    def each(standing: ModelStanding) -> Figures:
        seen = set()
        for point in standing.points:
            for quality in point.quality:
                labels = _about(point) | {"metric": quality.metric, "kind": quality.kind}
                if (key := tuple(labels.values())) not in seen:
                    seen.add(key)
                    yield labels, figure(point, quality)

    return _of_model(each)


def _newest(points: Iterable[MonitorPoint]) -> Iterable[MonitorPoint]:
    newest: dict[tuple[int, bool], MonitorPoint] = {}
    for point in points:
        newest.setdefault((point.version, point.shadow), point)
    return newest.values()


def _about(point: MonitorPoint) -> Labels:
    return {"version": str(point.version), "traffic": "shadow" if point.shadow else "live"}


def _totals(standing: ModelStanding) -> Iterator[tuple[Labels, Totals]]:
    for version, totals in sorted((standing.watch.totals if standing.watch else {}).items()):
        yield {"version": version}, totals


def _since_1970(moment: str | None) -> float | None:
    return datetime.fromisoformat(moment).timestamp() if moment else None


# --- figures that are more than a field --------------------------------------------------------


def _info(standing: ModelStanding) -> Figures:
    if champion := standing.champion:
        yield {"version": str(champion.version), "task": champion.task, "metric": champion.metric}, 1


def _holdout(standing: ModelStanding) -> Figures:
    if champion := standing.champion:
        yield {"version": str(champion.version), "metric": champion.metric}, champion.value


def _shares(standing: ModelStanding) -> Figures:
    """What part of the calls each version answers; the champion what the others leave."""
    shares = {share.version: share.weight for share in (standing.traffic.shares if standing.traffic else ())}
    if champion := standing.champion:
        left = 1.0 - sum(shares.values())
        shares[champion.version] = shares.get(champion.version, 0.0) + left
    return [({"version": str(version)}, weight) for version, weight in sorted(shares.items())]


def _copies(standing: ModelStanding) -> Figures:
    traffic = standing.traffic
    if traffic and traffic.shadow_version is not None:
        yield {"version": str(traffic.shadow_version)}, traffic.shadow_fraction


def _step(rollout: Rollout) -> int:
    """The number of the step, from 1; 0 before the first one, and when the version was taken back."""
    return 0 if rollout.state in ("SHADOW", "ROLLED_BACK") else rollout.step + 1


def _states(rollout: Rollout) -> Figures:
    return [({"state": state.lower()}, int(rollout.state == state)) for state in get_args(RolloutState)]


def _durations(standing: ModelStanding) -> Iterator[Sample]:
    for labels, totals in _totals(standing):
        about = {"model": standing.model} | labels
        counts = itertools.accumulate(totals.latency or (0,) * len(EDGES))
        yield from (("_bucket", about | {"le": edge}, count) for edge, count in zip(EDGES, counts, strict=True))
        yield "_sum", about, totals.latency_total / 1000
        yield "_count", about, sum(totals.latency)


def _percentiles(service: ServiceFigures) -> Figures:
    for percentile, value in (("50", service.p50_ms), ("95", service.p95_ms), ("99", service.p99_ms)):
        yield {"percentile": percentile}, None if value is None else value / 1000


def _findings(point: MonitorPoint) -> Figures:
    found: Counter[tuple[str, str]] = Counter((finding.kind, finding.severity) for finding in point.findings)
    for kind, severity in itertools.product(get_args(FindingKind), ("warn", "alert")):
        yield {"kind": kind, "severity": severity}, found[kind, severity]


def _decisions(standing: ModelStanding) -> Figures:
    made = Counter((decision.action, decision.acted) for decision in standing.decisions)
    for action, acted in itertools.product(get_args(ActionName), (True, False)):
        yield {"action": action, "acted": str(acted).lower()}, made[action, acted]


def _retrainings(standing: ModelStanding) -> Figures:
    asked = Counter(retraining.trigger for retraining in standing.retrainings)
    return [({"trigger": trigger}, asked[trigger]) for trigger in get_args(field_types(Retraining)["trigger"])]


# --- the families ------------------------------------------------------------------------------

_IN_SERVICE = (
    Family("model_info", "gauge", "The version in service and what it is; always 1.", _of_model(_info)),
    Family(
        "model_created_timestamp_seconds",
        "gauge",
        "When the version in service was registered, seconds since 1970.",
        _of_champion(lambda champion: _since_1970(champion.created_at)),
    ),
    Family(
        "model_holdout_quality",
        "gauge",
        "The deciding metric of the version in service, on the holdout of its training.",
        _of_model(_holdout),
    ),
    Family(
        "model_frozen",
        "gauge",
        "Whether the promotions of the model are frozen: 1 or 0.",
        _of_model(lambda standing: [({}, int(standing.frozen))]),
    ),
    Family("traffic_ratio", "gauge", "Share of the calls that a version answers, 0 to 1.", _of_model(_shares)),
    Family("shadow_ratio", "gauge", "Share of the calls that a version gets copies of, 0 to 1.", _of_model(_copies)),
    Family(
        "rollout_step",
        "gauge",
        "Step of the newest rollout, from 1; 0 before the first one and after a rollback.",
        _of_rollout(lambda rollout: [({}, _step(rollout))]),
    ),
    Family(
        "rollout_steps", "gauge", "Steps of the newest rollout.", _of_rollout(lambda it: [({}, len(it.plan.steps))])
    ),
    Family("rollout_state", "gauge", "State of the newest rollout: 1 for the one it is in.", _of_rollout(_states)),
    Family(
        "rollout_step_timestamp_seconds",
        "gauge",
        "When the newest rollout's step began, seconds since 1970.",
        _of_rollout(lambda rollout: [({}, _since_1970(rollout.step_started_at))]),
    ),
    Family(
        "approvals_waiting",
        "gauge",
        "Releases of the model that wait for people.",
        _of_model(lambda standing: [({}, standing.approvals)]),
    ),
    Family(
        "last_run_timestamp_seconds",
        "gauge",
        "When the newest training run began, seconds since 1970, and what became of it.",
        _of_run(lambda run: _since_1970(run.started_at)),
    ),
    Family(
        "last_run_duration_seconds", "gauge", "How long the newest training run took.", _of_run(lambda run: run.seconds)
    ),
    Family("last_run_cost_dollars", "gauge", "What the newest training run cost.", _of_run(lambda run: run.usd)),
)

_ANSWERED = (
    Family("predictions_total", "counter", "Predictions that were given.", _of_totals(lambda it: it.predictions)),
    Family("requests_total", "counter", "Calls, refused and failed ones included.", _of_totals(lambda it: it.requests)),
    Family("request_errors_total", "counter", "Calls that failed, status 5xx.", _of_totals(lambda it: it.errors)),
    Family("request_refusals_total", "counter", "Calls that were refused, 4xx.", _of_totals(lambda it: it.refused)),
    Family("request_duration_seconds", "histogram", "How long calls took inside the function.", _durations),
)

_SEEN = (
    Family(
        "last_look_timestamp_seconds",
        "gauge",
        "When the model was last looked at, seconds since 1970.",
        _of_watch(lambda watch: _since_1970(watch.looked_at)),
    ),
    Family(
        "window_start_timestamp_seconds",
        "gauge",
        "Start of the newest window, seconds since 1970.",
        _of_window(lambda point: [({}, _since_1970(point.start))]),
    ),
    Family(
        "window_end_timestamp_seconds",
        "gauge",
        "End of the newest window, seconds since 1970.",
        _of_window(lambda point: [({}, _since_1970(point.end))]),
    ),
    Family(
        "window_predictions",
        "gauge",
        "Predictions in the newest window.",
        _of_window(lambda point: [({}, point.rows)]),
    ),
    Family(
        "window_sufficient",
        "gauge",
        "Whether the newest window has enough predictions to be judged: 1 or 0.",
        _of_window(lambda point: [({}, int(point.sufficient))]),
    ),
    Family(
        "window_requests", "gauge", "Calls in the newest window.", _of_service(lambda service: [({}, service.requests)])
    ),
    Family(
        "window_errors",
        "gauge",
        "Calls in the newest window that failed, status 5xx.",
        _of_service(lambda service: [({}, service.errors)]),
    ),
    Family(
        "window_refusals",
        "gauge",
        "Calls in the newest window that were refused, status 4xx.",
        _of_service(lambda service: [({}, service.refused)]),
    ),
    Family(
        "window_duration_seconds",
        "gauge",
        "Percentiles of how long calls of the newest window took.",
        _of_service(_percentiles),
    ),
    Family(
        "prediction_cost_dollars",
        "gauge",
        "What one prediction of the newest window cost.",
        _of_service(lambda it: [({}, None if it.usd_per_thousand is None else it.usd_per_thousand / 1000)]),
    ),
    Family(
        "labelled_ratio",
        "gauge",
        "Share of the newest window's predictions whose outcome is known, 0 to 1.",
        _of_service(lambda service: [({}, service.label_share)]),
    ),
    Family(
        "last_prediction_timestamp_seconds",
        "gauge",
        "When the newest prediction was given, seconds since 1970.",
        _of_service(lambda service: [({}, _since_1970(service.last_prediction_at))]),
    ),
    Family(
        "model_age_seconds",
        "gauge",
        "Age of the training table at the end of the newest window.",
        _of_service(lambda it: [({}, None if it.model_age_days is None else it.model_age_days * DAY)]),
    ),
)

_FOUND = (
    Family(
        "feature_drift_psi",
        "gauge",
        "Population stability index of a feature, the newest window against the holdout.",
        _of_drift(lambda drift: drift.psi),
    ),
    Family(
        "feature_drift_limit_psi",
        "gauge",
        "The index above which the feature counts as drifted.",
        _of_drift(lambda drift: drift.limit),
    ),
    Family(
        "feature_drifted",
        "gauge",
        "Whether the feature has drifted: 1 or 0; beyond the limit and beyond chance.",
        _of_drift(lambda drift: int(drift.drifted)),
    ),
    Family(
        "feature_importance_ratio",
        "gauge",
        "The feature's share of all features' importance, 0 to 1.",
        _of_drift(lambda drift: drift.importance),
    ),
    Family(
        "prediction_drift_psi",
        "gauge",
        "Population stability index of the predictions, the newest window against the holdout.",
        _of_window(lambda point: [({}, point.prediction.psi if point.prediction else None)]),
    ),
    Family(
        "weighted_drift_psi",
        "gauge",
        "Mean of the features' population stability indices, weighted by importance.",
        _of_window(lambda point: [({}, point.weighted_drift)]),
    ),
    Family(
        "domain_auc",
        "gauge",
        "How well a classifier tells the newest window from the holdout; 0.5: not at all.",
        _of_window(lambda point: [({}, point.domain_auc)]),
    ),
    Family(
        "quality",
        "gauge",
        "A metric in production: measured with labels, or estimated without.",
        _of_quality(lambda _, quality: quality.value),
    ),
    Family(
        "quality_low", "gauge", "Lower end of the metric's 95% interval.", _of_quality(lambda _, quality: quality.low)
    ),
    Family(
        "quality_high", "gauge", "Upper end of the metric's 95% interval.", _of_quality(lambda _, quality: quality.high)
    ),
    Family(
        "quality_reference",
        "gauge",
        "The metric on the holdout.",
        _of_quality(lambda _, quality: quality.reference),
    ),
    Family(
        "quality_window_end_timestamp_seconds",
        "gauge",
        "End of the window that the metric is of, seconds since 1970.",
        _of_quality(lambda point, _: _since_1970(point.end)),
    ),
    Family("findings", "gauge", "What was found in the newest window, by kind and severity.", _of_window(_findings)),
)

_DONE = (
    Family(
        "recent_decisions",
        "gauge",
        "What the rules have decided in the last 24 hours, and whether it was done.",
        _of_model(_decisions),
    ),
    Family(
        "recent_retrainings",
        "gauge",
        "Trainings in the last 30 days that no upload of a person has started.",
        _of_model(_retrainings),
    ),
    Family(
        "look_cost_dollars",
        "gauge",
        "What the newest look at the version has cost.",
        _of_window(lambda point: [({}, point.usd)]),
    ),
)

FAMILIES = (*_IN_SERVICE, *_ANSWERED, *_SEEN, *_FOUND, *_DONE)
