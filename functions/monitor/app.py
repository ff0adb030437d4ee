"""Compare windows of production with the reference: points of the time series, and the report for people."""

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
    """Look at what is new; then write the report anew."""
    model, records = due.model, models.records
    declared, champion, serving = spec.parse(models.spec(model)).monitor, models.champion(model), models.serving(model)
    known = functools.cache(functools.partial(Known.of, model, models.versions))
    made = Look(due, declared, champion, serving, known, models.files, records, memory_mb, spent).run()
    points, decided, rollout = records.points(model), records.decisions(model), models.newest_rollout(model)
    now, of_champion = due.at, known(champion)
    models.put_report(
        model,
        monitor_report.render(model, points, decided, of_champion.reference, of_champion.profile, now, rollout),
    )
    return made


@functools.cache
def connection(bucket: str, table: str) -> MonitoredModels:
    """Bucket and registry, connected once in a process."""
    return MonitoredModels.connect(bucket, table)


def handler(event: dict[str, Any], _context: object) -> Any:
    """{"due": Due} -> Monitored. Raises NotFound, ContractError, StorageError."""
    due, config = from_json(Due, event["due"]), settings.load(settings.MonitorSettings)
    logger.append_keys(model=due.model)
    spent = Expense(time.perf_counter, metering.used)
    models = connection(config.artifact_bucket, config.table)
    made = monitor(due, config.predict_memory_mb, models, spent)
    for line in measures.embedded(made, due.model, config.table, datetime.now(UTC)):
        sys.stdout.write(f"{line}\n")
    monitored = Monitored(len(made), sum(len(point.findings) for point in made))
    logger.info("looked", points=monitored.points, findings=monitored.findings)
    return to_json(monitored)
