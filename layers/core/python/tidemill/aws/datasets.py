"""Dataset versions: the accepted tables of a project, under the hash of their content."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tidemill import keys
from tidemill.aws.objects import Objects
from tidemill.aws.registry import Registry
from tidemill.contracts import Check, Profile, Run, Validated


def previous_profile(run: Run, bucket: str, objects: Objects, registry: Registry) -> Profile | None:
    """The profile of the project's newest table that another run accepted. Raises NotFound, StorageError."""
    latest = registry.latest_dataset(run.project, except_run=run.run_id)
    if latest is None:
        return None
    return objects.get_contract(Profile, bucket, keys.dataset(run.project, latest.version, "profile.json"))


def accept(
    run: Run,
    bucket: str,
    objects: Objects,
    registry: Registry,
    validated: Validated,
    table: Path,
    profile: Profile,
    checks: Sequence[Check],
) -> None:
    """Store an accepted table and record it; the record comes last, so that it never names what is not there.

    Parameters
    ----------
    table
        the canonical Parquet.

    Raises
    ------
    StorageError
        something could not be written; doing it all again is safe.
    """
    version = validated.dataset.version
    objects.upload(table, bucket, keys.dataset(run.project, version, "data.parquet"))
    objects.put_contract(bucket, keys.dataset(run.project, version, "profile.json"), profile)
    objects.put_contract(bucket, keys.dataset(run.project, version, "checks.json"), checks)
    registry.put_dataset(run.project, validated.dataset, run.run_id, run.started_at)
