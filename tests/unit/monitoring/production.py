"""A small model in service and made production: a number, a code, a category and a date; the outcome follows the
number."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from tidemill.contracts import (
    Capture,
    ColumnProfile,
    Histogram,
    InputField,
    Profile,
    Reading,
    Signature,
    TopValue,
    instant,
)
from tidemill.monitoring import labelled
from tidemill.monitoring.points import Known
from tidemill.monitoring.reference import ReferenceRows
from tidemill.monitoring.summaries import summarize
from tidemill.monitoring_contracts import Labelled, Reference, Summary
from tidemill.rules import metrics, output_bins
from tidemill.rules.metrics import Outcomes
from tidemill.serving.features import encode

Columns = dict[str, np.ndarray]

AT = "2026-03-04T05:06:07Z"
LEVELS = np.array(["basic", "pro", "team"], dtype=object)
DAY_ONE = datetime(2025, 1, 1, tzinfo=UTC)
SIGNATURE = Signature(
    "churn",
    "binary",
    "churn",
    (
        InputField("usage", "number", required=False),
        InputField("code", "integer", required=False),
        InputField("plan", "category", required=False),
        InputField("since", "date", required=False),
    ),
    ("no", "yes"),
    "yes",
)


def drawn(
    seed: int, rows: int, moved: float = 0.0, shares: tuple[float, ...] = (0.5, 0.3, 0.2), days: int = 365
) -> Columns:
    """Rows as JSON has them, and `outcome`.

    Parameters
    ----------
    moved
        what `usage`, of standard deviation 1, is greater by.
    shares
        of the levels of `plan`.
    days
        that `since` ends after the first one.
    """
    rng = np.random.default_rng(seed)
    usage = rng.normal(size=rows)
    return {
        "usage": usage + moved,
        "code": rng.integers(1, 13, rows),
        "plan": rng.choice(LEVELS, rows, p=shares),
        "since": np.array(
            [instant(DAY_ONE + timedelta(days=int(day))) for day in rng.integers(days - 365, days, rows)]
        ),
        "outcome": np.where(rng.random(rows) < chance_of(usage + moved), "yes", "no"),
    }


def chance_of(usage: np.ndarray) -> np.ndarray:
    """What the model says, and how often it is right."""
    said: np.ndarray = 1 / (1 + np.exp(-1.5 * usage))
    return said


def captures(columns: Columns, version: int = 1, at: str = AT, first: int = 0, **others: Any) -> list[Capture]:
    """The rows as they were asked and answered."""
    names = [field.name for field in SIGNATURE.inputs]
    said = chance_of(columns["usage"])
    found = []
    for number, chance in enumerate(said.tolist()):
        inputs = {name: columns[name][number] for name in names}
        inputs["usage"], inputs["code"] = float(inputs["usage"]), int(inputs["code"])
        answer = {"label": "yes" if chance >= 0.5 else "no", "probabilities": [1 - chance, chance]}
        fields: dict[str, Any] = {"alias": "champion", "ms": 4.0} | others
        found.append(Capture(f"id-{first + number:06d}", at, "churn", version, inputs, answer, **fields))
    return found


def summary(asked: list[Capture], known: Known | None = None) -> Summary:
    """What is counted of captures of one version."""
    known = known or KNOWN
    (found,) = summarize(asked, known.profile, known.signature, known.reference, None)
    return found


def outcomes(columns: Columns, asked: list[Capture], flipped: float = 0.0) -> Labelled:
    """What is counted of the captures when their outcomes are known; a share of them is not what the model learned."""
    happened = columns["outcome"].tolist()
    turned = np.random.default_rng(0).random(len(happened)) < flipped
    actuals = {
        capture.prediction_id: ({"yes": "no", "no": "yes"}[was] if other else was)
        for capture, was, other in zip(asked, happened, turned, strict=True)
    }
    (found,) = labelled.count(asked, actuals, SIGNATURE, KNOWN.reference)
    return found


def _profile(columns: Columns) -> Profile:
    rows = len(columns["usage"])
    usage, code = columns["usage"], columns["code"]
    seconds = np.array([datetime.fromisoformat(text).timestamp() for text in columns["since"]])
    names, counts = np.unique(columns["plan"].astype(str), return_counts=True)
    tops = sorted(zip(names.tolist(), counts.tolist(), strict=True), key=lambda item: -item[1])

    def numeric(name: str, kind: Any, values: np.ndarray, edges: np.ndarray) -> ColumnProfile:
        histogram = Histogram(tuple(edges.tolist()), tuple(np.histogram(values, edges)[0].tolist()))
        return ColumnProfile(
            name, kind, "feature", rows, 0, len(np.unique(values)), float(values.min()), float(values.max()),
            float(values.mean()), float(values.std(ddof=1)), histogram=histogram,
        )  # fmt: skip

    return Profile(
        rows,
        0,
        (
            numeric("usage", "number", usage, np.linspace(usage.min(), usage.max(), 21)),
            numeric("code", "integer", code, np.arange(0.5, 13)),
            ColumnProfile("plan", "category", "feature", rows, 0, 3, top=tuple(TopValue(*item) for item in tops)),
            numeric("since", "date", seconds, np.linspace(seconds.min(), seconds.max(), 21)),
            ColumnProfile("churn", "category", "target", rows, 0, 2),
        ),
        Reading("csv", None, "utf-8", ",", '"', True, 1),
        "churn",
        "binary",
        "yes",
    )


def _reference(columns: Columns) -> tuple[Reference, ReferenceRows]:
    said = chance_of(columns["usage"])
    happened = columns["outcome"] == "yes"
    edges = tuple(np.linspace(0, 1, 41).tolist())
    raw = {field.name: columns[field.name].tolist() for field in SIGNATURE.inputs}
    rows = ReferenceRows(encode(SIGNATURE.inputs, raw), {"yes": said}, happened.astype(np.float64))
    reference = Reference(
        "churn",
        "binary",
        len(said),
        "roc_auc",
        metrics.score(
            metrics.all_of("binary"), Outcomes(happened.astype(np.float64), np.column_stack([1 - said, said]))
        ),
        {"roc_auc": (0.82, 0.86), "log_loss": (0.48, 0.52)},
        edges=edges,
        threshold=0.5,
        outputs={"yes": output_bins.count(said, edges)},
        happened={"yes": output_bins.count(said, edges, happened)},
        labels={"no": int((said < 0.5).sum()), "yes": int((said >= 0.5).sum())},
        importance={"usage": 0.3, "code": 0.0, "plan": 0.02, "since": 0.0},
        trained_at="2026-02-02T05:06:07Z",
    )
    return reference, rows


_HOLDOUT = drawn(1, 2000)
_REFERENCE, _ROWS = _reference(_HOLDOUT)
#: What is stored of version 1.
KNOWN = Known(_profile(drawn(0, 8000)), SIGNATURE, _REFERENCE, _ROWS)
#: The same as it is of versions of former times.
KNOWN_BEFORE = dataclasses.replace(KNOWN, reference=None, rows=None)
