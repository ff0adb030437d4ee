"""What watching costs, and how it grows: python tests/bench/watching_cost.py [captures ...]

A model of the generated churn table is asked all day; what was recorded is counted by `monitoring.hour_parts`, part by
part as the summarize function does it, and looked at by `monitoring.looking`, as the monitor function does. Reading,
unpacking and writing are the real ones; only S3 is in memory, and counts its requests. Dollars are those of
`rules.prices`: the functions' memory for as long as this machine took and S3 would have let them wait.

Bars: seconds grow with the captures, each of a million taking at most 1.25 times as long as each of a quarter of a
million; and a further look costs what is new, whatever was counted before.
"""

from __future__ import annotations

import dataclasses
import gc
import gzip
import json
import resource
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from tidemill import keys
from tidemill.aws.monitoring_files import MonitoringFiles, hour_of
from tidemill.aws.objects import Head
from tidemill.contracts import Capture, ColumnType, Signature, StageUsage, dumps, instant, loads, to_json
from tidemill.data import parquet, validation
from tidemill.errors import NotFound
from tidemill.learning import evaluation, fitting, preparation, refitting
from tidemill.learning.evaluation import Trained
from tidemill.learning.rows import load_prediction, save_prediction
from tidemill.monitoring import reference
from tidemill.monitoring.hour_parts import Counting, Material
from tidemill.monitoring.looking import Look
from tidemill.monitoring.points import Known
from tidemill.monitoring.progress import Progress
from tidemill.monitoring_contracts import Due, MonitorPoint, WatchState
from tidemill.rules import prices
from tidemill.serving.features import encode
from tidemill.serving.scoring import Model
from tidemill.spec import Monitor, Search, Spec
from tidemill_cli import churn_generator

T = TypeVar("T")
#: A row of inputs, and what the model says of it.
Answered = tuple[dict[str, Any], dict[str, Any]]

SIZES = (250_000, 500_000, 1_000_000)
LINEAR = 1.25
#: New captures of the further look.
FURTHER = 20_000
#: Captures of a file: what a minute brings where a million come in a day.
FILE_ROWS = 700
#: How long S3 lets a request wait, and how many it has at a time; seconds.
S3_SECONDS, S3_READERS = 0.02, 8
SUMMARIZE_MB, MONITOR_MB, PREDICT_MB = 2048, 1024, 1024
#: Of one look, besides what grows: states of the machine, and requests to the table.
TRANSITIONS, TABLE_WRITES, TABLE_READS = 12, 6, 20
SPEC = Spec(target="Churn", candidates=("baseline", "linear"), folds=2, search=Search(ensemble=False))
DAY = datetime(2026, 3, 4, tzinfo=UTC)
BUCKET = "bench"


class Memory:
    """What is needed of `aws.objects.Objects`, in memory, counting requests."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}
        self.gets = self.puts = 0

    def get(self, _bucket: str, key: str) -> bytes:
        """An object's bytes."""
        self.gets += 1
        if key not in self.stored:
            raise NotFound(key)
        return self.stored[key]

    def put(self, _bucket: str, key: str, data: bytes) -> None:
        """Keep an object."""
        self.puts += 1
        self.stored[key] = data

    def put_new(self, bucket: str, key: str, data: bytes) -> bool:
        """Keep an object that is not there yet."""
        self.put(bucket, key, self.stored.get(key, data))
        return self.stored[key] is data

    def get_contract(self, cls: type[T], bucket: str, key: str) -> T:
        """A contract."""
        return loads(cls, self.get(bucket, key))

    def put_contract(self, bucket: str, key: str, value: Any) -> None:
        """Keep a contract."""
        self.put(bucket, key, dumps(value))

    def list(self, _bucket: str, prefix: str, start_after: str = "") -> Iterator[Head]:
        """The objects under a prefix, a request for each thousand."""
        found = sorted(key for key in self.stored if key.startswith(prefix) and key > start_after)
        self.puts += 1 + len(found) // 1000
        for key in found:
            data = self.stored[key]
            yield Head(key, len(data), f"{zlib.crc32(data):08x}", instant(DAY))


