"""Uploads of true outcomes: read, kept in the model's ledger, or moved out of the way with the reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tidemill import keys
from tidemill.aws import project_specs
from tidemill.aws.monitoring_files import MonitoringFiles
from tidemill.aws.monitoring_records import MonitoringRecords
from tidemill.aws.objects import Objects
from tidemill.aws.quarantine import quarantine
from tidemill.aws.registry import CHAMPION, Registry
from tidemill.aws.uploads import Arrival
from tidemill.contracts import Signature
from tidemill.errors import DataRefused
from tidemill.monitoring_contracts import ActualsUpload


class ReadActuals(Protocol):
    """What a file brought; `data.actuals_table.Actuals` says what each field is."""

    @property
    def by_column(self) -> str:
        """The column that rows are matched by."""

    @property
    def actual_column(self) -> str:
        """The column of the outcomes."""

    @property
    def rows(self) -> int:
        """Of the file."""

    @property
    def entries(self) -> Sequence[dict[str, Any]]:
        """Of the ledger."""

    @property
    def refused(self) -> int:
        """Rows that cannot be used."""

    @property
    def problems(self) -> tuple[str, ...]:
        """Why."""


#: (file, its name, signature of the model in service, the project's spec as plain data) -> what it brought; raises
#: DataRefused.
Read = Callable[[Path, str, Signature, Any], ReadActuals]


@dataclass(frozen=True)
class ActualsUploads:
    """The uploads under `actuals/`.

    Parameters
    ----------
    bucket
        the artifact bucket.
    """

    bucket: str
    objects: Objects
    registry: Registry
    records: MonitoringRecords

    def take_in(self, arrival: Arrival, work: Path, max_bytes: int, read: Read) -> ActualsUpload:
        """Keep what a file says, or quarantine it; either is on record, under the upload's id. Twice is once.

        Parameters
        ----------
        work
            an empty folder.
        max_bytes
            a larger file is refused.

        Raises
        ------
        NotFound, ContractError, StorageError
            nothing is known of the file; the event has to come again.
        """
        try:
            upload = self._kept(arrival, work, max_bytes, read)
        except DataRefused as error:
            model = arrival.upload.project if arrival.upload else ""
            upload = ActualsUpload(
                arrival.run_id, model, arrival.source.key, arrival.at, arrival.by, "", "", 0, problems=(str(error),)
            )
            self.records.put_upload(upload)
            quarantine(self.objects, arrival.source, arrival.upload, str(error), arrival.at)
            return upload
        self.records.put_upload(upload)
        return upload

    def mask_key(self) -> bytes:
        """The secret that personal data is masked with. Raises NotFound, StorageError."""
        return self.objects.get(self.bucket, keys.mask_key())

    def _kept(self, arrival: Arrival, work: Path, max_bytes: int, read: Read) -> ActualsUpload:
        source, asked = arrival.source, arrival.upload
        if asked is None:
            raise DataRefused(arrival.problem)
        if source.size > max_bytes:
            raise DataRefused(
                f"the file has {source.size:,} bytes, at most {max_bytes:,} are accepted: upload it in pieces"
            )
        model = asked.project
        if (version := self.registry.alias(model, CHAMPION)) is None:
            raise DataRefused(f"there is no model {model!r} in service whose predictions could come true")
        signature = self.objects.get_contract(Signature, self.bucket, keys.model(model, version, "signature.json"))
        document = project_specs.document(self.bucket, self.objects, model)
        self.objects.download(source.bucket, source.key, work / "upload", source.version_id)
        found = read(work / "upload", asked.file, signature, document)
        files = MonitoringFiles(self.bucket, self.objects)
        files.put_ledger(model, arrival.at, arrival.run_id, found.entries)
        return ActualsUpload(
            arrival.run_id,
            model,
            source.key,
            arrival.at,
            arrival.by,
            found.by_column,
            found.actual_column,
            found.rows,
            found.refused,
            found.problems,
        )
