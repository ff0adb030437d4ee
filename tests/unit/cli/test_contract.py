"""`tidemill contract`: what the next upload is held to, readable and as JSON."""

import json

import pytest

from tidemill import contracts, keys
from tidemill.contracts import ColumnConstraints, DataContract

CONTRACT = DataContract(
    "a" * 32,
    "0f1e2d3c4b5a6978",
    7043,
    (
        ColumnConstraints("customerID", "category", 1.0, unique=True, reasons={"unique": "it names the rows"}),
        ColumnConstraints("tenure", "number", 0.93, minimum=0.0, reasons={"minimum": "no value was negative"}),
        ColumnConstraints("plan", "category", 1.0, values=tuple("abcdefgh"), coverage=0.995),
        ColumnConstraints("remark", optional=True, reasons={"optional": "no row had a value in it"}),
    ),
)


@pytest.fixture
def project(world):
    world.objects.put("tidemill-artifacts", keys.data_contract("churn"), contracts.dumps(CONTRACT))
    return world


def rows(out):
    return [" ".join(line.split()) for line in out.splitlines()[3:]]


def test_every_column_is_shown_with_what_is_asked_of_it(project):
    code, out, _ = project.tidemill("contract", "churn")
    assert code == 0
    assert "churn asks for 4 columns, suggested by dataset version 0f1e2d3c4b5a6978 of 7,043 rows." in out
    assert rows(out) == [
        "customerID category every row any unique",
        "tenure number 93% of rows at least 0",
        "plan category every row a, b, c, d, e, f and 2 more in at least 99.5% of rows",
        "remark any any share any may be missing",
    ]


def test_the_spec_replaces_what_was_suggested(project):
    declared = {"contract": {"columns": {"tenure": {"maximum": 72, "completeness": 1}, "region": {"type": "text"}}}}
    project.objects.put("tidemill-artifacts", keys.project_spec("churn"), json.dumps(declared).encode())
    code, out, _ = project.tidemill("contract", "churn")
    assert code == 0
    assert "; the spec changes tenure, region." in out
    assert "tenure number every row 0 to 72" in rows(out)
    assert rows(out)[-1] == "region text any share any"


def test_why_gives_the_reasons(project):
    code, out, _ = project.tidemill("contract", "churn", "--why")
    assert code == 0
    assert "no value was negative" in out
    assert "nothing  is asked of it" in out


def test_json_is_the_contract(project):
    code, out, _ = project.tidemill("contract", "churn", "--json")
    assert code == 0
    assert contracts.from_json(DataContract, json.loads(out)) == CONTRACT


def test_a_project_without_one_is_told_how_it_comes(world):
    code, _, err = world.tidemill("contract", "churn")
    assert code == 1
    assert "its first accepted upload makes one" in err
    declared = {"contract": {"columns": {"tenure": {"maximum": 72}}}}
    world.objects.put("tidemill-artifacts", keys.project_spec("churn"), json.dumps(declared).encode())
    code, out, _ = world.tidemill("contract", "churn")
    assert code == 0
    assert "as the spec declares them" in out
