"""The project spec: what a user may declare, with defaults, and its JSON Schema.

A table is enough to start: an empty spec is valid, and every default is written here,
in the schema and in `docs/guide/spec.md`. Standard library only.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tidemill.contracts import ColumnType, dumps, field_types, from_json
from tidemill.errors import ContractError, SpecError

#: Metrics that may decide, by task; the first is the default. Names are scikit-learn's scorer
#: names with the sign a person expects: `rmse` is positive and lower is better.
METRICS: dict[str, tuple[str, ...]] = {
    "binary": ("roc_auc", "average_precision", "log_loss", "accuracy", "balanced_accuracy", "f1", "brier_score"),
    "multiclass": ("log_loss", "accuracy", "balanced_accuracy", "f1_macro", "roc_auc_ovr"),
    "regression": ("rmse", "mae", "r2", "median_absolute_error"),
}

#: Metrics where less is better.
LOWER_IS_BETTER = frozenset({"log_loss", "brier_score", "rmse", "mae", "median_absolute_error"})

#: Candidates by name; `learning/candidates.py` says what each is.
CANDIDATES = ("baseline", "linear", "boosting", "boosting_slow", "boosting_small", "forest")


@dataclass(frozen=True)
class Gates:
    """What a new model must pass before it is deployed."""

    minimum: dict[str, float] = field(
        default_factory=dict,
        metadata={"help": "metric: bound on the holdout (a lower bound, or an upper one for losses)"},
    )
    must_beat_baseline: bool = field(
        default=True, metadata={"help": "the deciding metric must be better than the baseline's"}
    )
    may_change_target: bool = field(
        default=False,
        metadata={"help": "whether a new model may predict something else than the model in service"},
    )
    champion_margin: float = field(
        default=0.01,
        metadata={
            "help": "how much worse than the champion the new model may be on the same holdout, "
            "as a fraction of the champion's value"
        },
    )


@dataclass(frozen=True)
class Holdout:
    """The rows that no candidate sees."""

    fraction: float = field(default=0.2, metadata={"help": "share of the rows, 0.05 to 0.5"})


@dataclass(frozen=True)
class Checks:
    """When the data is refused."""

    min_rows: int = field(default=50, metadata={"help": "fewer rows are refused"})
    policy: dict[str, Literal["pass", "warn", "refuse"]] = field(
        default_factory=dict,
        metadata={"help": "check name: verdict to give instead of the default one when the check finds something"},
    )


@dataclass(frozen=True)
class Approval:
    """Whether a person decides before the model is deployed."""

    mode: Literal["auto", "manual"] = field(default="auto", metadata={"help": "manual waits for `tidemill approve`"})
    timeout_hours: float = field(
        default=72.0, metadata={"help": "how long a manual approval waits; then it is refused"}
    )


@dataclass(frozen=True)
class Spec:
    """The project spec. Every field is optional."""

    target: str | None = field(
        default=None,
        metadata={"help": "the column to predict; without it a column named like a target, or the last one"},
    )
    task: Literal["auto", "binary", "multiclass", "regression"] = field(
        default="auto", metadata={"help": "decided from the target's values when auto"}
    )
    positive_class: str | None = field(
        default=None, metadata={"help": "binary tasks: the class that the scores are about"}
    )
    columns: dict[str, ColumnType] = field(
        default_factory=dict, metadata={"help": "column: type, instead of the inferred one"}
    )
    ignore: tuple[str, ...] = field(default=(), metadata={"help": "columns that the model must not use"})
    id_columns: tuple[str, ...] = field(
        default=(), metadata={"help": "columns that identify a row; not used as features"}
    )
    time_column: str | None = field(
        default=None, metadata={"help": "the holdout is the newest rows by this column, and folds go forward in time"}
    )
    group_column: str | None = field(
        default=None,
        metadata={"help": "rows of one group are never split between training and holdout, or between folds"},
    )
    missing_values: tuple[str, ...] = field(
        default=(), metadata={"help": "texts that mean missing, besides the usual ones (empty, NA, ?, null, ...)"}
    )
    leaks: Literal["drop", "warn", "refuse"] = field(
        default="drop", metadata={"help": "what happens to a column that gives the target away"}
    )
    holdout: Holdout = field(default_factory=Holdout, metadata={"help": "the rows that no candidate sees"})
    folds: int = field(default=5, metadata={"help": "folds of the cross-validation, 2 to 20"})
    metric: str | None = field(
        default=None, metadata={"help": "the metric that decides; roc_auc, log_loss (multiclass) or rmse by default"}
    )
    candidates: tuple[str, ...] = field(default=(), metadata={"help": "which candidates to try; all when empty"})
    seed: int = field(default=0, metadata={"help": "seed of splits, fits and bootstrap"})
    gates: Gates = field(default_factory=Gates, metadata={"help": "what a new model must pass"})
    checks: Checks = field(default_factory=Checks, metadata={"help": "when the data is refused"})
    approval: Approval = field(default_factory=Approval, metadata={"help": "whether a person decides"})

    @property
    def sha256(self) -> str:
        """Hash of the canonical spec, for lineage."""
        return hashlib.sha256(dumps(self)).hexdigest()


def parse(document: Any) -> Spec:
    """Read a spec from plain data (parsed YAML or JSON; None is an empty spec).

    Raises
    ------
    SpecError
        a field is unknown, of the wrong type or out of range; the message names it and what is accepted.
    """
    document = {} if document is None else document
    if not isinstance(document, Mapping):
        raise SpecError(f"the spec must be an object of fields, not {document!r}")
    _refuse_unknown(Spec, document, "")
    try:
        spec = from_json(Spec, document, "spec")
    except ContractError as error:
        raise SpecError(str(error)) from error
    _check_ranges(spec)
    return spec


def _refuse_unknown(cls: type, document: Mapping[str, Any], where: str) -> None:
    hints = field_types(cls)
    for name, value in document.items():
        if name not in hints:
            close = difflib.get_close_matches(str(name), hints, n=1)
            hint = f"did you mean {where}{close[0]}?" if close else f"accepted are {', '.join(hints)}"
            raise SpecError(f"the spec has no field {where}{name}: {hint}")
        if dataclasses.is_dataclass(hints[name]) and isinstance(value, Mapping):
            _refuse_unknown(typing.cast(type, hints[name]), value, f"{where}{name}.")


def _check_ranges(spec: Spec) -> None:
    problems = (
        (0.05 <= spec.holdout.fraction <= 0.5, "holdout.fraction must be between 0.05 and 0.5"),
        (2 <= spec.folds <= 20, "folds must be between 2 and 20"),
        (spec.checks.min_rows >= 10, "checks.min_rows must be at least 10"),
        (spec.gates.champion_margin >= 0, "gates.champion_margin must not be negative"),
        (0 < spec.approval.timeout_hours <= 8760, "approval.timeout_hours must be between 0 and 8760"),
        (0 <= spec.seed < 2**32, "seed must be between 0 and 4294967295"),
    )
    for good, sentence in problems:
        if not good:
            raise SpecError(f"spec.{sentence}")
    unknown = [name for name in spec.candidates if name not in CANDIDATES]
    if unknown:
        raise SpecError(f"spec.candidates has no {unknown[0]!r}: accepted are {', '.join(CANDIDATES)}")
    known = (
        METRICS[spec.task] if spec.task != "auto" else tuple(dict.fromkeys(m for ms in METRICS.values() for m in ms))
    )
    for name in [*spec.gates.minimum, *([spec.metric] if spec.metric else [])]:
        if name not in known:
            raise SpecError(f"the spec names the metric {name!r}: accepted are {', '.join(known)}")


def default_metric(task: str) -> str:
    """The metric that decides when the spec names none."""
    return METRICS[task][0]


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the spec, for editors and the docs."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Tidemill project spec"} | _object(Spec)


def _object(cls: Any) -> dict[str, Any]:
    hints = field_types(cls)
    default = cls()
    properties = {}
    for item in dataclasses.fields(cls):
        schema = _schema(hints[item.name])
        if "help" in item.metadata:
            schema["description"] = item.metadata["help"]
        if not dataclasses.is_dataclass(hints[item.name]):
            value = getattr(default, item.name)
            schema["default"] = list(value) if isinstance(value, tuple) else value
        properties[item.name] = schema
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _schema(kind: Any) -> dict[str, Any]:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is types.UnionType or origin is typing.Union:
        options = [a for a in arguments if a is not type(None)]
        return {"anyOf": [*(_schema(option) for option in options), {"type": "null"}]}
    if origin is tuple:
        return {"type": "array", "items": _schema(arguments[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(arguments[1])}
    if dataclasses.is_dataclass(kind):
        return _object(kind)
    return {"type": {str: "string", int: "integer", float: "number", bool: "boolean"}[kind]}
