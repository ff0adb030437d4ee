"""Every function while its services refuse, throttle for good, miss an object, or lose an answer; and called twice.

A call of each is made in an account that has something of everything, through its event alone. Whatever fails, the next
call leaves behind what an undisturbed one leaves: nothing is lost, and nothing is there twice.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import sys
from collections import Counter
from collections.abc import Callable
from datetime import datetime, tzinfo
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import duckdb
import pytest

from tidemill import keys
from tidemill.contracts import (
    ColumnProfile,
    FeatureSetRun,
    Profile,
    Reading,
    Registered,
    ScoringRun,
    Slice,
    Source,
    to_json,
)
from tidemill.errors import DataRefused, NotFound, StorageError
from tidemill.monitoring_contracts import Due
from tidemill.release_contracts import RolloutRequest
from tidemill.spec import FeatureSetDeclaration

from .account import Account, held
from .adapters import (
    ACTUALS,
    ASKED,
    AT,
    CAPTURE,
    HOUR,
    REFUSALS,
    RETRAINING,
    ROLLOUT,
    ROW,
    RUN,
    SECOND,
    TABLE_KEY,
    THIRD,
    UNNAMED,
    WAITING,
    WRITES,
    World,
    of,
)
from .conftest import ARTIFACTS, DATA, ROOT, TABLE, Faults

NOW = "2026-03-05T06:00:00Z"
DUE = Due("churn", "2026-03-04T07:30:00Z", "hand", force=True)
CALL = SimpleNamespace(aws_request_id="8a0c9e5f-1111-2222-3333-444455556666")
SHOPS = FeatureSetRun("0" * 32, "offices", Source(DATA, "features/offices/table.csv", "", "", 30), AT, "ada")
SCORED = ScoringRun("0" * 32, "churn", Source(DATA, "score/churn/may.csv", "", "", 30), AT, "ada")


class Clock(datetime):
    """A clock that stands still, so that two calls at the same time leave the same."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Clock:
        return cls.fromisoformat(NOW)


