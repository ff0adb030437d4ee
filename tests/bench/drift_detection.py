"""How often drift is found where there is some, and where there is none: tests/bench/drift_detection.py

A model is trained on a table as the pipeline does it, in one process; production is rows that it has not seen, as
captures, counted by `summarize` and looked at like a window of the monitor function, with the default settings and all
labels. Needs the tables in ../shared/data. Bars:

no drift    rows of the table that the model has not seen, resampled: at most 5% of windows have any finding
sudden      occupancy_train -> occupancy_test2, bike_day 2011 -> 2012, churn -> its drifted month: an alert in the first
            full window, in all of 50 seeds
gradual     adult_census, one feature moved by 0.5 standard deviations: its drift is found in 90% of windows of 2,000
"""

from __future__ import annotations

import csv
import dataclasses
import functools
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from quality import TABLES

from tidemill.contracts import Capture, ColumnType, DataContract, Profile, Validated
from tidemill.data import parquet, validation
from tidemill.learning import evaluation, fitting, preparation, refitting
from tidemill.learning.evaluation import Trained
from tidemill.monitoring import labelled, points, reference
from tidemill.monitoring.points import Counted, Known
from tidemill.monitoring.summaries import summarize
from tidemill.monitoring_contracts import Finding, MonitorPoint
from tidemill.serving import outputs
from tidemill.serving.features import encode
from tidemill.serving.scoring import Model
from tidemill.spec import Monitor, Search, Spec
from tidemill_cli import churn_generator

AT, END = "2026-03-04T05:06:07Z", "2026-03-04T06:00:00Z"
#: Share of a table that is never trained on.
UNSEEN = 0.3
ROWS = (500, 2000)
RUNS, SEEDS = 200, 50
FALSE_ALARMS, POWER = 0.05, 0.9
MOVED = 0.5  #: standard deviations

Columns = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Table:
    """An accepted table: its profile and raw columns, as `parquet.load_columns` gives them."""

    validated: Validated
    profile: Profile
    contract: DataContract | None
    columns: Columns

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))


@dataclass(frozen=True)
class InService:
    """A model, and what is stored of it."""

    known: Known
    model: Model
    contract: DataContract | None

    def production(self, columns: Columns, target: str) -> Production:
        """Rows as they are asked and answered, and what happens."""
        signature = self.known.signature
        names = [field.name for field in signature.inputs]
        inputs = [
            dict(zip(names, row, strict=True)) for row in zip(*(_json(columns[name]) for name in names), strict=True)
        ]
        said = self.model.predict(encode(signature.inputs, {name: columns[name] for name in names}))
        captures = [
            Capture(f"id-{number:06d}", AT, signature.model, 1, row, answer, "champion", ms=12.0, scale=scale)
            for number, (row, answer, scale) in enumerate(
                zip(
                    inputs,
                    outputs.by_row(said, signature),
                    [None] * len(inputs) if said.scale is None else said.scale.tolist(),
                    strict=True,
                )
            )
        ]
        return Production(self, captures, _json(columns[target]))


@dataclass(frozen=True)
class Production:
    """Captures, and the outcome of each."""

    of: InService
    captures: list[Capture]
    actuals: list[Any]

    def window(self, index: np.ndarray, with_labels: bool = True) -> MonitorPoint:
        """What is seen of a window of some rows; a row may come more than once."""
        known = self.of.known
        rows = [
            Capture(f"{number:06d}", AT, one.model, 1, one.inputs, one.prediction, "champion", ms=12.0, scale=one.scale)
            for number, one in enumerate(self.captures[place] for place in index.tolist())
        ]
        (summary,) = summarize(rows, known.profile, known.signature, known.reference, self.of.contract)
        actuals = {f"{number:06d}": self.actuals[place] for number, place in enumerate(index.tolist())}
        known_outcomes = labelled.count(rows, actuals, known.signature, known.reference) if with_labels else []
        counted = Counted(
            model=summary.model,
            version=1,
            start=summary.start,
            end=END,
            shadow=False,
            summary=summary,
            labelled=known_outcomes[0] if known_outcomes else None,
            parts="",
            labels="",
        )
        return points.of_window(counted, known, Monitor(), (), looked_at=END, memory_mb=1024)

    def windows(self, rows: int, seeds: int, with_labels: bool = True) -> Iterator[MonitorPoint]:
        """Windows of rows drawn with replacement, one for each seed."""
        for seed in range(seeds):
            index = np.random.default_rng(seed).integers(len(self.captures), size=rows)
            yield self.window(index, with_labels)


