"""What the stages of a run have written, for whoever tells how it ended: any of it may be missing."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from typing import TypeVar

from tidemill import keys
from tidemill.aws.objects import Objects
from tidemill.contracts import CandidateResult, Check, Evaluation, Lineage, Profile, Signature
from tidemill.errors import ContractError, NotFound

T = TypeVar("T")


class RunFiles:
    """The artifacts of one run.

    Parameters
    ----------
    warn
        takes a sentence about an artifact that is there but cannot be read; it counts as missing.
    """

    def __init__(self, objects: Objects, bucket: str, run_id: str, warn: Callable[[str], object]) -> None:
        self._objects = objects
        self._bucket = bucket
        self._run_id = run_id
        self._warn = warn

    def profile(self) -> Profile | None:
        """The profile, also of a refused table."""
        return self._read(Profile, keys.run_profile(self._run_id))

    def checks(self) -> tuple[Check, ...]:
        """The checks, also of a refused table; empty when there are none."""
        return self._read(tuple[Check, ...], keys.run_checks(self._run_id)) or ()

    def candidates(self) -> tuple[CandidateResult, ...]:
        """The cross-validated candidates, by name."""
        folder = posixpath.dirname(keys.run_candidate(self._run_id, "x")) + "/"
        found = (self._read(CandidateResult, head.key) for head in self._objects.list(self._bucket, folder))
        return tuple(candidate for candidate in found if candidate)

    def evaluation(self) -> Evaluation | None:
        """The evaluation on the holdout, also of a model that a gate refused."""
        return self._read(Evaluation, keys.run_evaluation(self._run_id))

    def signature(self) -> Signature | None:
        """The signature of the refitted model."""
        return self._read(Signature, keys.run_signature(self._run_id))

    def lineage(self, model: str, version: int) -> Lineage | None:
        """The lineage of the version that the run registered."""
        return self._read(Lineage, keys.model(model, version, "lineage.json"))

    def _read(self, cls: type[T], key: str) -> T | None:
        try:
            return self._objects.get_contract(cls, self._bucket, key)
        except NotFound:
            return None
        except ContractError as error:
            self._warn(f"{key} cannot be read: {error}")
            return None
