"""What is predicted, and as what: the target column and the task; or that there is no target, and what is done then."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from tidemill.contracts import SUPERVISED, Task, TopValue
from tidemill.data.checks import Checks
from tidemill.data.column_types import Column
from tidemill.data.statistics import Statistics
from tidemill.rules.positive_class import choose as choose_positive
from tidemill.spec import Spec

#: Names that a target often has, the likeliest first.
USUAL_NAMES = ("target", "label", "labels", "class", "y", "outcome", "response", "result", "dependent_variable")
MAX_CLASSES = 100
#: A whole number with at most so many values is a class.
MAX_WHOLE_CLASSES = 10
#: A class with less than this share of an equal one is rare.
RARE = 0.1


def choose(columns: Sequence[Column], spec: Spec, previous: str | None, checks: Checks) -> Column | None:
    """The target column; None when the task has none, or when the spec names one that is not there.

    A spec without a target means the previous version's, or a column named like a target. Without either, a task that
    needs a target takes the last column, and any other one has none.

    Parameters
    ----------
    previous
        target of the project's previous version.
    """
    if spec.target is not None:
        return _named(spec.target, {column.name: column for column in columns}, checks)
    if spec.task != "auto" and spec.task not in SUPERVISED:
        return None
    left_out = {*spec.ignore, *spec.id_columns}
    usable = [column for column in columns if column.name not in left_out] or list(columns)
    by_name = {column.name.lower(): column for column in reversed(usable)}
    usual = next((by_name[name] for name in USUAL_NAMES if name in by_name), None)
    if previous is not None and previous.lower() in by_name:
        chosen, why = by_name[previous.lower()], "it was the target of the previous version"
    elif usual is not None:
        chosen, why = usual, "it is named like a target"
    elif spec.task in SUPERVISED:
        chosen, why = usable[-1], f"the task is {spec.task} and it is the last column"
    else:
        checks.found(
            "target_assumed",
            "warn",
            "the spec names no target and no column is named like one, so the rows are grouped by what they have in "
            "common (clustering); to predict a column instead, name it with --target, or as target in the spec",
        )
        return None
    checks.passed("target_found", f"the target is {chosen.name!r}")
    checks.found(
        "target_assumed",
        "warn",
        f"the spec names no target: {chosen.name!r} was taken because {why}; if that is wrong, set target in the spec",
        chosen.name,
    )
    return chosen


def without_target(spec: Spec, checks: Checks) -> Task | None:
    """The task of a table that has no target; None when the spec asks for one, or names a target that is not there."""
    if spec.target is not None or spec.task in SUPERVISED:
        return None
    if spec.task == "auto":
        checks.passed("task", "clustering: there is no target")
        return "clustering"
    checks.passed("task", f"{spec.task.replace('_', ' ')}, as the spec says: no column is a target")
    return spec.task


def _named(name: str, columns: dict[str, Column], checks: Checks) -> Column | None:
    if name in columns:
        checks.passed("target_found", f"the target is {name!r}, as the spec says")
        return columns[name]
    close = difflib.get_close_matches(name, columns, n=1, cutoff=0.5)
    close = close or [other for other in columns if other.lower() == name.lower()]
    hint = f"did you mean {close[0]!r}?" if close else f"the columns are {', '.join(list(columns)[:30])}"
    checks.found("target_found", "refuse", f"the table has no column {name!r}, the target of the spec: {hint}")
    return None


def decide_task(
    target: Column, statistics: Statistics, classes: Sequence[TopValue], spec: Spec, checks: Checks
) -> Task | None:
    """Whether the target is classified or estimated; None when it can be neither.

    Parameters
    ----------
    classes
        the target's values and their rows, the commonest first; more than `MAX_CLASSES` need not all be there.
    """
    name, distinct = target.name, statistics.distinct
    if distinct < 2:
        what = f"the same value in every row ({classes[0].value!r})" if classes else "no value in any row"
        checks.found("target_varies", "refuse", f"the target {name!r} has {what}: there is nothing to learn", name)
        return None
    checks.passed("target_varies", f"the target {name!r} has {distinct:,} different values")
    task, why = _task(target, distinct, spec)
    if task is None:
        checks.found("task", "refuse", why, name)
        return None
    checks.passed("task", why)
    if task != "regression":
        _check_classes(target, distinct, classes, spec, checks)
    if spec.positive_class is not None:
        _check_positive_class(spec.positive_class, task, classes, checks)
    return task


def _task(target: Column, distinct: int, spec: Spec) -> tuple[Task | None, str]:
    """The task and why, or None and why not."""
    name, kind = target.name, target.type
    numeric = kind in ("integer", "number")
    if kind == "date":
        return None, f"the target {name!r} is a date, which cannot be predicted: choose another target"
    if kind == "text":
        return None, f"the target {name!r} is free text, which cannot be predicted: choose another target"
    if spec.task == "regression":
        if not numeric:
            return None, f"the spec asks for regression, but the target {name!r} is no number: correct task or target"
        return "regression", f"regression, as the spec says: {name!r} is a number"
    if spec.task == "binary" and distinct != 2:
        return None, f"the spec asks for a binary task, but the target {name!r} has {distinct:,} classes: correct task"
    if spec.task == "multiclass" and distinct == 2:
        return None, f"the spec asks for a multiclass task, but the target {name!r} has 2 classes: set task to binary"
    if spec.task != "auto":
        return spec.task, f"{spec.task} classification, as the spec says: {name!r} has {distinct:,} classes"
    if distinct == 2:
        return "binary", f"binary classification: the target {name!r} has 2 classes"
    if not numeric:
        return "multiclass", f"multiclass classification: the target {name!r} has {distinct:,} classes"
    if kind == "integer" and distinct <= MAX_WHOLE_CLASSES:
        return "multiclass", (
            f"multiclass classification: the target {name!r} has only {distinct} different whole numbers "
            "(set task to regression in the spec if they are amounts)"
        )
    return "regression", f"regression: the target {name!r} is a number with {distinct:,} different values"


def _check_classes(target: Column, distinct: int, classes: Sequence[TopValue], spec: Spec, checks: Checks) -> None:
    name = target.name
    if distinct > MAX_CLASSES:
        detail = (
            f"the target {name!r} has {distinct:,} classes, more than the {MAX_CLASSES} that are accepted: "
            "group them, or choose another target"
        )
        mixed = next((oddity.detail for oddity in target.oddities if oddity.check == "mixed_values"), None)
        checks.found("class_count", "refuse", f"the target {mixed}" if mixed else detail, name)
        return
    checks.passed("class_count", f"the target {name!r} has {distinct} classes")
    rarest, rows = classes[-1], sum(top.count for top in classes)
    if rarest.count < spec.folds:
        checks.found(
            "class_size",
            "refuse",
            f"the class {rarest.value!r} of the target {name!r} has fewer rows ({rarest.count}) than there are folds "
            f"({spec.folds}): add rows, merge or remove the class, or lower folds in the spec",
            name,
        )
    else:
        checks.passed("class_size", f"the rarest class, {rarest.value!r}, has {rarest.count:,} rows")
    if rarest.count < RARE * rows / distinct:
        checks.found(
            "class_imbalance",
            "warn",
            f"only {rarest.count:,} of {rows:,} rows are of the class {rarest.value!r}: "
            "a model can look accurate and never name it",
            name,
        )
    else:
        checks.passed("class_imbalance", f"the rarest class, {rarest.value!r}, has {rarest.count / rows:.1%} of rows")


def positive_class(classes: Sequence[TopValue], spec: Spec, previous: str | None, checks: Checks) -> str:
    """The class of a binary task that scores are about.

    Parameters
    ----------
    classes
        the target's two values and their rows.
    previous
        that of the project's previous version.
    """
    if spec.positive_class is not None:
        return spec.positive_class
    chosen, why = choose_positive({top.value: top.count for top in classes}, previous)
    checks.passed(
        "positive_class", f"the scores are about the class {chosen!r} ({why}; positive_class of the spec can change it)"
    )
    return chosen


def _check_positive_class(positive: str, task: Task, classes: Sequence[TopValue], checks: Checks) -> None:
    names = sorted(top.value for top in classes)
    if task != "binary":
        checks.found("positive_class", "warn", f"positive_class is only for binary tasks, and this one is {task}")
    elif positive in names:
        checks.passed("positive_class", f"the scores are about the class {positive!r}")
    else:
        checks.found(
            "positive_class",
            "refuse",
            f"the target has no class {positive!r}, the positive_class of the spec: its classes are {', '.join(names)}",
        )
