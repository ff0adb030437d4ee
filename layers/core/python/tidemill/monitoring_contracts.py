"""The JSON of watching a model in production: reference, summaries, points of the time series, decisions.

As in `contracts.py`, everything that is stored or crosses a function's border is one of these frozen dataclasses.
A summary is mergeable: what two summaries of the same model version say together is their sum, so an hour is counted
once and windows of any length are sums of hours. Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar

from tidemill.contracts import Status, Task, TopValue

#: Upper edges of the bins of a latency histogram, milliseconds; the last bin has no end.
LATENCY_EDGES = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10000.0)

#: What may be found about a model in production.
FindingKind = Literal[
    "drift",  # a feature's values
    "prediction_drift",  # what the model says
    "domain_drift",  # all features together: a classifier can tell production from reference
    "data_quality",  # missing columns, unseen categories, values out of range, unreadable values
    "estimated_quality",  # without labels
    "quality",  # with labels
    "errors",
    "latency",
    "staleness",
]
ActionName = Literal["warn", "alert", "review", "retrain", "freeze"]


# --- what the model was like when it was released ----------------------------------------------


@dataclass(frozen=True)
class Reference:
    """`models/<model>/<version>/reference.json`: the model on its holdout, in the form that production is compared in.

    Together with the version's `profile.json` and `reference.npz` (a sample of the holdout's rows) it is all that
    monitoring needs; the training table is never read again.
    """

    model: str
    task: Task
    rows: int  #: of the holdout
    metric: str  #: the deciding one
    metrics: dict[str, float]  #: on the holdout
    intervals: dict[str, tuple[float, ...]] = field(default_factory=dict)  #: metric -> its 95% interval (low, high)
    #: Bins of the model's outputs. Classification: of probabilities, from 0 to 1. Else: of the value (score, distance,
    #: first component), from the holdout's quantiles; what lies outside counts to the first or last bin.
    edges: tuple[float, ...] = ()
    threshold: float | None = None  #: binary tasks: the positive class is predicted from this probability on
    #: Output -> holdout rows in each bin. Classification: one for each class (binary: the positive one); else "value".
    outputs: dict[str, tuple[int, ...]] = field(default_factory=dict)
    #: Output -> in each bin, rows for which the class happened. Classification only.
    happened: dict[str, tuple[int, ...]] = field(default_factory=dict)
    #: Label -> rows that got it in each bin of its own probability, and those of them that got it rightly. Tasks of
    #: many classes only: of two, the bins of the positive class say it.
    chosen: dict[str, tuple[int, ...]] = field(default_factory=dict)
    right: dict[str, tuple[int, ...]] = field(default_factory=dict)
    #: In each bin of the value, sums of absolute and of squared errors. Regression only.
    absolute_errors: tuple[float, ...] = ()
    squared_errors: tuple[float, ...] = ()
    #: Mean absolute error divided by the mean of the model's own error scale; null when the model has none.
    scale_factor: float | None = None
    labels: dict[str, int] = field(default_factory=dict)  #: predicted label -> holdout rows
    importance: dict[str, float] = field(default_factory=dict)  #: feature -> permutation importance, not below 0
    trained_at: str = ""  #: when its training table was uploaded
    format_version: int = 1


# --- mergeable summaries of production ---------------------------------------------------------


@dataclass(frozen=True)
class ColumnSummary:
    """What one input column held, counted over the bins of the stored profile."""

    name: str
    rows: int
    missing: int = 0  #: no value, the rows without the field included
    absent: int = 0  #: the request did not have the field
    #: As `rules.drift.known_counts` of the profile's column: below, the histogram's bins, above; or the top values and
    #: all others. Empty when the profile has neither.
    counts: tuple[int, ...] = ()
    total: float = 0.0  #: sum of the numbers (dates: seconds since 1970)
    squares: float = 0.0  #: sum of their squares
    out_of_range: int = 0  #: numbers beyond the profile's smallest and largest
    unseen: int = 0  #: categories that the profile does not know, where it knows all of them
    unreadable: int = 0  #: values that are not of the column's type: text for a number, a date in another form
    breaches: int = 0  #: values that break the project's data contract
    examples: tuple[
        TopValue, ...
    ] = ()  #: the most frequent unseen or unreadable values, at most 5; none of personal data


@dataclass(frozen=True)
class SampledRow:
    """One captured row of the bottom-k sample: those with the smallest hashes, so that samples merge."""

    hash: int  #: 53 bits, of the prediction id
    inputs: dict[str, Any]
    output: Any  #: as captured


@dataclass(frozen=True)
class Summary:
    """What one version answered in one hour, or in several after merging. Copies for a challenger are kept apart."""

    model: str
    version: int
    start: str  #: of the first hour
    end: str  #: of the last hour
    shadow: bool = False  #: whether the answers were given to nobody
    rows: int = 0  #: predictions
    requests: int = 0  #: refused and failed ones included
    statuses: dict[str, int] = field(default_factory=dict)  #: HTTP status -> requests
    faults: tuple[TopValue, ...] = ()  #: the most frequent error messages, at most 10
    latency: tuple[int, ...] = ()  #: requests in each bin of LATENCY_EDGES
    latency_total: float = 0.0  #: milliseconds
    columns: tuple[ColumnSummary, ...] = ()
    outputs: dict[str, tuple[int, ...]] = field(default_factory=dict)  #: over `Reference.edges`, as there
    labels: dict[str, int] = field(default_factory=dict)
    chosen: dict[str, tuple[int, ...]] = field(default_factory=dict)  #: as in Reference
    output_total: float = 0.0  #: sum of values; of the positive class's probability
    scale_total: float = 0.0  #: sum of the model's own error scale, over the rows that have one
    scale_rows: int = 0
    reviews: int = 0  #: predictions marked for review
    last_at: str = ""  #: of the newest prediction
    sample: tuple[SampledRow, ...] = ()


@dataclass(frozen=True)
class Labelled:
    """The predictions of one version whose outcome is known, of one hour or of several after merging."""

    model: str
    version: int
    start: str
    end: str
    shadow: bool = False
    rows: int = 0
    outputs: dict[str, tuple[int, ...]] = field(default_factory=dict)  #: as in Summary, of the labelled rows
    happened: dict[str, tuple[int, ...]] = field(default_factory=dict)  #: as in Reference
    confusion: dict[str, dict[str, int]] = field(default_factory=dict)  #: actual -> label -> rows
    log_loss_total: float = 0.0
    brier_total: float = 0.0
    absolute_total: float = 0.0
    squared_total: float = 0.0
    actual_total: float = 0.0
    actual_squares: float = 0.0
    absolute_errors: tuple[int, ...] = ()  #: rows in each bin of `rules.output_bins.error_edges(metrics["rmse"])`


@dataclass(frozen=True)
class HourPart:
    """One part of the counts of an hour's captures."""

    hour: str  #: `2026-03-04T05`
    number: int  #: from 0, in the order in which parts were begun
    counted: bool = False  #: false when it was claimed, and not counted yet


