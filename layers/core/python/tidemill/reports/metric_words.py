"""What each metric means for a person: its name, its scale, and its value in a sentence.

A loss is turned into the number it stands for: a log loss of 0.41 says that the true
answer got a probability of exp(-0.41) = 66% on (geometric) average, a Brier score of
0.135 that the probabilities miss by sqrt(0.135) = 37 percentage points.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tidemill.contracts import Evaluation, Interval
from tidemill.reports import formats

#: Metrics of one scale can share an axis: shares of 1, errors in the target's unit, the two losses, how far clusters
#: overlap, and standard deviations.
Scale = Literal["share", "target", "log_loss", "brier", "overlap", "spread"]


def _identity(value: float) -> float:
    return value


def _percent(value: float) -> float:
    return value * 100


def _probability_of_truth(log_loss: float) -> float:
    return math.exp(-log_loss) * 100


def _points_missed(brier: float) -> float:
    return math.sqrt(max(brier, 0.0)) * 100


@dataclass(frozen=True)
class MetricWords:
    """One metric in words. `sentence` takes {value}, {target}, {positive} and {negative}."""

    label: str
    scale: Scale
    plain: Callable[[float], float]  #: the metric's value as the number in the sentence
    sentence: str
    unit: str = ""  #: what follows the number when it stands alone


METRICS: dict[str, MetricWords] = {
    "roc_auc": MetricWords("ROC AUC", "share", _percent, "it ranks {positive} above {negative} {value} times in 100"),
    "average_precision": MetricWords(
        "average precision", "share", _percent, "of 100 rows it flags as {positive}, {value} really are"
    ),
    "log_loss": MetricWords(
        "log loss",
        "log_loss",
        _probability_of_truth,
        "on average it gives the true answer {value}% probability",
        "%",
    ),
    "accuracy": MetricWords("accuracy", "share", _percent, "it is right for {value} of 100 rows"),
    "balanced_accuracy": MetricWords(
        "balanced accuracy",
        "share",
        _percent,
        "it is right for {value} of 100 rows when every class counts the same",
    ),
    "f1": MetricWords("F1", "share", _percent, "its F1 score for finding {positive} is {value} of 100"),
    "brier_score": MetricWords(
        "Brier score",
        "brier",
        _points_missed,
        "its probabilities typically miss by {value} percentage points",
    ),
    "f1_macro": MetricWords(
        "macro F1", "share", _percent, "its F1 score, averaged over the classes, is {value} of 100"
    ),
    "roc_auc_ovr": MetricWords(
        "ROC AUC, one against the rest",
        "share",
        _percent,
        "it ranks the right class above another {value} times in 100",
    ),
    "rmse": MetricWords("RMSE", "target", _identity, "its predictions of {target} typically miss by {value}"),
    "mae": MetricWords("MAE", "target", _identity, "its predictions of {target} miss by {value} on average"),
    "r2": MetricWords("R²", "share", _percent, "it explains {value}% of the differences in {target} between rows", "%"),
    "median_absolute_error": MetricWords(
        "median absolute error",
        "target",
        _identity,
        "half of its predictions of {target} miss by less than {value}",
    ),
    "silhouette": MetricWords(
        "silhouette", "share", _identity, "its clusters stand apart by a silhouette of {value} out of 1"
    ),
    "davies_bouldin": MetricWords(
        "Davies–Bouldin index", "overlap", _identity, "its clusters overlap by an index of {value}, best near 0"
    ),
    "stability": MetricWords(
        "stability", "share", _identity, "models of two halves of the rows agree by {value} out of 1"
    ),
    "explained_variance": MetricWords(
        "explained variance", "share", _percent, "its components keep {value}% of what differs between rows", "%"
    ),
    "reconstruction_rmse": MetricWords(
        "reconstruction RMSE",
        "spread",
        _identity,
        "rows rebuilt from its components typically miss by {value} standard deviations",
    ),
    "shuffled_auc": MetricWords(
        "AUC against shuffled rows",
        "share",
        _percent,
        "it tells a row of shuffled columns from a real one {value} times in 100",
    ),
}


def words(metric: str) -> MetricWords:
    """The words of a metric; one this module does not know is shown by its name and its value."""
    known = METRICS.get(metric)
    return known or MetricWords(metric, "share", _identity, "its " + metric + " is {value}")


def figure(metric: str, value: float | None) -> str:
    """A value of the metric itself, for a table: four decimals for shares, so that columns align."""
    if value is None or words(metric).scale != "share":
        return formats.figure(value, 4)
    return f"{round(value, 4) + 0.0:.4f}".replace("-", formats.MINUS)


def rank(metric: str) -> int:
    """The metric's place in a list of several."""
    return list(METRICS).index(metric) if metric in METRICS else len(METRICS)


@dataclass(frozen=True)
class PlainValue:
    """An interval as texts, in the unit of the metric's sentence, rounded to what its width allows."""

    value: str
    low: str
    high: str
    margin: str  #: half of the interval, the longer half


def plain_value(metric: str, interval: Interval) -> PlainValue:
    """The value and its interval in the unit of the metric's sentence."""
    plain = words(metric).plain
    value = plain(interval.value)
    low, high = sorted((plain(interval.low), plain(interval.high)))
    margin = max(high - value, value - low)
    exponent = _last_digit(high - low)
    return PlainValue(
        _rounded(value, exponent), _rounded(low, exponent), _rounded(high, exponent), _rounded(margin, exponent)
    )


def plain_number(metric: str, value: float, beside: Interval) -> str:
    """Another value of the same metric, rounded as the interval beside it."""
    plain = words(metric).plain
    return _rounded(plain(value), _last_digit(plain(beside.high) - plain(beside.low)))


def _last_digit(width: float) -> int | None:
    """The power of ten to round to, so that the interval's width keeps one or two digits."""
    width = abs(width)
    return math.floor(math.log10(width / 3)) if width > 0 and math.isfinite(width) else None


def _rounded(value: float, exponent: int | None) -> str:
    if exponent is None or not math.isfinite(value):
        return formats.number(value)
    text = f"{round(value, -exponent):,.{max(-exponent, 0)}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", formats.MINUS)


def sentence(metric: str, value: str, target: str | None, evaluation: Evaluation | None) -> str:
    """What the metric's value says, as a clause: `it ranks “Yes” above “No” 85 times in 100`."""
    positive = evaluation.positive_class if evaluation else None
    others = [name for name in evaluation.classes if name != positive] if evaluation else []
    return words(metric).sentence.format(
        value=value,
        target=target or "the target",
        positive=class_name(target, positive),
        negative=class_name(target, others[0]) if len(others) == 1 else "the rest",
    )


def class_name(target: str | None, value: str | None) -> str:
    """A class in a sentence: `“Yes”`, or `Outcome = 1` when the class alone says nothing."""
    if value is None:
        return "a positive row"
    return f"“{value}”" if not value.replace(".", "").isdigit() and len(value) > 1 else f"{target} = {value}"
