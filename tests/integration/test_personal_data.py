"""Planted personal data, from the upload to the prediction: looked for in everything that the stack keeps or says."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
import urllib3

from tidemill import contracts, keys
from tidemill.aws.objects import Objects
from tidemill.contracts import RunDocument
from tidemill_cli.stack import Stack

pytestmark = pytest.mark.integration

PATIENCE_SECONDS = 240
ROWS = 240
#: Few enough to be learned from.
PEOPLE = 12
#: Numbers of one bank, with the check digits that they ask for.
CARDS = (
    *("4929718201637458", "4929718201637466", "4929718201637474", "4929718201637482", "4929718201637490"),
    *("4929718201637508", "4929718201637516", "4929718201637524", "4929718201637532", "4929718201637540"),
    *("4929718201637557", "4929718201637565"),
)


def iban(i: int) -> str:
    """A German account number with its check digits."""
    account = f"37040044{7719250000 + i:010d}"
    return f"DE{98 - int(f'{account}131400') % 97:02d}{account}"


#: Column -> a person's value. `nick` is recognised by nothing, `note` is dropped.
PLANTED: dict[str, Callable[[int], str]] = {
    "email": lambda i: f"vera.q{i}@plantedmail.example",
    "phone": lambda i: f"+49 30 77192{i:02d}1",
    "card": lambda i: CARDS[i],
    "iban": iban,
    "ssn": lambda i: f"536-47-{7100 + i}",
    "ip": lambda i: f"203.0.113.{110 + i}",
    "birth_date": lambda i: f"19{41 + i}-07-19",
    "street_address": lambda i: f"{771 + i} Planted {('Street', 'Lane')[i % 2]}",
    "nick": lambda i: f"Plantednick{i}",
    "note": lambda i: f"Plantednote{i}",
}
NEW = PEOPLE + 7  #: a person that training has not seen; has no card
KINDS = {
    **{"email": "email", "phone": "phone", "card": "payment_card", "iban": "bank_account", "ssn": "national_id"},
    **{"ip": "ip_address", "birth_date": "date_of_birth", "street_address": "postal_address"},
}
SPEC = {"target": "bought", "candidates": ["baseline", "linear"], "folds": 2, "seed": 1}
MASK = {"policy": "mask", "columns": {"nick": "mask", "note": "drop"}}


def person(i: int) -> dict[str, str]:
    return {name: make(i) for name, make in PLANTED.items() if name != "card" or i < PEOPLE}


def needles(column: str) -> set[bytes]:
    """What to look for of a column: its values, and other forms that they may take on the way."""
    values = {PLANTED[column](i) for i in (*range(PEOPLE), *([NEW] if column != "card" else []))}
    if column == "birth_date":
        days = {datetime.fromisoformat(value).replace(tzinfo=UTC).timestamp() for value in values}
        values |= {repr(day) for day in days if abs(day) > 1e8}
    escaped = {json.dumps(value)[1:-1] for value in values}
    return {value.encode() for value in values | escaped}


def table(target: bool, extra: dict[str, str] | None = None) -> bytes:
    """Rows of the planted people; who bought follows from person and visits."""
    text = io.StringIO(newline="")
    rows = [
        {
            "row_id": str(1000 + row * 7 % ROWS),
            **person(row * 5 % PEOPLE),
            "visits": str(row % 17),
            **({"bought": "yes" if row % 17 > (3 if row * 5 % PEOPLE < 6 else 12) else "no"} if target else {}),
            **(extra or {}),
        }
        for row in range(ROWS)
    ]
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def until(found: Callable[[], Any], what: str) -> Any:
    """What `found` gives as soon as it is true."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        if value := found():
            return value
        time.sleep(0.3)
    raise AssertionError(f"{what} did not appear in {PATIENCE_SECONDS} s")


