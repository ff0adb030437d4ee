"""The JSON of releasing a model: traffic, rollouts, approvals, freezes.

As in `contracts.py`, everything that is stored or crosses a function's border is one of these frozen dataclasses.
Standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: Why a version answered: the champion; a share of the traffic; a copy that nobody got; asked for by label or number.
Why = Literal["champion", "split", "shadow", "label", "version"]

# --- traffic -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Share:
    """One version's share of a model's traffic."""

    version: int
    weight: float  #: 0 to 1; what the shares leave goes to the champion


@dataclass(frozen=True)
class Traffic:
    """How a model's calls are spread. Without one, or without shares, the champion answers everything.

    A call that names a version or label is not spread. The same key goes to the same version as long as the shares
    stay, and when a share grows, no key leaves it.
    """

    model: str
    shares: tuple[Share, ...] = ()
    shadow_version: int | None = None  #: gets copies of calls; its answers are recorded, and given to nobody
    shadow_fraction: float = 0.0  #: of the calls that are copied
    experiment: str = ""  #: name of the A/B test that the captures carry
    revision: int = 1
    at: str = ""
    by: str = ""
    reason: str = ""
    rollout: str | None = None  #: id of the rollout that set it; a person's change is refused meanwhile


@dataclass(frozen=True)
class Freeze:
    """Whether a model's champion may be replaced; a rollback is always possible."""

    model: str
    frozen: bool
    at: str
    by: str
    reason: str
    revision: int = 1


# --- rollouts ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class RolloutPlan:
    """How a version is let in: shares of the traffic one after the other, each for at least its bake time."""

    steps: tuple[float, ...]  #: shares of the new version, growing, the last one 1.0; (1.0,) is all at once
    bake_seconds: float  #: of each step below 1.0
    shadow_seconds: float = 0.0  #: before the first step; 0: no shadow
    shadow_fraction: float = 1.0
    min_requests: int = 100  #: of the new version in a step, before it may be judged well
    max_waits: int = 10  #: bake times that a step waits for so many; then it goes by what there is
    error_rate: float = 0.02  #: most that the new version's rate of 5xx may be above the champion's
    latency_ratio: float = 2.0  #: most that its median latency may be, as a multiple of the champion's
    prediction_drift: float = 0.25  #: most that the population stability index of its predictions may be
    quality_margin: float = 0.02  #: most that it may be worse where labels are there, as a share of the champion's


@dataclass(frozen=True)
class Signal:
    """One thing that a rollout looks at in a step."""

    name: Literal["errors", "latency", "prediction_drift", "quality", "requests", "frozen"]
    verdict: Literal["good", "stop", "wait"]
    sentence: str
    value: float | None = None
    limit: float | None = None


RolloutState = Literal["SHADOW", "BAKING", "PROMOTED", "ROLLED_BACK"]


@dataclass(frozen=True)
class RolloutRequest:
    """What the rollout's state machine is started with."""

    id: str  #: 32 hex characters: the run's id, or of its own when a person promotes a version
    model: str
    version: int
    run_id: str
    by: str
    reason: str
    strategy: Literal["all_at_once", "canary", "linear"] | None = None  #: null: as the spec says


@dataclass(frozen=True)
class Rollout:
    """A version on its way to all traffic, or what became of it."""

    id: str
    model: str
    version: int
    champion: int | None  #: the version before
    run_id: str
    plan: RolloutPlan
    state: RolloutState
    step: int  #: index in plan.steps
    waits: int  #: bake times that this step has had beyond its first
    step_started_at: str
    started_at: str
    by: str
    reason: str
    signals: tuple[Signal, ...] = ()  #: of the newest judgement
    history: tuple[str, ...] = ()  #: sentences, oldest first
    ended_at: str = ""
    revision: int = 1


@dataclass(frozen=True)
class RolloutStep:
    """Returned by `rollout`: what the state machine does next."""

    id: str
    state: RolloutState
    wait_seconds: int  #: before it is called again; 0 when it has ended
    reason: str


# --- approvals ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Vote:
    """One person's word about a release."""

    person: str
    decision: Literal["approve", "reject"]
    at: str
    reason: str
    through: Literal["cli", "api", "link"]
