"""The data contract: what a table suggests, what later ones are held to, and what the spec changes."""

from __future__ import annotations

from typing import Any

import pytest

from tidemill import contracts
from tidemill.contracts import ColumnConstraints, DataContract

N = 400
SPEC = {"target": "churn"}


def table(rows: int = N, **columns: Any) -> str:
    made = {
        "customer_id": lambda i: f"C{i:05d}",
        "tenure": lambda i: i * 7 % 61,
        "balance": lambda i: (i * 31 % 97) - 40.5,
        "plan": lambda i: "abc"[i % 3],
        "note": lambda i: "" if i % 5 == 0 else "pqrs"[i * 3 % 4],
        "joined": lambda i: f"2024-{1 + i * 5 % 12:02d}-{1 + i * 11 % 28:02d}",
        "active": lambda i: ["true", "false"][i * i % 3 % 2],
        "churn": lambda i: "yes" if i * 7 % 11 < 4 else "no",
        **columns,
    }
    kept = {name: make for name, make in made.items() if make is not None}
    return ",".join(kept) + "\n" + "".join(",".join(str(make(i)) for make in kept.values()) + "\n" for i in range(rows))


@pytest.fixture(scope="module")
def first(validate: Any) -> Any:
    return validate(table(), SPEC)


@pytest.fixture(scope="module")
def later(validate: Any, first: Any) -> Any:
    """Validates a table of the project whose first one is `table()`; gives the findings by check."""

    def validating(spec: dict[str, Any] | None = None, text: str | None = None, **columns: Any) -> Any:
        return validate(
            text or table(**columns), SPEC | (spec or {}), previous=first.profile, suggested=first.outcome.suggested
        )

    return validating


def constraints(found: Any) -> dict[str, ColumnConstraints]:
    assert found.outcome.suggested is not None
    return {column.name: column for column in found.outcome.suggested.columns}


def breaches(found: Any) -> dict[str, list[tuple[str | None, str]]]:
    """Column and verdict of what a later table does not hold, by check."""
    names: dict[str, list[tuple[str | None, str]]] = {}
    for check in found.outcome.checks:
        if check.name.startswith("contract_") and check.verdict != "pass":
            names.setdefault(check.name, []).append((check.column, check.verdict))
    return names


# --- suggestion --------------------------------------------------------------------------------


def test_a_first_table_suggests_types_completeness_domains_ranges_and_uniqueness(first: Any) -> None:
    made = constraints(first)
    assert {name: column.type for name, column in made.items()} == {
        "customer_id": "category",
        "tenure": "number",
        "balance": "number",
        "plan": "category",
        "note": "category",
        "joined": "date",
        "active": "boolean",
        "churn": "category",
    }
    assert made["plan"].completeness == 1.0
    assert made["note"].completeness == 0.73  # 80% of 400, three standard errors lower
    assert made["plan"].values == ("a", "b", "c")
    assert made["customer_id"].values is None
    assert (made["tenure"].minimum, made["balance"].minimum) == (0.0, None)
    assert [name for name, column in made.items() if column.unique] == ["customer_id"]
    assert not any(column.maximum is not None or column.optional for column in made.values())


def test_every_constraint_has_a_reason(first: Any) -> None:
    for column in constraints(first).values():
        asked = {"type", "completeness"}
        asked |= {name for name in ("values", "minimum") if getattr(column, name) is not None}
        asked |= {"unique"} if column.unique else set()
        assert set(column.reasons) == asked
    assert constraints(first)["tenure"].reasons["type"] == "all 400 present values were numbers, all of them whole"


def test_the_contract_is_readable_json(first: Any) -> None:
    text = contracts.dumps(first.outcome.suggested)
    assert contracts.loads(DataContract, text) == first.outcome.suggested
    assert b'"a"' in text
    assert (first.outcome.suggested.run_id, first.outcome.suggested.rows) == ("1" * 32, N)


def test_values_that_were_seen_once_leave_room_for_others(validate: Any) -> None:
    rare = {f"rare{i}" for i in range(4)}
    town = lambda i: f"rare{i}" if i < 4 else f"t{i % 20}"  # noqa: E731
    made = constraints(validate(table(town=town), SPEC))["town"]
    assert rare < set(made.values or ())
    assert 0.9 < made.coverage < 0.99
    assert "occurred once" in made.reasons["values"]


def test_many_values_are_a_domain_when_few_cover_nearly_all(validate: Any) -> None:
    skewed = lambda i: f"t{i % 30}" if i % 20 else f"rare{i // 40}"  # noqa: E731
    made = constraints(validate(table(town=skewed), SPEC))["town"]
    assert made.values is not None
    assert len(made.values) <= 50
    flat = constraints(validate(table(town=lambda i: f"t{i % 150}"), SPEC))["town"]
    assert flat.values is None


def test_personal_data_makes_no_domain(validate: Any) -> None:
    found = validate(table(mail=lambda i: f"user{i % 9}@example.org"), SPEC)
    assert found.column("mail").personal_data
    assert constraints(found)["mail"].values is None


