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

from tidemill.contracts import ColumnConstraints, ColumnType, DataContract, dumps, field_types, from_json
from tidemill.errors import ContractError, SpecError
from tidemill.monitoring_contracts import ActionName, FindingKind

#: Metrics that may decide, by task; the first is the default. Names are scikit-learn's scorer
#: names with the sign a person expects: `rmse` is positive and lower is better.
METRICS: dict[str, tuple[str, ...]] = {
    "binary": ("roc_auc", "average_precision", "log_loss", "accuracy", "balanced_accuracy", "f1", "brier_score"),
    "multiclass": ("log_loss", "accuracy", "balanced_accuracy", "f1_macro", "roc_auc_ovr"),
    "regression": ("rmse", "mae", "r2", "median_absolute_error"),
    "clustering": ("silhouette", "davies_bouldin", "stability"),
    "dimensionality_reduction": ("explained_variance", "reconstruction_rmse"),
    "anomaly_detection": ("shuffled_auc", "stability"),
}

#: Metrics where less is better.
LOWER_IS_BETTER = frozenset(
    {"log_loss", "brier_score", "rmse", "mae", "median_absolute_error", "davies_bouldin", "reconstruction_rmse"}
)

#: Candidates of tasks with a target, by name; `learning/candidates.py` says what each is.
CANDIDATES = (
    *(
        "baseline",
        "linear",
        "linear_strong",
        "linear_weak",
        "boosting",
        "boosting_slow",
        "boosting_small",
        "boosting_narrow",
    ),
    *("boosting_pairs", "boosting_fine", "boosting_large", "forest", "extra_trees", "network"),
)
#: Candidates of tasks without a target; `learning/structure/candidates.py` says what each is.
STRUCTURE_CANDIDATES: dict[str, tuple[str, ...]] = {
    "clustering": ("baseline", "kmeans"),
    "dimensionality_reduction": ("baseline", "pca"),
    "anomaly_detection": ("baseline", "mahalanobis", "reconstruction", "isolation_forest"),
}


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
            "as a fraction of the champion's value; the whole bootstrap interval of the difference must be within it"
        },
    )
    demographic_parity: float | None = field(
        default=None,
        metadata={
            "help": "binary tasks: the least ratio of the positive label's rates between any two levels of each "
            "sensitive column, such as 0.8"
        },
    )
    equal_opportunity: float | None = field(
        default=None,
        metadata={
            "help": "binary tasks: the most that the true positive rates of two levels of a sensitive column may differ"
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
    """Whether people decide before the model is deployed."""

    mode: Literal["auto", "manual"] = field(default="auto", metadata={"help": "manual waits for `tidemill approve`"})
    approvers: int = field(
        default=1, metadata={"help": "how many different people must approve, none of whom started the run"}
    )
    people: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "who may decide: ARNs, names of API keys, e-mail addresses; * stands for any characters; "
            "anybody but who started the run when empty"
        },
    )
    timeout_hours: float = field(
        default=72.0, metadata={"help": "how long a manual approval waits; then it is refused"}
    )
    reminder_hours: float = field(
        default=24.0, metadata={"help": "how often those who have not decided are reminded; 0: never"}
    )


@dataclass(frozen=True)
class RolloutOptions:
    """How an approved version takes over the traffic."""

    strategy: Literal["all_at_once", "canary", "linear"] = field(
        default="all_at_once",
        metadata={"help": "canary: a small share first, then all; linear: equal steps; each step is watched"},
    )
    share: float = field(default=0.1, metadata={"help": "canary: the first share; linear: what each step adds"})
    bake_minutes: float = field(default=60.0, metadata={"help": "how long each step is watched at least"})
    shadow_minutes: float = field(
        default=0.0, metadata={"help": "how long the version answers copies of calls before the first step; 0: not"}
    )
    shadow_fraction: float = field(default=1.0, metadata={"help": "share of the calls that are copied meanwhile"})
    min_requests: int = field(
        default=100, metadata={"help": "calls that the new version must have answered in a step before the next one"}
    )
    max_waits: int = field(
        default=10, metadata={"help": "how many more bake times a step waits for so many calls, then goes on without"}
    )
    error_rate: float = field(
        default=0.02, metadata={"help": "roll back when its rate of failed calls is so much above the champion's"}
    )
    latency_ratio: float = field(
        default=2.0, metadata={"help": "roll back when its median latency is more than so many times the champion's"}
    )
    prediction_drift: float = field(
        default=0.25,
        metadata={
            "help": "roll back when its predictions differ so much from the champion's on the same traffic: "
            "population stability index"
        },
    )
    quality_margin: float = field(
        default=0.02,
        metadata={
            "help": "roll back when labels show it worse than the champion by this share of the champion's value"
        },
    )


