"""The JSON that each step takes, returns and stores, as frozen dataclasses.

Everything that crosses a function's border is one of these classes: `to_json` writes
it, `from_json` reads it and refuses what does not fit, naming the field. State between
the steps of a run is references and small numbers; tables, profiles and models go
through S3 under the keys in `keys.py`.

Standard library only: every room may import this module.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

from tidemill.errors import ContractError

T = TypeVar("T")

Task = Literal["binary", "multiclass", "regression", "clustering", "dimensionality_reduction", "anomaly_detection"]
#: Tasks that have a target; the others find structure in the columns alone.
SUPERVISED: tuple[Task, ...] = ("binary", "multiclass", "regression")
#: Of a run. ROLLING_OUT: its version answers a part of the calls; ROLLED_BACK: it was let in and did worse.
Status = Literal[
    "RUNNING",
    "WAITING_FOR_APPROVAL",
    "ROLLING_OUT",
    "LIVE",
    "REFUSED_DATA",
    "REFUSED_BY_GATE",
    "ROLLED_BACK",
    "FAILED",
]
Verdict = Literal["pass", "warn", "refuse"]
#: Texts that mean missing, besides what a spec's `missing_values` names. Blanks around a text do not count.
MISSING_WORDS = (
    *("", "NA", "N/A", "n/a", "n.a.", "N.A.", "#N/A", "#NA", "<NA>", "NaN", "nan", "None"),
    *("null", "NULL", "Null", "<null>", "(null)", "\\N", "?", "-", "--"),
    *("#DIV/0!", "#VALUE!", "#REF!", "#NUM!", "#NAME?", "#NULL!"),
)
Architecture = Literal["x86_64", "arm64"]  #: of a Lambda function
#: What a column holds. `integer` and `number` become float32 features, `boolean` and
#: `category` become text features, `date` is expanded to numbers, `text` is long free text.
ColumnType = Literal["integer", "number", "boolean", "category", "text", "date", "empty"]
#: What a column is used for.
Role = Literal["feature", "target", "id", "time", "group", "ignored", "leak", "constant"]


# --- reading and writing -----------------------------------------------------------------------


def to_json(value: Any) -> Any:
    """Plain JSON data of a contract: dataclasses to dicts, tuples to lists, NaN and infinity to null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def dumps(value: Any) -> bytes:
    """Canonical JSON bytes of a contract: the same value always gives the same bytes."""
    return json.dumps(to_json(value), indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def loads(cls: type[T], data: bytes | str) -> T:
    """Read a contract from JSON text. Raises ContractError naming the field that does not fit."""
    try:
        document = json.loads(data)
    except ValueError as error:
        raise ContractError(f"{cls.__name__} is not valid JSON: {error}") from error
    return from_json(cls, document)


def from_json(cls: type[T], document: Any, where: str = "") -> T:
    """Build a contract from plain JSON data.

    Unknown fields are ignored, so that an older function can read what a newer one wrote.

    Raises
    ------
    ContractError
        a field is missing or has the wrong type; the message names it.
    """
    return typing.cast(T, _decode(cls, document, where or cls.__name__))


def instant(moment: datetime) -> str:
    """A moment as every document writes it: UTC, ISO 8601, whole seconds, with Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@functools.cache
def field_types(cls: type) -> dict[str, Any]:
    """The resolved type of each field of a contract class."""
    return typing.get_type_hints(cls)


def _decode(kind: Any, value: Any, where: str) -> Any:
    origin = typing.get_origin(kind)
    arguments = typing.get_args(kind)
    if kind is Any:
        return value
    if origin is Literal:
        if value in arguments:
            return value
        raise ContractError(f"{where} must be one of {', '.join(map(repr, arguments))}, not {value!r}")
    if origin is typing.Union or origin is types.UnionType:
        if value is None and type(None) in arguments:
            return None
        return _decode_union([a for a in arguments if a is not type(None)], value, where)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _decode_dataclass(kind, value, where)
    if origin in (tuple, list):
        if not isinstance(value, list | tuple):
            raise ContractError(f"{where} must be a list, not {value!r}")
        items = [_decode(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(value)]
        return tuple(items) if origin is tuple else items
    if origin in (dict, Mapping):
        if not isinstance(value, Mapping):
            raise ContractError(f"{where} must be an object, not {value!r}")
        return {str(key): _decode(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    return _decode_scalar(kind, value, where)


def _decode_scalar(kind: Any, value: Any, where: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, kind) and not (isinstance(value, bool) and kind in (int, float)):
        return value
    names = {str: "text", int: "a whole number", float: "a number", bool: "true or false", dict: "an object"}
    way_out = ""
    if kind is str and isinstance(value, bool | int | float):
        # YAML 1.1 reads a bare yes as true.
        meant = ("yes" if value else "no") if isinstance(value, bool) else value
        way_out = f': write it in quotes, as in "{meant}"'
    raise ContractError(f"{where} must be {names.get(kind, kind.__name__)}, not {value!r}{way_out}")


def _decode_union(kinds: list[Any], value: Any, where: str) -> Any:
    problems = []
    for kind in kinds:
        try:
            return _decode(kind, value, where)
        except ContractError as error:
            problems.append(str(error))
    raise ContractError(problems[0] if len(problems) == 1 else f"{where} has an unusable value {value!r}")


def _decode_dataclass(cls: type, value: Any, where: str) -> Any:
    if not isinstance(value, Mapping):
        raise ContractError(f"{where} must be an object, not {value!r}")
    hints = field_types(cls)
    arguments = {}
    for item in dataclasses.fields(cls):
        if item.name in value:
            arguments[item.name] = _decode(hints[item.name], value[item.name], f"{where}.{item.name}")
        elif item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING:
            raise ContractError(f"{where}.{item.name} is missing")
    return cls(**arguments)


# --- a run and its steps -----------------------------------------------------------------------


@dataclass(frozen=True)
class Source:
    """The uploaded object that a run works on."""

    bucket: str
    key: str
    version_id: str
    etag: str
    size: int  #: bytes


@dataclass(frozen=True)
class Run:
    """What every step of a training run gets: who it works for and on what."""

    run_id: str  #: 32 hex characters, made from the source, so that one upload is one run
    project: str
    source: Source
    started_at: str  #: UTC, ISO 8601, with Z
    started_by: str  #: the principal of the upload's event; of a retraining, who asked for it
    retraining: str | None = None  #: id of the retraining that made the table


@dataclass(frozen=True)
class DatasetRef:
    """An accepted, canonical table: `datasets/<project>/<version>/`."""

    version: str  #: hash of the canonical content
    rows: int
    columns: int


@dataclass(frozen=True)
class Validated:
    """Returned by `validate`."""

    dataset: DatasetRef
    task: Task
    target: str | None  #: null for a task without one
    warnings: int


@dataclass(frozen=True)
class CandidateRef:
    """One configuration that `train` fits; `params` are scikit-learn's parameter names."""

    name: str
    params: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Prepared:
    """Returned by `prepare`; the candidates are those of the search's first round."""

    candidates: tuple[CandidateRef, ...]
    metric: str
    train_rows: int
    holdout_rows: int
    features: int
    number: int = 1  #: of the round
    fraction: float = 1.0  #: share of the training rows that the round sees


@dataclass(frozen=True)
class Round:
    """One round of the search: its number from 1, its candidates (none: the search is over), and the share of the
    training rows they see."""

    number: int
    candidates: tuple[CandidateRef, ...]
    fraction: float


@dataclass(frozen=True)
class CandidateScore:
    """Returned by `train` for one candidate; the details are in `runs/<run_id>/train/<name>.json`."""

    name: str
    mean: float | None  #: cross-validated mean of the deciding metric; null when the fit failed
    seconds: float
    round: int = 1  #: of the search


@dataclass(frozen=True)
class Refitted:
    """Returned by `train` when it has refitted the best candidate and exported it."""

    candidate: str
    onnx_bytes: int


@dataclass(frozen=True)
class Evaluated:
    """Returned by `evaluate` when every gate has passed."""

    metric: str
    value: float
    champion_version: int | None


@dataclass(frozen=True)
class Registered:
    """Returned by `register`."""

    model: str
    version: int
    approval_hours: float | None = None  #: how long to wait for people's approval; null when none is asked for
    reminder_hours: float = 0.0  #: how often they are reminded meanwhile; 0: never


@dataclass(frozen=True)
class Deployed:
    """Returned by `deploy`."""

    model: str
    version: int
    alias: str  #: champion, or challenger when a rollout is to follow
    previous_version: int | None
    rollout: bool = False  #: whether a rollout is to follow


@dataclass(frozen=True)
class Failure:
    """What a Catch hands to `conclude`."""

    stage: str  #: the stage's folder name: validate, prepare, ...
    error: str  #: the exception's class name
    cause: str  #: the Cause of the state machine: Lambda's error JSON, or plain text


@dataclass(frozen=True)
class Concluded:
    """Returned by `conclude`."""

    run_id: str
    status: Status
    reason: str


# --- what stages store -------------------------------------------------------------------------


@dataclass(frozen=True)
class Check:
    """One verdict about the data; `column` is null when it concerns the whole table."""

    name: str
    column: str | None
    verdict: Verdict
    detail: str  #: one sentence for a person


@dataclass(frozen=True)
class Reading:
    """How a file was read, and what was assumed."""

    format: str  #: csv, jsonl, json (a list of objects), parquet, xlsx
    compression: str | None  #: gzip or null
    encoding: str | None
    delimiter: str | None
    quote: str | None
    header: bool
    bytes: int  #: size of the upload
    assumptions: tuple[str, ...] = ()  #: sentences for the report


@dataclass(frozen=True)
class Histogram:
    """`edges` has one element more than `counts`; the first and last bins are closed."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class TopValue:
    """A frequent value of a column."""

    value: str
    count: int


@dataclass(frozen=True)
class PersonalData:
    """What a column was recognised as, and what was done about it."""

    #: email, phone, payment_card, bank_account, national_id, postal_address, date_of_birth, ip_address; "other" when
    #: the spec says what becomes of a column that is not recognised
    kind: str
    confidence: float  #: share of the present values that the recogniser accepts, 0 to 1
    action: Literal["warn", "drop", "mask", "refuse"]


@dataclass(frozen=True)
class ColumnProfile:
    """Reference statistics of one column; numbers only for numeric and date columns (dates as epoch seconds)."""

    name: str
    type: ColumnType
    role: Role
    rows: int
    missing: int
    distinct: int
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    std: float | None = None
    quantiles: dict[str, float] = field(default_factory=dict)  #: "0.05": value, ...
    histogram: Histogram | None = None
    top: tuple[TopValue, ...] = ()
    note: str = ""  #: why the column has this role, when it is not plain
    format: str = (
        ""  #: how its cells are written, when that had to be found out: what 1234.5 looks like, "$1,234.5" or
        #: "1.234,5 kg"; a form of dates, "day/month/year"; of times of day, "HH:MM:SS"; of ranges, "10-20"
    )
    personal_data: PersonalData | None = None  #: when its values look like personal data
    feature_set: str | None = None  #: the shared feature set that it was joined from


@dataclass(frozen=True)
class Profile:
    """`profile.json`: the stored reference statistics of a dataset version, reused by monitoring."""

    rows: int
    duplicate_rows: int
    columns: tuple[ColumnProfile, ...]
    reading: Reading
    target: str | None
    task: Task | None
    positive_class: str | None = None  #: binary tasks: the class that scores are about
    format_version: int = 1


@dataclass(frozen=True)
class ColumnConstraints:
    """What one column of later uploads must hold; a field that is null asks for nothing."""

    name: str
    type: ColumnType | None = None  #: number takes whole numbers too, category takes what can be read as text
    completeness: float | None = None  #: least share of rows with a value
    values: tuple[str, ...] | None = None  #: the domain
    coverage: float = 1.0  #: least share of the present values that is in the domain
    minimum: float | None = None
    maximum: float | None = None
    unique: bool = False
    optional: bool = False  #: whether an upload may lack the column
    reasons: dict[str, str] = field(default_factory=dict)  #: field -> why it was suggested, or that the spec says so


@dataclass(frozen=True)
class DataContract:
    """`datasets/<project>/contract.json`: what later uploads are held to, suggested from the first accepted one."""

    run_id: str  #: of the run that accepted the upload
    dataset_version: str  #: of the upload; empty when there is only what the spec says
    rows: int
    columns: tuple[ColumnConstraints, ...]
    format_version: int = 1


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation over folds."""

    mean: float
    std: float


@dataclass(frozen=True)
class Interval:
    """A value on the holdout with its 95% bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class CandidateResult:
    """`runs/<run_id>/train/<name>.json`."""

    name: str
    params: dict[str, Any]
    cv: dict[str, Spread]
    seconds: float
    error: str | None = None  #: one sentence, when the candidate could not be fitted
    round: int = 1  #: the last round of the search that it took part in
    rows: int = 0  #: training rows that it saw there


@dataclass(frozen=True)
class Member:
    """One candidate in a soft-voting ensemble; the weights of an ensemble add up to 1."""

    name: str
    params: dict[str, Any]
    weight: float


@dataclass(frozen=True)
class Fit:
    """`runs/<run_id>/train/fit.json`: how the model was refitted."""

    candidate: str  #: "ensemble" when there is more than one member
    params: dict[str, Any]
    seed: int
    packages: dict[str, str]  #: distribution -> version, in the function that fitted
    python: str
    members: tuple[Member, ...] = ()
    calibration: dict[str, float] = field(default_factory=dict)  #: empty when the probabilities are taken as they are
    decisions: tuple[str, ...] = ()  #: what was chosen and why, in sentences for the report


@dataclass(frozen=True)
class InputField:
    """One raw column of a model's signature."""

    name: str
    type: ColumnType
    required: bool = True  #: false when the training data had missing values in it
    categories: tuple[str, ...] = ()  #: the most frequent known levels, at most 50, for documentation and examples
    minimum: float | None = None
    maximum: float | None = None
    example: Any = None  #: a typical value: JSON number, text, or null
    masked: bool = False  #: personal data, of which the model has only ever seen keyed hashes
    feature_set: str | None = None  #: looked up there by the row's key when the caller does not give it
    format: str = ""  #: how its cells were written in the training table; files to score are read alike


@dataclass(frozen=True)
class PersonalDataHandling:
    """What a project does with personal data, for the tables that a model version scores."""

    policy: Literal["warn", "drop", "mask", "refuse"] = "warn"  #: of columns that are not named here
    #: Column -> what became of it in training, or what the spec says; pass: used as it is, whatever it holds.
    columns: dict[str, Literal["pass", "warn", "drop", "mask", "refuse"]] = field(default_factory=dict)


@dataclass(frozen=True)
class FeatureSetRef:
    """A shared feature set that a model's inputs come from."""

    name: str
    key: str  #: the column of the row that holds the entity's key
    columns: tuple[str, ...]  #: inputs that are looked up, named <set>__<column>
    key_type: ColumnType = "category"  #: of the set's key: integer, or text
    version: str = ""  #: of the set, as it was joined to the training rows


@dataclass(frozen=True)
class Conformal:
    """Nonconformity scores of rows that the model was not fitted on, for intervals and prediction sets.

    Regression: absolute errors, divided by the value of the `scale` output when the model has one.
    Classification: 1 minus the probability of the class that happened.
    """

    rows: int  #: how many scores there were
    quantiles: tuple[float, ...]  #: of the scores, at levels 0, 1/n, ..., 1 of equal steps; at most 1,001


@dataclass(frozen=True)
class Signature:
    """`signature.json`: inputs and outputs of a model version."""

    model: str
    task: Task
    target: str | None
    inputs: tuple[InputField, ...]
    #: Classification: in the order of the probabilities. Clustering: names of the clusters. Anomaly detection:
    #: normal, anomaly. Empty for regression and dimensionality reduction.
    classes: tuple[str, ...] = ()
    positive_class: str | None = None  #: binary only
    missing_values: tuple[str, ...] = ()  #: the spec's, so that files and calls take the same values as missing
    real_values: tuple[str, ...] = ()  #: the spec's: usual words for missing that are values here
    reading: dict[str, str] = field(default_factory=dict)  #: what the spec says of how files are read, where it does
    #: Binary: the label is the positive class from this probability on; null means the most probable class.
    #: Anomaly detection: the label is anomaly from this score on.
    threshold: float | None = None
    review_below: float | None = None  #: predictions less sure than this are marked for review
    span: float | None = None  #: regression: the largest target less the smallest one, in training
    conformal: Conformal | None = None
    feature_sets: tuple[FeatureSetRef, ...] = ()
    keys: tuple[InputField, ...] = ()  #: accepted beside the inputs: columns that features are looked up by
    components: int = 0  #: of a dimensionality reduction
    personal_data: PersonalDataHandling = field(default_factory=PersonalDataHandling)
    format_version: int = 1

    @property
    def accepted(self) -> tuple[InputField, ...]:
        """What a caller may give: the inputs, then the keys that features are looked up by."""
        return self.inputs + self.keys


@dataclass(frozen=True)
class Gate:
    """One rule of the release; `skip` when it does not apply (no champion yet)."""

    name: str
    verdict: Literal["pass", "refuse", "skip"]
    detail: str
    value: float | None = None
    threshold: float | None = None


@dataclass(frozen=True)
class ChampionComparison:
    """The model in service, scored on the same holdout rows as the new one."""

    version: int
    holdout: dict[str, Interval]
    difference: Interval  #: new minus champion in the deciding metric; positive means the new one is better


@dataclass(frozen=True)
class Importance:
    """Loss of the deciding metric when one input column is shuffled on the holdout; without a target, the share of what
    the model says that changes."""

    feature: str
    mean: float
    std: float


@dataclass(frozen=True)
class Effect:
    """How the prediction follows one column, the others left as they are on a sample of the holdout.

    `values` are numbers (the column's quantiles; dates as ISO text) or levels; `low` and `high` are the middle 80% of
    the rows' own predictions.
    """

    feature: str
    values: tuple[Any, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    of: str = ""  #: the class whose probability is shown; empty when the value is


@dataclass(frozen=True)
class SliceMetrics:
    """The model on the holdout rows of one level, or range, of a column."""

    column: str
    level: str
    rows: int
    metric: Interval | None  #: the deciding one; null when it is not defined there
    sensitive: bool = False  #: the spec names the column so
    positive_rate: float | None = None  #: binary: share of rows that get the positive label
    true_positive_rate: float | None = None  #: binary: of the rows of the positive class
    positives: int | None = None  #: binary: rows of the positive class
    and_column: str | None = None  #: a slice of two columns: the second one
    and_level: str | None = None  #: and its level or range


@dataclass(frozen=True)
class Parity:
    """The proof that ONNX predicts what the estimator predicts, on every holdout row."""

    rows: int
    labels_equal: bool
    max_difference: float  #: of scores (classification), relative (regression)
    tolerance: float


@dataclass(frozen=True)
class Coverage:
    """How prediction intervals or sets of one confidence did on the holdout."""

    covered: float  #: share of rows whose interval or set holds what happened
    size: float  #: mean width of the intervals, in the target's unit, or mean number of classes in the sets


@dataclass(frozen=True)
class Evaluation:
    """`runs/<run_id>/evaluate/evaluation.json`."""

    task: Task
    target: str | None
    metric: str
    candidate: str
    rows: int
    holdout: dict[str, Interval]
    baseline: dict[str, float]  #: the baseline on the same holdout rows
    gates: tuple[Gate, ...]
    importance: tuple[Importance, ...]
    parity: Parity
    champion: ChampionComparison | None = None
    classes: tuple[str, ...] = ()
    positive_class: str | None = None
    #: Points for the charts, by name. binary: roc {fpr, tpr}, precision_recall {recall, precision},
    #: calibration {predicted, observed, count}; multiclass and binary: confusion {labels, matrix};
    #: regression: residuals {actual, predicted} (at most 2,000 points), residual_histogram {edges, counts};
    #: tasks without a target: see learning/structure/described.py.
    curves: dict[str, dict[str, Any]] = field(default_factory=dict)
    effects: tuple[Effect, ...] = ()  #: of the most important columns
    slices: tuple[SliceMetrics, ...] = ()  #: sensitive columns first, then the worst found
    coverage: dict[str, Coverage] = field(default_factory=dict)  #: promised confidence ("0.9") -> what was measured
    members: tuple[Member, ...] = ()  #: of an ensemble
    calibration: dict[str, float] = field(default_factory=dict)  #: as in Fit; empty when nothing was changed
    decisions: tuple[str, ...] = ()  #: what training chose and why, in sentences
    newest: ChampionComparison | None = None  #: the same comparison on the newest labelled predictions
    newest_rows: int = 0  #: how many of them
    newest_metrics: dict[str, Interval] = field(default_factory=dict)  #: of the new model on them


@dataclass(frozen=True)
class Lineage:
    """`lineage.json`: what a model version was made from."""

    run_id: str
    dataset_version: str
    source: Source
    spec_sha256: str
    code_version: str  #: hash of Tidemill's own sources
    packages: dict[str, str]  #: distribution -> version, in the function that fitted the model
    python: str
    candidate: str
    params: dict[str, Any]
    seed: int
    onnx_sha256: str
    feature_sets: dict[str, str] = field(default_factory=dict)  #: shared feature set -> the version that was joined


# --- cost --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StageUsage:
    """What one stage of a run used. Requests are what the stage counted, 0 when it did not."""

    invocations: int
    seconds: float  #: of all invocations together
    memory_mb: int  #: of the stage's function; 0 when the stage calls none
    architecture: Architecture
    transitions: int
    s3_puts: int = 0
    s3_gets: int = 0
    table_writes: int = 0
    table_reads: int = 0
    queue_requests: int = 0

    @property
    def gb_seconds(self) -> float:
        """Memory times time, as Lambda charges it."""
        return self.seconds * self.memory_mb / 1024

    @property
    def requests(self) -> int:
        """S3, DynamoDB and SQS requests together."""
        return self.s3_puts + self.s3_gets + self.table_writes + self.table_reads + self.queue_requests


@dataclass(frozen=True)
class StageCost:
    """What one stage of a run used, and its price."""

    invocations: int
    gb_seconds: float
    transitions: int
    requests: int  #: S3, DynamoDB and SQS requests, as the stage counts them; 0 when unknown
    usd: float


@dataclass(frozen=True)
class Cost:
    """The price of a run."""

    usd: float
    by_stage: dict[str, StageCost]
    prices_of: str = ""  #: date and region of the price table


# --- refused uploads ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Refusal:
    """`<file>.reason.json` beside a quarantined upload."""

    reason: str  #: one sentence for a person
    source: str  #: s3://bucket/key where it was uploaded
    version_id: str
    at: str
    run_id: str | None = None  #: the run that refused it, when one was started


# --- the document of a run ---------------------------------------------------------------------


@dataclass(frozen=True)
class ModelRef:
    """A model version and the alias that points to it."""

    name: str
    version: int
    alias: str | None


@dataclass(frozen=True)
class RunDocument:
    """`runs/<run_id>/run.json` and what `tidemill train --json` prints."""

    run_id: str
    status: Status
    reason: str
    project: str
    task: Task | None
    target: str | None
    dataset: DatasetRef | None
    checks: tuple[Check, ...]
    candidates: tuple[CandidateResult, ...]
    metric: str | None
    holdout: dict[str, Interval]
    model: ModelRef | None
    endpoint: str | None
    report: str | None  #: s3://bucket/key of report.html
    cost: Cost | None
    seconds: float
    stage: str | None = None  #: the stage that ended the run, when it did not go live
    started_at: str = ""
    started_by: str = ""
    source: str = ""  #: s3://bucket/key


@dataclass(frozen=True)
class RunArtifacts:
    """What the stages of a run have left behind by the time it ends; any of it may be missing."""

    dataset: DatasetRef | None = None  #: when the table was accepted
    profile: Profile | None = None  #: also of a refused table
    checks: tuple[Check, ...] = ()  #: also of a refused table
    candidates: tuple[CandidateResult, ...] = ()
    evaluation: Evaluation | None = None  #: also of a model that a gate refused
    signature: Signature | None = None
    version: int | None = None  #: of the project's model, once it was registered
    lineage: Lineage | None = None  #: of that version
    contract: DataContract | None = None  #: what the table was held to, or what it suggests for later ones
    features: dict[str, Any] | None = None  #: `features.json`: what the model makes of each column
    #: Why the run was started, when nobody uploaded its table: a `monitoring_contracts.Retraining`, as plain JSON data.
    retraining: dict[str, Any] | None = None


# --- batch scoring -----------------------------------------------------------------------------


@dataclass(frozen=True)
class ScoringRun:
    """What every step of a scoring run gets."""

    run_id: str
    model: str
    source: Source
    started_at: str
    started_by: str


@dataclass(frozen=True)
class Slice:
    """One batch of rows; one child of the Distributed Map scores it, knowing nothing but this."""

    run_id: str
    model: str
    version: int  #: the same one in every slice of a run
    index: int
    rows: int
    key: str  #: the slice's rows in the artifact bucket


@dataclass(frozen=True)
class Planned:
    """Returned by `plan`; the manifest is a JSON array of slices in the artifact bucket."""

    manifest_bucket: str
    manifest_key: str
    slices: int
    rows: int
    version: int  #: the model version that every slice uses
    absent: tuple[str, ...] = ()  #: optional inputs that the table has no column for, taken as missing


@dataclass(frozen=True)
class Scored:
    """Returned by `score` for one slice."""

    index: int
    rows: int
    key: str


@dataclass(frozen=True)
class Merged:
    """Returned by `merge`."""

    bucket: str
    key: str
    rows: int
    version: int
    version_id: str = ""  #: of the object: another upload of the same name writes another one
    absent: tuple[str, ...] = ()  #: optional inputs that the table had no column for, taken as missing


# --- feature sets ------------------------------------------------------------------------------


@dataclass(frozen=True)
class FeatureSetRun:
    """What every step of taking in a feature set's table gets."""

    run_id: str
    feature_set: str
    source: Source
    started_at: str
    started_by: str


@dataclass(frozen=True)
class FeatureBatch:
    """Rows that one child of the Distributed Map writes to the online table, knowing nothing but this."""

    run_id: str
    feature_set: str
    index: int
    rows: int
    key: str  #: the batch in the artifact bucket


@dataclass(frozen=True)
class Ingested:
    """Returned by `ingest`; the manifest is a JSON array of batches in the artifact bucket."""

    manifest_bucket: str
    manifest_key: str
    version: str  #: hash of the set's canonical content
    rows: int  #: of the whole set
    columns: int
    entities: int  #: different keys
    written: int  #: rows of the online table that change
    warnings: tuple[str, ...] = ()  #: sentences
    busy: bool = False  #: another table of the set is being taken in; nothing has been done yet


# --- predictions in production -----------------------------------------------------------------


@dataclass(frozen=True)
class Capture:
    """One line of `captures/<model>/dt=.../hour=.../*.jsonl.gz`: a recorded prediction, or a call that was refused."""

    prediction_id: str
    at: str
    model: str
    version: int  #: 0 when the call was refused before it was known
    inputs: dict[str, Any]
    prediction: Any  #: null when there is none
    alias: str | None = None
    review: bool = False  #: less sure than the model's `review_below`
    why: Literal["champion", "split", "shadow", "label", "version"] = "champion"  #: why this version answered
    key: str | None = None  #: the caller's routing key
    experiment: str = ""  #: name of the A/B test that assigned it
    status: int = 200  #: of the HTTP answer
    error: str = ""  #: what a refused or failed call was answered
    ms: float | None = None  #: the call's latency in the function; null for all but its first row
    scale: float | None = None  #: regression: the model's own error scale, when it has one
    shadow: int | None = None  #: the version that gets a copy
