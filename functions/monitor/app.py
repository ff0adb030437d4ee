"""Compare windows of production with the reference: points of the time series; then the report for people."""

import functools
import sys
import time
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger

from tidemill import settings
from tidemill.aws import metering
from tidemill.aws.monitored_models import MonitoredModels
from tidemill.contracts import from_json, to_json
from tidemill.monitoring import measures
from tidemill.monitoring.expense import Expense
from tidemill.monitoring_contracts import Due, Monitored
from tidemill.stages.monitor import monitor, report

logger = Logger(service="monitor")


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
