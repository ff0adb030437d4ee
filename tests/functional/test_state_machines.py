"""The definitions in infra/ in moto's Step Functions interpreter, which calls the functions in process.

moto ships no evaluator of JSONata: jsonata-python is given to it, as unit tests of the expressions use it. Lambda's
`invoke` is answered by the real handlers, through botocore's event `before-call`. What the interpreter does not do as
AWS does is in `MOTO_CANNOT`.
"""

from __future__ import annotations

import functools
import io
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any
from urllib.parse import unquote

import boto3
import jsonata
import pytest
from botocore.response import StreamingBody
from moto.core.config import default_user_config
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.jsonata import jsonata as moto_jsonata

from tidemill import errors, keys
from tidemill.aws import approvals, clients
from tidemill.aws.executions import Executions
from tidemill.aws.objects import Objects
from tidemill.aws.online_features import OnlineFeatures
from tidemill.aws.people import Person
from tidemill.aws.promotion import Releases
from tidemill.aws.registry import Registry
from tidemill.aws.release_records import ReleaseRecords
from tidemill.contracts import Failure, FeatureSetRun, Profile, Reading, Run, ScoringRun, Source, from_json, to_json
from tidemill.release_contracts import RolloutRequest
from tidemill.rules import outcomes
from tidemill.spec import FeatureSetDeclaration

from .conftest import ARTIFACTS, DATA, ROOT

ONLINE = "tidemill-features"
AT = "2026-01-02T03:04:05Z"

#: What moto 5.2 does not do as AWS does. The tests are strict: the day that it does, they fail, and the entry goes.
MOTO_CANNOT = {
    "distributed map": "a child that has failed does not fail the Distributed Map: what follows runs without its piece",
    "cause": "SendTaskFailure loses the cause: the state machine sees null",
    "start execution": "`states:startExecution` fails with States.Runtime: 'StateMachineArn'",
}

ROLE = "arn:aws:iam::123456789012:role/states"
#: How long an execution may take here, seconds.
PATIENCE = 30.0


def cannot(what: str) -> pytest.MarkDecorator:
    """Marks a test of what is in `MOTO_CANNOT`."""
    return pytest.mark.xfail(strict=True, raises=AssertionError, reason=MOTO_CANNOT[what])


class Lambda:
    """Functions by the name of their stage, called in process as Lambda calls them."""

    def __init__(self) -> None:
        self.handlers: dict[str, Callable[[Any, Any], Any]] = {}
        self.calls: list[tuple[str, Any]] = []  #: stage and event, in the order they were begun
        self.answered: list[str] = []  #: stages
        self.refusals: list[tuple[str, str]] = []  #: stage, and the service's error for its next call

    def stages(self) -> list[str]:
        return [stage for stage, _ in self.calls]

    def invoke(self, params: dict[str, Any], **_: Any) -> Any:
        """Answers `before-call.lambda.Invoke` in the place of the service."""
        found = re.search(r"/functions/([^/]+)/invocations", unquote(params["url_path"]))
        assert found is not None
        stage = found[1].rpartition(":")[2].removesuffix("Function").lower()
        event = json.loads(params["body"])
        self.calls.append((stage, event))
        meta = {"RequestId": "r", "HTTPHeaders": {}, "RetryAttempts": 0}
        if (refused := next((one for one in self.refusals if one[0] == stage), None)) is not None:
            self.refusals.remove(refused)
            error = {"Code": refused[1], "Message": "refused"}
            return SimpleNamespace(status_code=429), {
                "Error": error,
                "ResponseMetadata": {**meta, "HTTPStatusCode": 429},
            }
        answer: dict[str, Any] = {"StatusCode": 200, "ResponseMetadata": {**meta, "HTTPStatusCode": 200}}
        try:
            result = self.handlers[stage](event, SimpleNamespace(aws_request_id="call"))
        except Exception as error:
            result = {"errorMessage": str(error), "errorType": type(error).__name__, "stackTrace": []}
            answer["FunctionError"] = "Unhandled"
        self.answered.append(stage)
        body = json.dumps(result).encode()
        return SimpleNamespace(status_code=200), answer | {"Payload": StreamingBody(io.BytesIO(body), len(body))}


def _answered(answer: Any, event: Any, _context: object) -> Any:
    if isinstance(answer, Exception):
        raise answer
    return answer(event) if callable(answer) else answer


def _trained(event: Any) -> Any:
    """A candidate's score; the candidates of the next round, of which there is none; the refitted model."""
    if "candidate" in event:
        return {"name": event["candidate"]["name"], "mean": 0.8, "seconds": 1.0}
    return {"candidates": [], "number": 2, "fraction": 1.0} if "ended" in event else {"candidate": "linear"}


