"""Dataset versions: the accepted tables of a project, under the hash of their content, and what they are held to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tidemill import contracts, keys
from tidemill.aws.objects import Objects
from tidemill.aws.registry import Registry
from tidemill.contracts import Check, DataContract, Profile, Run, Validated
from tidemill.errors import NotFound


def previous_profile(run: Run, bucket: str, objects: Objects, registry: Registry) -> Profile | None:
    """The profile of the project's newest table that another run accepted. Raises NotFound, StorageError."""
    latest = registry.latest_dataset(run.project, except_run=run.run_id)
    if latest is None:
        return None
    return objects.get_contract(Profile, bucket, keys.dataset(run.project, latest.version, "profile.json"))


def suggested_contract(run: Run, bucket: str, objects: Objects) -> DataContract | None:
    """The data contract that another run's table has suggested, or None. Raises StorageError."""
    try:
        contract = objects.get_contract(DataContract, bucket, keys.data_contract(run.project))
    except NotFound:
        return None
    return None if contract.run_id == run.run_id else contract


@dataclass(frozen=True)
class Found:
    """What validation found in a table."""

    checks: Sequence[Check]
    profile: Profile | None  #: None when no table could be read
    contract: DataContract | None  #: what it was held to, or suggests


def keep(run: Run, bucket: str, objects: Objects, found: Found) -> None:
    """Keep what was found with the run, whatever the verdict. Raises StorageError."""
    objects.put_contract(bucket, keys.run_checks(run.run_id), found.checks)
    if found.profile is not None:
        objects.put_contract(bucket, keys.run_profile(run.run_id), found.profile)
    if found.contract is not None:
        objects.put_contract(bucket, keys.run_contract(run.run_id), found.contract)


def accept(
    run: Run,
    bucket: str,
    objects: Objects,
    registry: Registry,
    validated: Validated,
    table: Path,
    found: Found,
    suggested: DataContract | None,
) -> None:
    """Store an accepted table and record it; the record comes last, so that it never names what is not there.

    Parameters
    ----------
    table
        the canonical Parquet.
    suggested
        the data contract that the project gets when it has none yet, also from no table accepted at the same time.

    Raises
    ------
    StorageError
        something could not be written; doing it all again is safe.
    """
    version = validated.dataset.version
    objects.upload(table, bucket, keys.dataset(run.project, version, "data.parquet"))
    objects.put_contract(bucket, keys.dataset(run.project, version, "profile.json"), found.profile)
    objects.put_contract(bucket, keys.dataset(run.project, version, "checks.json"), found.checks)
    if suggested is not None:
        objects.put_new(bucket, keys.data_contract(run.project), contracts.dumps(suggested))
    registry.put_dataset(run.project, validated.dataset, run.run_id, run.started_at)