@dataclass(frozen=True)
class Windows:
    """The windows that production is looked at in."""

    hours: float = field(default=24.0, metadata={"help": "length of a window"})
    slide_hours: float = field(default=1.0, metadata={"help": "a new window ends every so many hours"})
    rows: int | None = field(
        default=None, metadata={"help": "windows of so many predictions instead, one after the other"}
    )


@dataclass(frozen=True)
class Rule:
    """What is done about a finding."""

    when: tuple[FindingKind, ...] = field(default=(), metadata={"help": "kinds of findings that the rule is about"})
    severity: Literal["warn", "alert"] = field(default="warn", metadata={"help": "the least severity that counts"})
    subject: str = field(default="*", metadata={"help": "feature or metric; * stands for any characters"})
    windows: int = field(default=1, metadata={"help": "how many windows in a row must have the finding"})
    do: tuple[ActionName, ...] = field(
        default=(), metadata={"help": "warn (in the log), alert (people), review, retrain, freeze (promotions)"}
    )
    cooldown_hours: float = field(
        default=24.0, metadata={"help": "the rule does not act again on the same subject for so long"}
    )


#: What is done when the spec names no rules: people are told; nothing is trained unless the spec says so.
DEFAULT_RULES = (
    Rule(when=("drift", "prediction_drift", "domain_drift", "data_quality"), severity="alert", do=("alert",)),
    Rule(when=("estimated_quality", "quality", "errors", "latency", "staleness"), severity="alert", do=("alert",)),
    Rule(when=("drift", "prediction_drift", "domain_drift", "data_quality", "latency", "staleness"), do=("warn",)),
)


@dataclass(frozen=True)
class Monitor:
    """How the model in service is watched."""

    enabled: bool = field(default=True, metadata={"help": "whether it is watched at all"})
    every_minutes: float = field(default=60.0, metadata={"help": "how often; the schedule looks every few minutes"})
    window: Windows = field(default_factory=Windows, metadata={"help": "the windows that are compared"})
    min_rows: int = field(default=300, metadata={"help": "windows with fewer predictions are not judged"})
    false_alarms: float = field(
        default=0.05, metadata={"help": "most windows without any drift that may be found to have one"}
    )
    drift: float = field(
        default=0.1, metadata={"help": "population stability index below which a moved feature is not worth a word"}
    )
    alert_drift: float = field(default=0.25, metadata={"help": "population stability index that is an alert"})
    data_quality: float = field(
        default=0.02,
        metadata={"help": "share of missing, unseen, unreadable or out-of-range values above the reference's"},
    )
    quality_drop: float = field(
        default=0.05, metadata={"help": "loss of the deciding metric, as a share of its value on the holdout"}
    )
    error_rate: float = field(default=0.01, metadata={"help": "share of calls that fail (5xx)"})
    refused_rate: float = field(default=0.05, metadata={"help": "share of calls that are refused (4xx)"})
    p95_ms: float = field(default=1000.0, metadata={"help": "95th percentile of the latency, milliseconds"})
    stale_hours: float | None = field(
        default=None, metadata={"help": "hours without a prediction that are a finding; never when null"}
    )
    stale_days: float | None = field(
        default=None, metadata={"help": "age of the training table in days that is a finding; never when null"}
    )
    label_days: float = field(default=30.0, metadata={"help": "how long after a prediction its actual may arrive"})
    key: str | None = field(
        default=None,
        metadata={"help": "the column that actuals are joined by when they have no prediction_id; must be sent, too"},
    )
    rules: tuple[Rule, ...] = field(
        default=(), metadata={"help": "what is done about findings; people are alerted when empty"}
    )
    webhook: str | None = field(default=None, metadata={"help": "https address that alerts are posted to"})

    @property
    def rules_in_force(self) -> tuple[Rule, ...]:
        """The rules that are declared, or else the default ones."""
        return self.rules or DEFAULT_RULES