@dataclass
class World:
    """The stack, and every answer that it has given over HTTP."""

    stack: Stack
    objects: Objects
    state: Path
    answers: list[bytes] = field(default_factory=list)

    @property
    def data(self) -> str:
        return self.stack.outputs["DataBucket"]

    @property
    def artifacts(self) -> str:
        return self.stack.outputs["ArtifactBucket"]

    def train(self, project: str, personal_data: dict[str, Any], body: bytes) -> RunDocument:
        """Upload a table and wait for the end of its run."""
        declared = json.dumps(SPEC | {"personal_data": personal_data}).encode()
        self.objects.put(self.artifacts, keys.project_spec(project), declared)
        key = keys.incoming(project, "people.csv")
        put = self.stack.client("s3").put_object(Bucket=self.data, Key=key, Body=body)
        run = keys.run_id(self.data, key, put["VersionId"], put["ETag"])
        until(lambda: self.objects.exists(self.artifacts, keys.run_report(run)), f"the report of {project}")
        return contracts.loads(RunDocument, self.objects.get(self.artifacts, keys.run_document(run)))

    def ask(self, path: str, body: Any = None) -> tuple[int, bytes]:
        key = self.stack.client("apigateway").get_api_key(apiKey=self.stack.outputs["ApiKeyId"], includeValue=True)
        sent = None if body is None else json.dumps(body).encode()
        method = "GET" if body is None else "POST"
        answer = urllib3.request(
            method, self.stack.outputs["ApiUrl"] + path, body=sent, headers={"x-api-key": key["value"]}
        )
        self.answers.append(answer.data + repr(dict(answer.headers)).encode())
        return answer.status, answer.data

    def use(self, project: str) -> None:
        """Ask for predictions, good and refused ones, and score files."""
        left_out = {"note"} if project == "masked-people" else set()
        row: dict[str, Any] = {name: value for name, value in person(3).items() if name not in left_out}
        row |= {"visits": 4, "card": int(CARDS[3])}
        other = row | {name: value for name, value in person(NEW).items() if name not in left_out}
        predict = f"/v1/models/{project}:predict"
        before = len(self.captured(project))
        for path, body in (
            (predict, {"instances": [row]}),
            (predict, {"inputs": {name: [value] for name, value in row.items()}}),
            (predict, {"instances": [other]}),
            (f"/explain/{project}", {"instances": [row]}),
        ):
            status, answer = self.ask(path, body)
            assert status == 200, answer
        for bad in (
            {"instances": [row | {"visits": "many"}]},
            {"instances": [row | {"email": [row["email"]]}]},
            {"instances": [row | {"e_mail": row["email"]}]},
            {"instances": [list(row.values())[:-1]]},
            {"inputs": {"email": row["email"]}},
        ):
            assert self.ask(predict, bad)[0] == 400
        self.ask(f"/v1/models/{project}/metadata")
        until(lambda: len(self.captured(project)) >= before + 3, "the captures")
        self.objects.put(self.data, keys.to_score(project, "good.csv"), table(target=False))
        until(lambda: self.objects.exists(self.data, keys.scored(project, "good.csv")), "the scored table")
        self.objects.put(self.data, keys.to_score(project, "bad.csv"), table(target=False, extra={"visits": "many"}))
        reason = keys.quarantine_reason(project, "bad.csv")
        until(lambda: self.objects.exists(self.data, reason), "the reason")

    def captured(self, project: str) -> list[bytes]:
        heads = self.objects.list(self.artifacts, f"captures/{project}/")
        files = [gzip.decompress(self.objects.get(self.artifacts, head.key)) for head in heads]
        return [line for file in files for line in file.splitlines()]

    def kept(self, *projects: str) -> Iterator[tuple[str, bytes]]:
        """All that the stack keeps and says, with the place; uploads themselves apart."""
        yield from self._objects(self.artifacts, "")
        for project in projects:
            yield from self._objects(self.data, f"scored/{project}/")
            for head in self.objects.list(self.data, f"quarantine/{project}/"):
                if head.key.endswith(".reason.json"):
                    yield head.key, self.objects.get(self.data, head.key)
        yield from self._tables()
        yield from self._queues()
        yield from self._executions()
        yield from self._logs()
        yield from (("an HTTP answer", answer) for answer in self.answers)

    def _objects(self, bucket: str, prefix: str) -> Iterator[tuple[str, bytes]]:
        s3 = self.stack.client("s3")
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
            for item in page.get("Versions", []):
                body = s3.get_object(Bucket=bucket, Key=item["Key"], VersionId=item["VersionId"])["Body"].read()
                yield item["Key"], plain(item["Key"], body)

    def _tables(self) -> Iterator[tuple[str, bytes]]:
        dynamodb = self.stack.client("dynamodb")
        for name in dynamodb.list_tables()["TableNames"]:
            for page in dynamodb.get_paginator("scan").paginate(TableName=name):
                yield f"the table {name}", repr(page["Items"]).encode()

    def _queues(self) -> Iterator[tuple[str, bytes]]:
        sqs = self.stack.client("sqs")
        for url in sqs.list_queues().get("QueueUrls", []):
            answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)
            yield f"the queue {url}", repr(answer.get("Messages", [])).encode()

    def _executions(self) -> Iterator[tuple[str, bytes]]:
        states = self.stack.client("stepfunctions")
        for machine in states.list_state_machines()["stateMachines"]:
            for execution in states.list_executions(stateMachineArn=machine["stateMachineArn"])["executions"]:
                pages = states.get_paginator("get_execution_history").paginate(executionArn=execution["executionArn"])
                for page in pages:
                    yield execution["name"], repr(page["events"]).encode()

    def _logs(self) -> Iterator[tuple[str, bytes]]:
        logs = self.stack.client("logs")
        groups = [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]]
        assert any(name.endswith("-predict") for name in groups)
        for name in groups:
            for page in logs.get_paginator("filter_log_events").paginate(logGroupName=name):
                yield f"the log {name}", "\n".join(event["message"] for event in page["events"]).encode()
        for path in self.state.rglob("*.log"):
            yield str(path), path.read_bytes()


