"""What every adapter in `aws/` does when its service refuses, is asked too much, or does not answer.

A request that is worth it is repeated by botocore, as often as `clients.PATIENT` says; what still fails is a
StorageError that says what was being done and why it could not be. The calls are those of `adapters.py`, one of every
public function and method; each kind of request that a call makes fails once in each test.
"""

from __future__ import annotations

import functools
import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from tidemill import keys
from tidemill.aws import clients, people, stack_secrets
from tidemill.aws.events import EventBus
from tidemill.aws.quarantine import quarantine
from tidemill.aws.registry_table import AuditEvent
from tidemill.aws.traffic_records import TrafficRecords
from tidemill.contracts import Source
from tidemill.errors import ApprovalConflict, LookupFailed, NotFound, StorageError
from tidemill.monitoring_contracts import WatchState
from tidemill.release_contracts import Traffic

from . import adapters
from .account import Account, held
from .adapters import (
    ASKS_NOTHING,
    AT,
    BATCH,
    CASES,
    LINK,
    NO_SERVICE,
    ONLINE,
    REFUSALS,
    WRITES,
    World,
    of,
    public,
)
from .conftest import ARTIFACTS, DATA, TABLE, Faults

DECIDED = "whoever reads the decision reads what could not be done of it"
UNHEARD = "a rollout goes on although nobody hears of it"
NO_TABLE = "the retraining is on record, with the reason why it has no table"
#: Calls that go on when something fails for good: without what, and why they may. They say so all the same.
GOES_ON: dict[str, tuple[set[str], str]] = {
    "conclusion.RunPapers.usage": (
        {"sfn.DescribeStateMachineForExecution", "sfn.GetExecutionHistory", "lambda.GetFunctionConfiguration"},
        "a run is concluded although nobody knows what it has cost",
    ),
    "capture_files.write": (
        {"s3.PutObject", "dynamodb.PutItem", "sqs.SendMessage"},
        "the other messages of the batch are kept, and this one comes again; a copy may be lost",
    ),
    "rollouts.Rollouts.known": ({"eventbridge.PutEvents"}, UNHEARD),
    "rollouts.Rollouts.begin": ({"eventbridge.PutEvents"}, UNHEARD),
    "rollouts.Rollouts.move": ({"eventbridge.PutEvents"}, UNHEARD),
    "rollouts.Rollouts.take_back": ({"eventbridge.PutEvents", "sns.Publish"}, UNHEARD),
    "actions.Actions.act: alert": ({"sns.Publish", "eventbridge.PutEvents"}, DECIDED),
    "actions.Actions.act: review": ({"s3.ListObjectsV2", "s3.GetObject"}, DECIDED),
    "actions.Actions.act: retrain": (
        {
            *("s3.ListObjectsV2", "s3.GetObject", "lambda.Invoke"),
            *("dynamodb.Query", "dynamodb.GetItem", "dynamodb.TransactWriteItems"),
        },
        DECIDED,
    ),
    "actions.Actions.act: freeze": ({"dynamodb.GetItem", "dynamodb.TransactWriteItems"}, DECIDED),
    "retraining.Retrainings.start": ({"lambda.Invoke"}, NO_TABLE),
    "retraining.Retrainings.by_rule": ({"lambda.Invoke"}, NO_TABLE),
    "retraining.Retrainings.if_due": ({"lambda.Invoke"}, NO_TABLE),
}
#: What each case asks for when nothing fails, in order.
ASKED: dict[str, list[str]] = {}


