"""One look at a rollout: judge the version, then give it more calls, make it the champion, or take it back."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import datetime

from tidemill import rollout_plan, spec
from tidemill.aws.rollouts import Rollouts
from tidemill.contracts import Failure, instant, to_json
from tidemill.monitoring import rollout_evidence
from tidemill.release_contracts import Rollout, RolloutRequest, RolloutStep
from tidemill.rules import outcomes, rollout


def look(request: RolloutRequest, rollouts: Rollouts, now: datetime, log: Callable[..., object]) -> RolloutStep:
    """Go on from what the record says; a look that was interrupted is finished by the next one.

    Parameters
    ----------
    log
        takes a word for what was done, and the facts about it by name.

    Raises
    ------
    RolloutConflict, TrafficConflict
        nothing could begin.
    AliasConflict, NotFound, ContractError, SpecError, StorageError
    """
    at = instant(now)
    current = rollouts.known(request.id, at) or _begin(request, rollouts, at, log)
    if current.ended_at:
        return RolloutStep(current.id, current.state, 0, current.history[-1])
    champion, challenger = rollout_evidence.observed(current, *rollouts.evidence(current, at))
    freeze, better = rollouts.freeze(current.model), rollouts.found_better(current)
    signals = rollout.judge(current, champion, challenger, freeze, better)
    move = rollout.next_move(current, signals, now)
    new = rollouts.move(current, rollout.moved(current, move, signals, at), move.sentence, at)
    log("looked", state=new.state, step=new.step, move=move.kind, reason=move.sentence, signals=to_json(signals))
    return RolloutStep(new.id, new.state, 0 if new.ended_at else move.wait_seconds, new.history[-1])


def take_back(request: RolloutRequest, failure: Failure, rollouts: Rollouts, at: str) -> RolloutStep:
    """End a rollout that cannot go on, whatever it had come to. Raises NotFound, TrafficConflict, StorageError."""
    reason = outcomes.outcome(failure).reason
    rollouts.take_back(request, f"the rollout could not go on: {reason}", at)
    return RolloutStep(request.id, "ROLLED_BACK", 0, reason)


def _begin(request: RolloutRequest, rollouts: Rollouts, at: str, log: Callable[..., object]) -> Rollout:
    """Begin a rollout that is not on record: as the run's spec says, or the project's when a person asks for it.

    Who starts the machine writes the record first; older versions, and people who start it themselves, do not.
    """
    options = spec.parse(json.loads(rollouts.spec(request))).rollout
    plan = rollout_plan.plan(dataclasses.replace(options, strategy=request.strategy or options.strategy))
    begun = rollouts.begin(rollout_plan.begun(request, plan, rollouts.champion(request.model), at))
    log("begun", model=begun.model, version=begun.version, champion=begun.champion, steps=plan.steps)
    return begun