@dataclass(frozen=True)
class RetrainingOptions:
    """When and on what the model is trained again without an upload."""

    data: Literal["all", "window", "drifted_plus_old"] = field(
        default="all",
        metadata={
            "help": "the last accepted table and all labelled predictions, those of a window only, or both by weight"
        },
    )
    window_days: float = field(default=90.0, metadata={"help": "window: how far back labelled predictions are taken"})
    new_share: float = field(
        default=0.5, metadata={"help": "drifted_plus_old: least share of the new rows; old ones are left out for it"}
    )
    min_new_rows: int = field(default=100, metadata={"help": "fewer new labelled predictions start no training"})
    every_days: float | None = field(default=None, metadata={"help": "train on schedule"})
    every_labels: int | None = field(default=None, metadata={"help": "train whenever so many new labels have come"})
    catchup: bool = field(
        default=False,
        metadata={"help": "whether trainings that the schedule has missed are made up for, each for its time"},
    )
    cooldown_hours: float = field(default=24.0, metadata={"help": "least time between two trainings not by hand"})
    budget_runs: int = field(default=10, metadata={"help": "most trainings not by hand in 30 days"})
    budget_usd: float = field(default=5.0, metadata={"help": "most that trainings not by hand may cost in 30 days"})


@dataclass(frozen=True)
class Reading:
    """How an uploaded file is read, where it should not be found out from the file."""

    encoding: str | None = field(default=None, metadata={"help": "such as utf-8 or cp1252; found out when null"})
    delimiter: str | None = field(default=None, metadata={"help": "one character; found out when null"})
    header: Literal["auto", "yes", "no"] = field(
        default="auto", metadata={"help": "whether the first row of the table names the columns"}
    )
    decimal: Literal["auto", "point", "comma"] = field(default="auto", metadata={"help": "the decimal mark of numbers"})
    dates: Literal["auto", "day_first", "month_first"] = field(
        default="auto", metadata={"help": "the order in dates such as 3/4/2026"}
    )
    sheet: str | None = field(default=None, metadata={"help": "the sheet of a workbook; the first one with a table"})

    def declared(self) -> dict[str, str]:
        """What is not found out."""
        options = ((item.name, getattr(self, item.name)) for item in dataclasses.fields(self))
        return {name: value for name, value in options if value not in (None, "auto")}


@dataclass(frozen=True)
class ColumnContract:
    """What uploads of a project must hold for one column; null leaves what was suggested."""

    type: ColumnType | None = field(default=None, metadata={"help": "the column's type"})
    completeness: float | None = field(default=None, metadata={"help": "least share of rows with a value, 0 to 1"})
    values: tuple[str, ...] | None = field(
        default=None, metadata={"help": "the only values that may occur; [] allows any"}
    )
    minimum: float | None = field(default=None, metadata={"help": "no number is smaller"})
    maximum: float | None = field(default=None, metadata={"help": "no number is larger"})
    unique: bool | None = field(default=None, metadata={"help": "no value occurs twice"})
    optional: bool | None = field(default=None, metadata={"help": "whether an upload may lack the column"})


@dataclass(frozen=True)
class Contract:
    """What later uploads are held to; suggested from the first accepted one, and changed here."""

    columns: dict[str, ColumnContract] = field(
        default_factory=dict, metadata={"help": "column: constraints that replace the suggested ones, field by field"}
    )
    extra_columns: Literal["pass", "warn", "refuse"] = field(
        default="warn", metadata={"help": "what happens when an upload has columns that the contract does not know"}
    )
    drift: float = field(
        default=0.25, metadata={"help": "population stability index against the previous version that is a finding"}
    )

    def replacing(self, suggested: DataContract) -> DataContract:
        """The contract that uploads are held to: what was suggested, with what is declared here in its place."""
        known = {column.name: column for column in suggested.columns}
        for name, declared in self.columns.items():
            given = {
                item.name: value
                for item in dataclasses.fields(declared)
                if (value := getattr(declared, item.name)) is not None
            }
            before = known.get(name, ColumnConstraints(name))
            reasons = before.reasons | dict.fromkeys(given, "the spec says so")
            if "values" in given:
                given |= {"values": given["values"] or None, "coverage": 1.0}
            known[name] = dataclasses.replace(before, **given, reasons=reasons)
        return dataclasses.replace(suggested, columns=tuple(known.values()))