class Disturbed:
    """The cases, each in an account that is as it was before."""

    def __init__(self, world: World, faults: Faults, subtests: pytest.Subtests) -> None:
        self.world, self.faults, self._subtests, self._account = world, faults, subtests, Account()
        self._outcomes: dict[str, Any] = {}

    def again(self) -> None:
        """Let everything be as it was, and nothing fail."""
        if adapters.has_written(self.faults):
            self._account.put_back()
        self.faults.reset()

    def call(self, name: str) -> Any:
        return CASES[name](self.world)

    def undisturbed(self, name: str) -> Any:
        """What a case gives when nothing fails, and what there is afterwards."""
        if name not in self._outcomes:
            self.again()
            self._outcomes[name] = self.outcome(name)
        return self._outcomes[name]

    def outcome(self, name: str) -> Any:
        """What a case gives now, and what there is afterwards; nothing of calls that do not write."""
        return self.call(name), held() if any(map(WRITES.search, self.asked(name))) else {}

    def asked(self, name: str) -> list[str]:
        """What a case asks for when nothing fails, in order."""
        if name not in ASKED:
            self.again()
            self.call(name)
            ASKED[name] = [operation for operation, _ in self.faults.requests]
        return ASKED[name]

    def each(self, check: Callable[[str, str], None], most: int = 100) -> None:
        """Check every case of so many requests at most, with each kind of request that it makes."""
        for name in CASES:
            for operation in dict.fromkeys(self.asked(name)) if len(self.asked(name)) <= most else ():
                self.again()
                with self._subtests.test(f"{name}: {operation}"):
                    check(name, operation)

    def fails(self, name: str, operation: str, why: str) -> None:
        """The call is a StorageError that says why; one that may go on says why, too."""
        if operation in GOES_ON.get(name, ((), ""))[0]:
            self.world.warned.clear()
            said = f"{self.call(name)} {self.world.warned}"
        else:
            with pytest.raises((StorageError, LookupFailed)) as raised:
                self.call(name)
            said = str(raised.value if isinstance(raised.value, StorageError) else raised.value.__cause__)
        assert re.search(why, said), said


@pytest.fixture
def disturbed(world: World, faults: Faults, subtests: pytest.Subtests) -> Disturbed:
    return Disturbed(world, faults, subtests)


def attempts(operation: str) -> int:
    """How often a request is sent, at most."""
    return (clients.QUICK if operation.startswith("api-gateway.") else clients.PATIENT).attempts


# --- every adapter -------------------------------------------------------------------------------


def test_every_public_function_and_method_has_a_case() -> None:
    found = {name for name in public() if name.partition(".")[0] not in NO_SERVICE}
    assert {of(name) for name in CASES} == found - ASKS_NOTHING.keys()
    assert ASKS_NOTHING.keys() <= found
    assert NO_SERVICE.keys() <= {name.partition(".")[0] for name in public()}


