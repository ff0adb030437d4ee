"""New captures and true outcomes, counted and joined: each once, at a cost that grows with what is new."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

import pytest

from tidemill import keys
from tidemill.aws import clients
from tidemill.aws.monitoring_files import MonitoringFiles
from tidemill.aws.monitoring_records import MonitoringRecords
from tidemill.aws.objects import Objects
from tidemill.aws.registry import Registry
from tidemill.contracts import (
    Capture,
    ColumnProfile,
    Histogram,
    InputField,
    Profile,
    Reading,
    Signature,
    TopValue,
    to_json,
)
from tidemill.errors import StorageError
from tidemill.monitoring import hour_parts, stock, summaries, totals
from tidemill.monitoring_contracts import HourPart, PartClaim, Reference, Summary, Totals, WatchState

from .account import Account
from .adapters import WRITES
from .conftest import Faults

ARTIFACTS = "tidemill-artifacts"
MODEL = "churn"
HOURS = ("2026-03-04T05", "2026-03-04T06", "2026-03-04T07")


@pytest.fixture
def summarize(stage: Callable[..., ModuleType], objects: Objects, table: str) -> ModuleType:
    return stage("summarize", artifact_bucket=ARTIFACTS, table=table)


@pytest.fixture
def model(objects: Objects, churn: int) -> int:
    """Model churn in service, with what it was made with."""
    tenure = ColumnProfile(
        "tenure", "integer", "feature", 100, 0, 3, 0.0, 20.0, histogram=Histogram((0, 10, 20), (50, 50))
    )
    plan = ColumnProfile("plan", "category", "feature", 100, 0, 2, top=(TopValue("A", 60), TopValue("B", 40)))
    signature = Signature(
        MODEL,
        "binary",
        "Churn",
        (InputField("tenure", "integer", required=False), InputField("plan", "category", required=False)),
        ("No", "Yes"),
        "Yes",
    )
    reading = Reading("csv", None, "utf-8", ",", '"', True, 1234)
    for version in (churn, churn + 1):
        objects.put_contract(ARTIFACTS, keys.model(MODEL, version, "signature.json"), signature)
        profile = Profile(100, 0, (tenure, plan), reading, "Churn", "binary")
        objects.put_contract(ARTIFACTS, keys.model(MODEL, version, "profile.json"), profile)
        reference = Reference(MODEL, "binary", 20, "roc_auc", {"roc_auc": 0.8}, edges=(0.0, 0.5, 1.0))
        objects.put_contract(ARTIFACTS, keys.model(MODEL, version, "reference.json"), reference)
    return churn


@pytest.fixture
def files(objects: Objects) -> MonitoringFiles:
    return MonitoringFiles(ARTIFACTS, objects)


@pytest.fixture
def records(table: str) -> MonitoringRecords:
    return MonitoringRecords(clients.dynamodb(), table)


@pytest.fixture
def read(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each object has been read."""
    counts: Counter[str] = Counter()
    get = Objects.get

    def counted(self: Objects, bucket: str, key: str, version_id: str = "") -> bytes:
        counts[key] += 1
        return get(self, bucket, key, version_id)

    monkeypatch.setattr(Objects, "get", counted)
    return counts


def capture(number: int, hour: str = HOURS[0], version: int = 1, **others: Any) -> Capture:
    probability = number % 10 / 10
    fields: dict[str, Any] = {
        "prediction_id": f"p{number}",
        "at": f"{hour}:{number % 60:02d}:00Z",
        "model": MODEL,
        "version": version,
        "inputs": {"tenure": number % 25, "plan": "ABC"[number % 3]},
        "prediction": {"label": "Yes" if probability >= 0.5 else "No", "probabilities": [1 - probability, probability]},
        "alias": "champion",
        "ms": 3.0,
    }
    return Capture(**fields | others)


def put(objects: Objects, captures: Iterable[Capture], name: str = "") -> None:
    """A file of captures of one hour, as the capture function writes it."""
    rows = [json.dumps(to_json(item)) + "\n" for item in captures]
    name = name or hashlib.sha256("".join(rows).encode()).hexdigest()[:32]
    hour = json.loads(rows[0])["at"]
    objects.put(ARTIFACTS, keys.captures(MODEL, hour, name), gzip.compress("".join(rows).encode()))


