"""A data bucket, an artifact bucket and the table, in moto and in process; nothing here leaves the machine."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import json
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import boto3
import botocore.endpoint
import onnx.parser
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ClientError, ConnectionClosedError
from botocore.retries.quota import RetryQuota
from moto import mock_aws
from moto.core.botocore_stubber import MockRawResponse
from moto.core.models import botocore_stubber

from tidemill import keys, settings
from tidemill.aws import clients
from tidemill.aws.objects import Objects
from tidemill.aws.registry import Registry
from tidemill.contracts import (
    CandidateResult,
    Check,
    ColumnProfile,
    DatasetRef,
    Evaluation,
    Fit,
    Gate,
    Importance,
    InputField,
    Interval,
    Parity,
    Profile,
    Reading,
    Run,
    Signature,
    Source,
    Spread,
)
from tidemill.monitoring_contracts import Reference

if TYPE_CHECKING:
    from . import adapters

ROOT = Path(__file__).parents[2]
EVENTS = ROOT / "tests" / "events"
REGION = "us-east-1"
DATA = "tidemill-data"
ARTIFACTS = "tidemill-artifacts"
TABLE = "tidemill"


class Faults:
    """What goes wrong between the clients of `aws/clients.py` and moto.

    It stands in moto's place in botocore's event `before-send`, and hands on what it does not spoil. So an error is
    read from an answer as the service would send it, and retries are botocore's own. Clients that tests make for
    themselves never see it.

    An operation is named as in the event: `s3.PutObject`, `dynamodb.GetItem`, `sqs.SendMessage`, `sns.Publish`,
    `eventbridge.PutEvents`, `lambda.Invoke`, `sfn.StartExecution`, `api-gateway.GetApiKey`.
    """

    def __init__(self) -> None:
        self.instead: dict[str, Callable[[AWSPreparedRequest], AWSResponse | None]] = {}
        self.reset()

    def reset(self) -> None:
        self.sent = Counter[str]()  #: requests by operation, repeated and spoiled ones included
        self.requests: list[tuple[str, AWSPreparedRequest]] = []  #: the same in their order, and what was sent
        self.pauses: list[float] = []  #: seconds that botocore would have waited before it repeated a request
        self._planned: dict[str, list[tuple[int, Callable[[AWSPreparedRequest], AWSResponse | None]]]] = {}

    def refuse(
        self, operation: str, code: str, status: int = 400, *, times: int = 10**6, after: int = 0, **more: Any
    ) -> None:
        """Answer an operation with a service's error, `times` times after the first `after` requests.

        `more` are members of the error beside code and message, such as `CancellationReasons`.
        """
        service = operation.partition(".")[0]
        self._plan(operation, times, after, lambda request: _response(request, status, *_refusal(service, code, more)))

    def throttle(self, operation: str, **when: int) -> None:
        """Refuse an operation as the service does when it is asked too much."""
        status, code = {"s3": (503, "SlowDown"), "lambda": (429, "TooManyRequestsException")}.get(
            operation.partition(".")[0], (400, "ThrottlingException")
        )
        self.refuse(operation, code, status, **when)

    def drop(self, operation: str, *, arrived: bool = False, times: int = 10**6, after: int = 0) -> None:
        """Let the connection end without an answer; when the request has `arrived`, after it was carried out."""

        def dropped(request: AWSPreparedRequest) -> AWSResponse | None:
            if arrived:
                self._healthy(operation, request)
            raise ConnectionClosedError(endpoint_url=request.url)

        self._plan(operation, times, after, dropped)

    def answer(self, operation: str, answer: Callable[[Any], Any], *, times: int = 1, after: int = 0) -> None:
        """Answer an operation that speaks JSON by a function of what it was sent."""

        def answered(request: AWSPreparedRequest) -> AWSResponse:
            return _response(request, 200, {}, json.dumps(answer(json.loads(request.body or b"{}"))))

        self._plan(operation, times, after, answered)

    def meanwhile(self, operation: str, others: Callable[[], object], *, after: int = 0) -> None:
        """Let others do something in the moment before an operation arrives: what was read before it is old by then."""

        def second(request: AWSPreparedRequest) -> AWSResponse | None:
            others()
            return self._healthy(operation, request)

        self._plan(operation, 1, after, second)

    def stand_in(self, operation: str, answer: Callable[[Any], Any]) -> None:
        """Answer an operation that moto has no success for, until the test ends; faults can be planned all the same."""
        self.instead[operation] = lambda request: _response(
            request, 200, {}, json.dumps(answer(json.loads(request.body or b"{}")))
        )

    def _healthy(self, operation: str, request: AWSPreparedRequest) -> AWSResponse | None:
        if operation in self.instead:
            return self.instead[operation](request)
        return botocore_stubber(f"before-send.{operation}", request)

    def _plan(self, operation: str, times: int, after: int, fault: Callable[..., AWSResponse | None]) -> None:
        healthy = [(after, lambda request: self._healthy(operation, request))] if after else []
        self._planned.setdefault(operation, []).extend([*healthy, (times, fault)])

    def __call__(self, event_name: str, request: AWSPreparedRequest, **_: Any) -> AWSResponse | None:
        operation = event_name.removeprefix("before-send.")
        self.sent[operation] += 1
        self.requests.append((operation, request))
        planned = self._planned.get(operation)
        if not planned:
            return self._healthy(operation, request)
        left, fault = planned[0]
        planned[:1] = [(left - 1, fault)] if left > 1 else []
        return fault(request)


def _refusal(service: str, code: str, more: dict[str, Any]) -> tuple[dict[str, str], str]:
    """Headers and body of a service's error, in its protocol."""
    if service == "s3":
        return {}, f"<Error><Code>{code}</Code><Message>refused</Message></Error>"
    if service in ("sns", "sts"):
        return {}, f"<ErrorResponse><Error><Code>{code}</Code><Message>refused</Message></Error></ErrorResponse>"
    return {"x-amzn-errortype": code}, json.dumps({"__type": f"com.amazonaws#{code}", "message": "refused", **more})