def _concluded(event: Any) -> Any:
    """What `conclude` answers, by the rules that it goes by."""
    failure = from_json(Failure, event["failure"]) if event.get("failure") else None
    ended = outcomes.outcome(failure, event.get("rolling_out", False))
    return {"status": ended.status, "reason": ended.reason}


#: What functions answer where they only stand in: by the state machine, when all goes well.
ANSWERS: dict[str, dict[str, Any]] = {
    "training": {
        "validate": {},
        "prepare": {"candidates": [{"name": "linear"}], "number": 1, "fraction": 1.0},
        "train": _trained,
        "evaluate": {},
        "register": {"model": "churn", "version": 1},
        "deploy": {"model": "churn", "version": 1, "rollout": False},
        "conclude": _concluded,
    },
    "monitoring": {
        "watch": {"due": [{"model": model, "at": AT} for model in ("churn", "houses")]},
        **{"summarize": {"more": False}, "monitor": {}, "decide": {}},
    },
    "rollout": {"rollout": {"state": "PROMOTED", "wait_seconds": 0, "reason": "better"}, "conclude": _concluded},
}


def _evaluated(expression: str) -> Any:
    try:
        return jsonata.Jsonata.jsonata(expression).evaluate(None)
    except Exception as error:
        raise moto_jsonata.JSONataException("UNKNOWN", str(error)) from error


class Interpreter:
    """The state machines, and executions of them to their ends."""

    def __init__(self, functions: Lambda, stage: Callable[..., ModuleType], environment: dict[str, str]) -> None:
        self.functions = functions
        self._stage, self._environment = stage, environment
        self._client = boto3.client("stepfunctions")
        self.arns: dict[str, str] = {}

    def deploy(self, machine: str, *stages: str) -> None:
        """A state machine, and the functions that it calls; it does not wait before it tries something again."""
        text = (ROOT / "infra" / f"{machine}.asl.json").read_text(encoding="utf-8")
        values = {"Partition": "aws", "RolloutStateMachine": self.arns.get("rollout", "")}
        values |= dict.fromkeys(("ScoreConcurrency", "TrainConcurrency"), "{% 2 %}")
        text = re.sub(r"\$\{(\w+)\}", lambda found: values.get(found[1], found[1]), text)
        text = text.replace('"Seconds": 5', '"Seconds": 1')
        text = text.replace('"{% $states.input.wait_seconds %}"', '"{% $min([1, $states.input.wait_seconds]) %}"')
        made = self._client.create_state_machine(name=machine, definition=text, roleArn=ROLE)
        self.arns[machine] = made["stateMachineArn"]
        for name in stages:
            self.functions.handlers[name] = self._stage(name, **self._environment).handler

    def stand_in(self, machine: str, **answers: Any) -> None:
        """A state machine whose functions answer with a value, what is made of the event, or an error."""
        self.deploy(machine)
        for name, answer in (ANSWERS[machine] | answers).items():
            self.functions.handlers[name] = functools.partial(_answered, answer)

    def start(self, machine: str, value: Any, name: str = "one") -> str:
        answer = self._client.start_execution(stateMachineArn=self.arns[machine], name=name, input=json.dumps(value))
        return str(answer["executionArn"])

    def ended(self, execution: str) -> Any:
        """The description of an execution that has ended; its output is read."""
        until = time.monotonic() + PATIENCE
        while (found := self._client.describe_execution(executionArn=execution))["status"] == "RUNNING":
            assert time.monotonic() < until, self.history(execution)
            time.sleep(0.02)
        return {**found, "output": json.loads(found.get("output", "null"))}

    def called(self, stage: str) -> None:
        """Waits until a function has been called, and has answered."""
        until = time.monotonic() + PATIENCE
        while stage not in self.functions.answered:
            assert time.monotonic() < until, self.functions.calls
            time.sleep(0.02)

    def run(self, machine: str, value: Any) -> Any:
        return self.ended(self.start(machine, value))

    def history(self, execution: str) -> list[str]:
        """The names of the states that were entered."""
        events = self._client.get_execution_history(executionArn=execution, maxResults=1000)["events"]
        return [event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event]


