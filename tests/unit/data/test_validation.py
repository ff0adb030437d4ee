"""What is accepted, warned of and refused, and the role that each column gets."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from tidemill.data.checks import PASSED
from tidemill.errors import DataRefused


def churn(rows: int = 200, **columns: Any) -> str:
    """A table of two features and a target, with more columns as functions of the row."""
    made = {"tenure": lambda i: i % 37, "plan": lambda i: "abc"[i % 3], **columns}
    made.setdefault("churn", lambda i: "yes" if i * 7 % 11 < 4 else "no")
    lines = [",".join(made), *(",".join(str(make(i)) for make in made.values()) for i in range(rows))]
    return "\n".join(lines) + "\n"


def test_a_good_table_passes_every_check(validate: Any) -> None:
    found = validate(churn(), {"target": "churn"})
    validated, profile = found.outcome.accepted_or_refused()
    assert (validated.task, validated.target, validated.warnings) == ("binary", "churn", 1)
    assert (validated.dataset.rows, validated.dataset.columns) == (200, 3)
    assert {check.name for check in found.outcome.checks if check.verdict != "pass"} == {"duplicate_rows"}
    assert found.roles == {"tenure": "feature", "plan": "feature", "churn": "target"}
    assert profile.reading.delimiter == ","


def test_every_check_that_looked_speaks(validate: Any) -> None:
    first = validate(churn(), {"target": "churn", "positive_class": "yes"})
    again = validate(
        churn(), {"target": "churn", "positive_class": "yes"}, previous=first.profile, suggested=first.outcome.suggested
    )
    assert {check.name for check in again.outcome.checks} == set(PASSED) - {"target_assumed", "feature_set"}
    assert all(check.detail and "\n" not in check.detail for check in again.outcome.checks)


def test_a_file_that_is_no_table_gives_one_check(validate: Any) -> None:
    for data, limit in ((b"", 100), (b"%PDF-1.4", 100), (gzip.compress(b"a,b\n1,2\n"), 5)):
        found = validate(data, max_bytes=limit)
        (check,) = found.outcome.checks
        assert (check.name, check.verdict) == ("readable", "refuse")
        assert found.outcome.profile is None
        with pytest.raises(DataRefused) as caught:
            found.outcome.accepted_or_refused()
        assert str(caught.value) == check.detail


def test_a_table_that_is_too_large_is_not_fetched() -> None:
    from pathlib import Path

    from tidemill.data import validation
    from tidemill.spec import Spec

    outcome = validation.validate(
        fetch=lambda path: pytest.fail(f"fetched {path}"),
        size=11,
        name="t.csv",
        spec=Spec(),
        previous=None,
        work=Path("nowhere"),
        max_bytes=10,
    )
    assert "has 11 bytes" in outcome.checks[0].detail


# --- target and task ---------------------------------------------------------------------------


def test_scores_stay_about_the_class_of_the_version_before(validate: Any) -> None:
    def left(share: int) -> str:
        return churn(churn=lambda i: "left" if i * 7 % 11 < share else "stayed")

    first = validate(left(4), {"target": "churn"})
    assert first.profile.positive_class == "left"
    later = validate(left(8), {"target": "churn"}, previous=first.profile, suggested=first.outcome.suggested)
    assert later.profile.positive_class == "left"
    assert validate(left(8), {"target": "churn"}).profile.positive_class == "stayed"


@pytest.mark.parametrize(
    ("header", "target", "why"),
    [
        ("a,label,b", "label", "named like a target"),
        ("a,Class,b", "Class", "named like a target"),
        ("target,label,b", "target", "named like a target"),
    ],
)
def test_without_a_spec_the_target_is_assumed(validate: Any, header: str, target: str, why: str) -> None:
    found = validate(header + "\n" + "".join(f"{i % 2},{i // 2 % 2},{i // 4 % 2}\n" for i in range(60)))
    assert found.profile.target == target
    assert found.check("target_assumed").verdict == "warn"
    assert why in found.check("target_assumed").detail


def test_a_task_that_needs_a_target_takes_the_last_column(validate: Any) -> None:
    found = validate(churn(), {"task": "binary"})
    assert (found.profile.target, found.outcome.accepted.task) == ("churn", "binary")
    assert "the task is binary and it is the last column" in found.check("target_assumed").detail


def test_a_table_without_a_target_is_clustered_and_the_way_out_is_said(validate: Any) -> None:
    found = validate(churn())
    accepted, profile = found.outcome.accepted_or_refused()
    assert (accepted.task, accepted.target, profile.task, profile.target) == ("clustering", None, "clustering", None)
    assert found.roles == {"tenure": "feature", "plan": "feature", "churn": "feature"}
    warning = found.check("target_assumed")
    assert warning.verdict == "warn"
    assert "(clustering)" in warning.detail
    assert "--target" in warning.detail
    assert found.check("task").detail == "clustering: there is no target"
    named = {check.name for check in found.outcome.checks}
    assert not named & {"target_found", "target_missing_values", "leak", "class_count"}


@pytest.mark.parametrize("task", ["clustering", "dimensionality_reduction", "anomaly_detection"])
def test_a_task_without_a_target_takes_none_whatever_the_columns_are_called(validate: Any, task: str) -> None:
    first = validate(churn(label=lambda i: i % 4), {"target": "churn"})
    found = validate(churn(label=lambda i: i % 4), {"task": task}, previous=first.profile)
    assert (found.outcome.accepted.task, found.outcome.accepted.target) == (task, None)
    assert found.roles["label"] == found.roles["churn"] == "feature"
    assert "as the spec says" in found.check("task").detail


def test_the_previous_target_is_kept_when_a_new_last_column_appears(validate: Any) -> None:
    first = validate(churn(), {"target": "churn"})
    second = validate(churn(churn=lambda i: i % 2, extra=lambda i: i % 5), previous=first.profile)
    assert second.profile.target == "churn"
    assert "target of the previous version" in second.check("target_assumed").detail


def test_columns_that_the_spec_leaves_out_are_no_targets(validate: Any) -> None:
    found = validate(churn(label=lambda i: i % 3), {"ignore": ["label"], "task": "binary"})
    assert found.profile.target == "churn"
    assert found.roles["label"] == "ignored"


def test_a_target_that_is_not_there_is_refused_with_a_guess(validate: Any) -> None:
    found = validate(churn(), {"target": "Chrun"})
    assert "no column 'Chrun', the target of the spec: did you mean 'churn'?" in found.check("target_found").detail
    assert found.profile.target is None
    assert found.outcome.accepted is None


@pytest.mark.parametrize(
    ("values", "spec", "task"),
    [
        (lambda i: i % 2, {}, "binary"),
        (lambda i: ["yes", "no"][i % 2], {}, "binary"),
        (lambda i: "abc"[i // 3 % 3], {}, "multiclass"),
        (lambda i: i % 7, {}, "multiclass"),
        (lambda i: i % 7, {"task": "regression"}, "regression"),
        (lambda i: i % 12, {}, "regression"),
        (lambda i: i % 3 + 0.5, {}, "regression"),
        (lambda i: i % 12, {"task": "multiclass"}, "multiclass"),
    ],
)
def test_tasks(validate: Any, values: Any, spec: dict[str, Any], task: str) -> None:
    found = validate(churn(y=values), {"target": "y", **spec})
    assert found.outcome.accepted.task == task
    assert found.check("task").verdict == "pass"
    assert task in found.check("task").detail


@pytest.mark.parametrize(
    ("values", "spec", "check", "message"),
    [
        (lambda i: "same", {}, "target_varies", "has the same value in every row ('same')"),
        (lambda i: "", {}, "target_varies", "has no value in any row"),
        (lambda i: f"2024-01-{1 + i % 28:02d}", {}, "task", "is a date, which cannot be predicted"),
        (lambda i: f"a long sentence with many words, number {i}", {}, "task", "is free text"),
        (lambda i: "abc"[i // 3 % 3], {"task": "binary"}, "task", "has 3 classes: correct task"),
        (lambda i: i % 2, {"task": "multiclass"}, "task", "has 2 classes: set task to binary"),
        (lambda i: "ab"[i % 2], {"task": "regression"}, "task", "is no number"),
        (lambda i: f"c{i % 150}", {}, "class_count", "has 150 classes, more than the 100"),
        (lambda i: "a" if i < 4 else "b", {}, "class_size", "fewer rows (4) than there are folds (5)"),
        (lambda i: "ab"[i % 2], {"positive_class": "yes"}, "positive_class", "its classes are a, b"),
        (
            lambda i: i % 2 if i < 90 else "",
            {},
            "target_missing_values",
            "110 of 200 rows have no target: fill them in",
        ),
    ],
)
def test_targets_from_which_nothing_can_be_learned(
    validate: Any, values: Any, spec: dict[str, Any], check: str, message: str
) -> None:
    text = churn(y=lambda i: f'"{values(i)}"')
    found = validate(text, {"target": "y", **spec})
    verdict = found.check(check)
    assert verdict.verdict == "refuse"
    assert message in verdict.detail
    with pytest.raises(DataRefused):
        found.outcome.accepted_or_refused()
    assert found.profile


def test_rows_without_a_target_are_left_out(validate: Any) -> None:
    found = validate(churn(y=lambda i: "?" if i % 10 == 0 else i % 2), {"target": "y"})
    assert found.outcome.accepted.dataset.rows == found.profile.rows == 180
    check = found.check("target_missing_values")
    assert (check.verdict, check.detail) == ("warn", "20 of 200 rows have no target: they were left out")
    assert found.column("y").missing == 0


def test_a_target_that_is_hardly_a_number_says_which_cells_spoil_it(validate: Any) -> None:
    found = validate(churn(price=lambda i: "on request" if i == 7 else i * 1.5), {"target": "price"})
    assert "except for 1 cells such as 'on request'" in found.check("class_count").detail


def test_a_rare_class_is_warned_of(validate: Any) -> None:
    found = validate(churn(y=lambda i: int(i % 25 == 0)), {"target": "y"})
    check = found.check("class_imbalance")
    assert check.verdict == "warn"
    assert "only 8 of 200 rows are of the class '1'" in check.detail


# --- rows and columns --------------------------------------------------------------------------


def test_too_few_rows(validate: Any) -> None:
    assert "49 usable rows and 50 are needed" in validate(churn(49)).check("enough_rows").detail
    assert validate(churn(50)).check("enough_rows").verdict == "pass"
    assert validate(churn(50), {"checks": {"min_rows": 51}}).check("enough_rows").verdict == "refuse"


def test_columns_that_say_nothing_are_left_out(validate: Any) -> None:
    text = churn(
        customerID=lambda i: f"{i:04d}-X",
        row=lambda i: i + 1,
        order_no=lambda i: i * 7919 % 10007,
        amount=lambda i: i * 7919 % 10007,
        empty=lambda i: "",
        country=lambda i: "AT",
        seldom=lambda i: "AT" if i == 0 else "",
        churn=lambda i: i * 7 % 11 % 2,
    )
    found = validate(text, {"target": "churn"})
    assert found.roles == {
        "tenure": "feature",
        "plan": "feature",
        "customerID": "id",
        "row": "id",
        "order_no": "id",
        "amount": "feature",
        "empty": "ignored",
        "country": "constant",
        "seldom": "feature",
        "churn": "target",
    }
    assert [check.column for check in found.checks("id_column")] == ["customerID", "row", "order_no"]
    assert found.check("empty_column").column == "empty"
    assert found.check("constant_column").column == "country"
    assert "counts the rows one by one" in found.column("row").note
    assert found.column("customerID").top == ()


def test_an_unnamed_row_number_is_an_id(validate: Any) -> None:
    text = "light,busy\n" + "".join(f"{i + 140},{i * 3 % 50},{i % 2}\n" for i in range(60))
    found = validate(text, {"target": "busy"})
    assert found.roles == {"row_number": "id", "light": "feature", "busy": "target"}


def test_roles_that_the_spec_gives(validate: Any) -> None:
    text = churn(
        at=lambda i: f"2024-01-{1 + i % 28:02d}", shop=lambda i: i % 9, code=lambda i: i % 8, churn=lambda i: i % 2
    )
    spec = {"target": "churn", "time_column": "at", "group_column": "shop", "id_columns": ["code"], "ignore": ["plan"]}
    assert validate(text, spec).roles == {
        "tenure": "feature",
        "plan": "ignored",
        "at": "time",
        "shop": "group",
        "code": "id",
        "churn": "target",
    }


@pytest.mark.parametrize(
    ("spec", "verdict", "message"),
    [
        ({"time_column": "day"}, "refuse", "no column 'day', which time_column of the spec names"),
        ({"group_column": "plam"}, "refuse", "did you mean 'plan'?"),
        ({"sensitive": ["plam"]}, "refuse", "which sensitive of the spec names: did you mean 'plan'?"),
        ({"columns": {"x": "date"}}, "refuse", "no column 'x', which columns of the spec names"),
        ({"ignore": ["x"]}, "warn", "no column 'x', which ignore of the spec names"),
        ({"time_column": "plan"}, "refuse", "the time column 'plan' holds category, not dates or numbers"),
        ({"checks": {"policy": {"driftt": "refuse"}}}, "refuse", "names no check 'driftt': did you mean 'drift'?"),
    ],
)
def test_names_in_the_spec_that_do_not_fit(validate: Any, spec: dict[str, Any], verdict: str, message: str) -> None:
    check = validate(churn(), {"target": "churn", **spec}).check("spec_names")
    assert check.verdict == verdict
    assert message in check.detail


def test_free_text_is_learned_from_unless_the_spec_leaves_it_out(validate: Any) -> None:
    text = churn(note=lambda i: f"a long sentence with many words and number {i}", churn=lambda i: i % 2)
    found = validate(text, {"target": "churn"}).check("text_column")
    assert (found.column, found.verdict) == ("note", "pass")
    only = {"target": "churn", "ignore": ["tenure", "plan"]}
    assert validate(text, only).check("features_left").verdict == "pass"
    without = validate(text, only | {"features": {"text_words": 0}})
    assert without.check("text_column").verdict == "warn"
    assert "text_words" in without.check("text_column").detail
    assert without.check("features_left").verdict == "refuse"


# --- leaks -------------------------------------------------------------------------------------


def leaking(**more: Any) -> str:
    return churn(
        casual=lambda i: i * 31 % 17, registered=lambda i: i * 53 % 101, cnt=lambda i: i * 31 % 17 + i * 53 % 101
    )


@pytest.mark.parametrize(
    ("policy", "role", "verdict"),
    [("drop", "leak", "warn"), ("warn", "feature", "warn"), ("refuse", "feature", "refuse")],
)
def test_the_spec_decides_what_becomes_of_a_leak(validate: Any, policy: str, role: str, verdict: str) -> None:
    found = validate(leaking(), {"target": "cnt", "leaks": policy})
    assert found.roles["casual"] == found.roles["registered"] == role
    assert found.roles["tenure"] == "feature"
    assert [(check.column, check.verdict) for check in found.checks("leak")] == [
        ("casual", verdict),
        ("registered", verdict),
    ]
    assert "'casual' and 'registered' add up to the target 'cnt'" in found.checks("leak")[0].detail
    assert (found.outcome.accepted is None) == (verdict == "refuse")


# --- policy ------------------------------------------------------------------------------------


def test_a_policy_changes_what_a_finding_means(validate: Any) -> None:
    strict = validate(churn(), {"target": "churn", "checks": {"policy": {"duplicate_rows": "refuse"}}})
    assert strict.check("duplicate_rows").verdict == "refuse"
    assert strict.outcome.accepted is None
    text = churn(y=lambda i: "a" if i < 4 else "b")
    lenient = validate(text, {"target": "y", "checks": {"policy": {"class_size": "warn"}}})
    assert lenient.outcome.accepted
    quiet = validate(churn(), {"target": "churn", "checks": {"policy": {"duplicate_rows": "pass"}}})
    assert quiet.outcome.accepted.warnings == 0


def test_no_policy_lets_a_table_through_that_has_no_target(validate: Any) -> None:
    policy = dict.fromkeys(PASSED, "pass")
    for target in ("nothing", "same"):
        found = validate(churn(same=lambda i: 1), {"target": target, "checks": {"policy": policy}})
        assert found.outcome.accepted is None


def test_a_table_of_many_columns_fits_into_memory(validate: Any) -> None:
    names = [f"x{i}" for i in range(200)]
    rows = [",".join(str((i * j) % 11) for i in range(1, 201)) + f",{j % 2}" for j in range(80)]
    found = validate(",".join([*names, "y"]) + "\n" + "\n".join(rows), {"target": "y"})
    assert found.outcome.accepted.dataset.columns == 201
