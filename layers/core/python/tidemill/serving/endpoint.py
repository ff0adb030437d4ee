"""What answers a prediction request, whatever its protocol: find the model, predict, record.

A protocol decodes a request to raw columns before, and encodes the prediction after; it
knows nothing of where models come from.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, Literal, Protocol

import numpy as np

from tidemill.contracts import Signature, loads
from tidemill.errors import InputRefused, NotFound, StorageError
from tidemill.serving import captures, outputs, uncertainty
from tidemill.serving import columns as stored_columns
from tidemill.serving.explaining import Explainer, Explanation
from tidemill.serving.feature_lookup import FeatureLookup, LookUp
from tidemill.serving.masking import Masking
from tidemill.serving.missing_values import MissingValues
from tidemill.serving.model_cache import ModelCache
from tidemill.serving.prediction import Prediction
from tidemill.serving.scoring import Model

CHAMPION = "champion"
#: The files of a model version that serving reads.
ServedFile = Literal["model.onnx", "signature.json", "background.npz"]


class VersionFacts(Protocol):
    """What the registry knows of a model version."""

    @property
    def version(self) -> int:
        """From 1."""

    @property
    def metric(self) -> str:
        """The metric that decided."""

    @property
    def value(self) -> float:
        """Of the metric, on the holdout."""


class Models(Protocol):
    """What is needed of the registry; all raise StorageError when it does not answer."""

    def alias(self, model: str, alias: str) -> int | None:
        """The version that an alias points to."""

    def version(self, model: str, number: int) -> VersionFacts:
        """One version. Raises NotFound."""

    def versions(self, model: str) -> Sequence[VersionFacts]:
        """All versions, newest first. Raises NotFound when there is no such model."""


class Served:
    """A loaded model version, and what the registry knows of it."""

    def __init__(
        self,
        model: Model,
        facts: VersionFacts,
        read_background: Callable[[], bytes],
        mask_key: Callable[[], bytes],
        look_up: LookUp,
    ) -> None:
        self.signature = model.signature
        self.facts = facts
        self._model = model
        self._read_background = read_background
        self._missing = MissingValues(model.signature.missing_values, model.signature.real_values)
        self._masking = Masking(model.signature.inputs, self._missing, mask_key)
        self._lookup = FeatureLookup(model.signature, look_up)
        self._only_keys = {field.name for field in model.signature.keys}

    def masked(self, columns: Mapping[str, Sequence[Any]]) -> Mapping[str, Sequence[Any]]:
        """Raw values by column with tokens for personal data; what is decoded goes through here before anything else.

        Raises InputRefused naming the field whose value is neither text nor number, StorageError.
        """
        return self._masking.masked(columns)

    def completed(self, columns: Mapping[str, Sequence[Any]]) -> Mapping[str, Sequence[Any]]:
        """Raw values by column with the features that are looked up.

        Raises InputRefused naming the field that is missing, LookupFailed.
        """
        return self._lookup.completed(columns) if self.signature.feature_sets else columns

    def predict(self, columns: Mapping[str, Sequence[Any]], confidence: float | None = None) -> Prediction:
        """Predict from raw values by column, with intervals or sets of a confidence when one is given.

        Raises InputRefused naming the field that does not fit.
        """
        return uncertainty.stated(self._model.predict(self._encoded(columns)), self.signature, confidence)

    def explain(self, columns: Mapping[str, Sequence[Any]]) -> list[Explanation]:
        """What each input adds to each row's score.

        Raises InputRefused naming the field that does not fit, StorageError.
        """
        return self._explainer.explain(self._encoded(columns))

    def _encoded(self, columns: Mapping[str, Sequence[Any]]) -> dict[str, np.ndarray]:
        inputs = {name: values for name, values in columns.items() if name not in self._only_keys}
        return self._model.encoder.encode(self._missing.taken_out(inputs))

    @cached_property
    def _explainer(self) -> Explainer:
        try:
            return Explainer(self._model, stored_columns.load(self._read_background()))
        except NotFound as error:
            raise InputRefused(
                f"version {self.facts.version} of {self.signature.model} was made without the rows that explanations "
                "are measured against: train the model again"
            ) from error


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
        how long a looked-up alias is believed.
    clock
        seconds, never going back.
    read_mask_key
        gives the secret that personal data is masked with; raises NotFound, StorageError.
    look_up
        (feature set, keys) -> values by key; raises LookupFailed.
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
    ) -> None:
        self._registry = registry
        self._read = read
        self._send = send
        self._warn = warn
        self._read_mask_key = read_mask_key
        self._look_up = look_up
        self._served = ModelCache(registry.alias, self._load, alias_seconds, clock, warn)

    def find(self, model: str, version: int | None, alias: str | None) -> Served:
        """The version, or what the alias points to, or the champion. Raises NotFound, StorageError."""
        if version is not None:
            return self._served.by_version(model, version)
        return self._served.by_alias(model, alias or CHAMPION)

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
        served: Served,
        alias: str | None,
        prediction_id: str,
        at: float,
    ) -> None:
        """Send a prediction to be captured; when that fails a warning is all that happens.

        Parameters
        ----------
        prediction_id
            id of the request.
        at
            its time, seconds since 1970.
        """
        recorded = captures.captures(
            columns,
            outputs.by_row(prediction, served.signature),
            prediction_id=prediction_id,
            at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)),
            model=served.signature.model,
            version=served.facts.version,
            alias=alias,
            review=None if prediction.review is None else prediction.review.tolist(),
        )
        captures.send(recorded, self._send, self._warn)

    @cached_property
    def _mask_key(self) -> bytes:
        try:
            return self._read_mask_key()
        except NotFound as error:
            raise StorageError(f"a model wants personal data masked, but the secret is gone: {error}") from error

    def _load(self, model: str, version: int) -> Served:
        facts = self._registry.version(model, version)
        try:
            signature = loads(Signature, self._read(model, version, "signature.json"))
            loaded = Model.load(self._read(model, version, "model.onnx"), signature)
            background = partial(self._read, model, version, "background.npz")
            return Served(loaded, facts, background, lambda: self._mask_key, self._look_up)
        except NotFound as error:
            raise StorageError(f"version {version} of model {model} is registered, but not stored: {error}") from error
