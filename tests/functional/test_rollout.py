"""Rollouts from the first look to the last: captures in, traffic and champion out."""

from __future__ import annotations

import dataclasses
import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tidemill import keys
from tidemill.aws.monitoring_files import MonitoringFiles, hour_of
from tidemill.aws.objects import Objects
from tidemill.aws.registry import Registry
from tidemill.aws.release_records import ReleaseRecords
from tidemill.aws.rollouts import Rollouts
from tidemill.contracts import (
    Capture,
    ChampionComparison,
    Evaluation,
    Interval,
    Profile,
    Reading,
    Run,
    Signature,
    instant,
    loads,
    to_json,
)
from tidemill.errors import RolloutConflict
from tidemill.monitoring_contracts import Reference
from tidemill.release_contracts import RolloutRequest, RolloutStep, Share
from tidemill.spec import RolloutOptions
from tidemill.stages import rollout

from .conftest import ARTIFACTS, EVENTS

BEGIN = datetime(2026, 3, 4, 5, 50, tzinfo=UTC)
SPEC = {"strategy": "canary", "share": 0.2, "bake_minutes": 20, "min_requests": 50}
EDGES = tuple(np.linspace(0, 1, 21).tolist())
RUN = "f" * 32


class World:
    """Model churn with version 1 as champion and version 2, calls to both, and a clock."""

    def __init__(self, module: ModuleType, rollouts: Rollouts, objects: Objects) -> None:
        self.module, self.rollouts, self.objects = module, rollouts, objects
        self.now, self.files = BEGIN, 0
        self.logged: list[str] = []
        self.request = RolloutRequest("a" * 32, "churn", 2, RUN, "ada", "better")

    @property
    def records(self) -> ReleaseRecords:
        return self.rollouts.releases.records

    @property
    def registry(self) -> Registry:
        return self.rollouts.releases.registry

    def declare(self, **options: Any) -> None:
        self.objects.put(ARTIFACTS, keys.project_spec("churn"), json.dumps({"rollout": SPEC | options}).encode())

    def look(self, minutes: float = 0.0) -> RolloutStep:
        self.now += timedelta(minutes=minutes)
        step: RolloutStep = rollout.look(self.request, self.rollouts, self.now, self._log)
        return step

    def _log(self, said: str, **_facts: Any) -> None:
        self.logged.append(said)

    def calls(self, version: int, rows: int, *, failed: int = 0, low: float = 0.1, **more: Any) -> None:
        """Calls that a version has answered by now, as the capture function leaves them."""
        drawn = np.random.default_rng(self.files)
        captures = [
            Capture(
                prediction_id=f"{version}-{self.files}-{row}",
                at=instant(self.now),
                model="churn",
                version=version,
                inputs={} if row < failed else {"tenure": 3},
                prediction=None if row < failed else {"label": "No", "probabilities": [1 - p, p]},
                alias="champion",
                status=500 if row < failed else 200,
                error="no memory" if row < failed else "",
                ms=float(ms),
                **more,
            )
            for row, (p, ms) in enumerate(zip(drawn.uniform(low, 1, rows), drawn.uniform(5, 9, rows), strict=True))
        ]
        self.files += 1
        lines = "".join(json.dumps(to_json(capture)) + "\n" for capture in captures)
        key = keys.captures("churn", instant(self.now), f"file-{self.files}")
        self.objects.put(ARTIFACTS, key, gzip.compress(lines.encode()))

    def outcomes(self, right: dict[int, float], rows: int = 400) -> None:
        """True outcomes of predictions of both versions, with the share that each had right."""
        drawn = np.random.default_rng(1)
        found = []
        for version, share in right.items():
            for row in range(rows):
                yes = bool(drawn.random() < 0.5)
                said = yes if drawn.random() < share else not yes
                p = 0.8 if said else 0.2
                found.append(
                    {
                        "at": instant(self.now),
                        "id": f"{version}-{row}",
                        "version": version,
                        "shadow": False,
                        "alias": "champion",
                        "inputs": {},
                        "output": {"label": "Yes" if said else "No", "probabilities": [1 - p, p]},
                        "scale": None,
                        "actual": "Yes" if yes else "No",
                        "ledger": "x",
                    }
                )
        MonitoringFiles(ARTIFACTS, self.objects).put_labelled("churn", hour_of(instant(self.now)), (), found)

    def shares(self) -> tuple[Share, ...]:
        traffic = self.rollouts.releases.traffic.traffic("churn")
        return traffic.shares if traffic else ()