@dataclass(frozen=True)
class PartClaim:
    """`files.json` of a part: which capture files it counts, by their names in the hour."""

    files: tuple[str, ...]
    earlier: tuple[str, ...] = ()  #: those of all parts before it


# --- one point of the time series --------------------------------------------------------------


@dataclass(frozen=True)
class FeatureDrift:
    """How far a feature's values, or the predictions, have moved from the reference in a window."""

    name: str
    rows: int  #: with a value, in the window
    psi: float
    distance: float  #: Jensen-Shannon, 0 to 1
    wasserstein: float | None  #: of numbers, in standard deviations of the reference
    test: Literal["kolmogorov_smirnov", "chi_squared"]
    statistic: float
    p_value: float
    adjusted: float  #: p-value after Benjamini-Hochberg
    limit: float  #: the psi that the reference's own chunks of this size reach (mean and 3 sigma), or the spec's floor
    drifted: bool
    importance: float = 0.0  #: share of all features' importance
    words: str = ""  #: what moved most
    before: tuple[float, ...] = ()  #: shares of the bins in the reference
    now: tuple[float, ...] = ()


@dataclass(frozen=True)
class QualityFigure:
    """One metric over a window: measured with labels, or estimated without."""

    metric: str
    kind: Literal["measured", "estimated"]
    value: float
    low: float  #: of the 95% interval
    high: float
    rows: int
    reference: float | None = None  #: on the holdout


