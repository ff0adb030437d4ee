"""The plan stage: a table in, slices and their manifest out, all for one version of the model."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tidemill import keys
from tidemill.aws.feature_sets import FeatureSets
from tidemill.contracts import Planned, ScoringRun, Signature, Slice, Source, dumps, from_json, loads
from tidemill.errors import DataRefused
from tidemill.serving import columns
from tidemill.stages.plan import plan as plan_stage

ROOT = Path(__file__).parents[3]
APP = ROOT / "functions" / "plan" / "app.py"
CHURN = ROOT / "tests" / "events" / "churn"
TABLE = b"id,tenure,monthly,contract\n" + b"".join(b"%d,%d,29.85,Monthly\n" % (row, row + 10) for row in range(5))
KEY = "score/churn/may.csv"
RUN = ScoringRun("0" * 32, "churn", Source("data", KEY, "v1", "e", len(TABLE)), "2026-01-02T03:04:05Z", "someone")


class Store:
    """Buckets in memory; uploads by key and version."""

    def __init__(self):
        self.objects = {("a", keys.model("churn", 3, "signature.json")): (CHURN / "signature.json").read_bytes()}
        self.uploads = {("data", KEY, "v1"): TABLE}

    def get_contract(self, cls, bucket, key):
        return loads(cls, self.objects[bucket, key])

    def put(self, bucket, key, data):
        self.objects[bucket, key] = data

    def put_contract(self, bucket, key, value):
        self.objects[bucket, key] = dumps(value)

    def download(self, bucket, key, path, version_id=""):
        path.write_bytes(self.uploads[bucket, key, version_id])

    def slice(self, index):
        return columns.load(self.objects["a", keys.scoring_slice(RUN.run_id, index)])


class Registry:
    """The champion is what `aliases` says at each look; it counts the looks."""

    def __init__(self, *versions):
        self.versions = list(versions)
        self.looks = 0

    def alias(self, model, alias):
        self.looks += 1
        return self.versions.pop(0) if model == "churn" and alias == "champion" else None


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def plan(store, tmp_path):
    def run(run=RUN, registry=None, work=tmp_path):
        return plan_stage(run, 1, 2, FeatureSets("a", store, registry or Registry(3)), work)

    return run


def test_rows_are_cut_in_their_order(plan, store):
    assert plan() == Planned("a", keys.scoring_manifest(RUN.run_id), 3, 5, 3, ("senior", "joined"))
    assert [store.slice(index)["original:id"].tolist() for index in range(3)] == [["0", "1"], ["2", "3"], ["4"]]
    assert store.slice(1)["encoded:tenure"].tolist() == [12.0, 13.0]


def test_the_manifest_is_an_array_that_tells_each_child_everything(plan, store):
    plan()
    manifest = json.loads(store.objects["a", keys.scoring_manifest(RUN.run_id)])
    assert [from_json(Slice, item) for item in manifest] == [
        Slice(RUN.run_id, "churn", 3, index, rows, keys.scoring_slice(RUN.run_id, index))
        for index, rows in enumerate((2, 2, 1))
    ]


def test_the_champion_is_looked_up_once(plan):
    registry = Registry(3, 4, 4, 4)
    assert plan(registry=registry).version == 3
    assert registry.looks == 1


def test_planning_twice_leaves_what_planning_once_leaves(plan, store, tmp_path_factory):
    first, objects = plan(), dict(store.objects)
    assert plan(work=tmp_path_factory.mktemp("again")) == first
    assert store.objects == objects


def test_the_upload_of_the_run_is_read_though_a_newer_one_exists(plan, store):
    store.uploads["data", KEY, "v2"] = b"other\n1\n"
    assert plan().rows == 5


def test_a_model_that_does_not_serve_is_refused(plan):
    with pytest.raises(DataRefused, match="no model 'churn' in service"):
        plan(registry=Registry(None))


def test_a_file_that_is_too_large_is_refused_before_it_is_fetched(plan, store):
    store.uploads.clear()
    large = dataclasses.replace(RUN, source=dataclasses.replace(RUN.source, size=2**20 + 1))
    with pytest.raises(DataRefused, match=r"1,048,577 bytes, at most 1,048,576 are accepted"):
        plan(large)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (b"", "empty"),
        (b"\x00\x01\x02\x03" * 50, "table|text"),
        (b"id,tenure\n", "rows"),
        (b"id,contract\n1,Monthly\n2,Yearly\n", "tenure"),
        (b"id,tenure\n1,3\n2,abc\n", "abc"),
        (b"id,tenure\n1,3\n2,4\n3,\n", "'tenure' has no value in row 3"),
    ],
    ids=["empty", "binary", "no rows", "no required column", "wrong type", "empty cell"],
)
def test_what_cannot_be_scored_is_refused_naming_what_is_wrong(plan, store, table, words):
    store.uploads["data", KEY, "v1"] = table
    with pytest.raises(DataRefused, match=words):
        plan()


def test_a_table_without_any_column_of_the_model_is_refused(plan, store):
    signature = loads(Signature, store.objects["a", keys.model("churn", 3, "signature.json")])
    optional = tuple(dataclasses.replace(field, required=False) for field in signature.inputs)
    store.put_contract("a", keys.model("churn", 3, "signature.json"), dataclasses.replace(signature, inputs=optional))
    store.uploads["data", KEY, "v1"] = b"id,other\n1,2\n2,3\n"
    with pytest.raises(DataRefused, match="no column that the model knows: it needs some of tenure, monthly"):
        plan()


BLOCKED = """
import importlib.abc, importlib.util, sys

class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in ("onnxruntime", "sklearn", "scipy", "skl2onnx", "boto3"):
            raise ImportError(name + " is blocked")

sys.meta_path.insert(0, Blocker())
specification = importlib.util.spec_from_file_location("app", sys.argv[1])
specification.loader.exec_module(importlib.util.module_from_spec(specification))
"""


def test_it_needs_nothing_beyond_its_layers():
    run = subprocess.run([sys.executable, "-c", BLOCKED, str(APP)], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