@pytest.fixture
def world(
    stage: Callable[..., ModuleType], registry: Registry, objects: Objects, churn: int, topic: str, bus: str
) -> World:
    module = stage("rollout", artifact_bucket=ARTIFACTS, table="tidemill", topic=topic, event_bus=bus)
    registry.create_version(
        "churn",
        RUN[:-1] + "2",
        onnx_sha256="1",
        dataset_version="d",
        task="binary",
        metric="roc_auc",
        value=0.9,
        at=instant(BEGIN),
        actor="ada",
    )
    signature = loads(Signature, (EVENTS / "churn" / "signature.json").read_bytes())
    reading = Reading("csv", None, "utf-8", ",", '"', True, 1)
    reference = Reference(
        "churn",
        "binary",
        100,
        "roc_auc",
        {"roc_auc": 0.9},
        edges=EDGES,
        outputs={"Yes": (5,) * 20},
        threshold=0.5,
        happened={"Yes": (0,) * 5 + (1, 2, 3, 4) * 2 + (5,) * 7},
    )
    for version in (1, 2):
        objects.put_contract(ARTIFACTS, keys.model("churn", version, "signature.json"), signature)
        objects.put_contract(
            ARTIFACTS, keys.model("churn", version, "profile.json"), Profile(100, 0, (), reading, "Churn", "binary")
        )
        objects.put_contract(ARTIFACTS, keys.model("churn", version, "reference.json"), reference)
    made = World(module, Rollouts.connect(ARTIFACTS, "tidemill", bus, topic, print), objects)
    made.declare()
    return made


def test_a_good_version_gets_more_calls_and_becomes_the_champion(world: World, inbox: Any) -> None:
    first = world.look()
    assert (first.state, first.wait_seconds, world.shares()) == ("BAKING", 300, (Share(2, 0.2),))
    world.calls(1, 400)
    world.calls(2, 100, why="split")
    baking = world.look(minutes=15)
    assert (baking.state, baking.wait_seconds) == ("BAKING", 300)
    ended = world.look(minutes=5)
    assert (ended.state, ended.wait_seconds) == ("PROMOTED", 0)
    assert (world.registry.alias("churn", "champion"), world.shares()) == (2, ())
    assert world.look() == ended
    assert world.logged == ["begun", "looked", "looked", "looked"]
    record = world.records.rollout(world.request.id)
    assert {signal.name: signal.value for signal in record.signals if signal.name == "requests"} == {"requests": 100}
    told = inbox.read()
    events = [message["detail"] for message in told if "detail" in message]
    assert [event["state"] for event in events] == ["BAKING", "PROMOTED"]
    (message,) = [message for message in told if "Subject" in message]
    assert message["Subject"] == "Tidemill: churn version 2 is the champion now"


def test_a_version_that_fails_is_taken_back_before_its_step_is_over(world: World, inbox: Any) -> None:
    world.look()
    world.calls(1, 400, failed=2)
    world.calls(2, 100, failed=40, why="split")
    ended = world.look(minutes=5)
    assert ended.state == "ROLLED_BACK"
    assert "40 of its 100 calls failed (40.00%), of the champion's 2 of 400" in ended.reason
    assert (world.registry.alias("churn", "champion"), world.shares()) == (1, ())
    assert world.records.current_rollout("churn") is None
    (event,) = [event for event in world.registry.audit("churn") if event.action == "roll back"]
    assert event.reason in ended.reason


def test_a_version_that_says_something_else_is_taken_back(world: World) -> None:
    world.look()
    world.calls(1, 400)
    world.calls(2, 300, why="split", low=0.7)
    assert "probabilities of 'Yes' differ" in world.look(minutes=5).reason