@dataclass
class Series:
    """The time series, in memory."""

    kept: list[MonitorPoint] = field(default_factory=list)

    def points(
        self,
        _model: str,
        version: int | None = None,
        limit: int = 200,
        since: str = "",
        shadow: bool | None = None,
    ) -> list[MonitorPoint]:
        """The newest points, newest first."""
        found = [
            point
            for point in sorted(self.kept, key=lambda point: point.end, reverse=True)
            if version in (None, point.version) and shadow in (None, point.shadow) and point.end >= since
        ]
        return found[:limit]

    def put_point(self, point: MonitorPoint) -> None:
        """Keep a point."""
        self.kept.append(point)


@dataclass
class Records:
    """The state of watching, in memory."""

    state: WatchState | None = None
    swaps: int = 0

    def watch_state(self, _model: str) -> WatchState | None:
        """How far watching has come."""
        return self.state

    def swap_watch_state(self, state: WatchState, _revision: int | None) -> bool:
        """Keep it."""
        self.state, self.swaps = state, self.swaps + 1
        return True


@dataclass(frozen=True)
class Asked:
    """A model, and rows with what it says of them."""

    known: Known
    model: Model
    rows: list[Answered]


def asked() -> Asked:
    """Train on the generated customers, and ask about all of them."""
    data = churn_generator.customers()
    with tempfile.TemporaryDirectory() as work:
        outcome = validation.validate(
            lambda path: path.write_bytes(data) and None, len(data), "churn.csv", SPEC, None, Path(work), 1 << 30
        )
        validated, profile = outcome.accepted_or_refused()
        types = preparation.needed(profile, validated.target)
        raw = parquet.load_columns(Path(work) / validation.TABLE, list(types), types)
    ready = preparation.prepare("churn", SPEC, profile, validated, raw)
    plan = ready.plan
    made = [fitting.cross_validate(one, plan, ready.train, time.perf_counter) for one in plan.prepared().candidates]
    found = {one.result.name: one.out_of_fold for one in made if one.out_of_fold}
    scores = [fitting.score_of(one.result, plan.metric) for one in made]
    refit = refitting.refit(plan, ready.train, ready.holdout, scores, found)
    model = Model.load(refit.onnx, refit.signature)
    trained = Trained(
        refit.fit,
        model,
        Model.load(refit.baseline_onnx, refit.signature),
        load_prediction(save_prediction(refit.reference)),
    )
    judged = evaluation.evaluate(SPEC, ready.holdout, trained, None)
    said = model.predict(ready.holdout.columns)
    kept, sample = reference.build(
        judged, refit.signature, ready.holdout.columns, ready.holdout.target, said, trained_at=instant(DAY), seed=0
    )
    known = Known(profile, refit.signature, kept, sample)
    return Asked(known, model, answered(model, refit.signature, data)[0])


def answered(model: Model, signature: Signature, table: bytes) -> tuple[list[Answered], list[str]]:
    """The rows of a table of customers with what the model says of them, and what they did."""
    lines = [line.split(",") for line in table.decode().splitlines()[1:]]
    places = {field: churn_generator.COLUMNS.index(field.name) for field in signature.inputs}
    rows = [{field.name: _value(line[place], field.type) for field, place in places.items()} for line in lines]
    said = model.predict(encode(signature.inputs, {name: [row[name] for row in rows] for name in rows[0]}))
    assert said.probabilities is not None
    assert said.labels is not None
    answers = [
        {"label": str(label), "probabilities": shares.tolist()}
        for label, shares in zip(said.labels, said.probabilities, strict=True)
    ]
    target = churn_generator.COLUMNS.index(churn_generator.TARGET)
    return list(zip(rows, answers, strict=True)), [line[target] for line in lines]


def _value(text: str, kind: ColumnType) -> Any:
    return None if not text else float(text) if kind in ("integer", "number") else text


def record(memory: Memory, made: Asked, start: int, count: int, day: datetime, hours: int) -> None:
    """Put recorded predictions where the capture function does, evenly over the hours."""
    blank = Capture("\0id", "\0at", "churn", 1, {}, None, "champion", ms=12.5)
    texts = [
        json.dumps(to_json(dataclasses.replace(blank, inputs=inputs, prediction=said))) for inputs, said in made.rows
    ]
    pieces = [text.replace('"\\u0000at"', '"{at}"').split('"\\u0000id"') for text in texts]
    for first in range(start, start + count, FILE_ROWS):
        at = day + timedelta(hours=hours * (first - start) / count)
        lines = []
        for number in range(first, min(first + FILE_ROWS, start + count)):
            before, after = pieces[number % len(pieces)]
            lines.append(f'{before}"{number:032x}"{after}'.replace('"{at}"', f'"{instant(at)}"'))
        key = keys.captures("churn", instant(at), f"{first:012d}")
        memory.stored[key] = gzip.compress("\n".join(lines).encode() + b"\n", 6, mtime=0)


