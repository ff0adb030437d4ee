"""How every model stands, read from the registry's table: a few records of each, whatever it has answered so far."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tidemill.aws.monitoring_records import MonitoringRecords
from tidemill.aws.registry import CHAMPION, Registry
from tidemill.aws.release_records import ReleaseRecords
from tidemill.aws.retraining_records import RetrainingRecords
from tidemill.aws.traffic_records import TrafficRecords
from tidemill.contracts import instant
from tidemill.model_standing import Champion, LastRun, ModelStanding
from tidemill.monitoring_contracts import MonitorPoint
from tidemill.release_contracts import Traffic

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

#: Windows that are read of each model: labels come late, and the newest figures with labels are in an earlier one.
POINTS = 30
#: Models that are read at the same time.
AT_ONCE = 8


class ModelStandings:
    """Reads how models stand.

    Parameters
    ----------
    dynamodb
        a DynamoDB client.
    table
        the registry's table.
    """

    def __init__(self, dynamodb: DynamoDBClient, table: str) -> None:
        self._registry = Registry(dynamodb, table)
        self._monitoring = MonitoringRecords(dynamodb, table)
        self._releases = ReleaseRecords(dynamodb, table)
        self._traffic = TrafficRecords(dynamodb, table)
        self._retrainings = RetrainingRecords(dynamodb, table)

    def all(self, now: str) -> list[ModelStanding]:
        """Every registered model, by name.

        Parameters
        ----------
        now
            UTC, ISO 8601, with Z.

        Raises
        ------
        StorageError
            the table did not answer.
        """
        waiting = Counter(approval.model for approval in self._registry.pending_approvals())
        with ThreadPoolExecutor(AT_ONCE) as pool:
            models = self._registry.models()
            return list(pool.map(lambda model: self._standing(model, waiting[model], now), models))

    def _standing(self, model: str, approvals: int, now: str) -> ModelStanding:
        champion, traffic = self._champion(model), self._traffic.traffic(model)
        freeze = self._releases.freeze(model)
        a_day_ago, a_month_ago = _before(now, days=1), _before(now, days=30)
        return ModelStanding(
            model=model,
            champion=champion,
            frozen=freeze is not None and freeze.frozen,
            traffic=traffic,
            rollout=next(iter(self._releases.rollouts(model, limit=1)), None),
            watch=self._monitoring.watch_state(model),
            points=tuple(self._points(model, champion, traffic)),
            decisions=tuple(
                decision
                for decision in self._monitoring.decisions(model, since=_before(now, days=2))
                if decision.at >= a_day_ago
            ),
            retrainings=tuple(one for one in self._retrainings.retrainings(model) if one.at >= a_month_ago),
            approvals=approvals,
            last_run=self._last_run(model),
        )

    def _champion(self, model: str) -> Champion | None:
        number = self._registry.alias(model, CHAMPION)
        if number is None:
            return None
        version = self._registry.version(model, number)
        return Champion(number, version.task, version.metric, version.value, version.created_at)

    def _points(self, model: str, champion: Champion | None, traffic: Traffic | None) -> list[MonitorPoint]:
        """The newest points of the versions that answer now or get copies."""
        versions = {champion.version} if champion else set()
        if traffic:
            versions |= {share.version for share in traffic.shares} | {traffic.shadow_version or 0}
        return [point for point in self._monitoring.points(model, limit=POINTS) if point.version in versions]

    def _last_run(self, model: str) -> LastRun | None:
        for run in self._registry.runs(model, limit=1):
            return LastRun(run.status, run.started_at, run.seconds, run.usd)
        return None


def _before(now: str, days: int) -> str:
    return instant(datetime.fromisoformat(now) - timedelta(days=days))