@pytest.mark.parametrize(
    ("champion", "low", "state"), [(1, 0.01, "BAKING"), (1, -0.01, "ROLLED_BACK"), (7, 0.01, "ROLLED_BACK")]
)
@pytest.mark.parametrize("judged_on", ["newest", "champion"])
def test_a_version_that_was_found_better_may_differ(
    world: World, trained: Run, champion: int, low: float, state: str, judged_on: str
) -> None:
    evaluation = world.objects.get_contract(Evaluation, ARTIFACTS, keys.run_evaluation(trained.run_id))
    comparison: Any = {judged_on: ChampionComparison(champion, {}, Interval(0.02, low, 0.03))}
    evaluated = dataclasses.replace(evaluation, **comparison)
    world.objects.put_contract(ARTIFACTS, keys.model("churn", 2, "evaluation.json"), evaluated)
    world.look()
    world.calls(1, 400)
    world.calls(2, 300, why="split", low=0.7)
    assert world.look(minutes=5).state == state


def test_true_outcomes_of_an_earlier_step_count(world: World) -> None:
    world.declare(strategy="linear", share=0.4)
    world.look()
    world.outcomes({1: 0.9, 2: 0.7})
    for version, why in ((1, "champion"), (2, "split")):
        world.calls(version, 200, why=why)
    ended = world.look(minutes=5)
    assert ended.state == "ROLLED_BACK"
    assert "its roc_auc is" in ended.reason
    assert "on 400 predictions whose outcome is known" in ended.reason


def test_outcomes_from_before_the_rollout_say_nothing_about_it(world: World) -> None:
    world.outcomes({1: 0.9, 2: 0.6})
    world.now += timedelta(minutes=1)
    world.look()
    assert world.look(minutes=5).state == "BAKING"
    signals = world.records.rollout(world.request.id).signals
    assert "quality" not in {signal.name for signal in signals}


def test_calls_of_an_earlier_step_do_not_count_in_the_next(world: World) -> None:
    world.declare(strategy="linear", share=0.4)
    world.look()
    world.calls(2, 100, why="split")
    assert "answers 0.8 of the calls" in world.look(minutes=20).reason
    world.look(minutes=20)
    (requests,) = [s for s in world.records.rollout(world.request.id).signals if s.name == "requests"]
    assert (requests.value, requests.verdict) == (0, "wait")


def test_a_shadow_is_judged_by_its_copies(world: World) -> None:
    world.declare(shadow_minutes=20)
    world.look()
    traffic = world.rollouts.releases.traffic.traffic("churn")
    assert traffic is not None
    assert (traffic.shadow_version, traffic.shares) == (2, ())
    world.calls(1, 300)
    world.calls(2, 300, why="shadow", failed=200)
    assert "200 of its 300 calls failed" in world.look(minutes=5).reason


def test_smoke_predictions_are_no_calls(world: World) -> None:
    world.look()
    world.calls(2, 100, failed=100, why="version")
    assert world.look(minutes=5).state == "BAKING"


def test_a_strategy_that_a_person_asks_for_comes_before_the_spec(world: World) -> None:
    world.request = RolloutRequest("a" * 32, "churn", 2, RUN, "ada", "better", "all_at_once")
    assert world.look().state == "PROMOTED"


def test_a_run_is_rolled_out_as_its_own_spec_says(world: World) -> None:
    world.request = RolloutRequest(RUN, "churn", 2, RUN, "ada", "better")
    world.objects.put(ARTIFACTS, keys.run_spec(RUN), json.dumps({"rollout": SPEC | {"share": 0.05}}).encode())
    world.look()
    assert world.shares() == (Share(2, 0.05),)


def test_a_frozen_model_holds_its_rollout_and_begins_none(world: World) -> None:
    world.look()
    world.calls(1, 400)
    world.calls(2, 100, why="split")
    world.rollouts.releases.freeze("churn", True, "bob", "audit", instant(world.now))
    held = world.look(minutes=25)
    assert (held.state, held.wait_seconds) == ("BAKING", 300)
    assert "bob has frozen the model's promotions (audit): the rollout holds" in held.reason
    world.look(minutes=5)
    world.rollouts.releases.freeze("churn", False, "bob", "over", instant(world.now))
    assert world.look().state == "PROMOTED"
    history = " ".join(world.records.rollout(world.request.id).history)
    assert (history.count("the rollout holds"), history.count("are not frozen any more")) == (1, 1)
    world.rollouts.releases.freeze("churn", True, "bob", "audit", instant(world.now))
    world.request = RolloutRequest("b" * 32, "churn", 1, RUN, "ada", "back")
    refused = world.look()
    assert (refused.state, "are frozen by bob" in refused.reason) == ("ROLLED_BACK", True)
    assert (world.registry.alias("churn", "champion"), world.shares()) == (2, ())


