"""What answers a prediction request, whatever its protocol: find the model, predict, record.

A protocol decodes a request to raw columns before, and encodes the prediction after; it
knows nothing of where models come from.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from tidemill.contracts import Capture, Signature, loads
from tidemill.errors import NotFound, StorageError
from tidemill.serving import captures, outputs, traffic
from tidemill.serving.feature_lookup import LookUp
from tidemill.serving.model_cache import ModelCache
from tidemill.serving.prediction import Prediction
from tidemill.serving.scoring import Model
from tidemill.serving.served import Served, VersionFacts
from tidemill.serving.traffic import Assignment

if TYPE_CHECKING:
    from tidemill.release_contracts import Traffic

CHAMPION = "champion"
#: The files of a model version that serving reads.
ServedFile = Literal["model.onnx", "signature.json", "background.npz"]


class Models(Protocol):
    """What is needed of the registry; all raise StorageError when it does not answer."""

    def alias(self, model: str, alias: str) -> int | None:
        """The version that an alias points to."""

    def version(self, model: str, number: int) -> VersionFacts:
        """One version. Raises NotFound."""

    def versions(self, model: str) -> Sequence[VersionFacts]:
        """All versions, newest first. Raises NotFound when there is no such model."""


class Route(NamedTuple):
    """Where an alias points; and how calls are spread, when it is the champion."""

    version: int
    traffic: Traffic | None


class Endpoint:
    """The models in service.

    Parameters
    ----------
    registry
        knows versions and aliases.
    read
        (model, version, file) -> the bytes of a model version's file; raises NotFound, StorageError.
    send
        takes a message of captures; raises StorageError.
    warn
        takes a sentence for the log.
    alias_seconds
        how long a looked-up alias, and how the model's calls are spread, is believed.
    clock
        seconds, never going back.
    read_mask_key
        gives the secret that personal data is masked with; raises NotFound, StorageError.
    look_up
        (feature set, keys) -> values by key; raises LookupFailed.
    read_traffic
        model -> how its calls are spread; raises StorageError.
    """

    def __init__(
        self,
        registry: Models,
        read: Callable[[str, int, ServedFile], bytes],
        send: Callable[[str], object],
        warn: Callable[[str], object],
        alias_seconds: float,
        clock: Callable[[], float],
        read_mask_key: Callable[[], bytes],
        look_up: LookUp,
        read_traffic: Callable[[str], Traffic | None],
    ) -> None:
        self.clock = clock
        self._registry = registry
        self._read = read
        self._send = send
        self._warn = warn
        self._alias_seconds = alias_seconds
        self._read_mask_key = read_mask_key
        self._look_up = look_up
        self._read_traffic = read_traffic
        self._served = ModelCache(self._route, self._load, alias_seconds, clock, warn)
        self._unloadable: dict[tuple[str, int], float] = {}

    def find(self, model: str, version: int | None, alias: str | None) -> Served:
        """The version, or what the alias points to, or the champion. Raises NotFound, StorageError."""
        if version is not None:
            return self._served.by_version(model, version)
        return self._served.by_alias(model, alias or CHAMPION)

    def assign(
        self, model: str, version: int | None, alias: str | None, key: str | None, call: str | None
    ) -> Assignment:
        """Which version is to answer: the one that is named, what the alias points to, or the one that the model's
        traffic gives the call to. A named version is not looked up yet.

        Parameters
        ----------
        key
            the caller's routing key.
        call
            the call's id, which stands for the key that a caller has not given, and decides about a copy; None: such
            a call goes to the champion, and no call is copied.

        Raises
        ------
        NotFound
            there is no such model or alias.
        StorageError
            the registry does not answer, and did not before.
        """
        if version is not None:
            return Assignment(model, version, "version", key=key)
        route = self._served.pointer(model, alias or CHAMPION)
        if alias is not None:
            return Assignment(model, route.version, "label", alias, key)
        spread, spread_by = route.traffic, key or call
        if spread is None or spread_by is None:
            return Assignment(model, route.version, "champion", CHAMPION, key)
        answering, why = traffic.assign(spread, route.version, spread_by)
        return Assignment(
            model,
            answering,
            why,
            CHAMPION,
            key,
            experiment=spread.experiment if spread.shares else "",
            shadow=None if call is None else traffic.copied(spread, answering, call),
        )

    def serve(self, assignment: Assignment) -> tuple[Served, Assignment]:
        """The assigned version, and the assignment as it came out: for a version that has a share of the traffic and
        cannot be loaded, the champion answers.

        Raises
        ------
        NotFound
            there is no such version.
        StorageError
            it cannot be read.
        """
        if assignment.why != "split":
            return self._served.by_version(assignment.model, assignment.version), assignment
        name = (assignment.model, assignment.version)
        failed = self._unloadable.get(name)
        if failed is None or self.clock() - failed >= self._alias_seconds:
            try:
                return self._served.by_version(*name), assignment
            except Exception as error:  # whatever is wrong with it, the caller shall not suffer
                self._unloadable[name] = self.clock()
                self._warn(
                    f"version {assignment.version} of {assignment.model} has a share of the traffic and cannot be "
                    f"loaded, the champion answers: {type(error).__name__}: {error}"
                )
        champion = self._served.pointer(assignment.model, CHAMPION).version
        instead = assignment._replace(version=champion, why="champion", unloadable=assignment.version)
        return self._served.by_version(assignment.model, champion), instead

    def available(self, model: str, version: int | None, alias: str | None) -> list[int]:
        """The versions that can be asked: one when a version or alias is named, else all, newest first.

        Raises NotFound, StorageError.
        """
        versions = [facts.version for facts in self._registry.versions(model)]
        if alias is not None:
            version = self._registry.alias(model, alias)
        elif version is None:
            return versions
        if version not in versions:
            named = f"version {version}" if alias is None else f"version labelled {alias!r}"
            raise NotFound(f"model {model!r} has no {named}")
        return [version]

    def record(
        self,
        columns: Mapping[str, Sequence[Any]],
        prediction: Prediction,
        signature: Signature,
        assignment: Assignment,
        prediction_id: str,
        at: float,
        began: float,
    ) -> None:
        """Send a prediction to be captured; when that fails a warning is all that happens.

        Parameters
        ----------
        prediction_id
            id of the request.
        at
            its time, seconds since 1970.
        began
            the same by the endpoint's clock.
        """
        recorded = captures.captures(
            columns,
            outputs.by_row(prediction, signature),
            assignment,
            prediction_id=prediction_id,
            at=_instant(at),
            ms=self._milliseconds(began),
            review=None if prediction.review is None else prediction.review.tolist(),
            scale=None if prediction.scale is None else prediction.scale.tolist(),
        )
        self._record(recorded, assignment, prediction_id, at, began)

    def record_refusal(
        self, assignment: Assignment, prediction_id: str, at: float, began: float, status: int, error: str
    ) -> None:
        """Send a call that was refused or has failed to be captured, without its rows.

        Parameters
        ----------
        status, error
            what it was answered.
        """
        refused = captures.refusal(
            assignment,
            prediction_id=prediction_id,
            at=_instant(at),
            ms=self._milliseconds(began),
            status=status,
            error=error,
        )
        self._record((refused,), assignment, prediction_id, at, began)

    def _record(
        self, recorded: Iterable[Capture], assignment: Assignment, prediction_id: str, at: float, began: float
    ) -> None:
        if assignment.unloadable is not None:
            failed = captures.refusal(
                assignment._replace(version=assignment.unloadable, why="split", shadow=None),
                prediction_id=prediction_id,
                at=_instant(at),
                ms=self._milliseconds(began),
                status=503,
                error="the version cannot be loaded",
            )
            recorded = itertools.chain(recorded, (failed,))
        captures.send(recorded, self._send, self._warn)

    def _milliseconds(self, began: float) -> float:
        return round((self.clock() - began) * 1000, 3)

    @cached_property
    def _mask_key(self) -> bytes:
        try:
            return self._read_mask_key()
        except NotFound as error:
            raise StorageError(f"a model wants personal data masked, but the secret is gone: {error}") from error

    def _route(self, model: str, alias: str) -> Route | None:
        version = self._registry.alias(model, alias)
        if version is None:
            return None
        return Route(version, self._read_traffic(model) if alias == CHAMPION else None)

    def _load(self, model: str, version: int) -> Served:
        facts = self._registry.version(model, version)
        try:
            signature = loads(Signature, self._read(model, version, "signature.json"))
            loaded = Model.load(self._read(model, version, "model.onnx"), signature)
            background = partial(self._read, model, version, "background.npz")
            return Served(loaded, facts, background, lambda: self._mask_key, self._look_up)
        except NotFound as error:
            raise StorageError(f"version {version} of model {model} is registered, but not stored: {error}") from error


def _instant(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