@pytest.fixture
def interpreter(
    session: boto3.Session,
    aws: None,
    monkeypatch: pytest.MonkeyPatch,
    stage: Callable[..., ModuleType],
    buckets: None,
    table: str,
    topic: str,
    bus: str,
    wire: str,
) -> Iterator[Interpreter]:
    monkeypatch.setitem(default_user_config, "stepfunctions", {"execute_state_machine": True})
    monkeypatch.setattr(moto_jsonata, "_eval_jsonata", _evaluated)
    pauses: list[float] = []
    monkeypatch.setattr(retrier_decl, "time", SimpleNamespace(sleep=pauses.append))
    functions = Lambda()
    for service in ("lambda", "s3"):  # in this thread first: a session's first client is not made in two at once
        boto3.client(service)
    session.events.register("before-call.lambda.Invoke", functions.invoke)
    ours = clients.lambda_().meta.events
    ours.register("before-call.lambda.Invoke", functions.invoke)
    queue = boto3.client("sqs").create_queue(QueueName="captures")["QueueUrl"]
    boto3.client("dynamodb").create_table(
        TableName=ONLINE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "entity", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "entity", "KeyType": "HASH"}],
    )
    environment = {
        **{"artifact_bucket": ARTIFACTS, "data_bucket": DATA, "table": table, "features_table": ONLINE},
        **{"topic": topic, "event_bus": bus, "api_url": "https://api.test", "capture_queue": queue},
        **{"predict_function": "PredictFunction", "retrain_function": "RetrainFunction", "predict_memory_mb": "1024"},
        **{"max_upload_mb": "10", "slice_rows": "3", "alias_seconds": "0"},
    }
    yield Interpreter(functions, stage, environment)
    for events in (ours, session.events):
        events.unregister("before-call.lambda.Invoke", functions.invoke)


def upload(objects: Objects, key: str, data: bytes) -> Source:
    """What intake knows of an uploaded table."""
    objects.put(DATA, key, data)
    head = objects.head(DATA, key)
    return Source(DATA, key, head.version_id, head.etag, head.size)


# --- scoring -------------------------------------------------------------------------------------


def scoring_run(objects: Objects, data: bytes) -> Any:
    return {"run": to_json(ScoringRun("c" * 32, "churn", upload(objects, "score/churn/may.csv", data), AT, "ada"))}


def test_a_table_is_scored(interpreter: Interpreter, objects: Objects, churn: int) -> None:
    interpreter.deploy("scoring", "plan", "score", "merge", "conclude")
    table = b"tenure,contract\n" + b"".join(b"%d,Monthly\n" % tenure for tenure in range(7))
    ended = interpreter.run("scoring", scoring_run(objects, table))
    assert (ended["status"], ended["output"]["rows"]) == ("SUCCEEDED", 7), ended
    assert sorted(interpreter.functions.stages()) == ["merge", "plan", "score", "score", "score"]
    assert len(objects.get(DATA, ended["output"]["key"]).splitlines()) == 8


def test_a_table_that_cannot_be_scored_is_quarantined_and_the_execution_is_no_failure(
    interpreter: Interpreter, objects: Objects, churn: int, inbox: Any
) -> None:
    interpreter.deploy("scoring", "plan", "score", "merge", "conclude")
    ended = interpreter.run("scoring", scoring_run(objects, b"id,contract\n1,Monthly\n"))
    assert (ended["status"], ended["output"]["status"]) == ("SUCCEEDED", "REFUSED_DATA")
    assert interpreter.functions.stages() == ["plan", "conclude"]
    assert objects.exists(DATA, keys.quarantine("churn", "may.csv"))
    assert [message["Subject"] for message in inbox.read()] == ["score/churn/may.csv was not scored"]


@cannot("distributed map")
def test_a_slice_that_fails_fails_the_execution_and_leaves_the_upload(
    interpreter: Interpreter, objects: Objects, churn: int
) -> None:
    interpreter.deploy("scoring", "plan", "score", "merge", "conclude")
    objects.delete(ARTIFACTS, keys.model("churn", 1, "model.onnx"))
    ended = interpreter.run("scoring", scoring_run(objects, b"tenure,contract\n1,Monthly\n"))
    assert (ended["status"], ended["error"]) == ("FAILED", "ScoringFailed")
    assert interpreter.functions.stages() == ["plan", "score", "conclude"]
    assert objects.exists(DATA, "score/churn/may.csv")


def test_a_function_that_is_asked_too_much_is_asked_again(
    interpreter: Interpreter, objects: Objects, churn: int
) -> None:
    interpreter.deploy("scoring", "plan", "score", "merge", "conclude")
    interpreter.functions.refusals = [("plan", "TooManyRequestsException")] * 2 + [("score", "ServiceException")]
    ended = interpreter.run("scoring", scoring_run(objects, b"tenure,contract\n1,Monthly\n"))
    assert ended["status"] == "SUCCEEDED"
    assert interpreter.functions.stages() == ["plan"] * 3 + ["score"] * 2 + ["merge"]


