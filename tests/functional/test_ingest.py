"""Tables of a shared feature set against moto: stored, written online, published; one at a time, and none lost."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import boto3
import pytest

from tidemill import keys
from tidemill.aws import clients
from tidemill.aws.objects import Objects
from tidemill.aws.online_features import OnlineFeatures
from tidemill.aws.registry import Registry
from tidemill.contracts import FeatureSetRun, Profile, Source, to_json
from tidemill.errors import DataRefused
from tidemill.spec import FeatureSetDeclaration

DATA, ARTIFACTS, TABLE, ONLINE = "tidemill-data", "tidemill-artifacts", "tidemill", "tidemill-features"
AT = "2026-01-02T03:04:05Z"


class Machine:
    """What the state machine does."""

    def __init__(self, stage: Callable[..., ModuleType], objects: Objects, registry: Registry) -> None:
        environment = {"artifact_bucket": ARTIFACTS, "table": TABLE, "features_table": ONLINE}
        limits = {"max_upload_mb": "10", "slice_rows": "2"}
        self.ingest = stage("ingest", **environment, **limits).handler
        self.materialize = stage("materialize", **environment).handler
        self.objects, self.registry = objects, registry
        self.online = OnlineFeatures(clients.dynamodb(), ONLINE)

    def declare(self, name: str, key: str, time: str | None = None) -> None:
        self.objects.put_contract(ARTIFACTS, keys.feature_set_declaration(name), FeatureSetDeclaration(key, time))

    def upload(self, name: str, text: str, file: str = "table.csv") -> Any:
        """An upload's run, as intake makes it."""
        key = keys.features(name, file)
        self.objects.put(DATA, key, text.encode())
        head = self.objects.head(DATA, key)
        source = Source(DATA, key, head.version_id, head.etag, head.size)
        return to_json(FeatureSetRun(keys.run_id(DATA, key, head.version_id, head.etag), name, source, AT, "ada"))

    def batches(self, run: Any) -> list[Any]:
        return self.objects.get_contract(list, ARTIFACTS, keys.features_manifest(run["run_id"]))

    def run(self, run: Any) -> Any:
        ingested = self.ingest({"run": run}, None)
        for batch in self.batches(run):
            assert self.materialize({"batch": batch}, None) == {"rows": batch["rows"]}
        return self.ingest({"run": run, "ingested": ingested}, None)

    def looked_up(self, name: str, *entities: str) -> dict[str, Any]:
        return self.online.look_up(name, entities)


@pytest.fixture
def machine(stage: Callable[..., ModuleType], objects: Objects, registry: Registry) -> Machine:
    boto3.client("dynamodb").create_table(
        TableName=ONLINE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "entity", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "entity", "KeyType": "HASH"}],
    )
    return Machine(stage, objects, registry)


def test_a_table_is_stored_written_online_and_published(machine: Machine) -> None:
    machine.declare("shops", "shop")
    run = machine.upload("shops", "shop,size,city\na,1,Ulm\nb,2.5,\nc,3,Köln\n")
    made = machine.run(run)
    assert (made["rows"], made["entities"], made["columns"], made["written"], made["busy"]) == (3, 3, 3, 3, False)
    assert [batch["rows"] for batch in machine.batches(run)] == [2, 1]
    assert machine.looked_up("shops", "a", "b", "c", "d") == {
        "a": {"size": 1.0, "city": "Ulm"},
        "b": {"size": 2.5},
        "c": {"size": 3.0, "city": "Köln"},
    }
    record = machine.registry.feature_set("shops")
    assert record is not None
    assert (record.key, record.time, record.version, record.rows, record.at) == ("shop", None, made["version"], 3, AT)
    assert machine.registry.feature_sets() == [record] == machine.registry.feature_set_versions("shops")
    profile = machine.objects.get_contract(
        Profile, ARTIFACTS, keys.feature_set("shops", made["version"], "profile.json")
    )
    assert [column.name for column in profile.columns] == ["shop", "size", "city"]


def test_a_run_that_is_repeated_leaves_the_same(machine: Machine) -> None:
    machine.declare("shops", "shop")
    run = machine.upload("shops", "shop,size\na,1\nb,2\n")

    def left() -> Any:
        found = {head.key: machine.objects.get(ARTIFACTS, head.key) for head in machine.objects.list(ARTIFACTS, "")}
        return found, boto3.client("dynamodb").scan(TableName=ONLINE)["Items"], machine.registry.feature_sets()

    ingested = machine.ingest({"run": run}, None)
    assert machine.ingest({"run": run}, None) == ingested
    for batch in machine.batches(run) * 2:
        machine.materialize({"batch": batch}, None)
    machine.ingest({"run": run, "ingested": ingested}, None)
    once = left()
    machine.ingest({"run": run, "ingested": ingested}, None)
    assert left() == once


