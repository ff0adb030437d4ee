"""The score stage: one slice in, its piece of the scored table out."""

import importlib.util
from pathlib import Path

import numpy as np
import onnx.parser
import pytest

from tidemill import keys
from tidemill.contracts import Scored, Signature, Slice, loads
from tidemill.errors import NotFound
from tidemill.serving import slices
from tidemill.serving.features import Encoder
from tidemill.serving.scoring import Model

ROOT = Path(__file__).parents[3]
CHURN = ROOT / "tests" / "events" / "churn"
RUN = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def app():
    specification = importlib.util.spec_from_file_location("score_app", ROOT / "functions" / "score" / "app.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


class Store:
    """A bucket in memory that counts what is read."""

    def __init__(self):
        self.objects = {}
        self.reads = []

    def get(self, bucket, key):
        self.reads.append(key)
        if (bucket, key) not in self.objects:
            raise NotFound(f"there is no object s3://{bucket}/{key}")
        return self.objects[bucket, key]

    def get_contract(self, cls, bucket, key):
        return loads(cls, self.get(bucket, key))

    def put(self, bucket, key, data):
        self.objects[bucket, key] = data


@pytest.fixture
def store():
    store = Store()
    graph = onnx.parser.parse_model((CHURN / "model.onnx.txt").read_text()).SerializeToString()
    signature = (CHURN / "signature.json").read_bytes()
    encoder = Encoder(loads(Signature, signature).inputs)
    store.objects = {("a", keys.model("churn", 3, "model.onnx")): graph}
    store.objects["a", keys.model("churn", 3, "signature.json")] = signature
    for index in (0, 1):
        ids = np.array([f"{index}-{row}" for row in range(2)], dtype=object)
        encoded = encoder.encode({"tenure": np.array([1.0 + index, 50.0])})
        store.objects["a", keys.scoring_slice(RUN, index)] = slices.pack({"id": ids}, encoded)
    return store


def item(index):
    return Slice(RUN, "churn", 3, index, 2, keys.scoring_slice(RUN, index))


def test_a_piece_is_written_under_the_index_of_its_slice(app, store):
    assert app.score(item(1), "a", store) == Scored(1, 2, keys.scoring_part(RUN, 1))
    model = Model.load(
        store.objects["a", keys.model("churn", 3, "model.onnx")],
        loads(Signature, store.objects["a", keys.model("churn", 3, "signature.json")]),
    )
    expected = slices.score(store.objects["a", keys.scoring_slice(RUN, 1)], model, header=False)
    assert store.objects["a", keys.scoring_part(RUN, 1)] == expected


def test_the_first_piece_begins_with_the_header(app, store):
    app.score(item(0), "a", store)
    assert store.objects["a", keys.scoring_part(RUN, 0)].startswith(
        b"id,prediction,probability_No,probability_Yes\n0-0,"
    )


def test_scoring_twice_leaves_what_scoring_once_leaves(app, store):
    first = app.score(item(1), "a", store)
    objects = dict(store.objects)
    assert app.score(item(1), "a", store) == first
    assert store.objects == objects


def test_the_slices_of_a_run_load_the_model_once(app, store):
    app.score(item(0), "a", store)
    app.score(item(1), "a", store)
    assert store.reads.count(keys.model("churn", 3, "model.onnx")) == 1


def test_a_missing_slice_is_told(app, store):
    with pytest.raises(NotFound, match="000007"):
        app.score(item(7), "a", store)