@dataclass(frozen=True)
class PersonalDataPolicy:
    """What happens to columns that hold personal data."""

    policy: Literal["warn", "drop", "mask", "refuse"] = field(
        default="warn",
        metadata={"help": "warn and use it, drop the column, mask its values by a keyed hash, or refuse the upload"},
    )
    columns: dict[str, Literal["pass", "warn", "drop", "mask", "refuse"]] = field(
        default_factory=dict,
        metadata={"help": "column: policy of its own, also for a column that is not recognised; pass: it is none"},
    )


@dataclass(frozen=True)
class Features:
    """How columns become features, where it should not be decided from the data."""

    target_encoding: Literal["auto", "yes", "no"] = field(
        default="auto",
        metadata={
            "help": "categories by the target's mean of other rows; auto: from 3 levels for trees, from 25 for others"
        },
    )
    text_words: int = field(
        default=1000, metadata={"help": "free text: how many words, by TF-IDF; 0 leaves free text out"}
    )
    transform_target: Literal["auto", "none", "log"] = field(
        default="auto", metadata={"help": "regression: learn the logarithm of a skewed target"}
    )


@dataclass(frozen=True)
class FeatureSetUse:
    """A shared feature set that is joined to a project's table."""

    key: str = field(default="", metadata={"help": "the column of this table that holds the entity's key"})
    time: str | None = field(
        default=None,
        metadata={"help": "the column of this table that says when; features are taken as they were known then"},
    )
    columns: tuple[str, ...] = field(default=(), metadata={"help": "which features; all when empty"})


@dataclass(frozen=True)
class FeatureSetDeclaration:
    """`feature_sets/<name>/declaration.json`: a feature set that projects share; its tables are uploaded under
    features/<name>/."""

    key: str = field(default="", metadata={"help": "the column that names the entity"})
    time: str | None = field(default=None, metadata={"help": "the column that says since when a row is known"})
    personal_data: Literal["warn", "drop", "refuse"] = field(
        default="warn",
        metadata={"help": "warn of columns of personal data, keep no values of them, or refuse the table"},
    )


@dataclass(frozen=True)
class Search:
    """How long the search for the best model may go on."""

    seconds: float = field(
        default=120.0, metadata={"help": "budget of the search in seconds; decides how many candidates are tried"}
    )
    usd: float = field(default=0.05, metadata={"help": "budget of the search in US dollars, at list prices"})
    ensemble: bool = field(
        default=True, metadata={"help": "whether the best candidates may vote together where that is better"}
    )
    calibrate: bool = field(
        default=True, metadata={"help": "whether probabilities are calibrated where cross-validation says it helps"}
    )


@dataclass(frozen=True)
class Structure:
    """Options of the tasks without a target."""

    clusters: int | None = field(default=None, metadata={"help": "how many; chosen from 2 to 10 when null"})
    components: int | None = field(
        default=None, metadata={"help": "how many; as many as explain 90% of the variance when null"}
    )
    contamination: float = field(default=0.05, metadata={"help": "share of the training rows that are anomalies"})


