"""Deciding and starting trainings, in any order of findings, clocks and interruptions: a storm cannot be."""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from tidemill import spec
from tidemill.aws.actions import Actions
from tidemill.aws.monitoring_records import MonitoringRecords
from tidemill.aws.release_records import ReleaseRecords
from tidemill.aws.retraining import Retrainings
from tidemill.aws.retraining_records import RetrainingRecords
from tidemill.contracts import instant
from tidemill.errors import StorageError
from tidemill.monitoring_contracts import Due, Finding, Labelled, MonitorPoint, Retraining

ROOT = Path(__file__).parents[3]
START = datetime.fromisoformat("2026-03-04T12:00:00Z")


@pytest.fixture(scope="module")
def app() -> ModuleType:
    specification = importlib.util.spec_from_file_location("decide_app", ROOT / "functions" / "decide" / "app.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


class Table:
    """DynamoDB for one table, in memory; before a write it may let somebody else go first."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], dict[str, Any]] = {}
        self.before_write: Callable[[], object] = lambda: None

    def get_item(self, Key: Any, **_: Any) -> dict[str, Any]:  # noqa: N803
        item = self.items.get(place(Key))
        return {"Item": item} if item else {}

    def put_item(self, **put: Any) -> None:
        self.before_write()
        if not self._holds(put):
            raise ClientError({"Error": {"Code": "ConditionalCheckFailedException"}}, "PutItem")
        self.items[place(put["Item"])] = put["Item"]

    def transact_write_items(self, TransactItems: Any) -> None:  # noqa: N803
        self.before_write()
        puts = [action["Put"] for action in TransactItems]
        if not all(map(self._holds, puts)):
            reasons = [{"Code": "ConditionalCheckFailed"}]
            raise ClientError(
                {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": reasons},  # type: ignore[typeddict-unknown-key]
                "TransactWriteItems",
            )
        self.items |= {place(put["Item"]): put["Item"] for put in puts}

    def get_paginator(self, _: str) -> Any:
        return SimpleNamespace(paginate=self._pages)

    def _pages(self, **query: Any) -> Iterator[dict[str, Any]]:
        values = {name: value["S"] for name, value in query["ExpressionAttributeValues"].items()}
        low = values.get(":low", values.get(":sk", ""))
        high = values.get(":high", values.get(":sk", "") + "~")
        keys = sorted(key for key in self.items if key[0] == values[":pk"] and low <= key[1] <= high)
        yield {"Items": [self.items[key] for key in keys[:: 1 if query["ScanIndexForward"] else -1]]}

    def _holds(self, put: Mapping[str, Any]) -> bool:
        """Whether the condition of a write does: that there is no item, or that an attribute has a value."""
        condition = put.get("ConditionExpression")
        if condition is None:
            return True
        item = self.items.get(place(put["Item"]))
        if condition == "attribute_not_exists(pk)":
            return item is None
        name, _, value = condition.split()
        name = put.get("ExpressionAttributeNames", {}).get(name, name)
        return item is not None and item.get(name) == put["ExpressionAttributeValues"][value]


def place(key: Mapping[str, Any]) -> tuple[str, str]:
    return key["pk"]["S"], key["sk"]["S"]


class World:
    """A model in service with labels enough; its trainings begin, end and fail as they are told to."""

    def __init__(self) -> None:
        self.table = Table()
        self.started: list[Retraining] = []
        self.statuses: dict[str, str] = {}
        self.told: list[str] = []
        self.labels = 1000
        self.answers = True
        self.retrainings = RetrainingRecords(self.table, "t", sleep=lambda _: None)  # type: ignore[arg-type]
        self.actions = Actions(
            MonitoringRecords(self.table, "t"),  # type: ignore[arg-type]
            ReleaseRecords(self.table, "t"),  # type: ignore[arg-type]
            self,  # type: ignore[arg-type]
            self,  # type: ignore[arg-type]
            Retrainings(self.retrainings, self, self, self, "retrain"),  # type: ignore[arg-type]
            self,  # type: ignore[arg-type]
            self,  # type: ignore[arg-type]
            self.told.append,
        )

    # the registry

    def alias(self, *_: Any) -> int:
        return 3

    def version(self, *_: Any) -> Any:
        return SimpleNamespace(run_id="f" * 32)

    def run(self, run_id: str) -> Any:
        return SimpleNamespace(status=self.statuses.get(run_id, "LIVE"), usd=0.01)

    def datasets(self, _: str) -> Any:
        return iter([SimpleNamespace(run_id="f" * 32, at="2026-01-01T00:00:00Z", version="d")])

    # files, functions, bus, topic

    def labelled_hours(self, *_: Any) -> dict[str, Any]:
        return {"2026-03-01T00": None}

    def labelled(self, *_: Any) -> tuple[Labelled, ...]:
        return (Labelled("churn", 3, "", "", rows=self.labels),)

    def start(self, _: str, payload: Any) -> None:
        asked = self.retrainings.retraining("churn", payload["retraining"]["id"])
        if not self.answers:
            raise StorageError("Lambda does not answer")
        if asked.id not in {
            one.id for one in self.started
        }:  # a table is uploaded on the condition that it is not there
            self.started.append(asked)
            assert self.retrainings.claim_run("churn", asked.id, asked.id) is not None

    def publish(self, *_: Any) -> None:
        if not self.answers:
            raise StorageError("the bus does not answer")

    def notify(self, subject: str, _: str) -> None:
        if not self.answers:
            raise StorageError("the topic does not answer")
        self.told.append(subject)

    def put(self, moment: datetime, *findings: Finding) -> None:
        end = instant(moment)
        self.actions.records.put_point(MonitorPoint("churn", 3, end, end, 500, True, findings=findings))


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


FOUND = {name: Finding("drift", "alert", name, f"{name} has moved") for name in ("age", "income", "plan")}
HOURS = st.sampled_from([0, 0.1, 1, 1, 5, 24, 24, 30, 100, -0.1, -3, -200])
STEPS = st.lists(
    st.tuples(
        HOURS,  # from look to look; clocks may go back
        HOURS,  # from this look to another one, in the middle of it
        st.integers(0, 6),  # before which write of this look the other one comes; more than there are: never
        st.lists(st.sampled_from(sorted(FOUND)), unique=True),
        st.sampled_from(["LIVE", "RUNNING", "FAILED", "WAITING_FOR_APPROVAL"]),  # how its trainings stand
        st.booleans(),  # whether the services answer
    ),
    min_size=1,
    max_size=12,
)
RULES = st.lists(
    st.fixed_dictionaries(
        {
            "when": st.just(["drift"]),
            "subject": st.sampled_from(["*", "age", "in*"]),
            "windows": st.integers(1, 2),
            "do": st.sampled_from([["retrain"], ["alert", "retrain"]]),
            "cooldown_hours": st.sampled_from([0, 1, 48]),
        }
    ),
    max_size=3,
)
OPTIONS = st.fixed_dictionaries(
    {
        "cooldown_hours": st.sampled_from([0, 1, 24, 100]),
        "budget_runs": st.integers(0, 4),
        "budget_usd": st.sampled_from([0.005, 0.025, 5]),
        "every_days": st.sampled_from([None, 0.5, 3]),
        "every_labels": st.sampled_from([None, 500]),
        "catchup": st.booleans(),
        "data": st.sampled_from(["all", "window", "drifted_plus_old"]),
    }
)


@given(STEPS, RULES, OPTIONS)
def test_no_findings_rules_clocks_or_interruptions_make_a_storm(
    app: ModuleType, steps: Any, rules: Any, options: dict[str, Any]
) -> None:
    world = World()
    declared = spec.parse({"monitor": {"rules": rules}, "retraining": options})

    def look(hours: float) -> None:
        app.decide(Due("churn", instant(at(hours))), declared, world.actions)

    clock = 0.0
    for passed, apart, writes, subjects, status, answers in steps:
        clock, other = clock + passed, clock + passed + apart
        world.put(at(clock), *(FOUND[subject] for subject in subjects))
        world.answers, world.labels = answers, world.labels + 600
        counted = iter(range(writes))

        def interrupt(counted: Iterator[int] = counted, other: float = other) -> None:
            if next(counted, None) is None:
                world.table.before_write = lambda: None
                look(other)

        world.table.before_write = interrupt
        look(clock)
        world.table.before_write = lambda: None
        look(clock)
        world.statuses |= {asked.id: status for asked in world.started}

    trained = sorted(datetime.fromisoformat(asked.at) for asked in world.started)
    gaps = [later - earlier for earlier, later in itertools.pairwise(trained)]
    assert all(gap >= timedelta(hours=options["cooldown_hours"]) for gap in gaps)
    for first in trained:
        month = [one for one in trained if first <= one < first + timedelta(days=30)]
        assert len(month) <= options["budget_runs"]
        assert len(month) * 0.01 <= options["budget_usd"] + 1e-9


# --- what comes of a look ----------------------------------------------------------------------

RULE = {"when": ["drift"], "severity": "alert", "do": ["alert", "retrain"]}


def look(app: ModuleType, world: World, hours: float = 0, **retraining: Any) -> Any:
    declared = spec.parse({"monitor": {"rules": [RULE]}, "retraining": retraining})
    return app.decide(Due("churn", instant(at(hours))), declared, world.actions)


def test_people_are_told_and_a_training_is_started_once(app: ModuleType) -> None:
    world = World()
    world.put(at(0), FOUND["age"])
    made = look(app, world)
    assert (made.decisions, made.acted) == (2, 2)
    assert world.told == ["churn: drift"]
    (asked,) = world.started
    assert (asked.trigger, asked.reason, asked.labels, asked.findings) == (
        "rule",
        "age has moved",
        1000,
        (FOUND["age"],),
    )
    kept = {one.action: one for one in world.actions.records.decisions("churn")}
    assert kept["retrain"].retraining == asked.id
    assert kept["alert"].acted
    again = look(app, world, 0.5)
    assert (again.decisions, len(world.started), len(world.told)) == (0, 1, 1)


def test_two_looks_at_the_same_moment_act_once(app: ModuleType) -> None:
    world = World()
    world.put(at(0), FOUND["age"])

    def interrupt() -> None:
        world.table.before_write = lambda: None
        assert look(app, world).acted == 2

    world.table.before_write = interrupt
    assert look(app, world).acted == 0
    assert world.told == ["churn: drift"]
    assert len(world.started) == 1


def test_a_training_that_may_not_be_is_a_decision_with_the_reason_and_is_started_when_it_may(app: ModuleType) -> None:
    world = World()
    world.put(at(0), FOUND["age"])
    world.labels = 40
    assert look(app, world).acted == 1
    refused = {one.action: one for one in world.actions.records.decisions("churn")}["retrain"]
    assert not refused.acted
    assert "40 new labelled predictions" in refused.reason
    assert world.started == []
    world.labels = 140
    assert look(app, world, 1).acted == 1
    assert len(world.started) == 1


def test_what_nobody_heard_of_is_told_at_the_next_look(app: ModuleType) -> None:
    world = World()
    world.put(at(0), FOUND["age"])
    world.answers = False
    assert look(app, world).acted == 0
    reasons = {one.action: one.reason for one in world.actions.records.decisions("churn")}
    assert "the topic does not answer" in reasons["alert"]
    assert "Lambda does not answer" in reasons["retrain"]
    world.answers = True
    assert look(app, world, 1).acted == 1
    assert world.told[-1] == "churn: drift"


def test_schedule_and_labels_start_trainings_without_any_finding(app: ModuleType) -> None:
    world = World()
    assert look(app, world, every_days=7).acted == 0
    (asked,) = world.started
    assert (asked.trigger, asked.end) == ("schedule", "2026-02-26T00:00:00Z")
    other = World()
    look(app, other, every_labels=1000)
    assert [one.trigger for one in other.started] == ["labels"]


def test_a_model_out_of_service_is_left_alone(app: ModuleType) -> None:
    world = World()
    world.put(at(0), FOUND["age"])
    world.alias = lambda *_: None  # type: ignore[method-assign,assignment]
    assert look(app, world).decisions == 0
    assert world.started == []