def table(data: bytes, name: str, spec: Spec) -> Table:
    """Validate an uploaded file."""
    with tempfile.TemporaryDirectory() as work:
        outcome = validation.validate(
            lambda path: path.write_bytes(data) and None, len(data), name, spec, None, Path(work), 1 << 30
        )
        validated, profile = outcome.accepted_or_refused()
        types: dict[str, ColumnType] = {column.name: column.type for column in profile.columns}
        columns = parquet.load_columns(Path(work) / validation.TABLE, list(types), types)
    return Table(validated, profile, outcome.suggested, columns)


def trained(known: Table, spec: Spec) -> InService:
    """The best of the spec's candidates, refitted and judged as the pipeline does it."""
    ready = preparation.prepare("bench", spec, known.profile, known.validated, known.columns)
    plan = ready.plan
    tried = [fitting.cross_validate(one, plan, ready.train, time.perf_counter) for one in plan.prepared().candidates]
    found = {one.result.name: one.out_of_fold for one in tried if one.out_of_fold}
    scores = [fitting.score_of(one.result, plan.metric) for one in tried]
    refit = refitting.refit(plan, ready.train, ready.holdout, scores, found)
    model, baseline = (Model.load(onnx, refit.signature) for onnx in (refit.onnx, refit.baseline_onnx))
    judged = evaluation.evaluate(spec, ready.holdout, Trained(refit.fit, model, baseline, refit.reference), None)
    holdout, said = ready.holdout, model.predict(ready.holdout.columns)
    stored, rows = reference.build(
        judged, refit.signature, holdout.columns, holdout.target, said, trained_at=AT, seed=spec.seed
    )
    return InService(Known(known.profile, refit.signature, stored, rows), model, known.contract)


def _json(values: np.ndarray) -> list[Any]:
    if values.dtype == object:
        return list(values.tolist())
    return [None if value != value else int(value) if value.is_integer() else value for value in values.tolist()]


def _lines(data: bytes, chosen: Callable[[int, str], bool]) -> bytes:
    """A file with its header and some of its lines, by number and content."""
    header, *lines = data.decode().splitlines()
    return "\n".join([header, *(line for number, line in enumerate(lines) if chosen(number, line))]).encode()


def spec(target: str) -> Spec:
    """A search of a few seconds."""
    return Spec(target=target, candidates=("baseline", "linear", "boosting"), folds=2, search=Search(ensemble=False))


@functools.cache
def halves(name: str, target: str) -> tuple[InService, Columns]:
    """A model of most of a table, and the rows that it has not seen."""
    data = (TABLES / f"{name}.csv").read_bytes()
    later = np.random.default_rng(0).random(data.count(b"\n") + 1) < UNSEEN
    seen = table(_lines(data, lambda number, line: not later[number]), f"{name}.csv", spec(target))
    unseen = table(_lines(data, lambda number, line: bool(later[number])), f"{name}.csv", spec(target))
    return trained(seen, spec(target)), unseen.columns


# --- the cases ---------------------------------------------------------------------------------


def unchanged(name: str, target: str) -> Production:
    """Production like the training table."""
    model, later = halves(name, target)
    return model.production(later, target)


def moved(name: str, target: str, feature: str) -> Production:
    """The same, with one feature moved."""
    model, later = halves(name, target)
    values = later[feature]
    whole = bool(np.all(np.mod(values[~np.isnan(values)], 1) == 0))
    added = MOVED * float(np.nanstd(values))
    return model.production({**later, feature: values + (round(added) if whole else added)}, target)


def occupancy() -> Production:
    """Another week, with the door open."""
    target = "Occupancy"
    before, after = (
        table((TABLES / f"{name}.csv").read_bytes(), f"{name}.csv", spec(target))
        for name in ("occupancy_train", "occupancy_test2")
    )
    return trained(before, spec(target)).production(after.columns, target)


def bikes() -> Production:
    """The second year of a service that is growing."""
    data, target = (TABLES / "bike_day.csv").read_bytes(), "cnt"
    before, after = (
        table(_lines(data, lambda _, line, year=year: f",{year}-" in line), "bike_day.csv", spec(target))
        for year in (2011, 2012)
    )
    return trained(before, spec(target)).production(after.columns, target)