def look(summarize: ModuleType, at: str, force: bool = False) -> tuple[int, int]:
    """Look until there is no more; returns captures and labels."""
    captures = labels = 0
    while True:
        found = summarize.handler({"due": {"model": MODEL, "at": at, "force": force}}, None)
        captures, labels = captures + found["captures"], labels + found["labels"]
        if not found["more"]:
            return captures, labels


def total(files: MonitoringFiles, hour: str, version: int = 1, shadow: bool = False) -> Summary:
    parts = files.parts(MODEL, hour, hour)[hour]
    found = [item for _, part in files.summaries(MODEL, parts) for item in part]
    return summaries.merged(item for item in found if (item.version, item.shadow) == (version, shadow))


def test_each_capture_is_counted_once_whenever_its_file_comes(
    summarize: ModuleType, objects: Objects, model: int, files: MonitoringFiles, records: MonitoringRecords
) -> None:
    # `watch` has claimed the first look.
    assert records.swap_watch_state(WatchState(MODEL, f"{HOURS[0]}:30:00Z"), None)
    put(objects, map(capture, range(10)))
    put(objects, map(capture, range(10, 15)))
    assert look(summarize, f"{HOURS[0]}:30:00Z") == (15, 0)
    assert look(summarize, f"{HOURS[0]}:35:00Z") == (0, 0)
    put(objects, map(capture, range(14, 30)))  # the queue has delivered 14 again
    put(objects, [capture(40, HOURS[1])])
    assert look(summarize, f"{HOURS[1]}:05:00Z") == (16, 0)
    assert (total(files, HOURS[0]).rows, total(files, HOURS[1]).rows) == (30, 1)
    by_hand = summaries.summarize(
        map(capture, range(30)),
        objects.get_contract(Profile, ARTIFACTS, keys.model(MODEL, 1, "profile.json")),
        objects.get_contract(Signature, ARTIFACTS, keys.model(MODEL, 1, "signature.json")),
        objects.get_contract(Reference, ARTIFACTS, keys.model(MODEL, 1, "reference.json")),
        None,
    )
    assert [total(files, HOURS[0])] == by_hand
    state = records.watch_state(MODEL)
    assert state is not None
    assert (state.hour, state.looked_at, state.totals["1"].predictions) == (HOURS[1], f"{HOURS[0]}:30:00Z", 31)


def test_looking_costs_by_what_is_new(
    summarize: ModuleType, objects: Objects, model: int, files: MonitoringFiles, read: Counter[str]
) -> None:
    def new_reads() -> int:
        """Objects under captures, monitor and actuals that were read since the last call."""
        found = sum(n for key, n in read.items() if key.startswith(("captures/", "monitor/", "actuals/")))
        read.clear()
        return found

    for hour in range(24):
        put(objects, [capture(number, f"2026-03-01T{hour:02d}") for number in range(hour * 60, hour * 60 + 5)])
    look(summarize, "2026-03-01T23:30:00Z")
    assert new_reads() == 24
    look(summarize, "2026-03-01T23:35:00Z")
    assert new_reads() == 4  # which files the newest part knows, of each hour that may still get some
    put(objects, [capture(9000, "2026-03-01T23")])
    look(summarize, "2026-03-01T23:40:00Z")
    assert new_reads() == 4 + 1 + 1  # the new file, and the hour's index: it may have been recorded before
    files.put_ledger(MODEL, "2026-03-01T23:41:00Z", "a" * 32, [{"id": "p1381", "actual": "Yes"}])
    look(summarize, "2026-03-01T23:45:00Z")
    # The ledger's file, the two parts of the newest hour, a capture file, and what was known of the hour: nothing.
    assert new_reads() == 4 + 1 + 2 + 1 + 1
    look(summarize, "2026-03-01T23:50:00Z")
    assert new_reads() == 4


