"""Everything that is stored of models and that looking at production needs or leaves."""

from __future__ import annotations

from typing import Any

from tidemill import keys
from tidemill.aws import clients, project_specs
from tidemill.aws.monitoring_files import MonitoringFiles
from tidemill.aws.monitoring_records import MonitoringRecords
from tidemill.aws.objects import Objects
from tidemill.aws.registry import Registry
from tidemill.aws.release_records import ReleaseRecords
from tidemill.aws.traffic_records import TrafficRecords
from tidemill.aws.version_files import VersionFiles, in_service
from tidemill.release_contracts import Rollout


class MonitoredModels:
    """The models of one stack.

    Parameters
    ----------
    bucket
        the artifact bucket.
    registry, records, traffic, releases
        of the stack's table.
    """

    def __init__(
        self,
        bucket: str,
        objects: Objects,
        registry: Registry,
        records: MonitoringRecords,
        traffic: TrafficRecords,
        releases: ReleaseRecords,
    ) -> None:
        self._bucket, self._objects, self._registry = bucket, objects, registry
        self._traffic, self._releases = traffic, releases
        self.records = records
        self.files = MonitoringFiles(bucket, objects)
        self.versions = VersionFiles(bucket, objects)

    @classmethod
    def connect(cls, bucket: str, table: str) -> MonitoredModels:
        """With the process's own clients."""
        dynamodb = clients.dynamodb()
        return cls(
            bucket,
            Objects(clients.s3()),
            Registry(dynamodb, table),
            MonitoringRecords(dynamodb, table),
            TrafficRecords(dynamodb, table),
            ReleaseRecords(dynamodb, table),
        )

    def spec(self, model: str) -> Any:
        """What the model's project declares, for `spec.parse`. Raises StorageError, ContractError."""
        return project_specs.document(self._bucket, self._objects, model)

    def champion(self, model: str) -> int:
        """The version in service. Raises NotFound, StorageError."""
        return in_service(self._registry, model)

    def serving(self, model: str) -> set[tuple[int, bool]]:
        """Versions with an alias or a share of the traffic, and the one that gets copies: (version, whether copies).

        Raises StorageError.
        """
        found = {(version, False) for version in self._registry.aliases(model).values()}
        spread = self._traffic.traffic(model)
        if spread is None:
            return found
        found |= {(share.version, False) for share in spread.shares if share.weight > 0}
        return found | ({(spread.shadow_version, True)} if spread.shadow_version is not None else set())

    def newest_rollout(self, model: str) -> Rollout | None:
        """The rollout under way, or the last one that has ended. Raises StorageError."""
        return next(iter(self._releases.rollouts(model, limit=1)), None)

    def put_report(self, model: str, page: str) -> None:
        """Keep the monitor report for people in place of the one before. Raises StorageError."""
        self._objects.put(self._bucket, keys.monitor_report(model), page.encode())
