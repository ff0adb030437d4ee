"""Compare windows of production with the reference: points of the time series; then the report for people."""

import functools
import sys
import time
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger

from tidemill import settings, spec
from tidemill.aws import metering
from tidemill.aws.monitored_models import MonitoredModels
from tidemill.contracts import from_json, to_json
from tidemill.monitoring import measures
from tidemill.monitoring.expense import Expense
from tidemill.monitoring.looking import Look
from tidemill.monitoring.points import Known
from tidemill.monitoring_contracts import Due, Monitored, MonitorPoint
from tidemill.reports import monitor_report

logger = Logger(service="monitor")


def monitor(due: Due, memory_mb: int, models: MonitoredModels, spent: Expense) -> list[MonitorPoint]:
    """Look at what is new."""
    model, files = due.model, models.files
    declared, champion, serving = spec.parse(models.spec(model)).monitor, models.champion(model), models.serving(model)
    known = functools.cache(functools.partial(Known.of, model, models.versions))
    return Look(due, declared, champion, serving, known, files, models.records, memory_mb, spent).run()


def report(due: Due, models: MonitoredModels) -> None:
    """Write the report anew, after it has been decided what is done about what was seen."""
    model, seen, champion = due.model, models.records, models.champion(due.model)
    points, decided, rollout = seen.points(model), seen.decisions(model), models.newest_rollout(model)
    known = Known.of(model, models.versions, champion)
    html = monitor_report.render(model, points, decided, known.reference, known.profile, due.at, rollout, champion)
    models.put_report(model, html)


@functools.cache
def connection(bucket: str, table: str) -> MonitoredModels:
    """Bucket and registry, connected once in a process."""
    return MonitoredModels.connect(bucket, table)


def handler(event: dict[str, Any], _context: object) -> Any:
    """{"due": Due} -> Monitored; {"due": Due, "report": true} -> {}. Raises NotFound, ContractError, StorageError."""
    due, config = from_json(Due, event["due"]), settings.load(settings.MonitorSettings)
    logger.append_keys(model=due.model)
    spent, models = Expense(time.perf_counter, metering.used), connection(config.artifact_bucket, config.table)
    if event.get("report"):
        report(due, models)
        return {}
    made = monitor(due, config.predict_memory_mb, models, spent)
    sys.stdout.writelines(f"{line}\n" for line in measures.embedded(made, due.model, config.table, datetime.now(UTC)))
    monitored = Monitored(len(made), sum(len(point.findings) for point in made))
    logger.info("looked", points=monitored.points, findings=monitored.findings)
    return to_json(monitored)
