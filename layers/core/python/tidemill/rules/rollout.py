"""Letting a version in step by step: what stops it, and what comes next.

Both versions are looked at over the same time and the same kind of calls, so what differs between them is the version.
A stop needs evidence: the difference must be beyond what the project allows by more than chance, or else the small
counts of a first share would take good versions back. The tests are strict, since a rollout is looked at some dozens of
times.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from tidemill.monitoring_contracts import LATENCY_EDGES, QualityFigure, Summary
from tidemill.release_contracts import Freeze, Rollout, RolloutPlan, Signal
from tidemill.rollout_plan import situation
from tidemill.rules import drift, output_bins
from tidemill.rules.significance import quantile, share_bound
from tidemill.spec import LOWER_IS_BETTER

#: How often chance alone may stop a step in one look at one signal.
CHANCE = 1e-3
#: The same for failed calls. What is allowed above the champion's rate keeps chance away from good versions already.
ERRORS_CHANCE = 0.01
#: Standard errors that go with CHANCE.
_SURE = quantile(CHANCE)
#: Standard errors on each side of a 95% interval.
_INTERVAL = quantile(0.025)
#: Looks in one bake time: what fails is taken back before the time is over.
LOOKS = 4
#: A version that is slower by less than this is not slow, whatever the ratio: milliseconds.
LEAST_MS = 5.0
#: Fewer true outcomes of either version say nothing about its quality.
LEAST_LABELS = 50


@dataclass(frozen=True)
class Observed:
    """What was seen of one version since a step began."""

    requests: int = 0  #: failed and refused ones included
    errors: int = 0  #: 5xx
    latency: tuple[int, ...] = ()  #: requests in each bin of LATENCY_EDGES
    outputs: Mapping[str, Sequence[int]] = field(default_factory=dict)  #: predictions in each bin, as in Summary
    quality: QualityFigure | None = None  #: the deciding metric, of the predictions whose outcome is known

    @classmethod
    def of(cls, summary: Summary | None, quality: QualityFigure | None = None) -> Observed:
        """What a summary says; None when the version has answered nothing."""
        if summary is None:
            return cls(quality=quality)
        errors = sum(count for status, count in summary.statuses.items() if status.startswith("5"))
        return cls(summary.requests, errors, summary.latency, summary.outputs, quality)


@dataclass(frozen=True)
class Move:
    """What becomes of a rollout now."""

    #: longer: the step is given one more bake time
    kind: Literal["wait", "longer", "advance", "promote", "roll_back"]
    sentence: str
    wait_seconds: int = 0  #: until the next look; 0 when the rollout ends


# --- what is seen ------------------------------------------------------------------------------


def judge(
    rollout: Rollout,
    champion: Observed,
    challenger: Observed,
    freeze: Freeze | None = None,
    found_better: bool = False,
) -> tuple[Signal, ...]:
    """What speaks for going on, for waiting, and for taking the version back.

    Parameters
    ----------
    champion, challenger
        both since the step began; their outputs in the same bins, their quality by the same metric.
    freeze
        whether the model's promotions are frozen.
    found_better
        whether the version did better than this champion, beyond chance, when it was evaluated. Then it says something
        else because it knows better, and that alone is no reason to take it back.
    """
    made = rollout.plan
    found = [
        _errors(made, champion, challenger),
        # Copies are answered by another function than calls, in batches: their times cannot be compared.
        None if rollout.state == "SHADOW" else _latency(made, champion, challenger),
        _prediction_drift(made, champion, challenger, found_better or _does_as_well(champion, challenger)),
        _quality(made, champion, challenger),
        _requests(rollout, challenger),
        _frozen(freeze),
    ]
    return tuple(signal for signal in found if signal is not None)


def _errors(made: RolloutPlan, champion: Observed, challenger: Observed) -> Signal | None:
    """Whether as many calls fail would be chance, if its rate were the champion's and what is allowed above that."""
    if not challenger.requests:
        return None
    theirs = champion.errors / champion.requests if champion.requests else 0.0
    ours = challenger.errors / challenger.requests
    # The champion's true rate may be higher than the one seen; one that answers nothing fails at nothing.
    highest = (
        1 - share_bound(champion.requests - champion.errors, champion.requests, 0.05) if champion.requests else 0.0
    )
    told = (
        f"{challenger.errors:,} of its {challenger.requests:,} calls failed ({ours:.2%}), of the champion's "
        f"{champion.errors:,} of {champion.requests:,} ({theirs:.2%})"
    )
    limit = theirs + made.error_rate
    if _at_least(challenger.errors, challenger.requests, min(1.0, highest + made.error_rate)) < ERRORS_CHANCE:
        return Signal("errors", "stop", f"{told}: {made.error_rate:.2%} more are allowed", ours, limit)
    return Signal("errors", "good", told, ours, limit)