def test_every_case_goes_through_what_it_is_named_after_and_asks_a_service(
    disturbed: Disturbed, subtests: pytest.Subtests, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in CASES:
        disturbed.again()
        with subtests.test(name):
            call = functools.partial(disturbed.call, name)
            assert adapters.calls_what_it_is_named_after(name, call, monkeypatch)
            assert disturbed.faults.requests


def test_a_service_that_is_asked_too_much_is_asked_again_and_then_it_is_a_storage_error(disturbed: Disturbed) -> None:
    def check(name: str, operation: str) -> None:
        disturbed.faults.throttle(operation)
        disturbed.fails(name, operation, "Throttling|SlowDown|TooManyRequests|503")
        assert disturbed.faults.sent[operation] % attempts(operation) == 0

    disturbed.each(check)


def test_a_service_that_cannot_be_reached_is_a_storage_error(disturbed: Disturbed) -> None:
    """Calls of one request: what becomes of an error, those of several have shown."""

    def check(name: str, operation: str) -> None:
        disturbed.faults.drop(operation)
        disturbed.fails(name, operation, "Connection was closed")
        assert disturbed.faults.sent[operation] == attempts(operation)

    disturbed.each(check, most=1)


@pytest.mark.parametrize(("place", "most"), [(0, 100), (1, 1)], ids=["the call", "the key"])
def test_what_is_not_allowed_is_asked_once(disturbed: Disturbed, place: int, most: int) -> None:
    """Whoever may not call; and, of calls of one request, whoever may not use a key."""

    def check(name: str, operation: str) -> None:
        codes = REFUSALS.get(operation.partition(".")[0], ())
        code, status = codes[place] if codes else ("AccessDeniedException", 400)
        disturbed.faults.refuse(operation, code, status)
        disturbed.fails(name, operation, f"{code}|{status}")
        # A HEAD that is refused with 400 may be one of another region, which botocore finds out at once.
        assert not any(disturbed.faults.pauses)

    disturbed.each(check, most)


def test_what_passes_within_the_attempts_is_not_noticed(disturbed: Disturbed, subtests: pytest.Subtests) -> None:
    for name in CASES:
        wanted, asked = disturbed.undisturbed(name), set(disturbed.asked(name))
        disturbed.again()
        for operation in asked:
            disturbed.faults.throttle(operation, times=attempts(operation) - 1)
        with subtests.test(name):
            assert disturbed.outcome(name) == wanted
            assert len(disturbed.faults.pauses) == sum(attempts(operation) - 1 for operation in asked)


OTHERS_TURN = (
    "it says that somebody else has written it, and whoever asks reads what was written and goes on from there"
)
TOKEN = f"{OTHERS_TURN}; DynamoDB, not moto, knows the transaction again by its token"
TAKEN_AGAIN = "nobody acts now, and the decision, which is on record as begun, is taken again after a while"
#: Calls that do not know their own write again when its answer was lost, and why that does no harm.
NOT_KNOWN_AGAIN = {
    "objects.Objects.put_new": OTHERS_TURN,
    "registry.Registry.start_run": OTHERS_TURN,
    "registry.Registry.open_review": OTHERS_TURN,
    "monitoring_files.MonitoringFiles.claim_part": "what was claimed and not counted is counted by the next look",
    "monitoring_records.MonitoringRecords.put_decision": OTHERS_TURN,
    "monitoring_records.MonitoringRecords.claim_decision: new": OTHERS_TURN,
    "monitoring_records.MonitoringRecords.claim_decision: again": TOKEN,
    "monitoring_records.MonitoringRecords.swap_watch_state: first": TOKEN,
    "monitoring_records.MonitoringRecords.swap_watch_state: next": TOKEN,
    "release_records.ReleaseRecords.swap_rollout": TOKEN,
    "release_records.ReleaseRecords.add_vote": TOKEN,
    "watching.Watching.due": TOKEN,
}
#: The same, where less is left behind, too.
NOT_DONE = {
    "actions.Actions.act: alert": TAKEN_AGAIN,
    "actions.Actions.act: review": f"{TAKEN_AGAIN}; what is in the queue already is not counted as put there",
    "actions.Actions.act: retrain": TAKEN_AGAIN,
    "actions.Actions.act: freeze": TAKEN_AGAIN,
}


def test_a_write_whose_answer_was_lost_is_done_once(disturbed: Disturbed, subtests: pytest.Subtests) -> None:
    """Of writes that a call makes several times, the first and the last one."""
    for name in CASES:
        for operation, times in Counter(filter(WRITES.search, disturbed.asked(name))).items():
            wanted, left = disturbed.undisturbed(name)
            for place in {0, times - 1}:
                disturbed.again()
                disturbed.faults.drop(operation, arrived=True, times=1, after=place)
                with subtests.test(f"{name}: {operation} {place}"):
                    given = disturbed.outcome(name)
                    assert given[1] == left or name in NOT_DONE
                    assert given[0] == wanted or name in NOT_DONE | NOT_KNOWN_AGAIN, given[0]


def test_a_transaction_keeps_its_token_when_it_is_repeated(world: World, faults: Faults) -> None:
    faults.drop("dynamodb.TransactWriteItems", arrived=True, times=1)
    world.monitoring.swap_watch_state(WatchState("churn", AT, revision=2), 1)
    sent = [json.loads(request.body)["ClientRequestToken"] for _, request in faults.requests]
    assert len(sent) == 2
    assert len(set(sent)) == 1


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
    made = [stack_secrets.made(ARTIFACTS, "new", world.objects, lambda size: next(drawn)) for _ in range(2)]
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
    assert world.online.write("houses", BATCH) == 30
    assert len(world.online.rows("houses", [f"e{number}" for number in range(30)])) == 30
    assert (faults.sent["dynamodb.BatchWriteItem"], world.pauses) == (3, [0.05])


def test_what_dynamodb_never_writes_is_a_storage_error_and_the_rest_is_there(world: World, faults: Faults) -> None:
    def nothing(sent: Any) -> Any:
        return {"UnprocessedItems": sent["RequestItems"]}

    faults.answer("dynamodb.BatchWriteItem", nothing, times=100, after=1)
    with pytest.raises(StorageError, match="it takes no more at the moment"):
        world.online.write("houses", BATCH)
    assert len(world.online.rows("houses", [f"e{number}" for number in range(30)])) == 25
    assert world.pauses == sorted(world.pauses)
    faults.reset()
    assert world.online.write("houses", BATCH) == 30


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