def plain(key: str, body: bytes) -> bytes:
    """An object's bytes, unpacked, with text of any width as ASCII."""
    if key.endswith(".gz"):
        body = gzip.decompress(body)
    elif key.endswith((".npz", ".xlsx")):
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            body = b"".join(archive.read(name) for name in archive.namelist())
    elif key.endswith(".parquet"):
        with tempfile.NamedTemporaryFile(suffix=".parquet") as file, duckdb.connect() as connection:
            file.write(body)
            file.flush()
            body = repr(connection.execute(f"SELECT * FROM '{file.name}'").fetchall()).encode()
    return body + body.replace(b"\0", b"")


def places(world: World, column: str, *projects: str) -> set[str]:
    """Where a value of a column is found."""
    wanted = needles(column)
    return {place for place, text in world.kept(*projects) if any(value in text for value in wanted)}


@pytest.fixture(scope="module")
def world(stack: Stack, stack_state: Path) -> World:
    return World(stack, Objects(stack.client("s3")), stack_state)


def test_what_is_masked_is_nowhere_in_clear_and_what_is_not_is_found(world: World) -> None:
    run = world.train("masked-people", MASK, table(target=True))
    assert run.status == "LIVE", run.reason
    found = {c["name"]: c["personal_data"]["kind"] for c in profile(world, run)["columns"] if c["personal_data"]}
    assert found == KINDS | {"nick": "other", "note": "other"}
    signature = json.loads(world.objects.get(world.artifacts, keys.model("masked-people", 1, "signature.json")))
    assert {field["name"] for field in signature["inputs"] if field["masked"]} == {*KINDS, "nick"}
    world.use("masked-people")
    refused = world.train("refused-people", MASK | {"policy": "refuse"}, table(target=True))
    assert refused.status == "REFUSED_DATA"
    assert "'email' (e-mail addresses)" in refused.reason
    broken = table(target=True).replace(b"bought", b"nick2", 1) + b"too,few\n"
    assert world.train("broken-people", MASK, broken).status == "REFUSED_DATA"
    left = {column: places(world, column, "masked-people", "refused-people", "broken-people") for column in PLANTED}
    assert left == {column: set() for column in PLANTED}

    # The same search finds every column where nothing is masked: it can fail.
    run = world.train("plain-people", {"policy": "warn"}, table(target=True))
    assert run.status == "LIVE", run.reason
    world.use("plain-people")
    found_in = {column: places(world, column, "plain-people") for column in PLANTED}
    assert all(found_in.values()), found_in
    everywhere = " ".join(sorted(set().union(*found_in.values())))
    for part in ("profile.json", "data.parquet", "train.npz", "captures/", "plan/slices", "scored/", "an HTTP answer"):
        assert part in everywhere, part


def profile(world: World, run: RunDocument) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(world.objects.get(world.artifacts, keys.run_profile(run.run_id)))
    return document