def test_a_piece_that_is_missing_fails_the_execution_and_leaves_the_upload(
    interpreter: Interpreter, objects: Objects, churn: int
) -> None:
    interpreter.deploy("scoring", "plan", "merge", "conclude")
    interpreter.functions.handlers["score"] = lambda event, _: {"rows": 1}
    ended = interpreter.run("scoring", scoring_run(objects, b"tenure,contract\n1,Monthly\n"))
    assert (ended["status"], ended["error"]) == ("FAILED", "ScoringFailed")
    assert "there is no object" in ended["cause"]
    assert interpreter.functions.stages() == ["plan", "score", "merge", "conclude"]
    assert not objects.exists(DATA, keys.scored("churn", "may.csv"))
    assert objects.exists(DATA, "score/churn/may.csv")


# --- features ------------------------------------------------------------------------------------


def features_run(objects: Objects, data: bytes, run_id: str = "d" * 32) -> Any:
    source = upload(objects, keys.features("shops", "table.csv"), data)
    return {"run": to_json(FeatureSetRun(run_id, "shops", source, AT, "ada"))}


@pytest.fixture
def shops(interpreter: Interpreter, objects: Objects) -> OnlineFeatures:
    """A declared feature set, and the functions of its state machine."""
    interpreter.deploy("features", "ingest", "materialize", "conclude")
    objects.put_contract(ARTIFACTS, keys.feature_set_declaration("shops"), FeatureSetDeclaration("shop"))
    return OnlineFeatures(clients.dynamodb(), ONLINE)


def test_a_table_becomes_a_feature_set(interpreter: Interpreter, shops: OnlineFeatures, objects: Objects) -> None:
    rows = b"".join(b"shop%d,%d\n" % (number, number) for number in range(7))
    ended = interpreter.run("features", features_run(objects, b"shop,size\n" + rows))
    assert (ended["status"], ended["output"]["written"]) == ("SUCCEEDED", 7), ended
    assert interpreter.functions.stages().count("materialize") == 3
    assert shops.look_up("shops", ["shop6"]) == {"shop6": {"size": 6.0}}


def test_a_second_table_waits_for_its_turn(
    interpreter: Interpreter, shops: OnlineFeatures, objects: Objects, registry: Registry
) -> None:
    registry.take_turn("shops", "other", AT, "2999-01-01T00:00:00Z")
    execution = interpreter.start("features", features_run(objects, b"shop,size\na,1\n"))
    interpreter.called("ingest")
    registry.give_up_turn("shops", "other")
    assert interpreter.ended(execution)["status"] == "SUCCEEDED"
    assert "WaitForTurn" in interpreter.history(execution)
    assert shops.look_up("shops", ["a"]) == {"a": {"size": 1.0}}


def test_a_table_that_is_refused_ends_its_turn(
    interpreter: Interpreter, shops: OnlineFeatures, objects: Objects, registry: Registry
) -> None:
    ended = interpreter.run("features", features_run(objects, b"size\n1\n"))
    assert (ended["status"], ended["output"]["status"]) == ("SUCCEEDED", "REFUSED_DATA")
    assert registry.take_turn("shops", "next", AT, "2999-01-01T00:00:00Z") is not None


@pytest.mark.parametrize("part", ["run", "ingested"], ids=["ingest", "publish"])
def test_a_feature_set_that_breaks_ends_its_turn_and_the_next_run_finishes_it(
    interpreter: Interpreter, shops: OnlineFeatures, objects: Objects, registry: Registry, part: str
) -> None:
    ingest = interpreter.functions.handlers["ingest"]

    def breaks(event: Any, context: Any) -> Any:
        if part in event:
            raise errors.StorageError("the table does not answer")
        return ingest(event, context)

    interpreter.functions.handlers["ingest"] = breaks
    run = features_run(objects, b"shop,size\na,1\n")
    ended = interpreter.run("features", run)
    assert (ended["status"], ended["error"]) == ("FAILED", "FeaturesFailed")
    assert "the table does not answer" in ended["cause"]
    assert registry.feature_set("shops") is None
    interpreter.functions.handlers["ingest"] = ingest
    again = interpreter.start("features", {"run": run["run"] | {"run_id": "e" * 32}}, name="two")
    assert interpreter.ended(again)["status"] == "SUCCEEDED"
    assert "WaitForTurn" not in interpreter.history(again)
    assert registry.feature_set("shops").rows == 1  # type: ignore[union-attr]


# --- monitoring ----------------------------------------------------------------------------------


LOOK = ["watch", "summarize", "monitor", "decide", "monitor"]


@pytest.fixture
def watched(interpreter: Interpreter, objects: Objects, churn: int) -> None:
    """Model churn as it was registered, and the functions that look at it."""
    interpreter.deploy("monitoring", "watch", "summarize", "monitor", "decide")
    profile = Profile(100, 0, (), Reading("csv", None, "utf-8", ",", '"', True, 1), "Churn", "binary")
    objects.put_contract(ARTIFACTS, keys.model("churn", churn, "profile.json"), profile)


