"""Whether a rollout takes a bad version back: python tests/bench/bad_challenger.py [seeds]

On adult_census a champion is trained, and two challengers: a sound one, of nine tenths of the rows, and a bad one that
learned from labels of which a fifth were flipped. Calls come all day and are spread by `serving.traffic`; what really
happened becomes known late. The rollout goes by the rules of `rules.rollout` and the counts of
`monitoring.rollout_evidence`, at the project's defaults, and by the labels alone, where predictions are not compared
and log loss decides. (By ROC AUC the bad one is less than 2% worse, which the default margin allows: flipped labels
spoil probabilities more than ranks.) Labels that come after the last bake time can stop nothing: who has nothing but
them asks for more calls.

Bars: the bad one never gets all calls, and it is taken back within one bake time after the evidence is there, which is
the first minute in which the rules would have said so. That they do not refuse everybody is shown by the sound one.
Needs the tables in ../shared/data.
"""

from __future__ import annotations

import dataclasses
import math
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from quality import TABLES, prepared

from tidemill import rollout_plan
from tidemill.contracts import Capture, Profile, Reading, Signature, instant
from tidemill.learning import evaluation, fitting, refitting
from tidemill.learning.evaluation import Trained
from tidemill.learning.preparation import Preparation
from tidemill.learning.rows import Rows, load_prediction, save_prediction
from tidemill.monitoring import reference, rollout_evidence
from tidemill.monitoring_contracts import Reference
from tidemill.release_contracts import Rollout, RolloutRequest, Share, Signal, Traffic
from tidemill.rules import rollout
from tidemill.serving import traffic
from tidemill.serving.scoring import Model
from tidemill.spec import RolloutOptions, Search, Spec

SEEDS = 50
FLIPPED = 0.2
CALLS_PER_HOUR = 2_000
#: Mean time until an outcome is known; it is spread exponentially.
LABEL_HOURS = 0.5
BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
SPEC = Spec(target="income", candidates=("baseline", "boosting"), folds=2, search=Search(ensemble=False))
CHAMPION, CHALLENGER = 1, 2
#: What callers send is the same for both versions, and not looked at.
PROFILE = Profile(0, 0, (), Reading("csv", None, None, None, None, True, 0), "income", "binary")


@dataclass(frozen=True)
class Answers:
    """What a version says of each holdout row."""

    signature: Signature
    reference: Reference
    said: list[dict[str, Any]]
    auc: float


@dataclass(frozen=True)
class Ended:
    """How a rollout ended."""

    promoted: bool
    reason: str  #: names of the signals that stopped it
    bakes: float  #: bake times since it began
    late: float  #: bake times between the evidence and the end; 0 when it was promoted
    share: float  #: largest share of the calls that the version had


def learned(ready: Preparation, rows: Rows) -> Answers:
    """Fit on these rows, and ask about the holdout."""
    plan = ready.plan
    made = [fitting.cross_validate(one, plan, rows, lambda: 0.0, 1, 1.0) for one in plan.prepared().candidates]
    scores = [fitting.score_of(one.result, plan.metric) for one in made]
    found = {one.result.name: one.out_of_fold for one in made if one.out_of_fold}
    refit = refitting.refit(plan, rows, ready.holdout, scores, found)
    model = Model.load(refit.onnx, refit.signature)
    trained = Trained(
        refit.fit,
        model,
        Model.load(refit.baseline_onnx, refit.signature),
        load_prediction(save_prediction(refit.reference)),
    )
    judged = evaluation.evaluate(SPEC, ready.holdout, trained, None)
    prediction = model.predict(ready.holdout.columns)
    kept, _ = reference.build(
        judged, refit.signature, ready.holdout.columns, ready.holdout.target, prediction, trained_at="", seed=0
    )
    assert prediction.probabilities is not None
    assert prediction.labels is not None
    said = [
        {"label": str(label), "probabilities": [float(p) for p in shares]}
        for label, shares in zip(prediction.labels, prediction.probabilities, strict=True)
    ]
    return Answers(refit.signature, kept, said, judged.holdout["roc_auc"].value)


def flipped(rows: Rows, share: float, seed: int) -> Rows:
    """The rows with the labels of a share of them turned round."""
    draw = np.random.default_rng(seed)
    turned = draw.random(len(rows)) < share
    return dataclasses.replace(rows, target=np.where(turned, 1 - rows.target, rows.target).astype(rows.target.dtype))