def _response(request: AWSPreparedRequest, status: int, headers: dict[str, str], body: str) -> AWSResponse:
    without_body = request.method == "HEAD"
    return AWSResponse(request.url, status, headers, MockRawResponse("" if without_body else body))


FAULTS = Faults()
# Before the first client is made: a client keeps the handlers that its session has at that moment.
clients._session().unregister("before-send", botocore_stubber)
clients._session().register("before-send", FAULTS)


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Iterator[Faults]:
    """Faults to be planned, with botocore's waiting left out."""

    clock = SimpleNamespace(sleep=lambda seconds: FAULTS.pauses.append(seconds))
    monkeypatch.setattr(botocore.endpoint, "time", clock)
    # A client that has failed often is allowed fewer retries, and the clients outlive the tests.
    monkeypatch.setattr(RetryQuota, "acquire", lambda quota, amount: True)
    FAULTS.reset()
    yield FAULTS
    FAULTS.instead.clear()
    FAULTS.reset()


@pytest.fixture(scope="session")
def session() -> boto3.Session:
    """What `boto3.client` uses; it reads the descriptions of the services once."""
    return boto3.Session(region_name=REGION)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, session: boto3.Session) -> Iterator[None]:
    """An empty account, whatever the machine's own settings say."""
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws():
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", session)
        yield


@pytest.fixture
def buckets(aws: None) -> None:
    """Both buckets, with versions."""
    s3 = boto3.client("s3")
    for name in (DATA, ARTIFACTS):
        s3.create_bucket(Bucket=name)
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})


@pytest.fixture
def table(aws: None) -> str:
    """The registry's table as its module declares it."""
    text = [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "gsi1pk", "gsi1sk")]
    boto3.client("dynamodb").create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=text,
        KeySchema=schema("pk", "sk"),
        GlobalSecondaryIndexes=[
            {"IndexName": "gsi1", "KeySchema": schema("gsi1pk", "gsi1sk"), "Projection": {"ProjectionType": "ALL"}}
        ],
    )
    return TABLE


def schema(hash_key: str, range_key: str) -> list[Any]:
    return [{"AttributeName": hash_key, "KeyType": "HASH"}, {"AttributeName": range_key, "KeyType": "RANGE"}]


@pytest.fixture
def objects(buckets: None) -> Objects:
    return Objects(clients.s3())


@pytest.fixture
def registry(table: str) -> Registry:
    return Registry(OneAtATime(clients.dynamodb()), table, sleep=lambda seconds: None)  # type: ignore[arg-type]