def _at_least(failed: int, calls: int, rate: float) -> float:
    """Probability that so many calls fail, or more: the upper tail of the binomial distribution."""
    if failed <= calls * rate or rate >= 1:
        return 1.0  # not less than about a half
    ways = math.lgamma(calls + 1) - math.lgamma(failed + 1) - math.lgamma(calls - failed + 1)
    term = math.exp(ways + failed * math.log(rate) + (calls - failed) * math.log1p(-rate)) if rate else 0.0
    total = term
    while failed < calls and term > total * 1e-9:  # each is a smaller share of the one before
        term *= (calls - failed) / (failed + 1) * rate / (1 - rate)
        failed += 1
        total += term
    return total


def _latency(made: RolloutPlan, champion: Observed, challenger: Observed) -> Signal | None:
    """Whether the median is above the limit, by the sign test: more than half of the calls take longer than that."""
    theirs, ours = _median(champion.latency), _median(challenger.latency)
    if theirs is None or ours is None:
        return None
    # The highest that the champion's true median may be: an order statistic (Conover, Practical Nonparametric
    # Statistics, 1999, section 3.2).
    calls = sum(champion.latency)
    highest = _quantile(champion.latency, min(1.0, 0.5 + _SURE / (2 * math.sqrt(calls))))
    limit = max(highest * made.latency_ratio, highest + LEAST_MS)
    slower = _above(challenger.latency, limit)
    least = share_bound(slower, sum(challenger.latency), CHANCE)
    told = f"half of its calls take at most {ours:.3g} ms, of the champion's at most {theirs:.3g} ms"
    if least > 0.5:
        return Signal("latency", "stop", f"{told}: {made.latency_ratio:g} times as much is allowed", ours, limit)
    return Signal("latency", "good", told, ours, limit)


def _median(counts: Sequence[int]) -> float | None:
    return _quantile(counts, 0.5) if sum(counts) else None


def _quantile(counts: Sequence[int], level: float) -> float:
    """The quantile of a latency histogram, between a bin's edges in proportion; milliseconds."""
    left = level * sum(counts)
    for place, count in enumerate(counts):
        if count and left <= count:
            low, high = _bin(place)
            return low + (high - low) * left / count
        left -= count
    return _bin(len(counts) - 1)[1]


def _above(counts: Sequence[int], limit: float) -> int:
    """How many calls took longer, those of the limit's own bin in proportion."""
    longer = 0.0
    for place, count in enumerate(counts):
        low, high = _bin(place)
        longer += count * min(1.0, max(0.0, (high - limit) / (high - low)))
    return int(longer)


def _bin(place: int) -> tuple[float, float]:
    """Edges of a bin of LATENCY_EDGES; the last one, which has no end, ends at twice its begin."""
    low = LATENCY_EDGES[place - 1] if place else 0.0
    return low, LATENCY_EDGES[place] if place < len(LATENCY_EDGES) else 2 * low


def _prediction_drift(made: RolloutPlan, champion: Observed, challenger: Observed, as_it_should: bool) -> Signal | None:
    """The output whose distribution differs most, beyond what samples of these sizes do by chance."""
    found: tuple[float, str, drift.Shift] | None = None
    for name, theirs in champion.outputs.items():
        ours = challenger.outputs.get(name)
        if ours is None or len(ours) != len(theirs) or not sum(theirs):
            continue
        shift = drift.shift(*output_bins.coarse(theirs, ours))
        if shift is not None and (found is None or shift.psi - shift.noise > found[0]):
            found = shift.psi - shift.noise, name, shift
    if found is None:
        return None
    _, name, shift = found
    output = "its predictions" if name == output_bins.VALUE else f"its probabilities of {name!r}"
    told = f"{output} differ from the champion's by a stability index of {shift.psi:.3f}"
    if shift.is_drift(made.prediction_drift) and as_it_should:
        sentence = f"{told}, and it has been found to know better"
        return Signal("prediction_drift", "good", sentence, shift.psi, made.prediction_drift)
    if shift.is_drift(made.prediction_drift):
        sentence = f"{told}: {made.prediction_drift:g} is allowed"
        return Signal("prediction_drift", "stop", sentence, shift.psi, made.prediction_drift)
    return Signal("prediction_drift", "good", told, shift.psi, made.prediction_drift)


def _quality(made: RolloutPlan, champion: Observed, challenger: Observed) -> Signal | None:
    figures = _figures(champion, challenger)
    if figures is None:
        return None
    theirs, ours = figures
    worse = _worse(theirs, ours)
    allowed = made.quality_margin * abs(theirs.value)
    error = math.hypot(ours.high - ours.low, theirs.high - theirs.low) / (2 * _INTERVAL)
    told = (
        f"its {ours.metric} is {ours.value:.4g} on {ours.rows:,} predictions whose outcome is known, the champion's "
        f"{theirs.value:.4g} on {theirs.rows:,}"
    )
    limit = theirs.value + allowed if ours.metric in LOWER_IS_BETTER else theirs.value - allowed
    if worse - _SURE * error > allowed:
        return Signal("quality", "stop", f"{told}: {allowed:.3g} worse is allowed", ours.value, limit)
    return Signal("quality", "good", told, ours.value, limit)


