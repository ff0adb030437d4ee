"""What a rollout is judged by: both versions' answers over the same time, counted over the same bins."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from tidemill.contracts import Capture, Profile, Signature
from tidemill.monitoring import labelled, quality, summaries
from tidemill.monitoring_contracts import QualityFigure, Reference, Summary
from tidemill.release_contracts import Rollout
from tidemill.rules.rollout import Observed


def observed(
    rollout: Rollout,
    captures: Iterable[Capture],
    outcomes: Iterable[Mapping[str, Any]],
    profile: Profile,
    signature: Signature,
    reference: Reference | None,
) -> tuple[Observed, Observed]:
    """What was seen of the champion and of the version that is let in.

    Calls are counted since the step began. True outcomes come late, so quality is of all predictions since the rollout
    began, those of the shadow included: whom an answer was given to makes no difference to whether it was right.

    Parameters
    ----------
    captures
        of any time and version; those of the step are taken.
    outcomes
        predictions whose outcome is known, as `aws.monitoring_files` gives them.
    profile, signature, reference
        the champion's, for both versions. Without a reference, predictions and quality are not compared.
    """
    # What callers send is not compared: it is the same for both.
    bare = dataclasses.replace(profile, columns=())
    step = [capture for capture in captures if capture.at >= rollout.step_started_at]
    found = {(item.version, item.shadow): item for item in summaries.summarize(step, bare, signature, reference, None)}
    figures = _quality(rollout, outcomes, signature, reference) if reference is not None else {}

    def of(version: int | None, shadow: bool) -> Observed:
        summary: Summary | None = found.get((version or 0, shadow))
        return Observed.of(summary, figures.get(version or 0))

    return of(rollout.champion, False), of(rollout.version, rollout.state == "SHADOW")


def _quality(
    rollout: Rollout, outcomes: Iterable[Mapping[str, Any]], signature: Signature, reference: Reference
) -> dict[int, QualityFigure]:
    """The deciding metric of each version, over its predictions whose outcome is known."""
    rows = [row for row in outcomes if row["at"] >= rollout.started_at]
    actuals = {row["id"]: row["actual"] for row in rows}
    counted = labelled.count([_capture(rollout.model, row) for row in rows], actuals, signature, reference)
    measured = {item.version: quality.measured(item, reference) for item in counted}
    return {version: figures[0] for version, figures in measured.items() if figures}


def _capture(model: str, row: Mapping[str, Any]) -> Capture:
    """A row as the capture that it was made from, as an answer that somebody got."""
    return Capture(
        prediction_id=row["id"],
        at=row["at"],
        model=model,
        version=row["version"],
        inputs={},
        prediction=row["output"],
        alias=row["alias"] or "champion",
        scale=row["scale"],
    )