def test_a_rollout_that_a_person_has_asked_for_is_gone_on_with_and_told_once(world: World, inbox: Any) -> None:
    options = RolloutOptions(strategy="canary", share=0.3, bake_minutes=20)
    releases: Any = dataclasses.replace(world.rollouts.releases, executions=Started())  # type: ignore[arg-type]
    releases.promote("churn", 2, options, world.request.id, "ada", "better", instant(world.now))
    assert world.shares() == (Share(2, 0.3),)
    for minutes in (0, 5):
        assert world.look(minutes=minutes).state == "BAKING"
    assert [message["detail"]["state"] for message in inbox.read() if "detail" in message] == ["BAKING"]


def test_a_rollout_that_was_taken_back_before_the_first_look_ends(world: World) -> None:
    releases: Any = dataclasses.replace(world.rollouts.releases, executions=Started())  # type: ignore[arg-type]
    releases.promote(
        "churn", 2, RolloutOptions(strategy="canary"), world.request.id, "ada", "better", instant(world.now)
    )
    assert releases.rollback("churn", "eve", "wrong version", instant(world.now)).rollout == world.request.id
    ended = world.look()
    assert (ended.state, "eve took it back: wrong version" in ended.reason) == ("ROLLED_BACK", True)
    assert (world.registry.alias("churn", "champion"), world.shares()) == (1, ())


class Started:
    """A state machine that starts, whatever it is given."""

    def start(self, machine: str, name: str, value: Any) -> str:
        return f"{machine}:{name}"


def test_a_second_rollout_is_refused_and_a_failed_one_leaves_the_champion(world: World) -> None:
    world.look()
    first, world.request = world.request, RolloutRequest("b" * 32, "churn", 1, RUN, "eve", "other")
    with pytest.raises(RolloutConflict):
        world.look()
    event = {"rollout": to_json(world.request)}
    failure = {"stage": "rollout", "error": "RolloutConflict", "cause": "version 2 of churn is being rolled out"}
    answer = world.module.handler(event | {"failure": failure}, None)
    assert (answer["state"], answer["reason"]) == ("ROLLED_BACK", "version 2 of churn is being rolled out")
    assert world.shares() == (Share(2, 0.2),)
    failure = {"stage": "rollout", "error": "States.Timeout", "cause": ""}
    world.module.handler({"rollout": to_json(first), "failure": failure}, None)
    ended = world.records.rollout(first.id)
    assert (ended.state, world.shares()) == ("ROLLED_BACK", ())
    assert "did not finish within its time limit" in ended.history[-1]


def test_a_bus_that_does_not_answer_does_not_stop_a_rollout(world: World, capsys: Any) -> None:
    import boto3

    boto3.client("events").remove_targets(Rule="all", EventBusName="tidemill", Ids=["inbox"])
    boto3.client("events").delete_rule(Name="all", EventBusName="tidemill")
    boto3.client("events").delete_event_bus(Name="tidemill")
    boto3.client("sns").delete_topic(TopicArn=boto3.client("sns").list_topics()["Topics"][0]["TopicArn"])
    world.request = RolloutRequest("a" * 32, "churn", 2, RUN, "ada", "better", "all_at_once")
    assert world.look().state == "PROMOTED"
    assert "nobody was told of rollout" in capsys.readouterr().out


def test_old_models_without_a_reference_are_judged_by_what_there_is(world: World) -> None:
    for version in (1, 2):
        world.objects.delete(ARTIFACTS, keys.model("churn", version, "reference.json"))
    world.look()
    world.calls(1, 400)
    world.calls(2, 100, why="split")
    assert world.look(minutes=20).state == "PROMOTED"
    names = {signal.name for signal in world.records.rollout(world.request.id).signals}
    assert names == {"errors", "latency", "requests"}