def churn_month() -> Production:
    """The generated customers after prices have risen."""
    target = "Churn"
    before, after = (
        table(make(), "churn.csv", spec(target)) for make in (churn_generator.customers, churn_generator.drifted_month)
    )
    return trained(before, spec(target)).production(after.columns, target)


def credit_log(number: int) -> Production:
    """A production log of credit decisions, the first of which the model was trained on; fields that a line leaves
    empty are sent as null, columns that the file lacks are not sent."""
    target = "label"
    model = trained(table((TABLES / "german_credit_drift1.csv").read_bytes(), "credit.csv", spec(target)), spec(target))
    fields = {field.name: field.type in ("integer", "number") for field in model.known.signature.inputs}
    lines = list(csv.DictReader((TABLES / f"german_credit_drift{number}.csv").read_text().splitlines()))
    raw = [{name: line[name] or None for name in fields if name in line} for line in lines]
    inputs = [{name: float(value) if value and fields[name] else value for name, value in row.items()} for row in raw]
    optional = [dataclasses.replace(field, required=False) for field in model.known.signature.inputs]
    # A file is scored though a column cannot be read; the third one has months where there were days.
    unreadable = {"predictionDate"} if number == 3 else set()
    asked = {
        field.name: [None if field.name in unreadable else row.get(field.name) for row in inputs] for field in optional
    }
    answers = outputs.by_row(model.model.predict(encode(optional, asked)), model.known.signature)
    captures = [
        Capture(f"id-{place:06d}", AT, "bench", 1, row, answer, "champion", ms=12.0)
        for place, (row, answer) in enumerate(zip(inputs, answers, strict=True))
    ]
    return Production(model, captures, [line[target] for line in lines])


SUDDEN: dict[str, tuple[Callable[[], Production], int]] = {
    "occupancy_train -> occupancy_test2": (occupancy, 500),
    "bike_day 2011 -> 2012": (bikes, 366),
    "generated churn -> drifted month": (churn_month, 500),
}
NUMBERS = ("age", "fnlwgt", "educational-num", "capital-gain", "capital-loss", "hours-per-week")


def has_alert(point: MonitorPoint) -> bool:
    """Whether people are told."""
    return any(finding.severity == "alert" for finding in point.findings)


def kinds(found: list[MonitorPoint]) -> str:
    """How many of the windows have each kind of finding."""
    counts: Counter[str] = Counter(kind for point in found for kind in {one.kind for one in point.findings})
    return ", ".join(f"{kind} {count}" for kind, count in counts.most_common()) or "none"


def about(finding: Finding, feature: str) -> bool:
    """Whether a finding names the feature."""
    return finding.kind == "drift" and finding.subject == feature


def main() -> int:
    """Print every value and its bar; 1 when one is missed."""
    held = True

    def line(what: str, value: float, bar: str, good: bool, note: str) -> None:
        nonlocal held
        held &= good
        print(f"{what:52}{value:7.1%}  bar {bar:7}{'ok' if good else 'MISSED':8}{note}", flush=True)

    for name, target in (("adult_census", "income"), ("telco_churn", "Churn")):
        same = unchanged(name, target)
        for rows in ROWS:
            began = time.perf_counter()
            found = list(same.windows(rows, RUNS))
            share = sum(bool(point.findings) for point in found) / RUNS
            took = (time.perf_counter() - began) / RUNS
            note = f"{kinds(found)}; {took * 1000:.0f} ms a window"
            line(f"no drift: {name}, {rows:,} rows, {RUNS} runs", share, "<= 5%", share <= FALSE_ALARMS, note)
    for what, (make, rows) in SUDDEN.items():
        production = make()
        for with_labels in (True, False):
            found = list(production.windows(rows, SEEDS, with_labels))
            share = sum(has_alert(point) for point in found) / SEEDS
            name = f"sudden: {what}, {rows:,} rows{'' if with_labels else ', no labels'}"
            # Bikes are lent more often under the same sky: that only labels can show.
            expected = with_labels or make is not bikes
            line(name, share, "100%" if expected else "-", share == 1.0 or not expected, kinds(found))
    for feature in NUMBERS:
        production = moved("adult_census", "income", feature)
        found = list(production.windows(2000, SEEDS, with_labels=False))
        share = sum(any(about(one, feature) for one in point.findings) for point in found) / SEEDS
        line(
            f"gradual: adult_census, {feature} + {MOVED} sd, 2,000 rows", share, ">= 90%", share >= POWER, kinds(found)
        )
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
