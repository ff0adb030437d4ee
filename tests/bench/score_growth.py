"""Time and memory of batch scoring from 10 thousand to 1 million rows.

Each size runs in a process of its own, with a folder instead of buckets: `plan` (read,
check, encode, cut), `score` for every slice, `merge`. Prints seconds and peak memory of
each, and the ratios to the smallest size: ten times the rows should cost about ten times
the time (less while fixed costs weigh) and hardly more memory.

    python tests/bench/score_growth.py [rows ...]
"""

import importlib.util
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import onnx.parser

from tidemill import keys
from tidemill.aws.feature_sets import FeatureSets
from tidemill.contracts import ScoringRun, Slice, Source, dumps, from_json, loads
from tidemill.stages.plan import plan

ROOT = Path(__file__).parents[2]
CHURN = ROOT / "tests" / "events" / "churn"
SIZES = (10_000, 100_000, 1_000_000)
STAGES = ("plan", "score", "merge")


class Folder:
    """What the stages need of S3, over a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, bucket: str, key: str) -> Path:
        """Where an object lies."""
        path = self._root / bucket / key
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def get(self, bucket: str, key: str) -> bytes:
        """The object's bytes."""
        return self.path(bucket, key).read_bytes()

    def put(self, bucket: str, key: str, data: bytes) -> None:
        """Write an object."""
        self.path(bucket, key).write_bytes(data)

    def get_contract(self, cls: type, bucket: str, key: str) -> Any:
        """Read a contract."""
        return loads(cls, self.get(bucket, key))

    def put_contract(self, bucket: str, key: str, value: Any) -> None:
        """Write a contract."""
        self.put(bucket, key, dumps(value))

    def download(self, bucket: str, key: str, path: Path, _version_id: str) -> None:
        """Copy an object to a file, without another copy of its bytes."""
        path.symlink_to(self.path(bucket, key))

    @contextmanager
    def writer(self, bucket: str, key: str) -> Iterator[SimpleNamespace]:
        """A stream that becomes an object, of which there are no versions."""
        with self.path(bucket, key).open("wb") as stream:
            yield SimpleNamespace(write=stream.write, version_id="")


def write_table(path: Path, rows: int) -> None:
    """A seeded table with every kind of column, missing values and an id."""
    draw = random.Random(0)
    with path.open("w") as file:
        file.write("id,tenure,monthly,contract,senior,joined\n")
        for number in range(rows):
            monthly = "" if draw.random() < 0.1 else f"{draw.uniform(18, 118):.2f}"
            contract = draw.choice(("Monthly", "Yearly", "TwoYears", "Weekly", ""))
            joined = f"{draw.randrange(2000, 2026)}-{draw.randrange(1, 13):02d}-{draw.randrange(1, 29):02d}"
            senior = draw.choice(("true", "false"))
            file.write(f"C{number:07d},{draw.randrange(73)},{monthly},{contract},{senior},{joined}\n")


def app(stage: str) -> ModuleType:
    """A function's module."""
    specification = importlib.util.spec_from_file_location(f"{stage}_app", ROOT / "functions" / stage / "app.py")
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def measure(rows: int) -> None:
    """Score a table of so many rows in this process; print seconds by stage and peak memory in MB as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        store: Any = Folder(Path(folder))
        upload = store.path("data", "score/churn/table.csv")
        write_table(upload, rows)
        graph = onnx.parser.parse_model((CHURN / "model.onnx.txt").read_text()).SerializeToString()
        store.put("artifacts", keys.model("churn", 1, "model.onnx"), graph)
        store.put("artifacts", keys.model("churn", 1, "signature.json"), (CHURN / "signature.json").read_bytes())
        source = Source("data", "score/churn/table.csv", "1", "e", upload.stat().st_size)
        run = ScoringRun("0" * 32, "churn", source, "2026-01-02T03:04:05Z", "bench")
        modules = {stage: app(stage) for stage in ("score", "merge")}
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        times = [time.perf_counter()]
        registry: Any = SimpleNamespace(alias=lambda *_: 1)
        stored = FeatureSets("artifacts", store, registry)
        (work := Path(folder, "work")).mkdir()
        planned = plan(run, 1024, 10_000, stored, work)
        times.append(time.perf_counter())
        for item in json.loads(store.get(planned.manifest_bucket, planned.manifest_key)):
            modules["score"].score(from_json(Slice, item), "artifacts", store)
        times.append(time.perf_counter())
        merged = modules["merge"].merge(run, planned, "artifacts", "data", store)
        times.append(time.perf_counter())
        assert merged.rows == rows
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        seconds = {stage: end - start for stage, start, end in zip(STAGES, times, times[1:], strict=False)}
        print(json.dumps({"seconds": seconds, "peak": peak / 1024, "grown": (peak - before) / 1024}))


def main(sizes: tuple[int, ...]) -> None:
    """Measure each size in a fresh process and compare with the first."""
    first: dict[str, Any] | None = None
    for rows in sizes:
        command = [sys.executable, __file__, "--measure", str(rows)]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        found = json.loads(run.stdout.splitlines()[-1])
        first = first or found | {"rows": rows}
        seconds, total = found["seconds"], sum(found["seconds"].values())
        by_stage = ", ".join(f"{stage} {value:.2f} s" for stage, value in seconds.items())
        print(f"{rows:>9,} rows: {total:.2f} s ({by_stage}), peak {found['peak']:.0f} MB")
        print(
            f"           times the first: rows {rows / first['rows']:.0f}, time "
            f"{total / sum(first['seconds'].values()):.1f}, memory {found['peak'] / first['peak']:.2f}"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(int(sys.argv[2]))
    else:
        main(tuple(map(int, sys.argv[1:])) or SIZES)