def test_columns_that_nothing_is_learned_from_may_go_missing(validate: Any) -> None:
    found = validate(
        table(nothing=lambda i: "", unused=lambda i: i % 9, copy=lambda i: "A" if i * 7 % 11 < 4 else "B"),
        SPEC | {"ignore": ["unused"]},
    )
    assert [name for name, column in constraints(found).items() if column.optional] == ["nothing", "unused", "copy"]


def test_only_a_first_table_suggests(later: Any, first: Any) -> None:
    found = later()
    assert found.outcome.suggested is None
    assert found.outcome.contract == first.outcome.contract
    assert breaches(found) == {}
    assert {check.verdict for check in found.outcome.checks if check.name.startswith("contract_")} == {"pass"}


def test_a_refused_table_suggests_nothing(validate: Any) -> None:
    assert validate(table(20), SPEC).outcome.suggested is None


# --- later tables ------------------------------------------------------------------------------


def test_columns_that_are_missing_or_new(later: Any) -> None:
    found = later(plan=None, extra=lambda i: i % 4)
    assert breaches(found) == {
        "contract_missing_column": [("plan", "refuse")],
        "contract_extra_column": [("extra", "warn")],
    }
    assert found.outcome.accepted is None
    ignoring = later({"ignore": ["plan", "extra"]}, plan=None, extra=lambda i: i % 4)
    assert breaches(ignoring) == {}
    declared = {"contract": {"columns": {"plan": {"optional": True}, "extra": {}}}}
    assert breaches(later(declared, plan=None, extra=lambda i: i % 4)) == {}
    strict = later({"contract": {"extra_columns": "refuse"}}, extra=lambda i: i % 4)
    assert breaches(strict) == {"contract_extra_column": [("extra", "refuse")]}


def test_another_type_is_refused_and_says_which_cells_are_to_blame(later: Any) -> None:
    found = later(tenure=lambda i: "unknown so far" if i == 7 else i % 61, active=lambda i: i % 2)
    assert breaches(found) == {"contract_type": [("tenure", "refuse"), ("active", "refuse")]}
    tenure, active = found.checks("contract_type")
    assert "'tenure' must hold numbers and holds text" in tenure.detail
    assert "'unknown so far'" in tenure.detail
    assert active.detail == "'active' must hold true and false and holds whole numbers such as '0'"
    assert breaches(later(joined=lambda i: "soon"))["contract_type"] == [("joined", "refuse")]


def test_whole_numbers_may_become_fractions_unless_the_spec_asks_for_whole_ones(later: Any) -> None:
    fractions = {"tenure": lambda i: i * 7 % 61 + 0.5}
    assert breaches(later(**fractions)) == {}
    whole = {"contract": {"columns": {"tenure": {"type": "integer"}}}}
    assert breaches(later(whole, **fractions)) == {"contract_type": [("tenure", "refuse")]}


def test_codes_stay_text_when_no_leading_zero_tells(validate: Any) -> None:
    first = validate(table(zip=lambda i: f"{i * 37 % 100:03d}"), SPEC)
    again = validate(
        table(zip=lambda i: f"{100 + i * 37 % 100}"), SPEC, previous=first.profile, suggested=first.outcome.suggested
    )
    assert first.types["zip"] == again.types["zip"] == "category"
    assert not again.outcome.checks or "contract_type" not in breaches(again)


def test_a_column_that_stray_cells_made_text_may_be_corrected(validate: Any) -> None:
    spoilt = validate(table(tenure=lambda i: "12a" if i == 3 else i % 61), SPEC)
    assert spoilt.types["tenure"] == "category"
    clean = validate(table(), SPEC, previous=spoilt.profile, suggested=spoilt.outcome.suggested)
    assert clean.types["tenure"] == "integer"
    assert "contract_type" not in breaches(clean)


def test_gaps_beyond_what_is_usual(later: Any) -> None:
    found = later(plan=lambda i: "" if i == 5 else "abc"[i % 3], note=lambda i: "" if i % 3 == 0 else "pqrs"[i % 4])
    assert breaches(found) == {"contract_completeness": [("plan", "warn"), ("note", "warn")]}
    plan, note = found.checks("contract_completeness")
    assert plan.detail == "'plan' must have a value in every row and is missing in 1 of 400"
    assert note.detail == "'note' must have a value in at least 73% of the rows and is missing in 134 of 400"
    assert breaches(later(note=lambda i: "" if i % 4 == 0 else "pqrs"[i * 3 % 4])) == {}


def test_values_outside_the_domain_are_quoted_and_counted(later: Any) -> None:
    found = later(plan=lambda i: "zz" if i % 40 == 0 else "B" if i == 1 else "abc"[i % 3])
    assert breaches(found) == {"contract_domain": [("plan", "warn")]}
    assert found.check("contract_domain").detail == (
        "'plan' has values outside its domain in 11 of 400 rows: 'zz' (10), 'B' (1)"
    )


