"""Documents of runs as the stages leave them, small and written by hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from tidemill.contracts import (
    CandidateResult,
    ChampionComparison,
    Check,
    ColumnProfile,
    Cost,
    Coverage,
    DatasetRef,
    Effect,
    Evaluation,
    Gate,
    Histogram,
    Importance,
    InputField,
    Interval,
    Lineage,
    Member,
    ModelRef,
    Parity,
    Profile,
    Reading,
    RunArtifacts,
    RunDocument,
    Signature,
    SliceMetrics,
    Source,
    Spread,
    StageCost,
    TopValue,
)
from tidemill.reports.run_report import render

RUN = "0123456789abcdef0123456789abcdef"

NUMBER = ColumnProfile(
    "tenure",
    "integer",
    "feature",
    rows=1000,
    missing=0,
    distinct=73,
    minimum=0.0,
    maximum=72.0,
    mean=32.4,
    std=24.6,
    quantiles={"0.05": 1.0, "0.5": 29.0, "0.95": 72.0},
    histogram=Histogram((0.0, 24.0, 48.0, 72.0), (500, 0, 500)),
)
CATEGORY = ColumnProfile(
    "contract",
    "category",
    "feature",
    rows=1000,
    missing=40,
    distinct=3,
    top=(TopValue("Monthly", 550), TopValue("One year", 210), TopValue("Two years", 200)),
)
DATE = ColumnProfile(
    "since", "date", "time", rows=1000, missing=0, distinct=900, minimum=1293840000.0, maximum=1356912000.0
)
IDENTIFIER = ColumnProfile("customer", "category", "id", 1000, 0, 1000, note="every row has a value of its own")
TARGET = ColumnProfile(
    "churn", "boolean", "target", 1000, 0, 2, top=(TopValue("No", 735), TopValue("Yes", 265))
)  # fmt: skip

PROFILE = Profile(
    rows=1000,
    duplicate_rows=3,
    columns=(IDENTIFIER, NUMBER, CATEGORY, DATE, TARGET),
    reading=Reading(
        "csv", "gzip", "utf-8", ";", '"', True, 97_750, ("11 blank cells of `total` are read as missing.",)
    ),
    target="churn",
    task="binary",
)
CHECKS = (
    Check("enough_rows", None, "pass", "1,000 rows are enough to learn from."),
    Check("id_column", "customer", "warn", "customer has a different value in every row; it is not used."),
)
CANDIDATES = (
    CandidateResult("baseline", {}, {"roc_auc": Spread(0.5, 0.0), "accuracy": Spread(0.73, 0.0)}, 0.1),
    CandidateResult("linear", {"C": 1.0}, {"roc_auc": Spread(0.84, 0.013), "accuracy": Spread(0.8, 0.01)}, 1.2),
    CandidateResult(
        "boosting", {"max_iter": 100}, {"roc_auc": Spread(0.85, 0.015), "accuracy": Spread(0.8, 0.01)}, 3.0
    ),
    CandidateResult("forest", {}, {}, 0.2, "the forest needs 5 rows of every class"),
)
COST = Cost(
    0.00214,
    {"train": StageCost(4, 98.4, 6, 21, 0.00188), "validate": StageCost(1, 6.1, 1, 9, 0.00026)},
    "us-east-1, 1 June 2026",
)


@dataclass(frozen=True)
class Told:
    """What `render` takes."""

    document: RunDocument
    profile: Profile | None
    evaluation: Evaluation | None
    lineage: Lineage | None
    signature: Signature | None
    features: dict[str, Any] | None = None

    def page(self) -> str:
        found = RunArtifacts(
            profile=self.profile,
            evaluation=self.evaluation,
            lineage=self.lineage,
            signature=self.signature,
            features=self.features,
        )
        return render(self.document, found)

    def told(self, **changes: Any) -> Told:
        """The same with other fields of the document."""
        return replace(self, document=replace(self.document, **changes))


def _binary() -> Told:
    evaluation = Evaluation(
        task="binary",
        target="churn",
        metric="roc_auc",
        candidate="boosting",
        rows=200,
        holdout={"accuracy": Interval(0.808, 0.787, 0.828), "roc_auc": Interval(0.847, 0.828, 0.867)},
        baseline={"accuracy": 0.735, "roc_auc": 0.5},
        gates=(
            Gate("baseline", "pass", "roc_auc is 0.847, better than 0.5 of the baseline.", 0.847, 0.5),
            Gate("keeps_up_with_champion", "pass", "roc_auc is 0.847 against 0.839 of the champion.", -0.003, -0.008),
        ),
        importance=(
            Importance("tenure", 0.02, 0.004),
            Importance("contract", 0.1, 0.01),
            Importance("since", 0.0, 0.01),
        ),
        parity=Parity(200, True, 3e-7, 1e-5),
        champion=ChampionComparison(2, {"roc_auc": Interval(0.839, 0.82, 0.86)}, Interval(0.008, -0.003, 0.018)),
        classes=("No", "Yes"),
        positive_class="Yes",
        curves={
            "roc": {"fpr": [0.0, 0.1, 0.4, 1.0], "tpr": [0.0, 0.5, 0.9, 1.0]},
            "precision_recall": {"recall": [1.0, 0.6, 0.0], "precision": [0.265, 0.7, 1.0]},
            "calibration": {"predicted": [0.1, 0.6], "observed": [0.08, 0.65], "count": [150, 50]},
            "confusion": {"labels": ["No", "Yes"], "matrix": [[130, 17], [22, 31]]},
        },
        effects=(
            Effect("tenure", (0.0, 29.0, 72.0), (0.5, 0.3, 0.1), (0.2, 0.1, 0.0), (0.8, 0.6, 0.3), "Yes"),
            Effect("contract", ("Monthly", ""), (0.4, 0.1), (0.1, 0.0), (0.7, 0.2), "Yes"),
            Effect("since", ("2011-01-01", "2012-12-31"), (0.3, 0.2), (0.1, 0.1), (0.5, 0.4), "Yes"),
        ),
        slices=(
            SliceMetrics("sex", "F", 100, Interval(0.85, 0.8, 0.9), True, 0.2, 0.5, 40),
            SliceMetrics("sex", "M", 90, Interval(0.84, 0.79, 0.89), True, 0.4, 0.7, 35),
            SliceMetrics("sex", "X", 10, None, True, 0.1, 0.0, 2),
            SliceMetrics(
                "contract", "Monthly", 110, Interval(0.75, 0.7, 0.8), and_column="tenure", and_level="under 9"
            ),
        ),
        coverage={"0.8": Coverage(0.81, 1.0), "0.9": Coverage(0.905, 1.2), "0.95": Coverage(0.955, 1.4)},
    )
    signature = Signature(
        "churn",
        "binary",
        "churn",
        (
            InputField("tenure", "integer", True, (), 0.0, 72.0, 29),
            InputField("contract", "category", False, ("Monthly", "One year", "Two years"), None, None, "Monthly"),
            InputField("since", "date", True, (), None, None, "2012-05-01"),
        ),
        ("No", "Yes"),
        "Yes",
    )
    source = Source("data", "incoming/churn/customers.csv.gz", "v1", "e", 97_750)
    lineage = Lineage(
        RUN, "d" * 32, source, "5" * 64, "c0de", {"numpy": "2.3.4", "onnx": "1.20.1"}, "3.13.9", "boosting",
        {"max_iter": 100}, 7, "0" * 64,
    )  # fmt: skip
    document = RunDocument(
        run_id=RUN,
        status="LIVE",
        reason="",
        project="churn",
        task="binary",
        target="churn",
        dataset=DatasetRef("d" * 32, 1000, 5),
        checks=CHECKS,
        candidates=CANDIDATES,
        metric="roc_auc",
        holdout=evaluation.holdout,
        model=ModelRef("churn", 3, "champion"),
        endpoint="https://abc.execute-api.eu-west-1.amazonaws.com/prod/v1/models/churn:predict",
        report=f"s3://artifacts/runs/{RUN}/report.html",
        cost=COST,
        seconds=48.3,
        started_at="2026-11-23T13:25:11Z",
        started_by="analyst",
        source="s3://data/incoming/churn/customers.csv.gz",
    )
    return Told(document, PROFILE, evaluation, lineage, signature)


def _multiclass() -> Told:
    told = _binary()
    assert told.evaluation
    assert told.signature
    classes = ("Adelie", "Chinstrap", "Gentoo")
    evaluation = replace(
        told.evaluation,
        task="multiclass",
        target="species",
        metric="log_loss",
        holdout={"log_loss": Interval(0.043, 0.016, 0.084), "accuracy": Interval(0.986, 0.957, 1.0)},
        baseline={"log_loss": 1.054, "accuracy": 0.435},
        champion=None,
        classes=classes,
        positive_class=None,
        effects=tuple(
            Effect("bill", (35.0, 50.0), (share, 1 - share), (0.0, 0.1), (0.9, 1.0), name)
            for name, share in zip(classes, (0.7, 0.2, 0.1), strict=True)
        ),
        slices=(),
        curves={"confusion": {"labels": list(classes), "matrix": [[30, 0, 0], [0, 14, 0], [1, 0, 24]]}},
    )
    candidates = (CandidateResult("linear", {"C": 1.0}, {"log_loss": Spread(0.05, 0.01)}, 0.4),)
    signature = replace(told.signature, task="multiclass", target="species", classes=classes, positive_class=None)
    changed = replace(told, evaluation=evaluation, signature=signature)
    return changed.told(
        task="multiclass", target="species", metric="log_loss", holdout=evaluation.holdout, candidates=candidates
    )


def _regression() -> Told:
    told = _binary()
    assert told.evaluation
    assert told.signature
    actual = [float(value) for value in range(100, 160)]
    predicted = [value + (7 if i % 3 else -11) for i, value in enumerate(actual)]
    evaluation = replace(
        told.evaluation,
        task="regression",
        target="price",
        metric="rmse",
        holdout={"rmse": Interval(47_678.0, 45_785.0, 49_639.0), "r2": Interval(0.8275, 0.8128, 0.8397)},
        baseline={"rmse": 114_800.0, "r2": -6e-6},
        champion=None,
        classes=(),
        positive_class=None,
        effects=(Effect("rooms", (20_000.0, 90_000.0), (110.0, 150.0), (100.0, 120.0), (120.0, 160.0)),),
        slices=(SliceMetrics("rooms", "20,000 or more", 40, Interval(60_000.0, 55_000.0, 65_000.0)),),
        coverage={"0.9": Coverage(0.8, 120.0)},
        curves={
            "residuals": {"actual": actual, "predicted": predicted},
            "residual_histogram": {"edges": [-11.0, 0.0, 7.0], "counts": [20, 40]},
        },
    )
    candidates = (CandidateResult("linear", {}, {"rmse": Spread(48_000.0, 900.0), "r2": Spread(0.82, 0.01)}, 0.4),)
    signature = replace(told.signature, task="regression", target="price", classes=(), positive_class=None)
    changed = replace(told, evaluation=evaluation, signature=signature)
    return changed.told(
        task="regression", target="price", metric="rmse", holdout=evaluation.holdout, candidates=candidates
    )


def _stopped(told: Told, status: str, stage: str, reason: str, **changes: Any) -> Told:
    return replace(told, lineage=None).told(
        status=status, stage=stage, reason=reason, model=None, endpoint=None, **changes
    )


def _refused_data() -> Told:
    refusing = Check("enough_rows", None, "refuse", "34 rows have a target; at least 50 are needed.")
    told = _stopped(
        _binary(),
        "REFUSED_DATA",
        "validate",
        "34 rows have a target; at least 50 are needed.",
        checks=(*CHECKS, refusing),
        dataset=None,
        candidates=(),
        metric=None,
        holdout={},
    )
    return replace(told, evaluation=None, signature=None)


def _refused_by_gate() -> Told:
    told = _stopped(_binary(), "REFUSED_BY_GATE", "evaluate", "roc_auc must be at least 0.9, but is 0.847.")
    assert told.evaluation
    gate = Gate("minimum", "refuse", "roc_auc must be at least 0.9, but is 0.847.", 0.847, 0.9)
    return replace(told, evaluation=replace(told.evaluation, gates=(*told.evaluation.gates, gate)))


def _declined() -> Told:
    told = _binary().told(status="REFUSED_BY_GATE", stage="approve", reason="Declined by R. Ivers: wait for the audit.")
    return told.told(model=ModelRef("churn", 3, None), endpoint=None)


def _failed() -> Told:
    told = _stopped(
        _binary(), "FAILED", "train", "No candidate could be fitted.", candidates=(), metric=None, holdout={}, cost=None
    )
    return replace(told, evaluation=None, signature=None)


def _ensemble() -> Told:
    told = _binary()
    assert told.evaluation
    evaluation = replace(
        told.evaluation,
        candidate="ensemble",
        members=(Member("boosting", {"max_iter": 100}, 0.75), Member("linear", {"C": 1.0}, 0.25)),
        calibration={"log_loss_before": 0.43, "log_loss_after": 0.41, "brier_before": 0.14, "brier_after": 0.135},
        decisions=("the ensemble has roc_auc 0.853 out of fold, boosting alone 0.850",),
    )
    last = tuple(
        replace(one, round=2 if one.name in ("linear", "boosting") else 1, rows=800 if one.name != "forest" else 0)
        for one in told.document.candidates
    )
    features = {
        "families": {
            "tree": {
                "width": 4,
                "columns": [
                    {"column": "tenure", "becomes": "the number as it is", "features": ["tenure"]},
                    {"column": "since__year", "becomes": "the number as it is", "features": ["since__year"]},
                    {"column": "since__month", "becomes": "the number as it is", "features": ["since__month"]},
                    {"column": "contract", "becomes": "the target's mean", "features": 1},
                ],
            },
            "linear": {"width": 1, "columns": [{"column": "tenure", "becomes": "scaled", "features": ["tenure"]}]},
        },
        "members": {"boosting": "tree", "linear": "linear"},
    }
    return replace(told, evaluation=evaluation, features=features).told(candidates=last)


KINDS = {
    "binary": _binary,
    "ensemble": _ensemble,
    "multiclass": _multiclass,
    "regression": _regression,
    "refused data": _refused_data,
    "refused by gate": _refused_by_gate,
    "declined": _declined,
    "failed": _failed,
}


@pytest.fixture(params=list(KINDS))
def told(request: pytest.FixtureRequest) -> Told:
    """Each kind of run in turn."""
    return KINDS[request.param]()


@pytest.fixture
def binary() -> Told:
    """A binary model that went live."""
    return _binary()


@pytest.fixture
def ensemble() -> Told:
    """A binary model of several members, found in two rounds."""
    return _ensemble()


@pytest.fixture
def multiclass() -> Told:
    """A multiclass model that went live."""
    return _multiclass()


@pytest.fixture
def regression() -> Told:
    """A regression model that went live."""
    return _regression()


@pytest.fixture
def refused_data() -> Told:
    """A table that a check refused."""
    return _refused_data()


@pytest.fixture
def refused_by_gate() -> Told:
    """A model that a gate refused."""
    return _refused_by_gate()


@pytest.fixture
def declined() -> Told:
    """A model whose release a person refused."""
    return _declined()


@pytest.fixture
def failed() -> Told:
    """A run that failed in training."""
    return _failed()