@dataclass(frozen=True)
class ServiceFigures:
    """How the endpoint did over a window."""

    requests: int
    errors: int  #: 5xx
    refused: int  #: 4xx
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    usd_per_thousand: float | None  #: predictions
    last_prediction_at: str | None
    model_age_days: float | None  #: since the training table was uploaded
    label_share: float = 0.0  #: of the window's predictions, those whose outcome is known


@dataclass(frozen=True)
class Finding:
    """Something that a person may have to know, or a rule to act on."""

    kind: FindingKind
    severity: Literal["warn", "alert"]
    subject: str  #: feature, metric, or empty
    sentence: str
    value: float | None = None
    limit: float | None = None
    since: str | None = None  #: end of the first window of the unbroken series that had this finding


@dataclass(frozen=True)
class MonitorPoint:
    """What was seen of one model version in one window; the time series of a model is a list of these."""

    model: str
    version: int
    start: str
    end: str
    rows: int
    sufficient: bool  #: enough rows for statistics
    shadow: bool = False
    features: tuple[FeatureDrift, ...] = ()
    prediction: FeatureDrift | None = None
    domain_auc: float | None = None  #: how well a classifier tells production from the reference; 0.5: not at all
    domain_low: float | None = None
    quality: tuple[QualityFigure, ...] = ()
    service: ServiceFigures | None = None
    findings: tuple[Finding, ...] = ()
    weighted_drift: float = 0.0  #: mean of the features' psi, weighted by importance
    usd: float = 0.0  #: what this watching has cost
    looked_at: str = ""  #: the look that made it
    #: What it was counted from: a mark that changes with the window's predictions; of a window by rows, how many of
    #: each hour's counts its version's windows have used up, as in `2026-03-04T05=3 2026-03-04T06=1`.
    parts: str = ""
    labels: str = ""  #: a mark that changes with the window's labels
    whole: bool = True  #: false: looked at by hand before it has ended; the version's next window takes its place
    format_version: int = 1

    @property
    def by_rows(self) -> bool:
        """Whether it is a window by rows: its labels are those of its hours."""
        return "=" in self.parts


def standing(points: Iterable[MonitorPoint]) -> Iterator[MonitorPoint]:
    """The points that count, of points newest first: one that was looked at before its end does so until the next."""
    seen: set[tuple[int, bool]] = set()
    for point in points:
        kind = (point.version, point.shadow)
        if point.whole or kind not in seen:
            yield point
        seen.add(kind)


@dataclass(frozen=True)
class Totals:
    """What one version has answered since it was first watched; copies for a challenger don't count."""

    predictions: int = 0
    requests: int = 0
    errors: int = 0  #: 5xx
    refused: int = 0  #: 4xx
    latency: tuple[int, ...] = ()  #: requests in each bin of LATENCY_EDGES
    latency_total: float = 0.0  #: milliseconds


@dataclass(frozen=True)
class WatchState:
    """How far the watching of a model has come."""

    model: str
    looked_at: str  #: the newest look, UTC
    hour: str = ""  #: `2026-03-04T05`: captures of earlier hours have all been counted, late ones apart
    ledger: str = ""  #: key of the newest ledger file whose actuals have been joined
    beside: tuple[str, ...] = ()  #: others of the same second as that file that have been joined, too
    waiting: tuple[str, ...] = ()  #: ledger files with actuals whose predictions have not been seen yet
    unfound: int = 0  #: how many actuals these are
    totals: dict[str, Totals] = field(default_factory=dict)  #: version -> everything that was counted, for counters
    begun: tuple[HourPart, ...] = ()  #: parts that the totals have, and that may not be written yet
    revision: int = 1


class LedgerFile(Protocol):
    """A ledger file as a listing knows it."""

    @property
    def key(self) -> str:
        """Its key."""

    @property
    def modified_at(self) -> str:
        """When it was written."""


File = TypeVar("File", bound=LedgerFile)


