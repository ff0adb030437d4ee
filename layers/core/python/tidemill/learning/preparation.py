"""From an accepted table to encoded rows, a holdout and the plan of a run. numpy only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from tidemill.contracts import (
    SUPERVISED,
    ColumnProfile,
    ColumnType,
    FeatureSetRef,
    InputField,
    PersonalDataHandling,
    Profile,
    Validated,
)
from tidemill.errors import DataRefused, SpecError
from tidemill.learning import candidates, slices, splits
from tidemill.learning.plan import Plan
from tidemill.learning.rows import Rows
from tidemill.learning.splits import Constraints
from tidemill.learning.structure import candidates as structure_candidates
from tidemill.rules import fairness
from tidemill.rules.halving import Halving
from tidemill.rules.positive_class import choose
from tidemill.serving import features
from tidemill.spec import METRICS, Spec, default_metric

#: Levels of a category that a signature names.
SHOWN_LEVELS = 50
#: Characters of a text that it gives as an example.
SHOWN_CHARACTERS = 200


@dataclass(frozen=True)
class Preparation:
    """What `prepare` makes."""

    plan: Plan
    train: Rows
    holdout: Rows


def needed(profile: Profile, target: str | None, sensitive: Sequence[str] = ()) -> dict[str, ColumnType]:
    """The columns that `prepare` reads, with their types; the sensitive ones whatever else they are used for."""
    used, named = ("feature", "time", "group"), (target, *sensitive)
    return {column.name: column.type for column in profile.columns if column.role in used or column.name in named}


def prepare(
    model: str,
    spec: Spec,
    profile: Profile,
    validated: Validated,
    raw: Mapping[str, np.ndarray],
    feature_sets: Sequence[FeatureSetRef] = (),
    keys: Sequence[InputField] = (),
) -> Preparation:
    """Encode a table, split it and plan the search.

    Parameters
    ----------
    raw
        the columns that `needed` names, as the canonical table has them, and those joined to it, shape (rows,).
    feature_sets
        that columns of the profile were joined from.
    keys
        columns that they are looked up by.

    Raises
    ------
    DataRefused
        the table cannot be split as the spec asks.
    SpecError
        the deciding metric, positive class or fairness gates do not fit the target, or a sensitive column is unknown.
    """
    task, name = validated.task, validated.target
    metric = spec.metric or default_metric(task)
    for asked in (metric, *spec.gates.minimum):
        if asked not in METRICS[task]:
            accepted = ", ".join(METRICS[task])
            raise SpecError(f"the spec names the metric {asked!r}, but the task is {task}: accepted are {accepted}")
    fairness.check(spec, task)
    compared = slices.sensitive_columns(spec.sensitive, name, profile.columns, raw)
    unused = {"empty"} if task in SUPERVISED and spec.features.text_words else {"empty", "text"}
    inputs = tuple(
        replace(_input(column, raw[column.name]), masked=_action(column) == "mask")
        for column in profile.columns
        if column.role in ("feature", "time") and column.type not in unused and column.name != name
    )
    if not inputs:
        raise DataRefused("no column is left to learn from: upload a table with numbers, categories, dates or text")
    number = task == "regression"
    classes: tuple[str, ...] = ()
    if name is None:  # nothing is known of a row beside its columns
        target = np.zeros(len(raw[inputs[0].name]))
    elif number:
        target = raw[name].astype(np.float64)
    else:
        classes, target = _classes(name, raw[name])
    own = [column for column in profile.columns if column.feature_set is None]  # which row it is, whatever is joined
    named = [column.name for column in own if column.role in ("feature", "time", "target")]
    named += [key.name for key in keys if key.name not in named]
    whole = {name: raw[name] for name in ([spec.group_column] if spec.group_column else named)}
    constraints = Constraints(
        classes=target if classes else None,
        groups=None if spec.group_column is None else _texts(spec.group_column, raw[spec.group_column]),
        times=None if spec.time_column is None else _times(raw[spec.time_column]),
        keys=splits.keys(whole, spec.seed),
    )
    held = splits.holdout(len(target), spec.holdout.fraction, spec.seed, constraints)
    learned = ~held
    _check_split(spec, classes, target, held)
    assigned = splits.folds(int(learned.sum()), spec.folds, spec.seed, constraints.of(learned))
    if len(np.unique(assigned)) < 2:
        raise DataRefused(
            f"the training rows have one value of {spec.group_column!r} only, and folds need two: add groups"
        )
    encoded = features.encode(inputs, {field.name: raw[field.name] for field in inputs})
    train = Rows({column: values[learned] for column, values in encoded.items()}, target[learned], assigned)
    extra = {column: values[held] for column, values in compared.items()}
    holdout = Rows({column: values[held] for column, values in encoded.items()}, target[held], extra=extra)
    if task in SUPERVISED:
        width = len(encoded) + candidates.TEXT_WIDTH * sum(field.type == "text" for field in inputs)
        refs, rounds = candidates.planned(
            spec.candidates, task, len(train), width, len(classes), spec.folds, spec.search
        )
    else:
        refs, rounds = structure_candidates.plan(spec, task, len(train)), (Halving(1.0, 0),)
    plan = Plan(
        model=model,
        task=task,
        target=name,
        metric=metric,
        inputs=inputs,
        candidates=refs,
        train_rows=len(train),
        holdout_rows=len(holdout),
        seed=spec.seed,
        forward=spec.time_column is not None,
        classes=classes,
        positive_class=_positive(spec, profile, train.target, classes) if task == "binary" else None,
        missing_values=spec.missing_values,
        real_values=spec.real_values,
        personal_data=_personal_data(spec, profile),
        reading=spec.reading.declared(),
        review_below=spec.review_below if task in SUPERVISED else None,
        span=float(np.ptp(train.target)) if number else None,
        feature_sets=_looked_up(feature_sets, inputs),
        keys=tuple(key for key in keys if key.name not in {field.name for field in inputs}),
        features=spec.features,
        search=spec.search,
        rounds=rounds,
    )
    return Preparation(plan, train, holdout)


def _classes(name: str, raw: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """The class names, sorted, and each row's index among them as float64."""
    texts = _texts(name, raw)
    names = tuple(sorted(set(texts)))
    codes = {text: float(code) for code, text in enumerate(names)}
    return names, np.array([codes[text] for text in texts])


