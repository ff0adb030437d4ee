"""A loaded model version: what is done with the rows of a request, one step after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tidemill.errors import InputRefused, NotFound
from tidemill.serving import uncertainty
from tidemill.serving.feature_lookup import FeatureLookup, LookUp
from tidemill.serving.masking import Masking
from tidemill.serving.missing_values import MissingValues
from tidemill.serving.prediction import Prediction
from tidemill.serving.scoring import Model

if TYPE_CHECKING:
    from tidemill.serving.explaining import Explainer, Explanation


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
        # Imported for the first explanation: a cold start that is to predict has no time for it.
        from tidemill.serving import columns as stored_columns
        from tidemill.serving.explaining import Explainer

        try:
            return Explainer(self._model, stored_columns.load(self._read_background()))
        except NotFound as error:
            raise InputRefused(
                f"version {self.facts.version} of {self.signature.model} was made without the rows that explanations "
                "are measured against: train the model again"
            ) from error