def test_personal_data_outside_a_domain_is_counted_and_not_quoted(later: Any) -> None:
    declared = {"contract": {"columns": {"plan": {"values": ["a"]}}}}
    found = later(declared, plan=lambda i: f"user{i % 9}@example.org")
    detail = found.check("contract_domain").detail
    assert "in 400 of 400 rows" in detail
    assert "@" not in "".join(check.detail for check in found.outcome.checks if check.name.startswith("contract_"))


def test_numbers_outside_the_range(later: Any) -> None:
    found = later(tenure=lambda i: i * 7 % 61 - 3, balance=lambda i: i * 1000.5)
    assert breaches(found) == {"contract_range": [("tenure", "warn")]}
    assert "'tenure' must be at least 0 and is not in " in found.check("contract_range").detail
    assert "such as -3" in found.check("contract_range").detail
    declared = {"contract": {"columns": {"balance": {"minimum": -40, "maximum": 50}}}}
    strict = later(declared)
    assert [check.detail.split(" and is")[0] for check in strict.checks("contract_range")] == [
        "'balance' must be at least -40",
        "'balance' must be at most 50",
    ]


def test_repeated_values_where_each_must_be_different(later: Any) -> None:
    found = later(customer_id=lambda i: f"C{i // 2 * 2 if i < 8 else i:05d}")
    assert breaches(found) == {"contract_unique": [("customer_id", "warn")]}
    assert "repeats 4 values" in found.check("contract_unique").detail


# --- the spec ----------------------------------------------------------------------------------


def test_the_policy_of_the_spec_decides(later: Any) -> None:
    policy = {"contract_missing_column": "warn", "contract_domain": "refuse", "contract_completeness": "pass"}
    found = later(
        {"checks": {"policy": policy}}, note=None, plan=lambda i: "z", joined=lambda i: "" if i < 9 else "2024-01-01"
    )
    assert breaches(found) == {
        "contract_missing_column": [("note", "warn")],
        "contract_domain": [("plan", "refuse")],
    }


def test_what_the_spec_declares_holds_for_the_first_table_too(validate: Any) -> None:
    declared = SPEC | {"contract": {"columns": {"tenure": {"maximum": 50}, "region": {"type": "category"}}}}
    found = validate(table(), declared)
    assert breaches(found) == {
        "contract_missing_column": [("region", "refuse")],
        "contract_range": [("tenure", "warn")],
    }


def missing(found: Any) -> dict[str | None, str]:
    return {check.column: check.detail for check in found.checks("contract_missing_column") if check.column}


def test_a_renamed_column_is_asked_after(later: Any) -> None:
    found = missing(later(plan=None, tariff=lambda i: "abc"[i % 3], balance=None, saldo=lambda i: i * 31 % 97 - 39.5))
    assert found == {
        name: f"the column {name!r} of the data contract is missing: was it renamed to {new!r}? Rename it back in the "
        "file; else upload a table with it, or set optional for it under contract.columns in the spec"
        for name, new in {"plan": "tariff", "balance": "saldo"}.items()
    }


@pytest.mark.parametrize(
    "columns",
    [
        {"tariff": lambda i: "xyz"[i % 3]},  # other values
        {"tariff": lambda i: i * 7 % 61},  # another type
        {"tariff": lambda i: "abc"[i % 3], "other": lambda i: "cab"[i * 5 % 3]},  # two of them
    ],
)
def test_a_column_that_is_not_surely_the_missing_one_is_not_named(later: Any, columns: Any) -> None:
    assert "renamed" not in missing(later(plan=None, **columns))["plan"]


def test_what_the_spec_declares_replaces_what_was_suggested(later: Any) -> None:
    columns = {
        "plan": {"values": ["a", "b", "c", "d"], "completeness": 0.9},
        "tenure": {"minimum": -10},
        "note": {"values": []},
        "customer_id": {"unique": False},
    }
    changed = {
        "plan": lambda i: "" if i % 20 == 0 else "abcd"[i % 4],
        "tenure": lambda i: i * 7 % 61 - 5,
        "note": lambda i: "" if i % 5 == 0 else f"n{i % 7}",
        "customer_id": lambda i: f"C{i // 2:05d}",
    }
    found = later({"contract": {"columns": columns}}, **changed)
    assert breaches(found) == {}
    held = {column.name: column for column in found.outcome.contract.columns}
    assert held["plan"].reasons["values"] == "the spec says so"
    assert held["plan"].reasons["type"].startswith("all 400")


def test_a_check_that_has_another_name_now_is_named(validate: Any) -> None:
    policy = {"schema_missing_column": "warn", "schema_new_column": "refuse", "schema_type_changed": "refuse"}
    found = validate(table(), SPEC | {"checks": {"policy": policy}})
    assert [check.detail.rsplit(": ")[-1] for check in found.checks("spec_names")] == [
        "did you mean 'contract_missing_column'?",
        "did you mean 'contract_extra_column'?",
        "did you mean 'contract_type'?",
    ]
