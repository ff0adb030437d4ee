"""Comparing windows of production with the reference: points of the time series; then the report for people."""

from __future__ import annotations

import functools

from tidemill import spec
from tidemill.aws.monitored_models import MonitoredModels
from tidemill.monitoring.expense import Expense
from tidemill.monitoring.looking import Look
from tidemill.monitoring.points import Known
from tidemill.monitoring_contracts import Due, MonitorPoint
from tidemill.reports import monitor_report


def monitor(due: Due, memory_mb: int, models: MonitoredModels, spent: Expense) -> list[MonitorPoint]:
    """Look at what is new, and keep the points that come of it.

    Parameters
    ----------
    memory_mb
        of the predict function; a prediction's time is priced by it.

    Raises NotFound, ContractError, SpecError, StorageError.
    """
    declared = spec.parse(models.spec(due.model)).monitor
    champion = models.champion(due.model)
    serving = models.serving(due.model)
    known = functools.cache(functools.partial(Known.of, due.model, models.versions))
    return Look(due, declared, champion, serving, known, models.files, models.records, memory_mb, spent).run()


def report(due: Due, models: MonitoredModels) -> None:
    """Write the report anew, after it has been decided what is done about what was seen.

    Raises NotFound, ContractError, StorageError.
    """
    champion = models.champion(due.model)
    points = models.records.points(due.model)
    decisions = models.records.decisions(due.model)
    rollout = models.newest_rollout(due.model)
    known = Known.of(due.model, models.versions, champion)
    page = monitor_report.render(
        due.model, points, decisions, known.reference, known.profile, due.at, rollout, champion
    )
    models.put_report(due.model, page)
