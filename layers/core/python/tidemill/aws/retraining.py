"""Training again on what is known by now: how much that is, who asks for it, and where its rows are."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tidemill import keys, monitoring_contracts
from tidemill.aws import clients, project_specs
from tidemill.aws.functions import Functions
from tidemill.aws.monitoring_files import READERS, MonitoringFiles, hour_of
from tidemill.aws.monitoring_records import MonitoringRecords
from tidemill.aws.objects import Objects
from tidemill.aws.registry import CHAMPION, DatasetRecord, Registry
from tidemill.aws.retraining_records import RetrainingRecords
from tidemill.contracts import Profile, Signature, to_json
from tidemill.errors import ContractError, NotFound, StorageError
from tidemill.monitoring_contracts import Decision, MonitorPoint, PastTraining, Retraining

#: Labelled predictions that one table takes, the newest ones.
MOST_ROWS = 500_000


class Policy(Protocol):
    """What a project says of training by itself, at a moment."""

    def may(self, past: Sequence[PastTraining], labels: int, base: str) -> str | None:
        """Why a training not by hand may not be started; None when it may."""

    def by_rule(self, decision: Decision, points: Sequence[MonitorPoint], labels: int) -> Retraining:
        """The training that a decision asks for."""

    @property
    def has_schedule(self) -> bool:
        """Whether anything but rules and people starts trainings."""

    def due(self, past: Sequence[PastTraining], labels: Callable[[], int], base: str) -> Retraining | None:
        """The training that schedule or new labels ask for, or None."""


@dataclass(frozen=True)
class Retrainings:
    """Trainings that no upload starts.

    Parameters
    ----------
    function
        name or ARN of the function that composes the table.
    """

    records: RetrainingRecords
    registry: Registry
    files: MonitoringFiles
    functions: Functions
    function: str

    def start(self, retraining: Retraining, may: Callable[[Sequence[PastTraining]], str | None]) -> str | None:
        """Record a retraining unless a rule is against it, and have its table composed.

        Starting the same one again does no harm: it is recorded once, and its table is uploaded once.

        Parameters
        ----------
        may
            says of all past trainings of the model why this one may not be, or None.

        Returns
        -------
        Why it was not started; None when it was.

        Raises
        ------
        StorageError
            the table did not answer.
        """
        problem = self.records.begin(retraining, self.registry, may)
        if problem is not None:
            return problem
        try:
            self.functions.start(self.function, {"retraining": to_json(retraining)})
        except StorageError as error:
            problem = f"the table could not be composed: {error}"
            self.records.fail(retraining, problem)
        return problem

    def by_rule(
        self, decision: Decision, points: Sequence[MonitorPoint], policy: Policy
    ) -> tuple[Retraining, str | None]:
        """Start the training that a decision asks for; returns it, and why it was not started when it was not.

        Raises NotFound, StorageError, ContractError.
        """
        last = base(self.registry, self.records, decision.model)
        labels = labels_since(self.files, decision.model, last.at)
        asked = policy.by_rule(decision, points, labels)
        return asked, self.start(asked, lambda past: policy.may(past, labels, last.at))

    def if_due(self, model: str, policy: Policy) -> tuple[Retraining, str | None] | None:
        """Start the training that schedule or new labels ask for; returns it, and why it was not started when it was
        not. None when none is asked for.

        Raises NotFound, StorageError, ContractError.
        """
        if not policy.has_schedule:
            return None
        last = base(self.registry, self.records, model)
        count = functools.cache(lambda: labels_since(self.files, model, last.at))
        asked = policy.due(self.records.past(model, self.registry), count, last.at)
        if asked is None:
            return None
        return asked, self.start(asked, lambda past: policy.may(past, count(), last.at))

    def by_hand(self, retraining: Retraining) -> Retraining:
        """Start a training that a person asks for; neither cooldown nor budget is against it.

        Raises
        ------
        NotFound
            no table of the project has been accepted.
        ContractError
            the window ends before it starts.
        StorageError
            a service did not answer.
        """
        base(self.registry, self.records, retraining.model)
        if retraining.start and retraining.end and retraining.start >= retraining.end:
            raise ContractError(
                f"the window must end after it starts, not at {retraining.end} when it starts at {retraining.start}: "
                "give an earlier start or a later end"
            )
        problem = self.start(retraining, lambda _past: None)
        if problem is not None:
            raise StorageError(problem)
        return retraining


def base(registry: Registry, records: RetrainingRecords, model: str) -> DatasetRecord:
    """The last accepted table that a person uploaded: what was known by then is taken to be in it.

    Raises
    ------
    NotFound
        no table of the project has been accepted.
    StorageError
    """
    own = {retraining.run_id for retraining in records.retrainings(model)}
    found = next((dataset for dataset in registry.datasets(model) if dataset.run_id not in own), None)
    if found is None:
        raise NotFound(f"no table of project {model!r} has been accepted: train it first, with `tidemill train`")
    return found


@dataclass(frozen=True)
class Known:
    """What a retraining can learn from."""

    dataset_version: str  #: of the last accepted table that a person uploaded
    classes: tuple[str, ...]  #: of the model in service; none of a regression
    rows: list[dict[str, Any]]  #: labelled predictions of the window, oldest first
    labels: int  #: labelled predictions since that table, in the window or not
    unjoined: bool  #: without rows, whether outcomes were uploaded that no look has joined to predictions yet


@dataclass(frozen=True)
class Material:
    """What the tables of retrainings are composed from, and where they go.

    Parameters
    ----------
    bucket, data_bucket
        the artifact bucket, and the one that tables are uploaded to.
    """

    bucket: str
    data_bucket: str
    objects: Objects
    registry: Registry
    records: RetrainingRecords
    watched: MonitoringRecords

    @classmethod
    def connect(cls, bucket: str, data_bucket: str, table: str) -> Material:
        """With the process's own clients."""
        dynamodb = clients.dynamodb()
        return cls(
            bucket,
            data_bucket,
            Objects(clients.s3()),
            Registry(dynamodb, table),
            RetrainingRecords(dynamodb, table),
            MonitoringRecords(dynamodb, table),
        )

    def spec(self, project: str) -> Any:
        """The project's spec as plain data. Raises ContractError, StorageError."""
        return project_specs.document(self.bucket, self.objects, project)

    def known(self, asked: Retraining) -> Known:
        """What a retraining can learn from.

        Predictions from before the last table of a person are taken to be in that table, where its rows are used, too.

        Raises
        ------
        NotFound
            no table of the project has been accepted, or no version is in service.
        ContractError, StorageError
        """
        last = base(self.registry, self.records, asked.model)
        version = self.registry.alias(asked.model, CHAMPION)
        if version is None:
            raise NotFound(f"there is no model {asked.model!r} in service: train it first, with `tidemill train`")
        signature = self.objects.get_contract(
            Signature, self.bucket, keys.model(asked.model, version, "signature.json")
        )
        files = MonitoringFiles(self.bucket, self.objects)
        since = asked.start if asked.data == "window" else max(asked.start or "", last.at)
        rows = labelled_rows(files, asked.model, since, asked.end)
        unjoined = not rows and self._unjoined(files, asked.model)
        return Known(last.version, signature.classes, rows, labels_since(files, asked.model, last.at), unjoined)

    def _unjoined(self, files: MonitoringFiles, model: str) -> bool:
        _, new = monitoring_contracts.unjoined(self.watched.watch_state(model), files.ledger_files(model))
        return bool(new)

    def accepted(self, project: str, version: str, work: Path) -> tuple[Path, Profile]:
        """An accepted table, downloaded into a folder, and its profile. Raises NotFound, StorageError."""
        path = work / "accepted.parquet"
        self.objects.download(self.bucket, keys.dataset(project, version, "data.parquet"), path)
        profile = self.objects.get_contract(Profile, self.bucket, keys.dataset(project, version, "profile.json"))
        return path, profile

    def upload(self, asked: Retraining, table: Path) -> str:
        """Upload the composed table unless that was done before, and return its key. Raises StorageError."""
        key = keys.retraining_table(asked.model, asked.id)
        self.objects.put_new(self.data_bucket, key, table.read_bytes())
        return key


