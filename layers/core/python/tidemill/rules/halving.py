"""Successive halving: many candidates on a part of the rows, the best of them on more, the last few on all.

Jamieson and Talwalkar, Non-stochastic Best Arm Identification and Hyperparameter Optimization,
2016. The rounds are planned before anything is fitted, from what each candidate is expected to
take, so that the same table and budget always give the same search.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from tidemill.contracts import CandidateScore
from tidemill.spec import LOWER_IS_BETTER

#: A table with fewer training rows is searched in one round: its fits are short, and a part of it says too little.
SMALL_ROWS = 10_000
#: From round to round the rows grow by this factor.
GROWTH = 4
#: Candidates of the last round, where the budget lets so many in; and the fewest.
MOST_FINALISTS, FEWEST_FINALISTS = 6, 2


@dataclass(frozen=True)
class Halving:
    """One planned round: the share of the training rows that it sees, and how many candidates it has at most.

    Candidates that always take part are not counted.
    """

    fraction: float
    candidates: int
    joining: tuple[str, ...] = ()  #: of them, those that need as many rows as this round is the first to have


def plan(
    seconds: Mapping[str, float],
    always: Collection[str],
    rows: int,
    budget: float,
    most: float,
    least: Mapping[str, float] | None = None,
) -> tuple[tuple[str, ...], tuple[Halving, ...]]:
    """The candidates of the first round and all rounds, as many as the budget allows.

    Parameters
    ----------
    seconds
        candidate -> what cross-validating it on all rows is expected to take; the most promising first.
    always
        those that take part in every round, whatever it costs.
    rows
        of the training part.
    budget
        seconds of all fits together.
    most
        seconds that one candidate may take: its function is stopped at some time.
    least
        candidate -> rows below which it cannot show what it is worth; none when it is not named.
    """
    free = [name for name in seconds if name not in always]
    whole = min(1.0, most / max(seconds.values()))
    finalists = min(MOST_FINALISTS, len(free))
    while True:
        fractions = _fractions(rows, whole) if len(free) > finalists else [whole]
        rounds = tuple(Halving(fraction, len(free)) for fraction in fractions[:1])
        for fraction in fractions[1:]:
            share = max(finalists, rounds[-1].candidates // 2)
            rounds += (Halving(fraction, finalists if fraction == fractions[-1] else share),)
        spent = sum(
            halving.fraction * (_sum(seconds, always) + _dearest(seconds, free, halving.candidates))
            for halving in rounds
        )
        if spent <= budget:
            break
        # What counts least goes first: finalists, then candidates, then rows.
        if len(rounds) > 1 and finalists > min(FEWEST_FINALISTS, len(free)):
            finalists -= 1
        elif len(free) > FEWEST_FINALISTS:
            free.pop()
            finalists = min(finalists, len(free))
        elif rows * whole > SMALL_ROWS:
            whole /= 2
        else:
            break
    return tuple(name for name in seconds if name in always or name in free), _joined(rounds, rows, free, least or {})


def survivors(
    scores: Sequence[CandidateScore], metric: str, always: Collection[str], keep: int, kinds: Mapping[str, str]
) -> tuple[str, ...]:
    """The candidates of the next round: the best of a round by its metric, and those that always take part.

    Of those that are kept, a third is the best of the kinds that would have nobody else: an ensemble lives on members
    that err differently.

    Parameters
    ----------
    kinds
        candidate -> what it is.
    """
    sign = -1 if metric in LOWER_IS_BETTER else 1
    fitted = [score for score in scores if score.mean is not None and score.name not in always]
    ranked = [score.name for score in sorted(fitted, key=lambda score: (-sign * (score.mean or 0.0), score.name))]
    kept = set(ranked[: keep - keep // 3]) | {score.name for score in scores if score.name in always}
    free = keep // 3
    for name in ranked:
        if free and kinds[name] not in {kinds[one] for one in kept}:
            kept.add(name)
            free -= 1
    kept |= set([name for name in ranked if name not in kept][:free])
    return tuple(score.name for score in scores if score.name in kept)


def _joined(
    rounds: tuple[Halving, ...], rows: int, names: Collection[str], least: Mapping[str, float]
) -> tuple[Halving, ...]:
    """The rounds with the candidates that join in each after the first."""
    first = {
        name: next(
            (place for place, one in enumerate(rounds) if rows * one.fraction >= least.get(name, 0)), len(rounds) - 1
        )
        for name in names
    }
    return tuple(
        replace(one, joining=tuple(sorted(name for name in names if place and first[name] == place)))
        for place, one in enumerate(rounds)
    )


def _fractions(rows: int, whole: float) -> list[float]:
    """Shares of the rows, growing to the whole."""
    fractions = [whole]
    # Only a first round may see less than what is searched in one round.
    while rows * fractions[0] >= SMALL_ROWS * (1 if len(fractions) == 1 else GROWTH):
        fractions.insert(0, fractions[0] / GROWTH)
    return fractions


def _sum(seconds: Mapping[str, float], names: Collection[str]) -> float:
    return sum(value for name, value in seconds.items() if name in names)


def _dearest(seconds: Mapping[str, float], names: Collection[str], count: int) -> float:
    """What so many of the candidates take at most."""
    return sum(sorted((seconds[name] for name in names), reverse=True)[:count])
