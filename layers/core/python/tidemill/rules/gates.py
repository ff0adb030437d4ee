"""The gates of a release: whether the best candidate may become a model version.

Each gate is a pure function of numbers and says in a sentence why it decided so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from tidemill.contracts import Gate, Interval
from tidemill.rules.metrics import improvement
from tidemill.spec import LOWER_IS_BETTER, Gates

#: Newest labelled predictions that a comparison on them needs.
LEAST_NEWEST_ROWS = 100


@dataclass(frozen=True)
class Champion:
    """The model in service, as it does on the same holdout rows; `value` is null when it cannot be compared."""

    version: int
    value: float | None
    difference: Interval | None = None  #: by how much the new model is better
    why_not: str = ""  #: why it cannot be compared
    other_target: bool = False  #: whether it predicts something else


def judge(
    gates: Gates,
    metric: str,
    holdout: Mapping[str, Interval],
    baseline: Mapping[str, float],
    champion: Champion | None,
) -> tuple[Gate, ...]:
    """All gates, in the order in which they are shown.

    Parameters
    ----------
    metric
        the metric that decides.
    holdout, baseline
        the new model's and the baseline's metrics on the holdout; a metric that is not defined there is absent.
    champion
        None when no model is in service.
    """
    if metric not in holdout:
        return (
            Gate(
                "holdout",
                "refuse",
                f"{metric} is not defined on the holdout, which has rows of one class only: "
                "upload more rows, or let the holdout be larger (holdout.fraction)",
            ),
        )
    value = holdout[metric].value
    return (
        *(_minimum(name, bound, holdout) for name, bound in gates.minimum.items()),
        _baseline(gates, metric, value, baseline[metric]),
        _champion(gates, metric, value, champion),
    )


def _minimum(metric: str, bound: float, holdout: Mapping[str, Interval]) -> Gate:
    name = f"minimum_{metric}"
    if metric not in holdout:
        measured = ", ".join(holdout)
        return Gate(name, "refuse", f"the spec asks for {metric}, which this task does not have: it has {measured}")
    value = holdout[metric].value
    words = "at most" if metric in LOWER_IS_BETTER else "at least"
    good = improvement(metric, value, bound) >= 0
    detail = f"{metric} is {_shown(value)} on the holdout and must be {words} {_shown(bound)}"
    return Gate(name, "pass" if good else "refuse", detail, value, bound)


def _baseline(gates: Gates, metric: str, value: float, bound: float) -> Gate:
    name = "beats_baseline"
    if not gates.must_beat_baseline:
        return Gate(name, "skip", "the spec does not ask the model to beat the baseline", value, bound)
    good = improvement(metric, value, bound) > 0
    detail = (
        f"{metric} is {_shown(value)} on the holdout, better than {_shown(bound)} of a model that ignores the columns"
        if good
        else f"{metric} is {_shown(value)} on the holdout, no better than {_shown(bound)} of a model "
        "that ignores the columns: they say too little about the target"
    )
    return Gate(name, "pass" if good else "refuse", detail, value, bound)


def _champion(gates: Gates, metric: str, value: float, champion: Champion | None) -> Gate:
    name = "keeps_up_with_champion"
    if champion is None:
        return Gate(name, "skip", "no model is in service yet")
    if champion.other_target and not gates.may_change_target:
        detail = (
            f"version {champion.version} in service does not predict the same: {champion.why_not}; train in a project "
            "of its own, or set gates.may_change_target"
        )
        return Gate(name, "refuse", detail, value)
    if champion.value is None:
        return Gate(
            name, "skip", f"version {champion.version} in service cannot be compared: {champion.why_not}", value
        )
    assert champion.difference is not None, "a champion with a value has been compared"
    return _not_worse(name, metric, value, champion.version, champion.value, champion.difference, gates)


def keeps_up_on_newest(gates: Gates, metric: str, rows: int, value: float | None, champion: Champion | None) -> Gate:
    """Whether the new model is not worse on the newest predictions whose outcome is known; the holdout shows the past.

    They are often few. So a model that is worse by more than the margin, and beyond chance, is refused; one that is
    not, but could be, is left to the holdout's gate, which asks for the proof.

    Parameters
    ----------
    rows
        of them, those that the new model was not fitted on.
    value, champion
        both models on these rows; None when they cannot be compared on them.
    """
    name = "keeps_up_on_newest"
    if value is None or champion is None or champion.value is None or champion.difference is None:
        why = (
            f"a comparison needs {LEAST_NEWEST_ROWS}: upload more outcomes with `tidemill actuals`"
            if rows < LEAST_NEWEST_ROWS
            else f"{metric} is not defined on them, which have one outcome only"
        )
        known = f"{rows:,} newest predictions have a known outcome that training has not seen, and "
        return Gate(name, "skip", known + why)
    difference, margin = champion.difference, gates.champion_margin * abs(champion.value)
    compared = _compared(
        gates, metric, value, champion.version, champion.value, difference, f"{rows:,} newest predictions"
    )
    if difference.low >= -margin:
        return Gate(name, "pass", compared, difference.low, -margin)
    if difference.value < -margin and difference.high < 0:
        way_out = ": train on newer rows (`tidemill retrain`), or allow more with gates.champion_margin"
        return Gate(name, "refuse", compared + way_out, difference.low, -margin)
    return Gate(name, "skip", f"{compared}, and so few rows cannot tell", difference.low, -margin)


def _not_worse(
    name: str, metric: str, value: float, version: int, old: float, difference: Interval, gates: Gates
) -> Gate:
    """Whether the new model is not worse by more than the margin, as a test of non-inferiority decides it.

    The whole 95% interval of the paired difference must lie above minus the margin; positive is better.
    """
    margin = gates.champion_margin * abs(old)
    good = difference.low >= -margin
    compared = _compared(gates, metric, value, version, old, difference, "the same rows")
    if good:
        way_out = ""
    elif difference.value < -margin:
        way_out = ": find what has made it worse, or allow more with gates.champion_margin"
    else:
        needed = math.ceil(-difference.low / abs(old) * 1000) / 1000 if old else math.inf
        way_out = (
            ", and so few holdout rows cannot rule out more than that: upload more rows, let the holdout be larger "
            f"(holdout.fraction), or allow it with gates.champion_margin of {needed:g} or more"
        )
    return Gate(name, "pass" if good else "refuse", compared + way_out, difference.low, -margin)


def _compared(
    gates: Gates, metric: str, value: float, version: int, old: float, difference: Interval, rows: str
) -> str:
    return (
        f"{metric} is {_shown(value)} and version {version} in service has {_shown(old)} on {rows}: "
        f"{_change(difference.value)}{_between(difference)}; the new model may be worse by "
        f"{_shown(gates.champion_margin * abs(old), 2)}, {gates.champion_margin:.1%} of the champion's"
    )


def _change(value: float) -> str:
    if value == 0:
        return "no difference"
    return f"{'better' if value > 0 else 'worse'} by {_shown(abs(value), 2)}"


def _between(difference: Interval) -> str:
    if difference.low == difference.high == 0:
        return ""
    return f", between {_change(difference.low)} and {_change(difference.high)} with 95% confidence"


def _shown(value: float, digits: int = 4) -> str:
    """So many significant digits, and no exponent for the sizes people have."""
    if value == 0 or not math.isfinite(value):
        return str(value)
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(decimals, 8)}f}"
