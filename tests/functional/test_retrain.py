"""Trainings without an upload: asked for once, composed once, and the run knows whose it is."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import duckdb
import pytest

from tidemill import keys
from tidemill.aws import retraining
from tidemill.aws.conclusion import RunPapers
from tidemill.aws.monitoring_files import MonitoringFiles
from tidemill.aws.monitoring_records import MonitoringRecords
from tidemill.aws.objects import Objects
from tidemill.aws.registry import Registry
from tidemill.aws.retraining_records import RetrainingRecords
from tidemill.contracts import ColumnProfile, DatasetRef, Profile, Reading, Run, from_json, to_json
from tidemill.monitoring_contracts import Labelled, PastTraining, Retraining, WatchState
from tidemill.rules.retraining import allowed
from tidemill.spec import RetrainingOptions

DATA, ARTIFACTS = "tidemill-data", "tidemill-artifacts"
ASKED = Retraining("a" * 32, "churn", "2026-03-05T00:00:00Z", "arn:ada", "hand", "new prices", "all")
UPLOADED = "2026-03-04T00:30:00Z"


@pytest.fixture
def records(registry: Registry, table: str) -> RetrainingRecords:
    return RetrainingRecords(registry._dynamodb, table, sleep=lambda seconds: None)


@pytest.fixture
def accepted(objects: Objects, registry: Registry, churn: int, tmp_path: Path) -> None:
    """A table of 40 rows that a person has uploaded, and the model that came of it."""
    path = tmp_path / "accepted.parquet"
    duckdb.sql(
        "COPY (SELECT 1 + range % 9 AS tenure, 'Monthly' AS contract, if(range % 4 = 0, 'Yes', 'No') AS Churn "
        f"FROM range(40)) TO '{path}' (FORMAT parquet)"
    )
    columns = (
        ColumnProfile("tenure", "integer", "feature", 40, 0, 9),
        ColumnProfile("contract", "category", "feature", 40, 0, 1),
        ColumnProfile("Churn", "category", "target", 40, 0, 2),
    )
    reading = Reading("csv", None, "utf-8", ",", '"', True, 1)
    objects.put(ARTIFACTS, keys.dataset("churn", "d1", "data.parquet"), path.read_bytes())
    profile = Profile(40, 0, columns, reading, "Churn", "binary")
    objects.put_contract(ARTIFACTS, keys.dataset("churn", "d1", "profile.json"), profile)
    registry.put_dataset("churn", DatasetRef("d1", 40, 3), "f" * 32, UPLOADED)


def label(objects: Objects, hour: str, *rows: dict[str, Any]) -> None:
    """Predictions whose outcome is known."""
    told = [
        {"at": f"{hour}:{40 + place}:00Z", "id": f"{hour}-{place}", "version": 1, "shadow": False, "actual": "Yes"}
        | {"inputs": {"tenure": 70, "contract": "Yearly"}}
        | row
        for place, row in enumerate(rows)
    ]
    counted = Labelled("churn", 1, f"{hour}:00:00Z", f"{hour}:59:59Z", rows=sum(not row["shadow"] for row in told))
    MonitoringFiles(ARTIFACTS, objects).put_labelled("churn", hour, (counted,), told)


@pytest.fixture
def app(stage: Callable[..., ModuleType], accepted: None, table: str) -> ModuleType:
    return stage("retrain", artifact_bucket=ARTIFACTS, data_bucket=DATA, table=table)


def begun(records: RetrainingRecords, registry: Registry, **fields: Any) -> Retraining:
    asked = dataclasses.replace(ASKED, **fields)
    assert records.begin(asked, registry, lambda _: None) is None
    return asked


def run(app: ModuleType, asked: Retraining) -> Retraining:
    return from_json(Retraining, app.handler({"retraining": to_json(asked)}, None))


def table_of(objects: Objects, made: Retraining, tmp_path: Path) -> list[dict[str, Any]]:
    (tmp_path / "t.parquet").write_bytes(objects.get(DATA, made.key))
    found = duckdb.sql(f"SELECT * FROM '{tmp_path / 't.parquet'}'")
    return [dict(zip(found.columns, values, strict=True)) for values in found.fetchall()]


# --- the record --------------------------------------------------------------------------------


def test_of_many_who_ask_at_once_one_begins(records: RetrainingRecords, registry: Registry, churn: int) -> None:
    def may(past: Any) -> str | None:
        return allowed(past, RetrainingOptions(), ASKED.at, 1000, 0.01)

    def ask(number: int) -> str | None:
        asked = dataclasses.replace(ASKED, id=f"{number:032x}", by="tidemill", trigger="rule")
        return records.begin(asked, registry, may)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, range(6)))
    assert answers.count(None) == 1
    assert len(records.retrainings("churn")) == 1


@pytest.mark.parametrize("earlier", [0, 1])
def test_who_is_overtaken_asks_again(records: RetrainingRecords, registry: Registry, churn: int, earlier: int) -> None:
    asked: list[int] = []
    for _ in range(earlier):
        begun(records, registry, id="9" * 32)

    def may(past: list[PastTraining]) -> str | None:
        asked.append(len(past))
        if not asked[1:]:
            begun(records, registry, id="b" * 32)
        return "there is one" if len(past) > earlier else None

    assert records.begin(ASKED, registry, may) == "there is one"
    assert asked == [earlier, earlier + 1]


def test_the_same_one_begins_once(records: RetrainingRecords, registry: Registry, churn: int) -> None:
    begun(records, registry)
    assert records.begin(ASKED, registry, lambda _: "no more") is None
    assert records.retrainings("churn") == [ASKED]
    records.fail(ASKED, "no rows")
    assert records.begin(ASKED, registry, lambda _: None) == "no rows"


def test_what_became_of_the_run_is_told(records: RetrainingRecords, registry: Registry, uploaded: Run) -> None:
    begun(records, registry)
    assert records.claim_run("churn", ASKED.id, uploaded.run_id) is not None
    (past,) = records.past("churn", registry)
    assert (past.retraining.run_id, past.status, past.usd) == (uploaded.run_id, "RUNNING", None)


# --- the table ---------------------------------------------------------------------------------


def test_all_old_rows_and_all_labelled_predictions_since_then(
    app: ModuleType, objects: Objects, registry: Registry, records: RetrainingRecords, tmp_path: Path
) -> None:
    label(objects, "2026-03-03T23", {})  # known when the table was uploaded
    label(objects, "2026-03-04T00", {"at": "2026-03-04T00:29:59Z"}, {"actual": "No"}, {"actual": "Maybe"})
    label(objects, "2026-03-04T07", {}, {"shadow": True, "id": "x"}, {"id": "2026-03-04T07-0", "actual": "No"})
    made = run(app, begun(records, registry))
    assert (made.rows_old, made.rows_new, made.labels, made.problem) == (40, 2, 5, "")
    assert made.key == f"incoming/churn/retraining-{ASKED.id}.parquet"
    table = table_of(objects, made, tmp_path)
    assert [row["Churn"] for row in table[40:]] == ["No", "No"]
    assert table[41] == {"tenure": 70, "contract": "Yearly", "Churn": "No"}
    assert records.retraining("churn", ASKED.id) == made


def test_a_window_of_the_past_is_those_predictions_alone(
    app: ModuleType, objects: Objects, registry: Registry, records: RetrainingRecords, tmp_path: Path
) -> None:
    for hour in ("2026-03-01T05", "2026-03-02T05", "2026-03-04T05"):
        label(objects, hour, {}, {"actual": "No"})
    window = {"start": "2026-03-02T00:00:00Z", "end": "2026-03-03T00:00:00Z", "trigger": "backfill", "data": "window"}
    made = run(app, begun(records, registry, **window))
    assert (made.rows_old, made.rows_new) == (0, 2)
    assert len(table_of(objects, made, tmp_path)) == 2


def test_drifted_rows_get_their_share_of_the_table(
    app: ModuleType, objects: Objects, registry: Registry, records: RetrainingRecords
) -> None:
    objects.put(ARTIFACTS, keys.project_spec("churn"), b'{"retraining": {"new_share": 0.25}}')
    label(objects, "2026-03-04T05", {}, {}, {})
    made = run(app, begun(records, registry, data="drifted_plus_old", start="2026-03-04T05:00:00Z"))
    assert (made.rows_old, made.rows_new) == (9, 3)


def test_too_few_new_rows_are_a_problem_and_no_run(
    app: ModuleType, objects: Objects, registry: Registry, records: RetrainingRecords
) -> None:
    label(objects, "2026-03-04T05", {}, {})
    made = run(app, begun(records, registry, trigger="rule", by="tidemill"))
    assert "2 new labelled predictions" in made.problem
    assert list(objects.list(DATA, "incoming/")) == []
    assert run(app, ASKED) == made


def test_outcomes_that_no_look_has_joined_are_not_asked_for_again(
    app: ModuleType, objects: Objects, registry: Registry, records: RetrainingRecords, table: str
) -> None:
    files = MonitoringFiles(ARTIFACTS, objects)
    ledger = files.put_ledger("churn", "2026-03-04T06:00:00Z", "a", [{"id": "p1", "actual": "Yes"}])
    made = run(app, begun(records, registry))
    assert "`tidemill monitor churn --look`" in made.problem
    watched = MonitoringRecords(registry._dynamodb, table)
    assert watched.swap_watch_state(WatchState("churn", "2026-03-04T06:10:00Z", ledger=ledger), None)
    made = run(app, begun(records, registry, id="b" * 32))
    assert "upload actuals with `tidemill actuals`" in made.problem


def test_a_project_without_an_accepted_table_has_nothing_to_go_by(
    stage: Callable[..., ModuleType], objects: Objects, registry: Registry, records: RetrainingRecords, churn: int
) -> None:
    app = stage("retrain", artifact_bucket=ARTIFACTS, data_bucket=DATA, table="tidemill")
    assert "tidemill train" in run(app, begun(records, registry)).problem


def test_the_table_is_uploaded_once(
    app: ModuleType, objects: Objects, registry: Registry, records: RetrainingRecords
) -> None:
    label(objects, "2026-03-04T05", {})
    made = run(app, begun(records, registry))
    label(objects, "2026-03-04T06", {})
    assert run(app, ASKED) == made
    records._change("churn", ASKED.id, lambda kept: dataclasses.replace(kept, key=""))  # cut off after the upload
    run(app, ASKED)
    versions = boto3.client("s3").list_object_versions(Bucket=DATA, Prefix=made.key)["Versions"]
    assert len(versions) == 1


def test_a_composed_table_is_never_the_old_part_of_the_next(
    app: ModuleType, objects: Objects, registry: Registry, records: RetrainingRecords
) -> None:
    label(objects, "2026-03-04T05", {})
    made = run(app, begun(records, registry))
    records.claim_run("churn", made.id, "e" * 32)
    registry.put_dataset("churn", DatasetRef("d2", 41, 3), "e" * 32, "2026-03-05T00:01:00Z")
    label(objects, "2026-03-05T01", {})
    again = run(app, begun(records, registry, id="c" * 32))
    assert (again.rows_old, again.rows_new) == (40, 2)


# --- the run -----------------------------------------------------------------------------------


@pytest.fixture
def intake(stage: Callable[..., ModuleType], machines: dict[str, str], table: str, buckets: None) -> ModuleType:
    names = {f"{name}_state_machine": arn for name, arn in machines.items()}
    return stage("intake", artifact_bucket=ARTIFACTS, table=table, **names)


def arrive(intake: ModuleType, event: dict[str, Any], machine: str, version: str) -> Run:
    item = event["Records"][0]["s3"]["object"]
    item |= {"key": keys.retraining_table("churn", ASKED.id), "versionId": version}
    before = names(machine)
    intake.handler(event, None)
    (new,) = names(machine) - before
    execution = f"{machine.replace('stateMachine', 'execution')}:{new}"
    described = boto3.client("stepfunctions").describe_execution(executionArn=execution)
    return from_json(Run, json.loads(described["input"])["run"])


def names(machine: str) -> set[str]:
    found = boto3.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"]
    return {one["name"] for one in found}


def test_the_run_of_a_composed_table_is_started_by_who_asked_for_it(
    intake: ModuleType,
    registry: Registry,
    records: RetrainingRecords,
    machines: dict[str, str],
    event: Callable[[str], Any],
) -> None:
    begun(records, registry)
    started = arrive(intake, event("s3_put"), machines["training"], "v1")
    assert (started.retraining, started.started_by) == (ASKED.id, "arn:ada")
    assert records.retraining("churn", ASKED.id).run_id == started.run_id
    assert registry.run(started.run_id).started_by == "arn:ada"


def test_what_a_person_uploads_under_such_a_name_is_the_persons(
    intake: ModuleType,
    registry: Registry,
    records: RetrainingRecords,
    machines: dict[str, str],
    event: Callable[[str], Any],
) -> None:
    nobodys = arrive(intake, event("s3_put"), machines["training"], "v0")
    assert (nobodys.retraining, nobodys.started_by) == (None, "AWS:AIDAJDPLRKLG7UEXAMPLE")
    begun(records, registry)
    arrive(intake, event("s3_put"), machines["training"], "v1")
    second = arrive(intake, event("s3_put"), machines["training"], "v2")
    assert (second.retraining, second.started_by) == (None, "AWS:AIDAJDPLRKLG7UEXAMPLE")


def test_the_papers_of_the_run_say_why_it_was_started(
    uploaded: Run, registry: Registry, records: RetrainingRecords
) -> None:
    begun(records, registry)
    papers = RunPapers.of_stack(ARTIFACTS, "tidemill", lambda _: None)
    assert papers.collect(uploaded).retraining is None
    found = papers.collect(dataclasses.replace(uploaded, retraining=ASKED.id)).retraining
    assert from_json(Retraining, found) == ASKED


# --- by hand -----------------------------------------------------------------------------------


class Started:
    """Functions that were started."""

    def __init__(self) -> None:
        self.payloads: list[Any] = []

    def start(self, function: str, payload: Any) -> None:
        self.payloads.append((function, payload))


def test_a_person_may_train_whenever_there_is_a_table(
    accepted: None, objects: Objects, registry: Registry, records: RetrainingRecords
) -> None:
    functions = Started()
    files = MonitoringFiles(ARTIFACTS, objects)
    trainings = retraining.Retrainings(records, registry, files, functions, "retrain")  # type: ignore[arg-type]
    begun(records, registry, id="b" * 32, by="tidemill", trigger="rule")
    trainings.by_hand(ASKED)
    assert functions.payloads == [("retrain", {"retraining": to_json(ASKED)})]
    with pytest.raises(Exception, match="must end after it starts"):
        trainings.by_hand(dataclasses.replace(ASKED, id="d" * 32, start=ASKED.at, end=ASKED.at))
    with pytest.raises(Exception, match="project 'other' has been accepted"):
        trainings.by_hand(dataclasses.replace(ASKED, model="other"))