class Functions:
    """The handlers by name, with a clock that stands still."""

    def __init__(
        self, world: World, load: Callable[..., ModuleType], faults: Faults, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.world, self.faults, self._load, self._monkeypatch = world, faults, load, monkeypatch
        self._loaded: dict[str, Callable[[Any, Any], Any]] = {}
        arns = world.arns
        self._environment = {
            **{
                "artifact_bucket": ARTIFACTS,
                "data_bucket": DATA,
                "table": TABLE,
                "features_table": "tidemill-features",
            },
            **{"topic": arns["topic"], "event_bus": arns["bus"], "api_url": "https://api.test", "slice_rows": "3"},
            **{"retrain_function": "retrain", "predict_function": "predict", "predict_memory_mb": "1024"},
            **{"shadow_queue": arns["queue"], "capture_queue": arns["queue"], "max_upload_mb": "10"},
            **{f"{name}_state_machine": arns[name] for name in ("training", "scoring", "features", "rollout")},
            **{"monitoring_state_machine": arns["training"], "api_key_id": world.key["id"], "alias_seconds": "0"},
        }

    def handler(self, name: str) -> Callable[[Any, Any], Any]:
        if name not in self._loaded:
            module = self._load(name, **self._environment)
            self._loaded[name] = module.handler
            for one in [module, *(value for key, value in sys.modules.items() if key.startswith("tidemill."))]:
                if getattr(one, "datetime", None) is datetime:
                    self._monkeypatch.setattr(one, "datetime", Clock)
        return self._loaded[name]

    def forget(self) -> None:
        """Let the next call be the first one of a new process."""
        self._loaded.clear()

    def __call__(self, name: str, event: Any) -> Any:
        return self.handler(name)(event, CALL)


def arrived(f: Functions, key: str) -> Any:
    """S3's event of an upload."""
    event = json.loads((ROOT / "tests" / "events" / "s3_put.json").read_text())
    del event["Records"][1:]
    told = event["Records"][0]["s3"]
    source = f.world.uploaded[key]
    told["bucket"]["name"] = source.bucket
    told["object"] |= {"key": key, "versionId": source.version_id, "eTag": source.etag, "size": source.size}
    return event


def request(method: str, path: str, body: Any = None, **parameters: str) -> Callable[[Functions], Any]:
    """A call as API Gateway hands it on."""

    def event(f: Functions) -> Any:
        return {
            **{"path": path.format(**parameters), "httpMethod": method, "pathParameters": parameters},
            **{"headers": {}, "multiValueHeaders": {}, "queryStringParameters": None, "stageVariables": None},
            "multiValueQueryStringParameters": None,
            "requestContext": {
                "resourcePath": path,
                "httpMethod": method,
                "identity": {"apiKeyId": f.world.key["id"]},
            },
            **{"body": json.dumps(body), "isBase64Encoded": False},
        }

    return event


def registered(version: int) -> Any:
    return to_json(Registered("churn", version))


def messages(**more: Any) -> Any:
    body = json.dumps([to_json(dataclasses.replace(CAPTURE, **more))])
    return {"Records": [{"messageId": "m", "body": body}]}


def uploaded(f: Functions, key: str, data: bytes, run: Any) -> Any:
    """A run of an upload that is there."""
    f.world.objects.put(DATA, key, data)
    head = f.world.objects.head(DATA, key)
    return {"run": to_json(dataclasses.replace(run, source=Source(DATA, key, head.version_id, head.etag, head.size)))}


def to_plan(f: Functions) -> Any:
    w = f.world
    model = w.objects.get(ARTIFACTS, keys.model("churn", 1, "model.onnx"))
    w.objects.put(ARTIFACTS, keys.model("churn", 2, "model.onnx"), model)
    return uploaded(f, SCORED.source.key, b"tenure,contract\n1,Monthly\n2,Monthly\n", SCORED)


def to_score(f: Functions) -> Any:
    f("plan", to_plan(f))
    return {"slice": to_json(Slice(SCORED.run_id, "churn", 2, 0, 2, keys.scoring_slice(SCORED.run_id, 0)))}


def to_merge(f: Functions) -> Any:
    event = to_plan(f)
    planned = f("plan", event)
    f("score", to_score(f))
    return {**event, "planned": planned}


def to_ingest(f: Functions) -> Any:
    declaration = keys.feature_set_declaration("offices")
    f.world.objects.put_contract(ARTIFACTS, declaration, FeatureSetDeclaration("office"))
    return uploaded(f, SHOPS.source.key, b"office,size\na,1\nb,2\n", SHOPS)


def to_materialize(f: Functions) -> Any:
    f("ingest", to_ingest(f))
    (batch,) = json.loads(f.world.objects.get(ARTIFACTS, keys.features_manifest(SHOPS.run_id)))
    return {"batch": batch}


def to_publish(f: Functions) -> Any:
    event = to_ingest(f)
    return {**event, "ingested": f("ingest", event)}


def to_count(f: Functions) -> Any:
    """Captures and an outcome that no look has seen."""
    w = f.world
    for folder in ("monitor/churn/", keys.actuals_ledger_folder("churn")):
        for head in list(w.objects.list(ARTIFACTS, folder)):
            w.objects.delete(ARTIFACTS, head.key)
    w.files.put_ledger("churn", AT, "0" * 32, ({"id": "p3", "actual": "Yes"},))
    return {"due": to_json(DUE)}


def to_compare(f: Functions) -> Any:
    event = to_count(f)
    f("summarize", event)
    return event


def to_report(f: Functions) -> Any:
    return {"due": to_json(DUE), "report": True}


def to_decide(f: Functions) -> Any:
    rules = [{"when": ["drift"], "do": ["alert", "freeze", "review"]}]
    f.world.objects.put(ARTIFACTS, keys.project_spec("churn"), json.dumps({"monitor": {"rules": rules}}).encode())
    return {"due": to_json(dataclasses.replace(DUE, at="2026-03-04T06:30:00Z"))}


def to_retrain(f: Functions) -> Any:
    """An accepted table, and labelled predictions enough."""
    w, path = f.world, f.world.folder / "accepted.parquet"
    duckdb.sql(
        "COPY (SELECT 1 + range % 9 AS tenure, if(range % 4 = 0, 'Yes', 'No') AS Churn FROM range(40)) "
        f"TO '{path}' (FORMAT parquet)"
    )
    columns = (
        ColumnProfile("tenure", "integer", "feature", 40, 0, 9),
        ColumnProfile("Churn", "category", "target", 40, 0, 2),
    )
    profile = Profile(40, 0, columns, Reading("csv", None, "utf-8", ",", '"', True, 1), "Churn", "binary")
    w.objects.put(ARTIFACTS, keys.dataset("churn", "d1", "data.parquet"), path.read_bytes())
    w.objects.put_contract(ARTIFACTS, keys.dataset("churn", "d1", "profile.json"), profile)
    w.files.put_labelled("churn", HOUR, (), [{**ROW, "at": f"{HOUR}:{n:02}:59Z", "id": f"p{n}"} for n in range(10, 40)])
    return {"retraining": to_json(RETRAINING)}


def to_roll_out(f: Functions) -> Any:
    asked = RolloutRequest(ASKED, "churn", 3, THIRD, "ada", "better", "canary")
    return {"rollout": to_json(asked)}


def to_take_back(f: Functions) -> Any:
    asked = RolloutRequest(ROLLOUT, "houses", 2, SECOND, "ada", "better")
    return {"rollout": to_json(asked), "failure": {"stage": "rollout", "error": "NotFound", "cause": "no version 2"}}


def to_deploy(f: Functions, **rollout: Any) -> Any:
    answer = {"statusCode": 200, "headers": {"x-tidemill-version": "3"}, "body": json.dumps({"predictions": [0.5]})}
    f.faults.stand_in("lambda.Invoke", lambda sent: answer)
    f.world.objects.put(ARTIFACTS, keys.run_spec(RUN.run_id), json.dumps({"rollout": rollout}).encode())
    return {"run": to_json(f.world.trained), "registered": registered(3)}


def to_approve(f: Functions) -> Any:
    asked = {"approval": {"mode": "manual", "people": ["bob"]}}
    f.world.objects.put(ARTIFACTS, keys.run_spec(RUN.run_id), json.dumps(asked).encode())
    given = {"registered": {**registered(3), "approval_hours": 1.0}, "token": "t", "execution": f.world.execution}
    return {"run": to_json(f.world.trained), **given}


def to_conclude(error: str | None = None) -> Callable[[Functions], Any]:
    def event(f: Functions) -> Any:
        failure = error and {
            "stage": "validate" if error == "DataRefused" else "approve",
            "error": error,
            "cause": "no",
        }
        run = dataclasses.replace(f.world.trained, run_id=WAITING) if error == "ApprovalRejected" else f.world.trained
        return {"run": to_json(run), "failure": failure, "execution": f.world.execution}

    return event


def to_conclude_rollout(f: Functions) -> Any:
    request = RolloutRequest("5" * 32, "churn", 3, "5" * 32, "ada", "better")
    f.world.registry.start_run(dataclasses.replace(RUN, run_id="5" * 32))
    return {"rollout": to_json(request), "failure": None}


def to_refuse(f: Functions) -> Any:
    run = dataclasses.replace(SCORED, source=f.world.uploaded[TABLE_KEY])
    return {"scoring": to_json(run), "failure": {"stage": "plan", "error": "DataRefused", "cause": "no column"}}


def to_refuse_features(f: Functions) -> Any:
    run = dataclasses.replace(SHOPS, feature_set="shops", run_id="4" * 32, source=f.world.uploaded[UNNAMED])
    return {"features": to_json(run), "failure": {"stage": "ingest", "error": "NotFound", "cause": "no table"}}


#: By the function, and what it does where it does several things: makes the account ready, and gives the event.
CALLS: dict[str, Callable[[Functions], Any]] = {
    "actuals: kept": lambda f: arrived(f, ACTUALS),
    "actuals: refused": lambda f: arrived(f, UNNAMED),
    "api: freeze": request("POST", "/models/{model}/freeze", {"reason": "no"}, model="churn"),
    "api: promote": request("POST", "/models/{model}/promote", {"version": 3, "reason": "good"}, model="churn"),
    "api: rollback": request("POST", "/models/{model}/rollback", {"reason": "worse"}, model="churn"),
    "api: traffic": request("POST", "/models/{model}/traffic", {"shares": {"3": 0.1}, "reason": "x"}, model="churn"),
    "api: retrain": request("POST", "/models/{model}/retrain", {"reason": "new prices"}, model="churn"),
    "api: monitor": request("POST", "/models/{model}/monitor", {}, model="churn"),
    "api: approve": request("POST", "/approvals/{run}", {"decision": "approve", "reason": "good"}, run=WAITING),
    "approve": to_approve,
    "capture": lambda f: messages(alias="champion", review=True, shadow=3),
    "conclude: live": to_conclude(),
    "conclude: refused data": to_conclude("DataRefused"),
    "conclude: not approved": to_conclude("ApprovalRejected"),
    "conclude: let in": to_conclude_rollout,
    "conclude: not scored": to_refuse,
    "conclude: not taken in": to_refuse_features,
    "decide": to_decide,
    "deploy: at once": to_deploy,
    "deploy: step by step": lambda f: to_deploy(f, strategy="canary"),
    "ingest": to_ingest,
    "ingest: publish": to_publish,
    "intake: training": lambda f: arrived(f, TABLE_KEY),
    "intake: nothing": lambda f: arrived(f, UNNAMED),
    "materialize": to_materialize,
    "merge": to_merge,
    "monitor": to_compare,
    "monitor: report": to_report,
    "plan": to_plan,
    "register": lambda f: {"run": to_json(f.world.trained)},
    "retrain": to_retrain,
    "rollout: begin": to_roll_out,
    "rollout: take back": to_take_back,
    "score": to_score,
    "shadow": lambda f: messages(alias="champion", shadow=1),
    "summarize": to_count,
    "watch": lambda f: {"input": {}},
}
#: Functions whose errors are in other files: they compute for long, or need a server.
ELSEWHERE = {
    "validate": "test_functions_in_trouble.py",
    "prepare": "test_functions_in_trouble.py",
    "train": "test_functions_in_trouble.py",
    "evaluate": "test_functions_in_trouble.py",
    "predict": "test_predict.py",
}


UNHEARD = "a rollout goes on although nobody hears of it"
ITS_ANSWER = "what a challenger fails at is its answer, which is recorded"
#: What calls go on without, and why they may.
GOES_ON: dict[str, tuple[set[str], str]] = {
    "capture": ({"sqs.SendMessage"}, "a copy for a challenger may be lost, a recorded prediction may not"),
    "shadow": ({"dynamodb.GetItem"}, ITS_ANSWER),
    "decide": (
        {"sns.Publish", "eventbridge.PutEvents", "dynamodb.TransactWriteItems"},
        "the decision says what could not be done of it",
    ),
    "rollout: begin": ({"eventbridge.PutEvents"}, UNHEARD),
    "rollout: take back": ({"eventbridge.PutEvents", "sns.Publish"}, UNHEARD),
}
#: Calls after which the next one leaves something else than one that never failed, by what failed, and why.
LEFT_BEHIND: dict[str, tuple[set[str], str]] = {
    "api: retrain": (
        {"lambda.Invoke"},
        "it is on record with its problem, and a person asks for another one",
    ),
}
#: The same of an answer that was lost.
LOST: dict[str, tuple[set[str], str]] = {
    "decide": ({"dynamodb.PutItem"}, "the decision is on record as begun, and is taken again after a while"),
    "summarize": ({"s3.PutObject"}, "it asks to be called again, and goes on then"),
}
#: Calls that do more when they are made again, and why.
MORE = {
    "api: traffic": "a person may say the same twice, and that is on record",
    "rollout: begin": "the next look at a rollout judges it",
    "summarize": "a look is written down as one",
}
#: Calls that go on when an object is not there, by the request, and what that means.
WITHOUT: dict[str, tuple[set[str], str]] = {
    "actuals: refused": ({"s3.HeadObject"}, GONE := "the upload has been moved or deleted"),
    "conclude: refused data": ({"s3.HeadObject", "s3.GetObject"}, f"{GONE}; a stage has left nothing"),
    "conclude: not scored": ({"s3.HeadObject"}, GONE),
    "intake: nothing": ({"s3.HeadObject"}, GONE),
    "conclude: live": ({"s3.GetObject"}, PAPERS := "a stage has left nothing"),
    "conclude: not approved": ({"s3.GetObject"}, PAPERS),
    "conclude: let in": ({"s3.GetObject"}, "a promotion by hand has no run that is open"),
    "api: promote": ({"s3.GetObject"}, UNDECLARED := "the project declares nothing"),
    "api: retrain": ({"s3.GetObject"}, UNDECLARED),
    "intake: training": ({"s3.HeadObject"}, UNDECLARED),
    "decide": ({"s3.GetObject"}, UNDECLARED),
    "watch": ({"s3.GetObject"}, UNDECLARED),
    "retrain": ({"s3.GetObject", "s3.HeadObject"}, "the retraining says why it has no table"),
    "shadow": ({"s3.GetObject"}, ITS_ANSWER),
}


class Undisturbed:
    """A call that was made once, and what it has asked for, answered and left."""

    def __init__(self, functions: Functions, name: str) -> None:
        self.name, self.function = name, of(name)
        self._functions, self.faults = functions, functions.faults
        functions.forget()
        self.event = CALLS[name](functions)
        functions.handler(self.function)
        self._account = Account()
        self.faults.reset()
        self.answer = self.call()
        self.asked = Counter(operation for operation, _ in self.faults.requests)
        self.left = held()

    def call(self) -> Any:
        return self._functions(self.function, self.event)

    def again(self) -> None:
        """Let everything be as it was before, and nothing fail."""
        self._account.put_back()
        self.faults.reset()
        self._functions.forget()

    def fails(self) -> None:
        """The call says that a service has refused, as its caller understands it."""
        if self.function == "api":
            assert self.call()["statusCode"] == 503
        elif self.function in ("capture", "shadow"):
            assert self.call()["batchItemFailures"] == [{"itemIdentifier": "m"}]
        else:
            with pytest.raises(StorageError):
                self.call()


def holds(table: dict[str, tuple[set[str], str]], name: str, operation: str) -> bool:
    """Whether a table has a call with an operation."""
    return operation in table.get(name, ((), ""))[0]


def test_every_function_has_a_call() -> None:
    folders = {path.parent.name for path in (ROOT / "functions").glob("*/app.py")}
    assert {of(name) for name in CALLS} == folders - ELSEWHERE.keys()
    for function, file in ELSEWHERE.items():
        assert f'"{function}"' in (Path(__file__).parent / file).read_text()


def what_fails_for_good_is_said_and_done_by_the_next_call(one: Undisturbed) -> None:
    """What a call reads first is refused as too many; each kind of write fails because a key may not be used."""
    reads = (operation for operation in one.asked if not WRITES.search(operation))
    for operation in (*itertools.islice(reads, 1), *filter(WRITES.search, one.asked)):
        one.again()
        if WRITES.search(operation):
            codes = REFUSALS.get(operation.partition(".")[0], (("AccessDeniedException", 400),))
            one.faults.refuse(operation, *codes[-1])
        else:
            one.faults.throttle(operation)
        if holds(GOES_ON, one.name, operation):
            one.call()
            continue
        one.fails()
        one.faults.reset()
        one.call()
        assert (held() == one.left) != holds(LEFT_BEHIND, one.name, operation), operation


def a_write_whose_answer_was_lost_is_done_once(one: Undisturbed) -> None:
    """Of writes that a call makes several times, the first one."""
    for operation in filter(WRITES.search, one.asked):
        one.again()
        one.faults.drop(operation, arrived=True, times=1)
        one.call()
        assert (held() == one.left) != holds(LOST, one.name, operation), operation


def a_call_that_is_made_again_does_nothing_twice(one: Undisturbed) -> None:
    """The call after one that went well."""
    one.again()
    for _ in range(2):
        one.call()
    assert (held() == one.left) != (one.name in MORE)


def an_object_that_is_not_there_is_named(one: Undisturbed) -> None:
    """Where a call cannot do without."""
    for operation in {"s3.GetObject", "s3.HeadObject"} & one.asked.keys():
        one.again()
        one.faults.refuse(operation, "NoSuchKey", 404)
        if holds(WITHOUT, one.name, operation):
            one.call()
        else:
            with pytest.raises((NotFound, DataRefused), match=r"s3://|feature set 'offices'"):
                one.call()


@pytest.mark.parametrize("part", ["a-c", "d-m", "n-z"])
def test_every_call_in_trouble(
    world: World,
    stage: Callable[..., ModuleType],
    faults: Faults,
    monkeypatch: pytest.MonkeyPatch,
    subtests: pytest.Subtests,
    part: str,
) -> None:
    functions, empty = Functions(world, stage, faults, monkeypatch), Account()
    first, last = part.split("-")
    for name in (name for name in CALLS if first <= name[0] <= last):
        empty.put_back()
        faults.reset()
        one = Undisturbed(functions, name)
        for check in (
            what_fails_for_good_is_said_and_done_by_the_next_call,
            a_write_whose_answer_was_lost_is_done_once,
            a_call_that_is_made_again_does_nothing_twice,
            an_object_that_is_not_there_is_named,
        ):
            with subtests.test(f"{name}: {check.__name__}"):
                check(one)