class OneAtATime:
    """A client whose requests are answered one after the other.

    DynamoDB applies each request as a whole; moto in process lets threads see half a
    transaction. The requests of concurrent writers still interleave as they come.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._lock = threading.RLock()

    def __getattr__(self, name: str) -> Any:
        def request(*arguments: Any, **named: Any) -> Any:
            with self._lock:
                return getattr(self._client, name)(*arguments, **named)

        return request


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, aws: None) -> Callable[..., ModuleType]:
    """Loads `functions/<name>/app.py` with an environment of its own, as Lambda does."""

    def load(name: str, **environment: str) -> ModuleType:
        for variable, value in environment.items():
            monkeypatch.setenv(variable.upper(), value)
        path = ROOT / "functions" / name / "app.py"
        spec = importlib.util.spec_from_file_location(f"functional_{name}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def event() -> Callable[[str], Any]:
    """Reads a real event from `tests/events`."""
    return lambda name: json.loads((ROOT / "tests" / "events" / f"{name}.json").read_text())


class Inbox:
    """Everything that is sent to an SQS queue."""

    def __init__(self) -> None:
        self._sqs = boto3.client("sqs")
        self.url = self._sqs.create_queue(QueueName="inbox")["QueueUrl"]
        self.arn = f"arn:aws:sqs:{REGION}:123456789012:inbox"

    def read(self) -> list[Any]:
        """The messages that have come since the last call."""
        found: list[Any] = []
        while messages := self._sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                found.append(json.loads(message["Body"]))
                self._sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return found


@pytest.fixture
def inbox(aws: None) -> Inbox:
    return Inbox()


@pytest.fixture
def topic(inbox: Inbox) -> str:
    """A topic whose notifications go to the inbox."""
    sns = boto3.client("sns")
    arn: str = sns.create_topic(Name="tidemill")["TopicArn"]
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=inbox.arn)
    return arn


@pytest.fixture
def bus(inbox: Inbox) -> str:
    """An event bus whose events go to the inbox."""
    events = boto3.client("events")
    events.create_event_bus(Name="tidemill")
    events.put_rule(Name="all", EventBusName="tidemill", EventPattern='{"source": ["tidemill"]}')
    events.put_targets(Rule="all", EventBusName="tidemill", Targets=[{"Id": "inbox", "Arn": inbox.arn}])
    return "tidemill"


@pytest.fixture
def machines(aws: None) -> dict[str, str]:
    """State machines that start and then do nothing; by name."""
    client = boto3.client("stepfunctions")
    definition = {"StartAt": "Conclude", "States": {"Conclude": {"Type": "Pass", "End": True}}}
    role = "arn:aws:iam::123456789012:role/states"
    return {
        name: client.create_state_machine(name=name, definition=json.dumps(definition), roleArn=role)["stateMachineArn"]
        for name in ("training", "scoring", "features", "rollout")
    }


RUN = Run(
    run_id="0123456789abcdef0123456789abcdef",
    project="churn",
    source=Source(DATA, "incoming/churn/telco.csv", "v1", "e1", 1234),
    started_at="2026-03-04T05:06:07Z",
    started_by="AWS:AIDAEXAMPLE",
)


@pytest.fixture
def uploaded(objects: Objects, registry: Registry) -> Run:
    """A training run whose table is in the data bucket."""
    objects.put(DATA, RUN.source.key, b"tenure,Churn\n3,Yes\n")
    head = objects.head(DATA, RUN.source.key)
    run = dataclasses.replace(
        RUN, source=dataclasses.replace(RUN.source, version_id=head.version_id, etag=head.etag, size=head.size)
    )
    registry.start_run(run)
    return run


@pytest.fixture
def trained(uploaded: Run, objects: Objects, registry: Registry) -> Run:
    """A run whose stages up to `evaluate` have written what they write."""
    run_id = uploaded.run_id

    def put(key: str, value: Any) -> None:
        objects.put_contract(ARTIFACTS, key, value)

    reading = Reading("csv", None, "utf-8", ",", '"', True, 1234)
    tenure = ColumnProfile("tenure", "integer", "feature", 100, 0, 40, 0.0, 72.0, 32.0, 24.0)
    target = ColumnProfile("Churn", "category", "target", 100, 0, 2)
    fields = (InputField("tenure", "integer", example=3), InputField("contract", "category", categories=("Monthly",)))
    put(keys.run_spec(run_id), {"target": "Churn"})
    put(keys.run_profile(run_id), Profile(100, 0, (tenure, target), reading, "Churn", "binary"))
    put(keys.run_checks(run_id), (Check("rows", None, "pass", "100 rows"),))
    for name, mean in (("baseline", 0.5), ("boosting", 0.845), ("linear", 0.84)):
        put(keys.run_candidate(run_id, name), CandidateResult(name, {}, {"roc_auc": Spread(mean, 0.01)}, 2.0))
    put(keys.run_fit(run_id), Fit("boosting", {"max_iter": 100}, 0, {"scikit-learn": "1.9.1"}, "3.13.1"))
    put(keys.run_signature(run_id), Signature("churn", "binary", "Churn", fields, ("No", "Yes"), "Yes"))
    objects.put(ARTIFACTS, keys.run_model(run_id), b"onnx graph")
    put(keys.run_features(run_id), {"families": {"tree": {"width": 2}}})
    objects.put(ARTIFACTS, keys.run_background(run_id), b"some rows")
    put(
        keys.run_evaluation(run_id),
        Evaluation(
            task="binary",
            target="Churn",
            metric="roc_auc",
            candidate="boosting",
            rows=20,
            holdout={"roc_auc": Interval(0.845, 0.82, 0.87)},
            baseline={"roc_auc": 0.5},
            gates=(Gate("must_beat_baseline", "pass", "0.845 is better than 0.5"),),
            importance=(Importance("tenure", 0.2, 0.01),),
            parity=Parity(20, True, 1e-7, 1e-5),
            classes=("No", "Yes"),
            positive_class="Yes",
        ),
    )
    put(keys.run_reference(run_id), Reference("churn", "binary", 20, "roc_auc", {"roc_auc": 0.845}))
    objects.put(ARTIFACTS, keys.run_reference_rows(run_id), b"some more rows")
    registry.put_dataset("churn", DatasetRef("d1", 100, 2), run_id, uploaded.started_at)
    return uploaded


class Wire(BaseHTTPRequestHandler):
    """What `aws/quick.py` sends, over HTTP, answered with what moto holds and with its faults."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_GET(self) -> None:
        bucket, _, key = unquote(self.path).removeprefix("/").partition("/")
        try:
            self._answer(200, clients.s3().get_object(Bucket=bucket, Key=key)["Body"].read())
        except ClientError as error:
            code = error.response["Error"]["Code"]
            self._answer(404, f"<Error><Code>{code}</Code><Message>refused</Message></Error>".encode())

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        try:
            if self.headers["x-amz-target"] == "DynamoDB_20120810.GetItem":
                answer = clients.dynamodb().get_item(**asked)
            elif self.headers["x-amz-target"] == "DynamoDB_20120810.BatchGetItem":
                answer = clients.dynamodb().batch_get_item(**asked)
            else:
                answer = clients.sqs().send_message(**asked)
                assert answer["MD5OfMessageBody"] == hashlib.md5(asked["MessageBody"].encode()).hexdigest()
            del answer["ResponseMetadata"]
            self._answer(200, json.dumps(answer).encode())
        except ClientError as error:
            code = error.response["Error"]["Code"]
            self._answer(400, json.dumps({"__type": f"com.amazonaws#{code}", "message": "refused"}).encode())

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def wire(aws: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server on loopback that the quick clients of predict reach moto by."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Wire) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        url = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(settings, "ambient", lambda: {**os.environ, "AWS_ENDPOINT_URL": url})
        yield url
        server.shutdown()
        serving.join()


@pytest.fixture
def churn(objects: Objects, registry: Registry) -> int:
    """Model churn with one version, which is the champion."""
    version = registry.create_version(
        "churn",
        "f" * 32,
        onnx_sha256="0",
        dataset_version="d",
        task="binary",
        metric="roc_auc",
        value=0.84,
        at=RUN.started_at,
        actor="x",
    )
    model = onnx.parser.parse_model((EVENTS / "churn" / "model.onnx.txt").read_text())
    objects.put(ARTIFACTS, keys.model("churn", version, "model.onnx"), model.SerializeToString())
    signature = (EVENTS / "churn" / "signature.json").read_bytes()
    objects.put(ARTIFACTS, keys.model("churn", version, "signature.json"), signature)
    registry.move_alias("churn", "champion", version, None, "x", "first", RUN.started_at)
    return version


@pytest.fixture
def world(
    faults: Faults,
    trained: Run,
    churn: int,
    topic: str,
    bus: str,
    inbox: Inbox,
    machines: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> adapters.World:
    """An account that has something of everything, and every adapter."""
    from . import adapters

    monkeypatch.setattr("tidemill.aws.objects.PART_BYTES", adapters.MIDDLING)
    boto3.client("dynamodb").create_table(
        TableName=adapters.ONLINE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "entity", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "entity", "KeyType": "HASH"}],
    )
    made = adapters.World(tmp_path, {"topic": topic, "bus": bus, "queue": inbox.url, **machines}, faults)
    faults.reset()
    return made