def test_only_what_changed_is_written(machine: Machine) -> None:
    machine.declare("people", "id", "day")
    machine.run(machine.upload("people", "id,day,age\n1,2026-01-01,30\n2,2026-01-01,40\n"))
    second = machine.upload("people", "id,day,age\n1,2025-01-01,29\n2,2026-02-01,41\n3,2026-01-01,50\n")
    assert machine.run(second)["written"] == 2
    rows = machine.online.rows("people", ["1", "2", "3"])
    assert {key: (row.values["age"], row.at) for key, row in rows.items()} == {
        "1": (30, "2026-01-01"),
        "2": (41, "2026-02-01"),
        "3": (50, "2026-01-01"),
    }
    assert len(machine.registry.feature_set_versions("people")) == 2


def test_entities_that_a_replaced_set_no_longer_has_are_gone(machine: Machine) -> None:
    machine.declare("shops", "shop")
    machine.run(machine.upload("shops", "shop,size\na,1\nb,2\n"))
    machine.run(machine.upload("shops", "shop,size\nb,2\nc,3\n"))
    assert machine.looked_up("shops", "a", "b", "c") == {"b": {"size": 2}, "c": {"size": 3}}


def test_sets_do_not_see_each_other(machine: Machine) -> None:
    for name in ("shops", "malls"):
        machine.declare(name, "id")
    machine.run(machine.upload("shops", "id,size\na,1\n b,9\n"))
    machine.run(machine.upload("malls", "id,floors\na,7\nz,8\n"))
    assert machine.looked_up("shops", "a", "z") == {"a": {"size": 1}}
    assert machine.looked_up("malls", "a", "b") == {"a": {"floors": 7}}


def test_a_table_waits_while_another_one_is_taken_in(machine: Machine) -> None:
    machine.declare("people", "id", "day")
    first = machine.upload("people", "id,day,age\n1,2026-01-01,30\n2,2026-01-01,40\n", "a.csv")
    second = machine.upload("people", "id,day,age\n3,2026-01-01,50\n4,2026-01-01,60\n", "b.csv")
    ingested = machine.ingest({"run": first}, None)
    assert machine.ingest({"run": second}, None)["busy"] is True
    machine.ingest({"run": first, "ingested": ingested}, None)
    assert machine.run(second)["rows"] == 4


def test_a_turn_that_failed_is_given_up_and_what_it_wrote_is_put_right(machine: Machine) -> None:
    machine.declare("shops", "shop")
    machine.run(machine.upload("shops", "shop,size\na,1\nb,2\n"))
    broken = machine.upload("shops", "shop,size\na,7\nx,8\ny,9\n", "broken.csv")
    machine.ingest({"run": broken}, None)
    machine.materialize({"batch": machine.batches(broken)[0]}, None)
    machine.registry.give_up_turn("shops", broken["run_id"])
    assert machine.looked_up("shops", "a") == {"a": {"size": 7}}
    machine.run(machine.upload("shops", "shop,size\na,1\nb,2\n", "again.csv"))
    assert machine.looked_up("shops", "a", "b", "x", "y") == {"a": {"size": 1}, "b": {"size": 2}}


def test_a_turn_that_nobody_ended_runs_out(machine: Machine) -> None:
    assert machine.registry.take_turn("shops", "one", "2026-01-01T00:00:00Z", "2026-01-01T03:00:00Z") == ()
    assert machine.registry.take_turn("shops", "two", "2026-01-01T02:59:59Z", "2026-01-01T05:00:00Z") is None
    machine.registry.begin_version("shops", "v1")
    assert machine.registry.take_turn("shops", "two", "2026-01-01T03:00:01Z", "2026-01-01T06:00:00Z") == ("v1",)
    machine.registry.give_up_turn("shops", "one")  # it is no longer its turn
    assert machine.registry.take_turn("shops", "three", "2026-01-01T04:00:00Z", "2026-01-01T07:00:00Z") is None


def test_a_set_that_nobody_declared_is_refused(machine: Machine) -> None:
    run = machine.upload("nobody", "id,a\n1,2\n")
    with pytest.raises(DataRefused, match="there is no feature set 'nobody': declare it with `tidemill features put"):
        machine.ingest({"run": run}, None)
