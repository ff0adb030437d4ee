"""What every adapter in `aws/` does when its service refuses, is asked too much, or does not answer.

A request that is worth it is repeated by botocore, as often as `clients.PATIENT` says; what still fails is a
StorageError that says what was being done and why it could not be.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from tidemill import keys
from tidemill.aws import clients, mask_keys, people, project_specs
from tidemill.aws.answered_reviews import AnsweredReviews
from tidemill.aws.events import EventBus, Topic
from tidemill.aws.executions import Executions
from tidemill.aws.functions import Functions
from tidemill.aws.links import Link, UsedLinks
from tidemill.aws.monitoring_files import MonitoringFiles
from tidemill.aws.monitoring_records import MonitoringRecords
from tidemill.aws.objects import Objects
from tidemill.aws.online_features import OnlineFeatures
from tidemill.aws.people import ApiKeys
from tidemill.aws.quarantine import quarantine
from tidemill.aws.queues import Queue
from tidemill.aws.registry import Registry
from tidemill.aws.registry_table import AuditEvent
from tidemill.aws.release_records import ApprovalTerms, ReleaseRecords
from tidemill.aws.retraining_records import RetrainingRecords
from tidemill.aws.traffic_records import TrafficRecords
from tidemill.aws.version_files import VersionFiles
from tidemill.contracts import Source
from tidemill.errors import ApprovalConflict, LookupFailed, NotFound, StorageError
from tidemill.monitoring_contracts import HourPart, PartClaim, WatchState
from tidemill.release_contracts import Traffic, Vote

from .conftest import ARTIFACTS, DATA, TABLE, Faults, Inbox

AT = "2026-03-04T05:06:07Z"
ONLINE = "tidemill-features"
EVENT = AuditEvent("churn", "deploy", "ada", AT, "better")
LINK = Link("b" * 32, "bob", "2999-01-01T00:00:00Z", "0" * 24)
BATCH = gzip.compress(b"".join(json.dumps([f"e{n}", None, {"size": n}]).encode() + b"\n" for n in range(30)))
EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:training:one"
REFUSED = {
    "s3": "AccessDenied",
    "sns": "AuthorizationError",
    "eventbridge": "AccessDeniedException",
    "dynamodb": "AccessDeniedException",
}


class World:
    """An account that has everything, and what reaches it."""

    def __init__(self, folder: Path, arns: dict[str, str]) -> None:
        dynamodb, self.folder, self.arns = clients.dynamodb(), folder, arns
        self.objects = Objects(clients.s3())
        self.registry = Registry(dynamodb, TABLE)
        self.releases = ReleaseRecords(dynamodb, TABLE)
        self.monitoring = MonitoringRecords(dynamodb, TABLE)
        self.traffic = TrafficRecords(dynamodb, TABLE)
        self.retrainings = RetrainingRecords(dynamodb, TABLE)
        self.links = UsedLinks(dynamodb, TABLE)
        self.reviews = AnsweredReviews(dynamodb, TABLE)
        self.pauses: list[float] = []
        self.online = OnlineFeatures(dynamodb, ONLINE, self.pauses.append)
        self.files = MonitoringFiles(ARTIFACTS, self.objects)
        self.versions = VersionFiles(ARTIFACTS, self.objects)
        self.executions = Executions(clients.stepfunctions())
        self.functions = Functions(clients.lambda_())
        self.keys = ApiKeys(clients.apigateway())

    def file(self) -> Path:
        path = self.folder / "table.csv"
        path.write_bytes(b"a\n1\n")
        return path

    def stream(self) -> None:
        with self.objects.writer(DATA, "streamed.csv") as stream:
            stream.write(b"a")

    def use_link(self) -> None:
        with self.links.once(LINK, AT, "request"):
            pass


@pytest.fixture
def world(
    faults: Faults,
    buckets: None,
    table: str,
    churn: int,
    topic: str,
    bus: str,
    inbox: Inbox,
    machines: dict[str, str],
    tmp_path: Path,
) -> World:
    boto3.client("dynamodb").create_table(
        TableName=ONLINE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "entity", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "entity", "KeyType": "HASH"}],
    )
    made = World(tmp_path, {"topic": topic, "bus": bus, "queue": inbox.url, **machines})
    made.objects.put(DATA, "there.csv", b"a\n1\n")
    faults.sent.clear()
    return made


#: By name: what it asks of which service, and how.
Call = tuple[str, Callable[[World], Any]]
OBJECTS: dict[str, Call] = {
    "get": ("s3.GetObject", lambda w: w.objects.get(DATA, "there.csv")),
    "put": ("s3.PutObject", lambda w: w.objects.put(DATA, "new.csv", b"a")),
    "put new": ("s3.PutObject", lambda w: w.objects.put_new(DATA, "new.csv", b"a")),
    "head": ("s3.HeadObject", lambda w: w.objects.head(DATA, "there.csv")),
    "exists": ("s3.HeadObject", lambda w: w.objects.exists(DATA, "there.csv")),
    "list": ("s3.ListObjectsV2", lambda w: list(w.objects.list(DATA, ""))),
    "copy": ("s3.CopyObject", lambda w: w.objects.copy(DATA, "there.csv", DATA, "copy.csv")),
    "download": ("s3.GetObject", lambda w: w.objects.download(DATA, "there.csv", w.folder / "down.csv")),
    "upload": ("s3.PutObject", lambda w: w.objects.upload(w.file(), DATA, "up.csv")),
    "stream": ("s3.PutObject", World.stream),
    "delete": ("s3.DeleteObject", lambda w: w.objects.delete(DATA, "there.csv")),
}
FILES: dict[str, Call] = {
    "mask key": ("s3.GetObject", lambda w: mask_keys.made(ARTIFACTS, w.objects, bytes)),
    "spec": ("s3.GetObject", lambda w: project_specs.document(ARTIFACTS, w.objects, "churn")),
    "quarantine": (
        "s3.CopyObject",
        lambda w: quarantine(w.objects, Source(DATA, "there.csv", "", "e", 4), None, "unusable", AT),
    ),
    "captures": ("s3.ListObjectsV2", lambda w: w.files.capture_files("churn", "", "9999")),
    "claim": (
        "s3.PutObject",
        lambda w: w.files.claim_part("churn", HourPart("2026-03-04T05", 0, False), PartClaim(())),
    ),
    "labelled": ("s3.GetObject", lambda w: w.files.labelled("churn", "2026-03-04T05")),
    "reference": ("s3.GetObject", lambda w: w.versions.reference("churn", 1)),
    "reference rows": ("s3.GetObject", lambda w: w.versions.reference_rows("churn", 1)),
}
RELEASES: dict[str, Call] = {
    "alias": ("dynamodb.GetItem", lambda w: w.registry.alias("churn", "champion")),
    "versions": ("dynamodb.Query", lambda w: w.registry.versions("churn")),
    "record": ("dynamodb.PutItem", lambda w: w.registry.record(EVENT)),
    "audit": ("dynamodb.Query", lambda w: w.registry.audit("churn")),
    "freeze": ("dynamodb.TransactWriteItems", lambda w: w.releases.set_freeze("churn", True, "ada", "no", AT)),
    "terms": ("dynamodb.PutItem", lambda w: w.releases.put_terms(ApprovalTerms("b" * 32, "ada", 1, (), "t", AT, AT))),
    "vote": (
        "dynamodb.TransactWriteItems",
        lambda w: w.releases.add_vote("b" * 32, "churn", 1, Vote("bob", "approve", AT, "good", "cli")),
    ),
}
WATCHED: dict[str, Call] = {
    "rollouts": ("dynamodb.Query", lambda w: w.releases.rollouts("churn")),
    "watch": ("dynamodb.TransactWriteItems", lambda w: w.monitoring.swap_watch_state(WatchState("churn", AT), None)),
    "points": ("dynamodb.Query", lambda w: w.monitoring.points("churn")),
    "traffic": (
        "dynamodb.TransactWriteItems",
        lambda w: w.traffic.set_traffic(Traffic("churn", shadow_version=2, shadow_fraction=1.0), None, "ada", "x", AT),
    ),
    "retrainings": ("dynamodb.Query", lambda w: w.retrainings.retrainings("churn")),
    "link": ("dynamodb.PutItem", World.use_link),
    "answered": ("dynamodb.Query", lambda w: list(w.reviews.entries("churn", AT, AT))),
    "online read": ("dynamodb.BatchGetItem", lambda w: w.online.rows("shops", ["a"])),
    "online write": ("dynamodb.BatchWriteItem", lambda w: w.online.write("shops", BATCH)),
}
OTHERS: dict[str, Call] = {
    "event": ("eventbridge.PutEvents", lambda w: EventBus(clients.eventbridge(), w.arns["bus"]).publish("Done", {})),
    "notification": ("sns.Publish", lambda w: Topic(clients.sns(), w.arns["topic"]).notify("a", "b")),
    "message": ("sqs.SendMessage", lambda w: Queue(clients.sqs(), w.arns["queue"]).send("[]")),
    "start": ("sfn.StartExecution", lambda w: w.executions.start(w.arns["training"], "one", {})),
}
#: What moto has no success for here, so that only failures can be seen.
FAILING: dict[str, Call] = {
    "invoke": ("lambda.Invoke", lambda w: w.functions.invoke("predict", {})),
    "start function": ("lambda.Invoke", lambda w: w.functions.start("retrain", {})),
    "configuration": ("lambda.GetFunctionConfiguration", lambda w: w.functions.configuration("train")),
    "describe": ("sfn.DescribeExecution", lambda w: w.executions.describe(EXECUTION)),
    "stop": ("sfn.StopExecution", lambda w: w.executions.stop(EXECUTION, "enough")),
    "progress": ("sfn.GetExecutionHistory", lambda w: w.executions.progress(EXECUTION)),
    "succeed": ("sfn.SendTaskSuccess", lambda w: w.executions.succeed("token", {})),
    "fail": ("sfn.SendTaskFailure", lambda w: w.executions.fail("token", "No", "no")),
}
CALLS = OBJECTS | FILES | RELEASES | WATCHED | OTHERS
#: Calls that one client is asked for in a test: botocore repeats no more once a client has failed too often.
GROUPS = (OBJECTS, FILES, RELEASES, WATCHED, OTHERS)
NAMES = ("objects", "files", "releases", "watched", "others")


@pytest.mark.parametrize("calls", [*GROUPS, FAILING], ids=[*NAMES, "failing"])
def test_a_service_that_is_asked_too_much_is_asked_again_and_then_it_is_a_storage_error(
    world: World, faults: Faults, subtests: pytest.Subtests, calls: dict[str, Call]
) -> None:
    for name, (operation, call) in calls.items():
        faults.reset()
        faults.throttle(operation)
        with subtests.test(name):
            with pytest.raises(StorageError, match=r"^could not .*(Throttling|SlowDown|TooManyRequests|503)"):
                call(world)
            assert faults.sent[operation] == clients.PATIENT.attempts
            assert len(faults.pauses) == clients.PATIENT.attempts - 1


@pytest.mark.parametrize("calls", [*GROUPS, FAILING], ids=[*NAMES, "failing"])
def test_a_service_that_cannot_be_reached_is_a_storage_error(
    world: World, faults: Faults, subtests: pytest.Subtests, calls: dict[str, Call]
) -> None:
    for name, (operation, call) in calls.items():
        faults.reset()
        faults.drop(operation)
        with subtests.test(name):
            with pytest.raises(StorageError, match="Connection was closed"):
                call(world)
            assert faults.sent[operation] == clients.PATIENT.attempts


@pytest.mark.parametrize("calls", [*GROUPS, FAILING], ids=[*NAMES, "failing"])
def test_what_is_not_allowed_is_asked_once(
    world: World, faults: Faults, subtests: pytest.Subtests, calls: dict[str, Call]
) -> None:
    for name, (operation, call) in calls.items():
        faults.reset()
        faults.refuse(operation, REFUSED.get(operation.partition(".")[0], "AccessDeniedException"), 403)
        with subtests.test(name):
            with pytest.raises(StorageError, match=r"AccessDenied|AuthorizationError|403"):
                call(world)
            assert faults.sent[operation] == 1


@pytest.mark.parametrize("calls", GROUPS, ids=NAMES)
def test_a_connection_that_ends_once_is_not_noticed(
    world: World, faults: Faults, subtests: pytest.Subtests, calls: dict[str, Call]
) -> None:
    for name, (operation, call) in calls.items():
        faults.reset()
        faults.drop(operation, times=1)
        with subtests.test(name):
            call(world)
            assert faults.sent[operation] >= 2


# --- objects -------------------------------------------------------------------------------------


def test_a_missing_object_is_told_from_one_that_may_not_be_read(world: World, faults: Faults) -> None:
    for read in (world.objects.get, world.objects.head):
        with pytest.raises(NotFound, match="s3://tidemill-data/none"):
            read(DATA, "none")
    with pytest.raises(NotFound, match="s3://tidemill-data/none"):
        world.objects.download(DATA, "none", world.folder / "none")
    assert not list(world.folder.glob("none*"))
    faults.refuse("s3.HeadObject", "AccessDenied", 403)
    with pytest.raises(StorageError, match="403"):
        world.objects.exists(DATA, "none")


@pytest.mark.parametrize(("code", "status"), [("PreconditionFailed", 412), ("ConditionalRequestConflict", 409)])
def test_of_two_writers_of_a_new_object_the_second_leaves_it(
    world: World, faults: Faults, code: str, status: int
) -> None:
    world.objects.put(DATA, "new", b"first")
    assert not world.objects.put_new(DATA, "new", b"second")
    faults.refuse("s3.PutObject", code, status)
    assert not world.objects.put_new(DATA, "other", b"second")


def test_a_secret_whose_first_write_lost_its_answer_is_the_one_that_was_written(world: World, faults: Faults) -> None:
    faults.drop("s3.PutObject", arrived=True, times=1)
    drawn = iter([b"1" * 32, b"2" * 32])
    made = [mask_keys.made(ARTIFACTS, world.objects, lambda size: next(drawn)) for _ in range(2)]
    assert made == [b"1" * 32] * 2


def test_a_stream_that_breaks_in_its_second_part_leaves_nothing(
    world: World, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidemill.aws.objects.PART_BYTES", 5 * 2**20)
    faults.drop("s3.UploadPart", after=1)
    with pytest.raises(StorageError, match="write s3://tidemill-data/big"), world.objects.writer(DATA, "big") as stream:
        stream.writelines(bytes(5 * 2**20) for _ in range(3))
    assert not world.objects.exists(DATA, "big")
    assert "Uploads" not in boto3.client("s3").list_multipart_uploads(Bucket=DATA)


def test_an_upload_that_cannot_be_moved_stays_with_the_reason_beside_it(world: World, faults: Faults) -> None:
    head = world.objects.head(DATA, "there.csv")
    source = Source(DATA, "there.csv", head.version_id, head.etag, head.size)
    faults.refuse("s3.CopyObject", "AccessDenied", 403, times=1)
    with pytest.raises(StorageError, match="AccessDenied"):
        quarantine(world.objects, source, keys.Upload("incoming", "churn", "there.csv"), "unusable", AT)
    assert world.objects.exists(DATA, "there.csv")
    target = quarantine(world.objects, source, keys.Upload("incoming", "churn", "there.csv"), "unusable", AT)
    assert (world.objects.exists(DATA, "there.csv"), world.objects.exists(DATA, target)) == (False, True)


# --- the table -----------------------------------------------------------------------------------


def test_a_write_whose_answer_was_lost_is_no_conflict(world: World, faults: Faults, subtests: pytest.Subtests) -> None:
    """The transaction is sent again and fails on its own condition; what is there is what was wanted."""
    no = Vote("bob", "reject", AT, "no", "cli")
    writes: dict[str, Callable[[], Any]] = {
        "traffic": lambda: world.traffic.set_traffic(Traffic("churn"), None, "ada", "x", AT).revision,
        "freeze": lambda: world.releases.set_freeze("churn", True, "ada", "no", AT).revision,
        "vote": lambda: len(world.releases.votes("b" * 32) or [world.releases.add_vote("b" * 32, "churn", 1, no)]),
        "alias": lambda: (
            world.registry.move_alias("churn", "old", 1, None, "ada", "x", AT) or world.registry.alias("churn", "old")
        ),
    }
    for name, write in writes.items():
        faults.reset()
        faults.drop("dynamodb.TransactWriteItems", arrived=True, times=1)
        with subtests.test(name):
            assert [write() for _ in range(2)] == [1, 1]
            assert faults.sent["dynamodb.TransactWriteItems"] == 2


def test_a_link_is_not_used_up_by_an_answer_that_was_lost(world: World, faults: Faults) -> None:
    faults.drop("dynamodb.PutItem", arrived=True, times=1)
    with world.links.once(LINK, AT, "request-1"):
        pass
    with pytest.raises(ApprovalConflict, match="has been used"), world.links.once(LINK, AT, "request-2"):
        pass


def test_a_link_that_cannot_be_given_back_says_so(world: World, faults: Faults) -> None:
    faults.refuse("dynamodb.DeleteItem", "AccessDeniedException")
    with pytest.raises(StorageError, match="give a link of run"), world.links.once(LINK, AT, "request-1"):
        raise NotFound("the run no longer waits")


def test_a_transaction_that_others_disturb_is_read_and_tried_again(world: World, faults: Faults) -> None:
    reasons = [{"Code": "TransactionConflict"}, {"Code": "None"}]
    faults.refuse("dynamodb.TransactWriteItems", "TransactionCanceledException", times=3, CancellationReasons=reasons)
    pauses: list[float] = []
    records = TrafficRecords(clients.dynamodb(), TABLE, pauses.append)
    assert records.set_traffic(Traffic("churn"), None, "ada", "x", AT).revision == 1
    assert pauses == sorted(pauses)
    assert len(pauses) == 3


def test_a_transaction_that_is_too_much_for_the_table_is_a_storage_error(world: World, faults: Faults) -> None:
    reasons = [{"Code": "ThrottlingError"}, {"Code": "None"}]
    faults.refuse("dynamodb.TransactWriteItems", "TransactionCanceledException", CancellationReasons=reasons)
    with pytest.raises(StorageError, match="set the traffic of model churn: TransactionCanceledException"):
        world.traffic.set_traffic(Traffic("churn"), None, "ada", "x", AT)


def test_a_query_that_breaks_after_its_first_page_is_no_short_list(world: World, faults: Faults) -> None:
    for number in range(3):
        world.registry.record(AuditEvent("churn", "deploy", "ada", AT, str(number)))
    page = boto3.client("dynamodb").query(
        TableName=TABLE,
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": "AUDIT#churn"}},
        Limit=1,
    )
    first = {"Items": page["Items"], "LastEvaluatedKey": page["LastEvaluatedKey"], "Count": 1}
    faults.answer("dynamodb.Query", lambda _: first)
    faults.refuse("dynamodb.Query", "ProvisionedThroughputExceededException")
    with pytest.raises(StorageError, match="query table tidemill: ProvisionedThroughputExceeded"):
        world.registry.audit("churn")


# --- what is done in part ------------------------------------------------------------------------


def test_what_dynamodb_leaves_unwritten_is_written_again(world: World, faults: Faults) -> None:
    def half(sent: Any) -> Any:
        requests = sent["RequestItems"][ONLINE]
        boto3.client("dynamodb").batch_write_item(RequestItems={ONLINE: requests[:10]})
        return {"UnprocessedItems": {ONLINE: requests[10:]}}

    faults.answer("dynamodb.BatchWriteItem", half)
    assert world.online.write("shops", BATCH) == 30
    assert len(world.online.rows("shops", [f"e{number}" for number in range(30)])) == 30
    assert (faults.sent["dynamodb.BatchWriteItem"], world.pauses) == (3, [0.05])


def test_what_dynamodb_never_writes_is_a_storage_error_and_the_rest_is_there(world: World, faults: Faults) -> None:
    def nothing(sent: Any) -> Any:
        return {"UnprocessedItems": sent["RequestItems"]}

    faults.answer("dynamodb.BatchWriteItem", nothing, times=100, after=1)
    with pytest.raises(StorageError, match="it takes no more at the moment"):
        world.online.write("shops", BATCH)
    assert len(world.online.rows("shops", [f"e{number}" for number in range(30)])) == 25
    assert world.pauses == sorted(world.pauses)
    faults.reset()
    assert world.online.write("shops", BATCH) == 30


def test_what_dynamodb_leaves_unread_is_read_again_and_then_cannot_be_looked_up(world: World, faults: Faults) -> None:
    world.online.write("shops", BATCH)

    def nothing(sent: Any) -> Any:
        return {"Responses": {}, "UnprocessedKeys": sent["RequestItems"]}

    faults.answer("dynamodb.BatchGetItem", nothing)
    assert world.online.look_up("shops", ["e3"]) == {"e3": {"size": 3}}
    faults.answer("dynamodb.BatchGetItem", nothing, times=100)
    with pytest.raises(LookupFailed, match="cannot be looked up at the moment"):
        world.online.look_up("shops", ["e3"])


def test_an_event_that_the_bus_takes_in_part_is_a_storage_error(world: World, faults: Faults) -> None:
    entry = {"ErrorCode": "ThrottlingException", "ErrorMessage": "later"}
    faults.answer("eventbridge.PutEvents", lambda _: {"FailedEntryCount": 1, "Entries": [entry]})
    with pytest.raises(StorageError, match="'Done' on tidemill: ThrottlingException: later"):
        EventBus(clients.eventbridge(), "tidemill").publish("Done", {})


# --- keys that may not be used -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("notification", "KMSAccessDenied"),
        ("notification", "KMSDisabled"),
        ("message", "KmsAccessDenied"),
        ("put", "KMS.DisabledException"),
        ("get", "KMS.NotFoundException"),
        ("record", "KMSAccessDeniedException"),
    ],
)
def test_a_key_that_may_not_be_used_is_named(world: World, faults: Faults, name: str, code: str) -> None:
    operation, call = CALLS[name]
    faults.refuse(operation, code)
    with pytest.raises(StorageError, match=code):
        call(world)
    assert faults.sent[operation] == 1


# --- people --------------------------------------------------------------------------------------


def test_an_api_key_is_asked_for_again_after_a_failure_and_not_after_a_success(world: World, faults: Faults) -> None:
    made = boto3.client("apigateway").create_api_key(name="ada", enabled=True)
    faults.refuse("api-gateway.GetApiKey", "TooManyRequestsException", 429, times=clients.QUICK.attempts)
    with pytest.raises(StorageError, match="TooManyRequests"):
        world.keys.owner({"apiKeyId": made["id"]}, "")
    assert faults.sent["api-gateway.GetApiKey"] == clients.QUICK.attempts
    for _ in range(2):
        assert world.keys.owner({"apiKeyId": made["id"]}, "").name == "ada"
    assert faults.sent["api-gateway.GetApiKey"] == clients.QUICK.attempts + 1


def test_credentials_that_are_not_good_are_a_storage_error(world: World, faults: Faults) -> None:
    faults.refuse("sts.GetCallerIdentity", "ExpiredToken", 403)
    with pytest.raises(StorageError, match="whose credentials these are"):
        people.caller(clients._client("sts"))