def _texts(name: str, raw: np.ndarray) -> np.ndarray:
    """Values as the encoder writes categories: 1.0 is "1"."""
    return features.encode([InputField(name, "category", required=False)], {name: raw.tolist()})[name]


def _times(raw: np.ndarray) -> np.ndarray:
    """Numbers as they are, ISO 8601 text as seconds; missing is NaN."""
    if raw.dtype.kind == "f":
        return raw
    return np.array([np.nan if text is None else _seconds(text) for text in raw])


def _seconds(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _check_split(spec: Spec, classes: tuple[str, ...], target: np.ndarray, held: np.ndarray) -> None:
    """Refuse a split whose holdout cannot judge what is learned from the rest."""
    why = f" by {spec.time_column or spec.group_column!r}" if spec.time_column or spec.group_column else ""
    way_out = "add rows, or change time_column, group_column or holdout.fraction in the spec"
    if held.all() or not held.any():
        raise DataRefused(f"the rows cannot be split{why} into a training part and a holdout: {way_out}")
    unseen = set(target[held]) - set(target[~held])
    if classes and unseen:
        name = classes[int(min(unseen))]
        raise DataRefused(f"every row of the class {name!r} is in the holdout when the table is split{why}: {way_out}")
    if len(classes) == 2 and len(set(target[held])) < 2:
        only = classes[int(target[held][0])]
        raise DataRefused(f"every holdout row has the class {only!r} when the table is split{why}: {way_out}")


def _positive(spec: Spec, profile: Profile, target: np.ndarray, classes: tuple[str, ...]) -> str:
    """The class that scores are about: the spec's, else the one that validation chose."""
    asked = spec.positive_class
    if asked is not None and asked not in classes:
        raise SpecError(f"spec.positive_class must be one of {', '.join(classes)}, not {asked!r}")
    counts = np.bincount(target.astype(np.int64), minlength=2).tolist()
    return asked or choose(dict(zip(classes, counts, strict=True)), profile.positive_class)[0]


def _action(column: ColumnProfile) -> str | None:
    """What was done about a column's personal data, if it has some."""
    return column.personal_data.action if column.personal_data else None


def _personal_data(spec: Spec, profile: Profile) -> PersonalDataHandling:
    """The policy, what the spec says of columns, and what was done about those that were found."""
    found = {column.name: column.personal_data.action for column in profile.columns if column.personal_data}
    return PersonalDataHandling(spec.personal_data.policy, {**spec.personal_data.columns, **found})


def _looked_up(feature_sets: Sequence[FeatureSetRef], inputs: Sequence[InputField]) -> tuple[FeatureSetRef, ...]:
    """The feature sets, with those of their columns that are inputs."""
    names = {field.name for field in inputs}
    return tuple(replace(ref, columns=tuple(name for name in ref.columns if name in names)) for ref in feature_sets)


# --- signature ---------------------------------------------------------------------------------


def _input(column: ColumnProfile, raw: np.ndarray) -> InputField:
    """A column's place in the signature, documented from its values."""
    if column.feature_set:  # what is looked up may be missing, whatever the training rows had
        return replace(_input(replace(column, feature_set=None), raw), feature_set=column.feature_set, required=False)
    if column.type in ("integer", "number"):
        present = raw[~np.isnan(raw)]
        field = InputField(column.name, column.type, required=len(present) == len(raw), format=column.format)
        if not len(present):
            return field
        typical = float(np.sort(present)[len(present) // 2])
        example: Any = int(typical) if column.type == "integer" else typical
        return replace(field, minimum=float(present.min()), maximum=float(present.max()), example=example)
    levels = {value: 0 for value in raw if value is not None}
    for value in raw:
        if value is not None:
            levels[value] += 1
    ranked = sorted(levels, key=lambda level: (-levels[level], level))
    field = InputField(column.name, column.type, required=not any(value is None for value in raw), format=column.format)
    if not ranked:
        return field
    if column.type == "boolean":
        return replace(field, example=ranked[0] == "true")
    if column.type == "text":
        return replace(field, example=ranked[0][:SHOWN_CHARACTERS])
    return replace(field, categories=() if column.type == "date" else tuple(ranked[:SHOWN_LEVELS]), example=ranked[0])
