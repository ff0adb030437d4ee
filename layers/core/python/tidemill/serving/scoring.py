"""Predictions from a model version's ONNX graph."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import onnxruntime

from tidemill.contracts import SUPERVISED, Signature
from tidemill.serving.features import Encoder
from tidemill.serving.prediction import (
    ANOMALY,
    COMPONENTS,
    LABEL,
    NORMAL,
    PROBABILITIES,
    SCALE,
    SOURCES,
    VALUE,
    Prediction,
)

__all__ = ["CHUNK_ROWS", "Model", "Prediction"]

# What a model is used for is its owner's business.
onnxruntime.disable_telemetry_events()

#: Rows per call of the graph, so that memory stays small whatever the table.
CHUNK_ROWS = 16_384


class Model:
    """A loaded graph with its signature; `encoder` turns raw columns into what `predict` takes."""

    def __init__(self, session: onnxruntime.InferenceSession, signature: Signature) -> None:
        self.signature = signature
        self.encoder = Encoder(signature.inputs)
        self._session = session
        self._inputs = [node.name for node in session.get_inputs()]
        self._classes = np.array(signature.classes, dtype=object)
        made = {node.name for node in session.get_outputs()}
        self._outputs = {
            "clustering": [LABEL, VALUE],
            "anomaly_detection": [VALUE],
            "dimensionality_reduction": [COMPONENTS],
        }.get(signature.task) or ([PROBABILITIES] if signature.classes else [VALUE, *({SCALE} & made)])
        self._positive = (
            signature.classes.index(signature.positive_class) if signature.positive_class in signature.classes else 1
        )

    @classmethod
    def load(cls, onnx: bytes, signature: Signature, threads: int = 1) -> Model:
        """Load a graph, to be run with as many threads."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 3
        return cls(onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"]), signature)

    def predict(self, encoded: dict[str, np.ndarray]) -> Prediction:
        """Predict from encoded columns, each of shape (n,)."""
        found = self.run(encoded, self._outputs)
        if self.signature.task not in SUPERVISED:
            return self._found(dict(zip(self._outputs, found, strict=True)))
        output, *others = (values.astype(np.float64) for values in found)
        if not self.signature.classes:
            scale = others[0].reshape(-1) if others else None
            return Prediction(values=output.reshape(-1), scale=scale)
        return Prediction(labels=self._classes[self._chosen(output)], probabilities=output)

    def run(self, encoded: dict[str, np.ndarray], outputs: Sequence[str]) -> list[np.ndarray]:
        """Outputs of the graph by name, as it gives them, from encoded columns, each of shape (n,)."""
        feeds = {name: encoded[name].reshape(-1, 1) for name in self._inputs}
        rows = len(next(iter(feeds.values())))
        chunks = [
            self._session.run(outputs, {name: values[start : start + CHUNK_ROWS] for name, values in feeds.items()})
            for start in range(0, max(rows, 1), CHUNK_ROWS)
        ]
        return [np.concatenate(parts) for parts in zip(*chunks, strict=True)]

    @property
    def sources(self) -> tuple[str, ...]:
        """The raw column of each column of the `space` output; empty for a task with a target."""
        described = self._session.get_modelmeta().custom_metadata_map
        return tuple(json.loads(described.get(SOURCES, "[]")))

    def _found(self, outputs: dict[str, np.ndarray]) -> Prediction:
        """The prediction of a task without a target."""
        if COMPONENTS in outputs:
            return Prediction(components=outputs[COMPONENTS].astype(np.float64))
        values = outputs[VALUE].reshape(-1).astype(np.float64)
        if LABEL in outputs:
            return Prediction(labels=outputs[LABEL].astype(object), values=values)
        threshold = self.signature.threshold
        assert threshold is not None, "a model that detects anomalies has a threshold"
        return Prediction(labels=np.where(values >= threshold, ANOMALY, NORMAL).astype(object), values=values)

    def _chosen(self, probabilities: np.ndarray) -> np.ndarray:
        """Index of each row's label."""
        threshold = self.signature.threshold
        if threshold is None or probabilities.shape[1] != 2:
            most: np.ndarray = probabilities.argmax(axis=1)
            return most
        return np.where(probabilities[:, self._positive] >= threshold, self._positive, 1 - self._positive)
