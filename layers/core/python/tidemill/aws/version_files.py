"""What a model version was made with, as monitoring compares production with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from tidemill import keys
from tidemill.aws.objects import Objects
from tidemill.aws.registry import CHAMPION, Registry
from tidemill.contracts import DataContract, Profile, Signature
from tidemill.errors import NotFound
from tidemill.monitoring_contracts import Reference

T = TypeVar("T")


def in_service(registry: Registry, model: str) -> int:
    """The version in service.

    Raises
    ------
    NotFound
        there is none.
    StorageError
        the table did not answer.
    """
    version = registry.alias(model, CHAMPION)
    if version is None:
        raise NotFound(f"there is no model {model!r} in service: train it first")
    return version


@dataclass(frozen=True)
class VersionFiles:
    """The files of model versions in the artifact bucket."""

    bucket: str
    objects: Objects

    def profile(self, model: str, version: int) -> Profile:
        """The profile of the table that a version was trained on. Raises NotFound, StorageError, ContractError."""
        return self.objects.get_contract(Profile, self.bucket, keys.model(model, version, "profile.json"))

    def signature(self, model: str, version: int) -> Signature:
        """A version's signature. Raises NotFound, StorageError, ContractError."""
        return self.objects.get_contract(Signature, self.bucket, keys.model(model, version, "signature.json"))

    def reference(self, model: str, version: int) -> Reference | None:
        """A version on its holdout; None of versions of former times. Raises StorageError, ContractError."""
        return self._optional(Reference, keys.model(model, version, "reference.json"))

    def reference_rows(self, model: str, version: int) -> bytes | None:
        """The packed sample of a version's holdout; None of versions of former times. Raises StorageError."""
        try:
            return self.objects.get(self.bucket, keys.model(model, version, "reference.npz"))
        except NotFound:
            return None

    def constraints(self, project: str) -> DataContract | None:
        """What the project's uploads are held to; None before the first accepted one. Raises StorageError."""
        return self._optional(DataContract, keys.data_contract(project))

    def _optional(self, cls: type[T], key: str) -> T | None:
        try:
            return self.objects.get_contract(cls, self.bucket, key)
        except NotFound:
            return None
