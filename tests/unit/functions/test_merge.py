"""The merge stage: pieces in their order to one object."""

import importlib.util
import io
from contextlib import contextmanager
from pathlib import Path

import pytest

from tidemill import keys
from tidemill.contracts import Merged, Planned, ScoringRun, Source
from tidemill.errors import NotFound

ROOT = Path(__file__).parents[3]
RUN = ScoringRun("0" * 32, "churn", Source("data", "score/churn/2026/may.jsonl.gz", "v", "e", 1), "t", "someone")
PLANNED = Planned("a", keys.scoring_manifest(RUN.run_id), 12, 120, 3, ("senior",))


@pytest.fixture(scope="module")
def app():
    specification = importlib.util.spec_from_file_location("merge_app", ROOT / "functions" / "merge" / "app.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


class Stream(io.BytesIO):
    """What is written; its version is known when it is closed well."""

    version_id = ""


class Store:
    """A bucket in memory; a stream becomes an object only when its block ends well."""

    def __init__(self, objects):
        self.objects = objects

    def get(self, bucket, key):
        if (bucket, key) not in self.objects:
            raise NotFound(f"there is no object s3://{bucket}/{key}")
        return self.objects[bucket, key]

    @contextmanager
    def writer(self, bucket, key):
        stream = Stream()
        yield stream
        self.objects[bucket, key] = stream.getvalue()
        stream.version_id = "v1"


@pytest.fixture
def store():
    return Store({("a", keys.scoring_part(RUN.run_id, index)): f"{index}\n".encode() for index in range(12)})


def test_pieces_follow_their_index_and_the_name_follows_the_upload(app, store):
    merged = app.merge(RUN, PLANNED, "a", "data", store)
    assert merged == Merged("data", "scored/churn/2026/may.csv", 120, 3, "v1", ("senior",))
    assert store.objects["data", merged.key] == b"".join(b"%d\n" % index for index in range(12))


def test_merging_twice_leaves_what_merging_once_leaves(app, store):
    app.merge(RUN, PLANNED, "a", "data", store)
    objects = dict(store.objects)
    app.merge(RUN, PLANNED, "a", "data", store)
    assert store.objects == objects


def test_a_missing_piece_leaves_no_half_a_table(app, store):
    del store.objects["a", keys.scoring_part(RUN.run_id, 11)]
    with pytest.raises(NotFound):
        app.merge(RUN, PLANNED, "a", "data", store)
    assert ("data", "scored/churn/2026/may.csv") not in store.objects
