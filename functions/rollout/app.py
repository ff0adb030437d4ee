"""One look at a rollout: judge the version, then give it more calls, make it the champion, or take it back."""

import dataclasses
import functools
import json
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger

from tidemill import rollout_plan, settings
from tidemill.aws.rollouts import Rollouts
from tidemill.contracts import Failure, from_json, instant, to_json
from tidemill.monitoring import rollout_evidence
from tidemill.release_contracts import Rollout, RolloutRequest, RolloutStep
from tidemill.rules import outcomes, rollout
from tidemill.spec import parse

logger = Logger(service="rollout")


def begin(request: RolloutRequest, rollouts: Rollouts, at: str) -> Rollout:
    """Begin a rollout that is not on record: as the run's spec says, or the project's when a person asks for it.

    Who starts the machine writes the record first; older versions, and people who start it themselves, do not.
    """
    options = parse(json.loads(rollouts.spec(request))).rollout
    plan = rollout_plan.plan(dataclasses.replace(options, strategy=request.strategy or options.strategy))
    begun = rollouts.begin(rollout_plan.begun(request, plan, rollouts.champion(request.model), at))
    logger.info("begun", model=begun.model, version=begun.version, champion=begun.champion, steps=plan.steps)
    return begun


def look(request: RolloutRequest, rollouts: Rollouts, now: datetime) -> RolloutStep:
    """Go on from what the record says; a look that was interrupted is finished by the next one."""
    at = instant(now)
    current = rollouts.known(request.id, at) or begin(request, rollouts, at)
    if current.ended_at:
        return RolloutStep(current.id, current.state, 0, current.history[-1])
    champion, challenger = rollout_evidence.observed(current, *rollouts.evidence(current, at))
    freeze, better = rollouts.freeze(current.model), rollouts.found_better(current)
    signals = rollout.judge(current, champion, challenger, freeze, better)
    move = rollout.next_move(current, signals, now)
    new = rollouts.move(current, rollout.moved(current, move, signals, at), move.sentence, at)
    logger.info(
        "looked", state=new.state, step=new.step, move=move.kind, reason=move.sentence, signals=to_json(signals)
    )
    return RolloutStep(new.id, new.state, 0 if new.ended_at else move.wait_seconds, new.history[-1])


def take_back(request: RolloutRequest, failure: Failure, rollouts: Rollouts, at: str) -> RolloutStep:
    """End a rollout that cannot go on, whatever it had come to."""
    reason = outcomes.outcome(failure).reason
    rollouts.take_back(request, f"the rollout could not go on: {reason}", at)
    return RolloutStep(request.id, "ROLLED_BACK", 0, reason)


@functools.cache
def connection(config: settings.RolloutSettings) -> Rollouts:
    """Everything that a rollout needs, connected once in a process."""
    return Rollouts.connect(config.artifact_bucket, config.table, config.event_bus, config.topic, logger.warning)


def handler(event: dict[str, Any], _context: object) -> Any:
    """{"rollout": RolloutRequest}, with "failure": Failure to end it -> RolloutStep. Raises RolloutConflict,
    TrafficConflict, AliasConflict, NotFound, ContractError, StorageError."""
    request, now = from_json(RolloutRequest, event["rollout"]), datetime.now(UTC)
    logger.append_keys(run_id=request.run_id, rollout=request.id, model=request.model)
    rollouts = connection(settings.load(settings.RolloutSettings))
    if event.get("failure"):
        return to_json(take_back(request, from_json(Failure, event["failure"]), rollouts, instant(now)))
    return to_json(look(request, rollouts, now))
