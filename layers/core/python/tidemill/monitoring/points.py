"""One window of one model version: from what was counted to a point of the time series."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tidemill.contracts import Profile, Signature
from tidemill.monitoring import domain_classifier, estimation, feature_drift, findings, quality, service
from tidemill.monitoring.findings import Evidence, chance
from tidemill.monitoring.reference import ReferenceRows
from tidemill.monitoring_contracts import FeatureDrift, Labelled, MonitorPoint, QualityFigure, Reference, Summary
from tidemill.spec import Monitor

#: Features that a point has the shares of all bins of: those that have moved most.
WITH_SHARES = 50


class VersionFiles(Protocol):
    """What is needed of `aws.version_files.VersionFiles`, which says what each does."""

    def profile(self, model: str, version: int) -> Profile:
        """Of the training table."""

    def signature(self, model: str, version: int) -> Signature:
        """Of the version."""

    def reference(self, model: str, version: int) -> Reference | None:
        """The version on its holdout."""

    def reference_rows(self, model: str, version: int) -> bytes | None:
        """The packed sample of the holdout."""


@dataclass(frozen=True)
class Known:
    """What is stored of a model version, for production to be compared with."""

    profile: Profile
    signature: Signature
    reference: Reference | None = None  #: of versions that were registered before monitoring existed, there is none
    rows: ReferenceRows | None = None

    @classmethod
    def of(cls, model: str, files: VersionFiles, version: int) -> Known:
        """Read what is stored of a version. Raises NotFound, StorageError, ContractError."""
        rows = files.reference_rows(model, version)
        return cls(
            files.profile(model, version),
            files.signature(model, version),
            files.reference(model, version),
            None if rows is None else ReferenceRows.load(rows),
        )


@dataclass(frozen=True)
class Counted:
    """What was counted of a window."""

    model: str
    version: int
    start: str
    end: str
    shadow: bool
    summary: Summary | None  #: None without any call
    labelled: Labelled | None  #: None without any label
    parts: str  #: what it was counted from: see MonitorPoint
    labels: str
    whole: bool = True


def of_window(
    counted: Counted, known: Known, options: Monitor, earlier: Sequence[MonitorPoint], *, looked_at: str, memory_mb: int
) -> MonitorPoint:
    """Look at a window: drift, quality, service, and what is to be said of it.

    Parameters
    ----------
    earlier
        points of the same version and kind of answers that end before, in any order.
    looked_at
        the time of the look.
    memory_mb
        of the function that predicts.
    """
    summary, reference = counted.summary, known.reference
    rows = summary.rows if summary else 0
    if not rows:  # labels of its hours are those of other windows' predictions
        counted = dataclasses.replace(counted, labelled=None)
    share = min(1.0, counted.labelled.rows / rows) if counted.labelled else 0.0
    figures = service.figures(
        summary,
        reference,
        end=counted.end,
        last_prediction_at=_last_prediction(earlier),
        label_share=share,
        memory_mb=memory_mb,
    )
    point = MonitorPoint(
        model=counted.model,
        version=counted.version,
        start=counted.start,
        end=counted.end,
        rows=rows,
        sufficient=rows >= enough(options),
        shadow=counted.shadow,
        quality=_quality(counted, reference, options),
        service=figures,
        looked_at=looked_at,
        parts=counted.parts,
        labels=counted.labels,
        whole=counted.whole,
    )
    if summary is not None and point.sufficient:
        point = _with_drift(point, summary, known, options)
    evidence = Evidence(point, known.profile, reference, summary)
    return dataclasses.replace(point, findings=findings.found(evidence, options, earlier))


def enough(options: Monitor) -> int:
    """Predictions that a window must have to be judged; whoever asks for windows of so many rows has enough of them."""
    return min(options.min_rows, options.window.rows or options.min_rows)


def with_labels(
    point: MonitorPoint,
    labelled: Labelled | None,
    labels: str,
    known: Known,
    options: Monitor,
    earlier: Sequence[MonitorPoint],
) -> MonitorPoint:
    """A point after labels of its window have come: what was measured, and what is said of quality, is new.

    Parameters
    ----------
    labels
        the new mark of the window's labels.
    """
    measured = _measured(labelled, known.reference) if point.rows else ()
    estimated = tuple(figure for figure in point.quality if figure.kind == "estimated")
    share = min(1.0, labelled.rows / point.rows) if labelled and point.rows else 0.0
    seen = dataclasses.replace(point.service, label_share=round(share, 6)) if point.service else None
    renewed = dataclasses.replace(point, quality=measured + estimated, service=seen, labels=labels)
    evidence = Evidence(renewed, known.profile, known.reference, None)
    other = [finding for finding in point.findings if finding.kind not in ("quality", "estimated_quality")]
    return dataclasses.replace(
        renewed, findings=findings.with_since(other + findings.of_quality(evidence, options), renewed, earlier)
    )


def _with_drift(point: MonitorPoint, summary: Summary, known: Known, options: Monitor) -> MonitorPoint:
    reference = known.reference
    features = feature_drift.features(
        summary, known.profile, reference, floor=options.drift, false_alarms=chance(options, "drift")
    )
    said = domain = None
    if reference is not None:
        said = feature_drift.prediction(
            summary, reference, floor=options.drift, false_alarms=chance(options, "prediction_drift")
        )
    if known.rows is not None:
        domain = domain_classifier.compare(
            summary.sample, known.rows, known.signature, reference, false_alarms=chance(options, "domain_drift")
        )
    return dataclasses.replace(
        point,
        features=_slim(features),
        prediction=said,
        domain_auc=domain.auc if domain else None,
        domain_low=domain.low if domain else None,
        weighted_drift=round(feature_drift.weighted(features, known.profile), 6),
    )


def _slim(features: Sequence[FeatureDrift]) -> tuple[FeatureDrift, ...]:
    """Without the shares of features that nobody will look at, so that a point of a thousand features stays small."""
    moved = sorted(features, key=lambda item: (item.drifted, item.psi / item.limit), reverse=True)
    kept = {item.name for item in moved[:WITH_SHARES]}
    return tuple(item if item.name in kept else dataclasses.replace(item, before=(), now=()) for item in features)


def _quality(counted: Counted, reference: Reference | None, options: Monitor) -> tuple[QualityFigure, ...]:
    """What was measured, then what is estimated; the deciding metric first in both."""
    summary = counted.summary
    if reference is None or summary is None or summary.rows < enough(options):
        return _measured(counted.labelled, reference)
    return _measured(counted.labelled, reference) + estimation.estimated(summary, reference)


def _measured(labelled: Labelled | None, reference: Reference | None) -> tuple[QualityFigure, ...]:
    return quality.measured(labelled, reference) if labelled and reference else ()


def _last_prediction(earlier: Sequence[MonitorPoint]) -> str | None:
    times = [point.service.last_prediction_at for point in earlier if point.service]
    return max(filter(None, times), default=None)