def test_two_looks_at_a_time_and_one_that_was_stopped_count_nothing_twice(
    summarize: ModuleType,
    objects: Objects,
    model: int,
    files: MonitoringFiles,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put(objects, map(capture, range(10)))
    claim = MonitoringFiles.claim_part

    def slow(self: MonitoringFiles, *what: Any) -> bool:
        """Another look counts the hour between reading and claiming."""
        monkeypatch.setattr(MonitoringFiles, "claim_part", claim)
        assert look(summarize, f"{HOURS[0]}:30:00Z") == (10, 0)
        return claim(self, *what)

    monkeypatch.setattr(MonitoringFiles, "claim_part", slow)
    assert look(summarize, f"{HOURS[0]}:30:00Z") == (0, 0)
    assert total(files, HOURS[0]).rows == 10

    def stopped(*_: Any) -> None:
        raise KeyboardInterrupt

    put(objects, map(capture, range(5, 20)))
    with monkeypatch.context() as stopping:
        stopping.setattr(MonitoringFiles, "put_part", stopped)
        with pytest.raises(KeyboardInterrupt):
            look(summarize, f"{HOURS[0]}:40:00Z")
    assert total(files, HOURS[0]).rows == 10
    assert look(summarize, f"{HOURS[0]}:45:00Z") == (10, 0)
    assert total(files, HOURS[0]).rows == 20


def test_a_call_stops_when_it_has_enough_and_goes_on_where_it_was(
    summarize: ModuleType, objects: Objects, model: int, files: MonitoringFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hour_parts.Counting.count, "__defaults__", (10,))
    for start in range(0, 30, 5):
        put(objects, map(capture, range(start, start + 5)))
    put(objects, [capture(number, HOURS[1]) for number in range(30, 33)])
    event = {"due": {"model": MODEL, "at": f"{HOURS[1]}:30:00Z"}}
    found = [summarize.handler(event, None) for _ in range(5)]
    assert [item["captures"] for item in found] == [10, 10, 10, 3, 0]
    assert [item["more"] for item in found] == [True, True, True, False, False]
    assert (total(files, HOURS[0]).rows, total(files, HOURS[1]).rows) == (30, 3)


def test_a_part_of_wide_rows_has_fewer_of_them(
    summarize: ModuleType, objects: Objects, model: int, files: MonitoringFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hour_parts, "PART_VALUES", 20)
    for start in range(0, 30, 5):
        put(objects, map(capture, range(start, start + 5)))
    assert look(summarize, f"{HOURS[0]}:30:00Z") == (30, 0)
    assert len(files.parts(MODEL, HOURS[0], HOURS[0])[HOURS[0]]) == 3
    assert total(files, HOURS[0]).rows == 30


def test_windows_by_rows_get_pieces_of_an_hour_in_the_order_of_time(
    summarize: ModuleType, objects: Objects, model: int, files: MonitoringFiles
) -> None:
    objects.put_contract(ARTIFACTS, keys.project_spec(MODEL), {"monitor": {"window": {"rows": 50}}})
    put(objects, map(capture, range(59, -1, -1)))
    look(summarize, f"{HOURS[0]}:59:59Z")
    ((_, pieces),) = files.summaries(MODEL, files.parts(MODEL, HOURS[0], HOURS[0])[HOURS[0]])
    assert [(piece.rows, piece.last_at) for piece in pieces] == [(50, f"{HOURS[0]}:49:00Z"), (10, f"{HOURS[0]}:59:00Z")]


def outcomes(files: MonitoringFiles, hour: str) -> dict[tuple[str, bool], Any]:
    return {(row["id"], row["shadow"]): row["actual"] for row in files.labelled_rows(MODEL, hour)}


def test_outcomes_come_late_in_parts_and_out_of_order_and_the_last_upload_counts(
    summarize: ModuleType, objects: Objects, model: int, files: MonitoringFiles, records: MonitoringRecords
) -> None:
    put(objects, map(capture, range(10)))
    put(objects, [capture(3, version=2, why="shadow")])
    put(objects, [capture(20, HOURS[2])])
    files.put_ledger(MODEL, f"{HOURS[1]}:00:00Z", "a", [{"id": "p3", "actual": "Yes"}, {"id": "p4", "actual": "No"}])
    files.put_ledger(MODEL, f"{HOURS[1]}:10:00Z", "b", [{"id": "p3", "actual": "No"}, {"id": "p99", "actual": "Yes"}])
    assert look(summarize, f"{HOURS[2]}:30:00Z") == (12, 3)
    assert outcomes(files, HOURS[0]) == {("p3", False): "No", ("p3", True): "No", ("p4", False): "No"}
    (own, copy) = files.labelled(MODEL, HOURS[0])
    assert (own.version, own.shadow, own.rows, own.confusion) == (1, False, 2, {"No": {"No": 2}})
    assert (copy.version, copy.shadow, copy.rows) == (2, True, 1)

    # An upload of before is read last: what came after it stays.
    files.put_ledger(MODEL, f"{HOURS[1]}:05:00Z", "c", [{"id": "p3", "actual": "Yes"}, {"id": "p5", "actual": "Yes"}])
    assert look(summarize, f"{HOURS[2]}:35:00Z") == (0, 1)
    assert outcomes(files, HOURS[0])["p3", False] == "No"
    assert files.labelled_hours(MODEL).keys() == {HOURS[0]}
    state = records.watch_state(MODEL)
    assert state is not None
    assert ([key.rpartition("-")[2] for key in state.waiting], state.unfound) == (["b.jsonl.gz"], 1)

    put(objects, [capture(99, HOURS[2])])
    assert look(summarize, f"{HOURS[2]}:40:00Z") == (1, 1)
    assert outcomes(files, HOURS[2]) == {("p99", False): "Yes"}
    state = records.watch_state(MODEL)
    assert state is not None
    assert (state.waiting, state.unfound) == ((), 0)
    assert [row["id"] for row in files.newest_labelled(MODEL, 2)] == ["p99", "p5"]
    assert len(files.ledger_files(MODEL)) == 3


def test_an_outcome_of_an_entity_is_about_its_newest_prediction_before_the_outcome(
    summarize: ModuleType, objects: Objects, model: int, files: MonitoringFiles
) -> None:
    objects.put_contract(ARTIFACTS, keys.project_spec(MODEL), {"monitor": {"key": "tenure"}})
    asked = [(HOURS[0], 1), (HOURS[0], 2), (HOURS[1], 3), (HOURS[2], 4)]
    for hour, number in asked:
        put(objects, [capture(number, hour, inputs={"tenure": 7, "plan": "A"})])
    put(objects, [capture(50, HOURS[2], inputs={"tenure": 8, "plan": "A"})])
    files.put_ledger(
        MODEL,
        f"{HOURS[2]}:55:00Z",
        "a",
        [
            {"key": "7", "actual": "Yes", "at": f"{HOURS[0]}:01:30Z"},
            {"key": "7.0", "actual": "No", "at": f"{HOURS[1]}:59:59Z"},
            {"key": "8", "actual": "Yes"},
            {"key": "9", "actual": "Yes"},
        ],
    )
    assert look(summarize, f"{HOURS[2]}:59:00Z") == (5, 3)
    found = outcomes(files, HOURS[0]) | outcomes(files, HOURS[1]) | outcomes(files, HOURS[2])
    assert found == {("p1", False): "Yes", ("p3", False): "No", ("p50", False): "Yes"}


def test_of_several_predictions_for_an_entity_in_an_hour_the_newest_is_meant(
    summarize: ModuleType, objects: Objects, model: int, files: MonitoringFiles
) -> None:
    put(objects, [capture(number, key="ada") for number in (30, 10, 20, 40)])
    entry = {"key": "ada", "actual": "Yes", "at": f"{HOURS[0]}:35:00Z"}
    files.put_ledger(MODEL, f"{HOURS[0]}:55:00Z", "a", [entry])
    look(summarize, f"{HOURS[0]}:59:00Z")
    assert outcomes(files, HOURS[0]) == {("p30", False): "Yes"}


def test_a_copy_for_a_challenger_that_was_recorded_an_hour_later_gets_the_outcome_too(
    summarize: ModuleType, objects: Objects, model: int, files: MonitoringFiles
) -> None:
    put(objects, [capture(1)])
    put(objects, [capture(1, HOURS[1], version=2, why="shadow")])
    files.put_ledger(MODEL, f"{HOURS[1]}:55:00Z", "a", [{"id": "p1", "actual": "Yes"}])
    assert look(summarize, f"{HOURS[1]}:59:00Z") == (2, 2)
    assert outcomes(files, HOURS[0]) == {("p1", False): "Yes"}
    assert outcomes(files, HOURS[1]) == {("p1", True): "Yes"}


def test_captures_of_an_hour_that_has_just_begun_are_counted(
    summarize: ModuleType, objects: Objects, model: int
) -> None:
    put(objects, [capture(0, HOURS[1])])
    assert look(summarize, f"{HOURS[0]}:59:59Z") == (1, 0)


def test_captures_that_come_late_are_counted_and_very_late_ones_when_somebody_asks(
    summarize: ModuleType, objects: Objects, model: int
) -> None:
    put(objects, [capture(0, HOURS[2])])
    look(summarize, f"{HOURS[2]}:30:00Z")
    put(objects, [capture(1, "2026-03-04T04")])
    put(objects, [capture(2, "2026-03-03T04")])
    assert look(summarize, f"{HOURS[2]}:35:00Z") == (1, 0)
    assert look(summarize, f"{HOURS[2]}:40:00Z", force=True) == (1, 0)


def test_without_a_key_among_the_inputs_the_routing_key_names_the_entity(
    summarize: ModuleType, objects: Objects, model: int, files: MonitoringFiles
) -> None:
    put(objects, [capture(1, key="customer-1"), capture(2, key="customer-2"), capture(3)])
    files.put_ledger(MODEL, f"{HOURS[0]}:55:00Z", "a", [{"key": "customer-2", "actual": "Yes"}])
    assert look(summarize, f"{HOURS[0]}:59:00Z") == (3, 1)
    assert outcomes(files, HOURS[0]) == {("p2", False): "Yes"}


def test_outcomes_of_predictions_that_are_too_old_are_not_looked_for(
    summarize: ModuleType, objects: Objects, model: int, files: MonitoringFiles, records: MonitoringRecords
) -> None:
    objects.put_contract(ARTIFACTS, keys.project_spec(MODEL), {"monitor": {"label_days": 1}})
    put(objects, [capture(1, "2026-03-01T05")])
    files.put_ledger(MODEL, "2026-03-04T05:00:00Z", "a", [{"id": "p1", "actual": "Yes"}])
    assert look(summarize, "2026-03-04T05:10:00Z") == (1, 0)
    look(summarize, "2026-03-06T05:10:00Z")
    state = records.watch_state(MODEL)
    assert state is not None
    assert state.waiting == ()


def test_how_many_outcomes_wait_for_their_predictions_is_kept(
    summarize: ModuleType, objects: Objects, model: int, files: MonitoringFiles, records: MonitoringRecords
) -> None:
    def unfound() -> int:
        state = records.watch_state(MODEL)
        assert state is not None
        return state.unfound

    put(objects, map(capture, range(3)))
    told = [{"id": name, "actual": "Yes"} for name in ("p1", "p98", "p99")]
    files.put_ledger(MODEL, f"{HOURS[0]}:40:00Z", "a", told)
    look(summarize, f"{HOURS[0]}:45:00Z")
    assert unfound() == 2
    files.put_ledger(MODEL, f"{HOURS[0]}:46:00Z", "b", [{"id": "p97", "actual": "Yes"}])
    look(summarize, f"{HOURS[0]}:50:00Z")
    assert unfound() == 3
    look(summarize, f"{HOURS[0]}:51:00Z", force=True)
    assert unfound() == 3
    put(objects, [capture(99, HOURS[1])])
    look(summarize, f"{HOURS[1]}:50:00Z")
    assert unfound() == 2


def test_outcomes_that_wait_are_joined_by_the_look_after_one_that_broke(
    summarize: ModuleType, objects: Objects, model: int, files: MonitoringFiles, faults: Faults
) -> None:
    """It has counted their predictions, so that the next one counts nothing."""
    put(objects, [capture(0)])
    files.put_ledger(MODEL, f"{HOURS[0]}:40:00Z", "a", [{"id": "p1", "actual": "Yes"}])
    assert look(summarize, f"{HOURS[0]}:45:00Z") == (1, 0)
    put(objects, [capture(1)])
    faults.throttle("s3.PutObject", after=3)  # the part's claim, index and summaries
    with pytest.raises(StorageError):
        look(summarize, f"{HOURS[0]}:50:00Z")
    faults.reset()
    assert look(summarize, f"{HOURS[0]}:55:00Z") == (0, 1)


def test_answers_of_reviewers_are_outcomes(
    summarize: ModuleType, objects: Objects, model: int, files: MonitoringFiles, registry: Registry
) -> None:
    put(objects, map(capture, range(3)))
    registry.open_review(capture(1))
    registry.open_review(capture(2))
    look(summarize, f"{HOURS[0]}:30:00Z")
    registry.answer_review(MODEL, "p1", "Yes", "ada", f"{HOURS[0]}:40:00Z")
    assert look(summarize, f"{HOURS[0]}:45:00Z") == (0, 1)
    assert look(summarize, f"{HOURS[0]}:50:00Z") == (0, 0)
    assert outcomes(files, HOURS[0]) == {("p1", False): "Yes"}
    files.put_ledger(MODEL, f"{HOURS[0]}:42:00Z", "a", [{"id": "p1", "actual": "No"}])
    look(summarize, f"{HOURS[0]}:55:00Z")
    assert outcomes(files, HOURS[0]) == {("p1", False): "No"}


def test_an_answer_whose_prediction_was_not_recorded_is_looked_for_while_it_is_new(
    summarize: ModuleType,
    model: int,
    registry: Registry,
    records: MonitoringRecords,
    objects: Objects,
    read: Counter[str],
) -> None:
    put(objects, [capture(0)])
    registry.open_review(capture(1))
    registry.answer_review(MODEL, "p1", "Yes", "ada", f"{HOURS[0]}:40:00Z")
    look(summarize, f"{HOURS[0]}:45:00Z")
    state = records.watch_state(MODEL)
    assert state is not None
    assert state.waiting == ()
    for at, searched in ((f"{HOURS[1]}:45:00Z", True), (f"{HOURS[2]}:30:00Z", True), (f"{HOURS[2]}:45:00Z", False)):
        read.clear()
        look(summarize, at)
        assert any(key.endswith("index.npz") for key in read) is searched


def test_many_outcomes_are_joined_over_several_calls(
    summarize: ModuleType, objects: Objects, model: int, files: MonitoringFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stock, "CALL_OUTCOMES", 2)
    put(objects, map(capture, range(10)))
    for number in range(5):
        files.put_ledger(MODEL, f"{HOURS[0]}:5{number}:00Z", f"u{number}", [{"id": f"p{number}", "actual": "Yes"}])
    event = {"due": {"model": MODEL, "at": f"{HOURS[0]}:59:00Z"}}
    assert [summarize.handler(event, None)["labels"] for _ in range(4)] == [2, 2, 1, 0]


def test_calls_that_no_version_got_and_failed_ones_are_counted_by_themselves(
    summarize: ModuleType, objects: Objects, model: int, files: MonitoringFiles
) -> None:
    refused: dict[str, Any] = {"prediction": None, "inputs": {}, "status": 400, "error": "tenure must be a number"}
    put(objects, [capture(1), capture(2, **refused), capture(3, version=0, **refused | {"status": 503})])
    look(summarize, f"{HOURS[0]}:30:00Z")
    served, none = total(files, HOURS[0]), total(files, HOURS[0], version=0)
    assert (served.rows, served.requests, served.statuses) == (1, 2, {"200": 1, "400": 1})
    assert (none.rows, none.statuses) == (0, {"503": 1})


def test_another_look_that_ended_first_keeps_what_it_wrote(
    summarize: ModuleType,
    objects: Objects,
    model: int,
    records: MonitoringRecords,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put(objects, map(capture, range(4)))
    swap = MonitoringRecords.swap_watch_state

    def disturbed(self: MonitoringRecords, state: WatchState, revision: int | None) -> bool:
        if state.hour:  # it is the look's last write
            monkeypatch.setattr(MonitoringRecords, "swap_watch_state", swap)
            put(objects, map(capture, range(4, 6)))
            look(summarize, f"{HOURS[1]}:30:00Z")
        return swap(self, state, revision)

    monkeypatch.setattr(MonitoringRecords, "swap_watch_state", disturbed)
    found = summarize.handler({"due": {"model": MODEL, "at": f"{HOURS[0]}:30:00Z"}}, None)
    assert (found["captures"], found["more"]) == (4, True)
    state = records.watch_state(MODEL)
    assert state is not None
    assert (state.hour, state.totals["1"].predictions) == (HOURS[1], 6)


# --- looks that break, and looks that meet ---------------------------------------------------------

AT, BY_HAND = f"{HOURS[2]}:30:00Z", f"{HOURS[2]}:40:00Z"


class Looks:
    """A model with new captures of three hours, a late one, two claims that broken looks have left, and an outcome."""

    def __init__(self, summarize: ModuleType, objects: Objects, records: MonitoringRecords, faults: Faults) -> None:
        self.faults, self._summarize, self._records = faults, summarize, records
        self._files = files = MonitoringFiles(ARTIFACTS, objects)
        put(objects, map(capture, range(3)))
        put(objects, map(capture, range(3, 5)), "claimed")
        put(objects, [capture(10, HOURS[1])], "claimed")
        look(summarize, f"{HOURS[0]}:10:00Z")
        for hour, number in ((HOURS[0], 1), (HOURS[1], 1)):
            put(objects, [capture(50 + number, hour, status=503, prediction=None)], "alone")
            earlier = files.claim_of(MODEL, HourPart(hour, 0)).files
            assert files.claim_part(MODEL, HourPart(hour, number), PartClaim(("alone",), earlier))
        put(objects, [capture(number, HOURS[0]) for number in (4, 5, 6)])
        put(objects, [capture(20, HOURS[2]), capture(21, HOURS[2], version=2), capture(20, HOURS[2], why="shadow")])
        put(objects, [capture(30, "2026-03-03T20")])
        files.put_ledger(MODEL, f"{HOURS[1]}:55:00Z", "a", [{"id": "p6", "actual": "Yes"}])
        self._account = Account()
        faults.reset()
        look(summarize, BY_HAND, force=True)
        asked = Counter(operation for operation, _ in faults.requests)
        # By the operation, and how often it was asked for before.
        self.requests = [(name, before) for name, times in asked.items() for before in range(times)]
        self.writes = [request for request in self.requests if WRITES.search(request[0])]

    def again(self) -> None:
        """Let everything be as before the look."""
        self.faults.reset()
        self._account.put_back()

    def breaks(self, times: int) -> None:
        """A look in which something has been planned to fail so many times; it may get over it."""
        try:
            look(self._summarize, BY_HAND, force=True)
        except StorageError:
            assert times > 1
        self.faults.reset()

    def totals(self) -> dict[str, Totals]:
        state = self._records.watch_state(MODEL)
        assert state is not None
        return state.totals

    def check_exact(self) -> None:
        """After a further look everything is in the totals once, and in the hours' counts, and nothing is open."""
        before = self.totals()
        look(self._summarize, f"{HOURS[2]}:50:00Z", force=True)
        state = self._records.watch_state(MODEL)
        assert state is not None
        one, two = state.totals["1"], state.totals["2"]
        assert (one.predictions, one.requests, one.errors, two.predictions) == (10, 12, 2, 1)
        assert (one.latency_total, two.latency_total) == (36.0, 3.0)
        parts = [part for found in self._files.parts(MODEL, "", "9999").values() for part in found]
        assert all(part.counted for part in parts)
        counted = [summary for _, found in self._files.summaries(MODEL, parts) for summary in found]
        assert totals.counted({}, counted) == state.totals
        assert state.begun == ()
        assert outcomes(self._files, HOURS[0]) == {("p6", False): "Yes"}
        assert all(total.requests <= state.totals[version].requests for version, total in before.items())


@pytest.fixture
def looks(summarize: ModuleType, objects: Objects, model: int, records: MonitoringRecords, faults: Faults) -> Looks:
    return Looks(summarize, objects, records, faults)


def test_totals_are_exact_wherever_a_look_breaks(looks: Looks) -> None:
    looks.check_exact()
    for operation, before in looks.writes:
        looks.again()
        looks.faults.throttle(operation, after=before)
        looks.breaks(times=10)
        looks.check_exact()


@pytest.mark.parametrize("times", [1, 10])
def test_totals_are_exact_whichever_answer_is_lost(looks: Looks, times: int) -> None:
    """Once, so that the request is made again, or until the look gives up."""
    for operation, before in looks.writes:
        looks.again()
        looks.faults.drop(operation, arrived=True, times=times, after=before)
        looks.breaks(times)
        looks.check_exact()


def test_totals_are_exact_whenever_another_look_comes(looks: Looks, summarize: ModuleType) -> None:
    """Before it writes, and before it reads what is there."""
    for operation, before in looks.requests:
        if operation == "s3.GetObject":  # of what does not change
            continue
        looks.again()
        looks.faults.meanwhile(operation, lambda: look(summarize, AT, force=True), after=before)
        looks.breaks(times=1)
        looks.check_exact()