@pytest.mark.usefixtures("watched")
def test_a_model_in_service_is_looked_at(interpreter: Interpreter, objects: Objects) -> None:
    ended = interpreter.run("monitoring", {"model": "churn"})
    assert (ended["status"], ended["output"]) == ("SUCCEEDED", {"failures": []}), ended
    assert interpreter.functions.stages() == LOOK
    assert objects.exists(ARTIFACTS, keys.monitor_report("churn"))


@pytest.mark.usefixtures("watched")
def test_a_model_that_cannot_be_looked_at_fails_the_execution_after_the_others(interpreter: Interpreter) -> None:
    functions = interpreter.functions
    two = {"due": [{"model": model, "at": AT, "by": "schedule", "force": False} for model in ("churn", "none")]}
    functions.handlers["watch"] = lambda event, _: two
    ended = interpreter.run("monitoring", {"detail-type": "Scheduled Event"})
    assert (ended["status"], ended["error"]) == ("FAILED", "LookFailed")
    assert ended["cause"].startswith("summarize: ")
    assert functions.stages().count("decide") == 1
    assert "'none'" in ended["cause"]


def test_what_is_left_to_count_is_counted_before_the_comparison(interpreter: Interpreter, churn: int) -> None:
    interpreter.deploy("monitoring")
    due = {"model": "churn", "at": AT, "by": "hand", "force": True}
    left = [True, True, False]
    answers: dict[str, Callable[[], Any]] = {
        "watch": lambda: {"due": [due]},
        "summarize": lambda: {"more": left.pop(0)},
        "monitor": dict,
        "decide": dict,
    }
    for name, answer in answers.items():
        interpreter.functions.handlers[name] = lambda event, _, answer=answer: answer()
    assert interpreter.run("monitoring", {"model": "churn"})["status"] == "SUCCEEDED"
    assert interpreter.functions.stages() == ["watch", "summarize", "summarize", *LOOK[1:]]
    assert all(event["due"] == due for name, event in interpreter.functions.calls if name != "watch")


@pytest.mark.parametrize("stage", ["summarize", "monitor", "decide", "report"])
def test_a_model_that_breaks_stops_no_other_one(interpreter: Interpreter, stage: str) -> None:
    def breaks(event: Any) -> Any:
        if event["due"]["model"] == "churn" and (stage == "report") == ("report" in event):
            raise errors.StorageError("the bucket does not answer")
        return {"more": False}

    interpreter.stand_in("monitoring", **{"monitor" if stage == "report" else stage: breaks})
    ended = interpreter.run("monitoring", {})
    assert (ended["status"], ended["error"]) == ("FAILED", "LookFailed")
    assert ended["cause"].startswith("monitor: " if stage == "report" else f"{stage}: ")
    seen = [name for name, event in interpreter.functions.calls if event.get("due", {}).get("model") == "houses"]
    assert seen == LOOK[1:]


def test_a_watch_that_breaks_fails_the_execution(interpreter: Interpreter) -> None:
    interpreter.stand_in("monitoring", watch=errors.StorageError("the table does not answer"))
    ended = interpreter.run("monitoring", {})
    assert (ended["status"], ended["error"]) == ("FAILED", "StorageError")


# --- rollout -------------------------------------------------------------------------------------


REQUEST = RolloutRequest("a" * 32, "churn", 2, "f" * 32, "ada", "better")


def test_a_rollout_of_a_version_that_does_not_exist_is_taken_back(
    interpreter: Interpreter, churn: int, registry: Registry
) -> None:
    interpreter.deploy("rollout", "rollout", "conclude")
    ended = interpreter.run("rollout", {"rollout": to_json(REQUEST)})
    assert interpreter.functions.stages() == ["rollout", "rollout", "conclude"]
    assert (ended["status"], ended["error"]) == ("FAILED", "RolloutFailed"), ended
    assert "no version 2" in ended["cause"]
    assert registry.alias("churn", "champion") == 1


@pytest.mark.parametrize(
    ("states", "ended"),
    [(("SHADOW", "BAKING", "PROMOTED"), "LIVE"), (("BAKING", "ROLLED_BACK"), "ROLLED_BACK")],
)
def test_a_rollout_is_looked_at_until_it_has_ended(
    interpreter: Interpreter, states: tuple[str, ...], ended: str
) -> None:
    interpreter.deploy("rollout", "rollout", "conclude")
    steps = [{"id": REQUEST.id, "state": state, "wait_seconds": 0, "reason": "they said so"} for state in states]
    interpreter.functions.handlers["rollout"] = lambda event, _: steps.pop(0)
    found = interpreter.run("rollout", {"rollout": to_json(REQUEST)})
    assert (found["status"], found["output"]["status"]) == ("SUCCEEDED", ended), found
    assert interpreter.functions.stages() == ["rollout"] * len(states) + ["conclude"]