def labels_since(files: MonitoringFiles, model: str, since: str) -> int:
    """How many predictions of an hour, or of later ones, have a known outcome. Raises StorageError, ContractError."""
    hours = list(files.labelled_hours(model, hour_of(since)))
    with ThreadPoolExecutor(READERS) as readers:
        counted = readers.map(lambda hour: files.labelled(model, hour), hours)
        return sum(one.rows for hour in counted for one in hour if not one.shadow)


def labelled_rows(files: MonitoringFiles, model: str, start: str | None, end: str | None) -> list[dict[str, Any]]:
    """Predictions of a window whose outcome is known, oldest first, each once; of too many the newest.

    Parameters
    ----------
    start, end
        UTC, ISO 8601; None: from the beginning, until now.

    Raises StorageError, ContractError.
    """
    found: dict[str, dict[str, Any]] = {}
    for row in _newest_first(files, model, start or "", end or "9999"):
        found.setdefault(row["id"], row)
        if len(found) == MOST_ROWS:
            break
    return list(reversed(found.values()))


def _newest_first(files: MonitoringFiles, model: str, start: str, end: str) -> Iterator[dict[str, Any]]:
    last = hour_of(end) if end < "9999" else end
    for hour in sorted(files.labelled_hours(model, hour_of(start), last), reverse=True):
        for row in reversed(files.labelled_rows(model, hour)):
            if not row["shadow"] and start <= row["at"] < end:
                yield row