def unjoined(state: WatchState | None, files: Sequence[File]) -> tuple[str, list[File]]:
    """When the newest joined ledger file was written, and the files that have not been joined, in the order in which
    they were written.

    That is not the order of their uploads: a large file is read longer than a small one that came later.

    Parameters
    ----------
    state
        how far the watching has come; None: the model has not been looked at yet.
    files
        all ledger files of the model.
    """
    joined = {state.ledger, *state.beside} if state else set()
    mark = next((file.modified_at for file in files if state and file.key == state.ledger), "")
    new = [file for file in files if file.modified_at > mark or (file.modified_at == mark and file.key not in joined)]
    return mark, sorted(new, key=lambda file: (file.modified_at, file.key))


# --- steps of the monitoring state machine -----------------------------------------------------


@dataclass(frozen=True)
class Due:
    """Returned by `watch` for each model that is to be looked at now; each step of a Map item gets it."""

    model: str
    at: str  #: the time that this look stands for
    by: str = "schedule"
    force: bool = False  #: asked for by hand: look also when nothing is new


@dataclass(frozen=True)
class Summarized:
    """Returned by `summarize`: how much was new; `more` when it stopped early and wants to be called again."""

    captures: int
    labels: int
    more: bool


@dataclass(frozen=True)
class Monitored:
    """Returned by `monitor`: the newest points are in the registry."""

    points: int
    findings: int


@dataclass(frozen=True)
class Decided:
    """Returned by `decide`."""

    decisions: int
    acted: int


# --- decisions ---------------------------------------------------------------------------------

#: The reason of a decision that is being done. A process that ends meanwhile leaves it so; after a while it is taken
#: again.
BEGUN = "it was begun, and nobody knows whether it was done"


@dataclass(frozen=True)
class Decision:
    """What a rule said about a point, and whether it was done; kept whether it was done or not."""

    id: str  #: from model, point, rule and action: deciding twice about the same is once
    model: str
    version: int
    at: str
    rule: str
    action: ActionName
    acted: bool
    reason: str  #: one sentence: what was found; when it was not acted on, why
    point: str  #: end of the window that is the evidence
    findings: tuple[Finding, ...] = ()
    retraining: str | None = None  #: id of the retraining that was started
    problem: str = ""  #: what could not be done of it, when the rest was

    @property
    def why_not(self) -> str:
        """Why it was not done, without the sentences of what was found; empty when it was."""
        if self.acted:
            return ""
        places = [self.reason.find(f": {finding.sentence.rstrip('.')}") for finding in self.findings]
        return self.reason[: min((place for place in places if place > 0), default=None)]


@dataclass(frozen=True)
class Retraining:
    """A training run that was not started by an upload of a person's table, and why."""

    id: str  #: 32 hex characters
    model: str
    at: str
    by: str  #: person, or "tidemill" when a rule or schedule asked
    trigger: Literal["rule", "schedule", "labels", "hand", "backfill"]
    reason: str
    data: Literal["all", "window", "drifted_plus_old"]
    start: str | None = None  #: of the data window; null: from the beginning
    end: str | None = None  #: null: until now
    findings: tuple[Finding, ...] = ()  #: the evidence
    rows_old: int = 0  #: rows of the accepted table that went into the new one
    rows_new: int = 0  #: labelled predictions that did
    labels: int = 0  #: labelled predictions that there were when it was asked for, since the last table of a person
    key: str = ""  #: of the composed table in the data bucket
    run_id: str | None = None  #: of the training run, when the table was uploaded
    problem: str = ""  #: why no run was started, in one sentence


@dataclass(frozen=True)
class PastTraining:
    """A retraining and what became of its run."""

    retraining: Retraining
    status: Status | None = None  #: of the run; null while there is none
    usd: float | None = None  #: what the run has cost; null while it is not known


# --- actuals -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class ActualsUpload:
    """What one file under `actuals/<project>/` brought; the rows themselves are in the ledger beside it."""

    id: str  #: of the upload, as `keys.run_id`
    model: str
    key: str
    at: str
    by: str
    by_column: str  #: the column that rows were matched by: prediction_id, or the project's key
    actual_column: str
    rows: int
    refused: int = 0  #: rows that cannot be used
    problems: tuple[str, ...] = ()  #: sentences
