"""What becomes of columns with personal data, and that no value is left of what is masked, dropped or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill import contracts
from tidemill.contracts import InputField, PersonalData, PersonalDataHandling, Signature
from tidemill.data import parquet
from tidemill.data.personal_data import token_sql, without_values
from tidemill.data.scoring_table import read_scoring_table
from tidemill.errors import DataRefused
from tidemill.serving.masking import token

KEY = b"k" * 32  # the one of the fixture
PEOPLE = 8


def address(i: int) -> str:
    return f"person{i % PEOPLE}@planted.example"


def people(rows: int = 120, **columns: Any) -> str:
    """A table of people with a target."""
    made = {"email": address, "age": lambda i: 20 + i % 37, **columns}
    made.setdefault("churn", lambda i: "yes" if i * 7 % 11 < 4 else "no")
    lines = [",".join(made), *(",".join(str(make(i)) for make in made.values()) for i in range(rows))]
    return "\n".join(lines) + "\n"


def everything(found: Any) -> bytes:
    """All that validation leaves."""
    outcome = found.outcome
    documents = (outcome.checks, outcome.profile, outcome.contract, outcome.suggested)
    stored = b"".join(map(contracts.dumps, documents))
    if found.table.exists():
        with duckdb.connect() as connection:
            stored += repr(connection.execute(f"SELECT * FROM '{found.table}'").fetchall()).encode()
    return stored


def test_by_default_it_is_said_and_used(validate: Any) -> None:
    found = validate(people(), {"target": "churn"})
    check = found.check("personal_data")
    assert (check.verdict, check.column) == ("warn", "email")
    assert "e-mail addresses (100% of its values)" in check.detail
    assert "planted" not in check.detail
    assert found.column("email").personal_data == PersonalData("email", 1.0, "warn")
    assert found.roles["email"] == "feature"
    assert b"planted" in everything(found)


def test_masked_values_are_tokens_everywhere(validate: Any) -> None:
    found = validate(people(), {"target": "churn", "personal_data": {"policy": "mask"}})
    assert b"planted" not in everything(found)
    column = found.column("email")
    assert (column.type, column.role, column.distinct) == ("category", "feature", PEOPLE)
    assert column.personal_data == PersonalData("email", 1.0, "mask")
    stored = parquet.load_columns(found.table, ["email"], {"email": "category"})["email"]
    assert list(stored[:3]) == [token(KEY, "email", address(i)) for i in range(3)]
    assert found.check("personal_data").verdict == "pass"


def test_of_a_dropped_column_nothing_is_kept(validate: Any) -> None:
    found = validate(people(), {"target": "churn", "personal_data": {"policy": "drop"}})
    assert b"planted" not in everything(found)
    column = found.column("email")
    assert (column.type, column.role, column.missing) == ("empty", "ignored", 120)
    assert "personal data" in column.note
    assert not [check for check in found.checks("empty_column") if check.column]


def test_a_refusal_names_columns_and_kinds(validate: Any) -> None:
    found = validate(
        people(ip=lambda i: f"10.99.77.{i % 9}"), {"target": "churn", "personal_data": {"policy": "refuse"}}
    )
    with pytest.raises(DataRefused, match=r"'email' \(e-mail addresses\), 'ip' \(IP addresses\) hold personal data"):
        found.outcome.accepted_or_refused()
    assert b"planted" not in everything(found)
    assert b"10.99.77" not in everything(found)


def test_no_policy_of_the_checks_lifts_a_refusal_or_refuses_what_is_masked(validate: Any) -> None:
    spec = {"target": "churn", "checks": {"policy": {"personal_data": "pass"}}}
    assert validate(people(), spec | {"personal_data": {"policy": "refuse"}}).outcome.accepted is None
    spec = {"target": "churn", "checks": {"policy": {"personal_data": "refuse"}}}
    assert validate(people(), spec | {"personal_data": {"policy": "mask"}}).outcome.accepted is not None
    assert validate(people(), spec).outcome.accepted is None


def test_a_column_may_have_a_policy_of_its_own(validate: Any) -> None:
    table = people(name=lambda i: f"Planted Name{i % 7}", phone=lambda i: f"+49 30 90182{i % 10}")
    columns = {"email": "pass", "name": "mask", "phone": "drop"}
    found = validate(table, {"target": "churn", "personal_data": {"policy": "refuse", "columns": columns}})
    assert found.column("email").personal_data is None
    assert found.column("name").personal_data == PersonalData("other", 0.0, "mask")
    assert found.column("phone").type == "empty"
    assert b"Planted Name" not in everything(found)
    assert b"90182" not in everything(found)


def test_cells_are_quoted_by_no_finding_of_a_masked_column(validate: Any) -> None:
    odd = people(salary=lambda i: "Planted Text" if i == 7 else 1000 + i, when=lambda i: "03/04/2026")
    quoted = validate(odd, {"target": "churn", "columns": {"salary": "number"}})
    assert b"Planted Text" in contracts.dumps(quoted.outcome.checks)
    masked = {"target": "churn", "personal_data": {"columns": {"salary": "mask", "when": "drop"}}}
    for spec in (masked, masked | {"columns": {"salary": "number"}}):
        found = validate(odd, spec)
        assert b"Planted Text" not in everything(found)
        assert b"03/04/2026" not in everything(found)
        assert found.outcome.accepted is not None


@pytest.mark.parametrize("action", ["mask", "drop"])
def test_what_was_known_in_clear_before_is_not_said_again(validate: Any, action: str) -> None:
    before = validate(people(town=lambda i: f"Plantedtown{i % 3}"), {"target": "churn"})
    assert b"Plantedtown" in contracts.dumps(before.outcome.suggested)
    found = validate(
        people(town=lambda i: "Elsewhere"[: 3 + i % 4]),
        {"target": "churn", "personal_data": {"columns": {"town": action}}},
        previous=before.profile,
        suggested=before.outcome.suggested,
    )
    assert b"Plantedtown" not in everything(found)
    assert b"Elsewhere" not in everything(found)
    assert not [check for check in found.outcome.checks if check.column == "town" and check.verdict != "pass"]


def test_a_file_without_a_header_gives_no_value_away_as_a_name(validate: Any) -> None:
    rows = [f"person{i}@planted.example,{i % 7},{'ab'[i % 2]}" for i in range(100)]
    table = "\n".join(rows) + "\n"
    found = validate(table, {"reading": {"header": "yes"}, "personal_data": {"policy": "mask"}})
    assert "holds personal data: put a row with names above it" in found.check("readable").detail
    assert b"planted" not in everything(found)


def test_sentences_quote_no_value() -> None:
    sentence = "the header has the column 'ann@planted.example' 2 times and 'age' once: rename one"
    assert without_values(sentence) == "the header has the column '...' 2 times and 'age' once: rename one"


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        ({"target": "email"}, "the target"),
        ({"target": "churn", "time_column": "email"}, "the time_column of the spec"),
        ({"target": "churn", "feature_sets": {"crm": {"key": "email"}}}, "by which the feature set 'crm' is joined"),
    ],
)
@pytest.mark.parametrize("action", ["mask", "drop"])
def test_a_use_that_needs_the_values_is_refused(validate: Any, spec: dict[str, Any], what: str, action: str) -> None:
    found = validate(people(), spec | {"personal_data": {"policy": action}})
    details = [check.detail for check in found.checks("personal_data") if check.verdict == "refuse"]
    assert any(what in detail for detail in details)
    assert found.outcome.accepted is None
    assert b"planted" not in everything(found)


def test_a_misspelt_column_is_not_left_in_clear(validate: Any) -> None:
    spec = {"target": "churn", "personal_data": {"policy": "drop", "columns": {"emial": "mask", "gone": "mask"}}}
    (check,) = (check for check in validate(people(), spec).checks("spec_names"))
    assert check.verdict == "refuse"
    assert "no column 'emial', which personal_data.columns of the spec names: did you mean 'email'?" in check.detail


def test_masked_groups_stay_together(validate: Any) -> None:
    found = validate(people(), {"target": "churn", "group_column": "email", "personal_data": {"policy": "mask"}})
    assert found.outcome.accepted is not None
    assert found.roles["email"] == "group"


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30), st.text())
def test_the_database_makes_the_tokens_that_serving_makes(text: str, column: str) -> None:
    column = column.encode(errors="replace").decode()
    with duckdb.connect() as connection:
        for cell in (text, "12.0", "-7.00", token(KEY, "c", "a")):
            (made,) = connection.execute(
                f"SELECT {token_sql(KEY, column, 'c')} FROM (SELECT ? AS c)", [cell]
            ).fetchone()
            assert made == token(KEY, column, cell)


# --- tables to score ---------------------------------------------------------------------------

MODEL = Signature(
    "m",
    "regression",
    "y",
    (InputField("email", "category", masked=True), InputField("age", "integer")),
    personal_data=PersonalDataHandling("mask", {"email": "mask", "name": "drop", "note": "pass"}),
)


def scored(table: str, signature: Signature, tmp_path: Path) -> Any:
    """The first batch of a table."""
    upload, work = tmp_path / "upload", tmp_path / "work"
    upload.write_text(table)
    work.mkdir()
    with read_scoring_table(upload, "t.csv", signature, work, 10**6, lambda: KEY) as read:
        return next(read.batches(100))


def test_a_table_to_score_is_masked_as_training_was(tmp_path: Path) -> None:
    table = (
        "id,email,name,note,phone,age\n1,a@planted.example,Planted,n@kept.example,+49 30 901820,7\n"
        "2, b@planted.example ,Planted,n,+49 30 901821,\n3,NA,Planted,n,+49 30 901822,9\n"
    )
    optional = contracts.from_json(
        Signature,
        contracts.to_json(MODEL)
        | {
            "inputs": [
                {"name": "email", "type": "category", "masked": True, "required": False},
                {"name": "age", "type": "integer", "required": False},
            ]
        },
    )
    batch = scored(table, optional, tmp_path)
    tokens = [token(KEY, "email", f"{who}@planted.example") for who in "ab"]
    assert batch.raw["email"].tolist() == [*tokens, None]
    assert list(batch.original) == ["id", "email", "note", "phone", "age"]
    assert batch.original["email"].tolist() == [*tokens, ""]
    assert batch.original["note"].tolist() == ["n@kept.example", "n", "n"]
    assert batch.original["phone"].tolist()[0] == token(KEY, "phone", "+49 30 901820")
    assert "planted" not in repr(batch).lower()


def test_a_table_to_score_is_refused_as_training_would_be(tmp_path: Path) -> None:
    strict = Signature(
        "m", "regression", "y", (InputField("age", "integer"),), personal_data=PersonalDataHandling("refuse")
    )
    with pytest.raises(DataRefused, match=r"'mail' \(e-mail addresses\) holds personal data") as caught:
        scored("mail,age\na@planted.example,7\n", strict, tmp_path)
    assert "planted" not in str(caught.value)


def test_errors_of_a_table_to_score_quote_no_personal_data(tmp_path: Path) -> None:
    with pytest.raises(DataRefused, match=r"'email' has no value in row 2") as caught:
        scored("email,age\na@planted.example,7\n,8\n", MODEL, tmp_path)
    assert "planted" not in str(caught.value)