def test_a_rollout_that_a_person_takes_back_is_an_answer(
    interpreter: Interpreter, churn: int, registry: Registry, objects: Objects, table: str
) -> None:
    interpreter.deploy("rollout", "rollout", "conclude")
    second = registry.create_version(
        "churn",
        "e" * 32,
        onnx_sha256="1",
        dataset_version="d",
        task="binary",
        metric="roc_auc",
        value=0.86,
        at=AT,
        actor="ada",
    )
    profile = Profile(100, 0, (), Reading("csv", None, "utf-8", ",", '"', True, 1), "Churn", "binary")
    for version in (churn, second):
        objects.put_contract(ARTIFACTS, keys.model("churn", version, "profile.json"), profile)
        signature = objects.get(ARTIFACTS, keys.model("churn", churn, "signature.json"))
        objects.put(ARTIFACTS, keys.model("churn", version, "signature.json"), signature)
    canary = {"rollout": {"strategy": "canary", "share": 0.2, "bake_minutes": 60}}
    objects.put(ARTIFACTS, keys.project_spec("churn"), json.dumps(canary).encode())
    execution = interpreter.start("rollout", {"rollout": to_json(REQUEST)})
    interpreter.called("rollout")
    releases = Releases.connect(table)
    spread = releases.traffic.traffic("churn")
    assert spread is not None
    assert [share.weight for share in spread.shares] == [0.2]
    releases.rollback("churn", "bob", "callers complain", AT)
    ended = interpreter.ended(execution)
    assert (ended["status"], ended["output"]["status"]) == ("SUCCEEDED", "ROLLED_BACK"), ended
    assert "callers complain" in ended["output"]["reason"]
    assert interpreter.history(execution)[-4:] == ["RolledBack", "Conclude", "Concluded", "RolloutEnded"]
    spread = releases.traffic.traffic("churn")
    assert spread is not None
    assert spread.shares == ()
    assert registry.alias("churn", "champion") == churn


def test_a_rollout_that_cannot_even_be_taken_back_is_concluded_all_the_same(interpreter: Interpreter) -> None:
    interpreter.stand_in("rollout", rollout=errors.StorageError("the table does not answer"))
    ended = interpreter.run("rollout", {"rollout": to_json(REQUEST)})
    assert (ended["status"], ended["error"]) == ("FAILED", "RolloutFailed")
    assert interpreter.functions.stages() == ["rollout", "rollout", "conclude"]
    assert ended["cause"] == "the table does not answer"


# --- training ------------------------------------------------------------------------------------


STAGES = ("validate", "prepare", "train", "evaluate", "register", "approve", "deploy", "predict", "conclude")
SPEC = {"target": "Churn", "candidates": ["linear"], "folds": 2, "search": {"seconds": 1, "ensemble": False}}
GOOD = b"tenure,plan,Churn\n" + b"".join(
    b"%d,%c,%s\n" % (i * 7 % 61, 97 + i % 3, b"Yes" if i * 7 % 61 < 25 else b"No") for i in range(240)
)


@pytest.fixture
def training(interpreter: Interpreter, objects: Objects, registry: Registry) -> Callable[..., Any]:
    """Uploads a table and gives the input of its run; the functions of both state machines are there."""
    interpreter.deploy("rollout", "rollout", "conclude")
    interpreter.deploy("training", *STAGES)

    def begin(data: bytes = GOOD, **spec: Any) -> Any:
        source = upload(objects, keys.incoming("churn", "telco.csv"), data)
        run = Run("b" * 32, "churn", source, AT, "AWS:AIDAEXAMPLE")
        objects.put(ARTIFACTS, keys.run_spec(run.run_id), json.dumps(SPEC | spec).encode())
        objects.put(ARTIFACTS, keys.project_spec("churn"), json.dumps(SPEC | spec).encode())
        registry.start_run(run)
        return {"run": to_json(run)}

    return begin


def test_a_table_becomes_the_model_in_service(
    interpreter: Interpreter, training: Callable[..., Any], registry: Registry, inbox: Any
) -> None:
    ended = interpreter.run("training", training())
    assert (ended["status"], ended["output"]["status"]) == ("SUCCEEDED", "LIVE"), ended
    stages = list(dict.fromkeys(interpreter.functions.stages()))
    assert stages == [name for name in STAGES if name != "approve"]
    assert registry.alias("churn", "champion") == 1
    assert registry.run("b" * 32).status == "LIVE"
    told = inbox.read()
    assert [message["detail"]["status"] for message in told if "detail" in message] == ["LIVE"]
    assert len([message for message in told if "Subject" in message]) == 1


