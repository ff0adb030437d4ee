"""One warm prediction inside the predict function against the bare graph on the same row.

The model is gradient boosting on a table of the shape of the telco churn table: three
numbers and 16 categories. The handler gets API Gateway's event and does everything from
Chalice's routing to the body of the answer, the assignment by the traffic's shares and the
capture's message included; only its network call is replaced. Handler and bare
`InferenceSession.run` alternate, so that what else the machine does falls on both. Prints the
medians and their ratio; the bar is 10.

    python tests/bench/predict_latency.py [predictions]
"""

import importlib.util
import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from tidemill.contracts import InputField, Signature, dumps
from tidemill.release_contracts import Share, Traffic
from tidemill.serving.endpoint import Endpoint

ROOT = Path(__file__).parents[2]
#: Levels of the categories of the telco table.
LEVELS = {f"category_{index}": count for index, count in enumerate((2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 2, 4))}
NUMBERS = ("tenure", "monthly", "total")


def table(rows: int) -> dict[str, list[Any]]:
    """A seeded table; `target` depends on some of the columns."""
    draw = random.Random(0)
    columns: dict[str, list[Any]] = {
        name: [f"level {draw.randrange(count)}" for _ in range(rows)] for name, count in LEVELS.items()
    }
    columns |= {name: [round(draw.uniform(0, 100), 2) for _ in range(rows)] for name in NUMBERS}
    columns["target"] = [
        "Yes" if (a < 30 and b == "level 0") or draw.random() < 0.1 else "No"
        for a, b in zip(columns["tenure"], columns["category_13"], strict=True)
    ]
    return columns


def model(columns: dict[str, list[Any]]) -> tuple[bytes, Signature]:
    """A fitted classifier as an ONNX graph, and its signature."""
    import pandas as pd

    frame = pd.DataFrame({name: np.array(values, dtype=object) for name, values in columns.items()})
    frame = frame.astype(dict.fromkeys(NUMBERS, np.float32))
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    prepare = make_column_transformer((encoder, list(LEVELS)), ("passthrough", list(NUMBERS)))
    estimator = make_pipeline(prepare, HistGradientBoostingClassifier(random_state=0))
    estimator.fit(frame.drop(columns="target"), frame["target"])
    types = [(name, StringTensorType([None, 1])) for name in LEVELS] + [
        (name, FloatTensorType([None, 1])) for name in NUMBERS
    ]
    graph = to_onnx(estimator, initial_types=types, options={id(estimator): {"zipmap": False}})
    fields = [InputField(name, "category") for name in LEVELS] + [InputField(name, "number") for name in NUMBERS]
    return graph.SerializeToString(), Signature("churn", "binary", "target", tuple(fields), ("No", "Yes"), "Yes")


def handler(graph: bytes, signature: Signature) -> Callable[[Any, Any], Any]:
    """The predict function over one model in memory and a queue that takes everything."""
    specification = importlib.util.spec_from_file_location("app", ROOT / "functions" / "predict" / "app.py")
    assert specification
    assert specification.loader
    app = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(app)
    registry = SimpleNamespace(
        alias=lambda *_: 1, version=lambda *_: SimpleNamespace(version=1, metric="roc_auc", value=1.0)
    )
    files = {"model.onnx": graph, "signature.json": dumps(signature)}
    endpoint = Endpoint(
        registry=registry,
        read=lambda *path: files[path[2]],
        send=lambda _: None,
        warn=print,
        alias_seconds=3600.0,
        clock=time.monotonic,
        read_mask_key=bytes,
        look_up=lambda *_: {},
        read_traffic=lambda _: Traffic("churn", (Share(2, 0.5),), 2, 0.1, "experiment"),
    )
    app.endpoint = lambda: endpoint
    called: Callable[[Any, Any], Any] = app.handler
    return called


def main(predictions: int = 3000) -> None:
    """Measure in turns."""
    columns = table(5000)
    graph, signature = model(columns)
    row = {field.name: columns[field.name][0] for field in signature.inputs}
    event = json.loads((ROOT / "tests" / "events" / "api_predict_rows.json").read_text())
    event["body"] = json.dumps({"instances": [row]})
    context = SimpleNamespace(aws_request_id="00000000-0000-0000-0000-000000000000")
    called = handler(graph, signature)

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    feeds = {name: np.array([[row[name]]], dtype=object) for name in LEVELS}
    feeds |= {name: np.array([[row[name]]], dtype=np.float32) for name in NUMBERS}
    (bare_probabilities,) = session.run(["probabilities"], feeds)
    answer = json.loads(called(event, context)["body"])
    assert answer["predictions"][0]["probabilities"] == bare_probabilities[0].tolist()

    bare, whole = [], []
    for _ in range(predictions):
        began = time.perf_counter()
        session.run(["probabilities"], feeds)
        between = time.perf_counter()
        called(event, context)
        bare.append(between - began)
        whole.append(time.perf_counter() - between)
    ours, graph_alone = (statistics.median(values[predictions // 10 :]) * 1e3 for values in (whole, bare))
    print(f"handler {ours:.3f} ms; bare InferenceSession.run {graph_alone:.3f} ms; ratio {ours / graph_alone:.1f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