@dataclass(frozen=True)
class Spec:
    """The project spec. Every field is optional."""

    target: str | None = field(
        default=None,
        metadata={
            "help": "the column to predict; without it one named like a target (target, label, class, y, ...), or the "
            "previous upload's, or the last one when the task asks for a target; else rows are clustered"
        },
    )
    task: Literal[
        "auto",
        "binary",
        "multiclass",
        "regression",
        "clustering",
        "dimensionality_reduction",
        "anomaly_detection",
    ] = field(default="auto", metadata={"help": "decided from the target's values when auto; no target: clustering"})
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
    real_values: tuple[str, ...] = field(
        default=(), metadata={"help": "texts that usually mean missing and are values in this table, such as NA or -"}
    )
    reading: Reading = field(default_factory=Reading, metadata={"help": "how the file is read"})
    contract: Contract = field(default_factory=Contract, metadata={"help": "what later uploads are held to"})
    personal_data: PersonalDataPolicy = field(
        default_factory=PersonalDataPolicy, metadata={"help": "what happens to columns of personal data"}
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
    features: Features = field(default_factory=Features, metadata={"help": "how columns become features"})
    feature_sets: dict[str, FeatureSetUse] = field(
        default_factory=dict, metadata={"help": "shared feature set: how its features are joined to this table"}
    )
    search: Search = field(default_factory=Search, metadata={"help": "how long the search may go on"})
    structure: Structure = field(default_factory=Structure, metadata={"help": "options of tasks without a target"})
    sensitive: tuple[str, ...] = field(
        default=(), metadata={"help": "columns whose levels are compared by quality and by the fairness gates"}
    )
    review_below: float | None = field(
        default=None,
        metadata={
            "help": "predictions less sure than this are marked for review: the label's probability, or for "
            "regression 1 minus the width of the 90% interval as a share of the target's range"
        },
    )
    seed: int = field(default=0, metadata={"help": "seed of splits, fits and bootstrap"})
    gates: Gates = field(default_factory=Gates, metadata={"help": "what a new model must pass"})
    checks: Checks = field(default_factory=Checks, metadata={"help": "when the data is refused"})
    approval: Approval = field(default_factory=Approval, metadata={"help": "whether people decide"})
    rollout: RolloutOptions = field(
        default_factory=RolloutOptions, metadata={"help": "how an approved version takes over the traffic"}
    )
    monitor: Monitor = field(default_factory=Monitor, metadata={"help": "how the model in service is watched"})
    retraining: RetrainingOptions = field(
        default_factory=RetrainingOptions, metadata={"help": "when and on what it is trained again by itself"}
    )

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
        kind, entries = hints[name], {"": value}
        if typing.get_origin(kind) is dict and isinstance(value, Mapping):
            kind, entries = typing.get_args(kind)[1], {f".{key}": entry for key, entry in value.items()}
        elif typing.get_origin(kind) is tuple and isinstance(value, list | tuple):
            kind, entries = typing.get_args(kind)[0], {f"[{place}]": entry for place, entry in enumerate(value)}
        for key, entry in entries.items():
            if dataclasses.is_dataclass(kind) and isinstance(entry, Mapping):
                _refuse_unknown(typing.cast(type, kind), entry, f"{where}{name}{key}.")


def _check_ranges(spec: Spec) -> None:
    problems = (
        (0.05 <= spec.holdout.fraction <= 0.5, "holdout.fraction must be between 0.05 and 0.5"),
        (2 <= spec.folds <= 20, "folds must be between 2 and 20"),
        (spec.checks.min_rows >= 10, "checks.min_rows must be at least 10"),
        (spec.gates.champion_margin >= 0, "gates.champion_margin must not be negative"),
        (0 < spec.approval.timeout_hours <= 8760, "approval.timeout_hours must be between 0 and 8760"),
        (1 <= spec.approval.approvers <= 10, "approval.approvers must be 1 to 10"),
        (spec.approval.reminder_hours >= 0, "approval.reminder_hours must not be negative"),
        (
            spec.approval.mode == "manual" or (spec.approval.approvers, spec.approval.people) == (1, ()),
            "approval.approvers and approval.people count for nothing when nobody is asked: "
            "set approval.mode to manual",
        ),
        (
            not spec.approval.people
            or any("*" in person for person in spec.approval.people)
            or len(set(spec.approval.people)) >= spec.approval.approvers,
            f"approval.approvers asks for {spec.approval.approvers} people, and approval.people names "
            f"{len(set(spec.approval.people))}: nobody could release anything",
        ),
        (0 < spec.rollout.share <= 1, "rollout.share must be above 0 and at most 1"),
        (0 < spec.rollout.bake_minutes <= 43200, "rollout.bake_minutes must be above 0 and at most 43200"),
        (0 <= spec.rollout.shadow_minutes <= 43200, "rollout.shadow_minutes must be between 0 and 43200"),
        (0 < spec.rollout.shadow_fraction <= 1, "rollout.shadow_fraction must be above 0 and at most 1"),
        (spec.rollout.min_requests >= 0, "rollout.min_requests must not be negative"),
        (0 <= spec.rollout.max_waits <= 100, "rollout.max_waits must be between 0 and 100"),
        (spec.monitor.every_minutes > 0, "monitor.every_minutes must be more than 0"),
        (0 < spec.monitor.window.hours <= 8760, "monitor.window.hours must be above 0 and at most 8760"),
        (spec.monitor.window.slide_hours > 0, "monitor.window.slide_hours must be more than 0"),
        (spec.monitor.window.rows is None or spec.monitor.window.rows >= 50, "monitor.window.rows must be at least 50"),
        (spec.monitor.min_rows >= 50, "monitor.min_rows must be at least 50"),
        (0 < spec.monitor.false_alarms <= 0.5, "monitor.false_alarms must be above 0 and at most 0.5"),
        (
            0 < spec.monitor.drift <= spec.monitor.alert_drift,
            "monitor.drift must be above 0 and at most monitor.alert_drift",
        ),
        (0 < spec.monitor.label_days <= 366, "monitor.label_days must be above 0 and at most 366"),
        (
            spec.monitor.webhook is None or spec.monitor.webhook.startswith(("https://", "http://127.0.0.1")),
            "monitor.webhook must begin with https://",
        ),
        (all(rule.when and rule.do for rule in spec.monitor.rules), "monitor.rules: each rule needs when and do"),
        (all(rule.windows >= 1 for rule in spec.monitor.rules), "monitor.rules: windows must be at least 1"),
        (0 < spec.retraining.new_share < 1, "retraining.new_share must be between 0 and 1"),
        (spec.retraining.window_days > 0, "retraining.window_days must be more than 0"),
        (
            spec.retraining.every_days is None or spec.retraining.every_days >= 0.01,
            "retraining.every_days must be at least 0.01",
        ),
        (
            spec.retraining.every_labels is None or spec.retraining.every_labels >= 10,
            "retraining.every_labels must be at least 10",
        ),
        (spec.retraining.cooldown_hours >= 0, "retraining.cooldown_hours must not be negative"),
        (spec.retraining.budget_runs >= 0, "retraining.budget_runs must not be negative"),
        (0 <= spec.seed < 2**32, "seed must be between 0 and 4294967295"),
        (spec.search.seconds > 0, "search.seconds must be more than 0"),
        (spec.search.usd > 0, "search.usd must be more than 0"),
        (0 <= spec.features.text_words <= 5000, "features.text_words must be between 0 and 5000"),
        (spec.contract.drift > 0, "contract.drift must be more than 0"),
        (spec.structure.clusters is None or 2 <= spec.structure.clusters <= 50, "structure.clusters must be 2 to 50"),
        (
            spec.structure.components is None or 1 <= spec.structure.components <= 50,
            "structure.components must be 1 to 50",
        ),
        (0 < spec.structure.contamination <= 0.5, "structure.contamination must be above 0 and at most 0.5"),
        (spec.review_below is None or 0 < spec.review_below < 1, "review_below must be between 0 and 1"),
        (
            spec.gates.demographic_parity is None or 0 < spec.gates.demographic_parity <= 1,
            "gates.demographic_parity must be above 0 and at most 1",
        ),
        (
            spec.gates.equal_opportunity is None or 0 <= spec.gates.equal_opportunity < 1,
            "gates.equal_opportunity must be between 0 and 1",
        ),
        (
            bool(spec.sensitive) or spec.gates.demographic_parity is None,
            "gates.demographic_parity needs a column to compare by: name it in sensitive",
        ),
        (
            bool(spec.sensitive) or spec.gates.equal_opportunity is None,
            "gates.equal_opportunity needs a column to compare by: name it in sensitive",
        ),
        (
            spec.reading.delimiter is None or len(spec.reading.delimiter) == 1,
            "reading.delimiter must be one character",
        ),
    )
    for good, sentence in problems:
        if not good:
            raise SpecError(f"spec.{sentence}")
    if spec.target is not None and spec.task in STRUCTURE_CANDIDATES:
        raise SpecError(
            f"spec.target names {spec.target!r}, but {spec.task} has no target: leave target out (ignore keeps a "
            "column away from the model), or set task to one that predicts it"
        )
    without_target = tuple(dict.fromkeys(name for names in STRUCTURE_CANDIDATES.values() for name in names))
    accepted = {"auto": (*CANDIDATES, *without_target[1:])} | STRUCTURE_CANDIDATES
    for name, use in spec.feature_sets.items():
        if not use.key:
            raise SpecError(f"spec.feature_sets.{name}.key must name the column that holds the entity's key")
    unknown = [name for name in spec.candidates if name not in accepted.get(spec.task, CANDIDATES)]
    if unknown:
        named = ", ".join(accepted.get(spec.task, CANDIDATES))
        raise SpecError(f"spec.candidates has no {unknown[0]!r}: accepted are {named}")
    known = (
        METRICS[spec.task] if spec.task != "auto" else tuple(dict.fromkeys(m for ms in METRICS.values() for m in ms))
    )
    for name in [*spec.gates.minimum, *([spec.metric] if spec.metric else [])]:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"accepted are {', '.join(known)}"
            raise SpecError(f"the spec names the metric {name!r}: {hint}")


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
