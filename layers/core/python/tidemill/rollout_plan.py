"""How a version is let in step by step, and where that begins.

Standard library, contracts and spec only, so that whoever begins a rollout may import it: the deploy stage, the HTTP
API, the command.
"""

from __future__ import annotations

import dataclasses
import math

from tidemill.release_contracts import Rollout, RolloutPlan, RolloutRequest, RolloutState
from tidemill.spec import RolloutOptions


def plan(options: RolloutOptions) -> RolloutPlan:
    """The steps that the spec asks for."""
    share = options.share
    if options.strategy == "all_at_once" or share >= 1:
        steps: tuple[float, ...] = (1.0,)
    elif options.strategy == "canary":
        steps = (share, 1.0)
    else:
        steps = (*(round(share * step, 6) for step in range(1, math.ceil(1 / share - 1e-9))), 1.0)
    return RolloutPlan(
        steps=steps,
        bake_seconds=options.bake_minutes * 60,
        shadow_seconds=options.shadow_minutes * 60,
        shadow_fraction=options.shadow_fraction,
        min_requests=options.min_requests,
        max_waits=options.max_waits,
        error_rate=options.error_rate,
        latency_ratio=options.latency_ratio,
        prediction_drift=options.prediction_drift,
        quality_margin=options.quality_margin,
    )


def is_gradual(made: RolloutPlan) -> bool:
    """Whether there is anything to watch before all calls go to the version."""
    return len(made.steps) > 1 or made.shadow_seconds > 0


def begun(request: RolloutRequest, made: RolloutPlan, champion: int | None, at: str) -> Rollout:
    """A rollout that begins now.

    Parameters
    ----------
    champion
        the version in service.
    """
    state: RolloutState = "SHADOW" if made.shadow_seconds > 0 else "BAKING"
    rollout = Rollout(
        id=request.id,
        model=request.model,
        version=request.version,
        champion=champion,
        run_id=request.run_id,
        plan=made,
        state=state,
        step=0,
        waits=0,
        step_started_at=at,
        started_at=at,
        by=request.by,
        reason=request.reason,
    )
    return dataclasses.replace(rollout, history=(f"{at}: {situation(rollout)}",))


def situation(rollout: Rollout) -> str:
    """What the version that is let in answers now, in words."""
    if rollout.state == "SHADOW":
        return f"version {rollout.version} answers copies of calls"
    return f"version {rollout.version} answers {rollout.plan.steps[rollout.step]:.4g} of the calls"
