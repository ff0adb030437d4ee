"""The beginning of a training run: what is recorded before its first step."""

from __future__ import annotations

from dataclasses import dataclass

from tidemill import keys
from tidemill.aws.objects import Objects
from tidemill.aws.registry import Registry
from tidemill.aws.retraining_records import RetrainingRecords
from tidemill.aws.uploads import Arrival
from tidemill.contracts import Run


@dataclass(frozen=True)
class TrainingRuns:
    """Training runs of uploaded tables.

    Parameters
    ----------
    bucket
        the artifact bucket.
    """

    bucket: str
    objects: Objects
    registry: Registry
    retrainings: RetrainingRecords

    def begin(self, arrival: Arrival, project: str) -> Run:
        """Record the run of an upload, and keep the project's spec as it is now, unless that is done already.

        A table that a retraining has composed is its run's, and whoever asked for it has started that.

        Raises StorageError.
        """
        run = self.retrainings.claimed(Run(arrival.run_id, project, arrival.source, arrival.at, arrival.by))
        current, kept = keys.project_spec(project), keys.run_spec(run.run_id)
        if not self.objects.exists(self.bucket, kept):
            declared = self.objects.exists(self.bucket, current)
            spec = self.objects.get(self.bucket, current) if declared else b"{}"
            self.objects.put(self.bucket, kept, spec)
        self.registry.start_run(run)
        return run