def _figures(champion: Observed, challenger: Observed) -> tuple[QualityFigure, QualityFigure] | None:
    """Both versions' quality, when it is known of enough predictions."""
    theirs, ours = champion.quality, challenger.quality
    if theirs is None or ours is None or min(theirs.rows, ours.rows) < LEAST_LABELS:
        return None
    return theirs, ours


def _worse(theirs: QualityFigure, ours: QualityFigure) -> float:
    return ours.value - theirs.value if ours.metric in LOWER_IS_BETTER else theirs.value - ours.value


def _does_as_well(champion: Observed, challenger: Observed) -> bool:
    figures = _figures(champion, challenger)
    return figures is not None and _worse(*figures) <= 0


def _requests(rollout: Rollout, challenger: Observed) -> Signal:
    asked = rollout.plan.min_requests
    told = f"it has answered {challenger.requests:,} calls in this step"
    if challenger.requests >= asked:
        return Signal("requests", "good", told, challenger.requests, asked)
    if rollout.waits < rollout.plan.max_waits:
        return Signal("requests", "wait", f"{told}: {asked:,} are asked for", challenger.requests, asked)
    sentence = f"{told}, fewer than {asked:,}, after {rollout.waits + 1} bake times: no more is waited for"
    return Signal("requests", "good", sentence, challenger.requests, asked)


def _frozen(freeze: Freeze | None) -> Signal | None:
    if freeze is None or not freeze.frozen:
        return None
    sentence = f"{freeze.by} has frozen the model's promotions ({freeze.reason}): the rollout holds"
    return Signal("frozen", "wait", sentence)


# --- what comes next ---------------------------------------------------------------------------


def next_move(rollout: Rollout, signals: Sequence[Signal], now: datetime) -> Move:
    """What becomes of the rollout.

    Parameters
    ----------
    signals
        as `judge` gives them. One that stops takes the version back at once, also before the step's time is over and
        while promotions are frozen.
    """
    made, shadow = rollout.plan, rollout.state == "SHADOW"
    promoted = Move("promote", f"version {rollout.version} has come through every step and is the champion now")
    if not shadow and made.steps[rollout.step] >= 1:  # all at once, as the spec says
        return promoted
    stops = [signal.sentence for signal in signals if signal.verdict == "stop"]
    if stops:
        return Move("roll_back", f"version {rollout.version} was taken back: {'; '.join(stops)}")
    bake = made.shadow_seconds if shadow else made.bake_seconds
    waited = (now - datetime.fromisoformat(rollout.step_started_at)).total_seconds()
    left = bake * (1 + rollout.waits) - waited
    look = bake / LOOKS
    if left > 0:
        return Move("wait", f"{situation(rollout)}, for {_minutes(left)} more", _seconds(min(look, left)))
    holds = [signal for signal in signals if signal.verdict == "wait"]
    if any(signal.name == "frozen" for signal in holds):
        return Move("wait", "; ".join(signal.sentence for signal in holds), _seconds(look))
    if holds:
        return Move("longer", "; ".join(signal.sentence for signal in holds), _seconds(look))
    following = made.steps[0] if shadow else made.steps[rollout.step + 1]
    if following >= 1:
        return promoted
    first = _seconds(made.bake_seconds / LOOKS)
    return Move("advance", f"version {rollout.version} answers {following:.4g} of the calls from now on", first)


def moved(rollout: Rollout, move: Move, signals: Sequence[Signal], at: str) -> Rollout:
    """The rollout after a move, to be written in place of the one that was read."""
    said = [*_freezing(rollout, move, signals), *([move.sentence] if move.kind != "wait" else [])]
    new = dataclasses.replace(
        rollout,
        signals=tuple(signals),
        history=(*rollout.history, *(f"{at}: {sentence}" for sentence in said)),
        revision=rollout.revision + 1,
    )
    match move.kind:
        case "wait":
            return new
        case "longer":
            return dataclasses.replace(new, waits=rollout.waits + 1)
        case "advance":
            step = 0 if rollout.state == "SHADOW" else rollout.step + 1
            return dataclasses.replace(new, state="BAKING", step=step, waits=0, step_started_at=at)
        case "promote":
            return dataclasses.replace(new, state="PROMOTED", step=len(rollout.plan.steps) - 1, ended_at=at)
    return dataclasses.replace(new, state="ROLLED_BACK", ended_at=at)


def _freezing(rollout: Rollout, move: Move, signals: Sequence[Signal]) -> list[str]:
    """What the history says when a rollout is held from now on, or no longer."""
    held = any(signal.name == "frozen" for signal in rollout.signals)
    holds = [signal.sentence for signal in signals if signal.name == "frozen"]
    if held and not holds:
        return ["the model's promotions are not frozen any more"]
    return holds if not held and move.kind == "wait" else []


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.3g} minutes" if seconds >= 60 else f"{math.ceil(seconds)} seconds"


def _seconds(wait: float) -> int:
    """A wait of the state machine: whole seconds, at least one."""
    return max(1, math.ceil(wait))
