"""Predictions from a model version's ONNX graph."""

from __future__ import annotations

import numpy as np
import onnxruntime

from tidemill.contracts import Signature
from tidemill.serving.features import Encoder
from tidemill.serving.prediction import PROBABILITIES, SCALE, VALUE, Prediction

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
        self._outputs = [PROBABILITIES] if signature.classes else [VALUE, *({SCALE} & made)]
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
        feeds = {name: encoded[name].reshape(-1, 1) for name in self._inputs}
        rows = len(next(iter(feeds.values())))
        chunks = [
            self._session.run(
                self._outputs, {name: values[start : start + CHUNK_ROWS] for name, values in feeds.items()}
            )
            for start in range(0, max(rows, 1), CHUNK_ROWS)
        ]
        output, *others = (np.concatenate(parts).astype(np.float64) for parts in zip(*chunks, strict=True))
        if not self.signature.classes:
            scale = others[0].reshape(-1) if others else None
            return Prediction(values=output.reshape(-1), scale=scale)
        return Prediction(labels=self._classes[self._chosen(output)], probabilities=output)

    def _chosen(self, probabilities: np.ndarray) -> np.ndarray:
        """Index of each row's label."""
        threshold = self.signature.threshold
        if threshold is None or probabilities.shape[1] != 2:
            most: np.ndarray = probabilities.argmax(axis=1)
            return most
        return np.where(probabilities[:, self._positive] >= threshold, self._positive, 1 - self._positive)