def test_a_table_that_is_refused_is_an_answer(
    interpreter: Interpreter, training: Callable[..., Any], objects: Objects, registry: Registry
) -> None:
    ended = interpreter.run("training", training(b"tenure,Churn\n1,Yes\n"))
    assert (ended["status"], ended["output"]["status"]) == ("SUCCEEDED", "REFUSED_DATA")
    assert interpreter.functions.stages() == ["validate", "conclude"]
    assert objects.exists(DATA, keys.quarantine("churn", "telco.csv"))
    assert registry.run("b" * 32).status == "REFUSED_DATA"


def test_people_decide_before_a_version_goes_into_service(
    interpreter: Interpreter, training: Callable[..., Any], registry: Registry, table: str
) -> None:
    execution = interpreter.start("training", training(approval={"mode": "manual"}))
    interpreter.called("approve")
    assert registry.alias("churn", "champion") is None
    records, executions = ReleaseRecords(clients.dynamodb(), table), Executions(clients.stepfunctions())
    for _ in range(2):
        approvals.approve(registry, records, executions, "b" * 32, Person("bob"), "good", AT)
    assert interpreter.ended(execution)["output"]["status"] == "LIVE"
    again = approvals.approve(registry, records, executions, "b" * 32, Person("bob"), "good", AT)
    assert (again.again, again.approval.state) == (True, "APPROVED")


def test_a_refusal_of_people_is_an_answer(
    interpreter: Interpreter, training: Callable[..., Any], registry: Registry, table: str
) -> None:
    execution = interpreter.start("training", training(approval={"mode": "manual"}))
    interpreter.called("approve")
    records, executions = ReleaseRecords(clients.dynamodb(), table), Executions(clients.stepfunctions())
    approvals.reject(registry, records, executions, "b" * 32, Person("bob"), "too few rows", AT)
    assert interpreter.ended(execution)["output"]["status"] == "REFUSED_BY_GATE"
    assert "deploy" not in interpreter.functions.stages()


@cannot("cause")
def test_the_reason_of_a_refusal_reaches_the_state_machine(interpreter: Interpreter) -> None:
    interpreter.deploy("training")
    answers: dict[str, Any] = {
        "prepare": {"candidates": [], "number": 1, "fraction": 1.0},
        "train": {"candidates": []},
        "register": {"model": "churn", "version": 1, "approval_hours": 1.0, "reminder_hours": 0.0},
        "conclude": {"status": "REFUSED_BY_GATE"},
    }
    for name in STAGES:
        interpreter.functions.handlers[name] = lambda event, _, name=name: answers.get(name, {})
    execution = interpreter.start("training", {"run": {"run_id": "b" * 32}})
    interpreter.called("approve")
    (token,) = [event["token"] for name, event in interpreter.functions.calls if name == "approve"]
    Executions(clients.stepfunctions()).fail(token, "ApprovalRejected", "too few rows")
    interpreter.ended(execution)
    assert interpreter.functions.calls[-1][1]["failure"]["cause"] == "too few rows"


def test_nobody_decides_in_time_though_reminded(
    interpreter: Interpreter, training: Callable[..., Any], registry: Registry
) -> None:
    hours = {"timeout_hours": 2 / 3600, "reminder_hours": 1 / 3600}
    ended = interpreter.run("training", training(approval={"mode": "manual", **hours}))
    assert ended["output"]["status"] == "REFUSED_BY_GATE"
    assert interpreter.functions.stages().count("approve") == 2
    assert registry.approval("b" * 32).state == "EXPIRED"


@cannot("start execution")
def test_a_second_version_is_let_in_step_by_step(
    interpreter: Interpreter, training: Callable[..., Any], registry: Registry, churn: int
) -> None:
    begun = training(rollout={"strategy": "canary", "bake_minutes": 60}, gates={"must_beat_baseline": False})
    ended = interpreter.run("training", begun)
    assert ended["status"] == "SUCCEEDED", ended
    assert (
        ended["output"]["executionArn"]
        == interpreter.arns["rollout"].replace("stateMachine", "execution") + f":{'b' * 32}"
    )
    interpreter.called("rollout")
    assert registry.alias("churn", "champion") == churn


@pytest.mark.parametrize("stage", ["validate", "prepare", "train", "evaluate", "register", "deploy"])
def test_a_stage_that_breaks_fails_the_run_and_is_named(interpreter: Interpreter, stage: str) -> None:
    interpreter.stand_in("training", **{stage: errors.StorageError("the bucket does not answer")})
    ended = interpreter.run("training", {"run": {"run_id": "b" * 32}})
    assert (ended["status"], ended["error"], ended["cause"]) == ("FAILED", "RunFailed", "the bucket does not answer")
    assert interpreter.functions.stages()[-2:] == [stage, "conclude"]
    failure = interpreter.functions.calls[-1][1]["failure"]
    assert (failure["stage"], failure["error"]) == (stage, "StorageError")


