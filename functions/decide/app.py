"""Act on what was found, by the project's rules; start the trainings that schedule and labels ask for."""

import functools
from typing import Any

from aws_lambda_powertools import Logger

from tidemill import settings, spec
from tidemill.aws import clients, project_specs
from tidemill.aws.actions import Actions, Case
from tidemill.aws.objects import Objects
from tidemill.aws.registry import CHAMPION
from tidemill.contracts import from_json, to_json
from tidemill.monitoring_contracts import Decided, Decision, Due
from tidemill.reports import alert
from tidemill.rules import decisions
from tidemill.rules.retraining import Policy

logger = Logger(service="decide")


def decide(due: Due, declared: spec.Spec, actions: Actions) -> Decided:
    """Decide about the newest windows of the version in service, and act."""
    now, monitor, version = due.at, declared.monitor, actions.registry.alias(due.model, CHAMPION)
    if version is None:
        return Decided(0, 0)
    policy = Policy(due.model, declared.retraining, now, actions.expected_usd(due.model, version, declared.search.usd))
    points = actions.records.points(due.model, version, shadow=False)
    since = decisions.since(monitor.rules_in_force, monitor.label_days, now)
    past = actions.records.decisions(due.model, decisions.MOST, since)
    done: list[Decision] = []
    for point in decisions.due(points, now):
        for decision in decisions.decide(point, points, monitor.rules_in_force, past, now):
            case = Case(decision, points, policy, monitor.webhook, alert.words(decision), decisions.sureness)
            kept = actions.act(case, decisions.known(past, decision))
            if kept is not None:
                logger.info("decided", rule=kept.rule, action=kept.action, acted=kept.acted, reason=kept.reason)
                past, done = decisions.with_newer(past, kept), [*done, kept]
    if (asked := actions.retrainings.if_due(due.model, policy)) is not None:
        logger.info("a training is due", id=asked[0].id, reason=asked[0].reason, problem=asked[1])
    return Decided(len(done), sum(one.acted for one in done))


@functools.cache
def connections(config: settings.DecideSettings) -> tuple[Objects, Actions]:
    """Everything that is acted on, connected once in a process."""
    names = (config.artifact_bucket, config.table, config.event_bus, config.topic, config.retrain_function)
    return Objects(clients.s3()), Actions.connect(*names, warn=logger.warning)


def handler(event: dict[str, Any], _context: object) -> Any:
    """{"due": Due} -> Decided. Raises SpecError, NotFound, StorageError."""
    due, config = from_json(Due, event["due"]), settings.load(settings.DecideSettings)
    logger.append_keys(model=due.model)
    objects, actions = connections(config)
    declared = spec.parse(project_specs.document(config.artifact_bucket, objects, due.model))
    return to_json(decide(due, declared, actions))
