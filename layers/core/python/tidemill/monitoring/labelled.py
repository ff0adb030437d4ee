"""Predictions whose outcome is known, counted in a form that adds up: what `monitoring/quality.py` measures from."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tidemill.contracts import SUPERVISED, Capture, Signature
from tidemill.monitoring import recorded
from tidemill.monitoring.reference import outputs_of
from tidemill.monitoring.summaries import added, added_counts, added_up, hours
from tidemill.monitoring_contracts import Labelled, Reference
from tidemill.rules import output_bins
from tidemill.rules.output_bins import VALUE
from tidemill.serving.prediction import ANOMALY, Prediction

#: As scikit-learn, which the holdout's log loss comes from: probabilities are clipped by the machine epsilon.
_SMALLEST = float(np.finfo(np.float64).eps)


def has_outcomes(signature: Signature) -> bool:
    """Whether there is something that a prediction of the model can turn out to be."""
    return signature.task in (*SUPERVISED, "anomaly_detection")


def outcome(value: str | float, signature: Signature) -> str | float | None:
    """What happened, as the model's target has it: a number for regression, else text; None when it is no outcome."""
    if not has_outcomes(signature):
        return None
    if signature.task != "regression":
        return str(value)
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def count(
    captures: Iterable[Capture],
    actuals: Mapping[str, str | float],
    signature: Signature,
    reference: Reference | None,
) -> list[Labelled]:
    """Count the captures whose outcome is known, by version, and those of its answers that nobody got.

    A class that the model does not know counts as one that it gave no probability.

    Parameters
    ----------
    actuals
        prediction id -> what happened: a class's name, or a number for regression.
    signature
        of the model version.
    reference
        of the model version; None when it has none, and then only sums are counted.
    """
    found = []
    for group, rows in recorded.grouped(captures).items():
        known = [
            capture
            for capture in rows
            if capture.prediction_id in actuals
            and recorded.is_answered(capture)
            and recorded.has_form(capture.prediction, signature)
        ]
        if known and has_outcomes(signature):
            said = recorded.predictions([capture.prediction for capture in known], signature)
            happened = [actuals[capture.prediction_id] for capture in known]
            start, end = hours(known)
            base = Labelled(signature.model, group.version, start, end, group.shadow, len(known))
            found.append(_counted(base, said, happened, signature, reference))
    return found


def merge(one: Labelled, other: Labelled) -> Labelled:
    """The sum of two counts of the same version. Raises ValueError when they are of different ones."""
    return merged((one, other))


def merged(parts: Iterable[Labelled]) -> Labelled:
    """The sum of at least one count, all of the same version.

    Raises
    ------
    ValueError
        there is none, or they are of different models, versions, or kinds of answers.
    """
    items = list(parts)
    if len({(item.model, item.version, item.shadow) for item in items}) != 1:
        raise ValueError("counts are added when there are some, of one model, version and kind of answers")
    actuals = sorted({name for item in items for name in item.confusion})
    return Labelled(
        model=items[0].model,
        version=items[0].version,
        start=min(item.start for item in items),
        end=max(item.end for item in items),
        shadow=items[0].shadow,
        rows=sum(item.rows for item in items),
        outputs=added_counts(item.outputs for item in items),
        happened=added_counts(item.happened for item in items),
        confusion={name: added(item.confusion.get(name, {}) for item in items) for name in actuals},
        log_loss_total=math.fsum(item.log_loss_total for item in items),
        brier_total=math.fsum(item.brier_total for item in items),
        absolute_total=math.fsum(item.absolute_total for item in items),
        squared_total=math.fsum(item.squared_total for item in items),
        actual_total=math.fsum(item.actual_total for item in items),
        actual_squares=math.fsum(item.actual_squares for item in items),
        absolute_errors=added_up(item.absolute_errors for item in items),
    )


def _counted(
    base: Labelled, said: Prediction, happened: Sequence[Any], signature: Signature, reference: Reference | None
) -> Labelled:
    edges = reference.edges if reference is not None else ()
    outputs = outputs_of(said, signature)
    counted = {name: output_bins.count(values, edges) for name, values in outputs.items()} if edges else {}
    values: dict[str, Any] = vars(base) | {"outputs": counted}
    if signature.task == "regression":
        return Labelled(**values | _errors(outputs[VALUE], np.array(happened, dtype=np.float64), reference))
    texts = np.array([str(item) for item in happened], dtype=object)
    of = {name: texts == (ANOMALY if signature.task == "anomaly_detection" else name) for name in outputs}
    if edges:
        values["happened"] = {name: output_bins.count(outputs[name], edges, of[name]) for name in outputs}
    assert said.labels is not None, "a prediction of classes has labels"
    pairs = Counter(zip(texts.tolist(), map(str, said.labels.tolist()), strict=True))
    confusion: dict[str, dict[str, int]] = {}
    for (actual, label), rows in sorted(pairs.items()):
        confusion.setdefault(actual, {})[label] = rows
    return Labelled(**values | {"confusion": confusion} | _losses(said, texts, of, signature))


def _losses(
    said: Prediction, texts: np.ndarray, of: Mapping[str, np.ndarray], signature: Signature
) -> dict[str, float]:
    """Sums of the log loss, and of the Brier score: of the positive class, or of all of many classes."""
    if said.probabilities is None:
        return {}
    is_class = np.stack([texts == name for name in signature.classes], axis=1)
    of_actual = np.where(is_class, said.probabilities, 0.0).sum(axis=1)
    squares = (said.probabilities - is_class) ** 2
    # Of a binary task only the positive class's output is there.
    chosen = [signature.classes.index(name) for name in of]
    return {
        "log_loss_total": math.fsum((-np.log(np.clip(of_actual, _SMALLEST, 1 - _SMALLEST))).tolist()),
        "brier_total": math.fsum(squares[:, chosen].ravel().tolist()),
    }


def _errors(values: np.ndarray, actual: np.ndarray, reference: Reference | None) -> dict[str, Any]:
    sizes = np.abs(values - actual)
    known = reference.metrics.get("rmse") if reference is not None else None
    return {
        "absolute_total": math.fsum(sizes.tolist()),
        "squared_total": math.fsum((sizes**2).tolist()),
        "actual_total": math.fsum(actual.tolist()),
        "actual_squares": math.fsum((actual**2).tolist()),
        "absolute_errors": () if known is None else output_bins.count(sizes, output_bins.error_edges(known)),
    }