@pytest.mark.parametrize(
    ("stage", "error", "status"),
    [
        ("validate", "DataRefused", "REFUSED_DATA"),
        ("prepare", "DataRefused", "REFUSED_DATA"),
        ("evaluate", "GateRefused", "REFUSED_BY_GATE"),
        ("deploy", "PromotionFrozen", "REFUSED_BY_GATE"),
        ("deploy", "RolloutConflict", "REFUSED_BY_GATE"),
        ("deploy", "TrafficConflict", "REFUSED_BY_GATE"),
    ],
)
def test_a_stage_that_refuses_is_an_answer(interpreter: Interpreter, stage: str, error: str, status: str) -> None:
    interpreter.stand_in("training", **{stage: getattr(errors, error)("it is not good enough")})
    ended = interpreter.run("training", {"run": {"run_id": "b" * 32}})
    assert (ended["status"], ended["output"]) == ("SUCCEEDED", {"status": status, "reason": "it is not good enough"})


def test_a_search_goes_on_as_long_as_there_is_a_round(interpreter: Interpreter) -> None:
    rounds = [{"candidates": [{"name": "boosting"}], "number": 2, "fraction": 1.0}, {"candidates": []}]

    def train(event: Any) -> Any:
        return rounds.pop(0) if "ended" in event else _trained(event)

    interpreter.stand_in("training", train=train)
    assert interpreter.run("training", {"run": {"run_id": "b" * 32}})["status"] == "SUCCEEDED"
    trained = [event for name, event in interpreter.functions.calls if name == "train"]
    assert [event["candidate"]["name"] for event in trained if "candidate" in event] == ["linear", "boosting"]
    assert [event["round"]["number"] for event in trained if "candidate" in event] == [1, 2]
    assert [score["name"] for score in trained[-1]["scores"]] == ["boosting"]


def test_a_run_that_cannot_be_concluded_fails(interpreter: Interpreter) -> None:
    interpreter.stand_in("training", conclude=errors.StorageError("the topic does not answer"))
    ended = interpreter.run("training", {"run": {"run_id": "b" * 32}})
    assert (ended["status"], ended["error"]) == ("FAILED", "StorageError")


# --- functions that are asked too much -----------------------------------------------------------


STARTED: dict[str, Any] = {
    "training": {"run": {"run_id": "b" * 32}},
    "monitoring": {},
    "rollout": {"rollout": to_json(REQUEST)},
}


@pytest.mark.parametrize("machine", STARTED)
def test_every_function_that_is_asked_too_much_is_asked_again(interpreter: Interpreter, machine: str) -> None:
    interpreter.stand_in(machine)
    once = interpreter.run(machine, STARTED[machine])
    counted = Counter(interpreter.functions.stages())
    assert counted.keys() == ANSWERS[machine].keys()
    interpreter.functions.calls.clear()
    interpreter.functions.refusals = [(stage, "TooManyRequestsException") for stage in counted for _ in range(2)]
    again = interpreter.ended(interpreter.start(machine, STARTED[machine], name="two"))
    assert (again["status"], again["output"]) == (once["status"], once["output"])
    assert Counter(interpreter.functions.stages()) == {stage: count + 2 for stage, count in counted.items()}


@pytest.mark.parametrize("stage", ["validate", "prepare", "train", "evaluate", "register", "deploy"])
def test_a_function_that_is_always_asked_too_much_fails_the_run(interpreter: Interpreter, stage: str) -> None:
    interpreter.stand_in("training")
    interpreter.functions.refusals = [(stage, "TooManyRequestsException")] * 100
    ended = interpreter.run("training", STARTED["training"])
    assert (ended["status"], ended["error"]) == ("FAILED", "RunFailed")
    assert interpreter.functions.stages().count(stage) == 9
    assert interpreter.functions.calls[-1][1]["failure"]["error"] == "Lambda.TooManyRequestsException"


def test_a_model_whose_function_is_always_asked_too_much_fails_the_look(interpreter: Interpreter) -> None:
    interpreter.stand_in("monitoring", watch={"due": [{"model": "churn", "at": AT}]})
    interpreter.functions.refusals = [("decide", "TooManyRequestsException")] * 100
    ended = interpreter.run("monitoring", STARTED["monitoring"])
    assert (ended["status"], ended["error"]) == ("FAILED", "LookFailed")
    assert ended["cause"].startswith("decide: ")
    assert interpreter.functions.stages().count("decide") == 9
