"""Shared feature sets: their declarations, their versions under the hash of their content, and whose turn it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from tidemill import keys
from tidemill.aws.objects import Objects
from tidemill.aws.registry import FeatureSetRecord, Registry
from tidemill.contracts import Check, FeatureBatch, FeatureSetRun, Ingested, Profile, Source, instant
from tidemill.errors import DataRefused

D = TypeVar("D")

#: What `ingest` answers when another table of the set is being taken in.
BUSY = Ingested("", "", "", 0, 0, 0, 0, busy=True)
#: A turn that nobody ends runs out after this; longer than any run of the state machine should take.
TURN = timedelta(hours=3)


@dataclass(frozen=True)
class FeatureSets:
    """The feature sets in the artifact bucket and the registry."""

    bucket: str
    objects: Objects
    registry: Registry

    def declaration(self, cls: type[D], name: str) -> D:
        """What the set is declared to be, as a `FeatureSetDeclaration`.

        Raises
        ------
        DataRefused
            it is not declared.
        ContractError, StorageError
        """
        key = keys.feature_set_declaration(name)
        if not self.objects.exists(self.bucket, key):
            raise DataRefused(
                f"there is no feature set {name!r}: declare it with `tidemill features put {name} FILE --key COLUMN`"
            )
        return self.objects.get_contract(cls, self.bucket, key)

    def take_turn(self, run: FeatureSetRun, now: datetime) -> tuple[str, ...] | None:
        """Versions that earlier turns did not finish; None when it is another run's turn. Raises StorageError."""
        return self.registry.take_turn(run.feature_set, run.run_id, instant(now), instant(now + TURN))

    def fetch(self, source: Source, path: Path) -> None:
        """Write an upload to a path. Raises NotFound, StorageError."""
        self.objects.download(source.bucket, source.key, path, source.version_id)

    def current(self, name: str, work: Path) -> tuple[str, Profile, Path] | None:
        """The set's current version, its profile, and its table in the folder `work`; None when it has none.

        Raises StorageError.
        """
        record = self.registry.feature_set(name)
        if record is None:
            return None
        table = self.download(name, record.version, work / f"{name}.parquet")
        return record.version, self.profile(name, record.version), table

    def profile(self, name: str, version: str) -> Profile:
        """The reference statistics of a version. Raises NotFound, StorageError."""
        return self.objects.get_contract(Profile, self.bucket, keys.feature_set(name, version, "profile.json"))

    def download(self, name: str, version: str, path: Path) -> Path:
        """Write the table of a version to a path, and return that. Raises NotFound, StorageError."""
        self.objects.download(self.bucket, keys.feature_set(name, version, "data.parquet"), path)
        return path

    def keep(
        self,
        run: FeatureSetRun,
        version: str,
        table: Path,
        profile: Profile,
        checks: Sequence[Check],
        batches: Iterable[tuple[int, bytes]],
    ) -> Ingested:
        """Store a version and what changes online; noted as begun, since it is about to be written there.

        Parameters
        ----------
        batches
            (rows, bytes) of each.

        Raises
        ------
        StorageError
            something could not be written; doing it all again is safe.
        """
        name = run.feature_set
        self.objects.upload(table, self.bucket, keys.feature_set(name, version, "data.parquet"))
        self.objects.put_contract(self.bucket, keys.feature_set(name, version, "profile.json"), profile)
        self.objects.put_contract(self.bucket, keys.feature_set(name, version, "checks.json"), checks)
        manifest = []
        for index, (rows, data) in enumerate(batches):
            item = FeatureBatch(run.run_id, name, index, rows, keys.features_batch(run.run_id, index))
            self.objects.put(self.bucket, item.key, data)
            manifest.append(item)
        self.objects.put_contract(self.bucket, keys.features_manifest(run.run_id), manifest)
        self.registry.begin_version(name, version)
        return Ingested(
            manifest_bucket=self.bucket,
            manifest_key=keys.features_manifest(run.run_id),
            version=version,
            rows=profile.rows,
            columns=len(profile.columns),
            entities=profile.columns[0].distinct,
            written=sum(item.rows for item in manifest),
            warnings=tuple(check.detail for check in checks if check.verdict == "warn"),
        )

    def publish(self, run: FeatureSetRun, ingested: Ingested) -> Ingested:
        """Make a version that is online the current one, and end the run's turn. Raises StorageError."""
        key, *others = self.profile(run.feature_set, ingested.version).columns
        record = FeatureSetRecord(
            name=run.feature_set,
            key=key.name,
            time=next((column.name for column in others if column.role == "time"), None),
            version=ingested.version,
            rows=ingested.rows,
            columns=ingested.columns,
            entities=ingested.entities,
            run_id=run.run_id,
            at=run.started_at,
        )
        self.registry.publish_feature_set(record)
        return ingested
