"""Tables of retrainings: what of the old rows stays, and what predictions are written as."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tidemill import spec as specs
from tidemill.data import validation
from tidemill.data.retraining_table import compose, usable
from tidemill.data.validation import Outcome

LARGE = 10**8


@dataclass(frozen=True)
class Accepted:
    """A table that was accepted."""

    table: Path
    outcome: Outcome


def validated(data: bytes, name: str, work: Path, previous: Outcome | None = None, **spec: Any) -> Accepted:
    work.mkdir()
    outcome = validation.validate(
        fetch=lambda path: path.write_bytes(data),  # type: ignore[arg-type,return-value]
        size=len(data),
        name=name,
        spec=specs.parse(spec),
        previous=previous.profile if previous else None,
        work=work,
        max_bytes=LARGE,
        suggested=previous.suggested if previous else None,
        run_id="r" * 32,
        mask_key=lambda: b"key",
    )
    assert outcome.accepted is not None, outcome.checks
    return Accepted(work / validation.TABLE, outcome)


def csv(rows: int = 120) -> bytes:
    lines = [
        f"K{i:04d},{1000 + i},2025-{1 + i % 12:02d}-{1 + i % 28:02d},{'abc'[i % 3]},{['true', 'false'][i % 2]},"
        f"{20 + i % 7 + 0.5},{i % 13},main,{['No', 'Yes'][i % 5 == 0]}"
        for i in range(rows)
    ]
    return "\n".join(["customerID,nr,signup,plan,active,spend,tenure,site,Churn", *lines]).encode()


def row(number: int, actual: Any = "Yes", **inputs: Any) -> dict[str, Any]:
    told = {"signup": "2026-01-05", "plan": "a", "active": True, "spend": 31, "tenure": 4}
    return {"id": f"p{number}", "at": f"2026-03-04T05:06:{number:02d}Z", "inputs": told | inputs, "actual": actual}


@pytest.fixture
def accepted(tmp_path: Path) -> Accepted:
    return validated(csv(), "t.csv", tmp_path / "first", target="Churn")


@pytest.fixture
def composed(accepted: Accepted, tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    """Rows of a composed table."""

    def make(
        rows: list[dict[str, Any]], old: bool = True, share: float | None = None, seed: int = 0
    ) -> list[dict[str, Any]]:
        work = tmp_path / f"work{len(list(tmp_path.iterdir()))}"
        work.mkdir()
        assert accepted.outcome.profile is not None
        made = compose(accepted.table, accepted.outcome.profile, rows, old, share, seed, work)
        found = duckdb.sql(f"SELECT * FROM '{made.path}'")
        table = [dict(zip(found.columns, values, strict=True)) for values in found.fetchall()]
        assert len(table) == made.rows_old + made.rows_new
        return table

    return make


def test_new_rows_come_after_all_old_ones_written_as_those_are(composed: Callable[..., Any]) -> None:
    table = composed([row(1), row(2, actual="No", plan="b", active="no", spend=None)])
    assert len(table) == 122
    assert table[0]["customerID"] == "K0000"
    assert table[120] == {
        "customerID": "p1",
        "nr": 1120,
        "signup": "2026-01-05",
        "plan": "a",
        "active": "true",
        "spend": 31.0,
        "tenure": 4,
        "site": "main",
        "Churn": "Yes",
    }
    assert (table[121]["active"], table[121]["spend"], table[121]["plan"]) == ("false", None, "b")


def test_what_a_prediction_cannot_have_is_missing(composed: Callable[..., Any]) -> None:
    odd = row(1, spend="?", tenure=True, signup="last week", active="perhaps", plan=None, surprise=3)
    table = composed([odd, row(2, spend="12.5", tenure="7", plan=3.0, signup="2026-01-05T00:00:00+02:00")])
    first, second = table[-2:]
    assert {name: first[name] for name in ("spend", "tenure", "signup", "active", "plan")} == dict.fromkeys(
        ("spend", "tenure", "signup", "active", "plan")
    )
    assert (second["spend"], second["tenure"], second["plan"]) == (12.5, 7, "3")


def test_a_time_of_day_and_a_fraction_widen_the_column_that_had_none(composed: Callable[..., Any]) -> None:
    table = composed([row(1, signup="2026-01-05T06:00:00Z", tenure=4.5)])
    assert (table[-1]["signup"], table[-1]["tenure"]) == ("2026-01-05T06:00:00", 4.5)
    assert (table[0]["signup"], table[0]["tenure"]) == ("2025-01-01T00:00:00", 0.0)


def test_old_rows_are_left_out_until_the_new_ones_have_their_share(composed: Callable[..., Any]) -> None:
    new = [row(number) for number in range(30)]
    table = composed(new, share=0.4)
    assert len(table) == 75
    kept = [one["customerID"] for one in table[:45]]
    assert kept == sorted(kept)
    assert kept == [one["customerID"] for one in composed(new, share=0.4)[:45]]
    assert kept != [one["customerID"] for one in composed(new, share=0.4, seed=1)[:45]]
    # With fewer new rows other ones leave, and none comes back.
    fewer = [one["customerID"] for one in composed(new[:20], share=0.4)[:30]]
    assert set(fewer) < set(kept)
    assert len(composed(new, share=0.01)) == 150


def test_a_window_has_new_rows_only(composed: Callable[..., Any]) -> None:
    table = composed([row(number) for number in range(3)], old=False)
    assert [one["customerID"] for one in table] == ["p0", "p1", "p2"]
    assert {one["site"] for one in table} == {"main"}


def test_an_outcome_must_be_a_known_class_or_a_number() -> None:
    rows = [row(1, actual="Yes"), row(2, actual="Yess"), row(3, actual=None), row(4, actual=1.0)]
    assert [one["id"] for one in usable(rows, ("No", "Yes"))] == ["p1"]
    assert [one["id"] for one in usable(rows, ("0", "1"))] == ["p4"]
    assert [one["id"] for one in usable([*rows, row(5, actual="2.5")], ())] == ["p4", "p5"]


def test_the_table_is_accepted_with_the_types_and_roles_of_the_one_before(accepted: Accepted, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    assert accepted.outcome.profile is not None
    rows = [row(number, actual=["No", "Yes"][number % 2], tenure=number % 5) for number in range(40)]
    made = compose(accepted.table, accepted.outcome.profile, rows, True, None, 0, work)
    again = validated(
        made.path.read_bytes(), "retraining-0.parquet", tmp_path / "second", accepted.outcome, target="Churn"
    )
    assert again.outcome.profile is not None
    before = [(column.name, column.type, column.role) for column in accepted.outcome.profile.columns]
    assert [(column.name, column.type, column.role) for column in again.outcome.profile.columns] == before
    contract = [
        check for check in again.outcome.checks if check.name.startswith("contract") and check.verdict != "pass"
    ]
    assert contract == []


def test_tokens_of_masked_columns_stay_tokens(tmp_path: Path) -> None:
    lines = ["mail,spend,Churn"] + [f"a{i}@example.com,{i % 9},{['No', 'Yes'][i % 3 == 0]}" for i in range(90)]
    data = "\n".join(lines).encode()
    options = {"target": "Churn", "personal_data": {"policy": "mask"}}
    accepted = validated(data, "t.csv", tmp_path / "first", **options)
    assert accepted.outcome.profile is not None
    token = "masked:0123456789abcdef"
    (tmp_path / "work").mkdir()
    rows = [{"id": "p", "at": "2026-03-04T05:06:07Z", "inputs": {"mail": token, "spend": 3}, "actual": "No"}]
    made = compose(accepted.table, accepted.outcome.profile, rows, True, None, 0, tmp_path / "work")
    again = validated(made.path.read_bytes(), "t.parquet", tmp_path / "second", accepted.outcome, **options)
    texts = [value for (value,) in duckdb.sql(f"SELECT mail FROM '{again.table}'").fetchall()]
    assert texts[-1] == token
    assert texts[:-1] == [value for (value,) in duckdb.sql(f"SELECT mail FROM '{accepted.table}'").fetchall()]