class Production:
    """Calls of a model whose traffic is spread, their answers, and what becomes known of them."""

    def __init__(self, champion: Answers, challenger: Answers, actual: Sequence[str], seed: int) -> None:
        self._answers = {CHAMPION: champion, CHALLENGER: challenger}
        self._actual = actual
        self._draw = np.random.default_rng(seed)
        self._seed = seed
        self._next = BEGIN
        self.captures: list[Capture] = []
        self._known: list[tuple[datetime, dict[str, Any]]] = []

    def go_on(self, until: datetime, spread: Traffic) -> None:
        """Calls until a time."""
        while self._next < until:
            call = f"{self._seed}-{len(self.captures)}"
            row = int(self._draw.integers(len(self._actual)))
            version, why = traffic.assign(spread, CHAMPION, call)
            capture = Capture(
                prediction_id=call,
                at=instant(self._next),
                model="adult",
                version=version,
                inputs={},
                prediction=self._answers[version].said[row],
                alias="champion",
                why=why,
                ms=float(self._draw.lognormal(2.5, 0.4)),
            )
            self.captures.append(capture)
            outcome = {
                "id": call,
                "at": capture.at,
                "version": version,
                "output": capture.prediction,
                "alias": capture.alias,
                "scale": None,
                "actual": self._actual[row],
            }
            self._known.append((self._next + timedelta(hours=self._draw.exponential(LABEL_HOURS)), outcome))
            self._next += timedelta(hours=1 / CALLS_PER_HOUR)

    def outcomes(self, at: datetime) -> list[dict[str, Any]]:
        """What is known at a time."""
        return [outcome for known, outcome in self._known if known <= at]

    def captured(self, at: datetime) -> list[Capture]:
        """Calls before a time."""
        return [capture for capture in self.captures if capture.at < instant(at)]


def let_in(
    champion: Answers,
    challenger: Answers,
    actual: Sequence[str],
    options: RolloutOptions,
    seed: int,
) -> Ended:
    """One rollout, from its begin to its end."""
    production = Production(champion, challenger, actual, seed)
    request = RolloutRequest("0" * 32, "adult", CHALLENGER, "0" * 32, "bench", "bench")
    current = rollout_plan.begun(request, rollout_plan.plan(options), CHAMPION, instant(BEGIN))
    now, before, share = BEGIN, BEGIN, 0.0
    while True:
        signals = _judged(champion, production, current, now)
        move = rollout.next_move(current, signals, now)
        if move.kind == "roll_back":
            seen = next(at for at in _minutes(before, now) if _stopped(_judged(champion, production, current, at)))
            bake = timedelta(seconds=current.plan.bake_seconds)
            return Ended(False, "+".join(_stopped(signals)), (now - BEGIN) / bake, (now - seen) / bake, share)
        current = rollout.moved(current, move, signals, instant(now))
        if move.kind == "promote":
            return Ended(True, "", (now - BEGIN) / timedelta(seconds=current.plan.bake_seconds), 0.0, 1.0)
        share = max(share, current.plan.steps[current.step])
        before, now = now, now + timedelta(seconds=move.wait_seconds)
        production.go_on(now, Traffic("adult", (Share(CHALLENGER, current.plan.steps[current.step]),)))


def _judged(champion: Answers, production: Production, current: Rollout, at: datetime) -> tuple[Signal, ...]:
    observed = rollout_evidence.observed(
        current,
        production.captured(at),
        production.outcomes(at),
        PROFILE,
        champion.signature,
        champion.reference,
    )
    return rollout.judge(current, *observed)


def _stopped(signals: Sequence[Signal]) -> list[str]:
    return [signal.name for signal in signals if signal.verdict == "stop"]


def _minutes(start: datetime, end: datetime) -> Iterator[datetime]:
    at = start
    while at < end:
        yield at
        at += timedelta(minutes=1)
    yield end


def report(name: str, ended: Sequence[Ended]) -> None:
    """A line of the table."""
    back = [one for one in ended if not one.promoted]
    print(f"{name}: {len(ended) - len(back)} of {len(ended)} seeds reached 100% of the traffic")
    if back:
        reasons, bakes = Counter(one.reason for one in back), np.mean([one.bakes for one in back])
        print(
            f"    taken back by {dict(reasons)}, after {bakes:.2f} bake times on average,"
            f" at most {max(one.late for one in back):.2f} after the evidence; "
            f"largest share of the traffic {max(one.share for one in back):.0%}"
        )
    sys.stdout.flush()


def main(seeds: int) -> None:
    """Print how rollouts of both challengers end."""
    _, _, ready = prepared(TABLES / "adult_census.csv", SPEC)
    rows = ready.train
    champion = learned(ready, rows)
    some = np.random.default_rng(0).random(len(rows)) < 0.9
    assert rows.folds is not None
    sound = learned(
        ready,
        dataclasses.replace(
            rows,
            columns={name: values[some] for name, values in rows.columns.items()},
            target=rows.target[some],
            folds=rows.folds[some],
        ),
    )
    bad = learned(ready, flipped(rows, FLIPPED, 0))
    actual = [champion.signature.classes[int(code)] for code in ready.holdout.target]
    print(f"holdout ROC AUC: champion {champion.auc:.4f}, sound {sound.auc:.4f}, flipped labels {bad.auc:.4f}")
    canary = RolloutOptions(strategy="canary")
    alone = dataclasses.replace(canary, prediction_drift=math.inf)
    by_log_loss = dataclasses.replace(champion, reference=dataclasses.replace(champion.reference, metric="log_loss"))
    for name, judge, options in (
        ("canary of 10%", champion, canary),
        ("linear by 25%", champion, RolloutOptions(strategy="linear", share=0.25)),
        ("canary of 10%, by labels alone", by_log_loss, alone),
        ("the same, 500 calls asked for", by_log_loss, dataclasses.replace(alone, min_requests=500)),
    ):
        for who, challenger in (("flipped labels", bad), ("sound", sound)):
            ended = [let_in(judge, challenger, actual, options, seed) for seed in range(seeds)]
            report(f"{name}, {who}", ended)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SEEDS)