@dataclass(frozen=True)
class Spent:
    """What looking took."""

    captures: int
    calls: int  #: of summarize
    summarize_seconds: float  #: of the processor
    monitor_seconds: float
    gets: int
    puts: int
    swaps: int  #: of the state of watching

    @property
    def usd(self) -> float:
        """At list prices, on the machines of the template."""
        waiting = (self.gets + self.puts) * S3_SECONDS / S3_READERS
        summarize = StageUsage(
            self.calls,
            self.summarize_seconds + waiting,
            SUMMARIZE_MB,
            "arm64",
            TRANSITIONS + 2 * self.calls,
            self.puts,
            self.gets,
            TABLE_WRITES + 2 * self.swaps,  # each a transaction
            TABLE_READS,
        )
        monitor = StageUsage(1, self.monitor_seconds, MONITOR_MB, "arm64", 0)
        return prices.price(summarize).usd + prices.price(monitor).usd


def look(memory: Memory, made: Asked, series: Series, at: datetime) -> Spent:
    """One look at the model: count what is new, then compare the window."""
    gets, puts = memory.gets, memory.puts
    files = MonitoringFiles(BUCKET, memory)  # type: ignore[arg-type]
    known = made.known
    material = Material(known.profile, known.signature, known.reference, None)
    due, records = Due("churn", instant(at)), Records()
    began, calls, captures, more = time.process_time(), 0, 0, True
    while more:
        progress = Progress(due, records)
        counted = Counting("churn", files, progress, lambda _: material, None).count("", hour_of(due.at))
        calls, captures, more = calls + 1, captures + counted.captures, counted.more
    progress.end()
    summarized = time.process_time()
    Look(due, Monitor(), 1, (1,), lambda _: known, files, series, PREDICT_MB, lambda: 0.0).run()
    return Spent(
        captures,
        calls,
        summarized - began,
        time.process_time() - summarized,
        memory.gets - gets,
        memory.puts - puts,
        records.swaps,
    )


def line(spent: Spent) -> str:
    """What a look took, in words."""
    seconds = spent.summarize_seconds + spent.monitor_seconds
    return (
        f"{spent.captures:,} new captures: {seconds:.2f} s of the processor, {spent.captures / seconds:,.0f} a second; "
        f"{spent.calls} calls of summarize, {spent.gets:,} reads and {spent.puts:,} writes of S3, ${spent.usd:.4f}, "
        f"${spent.usd / spent.captures * 1e6:.4f} per million"
    )


def main(sizes: list[int]) -> None:
    """Print what looking at so many captures costs, and how it grows."""
    made = asked()
    spent = []
    for size in sizes:
        memory, series = Memory(), Series()
        record(memory, made, 0, size, DAY, 24)
        gc.collect()
        spent.append(look(memory, made, series, DAY + timedelta(days=1)))
        assert spent[-1].captures == size
        print(line(spent[-1]), flush=True)
    each = [(one.summarize_seconds + one.monitor_seconds) / one.captures for one in spent]
    growth = each[-1] / each[0]
    print(f"a capture of the largest day costs {growth:.2f} times one of the smallest: {_judged(growth <= LINEAR)}")
    record(memory, made, sizes[-1], FURTHER, DAY + timedelta(days=1), 1)
    further = look(memory, made, series, DAY + timedelta(days=1, hours=1))
    assert further.captures == FURTHER
    print(f"a further look, beside {sizes[-1]:,} that are counted:\n{line(further)}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"peak memory {peak:,.0f} MB, of which {sum(map(len, memory.stored.values())) / 2**20:,.0f} MB are the bucket"
    )


def _judged(reached: bool) -> str:
    return "linear" if reached else f"NOT linear, at most {LINEAR} is"


if __name__ == "__main__":
    main([int(text) for text in sys.argv[1:]] or list(SIZES))
