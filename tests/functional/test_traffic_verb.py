"""`tidemill traffic` over a registry's table."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace

import boto3
import pytest

from tidemill.aws import clients
from tidemill.aws.people import Person
from tidemill.aws.registry import Registry
from tidemill.aws.traffic_records import TrafficRecords
from tidemill.release_contracts import Share, Traffic
from tidemill_cli import main
from tidemill_cli.session import Session

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def records(table: str) -> TrafficRecords:
    return TrafficRecords(clients.dynamodb(), table)


@pytest.fixture
def tidemill(churn: int, registry: Registry, table: str, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs the command; model churn has three versions, the first is the champion."""
    for run in ("a" * 32, "b" * 32):
        registry.create_version(
            "churn", run, onnx_sha256="1", dataset_version="d", task="binary", metric="m", value=0.9, at="x", actor="x"
        )

    def run(*arguments: str) -> tuple[int, str, str]:
        session = Session()
        session.__dict__ |= {
            "stack": SimpleNamespace(outputs={"Table": table}, client=lambda service: boto3.client(service)),
            "person": Person("arn:aws:iam::000000000000:user/ada"),
        }
        code = main.run(arguments, session)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def rows(out: str) -> list[list[str]]:
    return [line.split() for line in out.splitlines()[1:] if line.startswith("version")]


def test_without_any_the_champion_gets_all_calls(tidemill: Command) -> None:
    code, out, _ = tidemill("traffic", "churn")
    assert (code, rows(out)) == (0, [["version", "1", "1", "the", "champion"]])


def test_callers_get_no_version_that_people_have_not_approved(tidemill: Command, registry: Registry) -> None:
    registry.put_approval("a" * 32, "churn", 2, "token", "2026-03-04T05:06:07Z")
    code, _, err = tidemill("traffic", "churn", "--split", "2=0.1")
    assert code == 1
    assert f"waits for people to approve it: `tidemill approve {'a' * 32}`" in err
    assert tidemill("traffic", "churn", "--shadow", "2=0.1")[0] == 0
    assert tidemill("traffic", "churn", "--split", "3=0.1")[0] == 0


def test_who_gives_no_reason_has_set_it_by_hand(tidemill: Command) -> None:
    _, _, err = tidemill("traffic", "churn", "--split", "2=10%")
    assert "(UTC): set by hand." in err


def test_shares_and_copies_are_set_and_shown(tidemill: Command, records: TrafficRecords) -> None:
    code, out, err = tidemill(
        "traffic", "churn", "--split", "2=10%", "--shadow", "3=0.5", "--experiment", "prices", "--reason", "try it"
    )
    assert code == 0, err
    assert rows(out) == [
        ["version", "1", "0.9", "the", "champion"],
        ["version", "2", "0.1"],
        ["version", "3", "0.5", "copies,", "answered", "to", "nobody"],
    ]
    assert "experiment prices" in out
    assert "user/ada at" in err
    stored = records.traffic("churn")
    assert stored is not None
    assert (stored.shares, stored.shadow_version, stored.reason) == ((Share(2, 0.1),), 3, "try it")


def test_clear_gives_the_champion_everything_again(tidemill: Command) -> None:
    tidemill("traffic", "churn", "--split", "2=0.1", "--split", "3=0.2")
    code, out, _ = tidemill("traffic", "churn", "--clear", "--json")
    document = json.loads(out)
    assert (code, document["champion"], document["traffic"]["shares"]) == (0, 1, [])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--split", "2"), "such as 2=0.1 or 2=10%"),
        (("--split", "2=much"), "such as 2=0.1 or 2=10%"),
        (("--split", "2=1.1"), "from 0 to 1"),
        (("--split", "2=nan"), "from 0 to 1"),
        (("--split", "2=0.1", "--split", "2=0.2"), "twice"),
        (("--shadow", "3=0.5", "--shadow", "2=0.5"), "--shadow is given twice"),
        (("--split", "2=0.6", "--split", "3=0.6"), "add up to at most 1"),
        (("--split", "7=0.1"), "has no version 7"),
        (("--split", "1=0.1"), "version 1 is the champion"),
        (("--reason", "x"), "--reason says why"),
    ],
)
def test_what_cannot_be_is_refused_with_the_way_out(tidemill: Command, arguments: tuple[str, ...], words: str) -> None:
    code, out, err = tidemill("traffic", "churn", *arguments)
    assert (code, out) == (1, "")
    assert words in err


def test_a_model_that_is_not_there(tidemill: Command) -> None:
    code, _, err = tidemill("traffic", "nosuch")
    assert code == 1
    assert "no model 'nosuch'" in err


def test_what_a_rollout_has_set_is_shown_and_stays(tidemill: Command, records: TrafficRecords) -> None:
    half = Traffic("churn", (Share(2, 0.5),), rollout="r1")
    records.set_traffic(half, None, "tidemill", "step 1", "2026-03-04T05:06:07Z", rollout="r1")
    assert "rollout r1 has set this" in tidemill("traffic", "churn")[2]
    code, _, err = tidemill("traffic", "churn", "--clear")
    assert code == 1
    assert "belongs to the rollout r1" in err
